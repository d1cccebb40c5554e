"""Chapter 01: the identity, the look-up table, and how to measure copying."""

from collections.abc import Callable
from math import isfinite

import torch
from jaxtyping import Float
from torch import Tensor

from aecourse import data, validate
from aecourse.train import evaluating

_FLOOR = 1e-6  # a relative error below this is float32 rounding, not reconstruction


def squared_error(x_hat: Float[Tensor, "B D"], x: Float[Tensor, "B D"]) -> Float[Tensor, "B"]:
    r"""Squared Euclidean distance between each image and its reconstruction.

    .. math:: \lVert x - \hat x \rVert^2 = \sum_{i=1}^{D} (x_i - \hat x_i)^2

    Summed over the D pixels, one value per image.

    Examples
    --------
    >>> squared_error(torch.tensor([[0.0, 0.5], [1.0, 1.0]]), torch.ones(2, 2))
    tensor([1.2500, 0.0000])
    """
    validate.matrix(x, "x")
    validate.alike(x_hat, "x_hat", x, "x")
    return (x_hat - x).square().sum(dim=1)  # (B,)


def reconstruction_loss(
    model: Callable[[Tensor], Tensor], x: Float[Tensor, "B D"]
) -> dict[str, Float[Tensor, "B"]]:
    """The autoencoder's loss, for `train.fit`: `squared_error` between model(x) and x.

    Returned as "loss" and as "reconstruction", the term that all losses of the book have.

    Examples
    --------
    >>> reconstruction_loss(torch.zeros_like, torch.ones(2, 3))
    {'loss': tensor([3., 3.]), 'reconstruction': tensor([3., 3.])}
    """
    validate.function(model, "model")
    error = squared_error(model(validate.matrix(x, "x")), x)
    return {"loss": error, "reconstruction": error}


def copy_ratio(
    model: Callable[[Tensor], Tensor],
    digits: Float[Tensor, "N D"],
    noise: Float[Tensor, "M D"],
    *,
    train_mean: Float[Tensor, "D"] | None = None,
) -> float:
    r"""How much worse a model copies noise than digits: 1 for the identity, large for a specialist.

    .. math::
        \frac{\max(r(\text{noise}), 10^{-6})}{\max(r(\text{digits}), 10^{-6})}, \qquad
        r = \frac{\text{mean of } \lVert x - \hat x \rVert^2}
                 {\text{mean of } \lVert x - \bar x \rVert^2}

    The floor makes a copy that is perfect up to rounding divide to exactly 1. The model is
    measured in evaluation mode, without gradients.

    Parameters
    ----------
    digits, noise
        Pixels in [0, 1], that do not all equal the mean image.
    train_mean
        The mean image of the training set. By default that of MNIST, for which D is 784.

    Examples
    --------
    >>> digits, noise = torch.eye(3, 4), torch.rand(5, 4)
    >>> mean = digits.mean(dim=0)
    >>> copy_ratio(torch.nn.Identity(), digits, noise, train_mean=mean)
    1.0
    """
    validate.function(model, "model")
    validate.images(digits, "digits")
    validate.images(noise, "noise", columns=digits.shape[1])
    if train_mean is None:
        train_mean = data.mnist("train").x.mean(dim=0).to(digits)
    validate.floats(train_mean, "train_mean", digits.shape[1:])
    with evaluating(model), torch.no_grad():
        on_noise = _relative_error(model, noise, train_mean.to(noise), "noise")
        return on_noise / _relative_error(model, digits, train_mean.to(digits), "digits")


def _relative_error(model, x, mean, name):
    variance = squared_error(mean.expand_as(x), x).mean().item()
    if variance == 0:
        raise ValueError(f"{name} must vary about train_mean, got images that all equal it")
    x_hat = validate.alike(model(x), f"what model makes of {name}", x, name)
    error = squared_error(x_hat, x).mean().item()
    if not isfinite(error):  # finite images may have squares that overflow
        raise ValueError(f"model must return images near {name}, got an error of {error}")
    return max(error / variance, _FLOOR)


class LookupCodec:
    """A one-number code without a bottleneck: the number of an image in a table.

    The encoder finds the nearest training image, the decoder looks it up. It compresses 784
    pixels to one integer and has zero error on the table (rows that differ by more than float32
    rounding), and it has learnt nothing: on other images it is nearest-neighbour search.

    Parameters
    ----------
    train_x
        The table, pixels in [0, 1], of which a copy is kept. N is at most 2**24, up to which
        float32 counts exactly.

    Examples
    --------
    >>> codec = LookupCodec(torch.eye(3))
    >>> codec(torch.tensor([[0.1, 0.8, 0.1]]))
    tensor([[0., 1., 0.]])
    """

    def __init__(self, train_x: Float[Tensor, "N D"]):
        self.table = validate.images(train_x, "train_x").detach().clone()
        if len(train_x) > 2**24:
            raise ValueError(f"train_x must have at most {2**24} rows, got {len(train_x)}")
        self._half_norms = self.table.square().sum(dim=1) / 2  # (N,)

    def encode(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B 1"]:
        """The row number, 0 to N - 1, of the table image nearest to each image.

        Costs B*N*D multiplications and, in chunks of 1024 images, 4 KB * N of memory.
        """
        validate.images(x, "x", columns=self.table.shape[1])
        rows = [self._nearest(part.detach().to(self.table)) for part in x.split(1024)]
        return torch.cat(rows).unsqueeze(1).to(x.dtype)  # (B, 1)

    def _nearest(self, x):
        # |x - t|^2 / 2 = |x|^2 / 2 - x.t + |t|^2 / 2, and the first term is the same for all t
        return (x @ self.table.T).sub_(self._half_norms).argmax(dim=1)  # (B,)

    def decode(self, h: Float[Tensor, "B 1"]) -> Float[Tensor, "B D"]:
        """The table images with these row numbers, whole numbers from 0 to N - 1."""
        validate.floats(h, "h", ("B", 1))
        rows = h[:, 0].long()
        if (rows != h[:, 0]).any() or (rows < 0).any() or (rows >= len(self.table)).any():
            raise ValueError(f"h must hold whole numbers in [0, {len(self.table) - 1}], "
                             f"got values in [{h.min():.3g}, {h.max():.3g}]")  # fmt: skip
        return self.table[rows]

    def reconstruct(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """The table image nearest to each image."""
        return self.decode(self.encode(x))

    def __call__(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """The same as `reconstruct`, as for every model of the book."""
        return self.reconstruct(x)
