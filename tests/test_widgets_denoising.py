"""`EraseAndRestore` on the Python side: its weights."""


import torch
from safetensors.torch import load
from torch import nn

from aecourse import data, weights
from aecourse.denoising import DenoisingAutoencoder
from aecourse.widgets import EraseAndRestore
from aecourse.widgets.denoising import restorer


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


def test_the_shipped_denoiser_restores_more_than_two_thirds_of_hidden_patches():
    metrics = weights.manifest()["restorer"]["metrics"]
    assert metrics["test_squared_error_hidden"] < 45 / 3  # 45 if left empty
    assert metrics["test_squared_error"] < 11  # of whole digits
