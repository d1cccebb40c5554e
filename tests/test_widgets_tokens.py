"""The word-and-digit widget in Python: what it packs."""

import packs
import pytest
import torch
from safetensors.torch import load

from aecourse import data
from aecourse.tokens import WORDS, Bilingual
from aecourse.widgets import WordAndDigit


@pytest.fixture(scope="module")
def both():
    return Bilingual.trained()


def test_the_pack_holds_every_weight_to_half_a_step_and_vectors_exactly(both):
    found = load(packs.writer())
    for name, value in both.transformer.state_dict().items():
        if value.ndim < 2:
            assert torch.equal(found[name].float(), value), name
            continue
        restored = found[name].float() * found[f"{name}.scale"][:, None]
        step = value.abs().amax(dim=1, keepdim=True) / 127
        assert found[name].dtype == torch.int8, name
        assert ((restored - value).abs() <= 0.51 * step).all(), name
    assert torch.equal(found["codebook"].float(), both.vqvae.quantizer.codebook)
    assert torch.equal(found["decoder.4.weight"].float(), both.vqvae.decoder[4].weight)


def test_the_pack_describes_the_vocabulary(both):
    notes, v = packs.notes(packs.writer()), both.vocabulary
    assert notes["letters"] == "".join(v.symbols[v.letters])
    marks = [notes["word_mark"], notes["picture_mark"], notes["first_code"]]
    assert marks == [v.word_mark, v.picture_mark, v.codes.start]
    assert (notes["heads"], notes["blocks"], notes["words"]) == (4, 4, list(WORDS))
    paper = both.vqvae.detokenize(torch.full((1, 7, 7), notes["blank"]))
    assert paper.abs().max() < 0.1


def test_the_encoders_pack_holds_a_digit_of_each_class(both):
    found, test = load(WordAndDigit.packs()["tokens_encoder"]()), data.mnist("test")
    first = [(test.y == digit).nonzero()[0].item() for digit in range(10)]
    assert torch.allclose(found["digits"].float() / 255, test.x[first], atol=1e-6)
    assert torch.equal(found["encoder.4.weight"].float(), both.vqvae.encoder[4].weight)


def test_eight_bits_read_the_same_words(both):
    """Of 2000 digits all the same words (measured once); 100 of them here."""
    x = data.mnist("test").x[:100]
    assert packs.rounded_pair().read(x) == both.read(x)
