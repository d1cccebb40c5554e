"""The score that a denoiser knows, and a denoiser applied again and again."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import pi

import torch
from jaxtyping import Float
from torch import Tensor

from aecourse import validate
from aecourse.data import draw


class GaussianMixtureScore:
    """A mixture of round Gaussians with its exact score and its exact optimal denoiser.

    ``p(x) = sum_c w_c N(x; m_c, s_c^2 I)``. With noise of standard deviation sigma added it turns
    into ``p_sigma(x) = sum_c w_c N(x; m_c, (s_c^2 + sigma^2) I)``: all else follows in closed form.

    Parameters
    ----------
    weights
        w_c, positive with sum 1.
    sigmas
        s_c >= 0. Zero is a point: its density exists for sigma > 0 only.

    Examples
    --------
    >>> half, places = torch.tensor([0.5, 0.5]), torch.tensor([[-1.0], [1.0]])
    >>> points = GaussianMixtureScore(half, places, torch.zeros(2))
    >>> points.denoise(torch.tensor([[0.0], [9.0]]), 1.0)  # tanh(x_tilde)
    tensor([[0.],
            [1.]])
    """

    def __init__(
        self,
        weights: Float[Tensor, "C"],
        means: Float[Tensor, "C D"],
        sigmas: Float[Tensor, "C"],
    ):
        self.weights = validate.floats(weights, "weights", ("C",))
        C, dtype = len(weights), weights.dtype
        self.means = validate.floats(means, "means", (C, "D"), dtype)
        self.sigmas = validate.floats(sigmas, "sigmas", (C,), dtype)
        if (weights <= 0).any() or abs(weights.sum().item() - 1) > 1e-5:
            raise ValueError(f"weights must be positive with sum 1, got {weights.tolist()}")
        if (sigmas < 0).any():
            raise ValueError(f"sigmas must be >= 0, got {sigmas.tolist()}")

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n D"]:
        """Draw n points: first a component c, then ``m_c + s_c eps``."""
        validate.integer(n, "n")
        validate.generator(generator)
        weights = self.weights if generator is None else self.weights.to(generator.device)
        c = torch.multinomial(weights, n, replacement=True, generator=generator)
        means, sigmas = self.means[c], self.sigmas[c, None]
        return means + sigmas * draw(torch.randn, means.shape, means, generator)

    def log_density(self, x: Float[Tensor, "N D"], sigma: float = 0.0) -> Float[Tensor, "N"]:
        """log p_sigma(x), in nats."""
        return self._log_joint(x, "x", sigma)[0].logsumexp(dim=1)

    def score(self, x: Float[Tensor, "N D"], sigma: float = 0.0) -> Float[Tensor, "N D"]:
        """The gradient of log p_sigma at each point.

        ``sum_c p_sigma(c|x) (m_c - x) / (s_c^2 + sigma^2)``.

        Examples
        --------
        >>> one = torch.ones(1)
        >>> normal = GaussianMixtureScore(one, 3 * one[:, None], one)
        >>> normal.score(torch.tensor([[0.0]]))
        tensor([[3.]])
        """
        log_joint, variances = self._log_joint(x, "x", sigma)
        pull = log_joint.softmax(dim=1) / variances  # (N, C)
        return pull @ self.means - pull.sum(dim=1, keepdim=True) * x

    def denoise(self, x_tilde: Float[Tensor, "N D"], sigma: float) -> Float[Tensor, "N D"]:
        """The posterior mean E[x | x_tilde], which no denoiser can beat in squared error.

        ``sum_c p_sigma(c|x_tilde) (m_c + s_c^2 / (s_c^2 + sigma^2) (x_tilde - m_c))``, without the
        score, so that the two can be compared: ``x_tilde + sigma^2 score(x_tilde, sigma)``.

        References
        ----------
        Robbins (1956); Efron (2011), doi:10.1198/jasa.2011.tm11181, eq. 1.4.
        """
        log_joint, variances = self._log_joint(x_tilde, "x_tilde", sigma)
        share = log_joint.softmax(dim=1)  # (N, C): the component's posterior
        shrink = self.sigmas.square() / variances  # (C,)
        return share @ ((1 - shrink)[:, None] * self.means) + (share @ shrink)[:, None] * x_tilde

    def _log_joint(self, x, name, sigma):
        """log w_c N(x; m_c, v_c I), (N, C), and the variances v_c = s_c^2 + sigma^2, (C,)."""
        D = self.means.shape[1]
        validate.matrix(x, name, D, self.means.dtype)
        variances = self.sigmas.square() + validate.nonnegative(sigma, "sigma") ** 2
        if (variances == 0).any():
            raise ValueError("sigma must be > 0 where a component's own is 0, got 0")
        squares = (x[:, None] - self.means).square().sum(dim=2)  # (N, C)
        log_normal = -squares / (2 * variances) - D / 2 * (2 * pi * variances).log()
        return self.weights.log() + log_normal, variances


def iterate_denoiser(
    denoise: Callable[[Tensor, float], Tensor],
    x: Float[Tensor, "N D"],
    sigmas: Sequence[float],
) -> Float[Tensor, "N D"]:
    """Remove noise in small steps: from level sigmas[0] down to the last, deterministically.

    Each step keeps the direction of the noise that the denoiser sees and shortens it:
    ``x <- D(x, s) + (s' / s) (x - D(x, s))`` for neighbours s > s' of `sigmas`. It is Euler's
    step of the probability-flow equation ``dx/ds = (x - D(x, s)) / s``.

    Parameters
    ----------
    denoise
        A denoiser D for every noise level in `sigmas`.
    x
        Where to start; noise of standard deviation sigmas[0] for "from nothing".
    sigmas
        A list or tuple of at least two falling numbers >= 0.

    Examples
    --------
    >>> to_zero = lambda x, sigma: 0 * x
    >>> iterate_denoiser(to_zero, torch.ones(1, 2), [8.0, 2.0, 1.0])
    tensor([[0.1250, 0.1250]])

    References
    ----------
    Song et al. (2021), arXiv:2010.02502, eq. 12 with its sigma_t = 0; Karras et al. (2022),
    arXiv:2206.00364, eqs. 1 and 3, and algorithm 1 without its second-order correction.
    """
    validate.function(denoise, "denoise")
    validate.matrix(x, "x")
    for sigma, lower in pairwise(_falling(sigmas)):
        x_hat = denoise(x, sigma)
        validate.alike(x_hat, "denoise(x, sigma)", x, "x")
        x = x_hat + lower / sigma * (x - x_hat)
    return x


def _falling(sigmas):
    """Check noise levels and return them as floats."""
    if not isinstance(sigmas, list | tuple):
        raise ValueError(f"sigmas must be a list or tuple, got {validate.describe(sigmas)}")
    levels = [validate.nonnegative(sigma, "each of sigmas") for sigma in sigmas]
    if len(levels) < 2 or not all(high > low for high, low in pairwise(levels)):
        raise ValueError(f"sigmas must be at least two falling numbers >= 0, got {sigmas!r:.80}")
    return levels
