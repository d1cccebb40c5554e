"""Checkers of chapter 11: bits and perplexity, attention and sampling by hand, two orders."""

import math

import torch

from aecourse.exercises import _judge


def tokens_1(answer):
    """Bits for 32 x 32 tokens of 8192 codes under a uniform model."""
    where = "See 'What has the prior learnt?'."
    return _judge.number(answer, 1024 * 13, rel=0.001, traps=[
        (1024 * math.log(8192), f"Those are nats. The question asks for bits. {where}"),
        (13, f"That is one token. How many tokens has the picture? {where}"),
        (32 * 13, "A grid of 32 x 32 places has more than 32 tokens."),
        (1024 * 8192, f"A choice among K codes costs log K, not K. {where}"),
        (256 * 256 * 13, "There is one token for each place of the grid, not for each pixel."),
        (256 * 256 * 24, "That is the photograph before the VQ-VAE."),
        (1024 * 13 / 8, "Those are bytes. The question asks for bits."),
    ])  # fmt: skip


def tokens_2(answer):
    """The perplexity of a model that pays 147 nats for 49 tokens."""
    where = "See 'What has the prior learnt?'."
    return _judge.number(answer, math.exp(3), rel=0.02, traps=[
        (3, f"That is the cost of one token in nats. How many equal choices cost that? {where}"),
        (8, f"The cost is in nats: which base undoes a natural logarithm? {where}"),
        (147 / math.log(2) / 49, f"That is the cost of one token in bits. {where}"),
        (math.log(3), "You have taken the logarithm; you want to undo it."),
        (512 / 3, "The size of the codebook does not enter."),
        (512 / math.exp(3), "The size of the codebook does not enter."),
        (math.exp(-3), "That is the geometric mean of the probabilities: turn it round."),
    ])  # fmt: skip


def tokens_3(answer):
    """A function (q, k, v) -> causal attention, each (T, d)."""
    generator = torch.Generator().manual_seed(0)
    q, k, v = 2 * torch.randn(3, 5, 4, generator=generator, dtype=torch.float64)
    later = torch.ones(5, 5, dtype=torch.bool).triu(1)
    scores = q @ k.T

    def attend(scores, mask=later, dim=-1):
        return scores.masked_fill(mask, -torch.inf).softmax(dim=dim) @ v

    where = "See 'Attention by hand'."
    nan = ("Some entries are NaN: a row without a single allowed token has no softmax. May a token "
           f"look at itself? {where}")  # fmt: skip
    zeroed = (scores / 2).masked_fill(later, 0.0)
    return _judge.function(answer, (q, k, v), attend(scores / 2), not_finite=nan, traps=[
        (attend(scores / 2, later.T), "The mask is on the wrong side: your tokens look at those "
                                      f"that come later. {where}"),
        (attend(scores / 2, torch.zeros_like(later)), f"There is no mask: all see all. {where}"),
        (attend(scores), "The scores are not scaled, so they grow with the length d of the "
                         f"vectors. {where}"),
        (attend(scores / 4), f"You have divided by d; look at the scale again. {where}"),
        (attend(scores / 5**0.5), f"You have scaled by the number of tokens T, not by d. {where}"),
        (attend(scores / 2, dim=0), "Your softmax runs over the wrong axis: the weights of one "
                                    f"asking token, a row, must add up to one. {where}"),
        (attend(scores.T / 2), "Queries and keys are exchanged: row t holds the scores of the "
                               f"query of token t. {where}"),
        ((scores / 2).softmax(dim=-1).masked_fill(later, 0.0) @ v,
         "You have masked after the softmax: then a row no longer adds up to one. "
         f"{where}"),
        (zeroed.softmax(dim=-1) @ v, "A forbidden score of 0 still gets the weight e^0. "
                                     f"{where}"),
        (zeroed @ v, f"The softmax is missing. {where}"),
    ])  # fmt: skip


def tokens_4(answer):
    """A function (logits, temperature, top_k) -> probabilities, (B, V)."""
    logits = 2 * torch.randn(4, 9, generator=torch.Generator().manual_seed(0)).double()

    def keep(largest=True):
        order = logits.topk(3, dim=1, largest=largest).indices
        return torch.zeros_like(logits, dtype=torch.bool).scatter(1, order, True)

    def p(scaled, kept):
        return scaled.masked_fill(~kept, -torch.inf).softmax(dim=1)

    where = "See 'Temperature and top-k'."
    nan = "Some entries are NaN: a row has no token left. The k tokens are chosen in each row."
    everything, top = torch.ones_like(keep()), keep()
    right = p(logits / 0.5, top)
    return _judge.function(answer, (logits, 0.5, 3), right, not_finite=nan, traps=[
        (p(logits * 0.5, top), "You have multiplied by the temperature: a low one would then make "
                               f"the distribution flatter. {where}"),
        (p(logits, top), f"The temperature has no effect. {where}"),
        (p(logits / 0.5, everything), f"top_k has no effect. {where}"),
        (p(logits / 0.5, keep(False)), "You have kept the least likely tokens."),
        ((logits / 0.5).softmax(dim=1) * top, "The rows do not add up to one: what you have cut "
                                              f"off must be shared out again. {where}"),
        ((logits / 0.5).masked_fill(~top, 0.0).softmax(dim=1),
         f"A logit of 0 is not a probability of 0. {where}"),
        (p(logits, top) / 0.5, f"The temperature divides logits, not probabilities. {where}"),
        (p(logits / 0.5, top).log(), "Return probabilities, not their logarithms."),
    ])  # fmt: skip


def tokens_5(answer):
    """Which order of word and picture is the cheaper one, in nats for the pair."""
    return _judge.choice(answer, "c", """
        a: The word makes the picture cheaper, but it must itself be paid for, and more dearly
           than after the picture.
        b: The picture makes the word cheaper, but it must itself be paid for, and more dearly
           than after the word.
        d: The lengths agree: both orders predict 55 tokens, and both marks are certain.
    """, where="See 'Next-token prediction': is it a bound?")
