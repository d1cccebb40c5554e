"""The map's Python side: its state, the models it takes, and what it packs."""

import json
import struct

import pytest
import torch
from safetensors.torch import load

from aecourse import data, linear, weights
from aecourse.autoencoder import Autoencoder
from aecourse.trivial import squared_error
from aecourse.widgets import CodeMap


@pytest.fixture(scope="module")
def content():
    return CodeMap.packs()["autoencoder"]()


@pytest.fixture(scope="module")
def packed(content):
    return load(content)


def notes(content):
    """The JSON values in a safetensors file's metadata."""
    (length,) = struct.unpack("<Q", content[:8])
    found = json.loads(content[8 : 8 + length])["__metadata__"]
    return {key: json.loads(value) for key, value in found.items()}


@pytest.mark.parametrize(
    "trait",
    [{"map": "tsne"}, {"ends": [1]}, {"ends": [0, 300]}, {"t": -0.1}, {"h": [1.0]},
     {"h": [0.0, 10001.0]}, {"over": 300}],
)  # fmt: skip
def test_a_state_outside_its_range_is_refused(trait):
    with pytest.raises(ValueError, match=f"^{next(iter(trait))} must be"):
        CodeMap(**trait)


@pytest.mark.parametrize(
    "model",
    [torch.nn.Linear(784, 2), Autoencoder([784, 3]), Autoencoder([100, 2]),
     Autoencoder([784, 8, 2]).double()],
)  # fmt: skip
def test_a_model_without_a_plane_of_codes_is_refused(model):
    with pytest.raises(ValueError, match="^model must"):
        CodeMap(model)


def test_the_page_holds_the_same_state_twice():
    assert CodeMap(t=0.5).to_html() == CodeMap(t=0.5).to_html()


def test_the_codes_are_the_encoders(packed):
    x = data.mnist("test").x
    model = weights.load(Autoencoder([784, 256, 64, 2]), "plane_autoencoder")
    fitted = linear.pca(data.mnist("train").x, 2)
    assert torch.allclose(packed["autoencoder codes"], model.encode(x[:300]), atol=1e-5)
    assert torch.allclose(packed["pca codes"], fitted.encode(x[:300]), atol=1e-4)
    assert torch.equal(packed["labels"].long(), data.mnist("test").y[:300])
    assert torch.allclose(packed["digits"] / 255, x[:300])


def test_each_map_states_its_mean_squared_error_on_all_test_digits(content):
    x, found = data.mnist("test").x, notes(content)
    model = weights.load(Autoencoder([784, 256, 64, 2]), "plane_autoencoder")
    fitted = linear.pca(data.mnist("train").x, 2)
    with torch.no_grad():
        by_net = squared_error(model(x), x).mean().item()
    by_pca = squared_error(fitted.reconstruct(x), x).mean().item()
    assert found["autoencoder map"]["error"] == pytest.approx(by_net, rel=1e-5)
    assert found["pca map"]["error"] == pytest.approx(by_pca, rel=1e-4)
    assert by_net < 0.7 * by_pca


def test_a_model_of_ones_own_is_packed_in_place_of_the_shipped_one():
    torch.manual_seed(0)
    model = Autoencoder([784, 8, 2])
    codes = load(CodeMap.packs(CodeMap.check(model))["autoencoder"]())["autoencoder codes"]
    assert torch.allclose(codes, model.encode(data.mnist("test").x[:300]), atol=1e-6)


def test_on_the_way_from_a_nine_to_a_zero_stand_a_four_and_a_six():
    test, (a, b) = data.mnist("test"), CodeMap().ends
    model = weights.load(Autoencoder([784, 256, 64, 2]), "plane_autoencoder")
    ends = model.encode(test.x[[a, b]])
    for t, kind in ((0.0, 9), (0.15, 4), (0.4, 6), (1.0, 0)):
        drawn = model.decode((1 - t) * ends[:1] + t * ends[1:])
        nearest = squared_error(drawn.expand_as(test.x), test.x).topk(9, largest=False).indices
        assert test.y[nearest].mode().values == kind
