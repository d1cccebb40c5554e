"""Checkers of chapter 10: bits of a grid, straight-through, a quantiser, beta, four slips."""

import math

import torch

from aecourse.exercises import _judge
from aecourse.stochastic import gradient_ownership


def vqvae_1(answer):
    """Bits of a grid of 4 x 4 tokens with K = 1024."""
    where = "See 'Where did the KL term go?'."
    return _judge.number(answer, 160.0, rel=1e-3, traps=[
        (10.0, f"Those are the bits of one token. How many tokens are there? {where}"),
        (40.0, f"A grid of 4 x 4 has more than 4 tokens. {where}"),
        (16 * math.log(1024), f"Those are nats. The question asks for bits. {where}"),
        (20.0, "Those are bytes. The question asks for bits."),
        (16 * 1024.0, f"A token is the number of a code, not a list of K bits. {where}"),
        (16 + 10.0, f"Choices multiply, so their bits add up over all tokens. {where}"),
        (49 * 10.0, "That is the grid of a digit, 7 x 7. The question has another grid."),
        (16 * 9.0, "That is the vocabulary of the chapter. The question has another K."),
    ])  # fmt: skip


def vqvae_2(answer):
    """The straight-through gradient of a loss with one code."""
    where = "See 'Straight-through'."
    return _judge.number(answer, 6.0, rel=1e-3, traps=[
        (0.0, f"That is the true derivative: the nearest code does not move. {where}"),
        (-6.6, f"You have evaluated the gradient at z_e. The forward pass used z_d. {where}"),
        (-6.0, "Check the sign: the derivative of (x - 3z)^2 with respect to z."),
        (2.0, "The chain rule has one more factor: the slope of the decoder."),
        (3.0, "The chain rule has one more factor: the outer square."),
        (1.0, "That is the loss, or the slope of the copy. Which gradient arrives from above?"),
        (-30.0, "You have used the other code. Which one is nearer to z_e?"),
    ])  # fmt: skip


def vqvae_3(answer):
    """A function (z_e, codebook) -> z_st (N, D), codebook loss (N,), commitment loss (N,)."""
    z_e, codebook = _vectors(6, 0), _vectors(4, 1)
    result, hint = _judge.call(answer, z_e, codebook)
    if hint:
        return hint
    if not (isinstance(result, tuple) and len(result) == 3):
        return "Return three tensors: z_st, the codebook loss, the commitment loss."
    z_st, codebook_loss, commitment = result
    distance = torch.cdist(z_e, codebook).detach()
    right = codebook.detach()[distance.argmin(dim=1)]
    squared = distance.min(dim=1).values.square()
    return (
        _judge.tensor(z_st, right, traps=[
            (codebook.detach()[distance.argmax(dim=1)], "Those are the *farthest* codes. "
             "See 'The nearest code': a small distance is what you look for."),
            (z_e.detach(), "Your z_st has the value of z_e: nothing is quantised. "
                           "See 'Straight-through'."),
        ])
        or _judge_path(z_st, z_e, codebook)
        or _judge_size(codebook_loss, squared, "codebook")
        or _judge_size(commitment, squared, "commitment")
        or _judge_owners(codebook_loss, commitment, z_e, codebook)
    )  # fmt: skip


def vqvae_4(answer):
    """What a larger beta does in the paper's form under Adam."""
    return _judge.choice(answer, "b", """
        a: Adam cancels a factor on the *only* gradient of a parameter. How many terms send a
           gradient to the encoder? See 'Which term moves what'.
        c: Which term moves the codebook in the paper's form, and by what is it multiplied? See
           'Two forms'.
    """)


