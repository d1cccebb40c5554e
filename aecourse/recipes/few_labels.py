"""Few labels: what a pre-trained encoder is worth, measured for `weights/few_labels.json`.

Three ways to start an encoder (masked denoising, plain autoencoding, from scratch), each
fine-tuned on 100 and on 1000 labels with three seeds, for each kind of encoder. A seed draws the
labels, the new layer and the pre-training; the convolutional encoder is pre-trained once only.
"""

from functools import partial
from typing import Literal

import torch
from torch.nn import Module

from aecourse import data, train
from aecourse.autoencoder import mlp
from aecourse.denoising import (
    ConvEncoder,
    DenoisingAutoencoder,
    denoising_loss,
    few_label_error,
    mask_patches,
    random_shift,
)
from aecourse.recipes.training import DEVICE

ENCODERS = {
    "mlp_32": lambda: mlp([784, 32, 32, 128]),
    "mlp_128": lambda: mlp([784, 128, 128, 128]),
    "mlp_512": lambda: mlp([784, 512, 512, 128]),
    "conv": ConvEncoder,
}
STARTS = ("masked", "plain", "scratch")
LABELS = (100, 1000)
SEEDS = range(3)
PRETRAINED_ONCE = ("conv",)  # an hour each on a CPU


def pretrain(encoder: Module, start: Literal["masked", "plain"], *, seed: int = 0,
             epochs: int = 30) -> DenoisingAutoencoder:  # fmt: skip
    """A denoising autoencoder around `encoder`, trained on all 60 000 digits without labels."""
    model = DenoisingAutoencoder(encoder, mlp([128, 256, 784])).to(DEVICE)
    settings = {
        # half of the 7 x 7 patches hidden; only what is hidden counts
        "masked": {"corrupt": partial(mask_patches, share=0.5, size=7), "pixels": "masked"},
        "plain": {"corrupt": lambda x: x},
    }[start]

    def loss(model, x):
        return denoising_loss(model, random_shift(x), **settings)

    batches = data.batches(data.mnist("train").x.to(DEVICE), 256, seed=seed)
    schedule = train.one_cycle(model, epochs * len(batches), lr=2e-3)
    train.fit(model, loss, batches, epochs=epochs, schedule=schedule)
    return model.eval()


def measure(name: str) -> dict[str, dict[int, list[float]]]:
    """Errors of one kind of encoder, in per cent: by start, then by labels, one value per seed."""
    errors = {start: {n: [] for n in LABELS} for start in STARTS}
    for start in STARTS:
        for seed in SEEDS:
            if seed == 0 or start == "scratch" or name not in PRETRAINED_ONCE:
                encoder = _start(name, start, seed)
            for n in LABELS:
                errors[start][n].append(few_label_error(encoder, n, seed))
            print(name, start, seed, errors[start], flush=True)
    return errors


def _start(name, start, seed):
    torch.manual_seed(seed)
    encoder = ENCODERS[name]().to(DEVICE)
    if start != "scratch":
        pretrain(encoder, start, seed=seed)
    return encoder.eval()
