"""`DrawDigit` on the Python side: its weights."""


import torch
from safetensors.torch import load

from aecourse import data
from aecourse.autoencoder import Autoencoder
from aecourse.widgets import DrawDigit
from aecourse.widgets.trivial import small_autoencoder


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
