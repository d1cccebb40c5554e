"""Valid calls of `aecourse.train`."""

import torch

from aecourse.trivial import reconstruction_loss

CALLS = {
    "fit": lambda: {
        "model": torch.nn.Linear(2, 2), "loss_fn": reconstruction_loss,
        "batches": [torch.ones(3, 2)], "epochs": 1,
    },
    "one_cycle": lambda: {
        "model": torch.nn.Linear(2, 2), "num_steps": 5, "lr": 0.1, "weight_decay": 0.0,
    },
    "evaluating": lambda: {"model": torch.nn.Linear(2, 2)},
    "is_quiet": dict,
}  # fmt: skip
