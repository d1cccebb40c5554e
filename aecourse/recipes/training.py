"""What every recipe needs: one seed, a device, and a run with a one-cycle schedule."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn import Module

from aecourse import train
from aecourse.data import Batches

SEED = 0
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class Recipe(NamedTuple):
    """How to train a model, and what to measure on it when it has its shipped weights."""

    train: Callable[[], Module]
    metrics: Callable[[Module], dict[str, float]]


def run(model: Module, loss_fn: Callable, batches: Batches, *, epochs: int, lr: float,
        weight_decay: float = 0.01) -> Module:  # fmt: skip
    """Train `model` on DEVICE with a one-cycle schedule and bring it back to the CPU."""
    model.to(DEVICE)
    schedule = train.one_cycle(model, epochs * len(batches), lr=lr, weight_decay=weight_decay)
    train.fit(model, loss_fn, batches, epochs=epochs, schedule=schedule)
    return model.cpu()
