"""The self-test as a widget: its state, and the questions that it carries into the page."""

import json

import pytest
from safetensors import safe_open

from aecourse.review import questions
from aecourse.widgets import Quiz


@pytest.fixture
def packed(tmp_path):
    path = tmp_path / "review.safetensors"
    path.write_bytes(Quiz.packs()["review"]())
    with safe_open(path, "pt") as file:
        assert not file.keys()
        return json.loads(file.metadata()["questions"])


def test_the_pack_holds_every_question_as_python_reads_it(packed):
    assert [entry["id"] for entry in packed] == [question.id for question in questions()]
    for entry, question in zip(packed, questions()):
        assert entry["answer"] == question.answer and entry["why"] == list(question.why)
        assert entry["options"] == list(question.options)


def test_every_chapter_has_its_switch():
    topics = dict.fromkeys(question.topic for question in questions())
    assert Quiz().chapters == [1] * len(topics)


def test_state_can_be_set_and_a_draw_keeps_its_seed():
    quiz = Quiz(seed=7, n=20, chapters=[0] * 6 + [1] + [0] * 4)
    quiz.position, quiz.choice, quiz.checked = 3, 2, True
    assert quiz.state() == {"seed": 7, "n": 20, "chapters": [0] * 6 + [1] + [0] * 4,
                            "position": 3, "choice": 2, "checked": True}  # fmt: skip


@pytest.mark.parametrize(
    ("traits", "message"),
    [
        ({"n": 0}, r"n must be an integer in \[1, 100\], got 0"),
        ({"seed": 1.5}, "seed must be an integer"),
        ({"choice": 4}, r"choice must be an integer in \[-1, 3\]"),
        ({"chapters": [1, 1]}, "chapters must be 11 integers"),
        ({"checked": 2}, "checked must be one of"),
        ({"position": -1}, "position must be"),
    ],
)
def test_a_state_that_cannot_be_is_refused(traits, message):
    with pytest.raises(ValueError, match=message):
        Quiz(**traits)
