"""Widget of chapter 09: erase parts of a digit, and a denoiser fills them in."""

import torch
from torch import nn

from aecourse import data
from aecourse.autoencoder import mlp
from aecourse.denoising import DenoisingAutoencoder
from aecourse.widgets.base import Choice, Number, Numbers, Packs, Widget, check_network, shipped
from aecourse.widgets.pack import grey_levels, pack


class EraseAndRestore(Widget):
    """Erase parts of a test digit: the denoiser fills them in.

    Another `model` is a `DenoisingAutoencoder` of 784 pixels, in float32.

    Traits
    ------
    digit : integer in [0, 19]
        Which of the first 20 test digits.
    mask : 784 numbers, 0 or 1, or none
        1 where a pixel is hidden, row by row. Empty: the damage below.
    damage : {"left half", "patches", "pixels", "noise"}
        Hides the left half, half of the 4 x 4 patches or half of the pixels; or adds Gaussian
        noise of standard deviation 0.5.
    seed : integer in [0, 9999]
        Which patches, which pixels, which noise.
    """

    script, model_type = "denoising", DenoisingAutoencoder
    says = "Rub out a part of the digit: the denoiser answers with what it expects to stand there."
    digit = Number(0, 0, 19, whole=True)
    mask = Numbers([], 0, 1, whole=True, lengths=(0, 784))
    damage = Choice("left half", ["left half", "patches", "pixels", "noise"])
    seed = Number(0, 0, 9999, whole=True)

    @classmethod
    def check_sizes(cls, model: DenoisingAutoencoder) -> None:
        """ValueError unless the model is one of 784 pixels."""
        check_network(nn.Sequential(model.encoder, model.decoder), "network", 784, 784)

    @classmethod
    def packs(cls, model: nn.Module | None = None) -> Packs:
        """`denoising`: the denoiser and 20 test digits."""
        return {"denoising": lambda: denoising_pack(model or restorer())}


def restorer() -> DenoisingAutoencoder:
    """The shipped denoiser that learnt several kinds of damage."""
    decoder = nn.Sequential(nn.GELU(), nn.Linear(160, 784))
    return shipped(DenoisingAutoencoder(mlp([784, 160, 160]), decoder), "restorer")


def denoising_pack(model: DenoisingAutoencoder) -> bytes:
    """The denoiser as one network, and the first 20 test digits with their labels."""
    test = data.mnist("test")
    arrays = {"digits": grey_levels(test.x[:20]), "labels": test.y[:20].to(torch.uint8)}
    return pack({"denoiser": nn.Sequential(model.encoder, model.decoder)}, arrays=arrays)
