"""Exercises that check themselves: `check("linear-1", answer)`.

A checker is a function `topic_n(answer)` in `aecourse/exercises/topic.py`. It returns None if
the answer is right, or else one hint: what is wrong and where to look, never the solution.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from aecourse import validate


@dataclass(frozen=True)
class Feedback:
    """The verdict on an answer: true if it is right; `message` is what `check` printed."""

    right: bool
    message: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return self.message

    def _ipython_display_(self):
        """Show nothing as a cell's last value, since `check` has printed the message."""


def check(name: str, answer: Any) -> Feedback:
    """Check your answer to an exercise and print what is right or wrong with it.

    Parameters
    ----------
    name
        For example "linear-1", as in the exercise's title.
    answer
        What the exercise asks for: a number, a letter, a tuple, a tensor or a function.

    Examples
    --------
    >>> if check("trivial-1", 1.0):
    ...     print("Well done.")
    trivial-1: right.
    Well done.
    """
    checkers = exercises()
    hint = checkers[validate.choice(name, "name", list(checkers))](answer)
    right = hint is None
    feedback = Feedback(right, f"{name}: right." if right else f"{name}: not yet. {hint}")
    print(feedback.message)
    return feedback


def exercises() -> dict[str, Callable[[Any], str | None]]:
    """All checkers by the exercise's name.

    Examples
    --------
    >>> exercises()["trivial-1"](0.25)
    'That is one of the two relative errors. The ratio divides one by the other.'
    """
    found = {}
    for module in iter_modules(__path__):
        if not module.name.startswith("_"):
            functions = vars(import_module(f"{__name__}.{module.name}"))
            found |= {key.replace("_", "-"): f for key, f in functions.items()
                      if key.startswith(f"{module.name}_")}  # fmt: skip
    return found
