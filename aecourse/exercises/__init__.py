"""Exercises that check themselves: `check("linear-1", answer)`.

A checker is a function `topic_n(answer)` in `aecourse/exercises/topic.py`. It returns None if
the answer is right, or else one hint: what is wrong and where to look, never the solution.
"""

from importlib import import_module
from pkgutil import iter_modules


class Feedback:
    """The verdict on an answer: true if it is right; `message` is what `check` printed."""

    def __init__(self, name, hint):
        self.right = hint is None
        self.message = f"{name}: right." if self.right else f"{name}: not yet. {hint}"

    def __bool__(self):
        return self.right

    def __repr__(self):
        return self.message

    def _ipython_display_(self):
        """Show nothing as a cell's last value, since `check` has printed the message."""


def check(name, answer):
    """Check your answer to an exercise and print what is right or wrong with it.

    Parameters
    ----------
    name : str
        For example "linear-1", as in the exercise's title.
    answer : number, str, tuple, Tensor or function
        What the exercise asks for.

    Returns
    -------
    Feedback
        True if the answer is right.

    Raises
    ------
    ValueError
        If there is no such exercise: names those there are.
    """
    checkers = exercises()
    if name not in checkers:
        raise ValueError(f"name must be one of {', '.join(checkers)}; got {name!r}")
    feedback = Feedback(name, checkers[name](answer))
    print(feedback.message)
    return feedback


def exercises():
    """All checkers by exercise name, such as "linear-1"."""
    found = {}
    for module in iter_modules(__path__):
        if not module.name.startswith("_"):
            functions = vars(import_module(f"{__name__}.{module.name}"))
            found |= {key.replace("_", "-"): f for key, f in functions.items()
                      if key.startswith(f"{module.name}_")}  # fmt: skip
    return found
