"""Chapter 03: nonlinear autoencoders, and codes as bits."""

from numbers import Real

import torch
from torch import nn

from aecourse import validate


class Autoencoder(nn.Module):
    """A fully connected encoder g and its mirror image, the decoder f.

    `Autoencoder([784, 256, 30])` is 784 -> 256 -> 30 -> 256 -> 784. Hidden layers are
    followed by the activation; code and output are linear, so that neither is bounded.

    Parameters
    ----------
    sizes : sequence of int >= 1, at least two
        Widths from the image to the code.
    activation : callable -> nn.Module
        Made anew for each hidden layer.

    Raises
    ------
    ValueError
        For fewer than two sizes or a size below 1.
    """

    def __init__(self, sizes, activation=nn.GELU):
        super().__init__()
        self.sizes = _widths(sizes)
        self.encoder = mlp(self.sizes, activation)
        self.decoder = mlp(self.sizes[::-1], activation)

    def encode(self, x):
        """Images to codes h = g(x), (B, D) -> (B, k). ValueError for another shape, dtype, NaN."""
        dtype = self.encoder[0].weight.dtype
        return self.encoder(validate.matrix(x, "x", self.sizes[0], dtype))

    def decode(self, h):
        """Codes to images f(h), (B, k) -> (B, D). ValueError for another shape, dtype, NaN."""
        dtype = self.decoder[0].weight.dtype
        return self.decoder(validate.matrix(h, "h", self.sizes[-1], dtype))

    def forward(self, x):
        """Images to their reconstructions f(g(x)), (B, D) -> (B, D)."""
        return self.decoder(self.encode(x))


def mlp(sizes, activation=nn.GELU):
    """Linear layers of the given widths with an activation between each two.

    Parameters
    ----------
    sizes : sequence of int >= 1, at least two
    activation : callable -> nn.Module
        Made anew for each hidden layer.

    Returns
    -------
    nn.Sequential
        (B, sizes[0]) -> (B, sizes[-1]); the last layer is linear.

    Raises
    ------
    ValueError
        For fewer than two sizes or a size below 1.
    """
    sizes, layers = _widths(sizes), []
    for wide, narrow in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(wide, narrow), activation()]
    return nn.Sequential(*layers[:-1])


def _widths(sizes):
    if not isinstance(sizes, (list, tuple)) or len(sizes) < 2:
        raise ValueError(f"sizes must list at least two widths, got {sizes!r}")
    return [validate.integer(size, "each of sizes") for size in sizes]


def code_range(h, tail=0.005):
    """The range of each coordinate of a set of codes, without the tails, for `quantize_code`.

    A range from minimum to maximum spends its cells on a few extreme codes; cutting the tails
    makes the cells smaller for all others.

    Parameters
    ----------
    h : Tensor of shape (N, k)
        *Training* codes: the receiver must know the range before any image arrives, so it
        cannot depend on the images that are sent.
    tail : float in [0, 0.5)
        Fraction of the codes left outside at each end; 0 gives minimum and maximum.

    Returns
    -------
    low, high : Tensor of shape (k,)
        Entries floor(tail * N) from either end in ascending order.

    Raises
    ------
    ValueError
        For another shape or dtype, NaN, `tail` out of range, or a constant coordinate.
    """
    validate.matrix(h, "h")
    if isinstance(tail, bool) or not isinstance(tail, Real) or not 0 <= tail < 0.5:
        raise ValueError(f"tail must be a number in [0, 0.5), got {tail!r}")
    ascending = h.detach().sort(dim=0).values
    low, high = ascending[int(tail * len(h))], ascending[-1 - int(tail * len(h))]
    if not (low < high).all():
        raise ValueError("h must vary in every coordinate, got one that is constant in the range")
    return low, high


def quantize_code(h, bits, low, high):
    """Round each coordinate of a code to the middle of one of 2**bits equal cells.

    Parameters
    ----------
    h : Tensor of shape (B, k)
        Values outside [low, high] are clipped to the range first.
    bits : int in [1, 16]
        Bits per coordinate.
    low, high : float, or Tensor of shape (k,)
        The range, fitted on training codes by `code_range`.

    Returns
    -------
    Tensor of shape (B, k)
        What the receiver decodes: at most 2**bits different values in each coordinate, within
        half a cell of `h` where `h` is inside the range.

    Raises
    ------
    ValueError
        For another shape or dtype, NaN, bits out of range, an infinite bound, or low >= high.
    """
    validate.matrix(h, "h")
    levels = 2 ** validate.integer(bits, "bits", high=16)
    low, high = (_bound(bound, name, h) for bound, name in ((low, "low"), (high, "high")))
    if not (low < high).all():
        raise ValueError(f"low must be below high in every coordinate, got {low} and {high}")
    cell = (high - low) / levels
    sent = ((h - low) / cell).floor().clamp(0, levels - 1)  # (B, k), 0 ... 2**bits - 1
    return low + (sent + 0.5) * cell


def _bound(value, name, h):
    try:
        value = torch.as_tensor(value, dtype=h.dtype, device=h.device)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name} must be a number or a tensor, got {value!r}") from None
    if not value.isfinite().all():
        raise ValueError(f"{name} must be finite, got {value}")
    if value.ndim > 1 or (value.ndim == 1 and len(value) != h.shape[1]):
        raise ValueError(f"{name} must be a number or have shape ({h.shape[1]},), "
                         f"got {tuple(value.shape)}")  # fmt: skip
    return value


def bits_per_image(k, bits):
    """Bits to send one quantised code: k coordinates at `bits` each, no entropy coding.

    Parameters
    ----------
    k : int >= 1
    bits : int in [1, 16]

    Returns
    -------
    int
    """
    return validate.integer(k, "k") * validate.integer(bits, "bits", high=16)


def psnr(x_hat, x):
    """Peak signal-to-noise ratio of a set of images, for the peak 1.

    Parameters
    ----------
    x_hat : Tensor of shape (B, D)
        Reconstructions; they may leave [0, 1] and are not clipped here.
    x : Tensor of shape (B, D), pixels in [0, 1]

    Returns
    -------
    float
        In decibels: -10 log10 of the mean squared error per pixel, the mean taken over the
        whole set before the logarithm.

    Raises
    ------
    ValueError
        For another shape or dtype, NaN, pixels outside [0, 1], or identical images (the ratio
        is infinite).
    """
    validate.images(x, "x")
    validate.matrix(x_hat, "x_hat")
    if x_hat.shape != x.shape:
        raise ValueError(f"x_hat must have the shape of x, {tuple(x.shape)}, "
                         f"got {tuple(x_hat.shape)}")  # fmt: skip
    error = (x_hat.double() - x.double()).square().mean()
    if error == 0:
        raise ValueError("x_hat must differ from x: the PSNR of a perfect copy is infinite")
    return (-10 * torch.log10(error)).item()
