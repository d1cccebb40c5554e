"""Chapter 08's widget without a browser: its state and its packs."""

import pytest
import torch
from safetensors.torch import load

from aecourse import weights
from aecourse.widgets import LatentSize, limits


@pytest.mark.parametrize("wrong", [{"size": 3}, {"size": "10"}, {"seed": 10_000}])
def test_state_outside_its_range_is_refused(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        LatentSize(**wrong)


def test_it_shows_no_model_of_ones_own():
    with pytest.raises(ValueError, match="model must be None"):
        LatentSize(limits.sized_vae(2))


def test_to_html_is_the_same_twice():
    assert LatentSize(size=50).to_html() == LatentSize(size=50).to_html()


def test_each_pack_holds_its_decoder_and_one_kl_per_unit():
    packs = LatentSize.packs()
    assert list(packs) == [f"limits_{size}" for size in limits.SIZES]
    for size in (2, 100):
        tensors, model = load(packs[f"limits_{size}"]()), limits.sized_vae(size)
        assert torch.equal(tensors["decoder.0.weight"].float(), model.decoder[0].weight)
        metrics = weights.manifest()[f"vae_latent_{size}"]["metrics"]
        assert tensors["kl"].sum().item() == pytest.approx(metrics["test_kl"], abs=0.05)
        assert (tensors["kl"] > 0.01).sum() == metrics["active_units"]


def test_a_pack_is_the_same_each_time():
    assert limits.size_pack(2) == limits.size_pack(2)
