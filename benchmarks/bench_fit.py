"""`train.fit` against a plain loop over a DataLoader that is fed item by item."""

import statistics
import time

import torch
from torch.utils.data import DataLoader, TensorDataset

from aecourse import data, train
from aecourse.autoencoder import Autoencoder
from aecourse.trivial import reconstruction_loss

SIZES, BATCH = [784, 256, 100], 128  # the notes' network


def ours(x):
    train.fit(Autoencoder(SIZES), reconstruction_loss, data.batches(x, BATCH, seed=0), epochs=1)


def plain(x, *labels):
    model = Autoencoder(SIZES)
    optimizer = torch.optim.Adam(model.parameters())
    for batch, *_ in DataLoader(TensorDataset(x, *labels), BATCH, shuffle=True):
        loss = (model(batch) - batch).square().sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def run(rounds=7):
    """Images per second, medians of alternating runs over 60 000 digits.

    The plain loop twice: with a dataset of images, and of (image, label) pairs as most have.
    """
    x, y = data.mnist("train")
    loops = {
        "fit": lambda: ours(x),
        "DataLoader, images": lambda: plain(x),
        "DataLoader, pairs": lambda: plain(x, y),
    }
    rates = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            start = time.perf_counter()
            loop()
            rates[name].append(len(x) / (time.perf_counter() - start))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return {f"images per second, {name}": round(rate) for name, rate in medians.items()} | {
        f"fit is faster than {name} by": round(medians["fit"] / rate, 2)
        for name, rate in medians.items()
        if name != "fit"
    }