SLIPS = (  # right owners, and for each part what decides about it
    ("d", {
        "e": "z_d leads to no z_e, with sg or without.",
        "c": "z_d is inside sg.",
        "d": "Is f inside sg?",
    }),
    ("ecd", {
        "e": "Which z_e is outside sg?",
        "c": "Is z_d still inside sg?",
        "d": "Is f inside sg?",
    }),
    ("ec", {
        "e": "Nothing is stopped: what does z_e lead to?",
        "c": "Nothing is stopped: what does z_d lead to?",
        "d": "Is there an f in it?",
    }),
    ("e", {
        "e": "Write z_st out: what is outside sg?",
        "c": "Write z_st out: where is its z_d?",
        "d": "Is there an f in it?",
    }),
)  # fmt: skip


def vqvae_5(answer):
    """Who gets a gradient from four losses with a slip: strings of the letters e, c, d."""
    where = "See the table in 'Which term moves what'."
    if not isinstance(answer, (list, tuple)) or len(answer) != len(SLIPS):
        return f"Hand in a list of {len(SLIPS)} strings, one per loss."
    for i, (given, (right, hints)) in enumerate(zip(answer, SLIPS, strict=True), start=1):
        if not isinstance(given, str) or not set(given.lower()) <= set("ecd"):
            return f"Loss {i}: write a string of the letters e, c, d, got {given!r}."
        for part in "ecd":
            if (part in given.lower()) != (part in right):
                return f"Loss {i}: look at {part} again. {hints[part]} {where}"
    return None


def _vectors(n, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, generator=generator, dtype=torch.float64).requires_grad_()


def _judge_path(z_st, z_e, codebook):
    """Does the upstream gradient reach z_e unchanged, and the codebook not at all?"""
    where = "See 'Straight-through'."
    row = gradient_ownership({"z": z_st.sum()}, {"z_e": z_e, "codebook": codebook})["z"]
    if not row["z_e"]:
        return f"The value of z_st is right, but no gradient reaches z_e. {where}"
    if row["codebook"]:
        return ("Through z_st the codebook gets a gradient too: the difference z_d - z_e must not "
                f"pass any. {where}")  # fmt: skip
    upstream = torch.arange(z_st.numel(), dtype=torch.float64).view_as(z_st)
    (arrived,) = torch.autograd.grad(z_st, z_e, upstream, retain_graph=True)
    if not torch.allclose(arrived, upstream):
        return f"A gradient reaches z_e, but not the one that came from above. {where}"
    return None


def _judge_size(loss, squared, name):
    where = "See 'Which term moves what'."
    if isinstance(loss, torch.Tensor) and loss.ndim == 0:
        return f"The {name} loss is one number: return one value per vector, shape (N,). {where}"
    hint = _judge.tensor(loss, squared, traps=[
        (squared / 3, "is a mean over the D entries: it should be their sum."),
        (squared.sqrt(), "is an unsquared norm: the squared one is asked for."),
        (squared / 2, "has a factor that the question has not."),
    ])  # fmt: skip
    if hint and hint[0].islower():
        return f"The {name} loss {hint} {where}"
    return f"The {name} loss: {hint}" if hint else None


OWNERS = {  # does the codebook loss reach (z_e, codebook), and does the commitment?
    ((True, False), (False, True)): "The two detach calls are swapped: your codebook loss moves "
    "the encoder, and your commitment loss the codebook.",
    ((True, False), (True, False)): "Both losses move the encoder, nothing moves the codebook. Was "
    "the codebook loss computed after straight-through?",
    ((False, False), (True, False)): "The codebook loss reaches nothing: all of it is detached.",
    ((True, True), (True, True)): "Both losses move both parts: the stop-gradients are missing.",
}


def _judge_owners(codebook_loss, commitment, z_e, codebook):
    losses = {"codebook": codebook_loss, "commitment": commitment}
    table = gradient_ownership(losses, {"z_e": z_e, "codebook": codebook})
    found = tuple(tuple(bool(norm) for norm in row.values()) for row in table.values())
    if found == ((False, True), (True, False)):
        return None
    hint = OWNERS.get(found, "A loss reaches a part that it should not move, or misses its own.")
    return f"The values are right, the gradients are not. {hint} See 'Which term moves what'."
