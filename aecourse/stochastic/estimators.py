"""Two estimators of the gradient of an expectation, and its closed form for powers."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from aecourse import validate
from aecourse.data import draw


class GradientSamples(NamedTuple):
    """Estimates of a gradient with respect to mu and sigma: each row is one, from one draw."""

    mu: Float[Tensor, "S L"]
    sigma: Float[Tensor, "S L"]


class MomentGradient(NamedTuple):
    """A gradient with respect to mu and sigma, without noise."""

    mu: Float[Tensor, "L"]
    sigma: Float[Tensor, "L"]


def score_function_gradient(
    f: Callable[[Float[Tensor, "S L"]], Float[Tensor, "S"]],
    mu: Float[Tensor, "L"], sigma: Float[Tensor, "L"], num_samples: int,
    *, generator: torch.Generator | None = None,
) -> GradientSamples:  # fmt: skip
    """Single-sample estimates of the gradient of E[f(z)] by the slope of the log-density.

    ``f(z) * grad log N(z; mu, diag(sigma^2))`` at draws ``z = mu + sigma * eps``. Their mean over
    samples estimates the gradient with respect to mu and sigma; their variance over samples is
    that of an estimate from one sample. f need not be differentiable.

    Parameters
    ----------
    f
        One value per row; a row's value must not depend on the other rows.
    sigma
        Standard deviations, > 0.
    num_samples
        S.
    generator
        In the same state it gives the same noise as in `reparameterized_gradient`.

    Examples
    --------
    A step has an expectation that changes with mu, by the density 0.399 at 0:

    >>> zero, one = torch.zeros(1), torch.ones(1)
    >>> rng = torch.Generator().manual_seed(0)
    >>> step = lambda z: (z[:, 0] > 0).float()
    >>> found = score_function_gradient(step, zero, one, 100_000, generator=rng)
    >>> f"{found.mu.mean():.2f}"
    '0.40'

    References
    ----------
    Williams (1992), doi:10.1007/BF00992696, section 6; Mohamed et al. (2020), arXiv:1906.10652,
    section 4.
    """
    eps = _noise(f, mu, sigma, num_samples, generator)
    with torch.no_grad():
        values = _values(f, mu + sigma * eps)[:, None]  # (S, 1)
        return GradientSamples(
            values * eps / sigma, values * (eps.square() - 1) / sigma
        )


def reparameterized_gradient(
    f: Callable[[Float[Tensor, "S L"]], Float[Tensor, "S"]],
    mu: Float[Tensor, "L"], sigma: Float[Tensor, "L"], num_samples: int,
    *, generator: torch.Generator | None = None,
) -> GradientSamples:  # fmt: skip
    """Single-sample estimates of the same gradient, through z = mu + sigma * eps by autograd.

    ``(grad f(z), grad f(z) * eps)``, unbiased if f is continuous and differentiable almost
    everywhere. For a step function it is not: the estimates are 0 although the expectation
    changes with mu. The parameters are those of `score_function_gradient`.

    Examples
    --------
    >>> mu, sigma = torch.zeros(1), torch.ones(1)
    >>> reparameterized_gradient(lambda z: 3 * z[:, 0], mu, sigma, 2).mu
    tensor([[3.],
            [3.]])

    References
    ----------
    Kingma and Welling (2014), arXiv:1312.6114, section 2.4; Mohamed et al. (2020),
    arXiv:1906.10652, section 5.
    """
    eps = _noise(f, mu, sigma, num_samples, generator)
    # a copy of mu and sigma for each sample, so that autograd keeps the samples apart
    copies = [p.detach().expand_as(eps).clone().requires_grad_() for p in (mu, sigma)]
    with torch.enable_grad():
        total = _values(f, copies[0] + copies[1] * eps).sum()
    if not total.requires_grad:  # f is made of steps: its derivative is 0 where it has one
        return GradientSamples(torch.zeros_like(eps), torch.zeros_like(eps))
    return GradientSamples(*torch.autograd.grad(total, copies, materialize_grads=True))


def moment_gradient(power: int, mu: Float[Tensor, "L"], sigma: Float[Tensor, "L"]
                    ) -> MomentGradient:  # fmt: skip
    """The gradient of E[z^power] for z ~ N(mu, sigma^2) in closed form, entry by entry.

    ``E[z] = mu, E[z^2] = mu^2 + sigma^2, E[z^3] = mu^3 + 3 mu sigma^2``.

    Parameters
    ----------
    power
        1, 2 or 3.
    sigma
        Standard deviations, > 0.

    Examples
    --------
    >>> moment_gradient(3, torch.tensor([2.0]), torch.tensor([3.0]))
    MomentGradient(mu=tensor([39.]), sigma=tensor([36.]))
    """
    validate.integer(power, "power", high=3)
    _check_parameters(mu, sigma)
    if power == 1:
        return MomentGradient(torch.ones_like(mu), torch.zeros_like(sigma))
    if power == 2:
        return MomentGradient(2 * mu, 2 * sigma)
    return MomentGradient(3 * mu.square() + 3 * sigma.square(), 6 * mu * sigma)


def _noise(f, mu, sigma, num_samples, generator):
    """Check the arguments of an estimator and draw its noise, (S, L)."""
    validate.function(f, "f")
    _check_parameters(validate.detached(mu), validate.detached(sigma))
    S = validate.integer(num_samples, "num_samples")
    return draw(torch.randn, (S, len(mu)), mu, generator)


def _check_parameters(mu, sigma):
    validate.floats(mu, "mu", ("L",))
    validate.alike(sigma, "sigma", mu, "mu")
    if not (sigma > 0).all():
        raise ValueError(f"sigma must be > 0, got {sigma.tolist()}")


def _values(f, z):
    """f(z), if it is one finite value per row."""
    values = f(z)
    if not isinstance(values, Tensor) or values.shape != z.shape[:1]:
        raise ValueError(f"f must return one value per row, shape ({len(z)},), "
                         f"got {validate.describe(values)}")  # fmt: skip
    if not torch.isfinite(values).all():
        raise ValueError("f must return finite values, got NaN or infinity")
    return values
