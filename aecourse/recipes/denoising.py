"""Denoising autoencoders: a restorer for a web page, and pre-trained encoders."""

from functools import partial
from typing import Literal

import torch
from torch import nn

from aecourse import data
from aecourse.autoencoder import mlp
from aecourse.denoising import (
    DenoisingAutoencoder,
    add_gaussian_noise,
    denoising_loss,
    mask_patches,
    mask_pixels,
)
from aecourse.recipes.autoencoder import image_error
from aecourse.recipes.few_labels import ENCODERS, pretrain
from aecourse.recipes.training import SEED, run
from aecourse.trivial import squared_error


def restorer() -> DenoisingAutoencoder:
    """784-160-160-784: clean digits from broken ones; small enough for a web page."""
    decoder = nn.Sequential(nn.GELU(), nn.Linear(160, 784))
    model = DenoisingAutoencoder(mlp([784, 160, 160]), decoder)
    digits = data.batches(data.mnist("train").x, 256, seed=SEED)
    return run(model, partial(denoising_loss, corrupt=_broken), digits, epochs=40, lr=3e-3)


def _broken(x):
    """A fifth each: small and large patches hidden, pixels, one side of a line, Gaussian noise."""
    small, large, pixels, sides, noise = x.chunk(5)
    return torch.cat([
        mask_patches(small, 0.5)[0], mask_patches(large, 0.5, size=7)[0],
        mask_pixels(pixels, 0.5)[0], _cut(sides), add_gaussian_noise(noise, 0.5),
    ])  # fmt: skip


def _cut(x):
    """Hide what lies on one side of a random line that passes within 8 pixels of the middle."""
    row, column = torch.meshgrid(*[torch.arange(28, device=x.device) - 13.5] * 2, indexing="ij")
    angle, offset = torch.rand(2, len(x), 1, 1, device=x.device)
    angle = 2 * torch.pi * angle
    beyond = angle.cos() * column + angle.sin() * row > 16 * offset - 8
    return x.masked_fill(beyond.flatten(1), 0.0)


def pretrained_mlp(start: Literal["masked", "plain"]) -> DenoisingAutoencoder:
    """The widest network of `few_labels`, pre-trained, with its decoder."""
    return pretrain(ENCODERS["mlp_512"](), start, seed=SEED).cpu()


@torch.no_grad()
def restoration(model: DenoisingAutoencoder) -> dict[str, float]:
    """Squared error of whole test digits, and of what is hidden when half of the patches are."""
    test = data.mnist("test").x
    generator = torch.Generator().manual_seed(SEED)
    x_tilde, mask = mask_patches(test, 0.5, size=7, generator=generator)
    hidden = squared_error(model(x_tilde) * mask, test * mask).mean().item()
    return image_error(model) | {"test_squared_error_hidden": round(hidden, 3)}
