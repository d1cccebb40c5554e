"""A causal transformer and its loss."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from aecourse import validate


class KeysValues(NamedTuple):
    """What a block remembers of the S tokens that it has read: their keys and values."""

    k: Float[Tensor, "B heads S d"]
    v: Float[Tensor, "B heads S d"]


class BlockOutput(NamedTuple):
    """What a block returns: a vector for each token, and what it remembers."""

    h: Float[Tensor, "B T width"]
    kept: KeysValues


class TokenTransformer(nn.Module):
    """A causal transformer: tokens to the logits of the next token, at every place.

    Pre-normalised blocks and one table for tokens in and tokens out, as in GPT-2.

    Parameters
    ----------
    vocabulary_size
        V, at least 2.
    length
        The most tokens it can read.
    heads
        Must divide `width`.
    dropout
        In training only, in [0, 1).

    Examples
    --------
    >>> TokenTransformer(541, 56)(torch.tensor([[27, 18, 4]])).shape
    torch.Size([1, 3, 541])

    References
    ----------
    Vaswani et al. (2017), arXiv:1706.03762, eq. 1 and section 3.
    """

    def __init__(self, vocabulary_size: int, length: int, *,
                 width: int = 128, heads: int = 4, layers: int = 4,
                 dropout: float = 0.1):  # fmt: skip
        super().__init__()
        validate.integer(vocabulary_size, "vocabulary_size", low=2)
        self.length = validate.integer(length, "length")
        validate.integer(width, "width")
        validate.integer(layers, "layers")
        self.token = nn.Embedding(vocabulary_size, width)
        self.position = nn.Embedding(length, width)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, heads, dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(
        self,
        tokens: Int[Tensor, "B T"],
        cache: list[KeysValues] | None = None,
    ) -> Float[Tensor, "B T V"]:
        """Logits of each next token: row t of the result is about token t + 1.

        Parameters
        ----------
        cache
            Empty at first. It keeps the keys and values of all tokens read so far; `tokens` are
            then those that follow.
        """
        last = self.token.num_embeddings - 1
        validate.whole_numbers(tokens, "tokens", ("B", "T"), 0, last)
        seen, T = _already_read(self, tokens, cache), tokens.shape[1]
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


def _already_read(model, tokens, cache):
    """How many tokens the cache holds; checks that `tokens` may follow them."""
    if not isinstance(cache, list | None) or cache and len(cache) != len(model.blocks):
        raise ValueError(f"cache must be an empty list, or one that this model filled, "
                         f"got {cache!r:.80}")  # fmt: skip
    B, T = tokens.shape
    rows, seen = (cache[0].k.shape[0], cache[0].k.shape[2]) if cache else (B, 0)
    if rows != B:
        raise ValueError(f"cache must hold {B} rows as tokens, got {rows}")
    if seen + T > model.length:
        raise ValueError(f"tokens must be at most {model.length}, with those in cache, "
                         f"got {seen} + {T}")  # fmt: skip
    return seen


class TransformerBlock(nn.Module):
    """Attention, then a small network at each place; each is added to its input.

    Parameters
    ----------
    width, heads, dropout
        As in `TokenTransformer`.

    Examples
    --------
    >>> TransformerBlock(6, heads=2, dropout=0.0)(torch.zeros(1, 5, 6)).h.shape
    torch.Size([1, 5, 6])
    """

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        _check_sizes(width, heads, dropout)
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

    def forward(
        self,
        h: Float[Tensor, "B T width"],
        past: KeysValues | None = None,
    ) -> BlockOutput:
        """The vectors of T tokens to those of the next block."""
        _check_vectors(self, h, past)
        change, kept = self.attend(self.norm_1(h), past)
        h = h + change
        return BlockOutput(h + self.mlp(self.norm_2(h)), kept)

    def attend(
        self,
        h: Float[Tensor, "B T width"],
        past: KeysValues | None = None,
    ) -> BlockOutput:
        """Mix each place with those before it, ``softmax(q k^T / sqrt(d)) v`` in each head.

        Keys and values in `past` come first; those of all tokens are returned.
        """
        _check_vectors(self, h, past)
        B, T, width = h.shape
        qkv = self.qkv(h).view(B, T, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, T, width / heads)
        if past is not None:
            k = torch.cat([past.k, k], dim=2)
            v = torch.cat([past.v, v], dim=2)
        S = k.shape[2]
        mask = torch.ones(T, S, dtype=torch.bool, device=h.device)
        mask = mask.tril(S - T)  # no later token
        dropout = self.dropout if self.training else 0.0
        a = F.scaled_dot_product_attention(q, k, v, mask, dropout)
        a = a.transpose(1, 2).reshape(B, T, width)  # the heads side by side
        return BlockOutput(self.out(a), KeysValues(k, v))


def _check_sizes(width, heads, dropout):
    if validate.integer(width, "width") % validate.integer(heads, "heads"):
        raise ValueError(f"heads must divide width = {width}, got {heads}")
    validate.share(dropout, "dropout", below=1)


def _check_vectors(block, h, past):
    table = block.out.weight
    validate.floats(h, "h", ("B", "T", len(table)), table.dtype)
    if not isinstance(past, KeysValues | None):
        raise ValueError(f"past must be KeysValues or None, got {validate.describe(past)}")


def token_nll(
    model: TokenTransformer, tokens: Int[Tensor, "B T"]
) -> Float[Tensor, "B T-1"]:
    """``-log p(t_i | t_1 ... t_(i-1))`` of each token but the first, which is given, in nats.

    Examples
    --------
    >>> model = TokenTransformer(8, 4)
    >>> zeros = nn.init.zeros_(model.token.weight)  # every p is 1 / 8
    >>> token_nll(model, torch.tensor([[7, 0, 3]])).exp().detach()
    tensor([[8., 8.]])
    """
    validate.model(model, "model", "token", "length")
    last = model.token.num_embeddings - 1
    validate.whole_numbers(tokens, "tokens", ("B", "T"), 0, last)
    if tokens.shape[1] < 2:
        raise ValueError("tokens must have shape (B, T), T >= 2, "
                         f"got {tuple(tokens.shape)}")  # fmt: skip
    logits = model(tokens[:, :-1]).transpose(1, 2)  # (B, V, T - 1)
    return F.cross_entropy(logits, tokens[:, 1:], reduction="none")


def token_loss(
    model: TokenTransformer, tokens: Int[Tensor, "B T"]
) -> dict[str, Float[Tensor, "B"]]:
    """The sum of `token_nll` over the sequence, -log p of the sequence in nats, for `train.fit`."""
    return {"loss": token_nll(model, tokens).sum(dim=1)}
