"""`DrawDigit` on the Python side: its state, its weights, and what it refuses."""

import json
import re
from html import unescape

import pytest
import torch
from safetensors.torch import load
from torch import nn

from aecourse import data
from aecourse.autoencoder import Autoencoder
from aecourse.widgets import DrawDigit
from aecourse.widgets.trivial import small_autoencoder


def test_the_state_in_the_page_is_the_state_in_python():
    widget = DrawDigit(drawing=[0, 255] * 392, preset="noise", number=3)
    state = json.loads(unescape(re.search(r'data-state="(.*?)"', widget.to_html())[1]))
    assert state == widget.state() == {"drawing": [0, 255] * 392, "preset": "noise", "number": 3}
    assert DrawDigit().to_html() == DrawDigit().to_html()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("drawing", [0] * 783),
        ("drawing", [256] * 784),
        ("drawing", [0.5] * 784),
        ("drawing", None),
        ("preset", "shoe"),
        ("number", 10),
        ("number", 0.5),
    ],
)
def test_a_value_outside_its_range_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        DrawDigit(**{name: value})


def test_a_drawing_may_come_from_an_image_of_the_book():
    x = data.mnist("test").x[0]
    widget = DrawDigit(drawing=(255 * x).round().int())
    assert widget.drawing == (255 * x).round().tolist()


def test_the_pack_holds_both_networks_and_one_image_of_each_class():
    found = load(DrawDigit.packs()["trivial"]())
    model = small_autoencoder()
    assert torch.equal(found["encoder.0.weight"].float(), model.encoder[0].weight)
    assert torch.equal(found["decoder.2.weight"].float(), model.decoder[2].weight)
    for key, images in (("digits", data.mnist("test")), ("clothes", data.fashion("test"))):
        assert found[key].dtype == torch.uint8 and found[key].shape == (10, 784)
        for c in range(10):
            first = images.x[images.y == c][0]
            assert torch.equal(found[key][c] / 255, first)


def test_another_autoencoder_may_stand_in_the_middle():
    pack = load(DrawDigit.packs(DrawDigit(Autoencoder([784, 32, 2]))._model)["trivial"]())
    assert pack["encoder.2.weight"].shape == (2, 32)


@pytest.mark.parametrize(
    "model",
    [nn.Linear(784, 784), Autoencoder([100, 10]), Autoencoder([784, 10]).double()],
    ids=["no autoencoder", "other pixels", "float64"],
)
def test_a_model_that_it_cannot_show_is_refused(model):
    with pytest.raises(ValueError, match="model must"):
        DrawDigit(model)
