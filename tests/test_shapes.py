"""The import hook that compares every call in a test run with its signature: it can fail."""

import importlib

import pytest
import torch
from jaxtyping import TypeCheckError, install_import_hook

from aecourse import data

CODE = '''
from jaxtyping import Float
from torch import Tensor


def row_sums(x: Float[Tensor, "B D"], *, dim: int = 1) -> Float[Tensor, "B"]:
    return x.sum(dim=dim)


def first(x: Float[Tensor, "B D"], weight: float = 1.0) -> float:
    if x.ndim == 1:
        raise ValueError("x must have shape (B, D)")
    return weight * x.flatten()[0].item()
'''


@pytest.fixture
def checked(tmp_path, monkeypatch):
    (tmp_path / "annotated_code.py").write_text(CODE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with install_import_hook("annotated_code", "shapes.on_return"):
        return importlib.reload(importlib.import_module("annotated_code"))


def test_a_right_call_passes(checked):
    assert checked.row_sums(torch.ones(2, 3)).tolist() == [3, 3]
    assert checked.first(torch.ones(2, 3), weight=2) == 2, "a whole number is a float, too"


def test_a_result_of_another_shape_is_noticed(checked):
    with pytest.raises(TypeCheckError, match="return value of annotated_code.row_sums"):
        checked.row_sums(torch.ones(2, 3), dim=0)


def test_an_argument_that_should_have_been_refused_is_noticed(checked):
    with pytest.raises(TypeCheckError, match="annotated_code.first"):
        checked.first(torch.ones(2, 3, 4))


def test_the_functions_own_error_comes_first(checked):
    with pytest.raises(ValueError, match="x must have shape"):
        checked.first(torch.ones(2))


def test_the_hook_is_installed_in_this_run():
    class Odd:
        def to(self, like):
            return "no tensor"

    with pytest.raises(TypeCheckError, match="aecourse.data.draw"):
        data.draw(lambda *shape, **settings: Odd(), (2,), torch.zeros(1))
