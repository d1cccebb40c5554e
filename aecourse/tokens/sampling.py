"""Drawing from a transformer, token by token."""

import torch
from jaxtyping import Int
from torch import Tensor

from aecourse import validate
from aecourse.tokens.transformer import TokenTransformer
from aecourse.train import evaluating


@torch.no_grad()
def sample(model: TokenTransformer, tokens: Int[Tensor, "B T"], num_tokens: int, *,
           allowed: slice | None = None, temperature: float = 1.0, top_k: int | None = None,
           cached: bool = True, generator: torch.Generator | None = None,
           ) -> Int[Tensor, "B num_tokens"]:  # fmt: skip
    """Continue each row token by token, each drawn from the model's distribution of the next.

    ``p = softmax(logits / temperature)`` over the tokens that `allowed` and `top_k` leave.

    Parameters
    ----------
    tokens
        What to continue.
    num_tokens
        T + num_tokens - 1 tokens are read: no more than the model's `length`.
    allowed
        The part of the vocabulary to draw from; all by default.
    temperature
        At least 0, which takes the most likely token.
    top_k
        Draw from the k most likely tokens only; all if there are fewer.
    cached
        Keep keys and values, so that each token is processed once; the result is the same.

    Examples
    --------
    >>> sample(TokenTransformer(5, 8), torch.tensor([[0], [1]]), 3).shape
    torch.Size([2, 3])
    """
    validate.model(model, "model", "token", "length")
    V = model.token.num_embeddings
    validate.whole_numbers(tokens, "tokens", ("B", "T"), 0, V - 1)
    validate.integer(num_tokens, "num_tokens", high=max(model.length + 1 - tokens.shape[1], 1))
    _check_settings(temperature, top_k, cached, generator)
    numbers = torch.tensor(_part(V, allowed), device=tokens.device)
    cache, new, found = [] if cached else None, tokens, []
    with evaluating(model):  # dropout would change the distribution
        for _ in range(num_tokens):
            logits = model(new, cache)[:, -1, numbers]
            choice = numbers[_choose(logits, temperature, top_k, generator)]  # (B, 1)
            found.append(choice)
            new = choice if cached else torch.cat([new, choice], dim=1)
    return torch.cat(found, dim=1)


def _part(V, allowed):
    """The numbers in this part of the vocabulary."""
    try:
        part = range(V)[slice(V) if allowed is None else allowed]
    except (TypeError, ValueError, IndexError):
        part = None
    if not isinstance(part, range):
        raise ValueError(f"allowed must be a slice of the vocabulary, got {allowed!r}")
    if not part:
        raise ValueError("allowed must leave at least one token, got an empty part")
    return part


def _check_settings(temperature, top_k, cached, generator):
    validate.nonnegative(temperature, "temperature")
    if top_k is not None:
        validate.integer(top_k, "top_k")
    validate.flag(cached, "cached")
    validate.generator(generator)


def _choose(logits, temperature, top_k, generator):
    """One number per row, (B, V) -> (B, 1)."""
    if temperature == 0:
        return logits.argmax(dim=1, keepdim=True)
    if top_k is not None:
        best, order = logits.topk(min(top_k, logits.shape[1]), dim=1)
        logits = torch.full_like(logits, -torch.inf).scatter(1, order, best)
    # in float64, relative to the largest: no temperature is too small
    p = ((logits - logits.amax(dim=1, keepdim=True)).double() / temperature).softmax(dim=1)
    if generator is not None:
        p = p.to(generator.device)  # a seed draws the same on every device
    return torch.multinomial(p, 1, generator=generator).to(logits.device)
