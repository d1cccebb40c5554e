"""The self-test as a widget: its state, and the questions that it carries into the page."""

from packs import notes
from safetensors.torch import load

from aecourse.review import questions
from aecourse.widgets import Quiz


def test_the_pack_holds_every_question_as_python_reads_it_and_no_weights():
    content = Quiz.packs()["review"]()
    packed = notes(content)["questions"]
    assert not load(content)
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
