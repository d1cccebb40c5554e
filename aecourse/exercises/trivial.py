"""Checkers for chapter 01."""

import torch

from aecourse.exercises import _judge


def trivial_1(answer):
    """The copy ratio of a model that pulls every image half way to the mean digit."""
    return _judge.number(answer, 1.0, traps=[
        (0.25, "That is one of the two relative errors. The ratio divides one by the other."),
        (0.5, "The ratio compares noise with digits, not the model with the identity: write down "
              "both relative errors as in 'One number for copying'."),
        (0.0, "A ratio of 0 would mean a perfect copy of noise. Write down both relative errors as "
              "in 'One number for copying'."),
    ])  # fmt: skip


def trivial_2(answer):
    """The relative error of white noise behind an orthogonal projection, k = 98 of d = 784."""
    return _judge.number(answer, 0.875, rel=0.002, traps=[
        (0.125, "That is the share of the noise that gets through, not the share that is lost."),
        (0.875**2, "You squared once too often: variances of independent axes add as they are."),
        (0.875**0.5, "The relative error divides squared lengths: leave out the root."),
        (87.5, "Give the relative error as a fraction, not in percent."),
        (686, "That counts the dropped axes; divide by the total variance, of all d axes."),
    ])  # fmt: skip


def trivial_3(answer):
    """A function (x_hat, x) -> (B,): the squared error, summed over pixels."""
    generator = torch.Generator().manual_seed(1)
    x_hat, x = torch.rand(3, 5, generator=generator), torch.rand(3, 5, generator=generator)
    squares = (x_hat - x) ** 2
    shapes = {
        (): "You return one number for the whole batch. Keep one value per image: the mean over "
            "the batch is the loop's work (section 'The one loop').",
        (5,): "You summed over the images. Pixels are dimension 1, images are dimension 0.",
    }  # fmt: skip
    return _judge.function(answer, (x_hat, x), squares.sum(dim=1), shapes=shapes, traps=[
        (squares.mean(dim=1), "You took the mean over the pixels. The book sums them."),
        (squares.sum(dim=1).sqrt(), "You took a root: that is the distance, not its square."),
        (squares.sum(dim=1) / 2, "There is a factor ½ too many in front of the sum."),
        ((x_hat - x).abs().sum(dim=1), "You summed absolute differences: square them instead."),
        ((x_hat - x).sum(dim=1), "You forgot the square: differences of opposite sign cancel."),
        ((x_hat - x).sum(dim=1) ** 2, "Square each difference first, then sum."),
    ])  # fmt: skip


def trivial_4(answer):
    """Where the best k goes when the noise is halved."""
    return _judge.choice(answer, "c", """
        a: With less noise each further coordinate lets in less harm. Compare what one more
           coordinate gains and costs
        b: The cost of one more coordinate depends on the noise, its gain does not: the balance
           moves
    """, where="(section 'What the bottleneck throws away').")
