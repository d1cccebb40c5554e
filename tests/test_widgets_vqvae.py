"""The token grid in Python: what it packs."""

import pytest
import torch
from packs import notes
from safetensors.torch import load

from aecourse import data, weights
from aecourse.vqvae import VQVAE
from aecourse.widgets import TokenGrid


@pytest.fixture(scope="module")
def model():
    return weights.load(VQVAE(512), "digit_vqvae").eval().requires_grad_(False)


@pytest.fixture(scope="module")
def packed():
    return TokenGrid.packs()["vqvae"]()


def test_a_model_of_ones_own_is_accepted_with_any_length_of_a_code():
    own = VQVAE(512, 4, channels=(8, 8))
    assert load(TokenGrid.packs(TokenGrid(own)._model)["vqvae"]())["codebook"].shape == (512, 4)


def test_the_pack_holds_the_shipped_weights_and_a_digit_of_each_class(model, packed):
    found, test = load(packed), data.mnist("test")
    assert notes(packed)["sample"] == 2000
    assert torch.equal(found["codebook"].float(), model.quantizer.codebook)
    assert torch.equal(found["decoder.2.weight"].float(), model.decoder[2].weight)
    x = found["digits"].float() / 255
    assert torch.equal(found["tokens"].long(), model.tokenize(x).flatten(1))
    first = [(test.y == digit).nonzero()[0].item() for digit in range(10)]
    assert torch.allclose(x, test.x[first], atol=1e-6)
    assert found["usage"].sum() == 49 * 2000


def test_each_code_is_shown_as_what_it_draws(model, packed):
    found = load(packed)
    x = data.mnist("test").x[:2000]
    tokens = model.tokenize(x)
    drawn = model.detokenize(tokens).clamp(0, 1).view(-1, 28, 28)
    code = tokens[0, 3, 3].item()  # of some place that has its neighbours
    places = (tokens == code).nonzero()
    inner = torch.stack([drawn[i, 4 * r : 4 * r + 4, 4 * c : 4 * c + 4] for i, r, c in places])
    patch = found["patches"][code].float()[2:6, 2:6] / 255
    assert (patch - inner.mean(dim=0)).abs().max() <= 0.51 / 255
    assert found["usage"][code] == len(places)


def test_one_token_reaches_18_pixels_and_no_further(model):
    """The dashed frame of the page: seven pixels before its own four, and seven behind."""
    grid = model.tokenize(data.mnist("test").x[:40])
    before = model.detokenize(grid).view(-1, 28, 28)
    grid[:, 3, 3] = (grid[:, 3, 3] + 256) % 512
    moved = (model.detokenize(grid).view(-1, 28, 28) != before).any(dim=0)
    assert moved[5:23, 5:23].all()
    moved[5:23, 5:23] = False
    assert not moved.any()
