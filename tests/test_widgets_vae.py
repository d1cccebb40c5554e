"""Chapter 06's widgets without a browser: their state, their packs and the models they take."""

import pytest
import torch
from safetensors.torch import load

from aecourse import data
from aecourse.vae import VAE
from aecourse.widgets import BetaSlider, LatentPlane, vae


@pytest.mark.parametrize(
    "wrong", [{"z": [0, 4]}, {"z": [0]}, {"z": "here"}, {"z": [float("nan"), 0]}]
)
def test_a_place_outside_the_plane_is_refused(wrong):
    with pytest.raises(ValueError, match="z must be"):
        LatentPlane(**wrong)


@pytest.mark.parametrize(
    "model",
    [
        VAE([784, 8], 3),
        VAE([100, 8], 2),
        VAE([784, 8], 2, likelihood="gaussian"),
        VAE([784, 8], 2).double(),
        torch.nn.Linear(2, 784),
    ],
)
def test_another_model_than_a_bernoulli_vae_with_two_latents_is_refused(model):
    with pytest.raises(ValueError, match="model must"):
        LatentPlane(model)


def test_a_model_of_ones_own_is_packed_in_place_of_the_shipped_one():
    torch.manual_seed(0)
    model = VAE([784, 8], 2).train()
    widget = LatentPlane(model)
    (build,) = widget.packs(widget._model).values()
    tensors = load(build())
    assert torch.equal(tensors["decoder.2.weight"], model.decoder[2].weight.half())
    assert "data-state" not in widget.to_html() and "running notebook" in widget.to_html()


def test_the_plane_pack_holds_the_decoder_and_where_300_test_digits_are():
    tensors, test = load(vae.plane_pack(vae.plane_vae())), data.mnist("test")
    codes = vae.plane_vae().encode(test.x[:300])[0]
    assert torch.equal(tensors["codes"], codes)
    assert torch.equal(tensors["labels"].long(), test.y[:300])


def test_a_widget_is_the_same_html_twice():
    for kind in (LatentPlane, BetaSlider):
        assert kind().to_html() == kind().to_html()


@pytest.mark.parametrize("wrong", [{"beta": 2}, {"beta": "1"}, {"beta": None}, {"seed": -1}])
def test_a_beta_that_was_not_trained_is_refused(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        BetaSlider(**wrong)


def test_the_beta_slider_shows_no_model_of_ones_own():
    with pytest.raises(ValueError, match="model must be None"):
        BetaSlider(vae.beta_vae(1))


def test_each_beta_pack_holds_its_decoder_and_six_test_digits_of_different_kinds():
    packs, test = BetaSlider.packs(), data.mnist("test")
    assert list(packs) == [f"vae_beta_{b}" for b in ("0.1", "0.3", "1", "3", "10")]
    for beta in (0.1, 10):
        tensors, model = load(packs[f"vae_beta_{beta:g}"]()), vae.beta_vae(beta)
        assert torch.equal(tensors["decoder.0.weight"].float(), model.decoder[0].weight)
        digits = tensors["digits"].float() / 255
        assert torch.allclose(model.encode(digits)[0], tensors["means"], atol=1e-5)
        rows = [(test.x == digit).all(dim=1).nonzero()[0].item() for digit in digits]
        assert len(set(test.y[rows].tolist())) == 6


def test_a_pack_is_the_same_each_time():
    assert vae.beta_pack(3) == vae.beta_pack(3)
