"""Widget of chapter 10: the grid of tokens."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from aecourse import data
from aecourse.vqvae import VQVAE, codebook_usage
from aecourse.widgets.base import Choice, Number, Numbers, Packs, Widget, of_each_class, shipped
from aecourse.widgets.pack import grey_levels, pack, weight

SAMPLE = 2000  # test digits that show what each code draws, and how often it is used


class TokenGrid(Widget):
    """Change single tokens of a digit: the decoder draws the new grid at once.

    Another `model` is a float32 `VQVAE` with 512 codes and 7 x 7 tokens for 28 x 28 pixels.

    Traits
    ------
    digit : integer in [0, 9]
        The first test digit of this class is shown.
    tokens : 49 integers in [0, 511], or none
        The grid, row by row; an empty list stands for the digit's own tokens.
    cell : integer in [0, 48]
        The place in the grid that a new code goes to.
    palette : {"nearest", "farthest", "most used"}
        Which 24 codes are offered: by distance from the digit's own code in this cell, or by use.
    seed : integer in [0, 2**31 - 1]
        Of the next random code.
    """

    script, model_type = "vqvae", VQVAE
    says = (
        "A test digit as 7 × 7 tokens. Choose a cell, then another code: the decoder draws the new "
        "grid, and you see how far one token reaches."
    )
    digit = Number(7, 0, 9, whole=True)
    tokens = Numbers([], 0, 511, whole=True, lengths=(0, 49))
    cell = Number(18, 0, 48, whole=True)
    palette = Choice("nearest", ("nearest", "farthest", "most used"))
    seed = Number(0, 0, 2**31 - 1, whole=True)

    @classmethod
    def check_sizes(cls, model: VQVAE) -> None:
        """ValueError unless the model has 512 codes and 7 x 7 tokens for 28 x 28 pixels."""
        found = len(model.quantizer.codebook), model.image, model.grid
        if found != (512, (1, 28, 28), (7, 7)):
            raise ValueError("model must have 512 codes, images (1, 28, 28) and a grid (7, 7), "
                             f"got {found[0]} codes, {found[1]} and {found[2]}")  # fmt: skip

    @classmethod
    def packs(cls, model: nn.Module | None = None) -> Packs:
        """`vqvae`: decoder, codebook with a picture and the use of each code, and ten digits."""
        return {"vqvae": lambda: grid_pack(model or shipped(VQVAE(512), "digit_vqvae"))}


@torch.no_grad()
def grid_pack(model: VQVAE) -> bytes:
    """Decoder and codebook, what each code draws, and the first test digit of each class."""
    test = data.mnist("test")
    first = of_each_class(test.y)
    patches, usage = code_patches(model, test.x[:SAMPLE])
    arrays = {
        "digits": grey_levels(test.x[first]),
        "tokens": model.tokenize(test.x[first]).flatten(1).to(torch.int32),
        "patches": grey_levels(patches),
        "usage": usage.to(torch.int32),
        **weight("codebook", model.quantizer.codebook),
    }
    return pack({"decoder": model.decoder}, arrays=arrays, meta={"sample": len(test.x[:SAMPLE])})


def code_patches(model: VQVAE, x: Float[Tensor, "B 784"],
                 ) -> tuple[Float[Tensor, "512 8 8"], Int64[Tensor, "512"]]:  # fmt: skip
    """What each code draws, the mean over all its places in x, and how often it is used.

    8 x 8 pixels: the 4 x 4 of the code's own cell and two more on each side. A code that x does
    not use stays white.
    """
    tokens = model.tokenize(x)  # (B, 7, 7)
    usage = codebook_usage(tokens, len(model.quantizer.codebook))
    drawn = model.detokenize(tokens).clamp(0, 1).view(-1, 28, 28)
    padded = torch.nn.functional.pad(drawn, (2, 2, 2, 2))
    windows = padded.unfold(1, 8, 4).unfold(2, 8, 4).reshape(-1, 8, 8)  # one per token
    total = torch.zeros(len(usage), 8, 8).index_add_(0, tokens.flatten(), windows)
    return total / usage.clamp_min(1)[:, None, None], usage
