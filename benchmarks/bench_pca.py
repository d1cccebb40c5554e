"""`linear.pca` against scikit-learn's `PCA` on all 60 000 digits, k = 30.

    python benchmarks/bench_pca.py      or      make bench

Time: the median of alternating runs in one process. Memory: the rise of the peak resident set
over a fresh process that already holds the data, in a process of its own for each of the two.
"""

import json
import resource
import statistics
import subprocess
import sys
import time

import torch
from sklearn.decomposition import PCA

from aecourse import data
from aecourse.linear import pca, principal_angles

K, RUNS = 30, 9


def ours(x):
    """The k components by `aecourse.linear.pca`."""
    return pca(x, K).components


def scikit_learn(x):
    """The k components by scikit-learn with its default solver."""
    return torch.from_numpy(PCA(K).fit(x.numpy()).components_)


def run():
    """Measure both.

    Returns
    -------
    dict
        Medians in seconds, their ratio (above 1: ours is faster), the largest principal angle
        in degrees, and the peak extra memory in units of the data's size.
    """
    x = data.mnist("train").x
    seconds = {ours: [], scikit_learn: []}
    found = {function: function(x) for function in seconds}  # warm up
    for _ in range(RUNS):
        for function, times in seconds.items():
            start = time.perf_counter()
            function(x)
            times.append(time.perf_counter() - start)
    medians = {function: statistics.median(times) for function, times in seconds.items()}
    return {
        "k": K,
        "runs": RUNS,
        "threads": torch.get_num_threads(),
        "seconds_ours": medians[ours],
        "seconds_scikit_learn": medians[scikit_learn],
        "speedup": medians[scikit_learn] / medians[ours],
        "largest_angle_degrees": principal_angles(found[ours], found[scikit_learn])[0].item(),
        "peak_extra_memory_ours": _in_own_process("ours"),
        "peak_extra_memory_scikit_learn": _in_own_process("scikit_learn"),
    }


def peak_extra_memory(function):
    """Rise of this process's peak resident set during function(x), divided by the size of x."""
    x = data.mnist("train").x.clone()
    small = x[:2000].clone()
    function(small)  # code pages and thread pools are not memory for the data
    ballast = torch.ones(max(peak() - resident(), 0), dtype=torch.uint8)  # up to the old peak
    before = peak()
    function(x)
    extra = (peak() - before) / (x.numel() * x.element_size())
    del ballast
    return extra


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def _in_own_process(name):
    command = [sys.executable, __file__, "--memory", name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--memory"]:
        print(peak_extra_memory({"ours": ours, "scikit_learn": scikit_learn}[sys.argv[2]]))
    else:
        print(json.dumps(run(), indent=2))
