"""Letters, marks and image tokens in one table."""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional as F

from aecourse import validate

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WORD_LENGTH = max(map(len, WORDS))  # 5; shorter words are filled up with blanks


class Vocabulary:
    """Letters, marks and image tokens in one table: a number for each symbol.

    0 ... 25 are the letters, 26 is the blank, 27 and 28 are the marks <word> and <picture>, and
    code k of the codebook is 29 + k. `symbols` lists them all, in this order.

    Parameters
    ----------
    num_codes
        The size K of the codebook, at least 2.
    grid
        The image tokens of one picture, in rows and columns.

    Examples
    --------
    >>> vocabulary = Vocabulary(512)
    >>> len(vocabulary), vocabulary.symbols[26:31]
    (541, (' ', '<word>', '<picture>', '#0', '#1'))
    """

    LETTERS = "abcdefghijklmnopqrstuvwxyz "
    MARKS = ("<word>", "<picture>")

    def __init__(self, num_codes: int, grid: Sequence[int] = (7, 7)):
        self.num_codes = validate.integer(num_codes, "num_codes", low=2)
        self.grid = tuple(validate.widths(grid, "grid", at_least=2))
        if len(grid) != 2:
            raise ValueError(f"grid must be (h, w), got {grid!r:.80}")
        codes = [f"#{k}" for k in range(num_codes)]
        self.symbols = (*self.LETTERS, *self.MARKS, *codes)
        self.word_mark, self.picture_mark = map(self.symbols.index, self.MARKS)
        self.letters = slice(0, len(self.LETTERS))
        self.codes = slice(self.picture_mark + 1, len(self))

    def __len__(self) -> int:
        return len(self.symbols)

    def spell(self, words: Sequence[str] | str) -> Int[Tensor, "B 6"]:
        """Words to tokens: the mark <word>, then five letters, the last of them blank if need be.

        Parameters
        ----------
        words
            One to five letters a ... z each; a single string is one word.

        Examples
        --------
        >>> Vocabulary(512).spell(["seven", "two"])
        tensor([[27, 18,  4, 21,  4, 13],
                [27, 19, 22, 14, 26, 26]])
        """
        rows = [self._letters(word) for word in as_list(words)]
        return F.pad(torch.tensor(rows), (1, 0), value=self.word_mark)

    def _letters(self, word):
        if not isinstance(word, str) or not 1 <= len(word) <= WORD_LENGTH:
            raise ValueError(f"words must have 1 to {WORD_LENGTH} letters, got {word!r}")
        unknown = set(word) - set(self.LETTERS[:-1])
        if unknown:
            raise ValueError(f"words must be spelled with the letters {self.LETTERS[:-1]}, "
                             f"got {min(unknown)!r} in {word!r}")  # fmt: skip
        return [self.LETTERS.index(letter) for letter in word.ljust(WORD_LENGTH)]

    def words(self, tokens: Int[Tensor, "B 5"]) -> list[str]:
        """Letters back to words, without the blanks at the end.

        Examples
        --------
        >>> Vocabulary(512).words(torch.tensor([[19, 22, 14, 26, 26]]))
        ['two']
        """
        _require(tokens, ("B", WORD_LENGTH), self.letters)
        return ["".join(self.LETTERS[t] for t in row).rstrip() for row in tokens.tolist()]

    def picture_tokens(self, indices: Int[Tensor, "B h w"]) -> Int[Tensor, "B T"]:
        """Codes to tokens: the mark <picture>, then the grid row by row, T = 1 + h * w.

        Examples
        --------
        >>> Vocabulary(512, grid=(1, 2)).picture_tokens(torch.tensor([[[0, 511]]]))
        tensor([[ 28,  29, 540]])
        """
        validate.whole_numbers(indices, "indices", ("B", *self.grid), 0, self.num_codes - 1)
        return F.pad(indices.flatten(1) + self.codes.start, (1, 0), value=self.picture_mark)

    def indices(self, tokens: Int[Tensor, "B T"]) -> Int[Tensor, "B h w"]:
        """Image tokens, T = h * w, back to codes."""
        h, w = self.grid
        _require(tokens, ("B", h * w), self.codes)
        return (tokens - self.codes.start).view(-1, h, w)


def as_list(words):
    """Words as a list, a single one too."""
    if not isinstance(words, str | list | tuple):
        raise ValueError(f"words must be a string or a list of strings, got {words!r:.80}")
    words = [words] if isinstance(words, str) else list(words)
    if not words:
        raise ValueError("words must hold at least one word, got none")
    return words


def _require(tokens, shape, part):
    """Check that all tokens lie in this part of the vocabulary, a slice."""
    validate.whole_numbers(tokens, "tokens", shape, part.start, part.stop - 1)
