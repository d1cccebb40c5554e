"""The self-test of chapter 12."""

from dataclasses import asdict

from torch import nn

from aecourse.review import OPTIONS, questions
from aecourse.widgets.base import Choice, Number, Numbers, Packs, Widget
from aecourse.widgets.pack import pack

CHAPTERS = tuple(dict.fromkeys(question.topic for question in questions()))


class Quiz(Widget):
    """Questions drawn at random over the chapters, each answer explained.

    Traits
    ------
    chapters : eleven numbers, 0 or 1
        Which chapters are asked about.
    n : integer in [1, 100]
        Questions in a draw.
    seed : integer in [0, 999999]
        The draw; 0 means a new one each time the widget is shown.
    position : integer in [0, 100]
        The question on show, from 0; `n` shows the result.
    choice : integer in [-1, 3]
        The option that is marked; -1 if none.
    checked : bool
        Whether the answer has been given.
    """

    script = "review"
    says = (
        "A self-test: choose an answer and check it. Your answer and the right one are "
        "explained, with the section to read again. The score stays on this device."
    )
    chapters = Numbers([1] * len(CHAPTERS), 0, 1, whole=True)
    n = Number(10, 1, 100, whole=True)
    seed = Number(0, 0, 999_999, whole=True)
    position = Number(0, 0, 100, whole=True)
    choice = Number(-1, -1, OPTIONS - 1, whole=True)
    checked = Choice(False, (False, True))

    @classmethod
    def packs(cls, model: nn.Module | None = None) -> Packs:
        """`review`: all questions, as JSON in the notes of a file without weights."""
        return {"review": lambda: pack(meta={"questions": [asdict(q) for q in questions()]})}
