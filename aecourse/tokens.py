"""Chapter 11: one vocabulary and one transformer for words and pictures."""

import torch
from torch import nn
from torch.nn import functional as F

from aecourse import validate
from aecourse.vqvae import VQVAE

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WORD_LENGTH = max(map(len, WORDS))  # 5; shorter words are filled up with blanks


class Vocabulary:
    """Letters, marks and image tokens in one table: a number for each symbol.

    0 ... 25 are the letters, 26 is the blank, 27 and 28 are the marks <word> and <picture>, and
    code k of the codebook is 29 + k. `symbols` lists them all, in this order.

    Parameters
    ----------
    num_codes : int >= 2
        The size K of the codebook.
    grid : (h, w)
        The image tokens of one picture, in rows and columns.

    Raises
    ------
    ValueError
        For other sizes.
    """

    LETTERS = "abcdefghijklmnopqrstuvwxyz "
    MARKS = ("<word>", "<picture>")

    def __init__(self, num_codes, grid=(7, 7)):
        self.num_codes = validate.integer(num_codes, "num_codes", low=2)
        if not isinstance(grid, (list, tuple)) or len(grid) != 2:
            raise ValueError(f"grid must be (h, w), got {grid!r}")
        self.grid = tuple(validate.integer(side, "grid's sides") for side in grid)
        codes = [f"#{k}" for k in range(num_codes)]
        self.symbols = (*self.LETTERS, *self.MARKS, *codes)
        self.word_mark, self.picture_mark = map(self.symbols.index, self.MARKS)
        self.letters = slice(0, len(self.LETTERS))
        self.codes = slice(self.picture_mark + 1, len(self))

    def __len__(self):
        return len(self.symbols)

    def spell(self, words):
        """Words to tokens: the mark <word>, then five letters, the last of them blank if need be.

        Parameters
        ----------
        words : str, or B strings of one to five letters a ... z

        Returns
        -------
        Tensor of shape (B, 6), int64; B = 1 for a single string

        Raises
        ------
        ValueError
            For other letters, capitals included, an empty or a longer word, or no word.
        """
        rows = [self._letters(word) for word in _as_list(words)]
        return F.pad(torch.tensor(rows), (1, 0), value=self.word_mark)

    def _letters(self, word):
        if not isinstance(word, str) or not 1 <= len(word) <= WORD_LENGTH:
            raise ValueError(f"words must have 1 to {WORD_LENGTH} letters, got {word!r}")
        unknown = set(word) - set(self.LETTERS[:-1])
        if unknown:
            raise ValueError(f"words must be spelled with the letters {self.LETTERS[:-1]}, "
                             f"got {min(unknown)!r} in {word!r}")  # fmt: skip
        return [self.LETTERS.index(letter) for letter in word.ljust(WORD_LENGTH)]

    def words(self, tokens):
        """Letters back to words, without the blanks at the end, (B, 5) -> list of B strings.

        ValueError for another shape or dtype, or tokens that are no letters.
        """
        _check_numbers(tokens, "tokens", (None, WORD_LENGTH), self.letters)
        return ["".join(self.LETTERS[t] for t in row).rstrip() for row in tokens.tolist()]

    def show(self, indices):
        """Codes to tokens: the mark <picture>, then the grid row by row.

        Parameters
        ----------
        indices : Tensor of shape (B, h, w), int64 in 0 ... K - 1

        Returns
        -------
        Tensor of shape (B, 1 + h * w), int64

        Raises
        ------
        ValueError
            For another shape (the grid's size is fixed), another dtype, or codes outside.
        """
        _check_numbers(indices, "indices", (None, *self.grid), slice(0, self.num_codes))
        return F.pad(indices.flatten(1) + self.codes.start, (1, 0), value=self.picture_mark)

    def indices(self, tokens):
        """Image tokens back to codes, (B, h * w) -> (B, h, w).

        ValueError for another shape or dtype, or tokens that are no image tokens.
        """
        h, w = self.grid
        _check_numbers(tokens, "tokens", (None, h * w), self.codes)
        return (tokens - self.codes.start).view(-1, h, w)


