"""The importance-weighted bound on all test images: value, time and peak memory.

Memory is the rise of the peak resident set over what the process held before.
"""

import time

import torch
from bench_pca import peak, resident
from torch import nn

from aecourse import data, weights
from aecourse.elbo import importance_weighted_bound
from aecourse.vae import VAE, binarize

SAMPLES = 1000


def run():
    """10 000 binarised test digits, K = 1000 samples each, the shipped model of chapter 08."""
    x = binarize(data.mnist("test").x, generator=torch.Generator().manual_seed(0))
    model = weights.load(VAE([784, 200, 200], 50, activation=nn.Tanh), "burda_vae")
    importance_weighted_bound(model, x[:10], 10)  # loads every library that the run needs
    ballast = torch.ones(max(peak() - resident(), 0), dtype=torch.uint8)  # up to the old peak
    before, start = peak(), time.perf_counter()
    torch.manual_seed(0)
    bound = importance_weighted_bound(model, x, SAMPLES)
    extra = peak() - before
    del ballast
    return {
        "images, samples": [len(x), SAMPLES],
        "-log p(x), upper estimate in nats (published: 86.76)": round(-bound.mean().item(), 2),
        "standard error over images": round((bound.std() / len(x) ** 0.5).item(), 2),
        "seconds": round(time.perf_counter() - start, 1),
        "peak extra memory, MB": round(extra / 1e6),
    }


if __name__ == "__main__":
    print(run())
