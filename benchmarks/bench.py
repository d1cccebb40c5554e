"""Measure speed against peers in the same run, and quality (`make bench`).

Writes `results.json` beside this file, with the machine it was measured on. Speeds differ from
machine to machine; judge the ratios, on an idle machine.
"""

import json
import os
import platform
from datetime import date
from pathlib import Path

import bench_fit
import bench_likelihood
import bench_pca
import bench_tokens
import bench_vqvae
import torch

from aecourse import data, weights
from aecourse.autoencoder import Autoencoder
from aecourse.generation import DigitClassifier
from aecourse.linear import pca
from aecourse.trivial import squared_error

os.environ["AECOURSE_QUIET"] = "1"


def quality():
    """Scores of the closed form and of the shipped weights on the 10 000 test digits."""
    test = data.mnist("test")
    deep = weights.load(Autoencoder([784, 1000, 500, 250, 30]), "deep_autoencoder")
    with torch.no_grad():
        deep_error = squared_error(deep(test.x), test.x).mean().item()
        linear = pca(data.mnist("train").x, 30).reconstruct(test.x)
    accuracy = (DigitClassifier.trained().predict(test.x) == test.y).double().mean().item()
    return {
        "squared error per test image, PCA k = 30 (published: 13.87)":
            round(squared_error(linear, test.x).mean().item(), 3),
        "the same, shipped deep autoencoder (published: 3.00)": round(deep_error, 3),
        "test accuracy of the shipped digit classifier": round(accuracy, 4),
    }  # fmt: skip


def main():
    """Run all benchmarks and store what they measured."""
    results = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, "
                   f"Python {platform.python_version()}, torch {torch.__version__}",
        "date": date.today().isoformat(),
        "likelihood": bench_likelihood.run(),  # first: it measures peak memory
        "pca": bench_pca.run(),
        "fit": bench_fit.run(),
        "vector quantiser": bench_vqvae.run(),
        "sampling tokens": bench_tokens.run(),
        "quality": quality(),
    }  # fmt: skip
    text = json.dumps(results, indent=1, ensure_ascii=False)
    Path(__file__).with_name("results.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
