"""Checkers of chapter 12: a loss in bits, a KL to any prior, a VQ-VAE's heart, and a forecast."""

from math import log

import torch

from aecourse.exercises import _judge


def review_1(answer):
    """The loss of three pixels at p = 1/2 and one latent at mu = 2, sigma = 1, in bits."""
    pixels, kl = 3, 2 / log(2)  # bits
    where = "See 'Every formula, with its unit'."
    return _judge.number(answer, pixels + kl, rel=0.003, traps=[
        ((pixels + kl) * log(2), f"That is in nats; the question asks for bits. {where}"),
        (pixels + 2, "One of your terms is in bits, the other in nats."),
        (pixels * log(2) + kl, "One of your terms is in bits, the other in nats."),
        (pixels + 2 * kl, f"The KL has lost a factor. {where}"),
        (1 + kl, "The pixels are summed, not averaged."),
        (pixels - kl, "In the loss the KL is a price: look at its sign."),
        (kl - pixels, "A pixel of probability 1/2 costs something: look at the sign."),
        (-(pixels + kl), "That is the ELBO; the loss is minus that."),
        (pixels, "The code has its price, too."),
        (kl, "The pixels have their price, too."),
        (pixels + kl + 0.5 / log(2), f"At mu = 0, sigma = 1 your KL would not be 0. {where}"),
        ((3 * log(2) + 2) * log(2), "From nats to bits you divide by log 2; you have multiplied "
                                    "twice."),
    ])  # fmt: skip


def review_2(answer):
    """A function (mu, logvar, mu_p, logvar_p) -> KL between diagonal Gaussians, (B,)."""
    mu, logvar, mu_p, logvar_p = _gaussians()
    shapes = {tuple(mu.shape): "One value per image: sum over the latents."}
    terms = _kl_terms(mu, logvar, mu_p, logvar_p)
    where = "See 'The KL, line by line' in chapter 06, and keep p's moments."
    square, var, var_p = (mu - mu_p).square(), logvar.exp(), logvar_p.exp()
    logs = logvar - logvar_p
    arguments = (mu, logvar, mu_p, logvar_p)
    return _judge.function(answer, arguments, terms.sum(dim=1), shapes=shapes, traps=[
        (2 * terms.sum(dim=1), f"A factor is missing. {where}"),
        (terms.mean(dim=1), "Sum over the latents, do not average."),
        (-terms.sum(dim=1), "A KL divergence is never negative: look at the sign."),
        (_kl_terms(mu_p, logvar_p, mu, logvar).sum(dim=1),
         "That is the KL from p to q: the order of the two matters."),
        (_kl_terms(mu, logvar, 0 * mu, 0 * mu).sum(dim=1), "That is the KL to N(0, I): here p has "
                                                           "its own mean and variance."),
        (_kl_terms(mu, logvar, mu_p, 0 * mu).sum(dim=1), "p has its own variance, too."),
        (_kl_terms(mu, logvar, 0 * mu, logvar_p).sum(dim=1), "p has its own mean, too."),
        (0.5 * (square + var / var_p - 1 - logs).sum(dim=1), "The distance of the means counts in "
                                                             "units of p's variance."),
        (0.5 * ((square + var) / var_p - 1 + logs).sum(dim=1), "The logarithm is upside down."),
        (0.5 * ((square + var) / var_p - logs).sum(dim=1), "For q = p your function is not 0."),
        (0.5 * ((square + var) / var_p - 1 - logvar).sum(dim=1), "For q = p your function is not "
                                                                 "0: one logarithm is missing."),
        (_kl_terms(mu, 2 * logvar, mu_p, 2 * logvar_p).sum(dim=1), "exp(logvar) is the variance "
                                                                   "already: do not square it."),
        (_kl_terms(mu, logvar / 2, mu_p, logvar_p / 2).sum(dim=1),
         "exp(logvar / 2) is the standard deviation; the KL needs the variance."),
    ])  # fmt: skip


