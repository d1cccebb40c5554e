"""Chapter 07: the evidence lower bound, and how far it is from log p(x).

The functions take any model with ``latent``, ``encode``, ``log_likelihood`` and
``pairwise_log_likelihood``: a `vae.VAE`, or a `LinearGaussianModel`, where all is known exactly.
All values are in nats, one per image.
"""

from math import log, pi

import numpy as np
import torch

from aecourse import validate
from aecourse.stochastic import reparameterize
from aecourse.vae import gaussian_kl, gaussian_log_prob


@torch.no_grad()
def elbo(model, x, num_samples=1):
    """Estimate the evidence lower bound: sampled reconstruction minus the KL in closed form.

    ``E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z))``; the mean over `num_samples` draws estimates the
    expectation without bias. The noise comes from torch's global generator. For training, with
    gradients, use `vae.vae_loss`: its "loss" is minus this for one sample.

    Parameters
    ----------
    model : VAE or LinearGaussianModel
    x : Tensor of shape (B, D)
    num_samples : int >= 1

    Returns
    -------
    Tensor of shape (B,)
        In nats per image.

    Raises
    ------
    ValueError
        If num_samples < 1, or `x` does not fit the model.

    References
    ----------
    Kingma and Welling (2014), arXiv:1312.6114, eq. 7.
    """
    validate.integer(num_samples, "num_samples")
    mu, logvar = model.encode(validate.matrix(x, "x"))
    total = torch.zeros_like(mu[:, 0])
    for _ in range(num_samples):
        total += model.log_likelihood(x, reparameterize(mu, logvar))
    return total / num_samples - gaussian_kl(mu, logvar)


