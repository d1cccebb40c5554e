"""Ways to corrupt an image: noise, and hidden pixels.

Each draws anew at every call, and leaves its input as it is.
"""

from math import isqrt
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from aecourse import validate
from aecourse.data import draw


class Masked(NamedTuple):
    """Images with hidden pixels, which are 0, and the mask: True where a pixel is hidden."""

    x_tilde: Float[Tensor, "B D"]
    mask: Bool[Tensor, "B D"]


def add_gaussian_noise(
    x: Float[Tensor, "B D"],
    sigma: float,
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "B D"]:
    """Add independent Gaussian noise to every pixel: ``x + sigma * eps`` with eps ~ N(0, I).

    Nothing is clipped: pixels may leave [0, 1].

    Parameters
    ----------
    sigma
        Standard deviation of the noise, >= 0, in grey levels with white = 1.

    Examples
    --------
    >>> noise = add_gaussian_noise(torch.zeros(1000, 784), 0.5)
    >>> round(noise.std().item(), 2)
    0.5
    """
    validate.matrix(x, "x")
    return x + validate.nonnegative(sigma, "sigma") * draw(torch.randn, x.shape, x, generator)


def add_salt_and_pepper(
    x: Float[Tensor, "B D"],
    share: float,
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "B D"]:
    """Set each pixel to 0 with probability `share` / 2, and to 1 with the same probability.

    Examples
    --------
    >>> x_tilde = add_salt_and_pepper(torch.full((2, 784), 0.5), 1.0)
    >>> x_tilde.unique()
    tensor([0., 1.])
    """
    validate.matrix(x, "x")
    share = validate.share(share, "share")
    u = draw(torch.rand, x.shape, x, generator)  # one draw for both: whether, and which
    return torch.where(u < share, (u < share / 2).to(x), x)


def mask_pixels(
    x: Float[Tensor, "B D"],
    share: float,
    *,
    generator: torch.Generator | None = None,
) -> Masked:
    """Hide each pixel with probability `share`: set it to 0.

    Examples
    --------
    >>> x_tilde, mask = mask_pixels(torch.ones(1, 3), 1.0)
    >>> x_tilde, mask
    (tensor([[0., 0., 0.]]), tensor([[True, True, True]]))

    References
    ----------
    The masking noise of Vincent et al. (2008), section 2.3.
    """
    validate.matrix(x, "x")
    hidden = draw(torch.rand, x.shape, x, generator) < validate.share(share, "share")
    return Masked(x.masked_fill(hidden, 0.0), hidden)


def mask_patches(
    x: Float[Tensor, "B D"],
    share: float,
    *,
    size: int = 4,
    generator: torch.Generator | None = None,
) -> Masked:
    """Hide whole squares: set a share of each image's ``size * size`` patches to 0.

    Every image, of D = H * H pixels, loses the same number of patches:
    ``round(share * (H / size)^2)``.

    Parameters
    ----------
    size
        Side of a patch in pixels; it divides H.

    Examples
    --------
    >>> mask_patches(torch.ones(5, 784), 0.5).mask.sum(dim=1)  # 24 x 16
    tensor([384, 384, 384, 384, 384])

    References
    ----------
    He et al. (2021), arXiv:2111.06377, section 3.
    """
    B, D = validate.matrix(x, "x").shape
    H = isqrt(D)
    if H * H != D:
        raise ValueError(f"x must hold square images, got {D} pixels")
    if H % validate.integer(size, "size"):
        raise ValueError(f"size must divide the side of the image, {H}, got {size}")
    n = H // size  # patches in a row
    count = round(validate.share(share, "share") * n * n)
    rank = draw(torch.rand, (B, n * n), x, generator).argsort(dim=1).argsort(dim=1)
    hidden = (rank < count).view(B, n, 1, n, 1).expand(B, n, size, n, size).reshape(B, D)
    return Masked(x.masked_fill(hidden, 0.0), hidden)
