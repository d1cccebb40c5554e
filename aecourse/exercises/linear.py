"""Checkers of chapter 02."""

import torch

from aecourse.exercises import _judge


def linear_1(answer):
    """Squared error per image of the best one-number code, from the three eigenvalues."""
    kept, *discarded = 8.0, 3.0, 1.0
    factor = 4 / 5  # (N - 1) / N with N = 5
    lost = sum(discarded)
    traps = [
        (lost, "The eigenvalues divide by N - 1, the error by N: see 'The lost variance'."),
        (factor * kept, "That is the variance that the code keeps: the error is the other part."),
        (kept, "That is the variance that the code keeps, and the factor for N is missing."),
        (factor * discarded[0], "k = 1 of 3 directions is kept. How many are lost?"),
        (5 * factor * lost, "That is the sum over all five images. The unit is per image."),
        (factor * lost / 3, "That is the mean over pixels. The unit is the sum over pixels."),
        (factor * (kept + lost), "That is the error of the mean image alone, k = 0."),
        ((factor * lost) ** 0.5, "The squared error is asked for, not its root."),
    ]
    return _judge.number(answer, factor * lost, traps=traps)


def linear_2(answer):
    """How many free numbers separate the optimal pairs (U, V) at k = 6."""
    k = 6
    traps = [
        (1, "You count one common factor, as in (2U, V/2). See the section on uniqueness (L4)."),
        (k, "That counts one factor per code entry. A may also mix the entries (L4)."),
        (k * (k - 1) // 2, "That counts rotations. A need not be a rotation (L4)."),
        (k * (k + 1) // 2, "That counts symmetric matrices. A need not be symmetric (L4)."),
        (k * k - 1, "You fixed one number of A, for example its determinant. Nothing asks for it."),
        (2 * k * 784, "Those are all entries of U and V. The product VU fixes most of them."),
        (2 * k * k, "A^-1 brings nothing new: it follows from A."),
    ]
    return _judge.number(answer, k * k, rel=1e-6, traps=traps)


def linear_3(answer):
    """A function (x, mean, components) -> the projection of the rows of x."""
    generator = torch.Generator().manual_seed(2)
    x, mean = torch.randn(7, 5, generator=generator), torch.randn(5, generator=generator)
    components = torch.linalg.qr(torch.randn(5, 2, generator=generator)).Q.T  # (2, 5)
    project = components.T @ components
    right = (x - mean) @ project + mean
    own = x.mean(dim=0)
    traps = [
        (x @ project + mean, "You add the mean but never subtract it: centre before you encode."),
        ((x - mean) @ project, "You subtract the mean but never add it again after decoding."),
        (x @ project, "The mean is not used: see 'Centre first' (L1)."),
        ((x - own) @ project + own, "Use the mean that is given, not that of this batch."),
        (x - right, "That is what the code loses, not the reconstruction."),
        (x, "That is x itself: nothing went through the bottleneck."),
    ]
    shapes = {(7, 2): "That is the code, of shape (B, k): decode it as well."}
    return _judge.function(answer, (x, mean, components), right, traps=traps, shapes=shapes)


def linear_4(answer):
    """By what factor noise in the code matters less after (10 U, V / 10)."""
    traps = [
        (1, "VU has not changed, but the noise enters between U and V. See L4."),
        (10, "The noise passes V / 10. The error is a square."),
        (1 / 100, "Is it smaller or larger than before? The factor asked for is before : after."),
        (1 / 10, "The noise passes V / 10, so does it grow or shrink? And the error is a square."),
    ]
    return _judge.number(answer, 100, rel=0.02, traps=traps)
