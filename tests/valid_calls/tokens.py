"""Valid calls of `aecourse.tokens`."""

import torch

from aecourse.tokens import Bilingual, TokenTransformer, TransformerBlock, Vocabulary
from aecourse.vqvae import VQVAE


def vocabulary():
    """33 symbols: letters, marks, and 4 codes in pictures of 2 x 2."""
    return Vocabulary(4, (2, 2))


def transformer():
    return TokenTransformer(33, 11, width=4, heads=2, layers=1)


def block():
    return TransformerBlock(4, 2, 0.0)


def both():
    return Bilingual(transformer(), VQVAE(4, 3, channels=(2,), image=(1, 4, 4)))


def picture():
    return torch.tensor([[29, 30, 31, 32]])


def indices():
    return torch.tensor([[[0, 1], [2, 3]]])


CALLS = {
    "Vocabulary": lambda: {"num_codes": 4},
    "Vocabulary.spell": lambda: {"self": vocabulary(), "words": ["two", "seven"]},
    "Vocabulary.words": lambda: {"self": vocabulary(), "tokens": torch.tensor([[0, 1, 2, 3, 26]])},
    "Vocabulary.picture_tokens": lambda: {"self": vocabulary(), "indices": indices()},
    "Vocabulary.indices": lambda: {"self": vocabulary(), "tokens": picture()},
    "TransformerBlock": lambda: {"width": 4, "heads": 2, "dropout": 0.0},
    "TransformerBlock.forward": lambda: {"self": block(), "h": torch.ones(2, 3, 4)},
    "TransformerBlock.attend": lambda: {"self": block(), "h": torch.ones(2, 3, 4)},
    "TokenTransformer": lambda: {"vocabulary_size": 33, "length": 11},
    "TokenTransformer.forward": lambda: {"self": transformer(), "tokens": picture()},
    "token_nll": lambda: {"model": transformer(), "tokens": picture()},
    "token_loss": lambda: {"model": transformer(), "tokens": picture()},
    "sample": lambda: {"model": transformer(), "tokens": picture(), "num_tokens": 2},
    "Bilingual": lambda: {"transformer": transformer(), "vqvae": both().vqvae},
    "Bilingual.trained": dict,
    "Bilingual.draw": lambda: {"self": both(), "words": ["two", "seven"]},
    "Bilingual.read": lambda: {"self": both(), "x": torch.linspace(0, 1, 32).view(2, 16)},
    "Bilingual.picture": lambda: {"self": both(), "tokens": picture()},
    "sequences": lambda: {"vocabulary": vocabulary(), "indices": indices(),
                          "y": torch.tensor([2])},
}  # fmt: skip