class TokenTransformer(nn.Module):
    """A causal transformer: tokens to the logits of the next token, at every place.

    Pre-normalised blocks and one table for tokens in and tokens out, as in GPT-2.

    Parameters
    ----------
    vocabulary_size : int >= 2
        V
    length : int >= 1
        The most tokens it can read.
    width, heads, layers : int >= 1
        `heads` must divide `width`.
    dropout : float in [0, 1)
        In training only.

    References
    ----------
    Vaswani et al. (2017), arXiv:1706.03762, eq. 1 and section 3.
    """

    def __init__(self, vocabulary_size, length, *, width=128, heads=4,
                 layers=4, dropout=0.1):  # fmt: skip
        super().__init__()
        validate.integer(vocabulary_size, "vocabulary_size", low=2)
        self.length = validate.integer(length, "length")
        _check_sizes(width, heads, layers, dropout)
        self.token = nn.Embedding(vocabulary_size, width)
        self.position = nn.Embedding(length, width)
        blocks = [Block(width, heads, dropout) for _ in range(layers)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, tokens, cache=None):
        """Logits of each next token: row t of the result is about token t + 1.

        Parameters
        ----------
        tokens : Tensor of shape (B, T), int64
        cache : list, optional
            Empty at first. It keeps the keys and values of all tokens read so far; `tokens` are
            then those that follow.

        Returns
        -------
        Tensor of shape (B, T, V)

        Raises
        ------
        ValueError
            For another shape or dtype, tokens outside the vocabulary, more tokens than `length`, or
            a cache of another B.
        """
        known = slice(0, self.token.num_embeddings)
        _check_numbers(tokens, "tokens", (None, None), known)
        seen, T = _already_read(cache, tokens, self.length), tokens.shape[1]
        places = torch.arange(seen, seen + T, device=tokens.device)
        h = self.token(tokens) + self.position(places)  # (B, T, width)
        h = self.dropout(h)
        past, kept = cache or [None] * len(self.blocks), []
        for block, pair in zip(self.blocks, past, strict=True):
            h, pair = block(h, pair)
            kept.append(pair)
        if cache is not None:
            cache[:] = kept
        table = self.token.weight  # read backwards: vectors to symbols
        return self.norm(h) @ table.T  # (B, T, V)


def _check_sizes(width, heads, layers, dropout):
    if validate.integer(width, "width") % validate.integer(heads, "heads"):
        raise ValueError(f"heads must divide width = {width}, got {heads}")
    validate.integer(layers, "layers")
    if not validate.nonnegative(dropout, "dropout") < 1:
        raise ValueError(f"dropout must be in [0, 1), got {dropout}")


def _already_read(cache, tokens, length):
    """How many tokens the cache holds; checks that `tokens` may follow them."""
    B, T = tokens.shape
    rows, seen = (cache[0][0].shape[0], cache[0][0].shape[2]) if cache else (B, 0)
    if rows != B:
        raise ValueError(f"cache must hold {B} rows as tokens, got {rows}")
    if seen + T > length:
        raise ValueError(f"tokens must be at most {length}, got {seen} + {T}")
    return seen


class Block(nn.Module):
    """Attention, then a small network at each place; each is added to its input."""

    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, h, past=None):
        """(B, T, width) to the same shape, and what `attend` keeps."""
        change, pair = self.attend(self.norm_1(h), past)
        h = h + change
        return h + self.mlp(self.norm_2(h)), pair

    def attend(self, h, past=None):
        """Mix each place with those before it; returns the keys and values of all S tokens too.

        h is (B, T, width); keys and values are (B, heads, S, width / heads) each, those in `past`
        first.
        """
        B, T, width = h.shape
        qkv = self.qkv(h).view(B, T, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, T, width / heads)
        if past is not None:
            k = torch.cat([past[0], k], dim=2)
            v = torch.cat([past[1], v], dim=2)
        S = k.shape[2]
        mask = torch.ones(T, S, dtype=torch.bool, device=h.device)
        mask = mask.tril(S - T)  # no later token
        dropout = self.dropout if self.training else 0.0
        a = F.scaled_dot_product_attention(q, k, v, mask, dropout)
        a = a.transpose(1, 2).reshape(B, T, width)  # the heads side by side
        return self.out(a), (k, v)