@torch.no_grad()
def importance_weighted_bound(model, x, num_samples, chunk=500):
    """Estimate log p(x) from below: the logarithm of the mean of K importance weights.

    ``log (1/K) sum_k p(x|z_k) p(z_k) / q(z_k|x)`` with z_k drawn from q. Its expectation is a
    lower bound for every K, rises with K and tends to log p(x). With K = 1 it is the
    single-sample ELBO with a sampled KL.

    It streams, with a running log-sum-exp: `chunk` latents are decoded at a time, whatever K. The
    noise is drawn sample by sample from torch's global generator, so `chunk` changes the result by
    rounding only.

    Parameters
    ----------
    model : VAE or LinearGaussianModel
    x : Tensor of shape (B, D)
    num_samples : int >= 1
        K, the draws per image.
    chunk : int >= 1
        The largest number of latents decoded at once. Their images should fit a processor's
        cache: 500 are faster than 2000.

    Returns
    -------
    Tensor of shape (B,)
        In nats per image.

    Raises
    ------
    ValueError
        If num_samples < 1 or chunk < 1, or `x` does not fit the model.

    References
    ----------
    Burda et al. (2015), arXiv:1509.00519, eq. 8.
    """
    K = validate.integer(num_samples, "num_samples")
    chunk = validate.integer(chunk, "chunk")
    mu, logvar = model.encode(validate.matrix(x, "x"))
    total = torch.full_like(mu[:, 0], -torch.inf)
    at_once = min(K, max(chunk // len(x), 1))  # samples per image in one chunk
    for done in range(0, K, at_once):
        k = min(at_once, K - done)
        eps = torch.stack([torch.randn_like(mu) for _ in range(k)])  # (k, B, L)
        rows = (eps.flatten(0, 1), *(t.repeat(k, 1) if k > 1 else t for t in (mu, logvar, x)))
        log_w = torch.cat([_log_weight(model, *part)
                           for part in zip(*(t.split(chunk) for t in rows))])  # fmt: skip
        total = torch.logaddexp(total, log_w.view(k, -1).logsumexp(dim=0))
    return total - log(K)


def _log_weight(model, eps, mu, logvar, x):
    """log p(x|z) p(z) / q(z|x) at z = mu + sigma eps; the constants of p(z) and q cancel."""
    z = reparameterize(mu, logvar, eps)
    log_prior_over_q = 0.5 * (eps.square() + logvar - z.square()).sum(dim=1)
    return model.log_likelihood(x, z) + log_prior_over_q


@torch.no_grad()
def naive_log_evidence(model, x, num_samples):
    """Estimate log p(x) with draws from the prior: log (1/K) sum_k p(x|z_k), z_k ~ p(z).

    All images share the K draws: each image's estimate is what its own draws would give, but
    the errors of different images are not independent. The mean inside the logarithm is unbiased;
    the logarithm is too low on average, far too low when few draws matter.

    Parameters
    ----------
    model : VAE or LinearGaussianModel
    x : Tensor of shape (B, D)
    num_samples : int >= 1
        K; they are streamed, so memory does not depend on it.

    Returns
    -------
    Tensor of shape (B,), float64
        In nats per image.

    Raises
    ------
    ValueError
        If num_samples < 1, or `x` does not fit the model.
    """
    K = validate.integer(num_samples, "num_samples")
    like = model.encode(validate.matrix(x, "x"))[0]
    total = torch.full((1, len(x)), -torch.inf, dtype=torch.float64, device=x.device)
    for done in range(0, K, NODES):
        z = like.new_empty(min(NODES, K - done), model.latent).normal_()
        total = torch.logaddexp(total, _log_sums(model, x, z, like.new_zeros(1, len(z))))
    return total[0] - log(K)


# --- quadrature, for two latents -----------------------------------------------------------------

NODES = 2000  # latents decoded at a time
RADIUS = 7.0  # the square |z_1|, |z_2| <= 7 leaves out 5e-12 of the prior


@torch.no_grad()
def quadrature_log_evidence(model, x, points=801, radius=RADIUS):
    """log p(x), the logarithm of the integral of p(x|z) p(z), by the trapezoid rule on a grid.

    For a smooth integrand that has died out at the boundary the error falls faster than any power
    of the spacing, as soon as the spacing is below the posterior's standard deviation.

    Parameters
    ----------
    model : VAE or LinearGaussianModel with 2 latents
        Best in float64 (``model.double()``): in float32 rounding costs about 1e-4 nat.
    x : Tensor of shape (B, D)
    points : odd int >= 5
        Per axis.
    radius : float > 0
        The grid covers the square [-radius, radius]^2.

    Returns
    -------
    log_p, error : Tensor of shape (B,), float64
        In nats per image; `error` is an estimate, usually far too large: the difference to the
        grid of every second point, plus what the values on the boundary let expect outside.

    Raises
    ------
    ValueError
        For a number of latents other than 2, bad settings, or `x` that does not fit the model.

    References
    ----------
    Trefethen and Weideman (2014), doi:10.1137/130932132.
    """
    points = validate.integer(points, "points", low=5)
    if points % 2 == 0:
        raise ValueError(f"points must be odd, so that every second point is a grid, got {points}")
    radius = validate.positive(radius, "radius")
    like = _two_latents(model, x)
    axis = torch.linspace(-radius, radius, points, dtype=torch.float64)
    step, index = 2 * radius / (points - 1), torch.arange(points)
    ends = (index == 0) | (index == points - 1)
    fine = torch.where(ends, step / 2, step)
    coarse = torch.where(index % 2 == 0, 2 * fine, 0.0)
    edge = torch.where(ends, 1 / radius, 0.0)  # a Gaussian's tail is about its value / radius
    z = torch.cartesian_prod(axis, axis)
    weights = torch.stack([_outer(fine, fine), _outer(coarse, coarse),
                           _outer(edge, fine) + _outer(fine, edge)])  # fmt: skip
    log_weights = weights.log() + _log_prior(z)
    log_p, log_coarse, log_edge = _log_sums(model, x, z.to(like), log_weights.to(like.device))
    return log_p, (log_p - log_coarse).abs() + (log_edge - log_p).exp()


@torch.no_grad()
def quadrature_elbo(model, x, nodes=24):
    """The ELBO without sampling noise: Gauss-Hermite under q, minus the KL in closed form.

    Parameters
    ----------
    model : VAE or LinearGaussianModel with 2 latents
    x : Tensor of shape (B, D)
    nodes : int >= 2
        Per axis.

    Returns
    -------
    elbo, error : Tensor of shape (B,)
        In nats per image; `error` is the difference to the rule with half the nodes.

    Raises
    ------
    ValueError
        As `quadrature_log_evidence`.
    """
    nodes = validate.integer(nodes, "nodes", low=2)
    _two_latents(model, x)
    mu, logvar = model.encode(x)

    def expected_log_likelihood(n):
        t, weight = (mu.new_tensor(a) for a in np.polynomial.hermite_e.hermegauss(n))
        total = torch.zeros_like(mu[:, 0])
        weights = _outer(weight, weight) / (2 * pi)
        for eps, w in zip(torch.cartesian_prod(t, t), weights):
            total += w * model.log_likelihood(x, reparameterize(mu, logvar, eps.expand_as(mu)))
        return total

    fine, half = expected_log_likelihood(nodes), expected_log_likelihood(nodes // 2)
    return fine - gaussian_kl(mu, logvar), (fine - half).abs()


@torch.no_grad()
def quadrature_gap(model, x, panels=96, radius=RADIUS):
    """KL(q(z|x) || p(z|x)) by a composite Gauss-Legendre rule, which also normalises p(z|x).

    Both densities become probabilities of the same nodes, q_i and p_i, and the divergence is
    ``sum_i q_i log (q_i / p_i)``. Neither log p(x) nor the ELBO enters: the constant that turns
    p(x|z) p(z) into p(z|x) is this rule's own sum.

    Parameters
    ----------
    model : VAE or LinearGaussianModel with 2 latents
    x : Tensor of shape (B, D)
    panels : int >= 2
        Per axis, each with 8 nodes.
    radius : float > 0
        The panels cover the square [-radius, radius]^2.

    Returns
    -------
    gap, error : Tensor of shape (B,), float64
        In nats per image; `error` is the difference to the rule with two thirds of the panels.

    Raises
    ------
    ValueError
        As `quadrature_log_evidence`.
    """
    panels = validate.integer(panels, "panels", low=2)
    radius = validate.positive(radius, "radius")
    _two_latents(model, x)
    fine, coarse = (_gap(model, x, n, radius) for n in (panels, max(2 * panels // 3, 1)))
    return fine, (fine - coarse).abs()


def _gap(model, x, panels, radius):
    mu, logvar = model.encode(x)
    t, weight = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(8))
    half = radius / panels  # of a panel's width
    axis = (half * (t + 2 * torch.arange(panels)[:, None] + 1) - radius).flatten()
    weight = (half * weight).repeat(panels)
    log_p_sum = torch.full((len(x),), -torch.inf, dtype=torch.float64, device=x.device)
    q_sum, cross = torch.zeros_like(log_p_sum), torch.zeros_like(log_p_sum)
    nodes = torch.cartesian_prod(axis, axis).to(x.device).split(NODES)
    for z, w in zip(nodes, _outer(weight, weight).to(x.device).split(NODES)):
        log_joint = model.pairwise_log_likelihood(x, z.to(mu)).double() + _log_prior(z)  # (B, K)
        log_p_sum = torch.logaddexp(log_p_sum, (log_joint + w.log()).logsumexp(dim=1))
        log_q = _pairwise_gaussian(z, mu.double(), logvar.double())  # (B, K)
        q = log_q.exp() * w
        q_sum += q.sum(dim=1)
        cross += (q * (log_q - log_joint)).sum(dim=1)
    # with q_i = q / q_sum and p_i = joint / p_sum, the sum of q_i log (q_i / p_i)
    return cross / q_sum - q_sum.log() + log_p_sum


def _two_latents(model, x):
    """Refuse other than two latents; return a tensor in the dtype and on the device of latents."""
    if model.latent != 2:
        raise ValueError(f"model must have 2 latents for quadrature, got {model.latent}")
    return model.encode(validate.matrix(x, "x"))[0]


def _log_sums(model, x, z, log_weights):
    """log sum_k w_sk p(x_b|z_k), streamed: z (K, L), log_weights (S, K) -> (S, B), float64."""
    total = torch.full((len(log_weights), len(x)), -torch.inf, dtype=torch.float64, device=x.device)
    for z_part, log_w in zip(z.split(NODES), log_weights.split(NODES, dim=1)):
        log_p = model.pairwise_log_likelihood(x, z_part).double()  # (B, K)
        part = [(log_p + row).logsumexp(dim=1) for row in log_w]
        total = torch.logaddexp(total, torch.stack(part))
    return total


def _log_prior(z):
    return -0.5 * z.square().sum(dim=1) - z.shape[1] / 2 * log(2 * pi)


def _pairwise_gaussian(z, mu, logvar):
    """log q(z_k|x_b) of a diagonal Gaussian, (K, L), (B, L) -> (B, K)."""
    scaled = (z - mu[:, None]).square() * torch.exp(-logvar)[:, None]  # (B, K, L)
    return -0.5 * (scaled.sum(dim=2) + logvar.sum(dim=1, keepdim=True) + z.shape[1] * log(2 * pi))


def _outer(a, b):
    return torch.outer(a, b).flatten()


# --- the model with an exact answer --------------------------------------------------------------


class LinearGaussianModel:
    """z ~ N(0, I), x|z ~ N(Wz + b, sigma^2 I): evidence, posterior, ELBO and gap in closed form.

    It has a VAE's methods, so every estimator above runs on it. All results are differentiable in
    W, b and sigma, which are used as given: nothing is copied.

    Parameters
    ----------
    W : Tensor of shape (D, L), float32 or float64
    b : Tensor of shape (D,), the same dtype
    sigma : float > 0, or Tensor of shape (), cast to the dtype of W

    Raises
    ------
    ValueError
        For other shapes or dtypes, NaN or infinity, or sigma <= 0.

    References
    ----------
    Tipping and Bishop (1999), doi:10.1111/1467-9868.00196: W W^T + sigma^2 I in section 3.1, the
    posterior in eq. 6.
    """

    def __init__(self, W, b, sigma):
        validate.matrix(W, "W")
        if not isinstance(b, torch.Tensor) or b.shape != W.shape[:1] or b.dtype != W.dtype:
            given = f"{tuple(b.shape)} {b.dtype}" if isinstance(b, torch.Tensor) else repr(b)
            raise ValueError(f"b must have shape ({len(W)},) and W's dtype, got {given:.80}")
        validate.matrix(b[None], "b")
        single = isinstance(sigma, torch.Tensor) and sigma.ndim == 0
        validate.positive(sigma.item() if single else sigma, "sigma")
        self.W, self.b, self.sigma = W, b, torch.as_tensor(sigma, dtype=W.dtype, device=W.device)
        self.latent = W.shape[1]

    def precision(self):
        """The inverse covariance of the posterior, I + W^T W / sigma^2, (L, L), for all x."""
        eye = torch.eye(self.latent, dtype=self.W.dtype, device=self.W.device)
        return eye + self.W.T @ self.W / self.sigma**2

    def posterior(self, x):
        """p(z|x) = N(mean, cov), (B, D) -> mean (B, L), cov (L, L).

        ValueError for another shape or dtype of x, or NaN, as in all methods that take x.
        """
        validate.matrix(x, "x", len(self.W), self.W.dtype)
        root = self._root()
        mean = torch.cholesky_solve(self.W.T @ (x - self.b).T / self.sigma**2, root).T
        return mean, torch.cholesky_inverse(root)

    def log_evidence(self, x):
        """log p(x) = log N(x; b, W W^T + sigma^2 I), (B, D) -> (B,).

        By the Woodbury identity, at the cost of an L x L matrix: with the posterior mean m the
        quadratic form is ``|x - b - W m|^2 / sigma^2 + |m|^2``, a sum of squares.
        """
        mean, _ = self.posterior(x)
        squares = self._squared_error(x, mean) / self.sigma**2 + mean.square().sum(dim=1)
        log_det = self._log_det_precision() + 2 * len(self.W) * self.sigma.log()
        return -0.5 * (squares + log_det + len(self.W) * log(2 * pi))

    def elbo(self, x, mu, logvar):
        """The ELBO for q = N(mu, diag(exp(logvar))), (B, D), (B, L), (B, L) -> (B,)."""
        self._check(x, mu, logvar)
        # E|x - b - Wz|^2: the error at the mean, plus the variances that W passes on
        spread = torch.exp(logvar) @ self.W.square().sum(dim=0)
        expected = (self._squared_error(x, mu) + spread) / self.sigma**2
        constant = len(self.W) * (2 * self.sigma.log() + log(2 * pi))
        return -0.5 * (expected + constant) - gaussian_kl(mu, logvar)

    def gap(self, x, mu, logvar):
        """KL(q || p(z|x)) for the same q, by the formula for two Gaussians, (B,)."""
        self._check(x, mu, logvar)
        precision, difference = self.precision(), mu - self.posterior(x)[0]
        trace = torch.exp(logvar) @ precision.diagonal()
        quadratic = ((difference @ precision) * difference).sum(dim=1)
        log_dets = self._log_det_precision() + logvar.sum(dim=1)
        return 0.5 * (trace + quadratic - self.latent - log_dets)

    def encode(self, x):
        """The best diagonal q: the posterior's mean, variances 1 / diagonal of the precision."""
        mean, _ = self.posterior(x)
        return mean, -self.precision().diagonal().log().expand_as(mean)

    def decode(self, z):
        """The mean of p(x|z), W z + b, (B, L) -> (B, D); ValueError for z as for x."""
        validate.matrix(z, "z", self.latent, self.W.dtype)
        return z @ self.W.T + self.b

    def log_likelihood(self, x, z):
        """log p(x|z) of each pair, (B, D), (B, L) -> (B,)."""
        validate.matrix(x, "x", len(self.W), self.W.dtype)
        mean = self.decode(z)
        return gaussian_log_prob(x, mean, 2 * self.sigma.log().expand_as(mean))

    def pairwise_log_likelihood(self, x, z):
        """log p(x_b|z_k) for every pair, (B, D), (K, L) -> (B, K)."""
        validate.matrix(x, "x", len(self.W), self.W.dtype)
        # by a matrix product cdist loses digits, which a small sigma turns into nats
        mode = "donot_use_mm_for_euclid_dist"
        distance = torch.cdist(x, self.decode(z), compute_mode=mode).square() / self.sigma**2
        return -0.5 * (distance + len(self.W) * (2 * self.sigma.log() + log(2 * pi)))

    def sample(self, n, generator=None):
        """Draw n images by ancestral sampling, first z, then x given z: (n, D)."""
        validate.integer(n, "n")
        D, L = self.W.shape
        z, eps = (torch.randn(n, k, generator=generator, dtype=self.W.dtype).to(self.W.device)
                  for k in (L, D))  # fmt: skip
        return self.decode(z) + self.sigma * eps

    def _root(self):
        return torch.linalg.cholesky(self.precision())

    def _log_det_precision(self):
        return 2 * self._root().diagonal().log().sum()

    def _squared_error(self, x, z):
        return (x - self.decode(z)).square().sum(dim=1)

    def _check(self, x, mu, logvar):
        validate.matrix(x, "x", len(self.W), self.W.dtype)
        for name, value in (("mu", mu), ("logvar", logvar)):
            validate.matrix(value, name, self.latent, self.W.dtype)
            if len(value) != len(x):
                raise ValueError(f"{name} must have a row for each of the {len(x)} rows of x, "
                                 f"got {len(value)}")  # fmt: skip
