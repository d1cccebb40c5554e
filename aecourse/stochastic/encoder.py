"""Encoders that return a distribution, and a draw from it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aecourse import validate
from aecourse.autoencoder import mlp
from aecourse.data import draw


def reparameterize(
    mu: Float[Tensor, "... L"],
    logvar: Float[Tensor, "... L"],
    eps: Float[Tensor, "... L"] | None = None,
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "... L"]:
    """Draw z ~ N(mu, diag(exp(logvar))) as ``z = mu + exp(logvar / 2) * eps``, eps ~ N(0, I).

    The noise comes first and is rescaled after, so that z is a differentiable function of `mu`
    and `logvar`, and the gradient never needs to pass `eps`.

    Parameters
    ----------
    logvar, eps
        Of the shape of `mu`: broadcasting would give several images the same noise. Without
        `eps` the noise is drawn here.

    Examples
    --------
    >>> two, logvar = torch.tensor([2.0]), torch.tensor([9.0]).log()
    >>> reparameterize(two, logvar, torch.tensor([-1.0]))
    tensor([-1.])

    References
    ----------
    Kingma and Welling (2014), arXiv:1312.6114, section 2.4.
    """
    validate.floats(mu, "mu", (..., "L"))
    validate.alike(logvar, "logvar", mu, "mu")
    validate.generator(generator)
    if eps is None:
        eps = draw(torch.randn, mu.shape, mu, generator)
    else:
        validate.alike(eps, "eps", mu, "mu")
    return mu + torch.exp(logvar / 2) * eps


class DiagonalGaussian(NamedTuple):
    """A Gaussian with independent entries for each image: what encoders return."""

    mu: Float[Tensor, "B L"]
    logvar: Float[Tensor, "B L"]


class GaussianEncoder(nn.Module):
    """A fully connected encoder whose outputs are split into mean and log-variance.

    Parameters
    ----------
    sizes
        At least two widths, from the image to mean and log-variance together, an even number.
    activation
        Made anew for each hidden layer.

    Attributes
    ----------
    latent : int
        Length L of the latent variable, half of the last width.

    Examples
    --------
    The notes' network, 784 -> 256 -> 100 = 50 + 50:

    >>> mu, logvar = GaussianEncoder([784, 256, 100])(torch.rand(2, 784))
    >>> mu.shape, logvar.shape
    (torch.Size([2, 50]), torch.Size([2, 50]))
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Callable[[], nn.Module] = nn.GELU,
    ) -> None:
        super().__init__()
        self.body = mlp(sizes, activation)
        if sizes[-1] % 2:
            raise ValueError("the last of sizes must be even, mean and "
                             f"log-variance, got {sizes[-1]}")  # fmt: skip
        self.sizes = list(sizes)
        self.latent = sizes[-1] // 2

    def forward(self, x: Float[Tensor, "B D"]) -> DiagonalGaussian:
        """Mean and log-variance of each image's code, (B, L) both."""
        validate.matrix(x, "x", self.sizes[0], self.body[0].weight.dtype)
        return DiagonalGaussian(*self.body(x).chunk(2, dim=1))


class ConvGaussianEncoder(nn.Module):
    """A convolutional encoder for 28 x 28 images that returns what `GaussianEncoder` returns.

    Each 3 x 3 convolution with stride 2 halves height and width, rounded up: 28, 14, 7, 4 ...
    One linear layer follows.

    Parameters
    ----------
    latent
        Length L of the latent variable.
    channels
        Channels after each convolution, at least one.

    Examples
    --------
    >>> ConvGaussianEncoder(50)(torch.rand(2, 784)).logvar.shape
    torch.Size([2, 50])
    """

    def __init__(
        self, latent: int = 50, channels: Sequence[int] = (16, 32)
    ) -> None:
        super().__init__()
        self.latent = validate.integer(latent, "latent")
        layers, before, side = [nn.Unflatten(1, (1, 28, 28))], 1, 28
        for after in validate.widths(channels, "channels"):
            conv = nn.Conv2d(before, after, 3, stride=2, padding=1)
            layers += [conv, nn.GELU()]
            before, side = after, -(-side // 2)
        head = nn.Linear(before * side**2, 2 * latent)
        self.body = nn.Sequential(*layers, nn.Flatten(), head)

    def forward(self, x: Float[Tensor, "B 784"]) -> DiagonalGaussian:
        """Mean and log-variance of each image's code, (B, L) both."""
        validate.matrix(x, "x", 784, self.body[-1].weight.dtype)
        return DiagonalGaussian(*self.body(x).chunk(2, dim=1))
