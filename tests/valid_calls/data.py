"""Valid calls of `aecourse.data`."""

import torch

CALLS = {
    "mnist": lambda: {"split": "test"},
    "fashion": lambda: {"split": "test"},
    "batches": lambda: {
        "x": torch.zeros(4, 2), "batch_size": 2, "y": torch.zeros(4).long(), "seed": 0,
        "shuffle": False,
    },
    "Batches": lambda: CALLS["batches"](),
    "draw": lambda: {
        "random": torch.randn, "shape": (2, 3), "like": torch.zeros(1),
        "generator": torch.Generator(),
    },
}  # fmt: skip
