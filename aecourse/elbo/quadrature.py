"""log p(x), ELBO and gap by quadrature: without sampling noise, for two latents."""

from math import log, pi
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from aecourse import validate
from aecourse.elbo.bounds import AT_ONCE, LatentVariableModel, encoded, log_sums
from aecourse.stochastic import reparameterize
from aecourse.train import evaluating
from aecourse.vae import gaussian_kl

_RADIUS = 7.0  # the square |z_1|, |z_2| <= 7 leaves out 5e-12 of the prior
_PANEL = 8  # nodes of one panel of the composite rule


class Estimate(NamedTuple):
    """A value for each image, and an estimate of its error, usually far too large; in nats."""

    value: Float64[Tensor, "B"]
    error: Float64[Tensor, "B"]


@torch.no_grad()
def quadrature_log_evidence(
    model: LatentVariableModel, x: Float[Tensor, "B D"],
    num_nodes: int = 801, radius: float = _RADIUS,
) -> Estimate:  # fmt: skip
    """log p(x), the logarithm of the integral of p(x|z) p(z), by the trapezoid rule on a grid.

    For a smooth integrand that has died out at the boundary the error falls faster than any power
    of the spacing, as soon as the spacing is below the posterior's standard deviation. The error
    is estimated by the difference to the grid of every second node, plus what the values on the
    boundary let expect outside.

    Parameters
    ----------
    model
        With 2 latents. Best in float64 (``model.double()``): in float32 rounding costs about
        1e-4 nat.
    num_nodes
        Per axis, an odd number >= 5.
    radius
        The grid covers the square [-radius, radius]^2.

    Examples
    --------
    >>> from aecourse.elbo import LinearGaussianModel
    >>> model = LinearGaussianModel(torch.ones(1, 2), torch.zeros(1), sigma=1.0)
    >>> found = quadrature_log_evidence(model, torch.zeros(1, 1), num_nodes=51)
    >>> found.value  # -1/2 log 6 pi
    tensor([-1.4682], dtype=torch.float64)

    References
    ----------
    Trefethen and Weideman (2014), doi:10.1137/130932132.
    """
    validate.integer(num_nodes, "num_nodes", low=5)
    if num_nodes % 2 == 0:
        raise ValueError(f"num_nodes must be odd, so that every second is a grid, got {num_nodes}")
    validate.positive(radius, "radius")
    with evaluating(model):
        like = _encoded_in_two(model, x)[0]
        z, weights = _grids(num_nodes, radius)
        log_weights = weights.log() + _log_prior(z)
        log_p, coarse, edge = log_sums(model, x, z.to(like), log_weights.to(like.device))
    return Estimate(log_p, (log_p - coarse).abs() + (edge - log_p).exp())


def _grids(num_nodes, radius):
    """Nodes (K, 2), and three rows of weights: fine, every second node, and the boundary."""
    axis = torch.linspace(-radius, radius, num_nodes, dtype=torch.float64)
    step, index = 2 * radius / (num_nodes - 1), torch.arange(num_nodes)
    ends = (index == 0) | (index == num_nodes - 1)
    fine = torch.where(ends, step / 2, step)
    coarse = torch.where(index % 2 == 0, 2 * fine, 0.0)
    edge = torch.where(ends, 1 / radius, 0.0)  # a Gaussian's tail is about its value / radius
    rows = _outer(fine, fine), _outer(coarse, coarse), _outer(edge, fine) + _outer(fine, edge)
    return torch.cartesian_prod(axis, axis), torch.stack(rows)


