"""Checkers of chapter 08: collapsed units, unbiased weights, annealing, a fitted prior."""

from math import log

import torch

from aecourse.exercises import _judge


def limits_1(answer):
    """The KL of a unit whose posterior mean varies by 0.96, under a matched aggregate."""
    return _judge.number(answer, log(5), rel=0.01, traps=[
        (2 * log(5), "A factor is missing from the KL of a Gaussian: see chapter 06."),
        (0.5 * log(1 / 0.96), "You have put the variance of the means in the place of the "
                              "posterior's own variance. See 'What a unit can do'."),
        (log(5) - 0.48, "The mean of mu squared is missing: it is the variance of the means. "
                        "See 'What a unit can do'."),
        (log(5) / log(2), "That is in bits. The book counts in nats."),
        (-log(5), "A KL divergence is never negative: check the sign of the logarithm."),
        (0.48, "That is only the part of the means; the posterior's variance counts too."),
        (log(5) + 0.5, "The -1 of the KL formula is missing: see chapter 06."),
        (log(5) - 0.5, "Add up all the parts that are no logarithm: the mean square, the variance "
                       "and the -1. See 'What a unit can do'."),
    ])  # fmt: skip


def limits_2(answer):
    """What follows for the logarithm of an unbiased estimate."""
    return _judge.choice(answer, "c", """
        a: The logarithm of a mean is not the mean of the logarithms.
        b: Jensen's inequality points the other way: the logarithm is concave.
        d: Only the average is bounded: one lucky draw may lie above.
    """, where="See 'From below'.")


def limits_3(answer):
    """A function (log_p, betas) -> bound, from the likelihoods along annealed chains."""
    generator = torch.Generator().manual_seed(0)
    log_p = -400 - 1600 * torch.rand(3, 4, 6, generator=generator, dtype=torch.float64)
    betas = torch.tensor([0, 0.02, 0.1, 0.3, 0.55, 0.8, 1.0]).double()
    log_w = (log_p * betas.diff()).sum(dim=2)  # (B, K)
    right = log_w.logsumexp(dim=1) - log(4)
    where = "See 'Annealing'."
    underflow = ("The weights underflow: exp(-800) is 0 on a computer. Take torch.logsumexp. "
                 f"{where}")  # fmt: skip
    return _judge.function(answer, (log_p, betas), right, not_finite=underflow, traps=[
        (log_w.mean(dim=1), "You average the log-weights; the weights are to be averaged, then "
                            f"the logarithm taken. {where}"),
        (right + log(4), f"That is the log of the sum over chains, not of their mean. {where}"),
        (-right, f"The sign is wrong. {where}"),
        ((log_p * betas[1:]).sum(dim=2).logsumexp(dim=1) - log(4),
         f"Each likelihood enters with the *step* of beta, not with beta itself. {where}"),
        (log_p[..., -1].logsumexp(dim=1) - log(4),
         f"That uses the end of the chain only; every temperature gives a factor. {where}"),
        (log_p.mean(dim=2).logsumexp(dim=1) - log(4),
         f"The steps of beta are not all equal here: weigh each likelihood with its own. {where}"),
        (log_p.sum(dim=2).logsumexp(dim=1) - log(4),
         f"Each likelihood enters with the step of beta as its factor. {where}"),
    ])  # fmt: skip


def limits_4(answer):
    """What a prior fitted to posterior means instead of draws does to the ELBO."""
    return _judge.choice(answer, "b", """
        a: The ELBO takes the mean over *draws* of q, and these spread wider.
        c: The means do know where the clumps are, and each q is narrow beside the spread of the
           means.
    """, where="See 'A prior that fits'.")


def limits_5(answer):
    """Why the KL of the lower layer has no closed form at a drawn z2."""
    return _judge.choice(answer, "b", """
        a: Both are Gaussian, and their KL does have a closed form.
        c: A KL divergence needs no standard normal: two Gaussians are enough.
        d: The encoder of z2 sees z1 only, but that is not what breaks the formula.
    """, where="See 'The ELBO of two layers'.")
