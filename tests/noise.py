"""Reproducible random numbers for tests."""

import torch


def rng(seed=0):
    """A generator in the state of this seed."""
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0, dtype=torch.float64):
    """Standard normal numbers, the same for the same seed."""
    return torch.randn(*shape, generator=rng(seed), dtype=dtype)
