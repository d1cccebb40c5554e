"""The word-and-digit widget in Python: its state and what it packs."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load

from aecourse import data
from aecourse.tokens import WORDS, Bilingual
from aecourse.widgets import WordAndDigit


@pytest.fixture(scope="module")
def both():
    return Bilingual.trained()


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    path = tmp_path_factory.mktemp("pack") / "tokens"
    path.write_bytes(WordAndDigit.packs()["tokens"]())
    return path


@pytest.mark.parametrize(
    "state",
    [{"word": "ten"}, {"word": "Seven"}, {"word": ""}, {"direction": "both"}, {"temperature": -0.1},
     {"temperature": float("nan")}, {"top_k": 0}, {"top_k": 513}, {"shown": 50}, {"seed": 1.5},
     {"drawing": [0] * 783}, {"drawing": [256] * 784}, {"example": 10}],
)  # fmt: skip
def test_a_state_outside_its_range_is_refused_by_name(state):
    with pytest.raises(ValueError, match=next(iter(state))):
        WordAndDigit(**state)


def test_a_state_can_be_set_and_read():
    one = WordAndDigit(word="three", drawing=[255] * 784)
    one.top_k = 512
    assert (one.word, one.top_k, sum(one.drawing)) == ("three", 512, 255 * 784)


def test_another_model_is_refused(both):
    with pytest.raises(ValueError, match="model must be None"):
        WordAndDigit(both)


def test_the_pack_holds_every_weight_to_half_a_step_and_vectors_exactly(both, packed):
    found = load(packed.read_bytes())
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


def test_the_pack_describes_the_vocabulary(both, packed):
    with safe_open(packed, "pt") as file:
        notes = {key: json.loads(value) for key, value in file.metadata().items()}
    v = both.vocabulary
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


def test_eight_bits_read_the_same_words(both, packed):
    """Of 2000 digits all the same words (measured once); 100 of them here."""
    found, x = load(packed.read_bytes()), data.mnist("test").x[:100]
    before = both.read(x)
    eight = Bilingual.trained()
    eight.transformer.load_state_dict({
        name: found[name].float() * found[f"{name}.scale"][:, None] if value.ndim > 1 else value
        for name, value in both.transformer.state_dict().items()
    })  # fmt: skip
    assert eight.read(x) == before


def test_the_same_html_every_time_and_without_weights():
    one = WordAndDigit().to_html()
    assert one == WordAndDigit().to_html() and 'data-widget="tokens"' in one and len(one) < 2000
