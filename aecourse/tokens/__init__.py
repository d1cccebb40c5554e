"""Chapter 11: one vocabulary and one transformer for words and pictures."""

from aecourse.tokens.bilingual import Bilingual, Sequences, sequences
from aecourse.tokens.sampling import sample
from aecourse.tokens.transformer import (
    BlockOutput,
    KeysValues,
    TokenTransformer,
    TransformerBlock,
    token_loss,
    token_nll,
)
from aecourse.tokens.vocabulary import WORD_LENGTH, WORDS, Vocabulary

__all__ = [
    "WORDS",
    "WORD_LENGTH",
    "Vocabulary",
    "KeysValues",
    "BlockOutput",
    "TokenTransformer",
    "TransformerBlock",
    "sample",
    "token_nll",
    "token_loss",
    "Bilingual",
    "Sequences",
    "sequences",
]
