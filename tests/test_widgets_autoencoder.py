"""The map's Python side: what it packs."""

import pytest
import torch
from packs import notes
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
