"""`train.fit` against a plain loop over a DataLoader that is fed item by item."""

import statistics
import time

import torch
from torch.utils.data import DataLoader, Dataset

from aecourse import data, train
from aecourse.autoencoder import Autoencoder
from aecourse.trivial import reconstruction_loss

SIZES, BATCH = [784, 256, 100], 128  # the notes' network


class Items(Dataset):
    """One image per call, as most tutorials feed them."""

    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i]


def ours(x):
    train.fit(Autoencoder(SIZES), reconstruction_loss, data.batches(x, BATCH, seed=0), epochs=1)


def plain(x):
    model = Autoencoder(SIZES)
    optimizer = torch.optim.Adam(model.parameters())
    for batch in DataLoader(Items(x), BATCH, shuffle=True):
        loss = (model(batch) - batch).square().sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def run(rounds=7):
    """Images per second of both loops, medians of alternating runs over 60 000 digits."""
    x = data.mnist("train").x
    rates = {"fit": [], "plain DataLoader loop": []}
    for _ in range(rounds):
        for name, loop in zip(rates, (ours, plain)):
            start = time.perf_counter()
            loop(x)
            rates[name].append(len(x) / (time.perf_counter() - start))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return {f"images per second, {name}": round(rate) for name, rate in medians.items()} | {
        "ratio (must be at least 1.3)": round(medians["fit"] / medians["plain DataLoader loop"], 2)
    }
