"""Widget of chapter 03: a map of test digits by two numbers, and what lies between them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from aecourse import data
from aecourse.autoencoder import Autoencoder
from aecourse.trivial import squared_error
from aecourse.widgets.base import Choice, Number, Numbers, Packs, Widget, check_network, shipped
from aecourse.widgets.linear import components
from aecourse.widgets.pack import grey_levels, pack

DIGITS = 300


class CodeMap(Widget):
    """Test digits in the plane of codes, of an autoencoder or of PCA: touch one, drag between.

    Another `model` is an `Autoencoder` from 784 pixels to 2 numbers, in float32.

    Traits
    ------
    map : {"autoencoder", "pca"}
        Whose codes are drawn.
    ends : two integers in [0, 299]
        Digits A and B; choosing a digit moves B to A and makes the chosen one B.
    t : number in [0, 1]
        Where on the straight line of codes from A (0) to B (1) the ring stands.
    h : two numbers in [-10000, 10000], or none
        The code that is decoded, if the ring stands off the line; empty if on it.
    over : integer in [-1, 299]
        The digit under the pointer, shown while it is there; -1 for none.
    """

    script, model_type = "autoencoder", Autoencoder
    says = (
        "300 test digits, each at its code of two numbers. Point at one, or tap it, to see what "
        "its code keeps; drag over the map to decode the places between."
    )
    map = Choice("autoencoder", ("autoencoder", "pca"))
    ends = Numbers([7, 3], 0, DIGITS - 1, whole=True)
    t = Number(1.0, 0, 1)
    h = Numbers([], -10000, 10000, lengths=(0, 2))
    over = Number(-1, -1, DIGITS - 1, whole=True)

    @classmethod
    def check_sizes(cls, model: Autoencoder) -> None:
        """ValueError unless the model leads from 784 pixels to two numbers and back."""
        check_network(model.encoder, "encoder", 784, 2)
        check_network(model.decoder, "decoder", 2, 784)

    @classmethod
    def packs(cls, model: nn.Module | None = None) -> Packs:
        """`autoencoder`: both decoders, and 300 test digits with their codes."""
        return {"autoencoder": lambda: map_pack(model or plane_autoencoder())}


def plane_autoencoder() -> Autoencoder:
    """The shipped autoencoder with two numbers."""
    return shipped(Autoencoder([784, 256, 64, 2]), "plane_autoencoder")


def plane_pca() -> tuple[Callable[[Tensor], Tensor], nn.Linear]:
    """PCA with two numbers as (encode, decoder)."""
    fitted, decoder = components(), nn.Linear(2, 784).requires_grad_(False)
    decoder.weight.copy_(fitted.components[:2].T)
    decoder.bias.copy_(fitted.mean)
    return lambda x: fitted.encode(x)[:, :2], decoder


@torch.no_grad()
def map_pack(model: Autoencoder) -> bytes:
    """What `autoencoder.js` reads. `meta` holds each map's mean squared error on the test set."""
    test, maps = data.mnist("test"), {"autoencoder": (model.encode, model.decoder)}
    maps["pca"] = plane_pca()
    arrays = {"digits": grey_levels(test.x[:DIGITS])}
    arrays["labels"] = test.y[:DIGITS].to(torch.uint8)
    meta = {}
    for name, (encode, decoder) in maps.items():
        h = encode(test.x)
        meta[f"{name} map"] = {
            "error": squared_error(decoder(h), test.x).mean().item(),
            "middle": h.median(dim=0).values.tolist(),
            "spread": h.std(dim=0).clamp(min=1e-6).tolist(),
        }
        arrays[f"{name} codes"] = h[:DIGITS].float()
    decoders = {name: nn.Sequential(decoder) for name, (_, decoder) in maps.items()}
    return pack(decoders, arrays=arrays, meta=meta)
