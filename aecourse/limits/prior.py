"""A prior that is fitted to the codes in the place of N(0, I)."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from aecourse import validate
from aecourse.generation import CodeSampler, mixture_sampler
from aecourse.stochastic import reparameterize
from aecourse.train import evaluating
from aecourse.vae import VAE, gaussian_log_prob


@torch.no_grad()
def fit_prior(
    model: VAE,
    x: Float[Tensor, "N D"],
    num_components: int = 50,
    *,
    seed: int = 0,
) -> CodeSampler:
    """Fit a mixture of Gaussians to the aggregate posterior: one draw of q(z|x) per image.

    The best prior for ``mean_n E_q(z|x_n)[log p(z)]`` is ``mean_n q(z|x_n)``, from which the draws
    come.

    Parameters
    ----------
    x
        Training images.
    num_components, seed
        As for `generation.mixture_sampler`; the seed is also that of the draws.

    Returns
    -------
    CodeSampler
        Call it with n to draw latents for `model.pixels`.

    Examples
    --------
    >>> model = VAE([784, 256], latent=5)
    >>> prior = fit_prior(model, torch.rand(50, 784), num_components=2)
    >>> model.pixels(prior(3)).shape
    torch.Size([3, 784])

    References
    ----------
    Tomczak and Welling (2018), arXiv:1705.07120, section 2; in a second stage: Dai and Wipf
    (2019), arXiv:1903.05789, section 4.
    """
    validate.model(model, "model", "encode", "pixels")
    seed = validate.integer(seed, "seed", low=0)
    with evaluating(model):
        mu, logvar = model.encode(validate.matrix(x, "x"))
    generator = torch.Generator().manual_seed(seed)
    z = reparameterize(mu, logvar, generator=generator)
    return mixture_sampler(z, num_components, seed=seed)


@torch.no_grad()
def prior_elbo(
    model: VAE,
    x: Float[Tensor, "B D"],
    prior: CodeSampler,
    num_samples: int = 1,
    *,
    generator: torch.Generator | None = None,
) -> Float64[Tensor, "B"]:
    """The ELBO with `prior` in the place of N(0, I), in nats per image.

    The mean over `num_samples` draws z from q(z|x) of ``log p(x|z) + log prior(z) - log q(z|x)``.
    With a mixture the KL divergence has no closed form, so it is sampled together with the rest.

    Examples
    --------
    >>> model, x = VAE([784, 256], latent=5), torch.rand(50, 784)
    >>> prior_elbo(model, x, fit_prior(model, x, 2)).shape
    torch.Size([50])
    """
    validate.model(model, "model", "encode", "log_likelihood")
    validate.model(prior, "prior", "log_density")
    validate.integer(num_samples, "num_samples")
    validate.generator(generator)
    with evaluating(model):
        mu, logvar = model.encode(validate.matrix(x, "x"))
        total = torch.zeros_like(mu[:, 0], dtype=torch.float64)
        for _ in range(num_samples):
            z = reparameterize(mu, logvar, generator=generator)
            total += model.log_likelihood(x, z) - gaussian_log_prob(z, mu, logvar)
            total += prior.log_density(z).to(total)
    return total / num_samples
