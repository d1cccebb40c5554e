"""Checkers of chapter 05: gradients of expectations, on paper, in code and by autograd."""

import torch

from aecourse.exercises import _judge

TWO = "See 'Reparameterisation: sample first, rescale after' (S4)."


def stochastic_1(answer):
    """The derivative of E[z^3] with respect to the log-variance, mu = 2, sigma = 3."""
    return _judge.number(answer, 54.0, traps=[
        (36.0, "That is the derivative with respect to sigma. One more factor of the chain rule "
               f"leads to the log-variance. {TWO}"),
        (6.0, "That is the derivative with respect to the variance; its logarithm is asked for."),
        (39.0, f"That is the derivative with respect to mu. {TWO}"),
        (108.0, "There is a factor ½ missing: sigma = exp(logvar / 2)."),
        (24.0, "You divided where the chain rule multiplies: write sigma as a function of the "
               "log-variance first."),
        (62.0, "That is the expectation itself: differentiate it."),
        (0.0, "The expectation of z^3 does depend on sigma, unless mu is 0."),
    ])  # fmt: skip


def stochastic_2(answer):
    """The score-function estimate of d/dsigma E[z^2] from one draw, mu = 1, sigma = 2, eps = ½."""
    return _judge.number(answer, -1.5, traps=[
        (2.0, "That is the reparameterised estimate. The score-function one never differentiates "
              "f. See 'The score-function identity'."),
        (4.0, "That is the true derivative, 2 sigma; asked is its estimate from this one draw."),
        (1.0, "That is the estimate of the derivative with respect to mu."),
        (-3.0, "The factor 1 / sigma is missing. See 'The score-function identity'."),
        (1.5, "The sign: what is eps² - 1 for a draw close to the mean?"),
        (-0.375, "That is the score alone: multiply it by f(z)."),
        (0.5, "The -1 in eps² - 1 is missing: it comes from the factor 1 / sigma in front of the "
              "density. See 'The score-function identity'."),
    ])  # fmt: skip


def stochastic_3(answer):
    """A function (rate, u) -> exponential draws, differentiable in the rate."""
    rate = torch.tensor([0.5, 4.0], dtype=torch.float64, requires_grad=True)
    u = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000  # an even grid: no chance involved
    u = torch.stack([u, u.flip(0)], dim=1)  # (S, L)
    z, hint = _judge.call(answer, rate, u.clone())
    again, _ = _judge.call(answer, rate, u.clone())
    return hint or _draws(z, again, rate, u)


def _draws(z, again, rate, u):
    """The hint for draws z, or None."""
    if not isinstance(z, torch.Tensor):
        return f"Return a torch.Tensor, not {type(z).__name__}."
    if z.shape != u.shape:
        return f"The shape should be that of u, {tuple(u.shape)}, but is {tuple(z.shape)}."
    if not isinstance(again, torch.Tensor) or not torch.equal(z, again):
        return "The same u must give the same draws: all randomness comes in through u."
    hint = _distribution(z.detach(), 1 / rate.detach())
    if hint:
        return hint
    if not z.requires_grad:
        return ("The draws have the right distribution, but autograd finds no path from them to "
                "the rate. See 'No gradient through a sample' (S3).")  # fmt: skip
    (slope,) = torch.autograd.grad(z.square().sum(), rate, allow_unused=True)
    if slope is None:
        return "Autograd finds no path from the draws to the rate: do not detach it."
    if not torch.allclose(slope / len(u), -4 / rate.detach() ** 3, rtol=0.03):
        return ("The values are right, but the gradient is not: d/drate of E[z²] should be that "
                "of 2 / rate². Is the rate detached somewhere?")  # fmt: skip
    return None


def _distribution(z, scale):
    if (z < 0).any():
        return "Some draws are negative: an exponential variable is positive. Check the sign."
    order = z.sort(dim=0).values  # (S, L)
    grid = (torch.arange(len(z), dtype=z.dtype)[:, None] + 0.5) / len(z)
    if _gap(order, scale, grid) < 0.01:
        return None
    if _gap(order, 1 / scale, grid) < 0.01:
        return "Your mean is the rate: the mean of an exponential variable is 1 / rate."
    if _gap(order, torch.ones_like(scale), grid) < 0.01:
        return "The rate is not used: these draws have rate 1."
    return ("The draws are not exponential: compare their distribution function with "
            "1 - exp(-rate · z). Solve u = F(z) for z.")  # fmt: skip


def _gap(order, scale, grid):
    """The largest distance between the draws' distribution function and the exponential one."""
    return (1 - torch.exp(-order / scale) - grid).abs().max().item()


def stochastic_4(answer):
    """Which parts receive a gradient when sigma is detached in z = mu + sigma * eps."""
    return _judge.choice(answer, "b", """
        a: Follow the log-variance from its layer towards z: does it arrive? See 'No gradient
           through a sample' (S3).
        c: The body feeds both heads. One path out of the body is cut; is the other?
        d: detach() cuts one path, that of sigma. Through what else does z depend on x?
    """)


def stochastic_5(answer):
    """For which f the reparameterised gradient of E[f(z)] is wrong."""
    return _judge.choice(answer, "c", """
        a: |z| has a kink at one point, but no jump, and a draw hits it with probability 0.
        b: max(z, 0) has a kink at one point, but no jump, and a draw hits it with probability 0.
        d: A smooth function is the best case of all.
    """, where="See 'When it fails'.")