def _gaussians():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(4, 3, 5, generator=generator, dtype=torch.float64).unbind()


def _kl_terms(mu, logvar, mu_p, logvar_p):
    spread = ((mu - mu_p).square() + logvar.exp()) / logvar_p.exp()
    return 0.5 * (spread - 1 - logvar + logvar_p)


def review_3(answer):
    """A function (z_e, codebook) -> (z_st, loss), judged by values and by gradients."""
    generator = torch.Generator().manual_seed(0)
    z_e = torch.randn(20, 3, generator=generator, dtype=torch.float64).requires_grad_()
    codebook = torch.randn(6, 3, generator=generator, dtype=torch.float64).requires_grad_()
    result, hint = _judge.call(answer, z_e, codebook)
    if hint:
        return hint
    if not isinstance(result, tuple | list) or len(result) != 2:
        return "Return two things: z_st and the loss."
    distance = torch.cdist(z_e, codebook).detach()
    z_d = codebook.detach()[distance.argmin(dim=1)]
    hint = _judge.tensor(result[0], z_d, traps=[
        (z_e.detach(), "z_st must have the value of the nearest code. See 'Straight-through'."),
        (codebook.detach()[distance.argmax(dim=1)], "Those are the farthest codes: an argmin."),
        (codebook.detach()[(z_e @ codebook.T).argmax(dim=1)],
         "Nearest means smallest distance, not largest inner product."),
    ])  # fmt: skip
    return f"z_st: {hint}" if hint else _of_loss(*result, z_e, codebook, z_d)


def _of_loss(z_st, loss, z_e, codebook, z_d):
    """The hint for what comes after the values of z_st."""
    square = (z_e.detach() - z_d).square()
    hint = _judge.tensor(loss, 1.25 * square.sum(dim=1), traps=[
        (1.25 * square.mean(dim=1), "Sum over D, do not average."),
        (2 * square.sum(dim=1), "The commitment has the weight 0.25."),
        (square.sum(dim=1), "Two terms are asked for, and one of them has the weight 0.25."),
        (0.25 * square.sum(dim=1), "The codebook term is missing."),
        (1.25 * square.sum(dim=1).sqrt(), "The distances are squared."),
    ])  # fmt: skip
    if hint:
        return f"loss: {hint}"
    to_z_e, to_codes = _gradients((z_st * torch.arange(1, 4)).sum(), z_e, codebook)
    if to_z_e is None or not torch.allclose(to_z_e, torch.arange(1, 4).expand(20, 3).double()):
        return "The values are right, but z_st does not pass its gradient on to z_e unchanged."
    if to_codes is not None and to_codes.abs().max() > 0:
        return "z_st sends a gradient to the codebook: put what must not move into detach()."
    to_z_e, to_codes = _gradients(loss.sum(), z_e, codebook)
    if to_codes is None or to_codes.abs().max() == 0:
        return ("The value of the loss is right, but it does not move the codebook. Was it "
                "computed before straight-through?")  # fmt: skip
    away = 2 * (z_e.detach() - z_d)
    if to_z_e is None or to_z_e.abs().max() == 0:
        return "The loss does not move the encoder: which term is the commitment?"
    if torch.allclose(to_z_e, away):
        return "The weight 0.25 is on the wrong term. See 'Two forms'."
    if not torch.allclose(to_z_e, 0.25 * away):
        return "Each term moves one side only: the other stands in detach()."
    return None


def _gradients(value, *parts):
    if not value.requires_grad:
        return [None] * len(parts)
    return torch.autograd.grad(value, parts, retain_graph=True, allow_unused=True)


def review_4(answer):
    """Which of four models trained on digits fails least on clothes."""
    return _judge.choice(answer, "d", """
        a: Its 30 directions are those of whole digits.
        b: The better it knows digits, the less it can draw anything else.
        c: Codes of clothes lie where this decoder has hardly been trained.
        e: One of the four stays far below 1.
    """, where="Run it, and look at what one number of each code stands for.")
