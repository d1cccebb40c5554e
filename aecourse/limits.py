"""Chapter 08: what limits a VAE, and the instruments that measure it."""

from math import log

import torch
from torch import nn

from aecourse import validate
from aecourse.autoencoder import mlp
from aecourse.generation import mixture_sampler
from aecourse.stochastic import GaussianEncoder, reparameterize
from aecourse.vae import VAE, bernoulli_nll, gaussian_kl, gaussian_log_prob

ACCEPTANCE = 0.65  # the best rate for Hamiltonian Monte Carlo (Neal, 2011, section 4.4)
PILOTS = 4  # chains per image that find the step sizes


@torch.no_grad()
def unit_variances(model, x):
    """How much the posterior mean of each latent unit varies over images: Var_x E[z_j | x].

    For the second layer of a `HierarchicalVAE` the mean E[z2|x] runs over z1 as well. Its variance
    is the covariance over x of mu2 at two independent draws of z1, so no average is needed.

    Parameters
    ----------
    model : VAE or HierarchicalVAE
    x : Tensor of shape (B, D), B >= 2

    Returns
    -------
    Tensor of shape (L,), or a tuple of two, one per layer, for a `HierarchicalVAE`
        Near 0 for a unit that ignores the image, near 1 for one that q(z|x) knows precisely.

    Raises
    ------
    ValueError
        For another shape or dtype, NaN, or fewer than two images.

    References
    ----------
    Burda, Grosse and Salakhutdinov (2015), arXiv:1509.00519, section 5.2.
    """
    validate.matrix(x, "x")
    if len(x) < 2:
        raise ValueError(f"x must have at least 2 images, got {len(x)}")
    mu, logvar = model.encode(x)
    if not isinstance(model, HierarchicalVAE):
        return mu.var(dim=0)
    a, b = (model.encode_top(reparameterize(mu, logvar))[0] for _ in range(2))  # (B, L2)
    covariance = ((a - a.mean(dim=0)) * (b - b.mean(dim=0))).sum(dim=0) / (len(x) - 1)
    return mu.var(dim=0), covariance


def active_units(model, x, threshold=0.01):
    """Count the latent units whose posterior mean varies over images by more than `threshold`.

    Parameters
    ----------
    model, x
        As for `unit_variances`; ValueError as there.
    threshold : float > 0
        Of the variance; 0.01 in the literature.

    Returns
    -------
    int, or a tuple of two, one per layer, for a `HierarchicalVAE`
    """
    validate.positive(threshold, "threshold")
    variances = unit_variances(model, x)
    if isinstance(variances, tuple):
        return tuple(int((v > threshold).sum()) for v in variances)
    return int((variances > threshold).sum())


class HierarchicalVAE(nn.Module):
    """A VAE with two stochastic layers: z2 -> z1 -> x to generate, x -> z1 -> z2 to infer.

    Prior p(z2) = N(0, I), then p(z1|z2) Gaussian and p(x|z1) Bernoulli; posterior q(z1|x) q(z2|z1).
    `HierarchicalVAE([784, 256], (50, 20))` has the notes' 784 -> 256 -> 50 + 50 at its bottom.

    Parameters
    ----------
    sizes : sequence of int >= 1
        Widths from the image up to z1, without z1.
    latents : tuple of two ints >= 1
        Lengths L1 and L2 of z1 and z2.
    hidden : int >= 1
        Width of the one hidden layer between z1 and z2, each way.
    activation : callable -> nn.Module

    Raises
    ------
    ValueError
        For sizes below 1, or not two latents.
    """

    def __init__(self, sizes, latents, *, hidden=64, activation=nn.GELU):
        super().__init__()
        if not isinstance(sizes, (tuple, list)):
            raise ValueError("sizes must list the widths without the "
                             f"latents, got {sizes!r}")  # fmt: skip
        if not isinstance(latents, (tuple, list)) or len(latents) != 2:
            raise ValueError("latents must be two integers >= 1, "
                             f"got {latents!r}")  # fmt: skip
        L1, L2 = (validate.integer(size, "latents") for size in latents)
        validate.integer(hidden, "hidden")
        self.latents = L1, L2
        # to infer: q(z1|x) and q(z2|z1)
        self.encoder = GaussianEncoder([*sizes, 2 * L1], activation)
        self.top_encoder = GaussianEncoder([L1, hidden, 2 * L2], activation)
        # to generate: p(z1|z2) and the logits of p(x|z1)
        self.top_decoder = GaussianEncoder([L2, hidden, 2 * L1], activation)
        self.decoder = mlp([L1, *sizes[::-1]], activation)

    def encode(self, x):
        """Mean and log-variance of q(z1|x), (B, D) -> (B, L1) twice."""
        return self.encoder(x)

    def encode_top(self, z1):
        """Mean and log-variance of q(z2|z1), (B, L1) -> (B, L2) twice."""
        return self.top_encoder(z1)

    def decode_top(self, z2):
        """Mean and log-variance of p(z1|z2), (B, L2) -> (B, L1) twice."""
        return self.top_decoder(z2)

    def decode(self, z1):
        """Logits of p(x|z1), (B, L1) -> (B, D)."""
        return self.decoder(validate.matrix(z1, "z1", self.latents[0]))

    @torch.no_grad()
    def sample(self, n, generator=None):
        """Draw z2, then z1, and return the mean images, (n, D). ValueError if n < 1."""
        n, (L1, L2) = validate.integer(n, "n"), self.latents
        like = self.decoder[0].weight
        z2 = torch.randn(n, L2, generator=generator).to(like)
        eps = torch.randn(n, L1, generator=generator).to(like)
        z1 = reparameterize(*self.decode_top(z2), eps)
        return self.decode(z1).sigmoid()


