"""Bounds of log p(x) from samples: the ELBO, and importance weights."""

from math import log
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from aecourse import validate
from aecourse.data import draw
from aecourse.stochastic import DiagonalGaussian, reparameterize
from aecourse.train import evaluating
from aecourse.vae import gaussian_kl

AT_ONCE = 2000  # latents decoded at a time


@runtime_checkable
class LatentVariableModel(Protocol):
    """What every estimator asks of a model; the prior is N(0, I)."""

    latent: int

    def encode(self, x: Float[Tensor, "B D"]) -> DiagonalGaussian:
        """The parameters of q(z|x)."""

    def log_likelihood(
        self, x: Float[Tensor, "B D"], z: Float[Tensor, "B L"]
    ) -> Float[Tensor, "B"]:
        """log p(x|z) of each image given its own latent."""

    def pairwise_log_likelihood(
        self, x: Float[Tensor, "B D"], z: Float[Tensor, "K L"]
    ) -> Float[Tensor, "B K"]:
        """log p(x_b|z_k) of every pair."""


@torch.no_grad()
def elbo(
    model: LatentVariableModel, x: Float[Tensor, "B D"], num_samples: int = 1, *,
    generator: torch.Generator | None = None,
) -> Float64[Tensor, "B"]:  # fmt: skip
    """Estimate the evidence lower bound: sampled reconstruction minus the KL in closed form.

    ``E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z))``; the mean over `num_samples` draws estimates the
    expectation without bias. For training, with gradients, use `vae.vae_loss`: its "loss" is minus
    this for one sample.

    Examples
    --------
    >>> from aecourse.elbo import LinearGaussianModel
    >>> model = LinearGaussianModel(torch.ones(1, 2), torch.zeros(1), sigma=1.0)
    >>> x = torch.zeros(1, 1)
    >>> bool(elbo(model, x, 1000) < model.log_evidence(x))  # by 0.14
    True

    References
    ----------
    Kingma and Welling (2014), arXiv:1312.6114, eq. 7.
    """
    validate.integer(num_samples, "num_samples")
    with evaluating(model):
        mu, logvar = encoded(model, x)
        total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        for _ in range(num_samples):
            total += model.log_likelihood(x, reparameterize(mu, logvar, generator=generator))
    return total / num_samples - gaussian_kl(mu.double(), logvar.double())


@torch.no_grad()
def importance_weighted_bound(
    model: LatentVariableModel, x: Float[Tensor, "B D"], num_samples: int, *,
    chunk: int = 500, generator: torch.Generator | None = None,
) -> Float64[Tensor, "B"]:  # fmt: skip
    """Estimate log p(x) from below: the logarithm of the mean of K importance weights.

    ``log (1/K) sum_k p(x|z_k) p(z_k) / q(z_k|x)`` with z_k drawn from q. Its expectation is a
    lower bound for every K, rises with K and tends to log p(x). With K = 1 it is the
    single-sample ELBO with a sampled KL.

    Parameters
    ----------
    num_samples
        K, the draws per image. They are streamed, so memory does not depend on it.
    chunk
        The largest number of latents decoded at once; it changes the result by rounding only.
        Their images should fit a processor's cache: 500 are faster than 2000.

    Examples
    --------
    >>> from aecourse.elbo import LinearGaussianModel
    >>> model = LinearGaussianModel(torch.ones(1, 1), torch.zeros(1), sigma=1.0)
    >>> x = torch.full((1, 1), 2.0)  # log p(x) = -2.27
    >>> generator = torch.Generator().manual_seed(0)
    >>> bound = importance_weighted_bound(model, x, 1000, generator=generator)
    >>> round(bound.item(), 1)
    -2.3

    References
    ----------
    Burda et al. (2015), arXiv:1509.00519, eq. 8.
    """
    K = validate.integer(num_samples, "num_samples")
    validate.integer(chunk, "chunk")
    with evaluating(model):
        mu, logvar = encoded(model, x)
        total = torch.full((len(x),), -torch.inf, dtype=torch.float64, device=x.device)
        at_once = min(K, max(chunk // len(x), 1))  # samples per image in one chunk
        for done in range(0, K, at_once):
            k = min(at_once, K - done)
            # drawn sample by sample: the same noise whatever the chunk
            eps = torch.stack([draw(torch.randn, mu.shape, mu, generator) for _ in range(k)])
            rows = (eps.flatten(0, 1), *(t.repeat(k, 1) if k > 1 else t for t in (mu, logvar, x)))
            log_w = torch.cat([_log_weight(model, *part)
                               for part in zip(*(t.split(chunk) for t in rows))])  # fmt: skip
            total = torch.logaddexp(total, log_w.double().view(k, -1).logsumexp(dim=0))
    return total - log(K)


@torch.no_grad()
def naive_log_evidence(
    model: LatentVariableModel, x: Float[Tensor, "B D"], num_samples: int, *,
    generator: torch.Generator | None = None,
) -> Float64[Tensor, "B"]:  # fmt: skip
    """Estimate log p(x) with draws from the prior: log (1/K) sum_k p(x|z_k), z_k ~ p(z).

    All images share the K draws: each image's estimate is what its own draws would give, but
    the errors of different images are not independent. The mean inside the logarithm is unbiased;
    the logarithm is too low on average, far too low when few draws matter.

    Parameters
    ----------
    num_samples
        K. They are streamed, so memory does not depend on it.
    """
    K = validate.integer(num_samples, "num_samples")
    with evaluating(model):
        like = encoded(model, x)[0]
        total = torch.full((1, len(x)), -torch.inf, dtype=torch.float64, device=x.device)
        for done in range(0, K, AT_ONCE):
            shape = min(AT_ONCE, K - done), model.latent
            z = draw(torch.randn, shape, like, generator)
            total = torch.logaddexp(total, log_sums(model, x, z, like.new_zeros(1, len(z))))
    return total[0] - log(K)


def encoded(model, x):
    """The parameters of q(z|x), (B, L) each, of a model that fits the estimators."""
    methods = "encode", "log_likelihood", "pairwise_log_likelihood"
    validate.model(model, "model", *methods, "latent")
    return model.encode(x)


def log_sums(model, x, z, log_weights):
    """log sum_k w_sk p(x_b|z_k), streamed: z (K, L), log_weights (S, K) -> (S, B), float64."""
    total = torch.full((len(log_weights), len(x)), -torch.inf, dtype=torch.float64, device=x.device)
    for z_part, log_w in zip(z.split(AT_ONCE), log_weights.split(AT_ONCE, dim=1)):
        log_p = model.pairwise_log_likelihood(x, z_part).double()  # (B, K)
        part = [(log_p + row).logsumexp(dim=1) for row in log_w]
        total = torch.logaddexp(total, torch.stack(part))
    return total


def _log_weight(model, eps, mu, logvar, x):
    """log p(x|z) p(z) / q(z|x) at z = mu + sigma eps; the constants of p(z) and q cancel."""
    z = reparameterize(mu, logvar, eps)
    log_prior_over_q = 0.5 * (eps.square() + logvar - z.square()).sum(dim=1)
    return model.log_likelihood(x, z) + log_prior_over_q
