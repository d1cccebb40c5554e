"""Widget of chapter 11: from a word to a digit, and from a digit to a word."""

import torch
from torch import nn

from aecourse import data
from aecourse.tokens import WORD_LENGTH, WORDS, Bilingual, Vocabulary
from aecourse.vqvae import VQVAE, codebook_usage
from aecourse.widgets.base import Choice, Number, Numbers, Packs, Widget, of_each_class
from aecourse.widgets.pack import grey_levels, pack, weight

DIRECTIONS = ("word to digit", "digit to word")


class WordAndDigit(Widget):
    """The shipped transformer draws a word token by token, or reads the word of a drawing.

    Traits
    ------
    direction : {"word to digit", "digit to word"}
    word : {"zero", ..., "nine"}
        What is drawn.
    temperature : number in [0, 2]
        Divides the logits; 0 takes the most likely token.
    top_k : integer in [1, 512]
        Each code is drawn from the k most likely ones.
    seed : integer in [0, 2**31 - 1]
        Of the drawing.
    shown : integer in [0, 49]
        How many of its tokens are shown.
    drawing : 784 integers in [0, 255], or none
        What is read; an empty list stands for the test digit `example`.
    example : integer in [0, 9]
        The first test digit of this class.

    The transformer runs with weights rounded to int8, which costs nothing that can be measured:
    of the first 2000 test digits it reads every one as with float16 weights, 96.6 % correctly,
    and a classifier agrees with 96.7 % of 1000 drawings, against 97.1 %.
    """

    script = "tokens"
    says = (
        "Type a number from zero to nine in letters: the transformer continues the word, token by "
        "token, by a digit. Or turn round: draw a digit, and it continues that by a word."
    )
    direction = Choice("word to digit", DIRECTIONS)
    word = Choice("seven", WORDS)
    temperature = Number(1.0, 0, 2)
    top_k = Number(50, 1, 512, whole=True)
    seed = Number(0, 0, 2**31 - 1, whole=True)
    shown = Number(49, 0, 49, whole=True)
    drawing = Numbers([], 0, 255, whole=True, lengths=(0, 784))
    example = Number(7, 0, 9, whole=True)

    @classmethod
    def packs(cls, model: nn.Module | None = None) -> Packs:
        """`tokens`: transformer and decoder; `tokens_encoder`: encoder and ten test digits."""
        return {"tokens": lambda: writer_pack(Bilingual.trained()),
                "tokens_encoder": lambda: encoder_pack(Bilingual.trained().vqvae)}  # fmt: skip


@torch.no_grad()
def writer_pack(both: Bilingual) -> bytes:
    """The transformer in int8; decoder and codebook as they are; the code of empty paper."""
    transformer, vqvae = both.transformer, both.vqvae
    arrays = weight("codebook", vqvae.quantizer.codebook)
    for name, value in transformer.state_dict().items():
        # vectors are shipped as float16, and stay so: they are few
        arrays |= weight(name, value, "int8") if value.ndim > 1 else {name: value.half()}
    usage = codebook_usage(vqvae.tokenize(data.mnist("test").x[:500]), both.vocabulary.num_codes)
    meta = {
        "heads": transformer.blocks[0].heads,
        "blocks": len(transformer.blocks),
        "letters": Vocabulary.LETTERS,
        "word_mark": both.vocabulary.word_mark,
        "picture_mark": both.vocabulary.picture_mark,
        "first_code": both.vocabulary.codes.start,
        "words": WORDS,
        "word_length": WORD_LENGTH,
        "blank": usage.argmax().item(),  # the commonest code: paper
    }
    return pack({"decoder": vqvae.decoder}, arrays=arrays, meta=meta)


@torch.no_grad()
def encoder_pack(vqvae: VQVAE) -> bytes:
    """The encoder, and the first test digit of each class."""
    test = data.mnist("test")
    arrays = {"digits": grey_levels(test.x[of_each_class(test.y)])}
    return pack({"encoder": vqvae.encoder}, arrays=arrays)
