"""The checks behind the error rule of `aecourse`, said once for every public function.

Each returns what it has checked, or raises a ValueError whose one sentence names the argument,
what was given and what is accepted.
"""

from collections.abc import Callable, Sequence
from math import inf, isfinite
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

FLOATS = (torch.float32, torch.float64)


def describe(value: Any) -> str:
    """What a value is, for a message: shape and dtype of a tensor, the type of anything else.

    >>> describe(torch.zeros(2, 3)), describe([1])
    ('shape (2, 3) torch.float32', 'list')
    """
    if isinstance(value, Tensor):
        return f"shape {tuple(value.shape)} {value.dtype}"
    return type(value).__name__


# --- tensors -------------------------------------------------------------------------------------


def floats(x: Any, name: str, shape: Sequence = ("N", "D"), dtype: torch.dtype | None = None,
           ) -> Tensor:  # fmt: skip
    """Check that `x` is a finite, non-empty float tensor of this shape and return it.

    Parameters
    ----------
    name
        The argument's name, for the message.
    shape
        A number is a size that is required, a letter any size; `...` in front any shape.
    dtype
        The one that is accepted, that of a model's weights; float32 and float64 if omitted.

    Examples
    --------
    >>> floats(torch.zeros(5, 2), "h", ("B", 3))
    Traceback (most recent call last):
    ValueError: h must have shape (B, 3), got (5, 2)
    """
    _require_floats(x, name, shape, dtype)
    if not x.requires_grad:  # else a network has computed it: the loop says in which epoch
        _bounds(x, name)
    return x


def matrix(x: Any, name: str, columns: int | None = None, dtype: torch.dtype | None = None,
           ) -> Tensor:  # fmt: skip
    """Check `floats` of shape (N, D), with D = `columns` if that is given, and return them."""
    return floats(x, name, ("N", "D" if columns is None else columns), dtype)


def rows(x: Any, name: str = "x") -> Tensor:
    """Check that `x` is a tensor of any dtype with at least one row and return it."""
    if not isinstance(x, Tensor) or x.ndim == 0 or len(x) == 0:
        raise ValueError(f"{name} must be a tensor with at least one row, got {describe(x)}")
    return x


def images(x: Any, name: str = "x", columns: int | None = None) -> Tensor:
    """Check that `x` is a `matrix` of pixels in [0, 1] and return it."""
    _require_floats(x, name, ("N", "D" if columns is None else columns))
    low, high = _bounds(x, name)
    if low < 0 or high > 1:
        raise ValueError(
            f"{name} must hold pixels in [0, 1], got values in [{low:.3g}, {high:.3g}]"
            + ("; divide 8-bit pixels by 255" if high > 1.5 else "")
        )
    return x


def alike(x: Any, name: str, other: Tensor, other_name: str) -> Tensor:
    """Check that `x` is `floats` of the shape and dtype of `other` and return it.

    Broadcasting would silently combine the wrong entries.
    """
    if not isinstance(x, Tensor) or x.shape != other.shape or x.dtype != other.dtype:
        raise ValueError(
            f"{name} must be as {other_name}, {describe(other)}, got {describe(x)}"
        )
    return floats(x, name, other.shape)


def detached(x: Any) -> Any:
    """`x` without its gradient, for what no gradient passes: then NaN is refused in it, too.

    Examples
    --------
    >>> lost = torch.tensor([[torch.nan]], requires_grad=True)
    >>> matrix(detached(lost), "h")
    Traceback (most recent call last):
    ValueError: h must be finite, got NaN or infinity
    """
    return x.detach() if isinstance(x, Tensor) else x


def whole_numbers(x: Any, name: str, shape: Sequence, low: int, high: int) -> Tensor:
    """Check that `x` is a non-empty int64 tensor of this shape in [low, high] and return it."""
    if not isinstance(x, Tensor) or x.dtype != torch.int64:
        raise ValueError(f"{name} must be a torch.Tensor of int64, got {describe(x)}")
    _require_shape(x, name, shape)
    least, most = (bound.item() for bound in x.aminmax())
    if least < low or most > high:
        raise ValueError(f"{name} must be in [{low}, {high}], got values in [{least}, {most}]")
    return x


def _require_floats(x, name, shape, dtype=None):
    if not isinstance(x, Tensor):
        raise ValueError(f"{name} must be a torch.Tensor, got {describe(x)}")
    if x.dtype not in FLOATS:
        raise ValueError(f"{name} must be float32 or float64, got {x.dtype}")
    if dtype is not None and x.dtype != dtype:
        raise ValueError(f"{name} must be {dtype} as the weights, got {x.dtype}")
    _require_shape(x, name, shape)


def _bounds(x, name):
    """The smallest and the largest entry, if all are finite."""
    low, high = (bound.item() for bound in x.detach().aminmax())  # both are NaN if any entry is
    if not (isfinite(low) and isfinite(high)):
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return low, high


def _require_shape(x, name, shape):
    free = len(shape) > 0 and shape[0] is ...
    sizes = shape[1:] if free else shape
    given = x.shape[x.ndim - len(sizes) :] if free and x.ndim >= len(sizes) else x.shape
    fits = len(given) == len(sizes) and all(
        isinstance(want, str) or want == have for want, have in zip(sizes, given)
    )
    if not fits:
        wanted = ", ".join("..." if size is ... else str(size) for size in shape)
        wanted += "," if len(shape) == 1 else ""
        raise ValueError(f"{name} must have shape ({wanted}), got {tuple(x.shape)}")
    if x.numel() == 0:
        raise ValueError(f"{name} must not be empty, got shape {tuple(x.shape)}")