def hierarchical_loss(model, x, beta=1.0):
    """The negative ELBO of a `HierarchicalVAE` from one draw of z1 and z2, in nats per image.

    ``-log p(x|z1) + beta (kl_1 + kl_2)``, where ``kl_2 = KL(q(z2|z1) || p(z2))`` is in closed form,
    and ``kl_1 = log q(z1|x) - log p(z1|z2)`` is not: z2 was drawn *from* z1, so that given z2 the
    draw z1 no longer follows q(z1|x), and the closed form at z2 would be another quantity.

    Parameters
    ----------
    model : HierarchicalVAE
    x : Tensor of shape (B, D), pixels in [0, 1]
    beta : float >= 0
        Weight of both KL terms; 1 is the ELBO. A warm-up raises it from near 0 to 1.

    Returns
    -------
    dict of Tensors of shape (B,)
        "loss", "reconstruction", "kl_1" (of one draw: may be negative) and "kl_2".

    Raises
    ------
    ValueError
        For another shape or dtype, pixels outside [0, 1], or a negative beta.

    References
    ----------
    Kingma and Welling (2014), arXiv:1312.6114, eq. 2; two layers as in Burda et al. (2015), eq. 2.
    """
    validate.images(x)
    validate.nonnegative(beta, "beta")
    mu, logvar = model.encode(x)
    z1 = reparameterize(mu, logvar)  # (B, L1)
    mu_top, logvar_top = model.encode_top(z1)
    z2 = reparameterize(mu_top, logvar_top)  # (B, L2)
    nll = bernoulli_nll(model.decode(z1), x)
    log_q = gaussian_log_prob(z1, mu, logvar)
    log_p = gaussian_log_prob(z1, *model.decode_top(z2))
    kl_1, kl_2 = log_q - log_p, gaussian_kl(mu_top, logvar_top)
    loss = nll + beta * (kl_1 + kl_2)
    return {"loss": loss, "reconstruction": nll, "kl_1": kl_1, "kl_2": kl_2}


@torch.no_grad()
def annealed_importance_sampling(model, x, num_chains=16, num_steps=200, *, leapfrog=5,
                                 posterior_z=None):  # fmt: skip
    """Bound log p(x) by annealing between the prior and the posterior.

    Each chain walks through ``p(z) p(x|z)^beta`` with beta from 0 to 1, by one Hamiltonian step at
    each temperature, and collects a weight whose mean is p(x) exactly. The log of the average
    weight is therefore a lower bound in expectation, and tightens with chains and with steps.

    With `posterior_z` the chains walk back, from 1 to 0, and their mean weight is 1 / p(x): minus
    its log is an *upper* bound. That needs an exact draw from p(z|x), which you have for data
    simulated from the model: the z that made x.

    A few pilot chains per image find step sizes; these are frozen before the chains that count.

    Parameters
    ----------
    model : VAE, or anything with `log_likelihood(x, z) -> (B,)` and `latent`
        The prior is N(0, I).
    x : Tensor of shape (B, D)
    num_chains : int >= 1
        Per image; all B * num_chains run at once, so this sets the memory.
    num_steps : int >= 1
        Temperatures. Time grows with it.
    leapfrog : int >= 1
        Gradient evaluations at each temperature.
    posterior_z : Tensor of shape (B, L), optional
        One exact draw from p(z|x) per image.

    Returns
    -------
    Tensor of shape (B,)
        In nats: a lower bound, or with `posterior_z` an upper bound, of log p(x) in expectation.

    Raises
    ------
    ValueError
        For another shape or dtype, NaN, a count below 1, or Bernoulli pixels outside [0, 1].

    References
    ----------
    Neal (2001), doi:10.1023/A:1008923215028; Wu et al. (2017), arXiv:1611.04273, section 3;
    the upper bound: Grosse, Ghahramani and Adams (2015), arXiv:1511.02543, section 4.
    """
    validate.matrix(x, "x")
    K, T = validate.integer(num_chains, "num_chains"), validate.integer(num_steps, "num_steps")
    validate.integer(leapfrog, "leapfrog")
    if isinstance(model, VAE):
        model.encode(x)  # refuses other widths, dtypes and pixels, by the name of x
    if posterior_z is not None:
        validate.matrix(posterior_z, "posterior_z", model.latent, x.dtype)
        if len(posterior_z) != len(x):
            raise ValueError(f"posterior_z must have one row per image, {len(x)}, "
                             f"got {len(posterior_z)}")  # fmt: skip
    ramp = torch.sigmoid(torch.linspace(-4, 4, T + 1, dtype=torch.float64))
    betas = ((ramp - ramp[0]) / (ramp[-1] - ramp[0])).tolist()  # dense near 0 and near 1

    def draws(chains):
        return torch.randn(len(x), chains, model.latent).to(x)

    sizes, _ = _anneal(model, x, draws(min(K, PILOTS)), betas, leapfrog)
    if posterior_z is None:
        return _anneal(model, x, draws(K), betas, leapfrog, sizes)[1]
    start = posterior_z[:, None].expand(-1, K, -1)
    return -_anneal(model, x, start, betas[::-1], leapfrog, sizes.flip(0))[1]


