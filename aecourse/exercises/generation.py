"""Checkers of chapter 04: Frechet distances, fair comparisons, draws from a Gaussian."""

import torch

from aecourse.exercises import _judge


def generation_1(answer):
    """The squared Frechet distance of two diagonal Gaussians."""
    return _judge.number(answer, 15.0, rel=0.01, traps=[
        (9.0, "The differences of the means must be squared, one by one. See the derivation."),
        (10**0.5 + 5, "The distance of the means enters squared. See the derivation."),
        (83.0, "You have subtracted variances. It is the standard deviations that are "
               "subtracted and squared: see the derivation in one dimension."),
        (25.0, "The cross term is missing: -2 tr (S_a S_b)^(1/2). See the derivation."),
        (20.0, "The cross term has a factor. See the derivation."),
        (15**0.5, "That is the distance; the question asks for its square."),
        (10.0, "That is the part of the means; the spreads differ too. See the derivation."),
        (5.0, "That is the part of the spreads; the means differ too. See the derivation."),
    ])  # fmt: skip


def generation_2(answer):
    """Which change makes the comparison of two generators fair."""
    return _judge.choice(answer, "b", """
        a: Better reconstructions improve the decoder and leave the codes unknown.
        c: More samples remove the noise of the score, not the difference between the two models:
           see 'The floor'.
        d: That changes the noise, but two differences between the models remain.
    """, where="See 'An unfair comparison'.")


def generation_3(answer):
    """A function (mean, cov, eps) -> draws, by the Cholesky factor."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    mean, cov = torch.tensor([1.0, -2.0, 3.0]).double(), a @ a.T + torch.eye(3).double()
    eps = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    root = torch.linalg.cholesky(cov)
    values, vectors = torch.linalg.eigh(cov)
    symmetric = (vectors * values.sqrt()) @ vectors.T
    where = "See 'Feed the decoder from a distribution you know'."
    return _judge.function(answer, (mean, cov, eps), mean + eps @ root.T, traps=[
        (mean + eps @ root, "The draws have the covariance L^T L instead of L L^T: a draw is a "
                            f"row here, on paper it is a column. {where}"),
        (mean + eps @ cov, "You have multiplied by the covariance itself, not by a root of "
                           f"it: the draws then have the covariance S S. {where}"),
        (eps @ root.T, f"The mean is missing. {where}"),
        (eps @ root, "The mean is missing, and a draw is a row here, on paper it is a column."),
        (mean + eps * cov.diagonal().sqrt(), "The scale of each dimension is right, but the "
                                             f"correlations are lost. {where}"),
        (mean + eps * cov.diagonal(), "That uses variances as scales, and loses the "
                                      f"correlations. {where}"),
        (mean + eps @ symmetric, "That is a correct draw, by the symmetric root. To compare "
                                 "numbers, use the Cholesky factor."),
    ])  # fmt: skip


def generation_4(answer):
    """What the right mean and scale in each dimension do to the score of noise."""
    return _judge.choice(answer, "a", """
        b: Mean and scale are off, but not the main fault.
        c: The mixture also knows where the clumps are.
    """, where="See 'Is it only the scale?': what remained wrong after rescaling?")


def generation_5(answer):
    """Which numbers reveal a mixture that has memorised its codes."""
    return _judge.choice(answer, "c", """
        a: The floor compares real digits with real digits: no sampler enters it. See 'The floor'.
        b: Copies of training digits show all ten digits in the right shares. See 'A generator
           that copies'.
        d: It would be excellent: that is how memorising looks on the data it was fitted to. See
           'How well does each density know the codes?'.
    """)
