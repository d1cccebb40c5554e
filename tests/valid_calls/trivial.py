"""Valid calls of `aecourse.trivial`."""

import torch

from aecourse.trivial import LookupCodec

DIGITS, NOISE = torch.eye(3, 4), torch.full((2, 4), 0.25)


def codec():
    return {"self": LookupCodec(DIGITS)}


CALLS = {
    "squared_error": lambda: {"x_hat": DIGITS, "x": torch.zeros(3, 4)},
    "reconstruction_loss": lambda: {"model": torch.nn.Linear(4, 4), "x": DIGITS},
    "copy_ratio": lambda: {"model": torch.nn.Linear(4, 4), "digits": DIGITS, "noise": NOISE,
                           "train_mean": DIGITS.mean(dim=0)},
    "LookupCodec": lambda: {"train_x": DIGITS},
    "LookupCodec.encode": lambda: codec() | {"x": NOISE},
    "LookupCodec.decode": lambda: codec() | {"h": torch.tensor([[2.0], [0.0]])},
    "LookupCodec.reconstruct": lambda: codec() | {"x": NOISE},
    "LookupCodec.__call__": lambda: codec() | {"x": NOISE},
}  # fmt: skip
