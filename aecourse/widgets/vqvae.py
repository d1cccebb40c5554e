"""Widget of chapter 10: the grid of tokens."""

import torch

from aecourse import data
from aecourse.vqvae import VQVAE, codebook_usage
from aecourse.widgets.base import Choice, Number, Numbers, Widget, shipped
from aecourse.widgets.pack import pack, weight

SAMPLE = 2000  # test digits that show what each code draws, and how often it is used


class TokenGrid(Widget):
    """Change single tokens of a digit: the decoder draws the new grid at once.

    Traits
    ------
    digit : integer in 0 ... 9
        The first test digit of this class is shown.
    tokens : 49 integers in 0 ... 511, or none
        The grid, row by row; an empty list stands for the digit's own tokens.
    cell : integer in 0 ... 48
        The place in the grid that a new code goes to.
    palette : {"nearest", "farthest", "most used"}
        Which 24 codes are offered: by distance from the digit's own code in this cell, or by use.
    seed : integer in 0 ... 2**31 - 1
        Of the next random code.

    Another `model` is a float32 `VQVAE` with 512 codes and 7 x 7 tokens for 28 x 28 pixels.
    """

    script = "vqvae"
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
    def check(cls, model):
        """ValueError unless `model` is a float32 VQVAE with 512 codes and 7 x 7 tokens."""
        if not isinstance(model, VQVAE):
            raise ValueError(f"model must be a VQVAE, got {type(model).__name__}")
        found = len(model.quantizer.codebook), model.image, model.grid
        if found != (512, (1, 28, 28), (7, 7)):
            raise ValueError("model must have 512 codes, images (1, 28, 28) and a grid (7, 7), "
                             f"got {found[0]} codes, {found[1]} and {found[2]}")  # fmt: skip
        kinds = {str(p.dtype) for p in model.parameters()}
        if kinds != {"torch.float32"}:
            raise ValueError(f"model must have float32 parameters, got {sorted(kinds)}")
        return model.eval()

    @classmethod
    def packs(cls, model=None):
        """`vqvae`: decoder, codebook with a picture and the use of each code, and ten digits."""
        return {"vqvae": lambda: grid_pack(model or shipped(VQVAE(512), "digit_vqvae"))}


@torch.no_grad()
def grid_pack(model):
    """Decoder and codebook, what each code draws, and the first test digit of each class."""
    test = data.mnist("test")
    first = [(test.y == digit).nonzero()[0].item() for digit in range(10)]
    patches, usage = code_patches(model, test.x[:SAMPLE])
    arrays = {
        "digits": (255 * test.x[first]).round().to(torch.uint8),
        "tokens": model.tokenize(test.x[first]).flatten(1).to(torch.int32),
        "patches": (255 * patches).round().to(torch.uint8),
        "usage": usage.to(torch.int32),
        **weight("codebook", model.quantizer.codebook),
    }
    return pack({"decoder": model.decoder}, arrays=arrays, meta={"sample": len(test.x[:SAMPLE])})


def code_patches(model, x):
    """What each code draws, the mean over all its places in x: (512, 8, 8), and its use (512,).

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
