"""Chapter 08's widget without a browser: its packs."""

import pytest
import torch
from safetensors.torch import load

from aecourse import weights
from aecourse.widgets import LatentSize, limits
from aecourse.widgets.vae import sized_vae


def test_each_pack_holds_its_decoder_and_one_kl_per_unit():
    packs = LatentSize.packs()
    assert list(packs) == [f"limits_{size}" for size in limits.SIZES]
    for size in (2, 100):
        tensors, model = load(packs[f"limits_{size}"]()), sized_vae(size)
        assert torch.equal(tensors["decoder.0.weight"].float(), model.decoder[0].weight)
        metrics = weights.manifest()[f"vae_latent_{size}"]["metrics"]
        assert tensors["kl"].sum().item() == pytest.approx(metrics["test_kl"], abs=0.05)
        assert (tensors["kl"] > 0.01).sum() == metrics["active_units"]
