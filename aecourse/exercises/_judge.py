"""What several checkers need: comparing numbers and choices, and running a reader's function."""

import math
from numbers import Real

import numpy as np
import torch


def number(answer, right, *, rel=0.01, traps=()):
    """Compare a number with the right one, to a relative tolerance.

    Parameters
    ----------
    answer : number, or Tensor or array of one element
    right : float
    rel : float
        Relative tolerance (absolute if `right` is 0).
    traps : iterable of (float, str)
        Plausible wrong numbers, each with its hint.

    Returns
    -------
    str or None
        None if right, else a hint.
    """
    if isinstance(answer, torch.Tensor | np.ndarray) and math.prod(answer.shape) == 1:
        answer = answer.item()
    if isinstance(answer, bool) or not isinstance(answer, Real):
        return f"The answer is one number, not {type(answer).__name__}."
    if _close(answer, right, rel):
        return None
    for wrong, hint in traps:
        if _close(answer, wrong, rel):
            return hint
    return "That number does not follow from the question: do it again on paper, one step a line."


def choice(answer, right, hints):
    """Compare a letter with the right one; `hints` says why each other letter is wrong."""
    letter = answer.strip(" ().").lower() if isinstance(answer, str) else None
    if letter == right:
        return None
    return hints.get(letter, f"Answer with one letter of {', '.join(sorted({right, *hints}))}.")


def call(function, *arguments):
    """Run a reader's function; return (result, None), or (None, hint) if it fails."""
    if not callable(function):
        return None, f"Hand in the function itself, not {type(function).__name__}."
    try:
        return function(*arguments), None
    except Exception as error:  # whatever a reader's code raises becomes the hint
        return None, f"Your function stopped with {type(error).__name__}: {error}"


def tensor(result, right, *, traps=(), tolerance=1e-4):
    """Compare a tensor with the right one, shape first; `traps` as in `number`, with tensors."""
    if not isinstance(result, torch.Tensor):
        return f"Return a torch.Tensor, not {type(result).__name__}."
    if result.shape != right.shape:
        return f"The shape should be {tuple(right.shape)}, but is {tuple(result.shape)}."
    if _same(result, right, tolerance):
        return None
    for wrong, hint in traps:
        if wrong.shape == right.shape and _same(result, wrong, tolerance):
            return hint
    return "The shape is right, the values are not: compare one entry with a hand calculation."


def _close(a, b, rel):
    return abs(a - b) <= rel * (abs(b) or 1.0)


def _same(a, b, tolerance):
    return torch.allclose(a.detach().double(), b.double(), rtol=tolerance, atol=tolerance)
