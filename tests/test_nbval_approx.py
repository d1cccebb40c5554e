"""The comparison of cells tagged `approx`: a little is forgiven in numbers, nothing else."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from nbval_approx import snap, snap_outputs

pytest_plugins = ["pytester"]


@pytest.mark.parametrize(
    ("new", "stored"),
    [
        ("ELBO -99.5 nats", "ELBO -99.4 nats"),
        ("104.9", "100.0"),  # 5 %
        ("0.03", "0.05"),  # two units of the last digit
        ("3e-12", "2e-12"),
        ("1,020 images", "1,000 images"),
        ("| a |  9.98 |", "| a | 10.02 |"),  # one digit less
        ("$10.1$% of (3.3)", "$10.2$% of (3.4)"),
        ("the same", "the same"),
    ],
)
def test_numbers_that_agree_within_five_percent_or_two_units_pass(new, stored):
    assert snap(new, stored) == stored


@pytest.mark.parametrize(
    ("new", "stored"),
    [
        ("ELBO 110 nats", "ELBO 99.4 nats"),
        ("105.3", "100.0"),
        ("0.02", "0.05"),
        ("0.5", "0.58"),  # the stored text says how exact a number is
        ("-0.1", "0.1"),
        ("loss 1.0", "gain 1.0"),
        ("1.0 2.0", "1.0"),
        ("1.0", "1.0 2.0"),
        ("nan", "1.0"),
        ("1.0 inf", "1.0 nan"),
        ("layer2 1.0", "layer3 1.0"),  # part of a name
        ("2e-11", "2e-12"),
        ("1.0\n2.0 a", "1.0 2.0 b"),
    ],
)
def test_another_number_another_word_or_another_count_fails(new, stored):
    assert snap(new, stored) != stored


def test_what_differs_is_reported_beside_numbers_that_agree():
    assert snap("loss 99.5, gap 7.0", "loss 99.4, gap 3.0") == "loss 99.4, gap 7.0"


def test_streams_and_texts_are_compared_pictures_and_missing_outputs_are_left():
    stored = [
        new_output("stream", text="a 1.00\n"),
        new_output("execute_result", {"text/markdown": "| 2.00 |", "text/plain": "| 2.00 |"}),
        new_output("display_data", {"text/html": "<b>3.00</b>", "image/png": "iVBOR"}),
    ]
    new = [
        new_output("stream", text="a 1.01\n"),
        new_output("execute_result", {"text/markdown": "| 2.01 |", "text/plain": "| 2.01 |"}),
        new_output("display_data", {"text/html": "<b>3.01</b>", "image/png": "other"}),
        new_output("stream", text="more 4.00"),
    ]
    found = snap_outputs(new, stored)
    assert found[:2] == stored[:2] and found[2].data == {"text/html": "<b>3.00</b>",
                                                         "image/png": "other"}  # fmt: skip
    assert found[3].text == "more 4.00"


@pytest.mark.parametrize(
    ("tags", "printed", "passes"),
    [(["approx"], "99.5", True), (["approx"], "110", False), ([], "99.5", False)],
)
def test_nbval_forgives_only_in_cells_with_the_tag(pytester, tags, printed, passes):
    output = new_output("stream", text="ELBO -99.4\n")
    cell = new_code_cell(f"print('ELBO -{printed}')", outputs=[output], execution_count=1)
    cell.metadata["tags"] = tags
    kernel = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    nbformat.write(new_notebook(cells=[cell], metadata=kernel), pytester.path / "book.ipynb")
    pytester.makeini(f"[pytest]\npythonpath = {Path(__file__).parent.as_posix()!r}")
    pytester.makeconftest('pytest_plugins = ["nbval_approx"]')
    result = pytester.runpytest_subprocess("--nbval", "--nbval-current-env", "book.ipynb")
    result.assert_outcomes(passed=int(passes), failed=int(not passes))
