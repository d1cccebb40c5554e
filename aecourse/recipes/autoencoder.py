"""Autoencoders of digits, deep and small."""

import torch
from torch.nn import Module

from aecourse import data
from aecourse.autoencoder import Autoencoder
from aecourse.recipes.training import SEED, run
from aecourse.trivial import reconstruction_loss, squared_error


def deep_autoencoder() -> Module:
    """784-1000-500-250-30 as Hinton and Salakhutdinov (2006), trained end to end."""
    return _trained([784, 1000, 500, 250, 30], epochs=60, lr=2e-3)


def plane_autoencoder() -> Module:
    """784-256-64-2: a map of the digits, small enough for a web page."""
    return _trained([784, 256, 64, 2], epochs=30, lr=3e-3)


def small_autoencoder() -> Module:
    """784-128-10: ten numbers for a digit, small enough for a web page."""
    return _trained([784, 128, 10], epochs=30, lr=3e-3)


def _trained(sizes, epochs, lr):
    digits = data.batches(data.mnist("train").x, 256, seed=SEED)
    return run(Autoencoder(sizes), reconstruction_loss, digits, epochs=epochs, lr=lr)


@torch.no_grad()
def image_error(model: Module) -> dict[str, float]:
    """Squared error per test digit, summed over pixels."""
    test = data.mnist("test").x
    return {"test_squared_error": round(squared_error(model(test), test).mean().item(), 3)}
