"""What several checkers need: comparing numbers and choices, and running a reader's function.

Each returns None if the answer is right, else one hint. `traps` are plausible wrong answers, each
with the hint that it deserves.
"""

import math
import re
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor


def number(answer: Any, right: float, *, rel: float = 0.01,
           traps: Iterable[tuple[float, str]] = ()) -> str | None:  # fmt: skip
    """Compare a number with the right one, to a relative tolerance (absolute if it is 0).

    >>> number(4.0, 2.0, traps=[(4.0, "That is the square.")])
    'That is the square.'
    """
    if isinstance(answer, Tensor | np.ndarray) and math.prod(answer.shape) == 1:
        answer = answer.item()
    if isinstance(answer, bool) or not isinstance(answer, Real):
        return f"The answer is one number, not {type(answer).__name__}."
    if _close(answer, right, rel):
        return None
    for wrong, hint in traps:
        if _close(answer, wrong, rel):
            return hint
    return "That number does not follow from the question: do it again on paper, one step a line."


def choice(answer: Any, right: str, wrong: str, *, where: str = "") -> str | None:
    """Compare a letter with the right one.

    Parameters
    ----------
    wrong
        A paragraph for each other letter, which it begins with: ``a: Why a is wrong.``
    where
        Ends each of these hints.

    Examples
    --------
    >>> choice("(A)", "b", "a: Not so.", where="See chapter 01.")
    'Not so. See chapter 01.'
    """
    letters, texts = (re.split(r"^\s*([a-z]): ", wrong, flags=re.MULTILINE)[k::2] for k in (1, 2))
    hints = {a: " ".join(f"{text} {where}".split()) for a, text in zip(letters, texts)}
    letter = answer.strip(" ().").lower() if isinstance(answer, str) else None
    if letter == right:
        return None
    return hints.get(letter, f"Answer with one letter of {', '.join(sorted({right, *hints}))}.")


def call(function: Any, *arguments: Any) -> tuple[Any, str | None]:
    """Run a reader's function; return (result, None), or (None, hint) if it fails.

    A function that writes into its arguments fails, too.
    """
    if not callable(function):
        return None, f"Hand in the function itself, not {type(function).__name__}."
    before = [a.detach().clone() if isinstance(a, Tensor) else a for a in arguments]
    try:
        result = function(*arguments)
    except Exception as error:  # whatever a reader's code raises becomes the hint
        return None, f"Your function stopped with {type(error).__name__}: {error}"
    for old, new in zip(before, arguments):
        if isinstance(old, Tensor) and not torch.equal(old, new):
            return None, "Your function changes its arguments: work on a new tensor."
    return result, None


def function(
    answer: Any, arguments: Iterable, right: Tensor, *, traps: Iterable[tuple[Tensor, str]] = (),
    shapes: Mapping[tuple, str] | None = None, not_finite: str | None = None,
) -> str | None:  # fmt: skip
    """Run a reader's function on copies of `arguments` and compare its `tensor` with the right one.

    Parameters
    ----------
    shapes
        Shapes that a plausible mistake gives, each with its hint.
    not_finite
        The hint for a result of the right shape that holds NaN or infinity.
    """
    copies = (a.clone() if isinstance(a, Tensor) else a for a in arguments)
    result, hint = call(answer, *copies)
    if hint is None and isinstance(result, Tensor):
        hint = (shapes or {}).get(tuple(result.shape))
    hint = hint or tensor(result, right, traps=traps)
    is_infinite = isinstance(result, Tensor) and not torch.isfinite(result).all()
    return not_finite if hint == NO_IDEA and not_finite and is_infinite else hint


NO_IDEA = "The shape is right, the values are not: compare one entry with a hand calculation."


def tensor(result: Any, right: Tensor, *,
           traps: Iterable[tuple[Tensor, str]] = ()) -> str | None:  # fmt: skip
    """Compare a tensor with the right one, shape first."""
    if not isinstance(result, Tensor):
        return f"Return a torch.Tensor, not {type(result).__name__}."
    if result.shape != right.shape:
        return f"The shape should be {tuple(right.shape)}, but is {tuple(result.shape)}."
    if _same(result, right):
        return None
    for wrong, hint in traps:
        if wrong.shape == right.shape and _same(result, wrong):
            return hint
    return NO_IDEA


def _close(a, b, rel):
    return abs(a - b) <= rel * (abs(b) or 1.0)


def _same(a, b):
    return torch.allclose(a.detach().double(), b.double(), rtol=1e-4, atol=1e-4)
