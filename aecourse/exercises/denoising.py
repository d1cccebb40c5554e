"""Checkers of chapter 09: a posterior mean, the masked loss, one noise level, the score."""

from math import exp, tanh

import torch

from aecourse.exercises import _judge


def denoising_1(answer):
    """The optimal denoiser of two points, at one noisy value."""
    x_tilde, variance = 1.2, 1.5**2
    where = "See 'What the best denoiser knows'."
    return _judge.number(answer, tanh(x_tilde / variance), rel=0.01, traps=[
        (tanh(x_tilde / 1.5), "The noise enters with its variance, not its standard deviation: "
                              f"write out both Gaussian densities. {where}"),
        (tanh(2 * x_tilde / variance), "A factor 2 too many: the log-odds of the two points are "
                                       "twice the argument of the hyperbolic tangent."),
        (tanh(x_tilde / (2 * variance)), "A factor 2 is missing: expand both squares and "
                                         "subtract them."),
        (1 / (1 + exp(-2 * x_tilde / variance)), "That is the posterior probability of one of "
                                                 "the points; the question asks for the mean."),
        (1.0, "That is the nearer point. The mean squared error rewards the posterior mean, "
              f"which need not be one of the points. {where}"),
        (x_tilde, f"That is the noisy value itself, so nothing was denoised. {where}"),
        (x_tilde / (1 + variance), "That is the shrinkage for a *Gaussian* x of variance 1. "
                                   "Here x is one of two points."),
        (0.0, "That is the mean before you saw the noisy value."),
    ])  # fmt: skip


def denoising_2(answer):
    """A function (model, x, x_tilde, mask) -> (B,): the loss over the hidden pixels."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(4, 6, generator=generator, dtype=torch.float64) + 0.5
    mask = torch.rand(4, 6, generator=generator) < 0.5
    x_tilde = x.masked_fill(mask, 0.0)

    def model(t):
        return t.roll(1, dims=1) * 0.7 + 0.1 * t.square() + 0.2

    where = "See 'Which pixels count?'."
    clean = "See 'The published bug'."
    errors, own = (model(x_tilde) - x).square(), (model(x_tilde) - x_tilde).square()
    saw = (model(x) - x).square()
    return _judge.function(answer, (model, x, x_tilde, mask), (errors * mask).sum(1), traps=[
        ((own * mask).sum(1), f"Your target is the corrupted image. {clean}"),
        (own.sum(1), f"Your target is the corrupted image, and the mask is not used. {clean}"),
        ((saw * mask).sum(1), "The model must not see the clean image: give it x_tilde. "
                              f"{clean}"),
        (saw.sum(1), f"The model must not see the clean image, and the mask is not used. {clean}"),
        (errors.sum(1), f"The mask is not used: that sums over all pixels. {where}"),
        ((errors * ~mask).sum(1), f"The wrong way round: the mask is True where hidden. {where}"),
        ((errors * mask).mean(1), "Sum over pixels, as everywhere in this book: that is a mean "
                                  f"over all of them. {where}"),
        ((errors * mask).sum(1) / mask.sum(1), "Sum over the hidden pixels: that is their mean. "
                                               f"{where}"),
        (((model(x_tilde) - x).abs() * mask).sum(1), "That is the absolute, not the squared "
                                                     f"error. {where}"),
    ])  # fmt: skip


def denoising_3(answer):
    """What a denoiser made for strong noise does to weak noise."""
    where = "Run it: compare each error with that of the noisy input itself."
    return _judge.choice(answer, "b", """
        a: It would, if the network knew how strong the noise is.
        c: It was trained for the strong noise and never saw the weak one.
        d: It does remove the noise that it was trained on.
    """, where=where)


def denoising_4(answer):
    """A function (x_tilde, denoised, sigma) -> the score at x_tilde."""
    x_tilde = torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64)
    denoised = torch.tensor([[0.4, -1.0], [0.7, 2.0]], dtype=torch.float64)
    sigma = 0.5
    residual, where = denoised - x_tilde, "See 'What the best denoiser knows'."
    return _judge.function(answer, (x_tilde, denoised, sigma), residual / sigma**2, traps=[
        (-residual / sigma**2, "The sign is reversed: the score points where the density "
                               f"rises, and so does the denoiser. {where}"),
        (residual / sigma, f"Divide by the variance, not by the standard deviation. {where}"),
        (residual, f"That is the residual: one factor of the noise is missing. {where}"),
        (residual * sigma**2, f"You have multiplied where you must divide. {where}"),
        (-residual / sigma, "That is the noise in units of its deviation: sign and one factor "
                            f"differ from the score. {where}"),
        (denoised / sigma**2, f"Subtract the noisy point first. {where}"),
    ])  # fmt: skip