# --- numbers -------------------------------------------------------------------------------------


def integer(value: Any, name: str, low: int = 1, high: int | None = None) -> int:
    """Check that `value` is an integer in [low, high], not a bool, and return it as an int.

    >>> integer(0, "epochs")
    Traceback (most recent call last):
    ValueError: epochs must be an integer >= 1, got 0
    """
    accepted = f">= {low}" if high is None else f"in [{low}, {high}]"
    fits = isinstance(value, Integral) and not isinstance(value, bool)
    if not fits or value < low or (high is not None and value > high):
        raise ValueError(f"{name} must be an integer {accepted}, got {value!r:.80}")
    return int(value)


def positive(value: Any, name: str) -> float:
    """Check that `value` is a finite number > 0 and return it as a float."""
    return _number(value, name, "a finite number > 0", lambda v: 0 < v < inf)


def nonnegative(value: Any, name: str) -> float:
    """Check that `value` is a finite number >= 0 and return it as a float."""
    return _number(value, name, "a finite number >= 0", lambda v: 0 <= v < inf)


def share(value: Any, name: str, below: float | None = None) -> float:
    """Check that `value` is a number in [0, 1], or in [0, below), and return it as a float."""
    if below is None:
        return _number(value, name, "a number in [0, 1]", lambda v: 0 <= v <= 1)
    return _number(value, name, f"a number in [0, {below:g})", lambda v: 0 <= v < below)


def _number(value, name, accepted, fits):
    if isinstance(value, bool) or not isinstance(value, Real) or not fits(value):
        raise ValueError(f"{name} must be {accepted}, got {value!r:.80}")
    return float(value)


# --- anything else -------------------------------------------------------------------------------


def choice(value: Any, name: str, accepted: Sequence) -> Any:
    """Check that `value` is one of those accepted and return it."""
    if not any(value is known or (type(value) is type(known) and value == known)
               for known in accepted):  # fmt: skip
        known = ", ".join(map(repr, accepted))
        raise ValueError(f"{name} must be one of {known}, got {value!r:.80}")
    return value


def text(value: Any, name: str) -> str:
    """Check that `value` is a text with something in it and return it."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} must be a text that is not empty, got {value!r:.80}")
    return value


def texts(values: Any, name: str, length: int) -> list[str]:
    """Check that `values` lists so many texts, which may be empty, and return them as a list."""
    fits = isinstance(values, list | tuple) and len(values) == length
    if not fits or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{name} must be a list or tuple of {length} texts, got {values!r:.80}")
    return list(values)


def sequence(values: Any, name: str) -> list:
    """Check that `values` can be iterated, is no text and not empty; return it as a list."""
    try:
        listed = [] if isinstance(values, str) else list(values)
    except TypeError:
        listed = []
    if not listed:
        raise ValueError(f"{name} must be a sequence that is not empty, got {values!r:.80}")
    return listed


def widths(sizes: Any, name: str = "sizes", at_least: int = 1) -> list[int]:
    """Check that `sizes` lists at least so many integers >= 1 and return them as a list."""
    if not isinstance(sizes, list | tuple) or len(sizes) < at_least:
        raise ValueError(
            f"{name} must be a list or tuple of at least {at_least} integers >= 1, "
            f"got {sizes!r:.80}"
        )
    return [integer(size, f"each of {name}") for size in sizes]


def flag(value: Any, name: str) -> bool:
    """Check that `value` is True or False and return it."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, got {value!r:.80}")
    return value


def function(value: Any, name: str) -> Callable:
    """Check that `value` can be called and return it."""
    if not callable(value):
        raise ValueError(f"{name} must be a function, got {describe(value)}")
    return value


def activation(value: Any, name: str = "activation") -> Callable:
    """Check that calling `value` makes a layer, as the class `nn.ReLU` does, and return it.

    Examples
    --------
    >>> activation(torch.relu)
    Traceback (most recent call last):
    ValueError: activation must be a class such as nn.ReLU, got builtin_function_or_method
    """
    try:
        made = value()
    except TypeError:  # a function or a layer would be called on images
        made = None
    if not isinstance(made, torch.nn.Module):
        raise ValueError(f"{name} must be a class such as nn.ReLU, got {describe(value)}")
    return value


def instance(value: Any, name: str, *kinds: type) -> Any:
    """Check that `value` is of one of these classes and return it."""
    if not isinstance(value, kinds):
        accepted = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"{name} must be of the class {accepted}, got {describe(value)}")
    return value


def model(value: Any, name: str = "model", *methods: str) -> Any:
    """Check that `value` has these methods, those of a model that fits, and return it.

    >>> model(torch.nn.Linear(2, 2), "model", "encode")
    Traceback (most recent call last):
    ValueError: model must have encode, got Linear
    """
    if isinstance(value, type) or not all(hasattr(value, method) for method in methods):
        wanted = f"have {', '.join(methods)}" if methods else "be a model"
        raise ValueError(f"{name} must {wanted}, got {describe(value)}")
    return value


def generator(value: Any, name: str = "generator") -> torch.Generator | None:
    """Check that `value` is a torch.Generator, or None for torch's global one, and return it."""
    if value is not None and not isinstance(value, torch.Generator):
        raise ValueError(f"{name} must be a torch.Generator or None, got {describe(value)}")
    return value
