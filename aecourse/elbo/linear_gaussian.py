"""The model with an exact answer: linear maps and Gaussians."""

from functools import partial
from math import log, pi
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from aecourse import validate
from aecourse.data import draw
from aecourse.stochastic import DiagonalGaussian
from aecourse.vae import gaussian_kl, gaussian_log_prob


class Posterior(NamedTuple):
    """p(z|x) of a `LinearGaussianModel`: a Gaussian whose covariance is the same for all x."""

    mean: Float[Tensor, "B L"]
    covariance: Float[Tensor, "L L"]


class LinearGaussianModel:
    """z ~ N(0, I), x|z ~ N(Wz + b, sigma^2 I): evidence, posterior, ELBO and gap in closed form.

    It has a VAE's methods, so every estimator of the chapter runs on it. All results are
    differentiable in W, b and sigma, which are used as given: nothing is copied. Log-densities and
    bounds are in nats, one for each image.

    Parameters
    ----------
    sigma
        Standard deviation > 0 of each pixel given z.

    Examples
    --------
    >>> model = LinearGaussianModel(torch.ones(1, 1), torch.zeros(1), sigma=1.0)
    >>> model.log_evidence(torch.tensor([[2.0]]))  # of N(0, 2) at 2
    tensor([-2.2655])

    References
    ----------
    Tipping and Bishop (1999), doi:10.1111/1467-9868.00196: W W^T + sigma^2 I in section 3.1, the
    posterior in eq. 6.
    """

    def __init__(
        self, W: Float[Tensor, "D L"], b: Float[Tensor, "D"], sigma: float | Float[Tensor, ""]
    ) -> None:
        validate.matrix(W, "W")
        validate.floats(b, "b", (len(W),), W.dtype)
        single = isinstance(sigma, Tensor) and sigma.ndim == 0
        validate.positive(sigma.item() if single else sigma, "sigma")
        self.W, self.b, self.sigma = W, b, torch.as_tensor(sigma, dtype=W.dtype, device=W.device)
        self.latent = W.shape[1]

    def precision(self) -> Float[Tensor, "L L"]:
        """The inverse covariance of the posterior, I + W^T W / sigma^2, the same for all x.

        Examples
        --------
        >>> model = LinearGaussianModel(torch.ones(1, 1), torch.zeros(1), 0.5)
        >>> model.precision()
        tensor([[5.]])
        """
        eye = torch.eye(self.latent, dtype=self.W.dtype, device=self.W.device)
        return eye + self.W.T @ self.W / self.sigma**2

    def posterior(self, x: Float[Tensor, "B D"]) -> Posterior:
        """p(z|x), with mean ``(I + W^T W / sigma^2)^-1 W^T (x - b) / sigma^2``.

        Examples
        --------
        >>> model = LinearGaussianModel(torch.ones(1, 1), torch.zeros(1), sigma=1.0)
        >>> model.posterior(torch.tensor([[2.0]]))
        Posterior(mean=tensor([[1.]]), covariance=tensor([[0.5000]]))
        """
        self._check_pixels(x)
        root = self._root()
        mean = torch.cholesky_solve(self.W.T @ (x - self.b).T / self.sigma**2, root).T
        return Posterior(mean, torch.cholesky_inverse(root))

    def log_evidence(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B"]:
        """log p(x) = log N(x; b, W W^T + sigma^2 I).

        By the Woodbury identity, at the cost of an L x L matrix: with the posterior mean m the
        quadratic form is ``|x - b - W m|^2 / sigma^2 + |m|^2``, a sum of squares.
        """
        mean = self.posterior(x).mean
        squares = self._squared_error(x, mean) / self.sigma**2 + mean.square().sum(dim=1)
        log_det = self._log_det_precision() + 2 * len(self.W) * self.sigma.log()
        return -0.5 * (squares + log_det + len(self.W) * log(2 * pi))

    def elbo(
        self, x: Float[Tensor, "B D"], mu: Float[Tensor, "B L"], logvar: Float[Tensor, "B L"]
    ) -> Float[Tensor, "B"]:
        """The ELBO for q = N(mu, diag(exp(logvar)))."""
        self._check_q(x, mu, logvar)
        # E|x - b - Wz|^2: the error at the mean, plus the variances that W passes on
        spread = torch.exp(logvar) @ self.W.square().sum(dim=0)
        expected = (self._squared_error(x, mu) + spread) / self.sigma**2
        constant = len(self.W) * (2 * self.sigma.log() + log(2 * pi))
        return -0.5 * (expected + constant) - gaussian_kl(mu, logvar)

    def gap(
        self, x: Float[Tensor, "B D"], mu: Float[Tensor, "B L"], logvar: Float[Tensor, "B L"]
    ) -> Float[Tensor, "B"]:
        """KL(q || p(z|x)) for the same q, by the formula for two Gaussians.

        Examples
        --------
        >>> model = LinearGaussianModel(torch.ones(1, 1), torch.zeros(1), sigma=1.0)
        >>> x, mu, logvar = torch.full((3, 1, 1), 2.0)
        >>> torch.allclose(model.gap(x, mu, logvar),
        ...                model.log_evidence(x) - model.elbo(x, mu, logvar))
        True
        """
        self._check_q(x, mu, logvar)
        precision, difference = self.precision(), mu - self.posterior(x).mean
        trace = torch.exp(logvar) @ precision.diagonal()
        quadratic = ((difference @ precision) * difference).sum(dim=1)
        log_dets = self._log_det_precision() + logvar.sum(dim=1)
        return 0.5 * (trace + quadratic - self.latent - log_dets)

    def encode(self, x: Float[Tensor, "B D"]) -> DiagonalGaussian:
        """The best diagonal q: the posterior's mean, variances 1 / diagonal of the precision."""
        mean = self.posterior(x).mean
        return DiagonalGaussian(mean, -self.precision().diagonal().log().expand_as(mean))

    def decode(self, z: Float[Tensor, "B L"]) -> Float[Tensor, "B D"]:
        """The mean of p(x|z), W z + b.

        Examples
        --------
        >>> W, b = torch.tensor([[2.0], [0.0]]), torch.ones(2)
        >>> model = LinearGaussianModel(W, b, sigma=1.0)
        >>> model.decode(torch.tensor([[3.0]]))
        tensor([[7., 1.]])
        """
        validate.matrix(z, "z", self.latent, self.W.dtype)
        return z @ self.W.T + self.b

    def reconstruct(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """The mean image at the posterior's mean."""
        return self.decode(self.posterior(x).mean)

    def log_likelihood(
        self, x: Float[Tensor, "B D"], z: Float[Tensor, "B L"]
    ) -> Float[Tensor, "B"]:
        """log p(x|z) of each image given its own latent."""
        self._check_pixels(x)
        mean = self.decode(z)
        return gaussian_log_prob(x, mean, 2 * self.sigma.log().expand_as(mean))

    def pairwise_log_likelihood(
        self, x: Float[Tensor, "B D"], z: Float[Tensor, "K L"]
    ) -> Float[Tensor, "B K"]:
        """log p(x_b|z_k) of every pair."""
        self._check_pixels(x)
        # by a matrix product cdist loses digits, which a small sigma turns into nats
        cdist = partial(torch.cdist, compute_mode="donot_use_mm_for_euclid_dist")
        distance = cdist(x, self.decode(z)).square() / self.sigma**2
        return -0.5 * (distance + len(self.W) * (2 * self.sigma.log() + log(2 * pi)))

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n D"]:
        """Draw n images by ancestral sampling, first z, then x given z."""
        validate.integer(n, "n")
        z, eps = (draw(torch.randn, (n, k), self.W, generator) for k in self.W.shape[::-1])
        return self.decode(z) + self.sigma * eps

    def _root(self):
        return torch.linalg.cholesky(self.precision())

    def _log_det_precision(self):
        return 2 * self._root().diagonal().log().sum()

    def _squared_error(self, x, z):
        return (x - self.decode(z)).square().sum(dim=1)

    def _check_pixels(self, x):
        validate.matrix(x, "x", len(self.W), self.W.dtype)

    def _check_q(self, x, mu, logvar):
        self._check_pixels(x)
        for name, value in (("mu", mu), ("logvar", logvar)):
            validate.floats(value, name, (len(x), self.latent), self.W.dtype)
