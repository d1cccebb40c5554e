"""Checkers of chapter 03."""

import torch

from aecourse.autoencoder import quantize_code
from aecourse.exercises import _judge

# PCA-30 of the 60 000 training digits, measured on test images: mean squared error on clothes,
# and the variance of clothes and digits about the mean image of their own training set.
ON_CLOTHES, CLOTHES_VARIANCE, DIGITS_VARIANCE = 55.690, 68.900, 52.897


def autoencoder_1(answer):
    """After how many images has a sent decoder (480 000 float16 numbers) paid for itself?"""
    decoder, code, jpeg = 480_000 * 2, 15, 39  # bytes
    saved = jpeg - code
    traps = (
        (1, "The code is the smaller one, but who tells the receiver the decoder?"),
        (480_000 / saved, "A float16 number is not one byte: how many bits has it?"),
        (2 * decoder / saved, "float16, not float32: how many bytes is one parameter?"),
        (8 * decoder / saved, "You set bits against bytes: bring the decoder and the images "
                              "to one unit."),
        (decoder / (saved * 8), "You set bytes against bits: bring the decoder and the images "
                                "to one unit."),
        (decoder / code, "JPEG costs something too: what does each image *save*?"),
        (decoder / jpeg, "The code costs something too: what does each image *save*?"),
        (decoder / (30 * 4 - jpeg), "30 numbers of 4 bits each: how many bytes are that?"),
        (decoder / (jpeg - 30 * 4), "30 numbers of 4 bits each: how many bytes are that?"),
    )  # fmt: skip
    return _judge.number(answer, decoder / saved, rel=1e-3, traps=traps)


def autoencoder_2(answer):
    """What does a range fitted on the test codes hide?"""
    return _judge.choice(answer, "b", """
        a: Training is not the point here. Read the paragraph 'The range' in the section on
           compression: what must the receiver have before the first image arrives?
        c: One range for all coordinates is allowed, only worse. Ask who needs the range, and when.
        d: The images are what the receiver wants, so the error is measured there. Ask which
           numbers travelled without being counted.
    """)


def autoencoder_3(answer):
    """Write quantize(h, bits, low, high) -> the middle of each value's cell."""
    bits, low, high = 3, -2.0, 3.0
    h = torch.linspace(-2.6, 3.7, 90).reshape(30, 3)
    h[0, 0], h[0, 1] = low, high  # the two edges
    right, traps = quantize_code(h, bits, low, high), _wrong(h, bits, low, high)
    hint = _judge.function(answer, (h, bits, low, high), right, traps=traps)
    if hint:
        return hint
    # a second range and number of bits, against constants written into the function
    again = (h + 10, 5, 8.5, 12.0)
    return _judge.function(answer, again, quantize_code(*again))


def _wrong(h, bits, low, high):
    """Plausible results of `quantize`, each with its hint."""
    levels = 2**bits
    cell = (high - low) / levels
    index = ((h - low) / cell).floor()
    inside = index.clamp(0, levels - 1)
    step = (high - low) / (levels - 1)
    edges = low + ((h - low) / step).round().clamp(0, levels - 1) * step
    few = (high - low) / (2 * bits)
    fewer = low + (((h - low) / few).floor().clamp(0, 2 * bits - 1) + 0.5) * few
    one = (high - low) / (levels - 1)
    missing = low + (((h - low) / one).floor().clamp(0, levels - 2) + 0.5) * one
    return (
        (low + (index + 0.5) * cell, "Values outside the range, what happens to them? Clip."),
        (low + (index.clamp(0, levels) + 0.5) * cell,
         "h = high lands in a cell that does not exist: count the cells from 0."),
        (low + inside * cell, "You return the lower edge of the cell, not its middle."),
        (low + (inside + 1) * cell, "You return the upper edge of the cell, not its middle."),
        (inside, "You return the number of the cell. The receiver needs a value of h."),
        ((inside + 0.5) * cell, "The range does not start at 0: where is low?"),
        (edges, "Your levels include low and high. Here each value goes to the *middle* of one "
                "of 2**bits cells."),
        (missing, "That is one cell too few: b bits have 2**b states."),
        (fewer, "b bits have 2**b states, not 2*b."),
    )  # fmt: skip


def autoencoder_4(answer):
    """Relative error on test clothes of the PCA fitted on digits."""
    traps = (
        (ON_CLOTHES, "That is the squared error. Divide by the variance of the clothes."),
        (ON_CLOTHES / 784, "That is the error per pixel. Divide by the variance of the clothes."),
        (ON_CLOTHES / DIGITS_VARIANCE,
         "You divided by the variance of the digits: each data set is judged by its own."),
        (0.568, "You measured the variance of the clothes about the mean *digit*."),
        (0.336, "You divided by the squared length of the clothes: subtract their mean first."),
        (0.178, "That is a PCA fitted on clothes. The question is one fitted on digits."),
        (0.661, "That is the other way round: fitted on clothes, tested on digits."),
        (0.262, "That is the relative error at home, on digits."),
    )  # fmt: skip
    return _judge.number(answer, ON_CLOTHES / CLOTHES_VARIANCE, rel=0.005, traps=traps)