@torch.no_grad()
def sample(model, tokens, count, *, allowed=None, temperature=1.0, top_k=None, generator=None,
           cached=True):  # fmt: skip
    """Continue each row token by token, each drawn from the model's distribution of the next.

    Parameters
    ----------
    model : TokenTransformer
        In evaluation mode.
    tokens : Tensor of shape (B, T), int64
        What to continue.
    count : int >= 1
        T + count - 1 tokens are read: no more than the model's `length`.
    allowed : slice, optional
        The part of the vocabulary to draw from; all by default.
    temperature : float >= 0
        Divides the logits; 0 takes the most likely token.
    top_k : int >= 1, optional
        Draw from the k most likely tokens only; all if there are fewer.
    generator : torch.Generator, optional
    cached : bool
        Keep keys and values, so that each token is processed once; the result is the same.

    Returns
    -------
    Tensor of shape (B, count), int64

    Raises
    ------
    ValueError
        For a model in training mode, whose dropout would change the distribution, too many tokens,
        or bad settings.
    """
    if model.training:
        raise ValueError("model must be in evaluation mode, got training mode: call .eval()")
    everything = slice(0, model.token.num_embeddings)
    _check_numbers(tokens, "tokens", (None, None), everything)
    if not isinstance(allowed, slice | None):
        raise ValueError(f"allowed must be a slice of the vocabulary, got {allowed!r}")
    numbers = torch.arange(everything.stop, device=tokens.device)[allowed or everything]
    _check_settings(model, tokens, count, len(numbers), temperature, top_k)
    cache, new, found = [] if cached else None, tokens, []
    for _ in range(count):
        logits = model(new, cache)[:, -1, numbers]
        choice = numbers[_choose(logits, temperature, top_k, generator)]  # (B, 1)
        found.append(choice)
        new = choice if cached else torch.cat([new, choice], dim=1)
    return torch.cat(found, dim=1)


def _check_settings(model, tokens, count, num_allowed, temperature, top_k):
    most = model.length + 1 - tokens.shape[-1]
    validate.integer(count, "count", high=max(most, 1))
    validate.nonnegative(temperature, "temperature")
    if num_allowed == 0:
        raise ValueError("allowed must leave at least one token, got an empty part")
    if top_k is not None:
        validate.integer(top_k, "top_k")


def _choose(logits, temperature, top_k, generator):
    """One number per row, (B, V) -> (B, 1)."""
    if temperature == 0:
        return logits.argmax(dim=1, keepdim=True)
    if top_k is not None:
        best, order = logits.topk(min(top_k, logits.shape[1]), dim=1)
        logits = torch.full_like(logits, -torch.inf).scatter(1, order, best)
    # in float64, relative to the largest: no temperature is too small
    p = ((logits - logits.amax(dim=1, keepdim=True)).double() / temperature).softmax(dim=1)
    return torch.multinomial(p, 1, generator=generator)


class Bilingual:
    """A transformer and a VQ-VAE that together know words and pictures.

    Parameters
    ----------
    transformer : TokenTransformer
    vqvae : VQVAE
        Both in evaluation mode. ``Bilingual.trained()`` has the shipped ones.

    Raises
    ------
    ValueError
        If the transformer does not know the vocabulary of the VQ-VAE, or is too short for a pair.
    """

    def __init__(self, transformer, vqvae):
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
    def trained(cls):
        """The shipped pair, in evaluation mode (see `aecourse/weights/manifest.json`)."""
        from aecourse import weights

        transformer = TokenTransformer(len(Vocabulary(512)), 56)
        parts = [(transformer, "token_transformer"), (VQVAE(512), "digit_vqvae")]
        return cls(*(weights.load(*part).eval().requires_grad_(False) for part in parts))

    def draw(self, words, *, temperature=1.0, top_k=50, generator=None):
        """Draw a picture of each word: continue <word> s e v e n <picture> by the image tokens.

        Parameters
        ----------
        words : str in WORDS, or B of them
        temperature, top_k, generator
            As in `sample`; ``top_k=None`` draws exactly from the model.

        Returns
        -------
        Tensor of shape (B, 784), pixels in [0, 1]; B = 1 for a single string

        Raises
        ------
        ValueError
            For a word that is not one of the ten.
        """
        words = _as_list(words)
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

    def read(self, x):
        """Read the word of each picture: continue <picture> t1 ... t49 <word> by five letters.

        Each letter is the most likely one; nothing forces the five to be one of the ten words.

        Parameters
        ----------
        x : Tensor of shape (B, 784), pixels in [0, 1]

        Returns
        -------
        list of B strings

        Raises
        ------
        ValueError
            For another shape or dtype, or pixels outside [0, 1].
        """
        validate.images(x)
        v, found = self.vocabulary, []
        for part in x.split(250):
            prompt = F.pad(v.show(self.vqvae.tokenize(part)), (0, 1), value=v.word_mark)
            found += v.words(self._continue(prompt, WORD_LENGTH, v.letters, temperature=0))
        return found

    def picture(self, tokens):
        """Decode image tokens, (B, 49) -> (B, 784), pixels in [0, 1].

        ValueError for another shape or dtype, or tokens that are no image tokens.
        """
        return self.vqvae.detokenize(self.vocabulary.indices(tokens)).clamp(0, 1)

    def _continue(self, prompt, count, allowed, **settings):
        prompt = prompt.to(self.transformer.token.weight.device)
        return sample(self.transformer, prompt, count, allowed=allowed, **settings)


