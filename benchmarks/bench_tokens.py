"""Sampling with the key-value cache against sampling without it: 49 tokens, batch 64."""

import statistics
import time

import torch

from aecourse.tokens import TokenTransformer, Vocabulary, sample

BATCH, COUNT = 64, 49


def run(rounds=5):
    """Seconds per batch of drawings, medians of alternating runs, and their ratio."""
    vocabulary = Vocabulary(512)
    torch.manual_seed(0)
    model = TokenTransformer(len(vocabulary), 56).eval()
    prompt = vocabulary.spell(["seven"] * BATCH)
    seconds = {True: [], False: []}
    for _ in range(rounds + 1):
        for cached, values in seconds.items():
            start = time.perf_counter()
            sample(model, prompt, COUNT, allowed=vocabulary.codes, cached=cached)
            values.append(time.perf_counter() - start)
    with_cache, without = (statistics.median(values[1:]) for values in seconds.values())
    return {
        "drawings, tokens each": [BATCH, COUNT],
        "seconds, cached": round(with_cache, 3),
        "seconds, uncached": round(without, 3),
        "cached is faster by (bar: 3)": round(without / with_cache, 1),
    }


if __name__ == "__main__":
    print(run())