@torch.no_grad()
def quadrature_elbo(
    model: LatentVariableModel, x: Float[Tensor, "B D"], num_nodes: int = 24
) -> Estimate:
    """The ELBO without sampling noise: Gauss-Hermite under q, minus the KL in closed form.

    The error is estimated by the difference to the rule with half the nodes.

    Parameters
    ----------
    model
        With 2 latents.
    num_nodes
        Per axis, at least 2.

    Examples
    --------
    >>> from aecourse.elbo import LinearGaussianModel
    >>> model = LinearGaussianModel(torch.ones(1, 2), torch.zeros(1), sigma=1.0)
    >>> quadrature_elbo(model, torch.zeros(1, 1)).value  # 0.14 below log p(x)
    tensor([-1.6121], dtype=torch.float64)
    """
    validate.integer(num_nodes, "num_nodes", low=2)
    with evaluating(model):
        mu, logvar = _encoded_in_two(model, x)
        fine, half = (_gauss_hermite(model, x, mu, logvar, n) for n in (num_nodes, num_nodes // 2))
    kl = gaussian_kl(mu.double(), logvar.double())
    return Estimate(fine - kl, (fine - half).abs())


def _gauss_hermite(model, x, mu, logvar, n):
    """E_q[log p(x|z)] with n nodes per axis, (B,)."""
    t, weight = (mu.new_tensor(a) for a in np.polynomial.hermite_e.hermegauss(n))
    total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    for eps, w in zip(torch.cartesian_prod(t, t), _outer(weight, weight) / (2 * pi)):
        total += w * model.log_likelihood(x, reparameterize(mu, logvar, eps.expand_as(mu)))
    return total


@torch.no_grad()
def quadrature_gap(
    model: LatentVariableModel, x: Float[Tensor, "B D"],
    num_nodes: int = 96 * _PANEL, radius: float = _RADIUS,
) -> Estimate:  # fmt: skip
    """KL(q(z|x) || p(z|x)) by a composite Gauss-Legendre rule, which also normalises p(z|x).

    Both densities become probabilities of the same nodes, q_i and p_i, and the divergence is
    ``sum_i q_i log (q_i / p_i)``. Neither log p(x) nor the ELBO enters: the constant that turns
    p(x|z) p(z) into p(z|x) is this rule's own sum. The error is estimated by the difference to the
    rule with two thirds of the panels.

    Parameters
    ----------
    model
        With 2 latents.
    num_nodes, radius
        As for `quadrature_log_evidence`, but in panels of 8 nodes: a multiple of 8, at least 16.

    Examples
    --------
    >>> from aecourse.elbo import LinearGaussianModel
    >>> model = LinearGaussianModel(torch.ones(1, 2), torch.zeros(1), sigma=1.0)
    >>> found = quadrature_gap(model, torch.zeros(1, 1), num_nodes=80)
    >>> found.value  # log 2 - 1/2 log 3
    tensor([0.1438], dtype=torch.float64)
    """
    validate.integer(num_nodes, "num_nodes", low=2 * _PANEL)
    if num_nodes % _PANEL:
        raise ValueError(f"num_nodes must be a multiple of {_PANEL}, got {num_nodes}")
    validate.positive(radius, "radius")
    panels = num_nodes // _PANEL
    with evaluating(model):
        q = _encoded_in_two(model, x)
        fine, coarse = (_gap(model, x, *q, n, radius) for n in (panels, max(2 * panels // 3, 1)))
    return Estimate(fine, (fine - coarse).abs())


def _gap(model, x, mu, logvar, panels, radius):
    t, weight = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(_PANEL))
    half = radius / panels  # of a panel's width
    axis = (half * (t + 2 * torch.arange(panels)[:, None] + 1) - radius).flatten()
    weight = (half * weight).repeat(panels)
    log_p_sum = torch.full((len(x),), -torch.inf, dtype=torch.float64, device=x.device)
    q_sum, cross = torch.zeros_like(log_p_sum), torch.zeros_like(log_p_sum)
    nodes = torch.cartesian_prod(axis, axis).to(x.device).split(AT_ONCE)
    for z, w in zip(nodes, _outer(weight, weight).to(x.device).split(AT_ONCE)):
        log_joint = model.pairwise_log_likelihood(x, z.to(mu)).double() + _log_prior(z)  # (B, K)
        log_p_sum = torch.logaddexp(log_p_sum, (log_joint + w.log()).logsumexp(dim=1))
        log_q = _pairwise_gaussian(z, mu.double(), logvar.double())  # (B, K)
        q = log_q.exp() * w
        q_sum += q.sum(dim=1)
        cross += (q * (log_q - log_joint)).sum(dim=1)
    # with q_i = q / q_sum and p_i = joint / p_sum, the sum of q_i log (q_i / p_i)
    return cross / q_sum - q_sum.log() + log_p_sum


def _encoded_in_two(model, x):
    """The parameters of q(z|x), of a model with two latents."""
    q = encoded(model, x)
    if model.latent != 2:
        raise ValueError(f"model must have 2 latents for quadrature, got {model.latent}")
    return q


def _log_prior(z):
    return -0.5 * z.square().sum(dim=1) - z.shape[1] / 2 * log(2 * pi)


def _pairwise_gaussian(z, mu, logvar):
    """log q(z_k|x_b) of a diagonal Gaussian, (K, L), (B, L) -> (B, K)."""
    scaled = (z - mu[:, None]).square() * torch.exp(-logvar)[:, None]  # (B, K, L)
    return -0.5 * (scaled.sum(dim=2) + logvar.sum(dim=1, keepdim=True) + z.shape[1] * log(2 * pi))


def _outer(a, b):
    return torch.outer(a, b).flatten()
