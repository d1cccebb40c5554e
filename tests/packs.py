"""Packs of weights as the tests read them."""

import json
from functools import cache

from safetensors.torch import load

from aecourse.tokens import Bilingual
from aecourse.widgets import WordAndDigit


def notes(content: bytes) -> dict:
    """What a pack holds beside its tensors, by name."""
    length = int.from_bytes(content[:8], "little")
    found = json.loads(content[8 : 8 + length])["__metadata__"]
    return {name: json.loads(value) for name, value in found.items()}


@cache
def writer() -> bytes:
    """What chapter 11's widget draws with: the transformer in int8, vocabulary and decoder."""
    return WordAndDigit.packs()["tokens"]()


@cache
def rounded_pair() -> Bilingual:
    """The shipped pair, its transformer rounded as in that pack."""
    both, found = Bilingual.trained(), load(writer())
    both.transformer.load_state_dict({
        name: found[name].float() * found[f"{name}.scale"][:, None] if value.ndim > 1 else value
        for name, value in both.transformer.state_dict().items()
    })  # fmt: skip
    return both
