"""A transformer and a VQ-VAE that together know words and pictures."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from aecourse import validate, weights
from aecourse.tokens.sampling import sample
from aecourse.tokens.transformer import TokenTransformer
from aecourse.tokens.vocabulary import WORD_LENGTH, WORDS, Vocabulary, as_list
from aecourse.vqvae import VQVAE


class Bilingual:
    """A transformer and a VQ-VAE that together know words and pictures.

    `Bilingual.trained()` has the shipped ones. Images are rows of D pixels.

    Parameters
    ----------
    transformer
        It must know the vocabulary of `vqvae`, and be long enough for a word and a picture.
    """

    def __init__(self, transformer: TokenTransformer, vqvae: VQVAE):
        validate.model(transformer, "transformer", "token", "length")
        validate.model(vqvae, "vqvae", "tokenize", "detokenize")
        self.transformer, self.vqvae = transformer, vqvae
        self.vocabulary = Vocabulary(len(vqvae.quantizer.codebook), vqvae.grid)
        known = transformer.token.num_embeddings
        if known != len(self.vocabulary):
            raise ValueError(f"transformer must know {len(self.vocabulary)} tokens, as the "
                             f"vocabulary of vqvae, got {known}")  # fmt: skip
        h, w = vqvae.grid
        pair = 1 + WORD_LENGTH + 1 + h * w - 1  # all but the last token are read
        if transformer.length < pair:
            raise ValueError(f"transformer must read {pair} tokens, a word and a picture, "
                             f"got length {transformer.length}")  # fmt: skip

    @classmethod
    def trained(cls) -> "Bilingual":
        """The shipped pair, in evaluation mode (see `aecourse/weights/manifest.json`)."""
        transformer = TokenTransformer(len(Vocabulary(512)), 56)
        parts = [(transformer, "token_transformer"), (VQVAE(512), "digit_vqvae")]
        return cls(*(weights.load(*part).eval().requires_grad_(False) for part in parts))

    def draw(self, words: Sequence[str] | str, *, temperature: float = 1.0,
             top_k: int | None = 50, generator: torch.Generator | None = None,
             ) -> Float[Tensor, "B D"]:  # fmt: skip
        """Draw a picture of each word: continue <word> s e v e n <picture> by the image tokens.

        Parameters
        ----------
        words
            Among `WORDS`; a single string is one word.
        temperature, top_k
            As in `sample`; ``top_k=None`` draws exactly from the model.
        """
        words = as_list(words)
        for word in words:
            if word not in WORDS:
                known = ", ".join(WORDS)
                raise ValueError(f"words must be among {known}; got {word!r}")
        v = self.vocabulary
        prompt = F.pad(v.spell(words), (0, 1), value=v.picture_mark)
        h, w = v.grid
        tokens = self._continue(prompt, h * w, v.codes, top_k=top_k,
                                temperature=temperature,
                                generator=generator)  # fmt: skip
        return self.picture(tokens)

    def read(self, x: Float[Tensor, "B D"]) -> list[str]:
        """Read the word of each picture: continue <picture> t1 ... t49 <word> by five letters.

        Each letter is the most likely one; nothing forces the five to be one of the ten words.
        Pixels are in [0, 1].

        Examples
        --------
        >>> from aecourse import data
        >>> Bilingual.trained().read(data.mnist("test").x[:2])
        ['seven', 'two']
        """
        validate.images(x)
        v, found = self.vocabulary, []
        for part in x.split(250):
            picture = v.picture_tokens(self.vqvae.tokenize(part))
            prompt = F.pad(picture, (0, 1), value=v.word_mark)
            found += v.words(self._continue(prompt, WORD_LENGTH, v.letters, temperature=0))
        return found

    def picture(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B D"]:
        """Decode image tokens, pixels in [0, 1]."""
        return self.vqvae.detokenize(self.vocabulary.indices(tokens)).clamp(0, 1)

    def _continue(self, prompt, num_tokens, allowed, **settings):
        prompt = prompt.to(self.transformer.token.weight.device)
        return sample(self.transformer, prompt, num_tokens, allowed=allowed, **settings)


class Sequences(NamedTuple):
    """The two orders of each pair of a word and a picture.

    Attributes
    ----------
    word_first
        <word> s e v e n <picture> t1 ... t49
    picture_first
        <picture> t1 ... t49 <word> s e v e n
    """

    word_first: Int[Tensor, "B T"]
    picture_first: Int[Tensor, "B T"]


def sequences(
    vocabulary: Vocabulary, indices: Int[Tensor, "B h w"], y: Int[Tensor, "B"]
) -> Sequences:
    """Both orders of each pair of a word and a picture, for training.

    Parameters
    ----------
    indices
        The codes of B digits.
    y
        The digits, 0 ... 9.

    Examples
    --------
    >>> vocabulary, code = Vocabulary(512, grid=(1, 1)), torch.tensor([[[5]]])
    >>> sequences(vocabulary, code, torch.tensor([2])).word_first
    tensor([[27, 19, 22, 14, 26, 26, 28, 34]])
    """
    validate.model(vocabulary, "vocabulary", "spell", "picture_tokens")
    picture = vocabulary.picture_tokens(indices)
    validate.whole_numbers(y, "y", (len(indices),), 0, len(WORDS) - 1)
    word = vocabulary.spell(WORDS).to(y.device)[y]  # (B, 6)
    return Sequences(torch.cat([word, picture], dim=1), torch.cat([picture, word], dim=1))
