"""`WatchTheBound` on the Python side: its state, its form in a page, and what it refuses."""

import json
import re
from html import unescape

import pytest
import torch

from aecourse.elbo import LinearGaussianModel
from aecourse.widgets import WatchTheBound


def test_the_state_in_the_page_is_the_state_in_python():
    widget = WatchTheBound(mu=1, s=0.5**0.5, samples=1000, estimate="weighted")
    state = json.loads(unescape(re.search(r'data-state="(.*?)"', widget.to_html())[1]))
    assert state == widget.state()
    assert state["s"] == 0.5**0.5 and state["samples"] == 1000 and state["estimate"] == "weighted"


def test_two_widgets_give_the_same_page():
    assert WatchTheBound().to_html() == WatchTheBound().to_html()
    assert repr(WatchTheBound()) == repr(WatchTheBound())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mu", -1.1),
        ("mu", float("nan")),
        ("s", 0),
        ("s", 1.6),
        ("s", "1"),
        ("samples", 0),
        ("samples", 1001),
        ("samples", 2.5),
        ("estimate", "score"),
        ("seed", 10_000),
    ],
)
def test_a_value_outside_its_range_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        WatchTheBound(**{name: value})
    widget = WatchTheBound()
    with pytest.raises(ValueError, match=f"{name} must be"):
        setattr(widget, name, value)


def test_it_shows_no_other_model_and_needs_no_weights():
    one = torch.ones(1, 1).double()
    with pytest.raises(ValueError, match="shows no other model"):
        WatchTheBound(LinearGaussianModel(one, one[0], 1.0))
    assert WatchTheBound.packs() == {}
