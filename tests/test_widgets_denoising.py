"""`EraseAndRestore` on the Python side: its state, its weights, and what it refuses."""

import json
import re
from html import unescape

import pytest
import torch
from safetensors.torch import load
from torch import nn

from aecourse import data, weights
from aecourse.autoencoder import mlp
from aecourse.denoising import DenoisingAutoencoder
from aecourse.widgets import EraseAndRestore
from aecourse.widgets.denoising import restorer


def test_the_state_in_the_page_is_the_state_in_python():
    widget = EraseAndRestore(digit=7, mask=[0, 1] * 392, damage="noise", seed=3)
    state = json.loads(unescape(re.search(r'data-state="(.*?)"', widget.to_html())[1]))
    assert state == widget.state()
    assert state["mask"] == [0, 1] * 392 and state["damage"] == "noise"
    assert EraseAndRestore().to_html() == EraseAndRestore().to_html()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("digit", 20),
        ("mask", [0] * 783),
        ("mask", [2] * 784),
        ("mask", [0.5] * 784),
        ("damage", "salt"),
        ("seed", -1),
    ],
)
def test_a_value_outside_its_range_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        EraseAndRestore(**{name: value})


def test_a_mask_may_come_from_the_chapters_functions():
    mask = torch.rand(784, generator=torch.Generator().manual_seed(0)) < 0.5
    assert EraseAndRestore(mask=mask).mask == mask.int().tolist()


def test_the_pack_holds_the_denoiser_and_the_first_20_test_digits():
    found, test = load(EraseAndRestore.packs()["denoising"]()), data.mnist("test")
    assert torch.equal(found["denoiser.0.weight"].float(), restorer().encoder[0].weight)
    assert torch.equal(found["digits"] / 255, test.x[:20])
    assert torch.equal(found["labels"].long(), test.y[:20])


def test_another_denoiser_may_be_shown():
    model = DenoisingAutoencoder(nn.Sequential(nn.Linear(784, 8), nn.ReLU()), nn.Linear(8, 784))
    pack = load(EraseAndRestore.packs(EraseAndRestore(model)._model)["denoising"]())
    assert pack["denoiser.0.weight"].shape == (8, 784)


@pytest.mark.parametrize(
    "model",
    [nn.Linear(784, 784), DenoisingAutoencoder(mlp([100, 10]), mlp([10, 100])),
     DenoisingAutoencoder(mlp([784, 10]), mlp([10, 784])).double()],
    ids=["no denoiser", "other pixels", "float64"],
)  # fmt: skip
def test_a_model_that_it_cannot_show_is_refused(model):
    with pytest.raises(ValueError, match="model must"):
        EraseAndRestore(model)


def test_the_shipped_denoiser_restores_more_than_two_thirds_of_hidden_patches():
    metrics = weights.manifest()["restorer"]["metrics"]
    assert metrics["test_squared_error_hidden"] < 45 / 3  # 45 if left empty
    assert metrics["test_squared_error"] < 11  # of whole digits
