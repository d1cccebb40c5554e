"""Chapter 01: the identity, the look-up table, and how to measure copying."""

from math import isfinite

import torch
from torch import Tensor

from aecourse import data, validate

FLOOR = 1e-6  # a relative error below this is float32 rounding, not reconstruction


def squared_error(x_hat, x):
    """Squared Euclidean distance between each image and its reconstruction.

    Parameters
    ----------
    x_hat, x : Tensor of shape (B, D)

    Returns
    -------
    Tensor of shape (B,)
        Summed over the D pixels, one value per image.

    Raises
    ------
    ValueError
        If either is no float tensor of two dimensions, or the shapes differ: broadcasting would
        silently compare the wrong pixels.
    """
    for name, images in (("x_hat", x_hat), ("x", x)):
        if not (isinstance(images, Tensor) and images.is_floating_point() and images.ndim == 2):
            given = (images.dtype, *images.shape) if isinstance(images, Tensor) else type(images)
            raise ValueError(f"{name} must be a float tensor of shape (B, D), got {given}")
    if x_hat.shape != x.shape:
        raise ValueError(
            f"x_hat must have the shape of x, {tuple(x.shape)}, got {tuple(x_hat.shape)}"
        )
    return (x_hat - x).square().sum(dim=1)  # (B,)


def reconstruction_loss(model, x):
    """The autoencoder's loss: `squared_error` between model(x) and x, for `train.fit`.

    Parameters
    ----------
    model : callable, (B, D) -> (B, D)
    x : Tensor of shape (B, D)

    Returns
    -------
    dict
        "loss", of shape (B,).
    """
    return {"loss": squared_error(model(x), x)}


def copy_ratio(model, digits, noise, *, train_mean=None):
    """How much worse a model copies noise than digits: 1 for the identity, large for a specialist.

    Relative error on noise divided by relative error on digits. A relative error is the mean
    squared error divided by the mean squared distance to the mean image of the training set,
    and at least 1e-6, so that a perfect copy divides to exactly 1.

    Parameters
    ----------
    model : callable, (N, D) -> (N, D)
        A module is measured in evaluation mode, without gradients.
    digits, noise : Tensor of shape (N, D), pixels in [0, 1]
    train_mean : Tensor of shape (D,), optional
        The mean image of the training set. By default that of MNIST, for which D is 784.

    Returns
    -------
    float
        No unit.

    Raises
    ------
    ValueError
        For anything but two sets of images of equal D, a `train_mean` of another shape, images
        that all equal the mean (no variance to divide by), or a model that returns NaN.
    """
    validate.images(digits, "digits")
    validate.images(noise, "noise", columns=digits.shape[1])
    if train_mean is None:
        train_mean = data.mnist("train").x.mean(dim=0).to(digits)
    if not isinstance(train_mean, Tensor) or train_mean.shape != digits.shape[1:]:
        given = tuple(train_mean.shape) if isinstance(train_mean, Tensor) else type(train_mean)
        raise ValueError(f"train_mean must be a tensor of shape ({digits.shape[1]},), got {given}")
    validate.matrix(train_mean[None], "train_mean")
    was_training = getattr(model, "training", False)
    if was_training:
        model.eval()
    try:
        on_noise = _relative_error(model, noise, train_mean.to(noise), "noise")
        return on_noise / _relative_error(model, digits, train_mean.to(digits), "digits")
    finally:
        if was_training:
            model.train()


@torch.no_grad()
def _relative_error(model, x, mean, name):
    variance = squared_error(mean.expand_as(x), x).mean().item()
    if variance == 0:
        raise ValueError(f"{name} must vary about train_mean, got images that all equal it")
    error = squared_error(model(x), x).mean().item()
    if not isfinite(error):
        raise ValueError(f"model must return finite images, got an error of {error} on {name}")
    return max(error / variance, FLOOR)


class LookupCodec:
    """A one-number code without a bottleneck: the number of an image in a table.

    The encoder finds the nearest training image, the decoder looks it up. It compresses 784
    pixels to one integer and has zero error on the table (rows that differ by more than float32
    rounding), and it has learnt nothing: on other images it is nearest-neighbour search.

    Parameters
    ----------
    train_x : Tensor of shape (N, D), pixels in [0, 1]
        The table, of which a copy is kept. N is at most 2**24, up to which float32 counts exactly.

    Raises
    ------
    ValueError
        If `train_x` is not a non-empty float matrix of pixels, or has too many rows.
    """

    def __init__(self, train_x):
        self.table = validate.images(train_x, "train_x").detach().clone()
        if len(train_x) > 2**24:
            raise ValueError(f"train_x must have at most {2**24} rows, got {len(train_x)}")
        self._half_norms = self.table.square().sum(dim=1) / 2  # (N,)

    def encode(self, x):
        """The row number of the nearest table image, in Euclidean distance.

        Costs B*N*D multiplications and, in chunks of 1024 images, 4 KB * N of memory.

        Parameters
        ----------
        x : Tensor of shape (B, D), pixels in [0, 1]

        Returns
        -------
        Tensor of shape (B, 1), the dtype of `x`
            Whole numbers from 0 to N - 1.
        """
        validate.images(x, "x", columns=self.table.shape[1])
        rows = [self._nearest(part.detach().to(self.table)) for part in x.split(1024)]
        return torch.cat(rows).unsqueeze(1).to(x.dtype)  # (B, 1)

    def _nearest(self, x):
        # |x - t|^2 / 2 = |x|^2 / 2 - x.t + |t|^2 / 2, and the first term is the same for all t
        return (x @ self.table.T).sub_(self._half_norms).argmax(dim=1)  # (B,)

    def decode(self, h):
        """The table images with the given row numbers.

        Parameters
        ----------
        h : Tensor of shape (B, 1)
            Whole numbers from 0 to N - 1, as `encode` returns them.

        Returns
        -------
        Tensor of shape (B, D)

        Raises
        ------
        ValueError
            For another shape, fractions, or numbers outside the table.
        """
        if not isinstance(h, Tensor) or h.ndim != 2 or h.shape[1] != 1:
            given = tuple(h.shape) if isinstance(h, Tensor) else type(h).__name__
            raise ValueError(f"h must be a tensor of shape (B, 1), got {given}")
        rows = h[:, 0].long()
        if (rows != h[:, 0]).any() or (rows < 0).any() or (rows >= len(self.table)).any():
            raise ValueError(f"h must hold whole numbers in [0, {len(self.table) - 1}], "
                             f"got values in [{h.min():.3g}, {h.max():.3g}]")  # fmt: skip
        return self.table[rows]

    def __call__(self, x):
        """Encode, then decode: the nearest table image of each row."""
        return self.decode(self.encode(x))
