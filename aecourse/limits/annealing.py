"""Annealed importance sampling: log p(x) between a lower and an upper bound."""

from functools import partial
from math import log

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from aecourse import validate
from aecourse.data import draw
from aecourse.elbo.bounds import LatentVariableModel
from aecourse.train import evaluating

_ACCEPTANCE = 0.65  # the best rate for Hamiltonian Monte Carlo (Neal, 2011, section 4.4)
_PILOTS = 4  # chains per image that find the step sizes


@torch.no_grad()
def annealed_importance_sampling(
    model: LatentVariableModel, x: Float[Tensor, "B D"],
    num_chains: int = 16, num_steps: int = 200, *, num_leapfrog: int = 5,
    posterior_z: Float[Tensor, "B L"] | None = None, generator: torch.Generator | None = None,
) -> Float64[Tensor, "B"]:  # fmt: skip
    """Bound log p(x) by annealing between the prior N(0, I) and the posterior, in nats per image.

    Each chain walks through ``f_t(z) = p(z) p(x|z)^beta_t``, with beta from 0 to 1, by one
    Hamiltonian step at each temperature, and collects ``w = prod_t f_t(z) / f_{t-1}(z)`` on its
    way, whose mean is p(x) exactly. ``log mean_k w_k`` over the chains is therefore a lower bound
    in expectation, and tightens with chains and with steps.

    With `posterior_z` the chains walk back, from 1 to 0, and their mean weight is 1 / p(x): minus
    its log is an *upper* bound. That needs an exact draw from p(z|x), which you have for data
    simulated from the model: the z that made x.

    A few pilot chains per image find step sizes; these are frozen before the chains that count.

    Parameters
    ----------
    num_chains
        Per image; all ``B * num_chains`` run at once, so this sets the memory.
    num_steps
        Temperatures. Time grows with it.
    num_leapfrog
        Gradient evaluations at each temperature.
    posterior_z
        One exact draw from p(z|x) per image.

    Examples
    --------
    >>> from aecourse.vae import VAE
    >>> model = VAE([6], latent=2)
    >>> for weight in model.decoder.parameters():
    ...     zero = weight.data.zero_()  # p(x|z) is six fair coins
    >>> annealed_importance_sampling(model, torch.ones(1, 6), num_steps=10)
    tensor([-4.1589], dtype=torch.float64)

    References
    ----------
    Neal (2001), doi:10.1023/A:1008923215028; Wu et al. (2017), arXiv:1611.04273, section 3;
    the upper bound: Grosse, Ghahramani and Adams (2015), arXiv:1511.02543, section 4.
    """
    validate.model(model, "model", "encode", "log_likelihood", "latent")
    validate.matrix(x, "x")
    K, T = validate.integer(num_chains, "num_chains"), validate.integer(num_steps, "num_steps")
    validate.integer(num_leapfrog, "num_leapfrog")
    if posterior_z is not None:
        validate.floats(posterior_z, "posterior_z", (len(x), model.latent), x.dtype)
    ramp = torch.sigmoid(torch.linspace(-4, 4, T + 1, dtype=torch.float64))
    betas = ((ramp - ramp[0]) / (ramp[-1] - ramp[0])).tolist()  # dense near 0 and near 1
    walk = partial(_anneal, model, x, num_leapfrog=num_leapfrog, generator=generator)

    def prior_z(chains):
        return draw(torch.randn, (len(x), chains, model.latent), x, generator)

    with evaluating(model):
        model.encode(x)  # refuses other widths, dtypes and pixels, by the name of x
        sizes, _ = walk(prior_z(min(K, _PILOTS)), betas)
        if posterior_z is None:
            return walk(prior_z(K), betas, sizes=sizes)[1]
        start = posterior_z[:, None].expand(-1, K, -1)
        return -walk(start, betas[::-1], sizes=sizes.flip(0))[1]


def _anneal(model, x, z, betas, *, num_leapfrog, generator, sizes=None):
    """Walk from z, (B, K, L), through the temperatures.

    Returns the step sizes, (T, B), and the log of the mean weight of each image's K chains, (B,).
    Without `sizes` the step sizes adapt on the way: the weight is then a pilot's, not a bound's.
    """
    B, K, L = z.shape
    x = x.repeat_interleave(K, dim=0)  # (B * K, D)
    z = z.reshape(B * K, L)
    state = z, *_likelihood(model, x, z)
    size, used = torch.full_like(x[::K, 0], 0.2), []
    log_weight = torch.zeros_like(x[:, 0], dtype=torch.float64)
    for t in range(1, len(betas)):
        log_weight += (betas[t] - betas[t - 1]) * state[1]
        used.append(size if sizes is None else sizes[t - 1])
        step = used[-1].repeat_interleave(K)[:, None]  # (B * K, 1)
        state, acceptance = _hamiltonian(model, x, state, betas[t], step, num_leapfrog, generator)
        rate = acceptance.view(B, K).mean(dim=1)
        size = (size * torch.exp(0.2 * (rate - _ACCEPTANCE))).clamp(1e-4, 1.0)
    return torch.stack(used), log_weight.view(B, K).logsumexp(dim=1) - log(K)


def _hamiltonian(model, x, state, beta, size, num_leapfrog, generator):
    """One Metropolis-corrected Hamiltonian step that leaves p(z) p(x|z)^beta as it is."""
    z, log_p, slope = state
    p = draw(torch.randn, z.shape, z, generator)
    before = _energy(z, log_p, p, beta)
    p = p + size / 2 * (beta * slope - z)
    for _ in range(num_leapfrog):
        z = z + size * p
        log_p, slope = _likelihood(model, x, z)
        p = p + size * (beta * slope - z)
    p = p - size / 2 * (beta * slope - z)  # the last push was half a push too long
    acceptance = torch.exp(before - _energy(z, log_p, p, beta)).clamp(max=1).nan_to_num(0.0)
    accept = draw(torch.rand, acceptance.shape, acceptance, generator) < acceptance
    moved = (torch.where(accept.view(-1, *[1] * (new.ndim - 1)), new, old)
             for new, old in zip((z, log_p, slope), state, strict=True))  # fmt: skip
    return tuple(moved), acceptance


def _energy(z, log_p, p, beta):
    return 0.5 * (z.square() + p.square()).sum(dim=1) - beta * log_p


def _likelihood(model, x, z):
    """log p(x|z) and its gradient with respect to z, (B,) and (B, L)."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        log_p = model.log_likelihood(x, z)
        (slope,) = torch.autograd.grad(log_p.sum(), z)
    return log_p.detach(), slope
