"""Chapter 06's widgets without a browser: their packs."""

import torch
from safetensors.torch import load

from aecourse import data
from aecourse.vae import VAE
from aecourse.widgets import BetaSlider, LatentPlane, vae


def test_a_model_of_ones_own_is_packed_in_place_of_the_shipped_one():
    torch.manual_seed(0)
    model = VAE([784, 8], 2).train()
    widget = LatentPlane(model)
    (build,) = widget.packs(widget._model).values()
    tensors = load(build())
    assert torch.equal(tensors["decoder.2.weight"], model.decoder[2].weight.half())


def test_the_plane_pack_holds_the_decoder_and_where_300_test_digits_are():
    tensors, test = load(vae.plane_pack(vae.sized_vae(2))), data.mnist("test")
    codes = vae.sized_vae(2).encode(test.x[:300])[0]
    assert torch.equal(tensors["codes"], codes)
    assert torch.equal(tensors["labels"].long(), test.y[:300])


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
