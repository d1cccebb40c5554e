"""Input checks shared by every public function: one sentence per mistake.

A message names the argument, what was given and what is accepted.
"""

from numbers import Integral, Real

import torch

FLOATS = (torch.float32, torch.float64)


def matrix(x, name, columns=None, dtype=None):
    """Check that `x` is a finite, non-empty float matrix and return it.

    Parameters
    ----------
    x : Tensor of shape (N, D), float32 or float64
    name : str
        The argument's name, for the message.
    columns : int, optional
        The D that is accepted; any D >= 1 if omitted.
    dtype : torch.dtype, optional
        The one that is accepted, that of a model's weights; float32 and float64 if omitted.

    Raises
    ------
    ValueError
        For anything else: not a tensor, another dtype or shape, no rows, NaN or infinity.
    """
    _range(x, name, columns, dtype)
    return x


def _range(x, name, columns=None, dtype=None):
    """Check as `matrix`; return the smallest and the largest entry."""
    if not isinstance(x, torch.Tensor):
        raise ValueError(f"{name} must be a torch.Tensor, got {type(x).__name__}")
    if x.dtype not in FLOATS:
        raise ValueError(f"{name} must be float32 or float64, got {x.dtype}")
    if dtype is not None and x.dtype != dtype:
        raise ValueError(f"{name} must be {dtype} as the weights, got {x.dtype}")
    wanted = f"(N, {columns})" if columns is not None else "(N, D)"
    if x.ndim != 2 or (columns is not None and x.shape[1] != columns):
        raise ValueError(f"{name} must have shape {wanted}, got {tuple(x.shape)}")
    if x.numel() == 0:
        raise ValueError(f"{name} must not be empty, got shape {tuple(x.shape)}")
    low, high = x.detach().aminmax()  # one pass; both are NaN if any entry is
    if not (torch.isfinite(low) and torch.isfinite(high)):
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return low, high


def images(x, name="x", columns=None):
    """Check that `x` is a `matrix` of pixels in [0, 1] and return it.

    Raises
    ------
    ValueError
        As `matrix`, and for pixels outside [0, 1].
    """
    low, high = _range(x, name, columns)
    if low < 0 or high > 1:
        raise ValueError(
            f"{name} must hold pixels in [0, 1], got values in [{low:.3g}, {high:.3g}]"
            + ("; divide 8-bit pixels by 255" if high > 1.5 else "")
        )
    return x


def integer(value, name, low=1, high=None):
    """Check that `value` is an integer in [low, high] and return it as an int.

    Raises
    ------
    ValueError
        If it is not (bool does not count as an integer).
    """
    accepted = f">= {low}" if high is None else f"in [{low}, {high}]"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"{name} must be an integer {accepted}, got {value!r}")
    if value < low or (high is not None and value > high):
        raise ValueError(f"{name} must be {accepted}, got {value}")
    return int(value)


def positive(value, name):
    """Check that `value` is a finite number > 0 and return it as a float.

    Raises
    ------
    ValueError
        If it is not.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < float("inf"):
        raise ValueError(f"{name} must be a finite number > 0, got {value!r}")
    return float(value)


def nonnegative(value, name):
    """Check that `value` is a finite number >= 0 and return it as a float.

    Raises
    ------
    ValueError
        If it is not.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value < float("inf"):
        raise ValueError(f"{name} must be a finite number >= 0, got {value!r}")
    return float(value)