def _anneal(model, x, z, betas, leapfrog, sizes=None):
    """Walk from z, (B, K, L), through the temperatures.

    Returns the step sizes, (T, B), and the log of the mean weight of each image's K chains, (B,).
    Without `sizes` the step sizes adapt on the way: the weight is then a pilot's, not a bound's.
    """
    B, K, L = z.shape
    x = x.repeat_interleave(K, dim=0)  # (B * K, D)
    z = z.reshape(B * K, L)
    state = z, *_likelihood(model, x, z)
    size, used, log_weight = torch.full_like(x[::K, 0], 0.2), [], torch.zeros_like(x[:, 0])
    for t in range(1, len(betas)):
        log_weight += (betas[t] - betas[t - 1]) * state[1]
        used.append(size if sizes is None else sizes[t - 1])
        step = used[-1].repeat_interleave(K)[:, None]  # (B * K, 1)
        state, acceptance = _hamiltonian(model, x, state, betas[t], step, leapfrog)
        rate = acceptance.view(B, K).mean(dim=1)
        size = (size * torch.exp(0.2 * (rate - ACCEPTANCE))).clamp(1e-4, 1.0)
    return torch.stack(used), log_weight.view(B, K).logsumexp(dim=1) - log(K)


def _hamiltonian(model, x, state, beta, size, leapfrog):
    """One Metropolis-corrected Hamiltonian step that leaves p(z) p(x|z)^beta as it is."""
    z, log_p, slope = state
    p = torch.randn_like(z)
    before = _energy(z, log_p, p, beta)
    p = p + size / 2 * (beta * slope - z)
    for _ in range(leapfrog):
        z = z + size * p
        log_p, slope = _likelihood(model, x, z)
        p = p + size * (beta * slope - z)
    p = p - size / 2 * (beta * slope - z)  # the last push was half a push too long
    acceptance = torch.exp(before - _energy(z, log_p, p, beta)).clamp(max=1).nan_to_num(0.0)
    accept = torch.rand_like(acceptance) < acceptance
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


@torch.no_grad()
def fit_prior(model, x, components=50, *, seed=0):
    """Fit a mixture of Gaussians to the aggregate posterior: one draw of q(z|x) per image.

    Parameters
    ----------
    model : VAE
    x : Tensor of shape (N, D), training images
    components, seed
        As for `generation.mixture_sampler`; the draws come from torch's global generator.

    Returns
    -------
    CodeSampler
        Call it with n to draw latents for `model.pixels`.

    Raises
    ------
    ValueError
        As `generation.mixture_sampler`.

    References
    ----------
    Tomczak and Welling (2018), arXiv:1705.07120, section 2; in a second stage: Dai and Wipf
    (2019), arXiv:1903.05789, section 4.
    """
    z = reparameterize(*model.encode(x))
    return mixture_sampler(z, components, seed=seed)


@torch.no_grad()
def prior_elbo(model, x, prior, num_samples=1):
    """The ELBO with `prior` in the place of N(0, I), (B, D) -> (B,), in nats.

    The mean over draws z of ``log p(x|z) + log prior(z) - log q(z|x)``. With a mixture the KL
    divergence has no closed form, so it is sampled together with the rest.

    Parameters
    ----------
    model : VAE
    x : Tensor of shape (B, D)
    prior : CodeSampler
        From `fit_prior`: anything with `log_density(z) -> (B,)`.
    num_samples : int >= 1
        Draws of z per image.

    Raises
    ------
    ValueError
        For another shape or dtype, NaN, or num_samples < 1.
    """
    validate.integer(num_samples, "num_samples")
    mu, logvar = model.encode(validate.matrix(x, "x"))
    total = torch.zeros_like(mu[:, 0])
    for _ in range(num_samples):
        z = reparameterize(mu, logvar)
        total += model.log_likelihood(x, z) - gaussian_log_prob(z, mu, logvar)
        total += prior.log_density(z).to(total)
    return total / num_samples
