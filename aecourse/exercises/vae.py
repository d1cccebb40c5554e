"""Checkers of chapter 06: the KL term, the loss of a VAE, and its units."""

from math import log

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from aecourse.exercises import _judge

ONE_NUMBER = "One value per image: the mean over the batch is taken once, in the loop."


def vae_1(answer):
    """The KL to the prior of a Gaussian with two latents, given means and deviations."""
    right = _kl_number(lambda m, s: (m**2 + s**2 - 1 - log(s**2)) / 2)
    where = "See 'The KL, line by line'."
    return _judge.number(answer, right, rel=0.003, traps=[
        (2 * right, f"A factor is missing. {where}"),
        (-right, f"A KL divergence is never negative: look at the sign. {where}"),
        (right / 2, "Add the two latents; you have averaged them."),
        (_kl_number(lambda m, s: (m**2 + s - 1 - log(s)) / 2),
         f"You have used the standard deviation where the variance belongs. {where}"),
        (_kl_number(lambda m, s: (m**2 + s**2 - 1 - log(s)) / 2),
         f"The logarithm is that of the variance, not of the standard deviation. {where}"),
        (_kl_number(lambda m, s: (m**2 + s**2 - 1 + log(s**2)) / 2),
         f"The logarithm has the wrong sign. {where}"),
        (_kl_number(lambda m, s: (m**2 + s**2 - log(s**2)) / 2),
         f"At the prior your formula would not give 0. {where}"),
        (_kl_number(lambda m, s: (s**2 - 1 - log(s**2)) / 2), "The means cost something, too."),
        (_kl_number(lambda m, s: (m + s**2 - 1 - log(s**2)) / 2), f"The mean is squared. {where}"),
        (_kl_number(lambda m, s: log(s) + (1 + m**2) / (2 * s**2) - 1 / 2),
         "That is the KL from the prior to q: the order of the two matters."),
        (right / log(2), "That is in bits; the question asks for nats."),
    ])  # fmt: skip


def _kl_number(term):
    return sum(term(m, s) for m, s in zip((1, -2), (0.5, 3)))


def vae_2(answer):
    """A function (mu, logvar) -> KL to the prior, one value per image."""
    mu, logvar = _latents()
    shapes = {tuple(mu.shape): "One value per image: sum over the latents.", (): ONE_NUMBER}
    terms = mu.square() + logvar.exp() - 1 - logvar
    right, where = terms.sum(dim=1) / 2, "See 'The KL, line by line'."
    return _judge.function(answer, (mu, logvar), right, shapes=shapes, traps=[
        (2 * right, f"A factor is missing. {where}"),
        (-right, f"A KL divergence is never negative: look at the sign. {where}"),
        (terms.mean(dim=1) / 2, "Sum over the latents, do not average."),
        ((terms - logvar.exp() + (logvar / 2).exp()).sum(dim=1) / 2,
         "exp(logvar / 2) is the standard deviation; the KL needs the variance."),
        ((terms - logvar.exp() + logvar.exp().square()).sum(dim=1) / 2,
         "exp(logvar) is the variance already: do not square it."),
        ((terms + 1).sum(dim=1) / 2, f"At the prior your function does not give 0. {where}"),
        ((terms + 2 * logvar).sum(dim=1) / 2, f"The log-variance has the wrong sign. {where}"),
        ((terms - mu.square() + mu).sum(dim=1) / 2, f"The mean is squared. {where}"),
    ])  # fmt: skip


def vae_3(answer):
    """What training does when both terms are averaged over their entries."""
    return _judge.choice(answer, "c", """
        a: Dividing two terms by different numbers changes the minimum of their sum. By how many is
           each divided?
        b: That is what a small weight of the KL gives. Which of the two terms has become smaller
           here?
        d: The loss is smaller, but its terms pull against each other as before.
    """, where="See 'Sum or mean?'.")


def vae_4(answer):
    """A function (logits, x, mu, logvar) -> the VAE's loss, one value per image."""
    mu, logvar = _latents()
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    x = torch.randint(2, (4, 6), generator=generator).double()
    pixels = binary_cross_entropy_with_logits(logits, x, reduction="none")
    kl = (mu.square() + logvar.exp() - 1 - logvar).sum(dim=1) / 2
    nll, where = pixels.sum(dim=1), "See 'The loss of two pixels, by hand'."
    arguments, shapes = (logits, x, mu, logvar), {(): ONE_NUMBER}
    return _judge.function(answer, arguments, nll + kl, shapes=shapes, traps=[
        (-nll - kl, "That is the ELBO itself, to be maximised: the loss is its negative."),
        (nll - kl, f"The KL is a cost, not a reward. {where}"),
        (kl - nll, f"The reconstruction's sign is wrong: a likely image costs little. {where}"),
        (pixels.mean(dim=1) + kl, "You have averaged over pixels. See 'Sum or mean?'."),
        (nll + 2 * kl, "A factor of the KL is missing. See 'The KL, line by line'."),
        (nll, "The KL is missing."),
        (kl, "The reconstruction is missing."),
        (binary_cross_entropy_with_logits(logits.sigmoid(), x, reduction="none").sum(dim=1) + kl,
         "The sigmoid was applied twice: the function you used expects logits."),
    ])  # fmt: skip


def vae_5(answer):
    """Whether losses on grey pixels under two likelihoods can be compared."""
    return _judge.choice(answer, "d", """
        a: A smaller number is better only if both are densities of the same thing.
        b: No constant repairs it: the missing normaliser depends on the image.
        c: A density may exceed 1, so its negative logarithm may be negative.
    """, where="See 'Which likelihood?'.")


def _latents():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 4, 3, generator=generator, dtype=torch.float64).unbind()
