"""The frame in which exercises check themselves."""

import pytest

from aecourse.exercises import check, exercises


def test_every_chapter_has_at_least_three_exercises():
    topics = [name.split("-")[0] for name in exercises()]
    assert {"trivial", "linear", "autoencoder", "generation",
            "stochastic", "vae", "elbo", "limits",
            "denoising", "vqvae", "tokens", "review"} <= set(topics)  # fmt: skip
    assert all(topics.count(topic) >= 3 for topic in topics)


def test_an_unknown_name_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match="trivial-1.*got 'trivial-99'"):
        check("trivial-99", 0)


def test_a_verdict_is_printed_once_and_can_be_used_as_a_truth_value(capsys):
    feedback = check("trivial-1", 1.0)
    feedback._ipython_display_()  # what Jupyter calls on a cell's last value
    assert feedback and capsys.readouterr().out == "trivial-1: right.\n"


@pytest.mark.parametrize("nonsense", [None, "", object(), [], {}, float("nan"), -1e9, print])
def test_no_checker_accepts_or_stumbles_over_nonsense(nonsense):
    for name in exercises():
        assert not check(name, nonsense)
