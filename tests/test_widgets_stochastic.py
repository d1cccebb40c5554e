"""`SampleThenRescale` on the Python side: its state, its form in a page, and what it refuses."""

import json
import re
from html import unescape

import pytest
import torch

from aecourse.widgets import SampleThenRescale


def test_the_state_in_the_page_is_the_state_in_python():
    widget = SampleThenRescale(mu=-0.5, logvar=-1, mode="direct", seed=3)
    state = json.loads(unescape(re.search(r'data-state="(.*?)"', widget.to_html())[1]))
    assert state == widget.state()
    assert state == {"mu": -0.5, "logvar": -1.0, "eps": 1.2, "mode": "direct", "seed": 3}


def test_two_widgets_give_the_same_page():
    assert SampleThenRescale().to_html() == SampleThenRescale().to_html()
    assert repr(SampleThenRescale()) == repr(SampleThenRescale())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mu", 2.1),
        ("mu", float("nan")),
        ("mu", "1"),
        ("logvar", -2.5),
        ("logvar", None),
        ("eps", 3),
        ("mode", "score"),
        ("seed", 0.5),
        ("seed", -1),
        ("seed", True),
    ],
)
def test_a_value_outside_its_range_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        SampleThenRescale(**{name: value})
    widget = SampleThenRescale()
    with pytest.raises(ValueError, match=f"{name} must be"):
        setattr(widget, name, value)


def test_it_shows_no_model_and_needs_no_weights():
    with pytest.raises(ValueError, match="shows no other model"):
        SampleThenRescale(torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="sigma"):
        SampleThenRescale(sigma=1.0)
    assert SampleThenRescale.packs() == {}
