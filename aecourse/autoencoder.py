"""Chapter 03: nonlinear autoencoders, and codes as bits."""

from collections.abc import Callable, Sequence
from math import isfinite
from numbers import Real
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aecourse import validate


class Autoencoder(nn.Module):
    r"""A fully connected encoder g and its mirror image, the decoder f.

    .. math:: h = g(x), \qquad \hat x = f(h)

    Hidden layers are followed by the activation; code and output are linear, so that neither is
    bounded.

    Parameters
    ----------
    sizes
        Widths from the image to the code, at least two. [784, 256, 30] makes
        784 -> 256 -> 30 -> 256 -> 784.
    activation
        Made anew for each hidden layer.

    Examples
    --------
    >>> model, x = Autoencoder([4, 3, 2]), torch.rand(5, 4)
    >>> model.encode(x).shape, model(x).shape
    (torch.Size([5, 2]), torch.Size([5, 4]))
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Callable[[], nn.Module] = nn.GELU,
    ):
        super().__init__()
        self.sizes = validate.widths(sizes, at_least=2)
        self.encoder = mlp(self.sizes, activation)
        self.decoder = mlp(self.sizes[::-1], activation)

    def encode(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B k"]:
        """Images to codes h = g(x)."""
        dtype = self.encoder[0].weight.dtype
        return self.encoder(validate.matrix(x, "x", self.sizes[0], dtype))

    def decode(self, h: Float[Tensor, "B k"]) -> Float[Tensor, "B D"]:
        """Codes to images f(h)."""
        dtype = self.decoder[0].weight.dtype
        return self.decoder(validate.matrix(h, "h", self.sizes[-1], dtype))

    def forward(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Images to their reconstructions f(g(x))."""
        return self.decoder(self.encode(x))

    def reconstruct(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """The same as calling the model."""
        return self(x)


def mlp(sizes: Sequence[int], activation: Callable[[], nn.Module] = nn.GELU) -> nn.Sequential:
    """Linear layers of the given widths with an activation between each two.

    The last layer is linear.

    Parameters
    ----------
    sizes
        At least two widths: (B, sizes[0]) becomes (B, sizes[-1]).
    activation
        A class such as `nn.ReLU`, of which each hidden layer gets its own.

    Examples
    --------
    >>> mlp([784, 256, 30], torch.nn.ReLU)
    Sequential(
      (0): Linear(in_features=784, out_features=256, bias=True)
      (1): ReLU()
      (2): Linear(in_features=256, out_features=30, bias=True)
    )
    """
    sizes, layers = validate.widths(sizes, at_least=2), []
    validate.activation(activation)
    for wide, narrow in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(wide, narrow), activation()]
    return nn.Sequential(*layers[:-1])


class CodeRange(NamedTuple):
    """The lowest and the highest value of each coordinate of a code."""

    low: Float[Tensor, "k"]
    high: Float[Tensor, "k"]


def code_range(h: Float[Tensor, "N k"], tail: float = 0.005) -> CodeRange:
    """The range of each coordinate of a set of codes, without the tails, for `quantize_code`.

    A range from minimum to maximum spends its cells on a few extreme codes; cutting the tails
    makes the cells smaller for all others.

    Parameters
    ----------
    h
        *Training* codes, which vary in every coordinate: the receiver must know the range before
        any image arrives, so it cannot depend on the images that are sent.
    tail
        Share of the codes left outside at each end, in [0, 0.5): the range is made of the entries
        floor(tail * N) from either end in ascending order. 0 gives minimum and maximum.

    Examples
    --------
    >>> h = torch.tensor([[9.0], [0.1], [0.2], [0.3], [-9.0]])
    >>> code_range(h, tail=0.2)
    CodeRange(low=tensor([0.1000]), high=tensor([0.3000]))
    """
    h = validate.matrix(validate.detached(h), "h")
    cut = int(validate.share(tail, "tail", below=0.5) * len(h))
    ascending = h.sort(dim=0).values
    low, high = ascending[cut], ascending[-1 - cut]
    if not (low < high).all():
        raise ValueError("h must vary in every coordinate, got one that is constant in the range")
    return CodeRange(low, high)


def quantize_code(
    h: Float[Tensor, "B k"],
    bits: int,
    low: float | Float[Tensor, "k"],
    high: float | Float[Tensor, "k"],
) -> Float[Tensor, "B k"]:
    r"""Round each coordinate of a code to the middle of one of 2**bits equal cells.

    .. math:: \hat h = \ell + \Bigl(\Bigl\lfloor \frac{h - \ell}{\Delta} \Bigr\rfloor
        + \tfrac12\Bigr) \Delta, \qquad \Delta = \frac{u - \ell}{2^{\,\text{bits}}}

    This is what the receiver decodes: at most 2**bits different values in each coordinate,
    within half a cell of `h` where `h` is inside the range.

    Parameters
    ----------
    h
        Values outside the range [low, high] are clipped to it first.
    bits
        Bits per coordinate, from 1 to 16.
    low, high
        The range, fitted on training codes by `code_range`: one for all coordinates, or one each.

    Examples
    --------
    >>> quantize_code(torch.tensor([[-1.0, 0.1], [0.9, 3.0]]), 1, 0.0, 1.0)
    tensor([[0.2500, 0.2500],
            [0.7500, 0.7500]])
    """
    validate.matrix(h, "h")
    levels = 2 ** validate.integer(bits, "bits", high=16)
    low, high = _bound(low, "low", h), _bound(high, "high", h)
    cell = (high - low) / levels
    if not ((cell > 0) & cell.isfinite()).all():
        raise ValueError(f"low must be below high in every coordinate, got {low} and {high}")
    sent = ((h - low) / cell).floor().clamp(0, levels - 1)  # (B, k), 0 ... 2**bits - 1
    return low + (sent + 0.5) * cell


def _bound(value, name, h):
    """One bound for all coordinates, or one each, as a tensor like `h`."""
    if isinstance(value, Tensor):
        return validate.floats(value, name, h.shape[1:]).to(h)
    if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value):
        raise ValueError(
            f"{name} must be a finite number or a tensor of shape ({h.shape[1]},), "
            f"got {value!r:.80}"
        )
    return h.new_tensor(float(value))


def bits_per_image(k: int, bits: int) -> int:
    """Bits to send one quantised code: k coordinates at `bits` each (1 to 16), no entropy coding.

    Examples
    --------
    >>> bits_per_image(30, 4)
    120
    """
    return validate.integer(k, "k") * validate.integer(bits, "bits", high=16)


def psnr(x_hat: Float[Tensor, "B D"], x: Float[Tensor, "B D"]) -> float:
    r"""Peak signal-to-noise ratio of a set of images in decibels, for the peak 1.

    .. math:: -10 \log_{10} \frac{1}{BD} \sum_{i=1}^{B} \lVert x_i - \hat x_i \rVert^2

    The mean is taken over the whole set before the logarithm.

    Parameters
    ----------
    x_hat
        Reconstructions; they may leave [0, 1] and are not clipped here. Different from `x`: the
        ratio of a perfect copy is infinite.
    x
        Pixels in [0, 1].

    Examples
    --------
    >>> round(psnr(torch.full((2, 3), 0.1), torch.zeros(2, 3)), 4)
    20.0
    """
    validate.images(x, "x")
    validate.alike(validate.detached(x_hat), "x_hat", x, "x")
    error = (x_hat.double() - x.double()).square().mean()
    if error == 0:
        raise ValueError("x_hat must differ from x: the PSNR of a perfect copy is infinite")
    return (-10 * torch.log10(error)).item()
