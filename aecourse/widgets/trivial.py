"""Widget of chapter 01: a sheet to draw on, and three networks that answer it."""

import torch

from aecourse import data
from aecourse.autoencoder import Autoencoder
from aecourse.widgets.base import Choice, Number, Numbers, Widget, check_network, shipped
from aecourse.widgets.denoising import restorer
from aecourse.widgets.pack import pack


class DrawDigit(Widget):
    """Draw, and see what the identity, a bottleneck and a denoiser make of it.

    Traits
    ------
    drawing : list of 784 integers in [0, 255], or []
        The ink on the sheet, row by row. Empty: the preset lies there.
    preset : {"digit", "clothing", "noise", "checkerboard"}
    number : int in [0, 9]
        Which picture of that kind: the class of the digit or of the clothing, the seed of the
        noise, the size of the squares.

    Another `model` is an `Autoencoder` of 784 pixels, in float32: it stands in the middle.
    """

    script = "trivial"
    says = (
        "Draw a digit, then anything else. The identity copies whatever lies on the sheet; ten "
        "numbers return something like a digit."
    )
    drawing = Numbers([], 0, 255, whole=True, lengths=(0, 784))
    preset = Choice("clothing", ["digit", "clothing", "noise", "checkerboard"])
    number = Number(1, 0, 9, whole=True)

    @classmethod
    def check(cls, model):
        """ValueError unless `model` is a float32 Autoencoder of 784 pixels."""
        if not isinstance(model, Autoencoder):
            raise ValueError(f"model must be an Autoencoder, got {type(model).__name__}")
        check_network(model.encoder, "encoder", 784, model.sizes[-1])
        check_network(model.decoder, "decoder", model.sizes[-1], 784)
        return model.eval()

    @classmethod
    def packs(cls, model=None):
        """`trivial`: both networks, one test digit and one piece of clothing of each class."""
        return {"trivial": lambda: trivial_pack(model or small_autoencoder())}


def small_autoencoder():
    """The shipped autoencoder with a code of ten numbers."""
    return shipped(Autoencoder([784, 128, 10]), "small_autoencoder")


def trivial_pack(model):
    """The autoencoder and the denoiser, and the first test image of each class."""
    denoiser = restorer()
    networks = {"encoder": model.encoder, "decoder": model.decoder}
    networks |= {"hide": denoiser.encoder, "restore": denoiser.decoder}
    arrays = {"digits": one_of_each(data.mnist("test")),
              "clothes": one_of_each(data.fashion("test"))}  # fmt: skip
    meta = {"k": model.sizes[-1], "names": list(data.CLOTHES)}
    return pack(networks, arrays=arrays, meta=meta)


def one_of_each(images):
    """The first image of each of the ten classes, as uint8 (10, 784)."""
    first = [(images.y == c).nonzero()[0, 0] for c in range(10)]
    return (255 * images.x[torch.stack(first)]).round().to(torch.uint8)
