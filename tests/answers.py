"""What a chapter's checkers must say to right and to wrong answers."""

import pytest

from aecourse.exercises import check


def checker_tests(right, wrong):
    """Two tests, to be named `test_…` in the chapter's test file.

    `right` gives accepted answers by the exercise's name, `wrong` pairs of an answer and a part of
    the hint that it must get.
    """

    @pytest.mark.parametrize(
        ("name", "answer"), [(name, answer) for name in right for answer in right[name]]
    )
    def accepted(name, answer, capsys):
        assert check(name, answer)
        assert capsys.readouterr().out == f"{name}: right.\n"

    @pytest.mark.parametrize(
        ("name", "answer", "hint"), [(name, *case) for name in wrong for case in wrong[name]]
    )
    def rejected(name, answer, hint):
        feedback = check(name, answer)
        assert not feedback and hint in feedback.message

    return accepted, rejected