def sequences(vocabulary, indices, y):
    """Both orders of each pair of a word and a picture, for training.

    Parameters
    ----------
    vocabulary : Vocabulary
    indices : Tensor of shape (B, h, w), int64
        The codes of B digits.
    y : Tensor of shape (B,), int64 in 0 ... 9

    Returns
    -------
    tuple of two Tensors of shape (B, 6 + 1 + h * w), int64
        <word> s e v e n <picture> t1 ... t49, and <picture> t1 ... t49 <word> s e v e n.

    Raises
    ------
    ValueError
        For another shape or dtype, or values outside.
    """
    picture = vocabulary.show(indices)
    _check_numbers(y, "y", (len(indices),), slice(0, len(WORDS)))
    word = vocabulary.spell(WORDS).to(y.device)[y]  # (B, 6)
    return torch.cat([word, picture], dim=1), torch.cat([picture, word], dim=1)


def token_nll(model, tokens):
    """-log p of each token given all before it, in nats, (B, T) -> (B, T - 1).

    The first token is given. ValueError as `TokenTransformer.forward`, and for T < 2.
    """
    known = slice(0, model.token.num_embeddings)
    _check_numbers(tokens, "tokens", (None, None), known)
    if tokens.shape[1] < 2:
        raise ValueError("tokens must have shape (B, T), T >= 2, "
                         f"got {tuple(tokens.shape)}")  # fmt: skip
    logits = model(tokens[:, :-1]).transpose(1, 2)  # (B, V, T - 1)
    return F.cross_entropy(logits, tokens[:, 1:], reduction="none")


def token_loss(model, tokens):
    """The sum of `token_nll` over the sequence: -log p of the sequence, in nats.

    Returns
    -------
    dict of Tensor of shape (B,)
        "loss"
    """
    return {"loss": token_nll(model, tokens).sum(dim=1)}


def _as_list(words):
    if not isinstance(words, str | list | tuple):
        raise ValueError(f"words must be a string or a list of strings, got {words!r}")
    words = [words] if isinstance(words, str) else list(words)
    if not words:
        raise ValueError("words must hold at least one word, got none")
    return words


def _check_numbers(values, name, shape, accepted):
    """Check an int64 tensor: its shape (None: any size >= 1) and that all values are accepted."""
    if not isinstance(values, torch.Tensor) or values.dtype != torch.int64:
        given = values.dtype if isinstance(values, torch.Tensor) else type(values).__name__
        raise ValueError(f"{name} must be an int64 torch.Tensor, got {given}")
    sizes = zip(values.shape, shape, strict=False)
    fits = all(have > 0 and want in (None, have) for have, want in sizes)
    if values.ndim != len(shape) or not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} must have shape ({wanted}), got {tuple(values.shape)}")
    low, high = values.aminmax()
    if low < accepted.start or high >= accepted.stop:
        raise ValueError(f"{name} must be in [{accepted.start}, {accepted.stop - 1}], "
                         f"got {low.item()} to {high.item()}")  # fmt: skip
