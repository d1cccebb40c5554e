"""Checkers of chapter 07: the identity on paper, a wrong line, and two estimators."""

import math

import numpy as np
import torch

from aecourse.exercises import _judge

NAMES = ("log p(x)", "the ELBO", "the gap")


def elbo_1(answer):
    """log p(x), ELBO and gap for one latent, one pixel: w = 2, sigma = 1, x = 5, q = N(1, 1)."""
    if isinstance(answer, np.ndarray | torch.Tensor):
        answer = answer.flatten().tolist()
    if not isinstance(answer, tuple | list) or len(answer) != 3:
        return "Hand in three numbers: (log p(x), ELBO, gap)."
    log_p = -0.5 * math.log(2 * math.pi * 5) - 2.5
    bound = -0.5 * (math.log(2 * math.pi) + 9 + 4) - 0.5
    gap = 0.5 * (5 + 5 - 1 - math.log(5))
    evidence = "The evidence is the density of N(b, w^2 + sigma^2) at x. See 'The check'."
    traps = (
        [(log_p + 0.5 * math.log(2 * math.pi), f"The constant 2 pi is missing. {evidence}"),
         (-0.5 * math.log(2 * math.pi) - 12.5, f"That is p(x|z = 0): a likelihood. {evidence}"),
         (-0.5 * math.log(2 * math.pi) - 4.5, f"That is p(x|z) at q's mean. {evidence}"),
         (-0.5 * math.log(2 * math.pi * 25) - 0.5, "5 is the variance of x, not its standard "
                                                    f"deviation. {evidence}")],
        [(bound - 0.5, "The KL to the prior has a factor 1/2. See 'Term by term onto the loss'."),
         (bound + 1, "The KL enters with the wrong sign. See 'Term by term onto the loss'."),
         (bound + 0.5, "That is the reconstruction term alone: subtract the KL to the prior."),
         (bound + 2, "You have put q's mean into log p(x|z). But the expectation of (x - wz)^2 "
                     "also holds w^2 times q's variance: z is random."),
         (bound + 0.5 * math.log(2 * math.pi), "The constant 2 pi of p(x|z) is missing."),
         (log_p, "That is log p(x): this q is not the posterior, so there is a gap.")],
        [(0.5 * (0.2 + 1 - 1 + math.log(5)), "That is KL(posterior || q). The gap is the other "
                                             "direction: the expectation is under q."),
         (0.5, "That is the KL to the prior. The gap is the KL to the posterior p(z|x)."),
         (-gap, "A KL divergence is never negative."),
         (2 * gap, "The KL of two Gaussians has a factor 1/2.")],
    )  # fmt: skip
    for name, value, right, wrong in zip(NAMES, answer, (log_p, bound, gap), traps):
        hint = _judge.number(value, right, rel=0.003, traps=wrong)
        if hint:
            return f"In {name}: {hint}"
    return None


def elbo_2(answer):
    """The first wrong line of a derivation."""
    return _judge.choice(answer, "c", """
        a: log p(x) does not depend on z, and q integrates to one: that line is right.
        b: p(x, z) = p(z|x) p(x) is Bayes' rule: that line is right.
        d: Given line (c), the step to (d) is consistent. An earlier line is wrong: insert q / q
           yourself and compare.
    """, where="See 'Route 1'.")


def elbo_3(answer):
    """A function (log_px, mu, logvar) -> ELBO, from K sampled log-likelihoods per image."""
    generator = torch.Generator().manual_seed(0)
    log_px = 5 * torch.randn(4, 3, generator=generator, dtype=torch.float64) - 100  # (K, B)
    mu = torch.randn(3, 2, generator=generator, dtype=torch.float64)
    logvar = torch.randn(3, 2, generator=generator, dtype=torch.float64)
    terms = 0.5 * (mu.square() + logvar.exp() - 1 - logvar)  # (B, L)
    mean, kl = log_px.mean(dim=0), terms.sum(dim=1)
    where = "See 'Term by term onto the loss'."
    wrong_scale = 0.5 * (mu.square() + (2 * logvar).exp() - 1 - 2 * logvar).sum(dim=1)
    return _judge.function(answer, (log_px, mu, logvar), mean - kl, traps=[
        (mean + kl, f"The KL enters the ELBO with a minus. {where}"),
        (kl - mean, f"That is the loss, minus the ELBO. {where}"),
        (mean - 2 * kl, f"The KL has a factor 1/2. {where}"),
        (mean, f"The KL is missing. {where}"),
        (mean - terms.mean(dim=1), f"The KL is summed over the latents, not averaged. {where}"),
        (mean - wrong_scale, "logvar is log sigma^2, not log sigma."),
        (log_px.sum(dim=0) - kl, "Average over the K draws: the sum grows with K."),
        (log_px.logsumexp(dim=0) - math.log(4) - kl, "That is the logarithm of an average. The "
         "ELBO averages logarithms. See 'Route 3'."),
        (log_px[0] - kl, "That uses the first draw only: average over all K."),
    ])  # fmt: skip


def elbo_4(answer):
    """A function log_w (K, B) -> importance-weighted bound (B,), without underflow."""
    log_w = 3 * torch.randn(5, 4, generator=torch.Generator().manual_seed(0)).double()
    right = log_w.logsumexp(dim=0) - math.log(5)
    where = "See 'The importance-weighted bound'."
    hint = _judge.function(answer, (log_w,), right, traps=[
        (log_w.mean(dim=0), "That is the average of the logarithms, the ELBO. Here it is the "
                            f"logarithm of the average. {where}"),
        (log_w.logsumexp(dim=0), f"That is the logarithm of the sum: the 1/K is missing. {where}"),
        (log_w.exp().mean(dim=0), f"The logarithm is missing. {where}"),
        (log_w.logsumexp(dim=0) / 5, "1/K belongs inside the logarithm: outside it becomes "
                                     f"- log K. {where}"),
        (log_w.logsumexp(dim=0) + math.log(5), "The sign of log K is wrong."),
    ])  # fmt: skip
    if hint:
        return hint
    # weights as far from 1, and from each other, as those of images
    log_w = 300 * log_w - 1000 * torch.arange(1, 5)
    if _judge.function(answer, (log_w,), log_w.logsumexp(dim=0) - math.log(5)):
        return ("Right for weights near 1, but exp(-1000) is 0 for a computer, and images have "
                f"such weights: use torch.logsumexp. {where}")  # fmt: skip
    return None


def elbo_5(answer):
    """What happens to the three quantities if only the encoder goes on training."""
    return _judge.choice(answer, "b", """
        a: log p(x) depends on the decoder and the prior only, and they are frozen.
        c: The sum of ELBO and gap is log p(x), and that stays: what must the gap do if the ELBO
           rises?
        d: The gap is what a better q makes smaller.
    """, where="See 'The identity': which of the three depend on q?")
