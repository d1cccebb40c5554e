"""Widget of chapter 01: a sheet to draw on, and three networks that answer it."""

from jaxtyping import UInt8
from torch import Tensor, nn

from aecourse import data
from aecourse.autoencoder import Autoencoder
from aecourse.widgets.base import (
    Choice,
    Number,
    Numbers,
    Packs,
    Widget,
    check_network,
    of_each_class,
    shipped,
)
from aecourse.widgets.denoising import restorer
from aecourse.widgets.pack import grey_levels, pack


class DrawDigit(Widget):
    """Draw, and see what the identity, a bottleneck and a denoiser make of it.

    Another `model` is an `Autoencoder` of 784 pixels in float32; it stands in the middle.

    Traits
    ------
    drawing : 784 integers in [0, 255], or none
        The ink on the sheet, row by row. Empty: the preset lies there.
    preset : {"digit", "clothing", "noise", "checkerboard"}
    number : integer in [0, 9]
        Which picture of that kind: the class of the digit or of the clothing, the seed of the
        noise, the size of the squares.
    """

    script, model_type = "trivial", Autoencoder
    says = (
        "Draw a digit, then anything else. The identity copies whatever lies on the sheet; ten "
        "numbers return something like a digit."
    )
    drawing = Numbers([], 0, 255, whole=True, lengths=(0, 784))
    preset = Choice("clothing", ["digit", "clothing", "noise", "checkerboard"])
    number = Number(1, 0, 9, whole=True)

    @classmethod
    def check_sizes(cls, model: Autoencoder) -> None:
        """ValueError unless the model is one of 784 pixels."""
        check_network(model.encoder, "encoder", 784, model.sizes[-1])
        check_network(model.decoder, "decoder", model.sizes[-1], 784)

    @classmethod
    def packs(cls, model: nn.Module | None = None) -> Packs:
        """`trivial`: both networks, one test digit and one piece of clothing of each class."""
        return {"trivial": lambda: trivial_pack(model or small_autoencoder())}


def small_autoencoder() -> Autoencoder:
    """The shipped autoencoder with a code of ten numbers."""
    return shipped(Autoencoder([784, 128, 10]), "small_autoencoder")


def trivial_pack(model: Autoencoder) -> bytes:
    """The autoencoder and the denoiser, and the first test image of each class."""
    denoiser = restorer()
    networks = {"encoder": model.encoder, "decoder": model.decoder}
    networks |= {"hide": denoiser.encoder, "restore": denoiser.decoder}
    arrays = {"digits": one_of_each(data.mnist("test")),
              "clothes": one_of_each(data.fashion("test"))}  # fmt: skip
    meta = {"k": model.sizes[-1], "names": list(data.CLOTHES)}
    return pack(networks, arrays=arrays, meta=meta)


def one_of_each(images: data.Images) -> UInt8[Tensor, "10 784"]:
    """The first image of each of the ten classes."""
    return grey_levels(images.x[of_each_class(images.y)])
