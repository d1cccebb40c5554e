"""Chapter 06: the variational autoencoder and its loss, in nats per image."""

from math import log, pi

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from aecourse import validate
from aecourse.autoencoder import mlp
from aecourse.stochastic import GaussianEncoder, reparameterize

LIKELIHOODS = ("bernoulli", "gaussian")


def gaussian_kl(mu, logvar):
    """KL divergence from q = N(mu, diag(exp(logvar))) to the prior N(0, I).

    Exactly 0 at the prior. `expm1` keeps the digits of exp(logvar) - 1 that a subtraction would
    lose there.

    Parameters
    ----------
    mu, logvar : Tensor of shape (B, L)
        Mean and log-variance. NaN is refused, unless a network computed it (`requires_grad`):
        then it passes, so that `train.fit` can say in which epoch.

    Returns
    -------
    Tensor of shape (B,)
        In nats per image, summed over the L dimensions.

    Raises
    ------
    ValueError
        For another shape or dtype, or NaN.

    References
    ----------
    Kingma and Welling (2014), arXiv:1312.6114, appendix B.
    """
    _check(mu, "mu")
    _check(logvar, "logvar", mu.shape, mu.dtype)
    return 0.5 * (mu.square() + torch.expm1(logvar) - logvar).sum(dim=1)


def gaussian_log_prob(x, mu, logvar):
    """Log-density of N(mu, diag(exp(logvar))) at x, with its constant -D/2 log(2 pi).

    Parameters
    ----------
    x, mu : Tensor of shape (B, D)
    logvar : Tensor of shape (B, D), or () for one noise level

    Returns
    -------
    Tensor of shape (B,)
        In nats per image, summed over the D dimensions. A density may exceed 1, so this may be
        positive.

    Raises
    ------
    ValueError
        For another shape or dtype, or NaN (as `gaussian_kl`).
    """
    _check(x, "x")
    _check(mu, "mu", x.shape, x.dtype)
    if not (isinstance(logvar, torch.Tensor) and logvar.ndim == 0):
        _check(logvar, "logvar", x.shape, x.dtype)
    # rescaled before squaring: exp(-logvar) alone overflows much earlier
    distance = ((x - mu) * torch.exp(-logvar / 2)).square()
    return -0.5 * (distance + logvar).sum(dim=1) - 0.5 * log(2 * pi) * x.shape[1]


def bernoulli_nll(logits, x):
    """Negative log-likelihood -log p(x) of independent Bernoulli pixels, from their logits.

    Parameters
    ----------
    logits : Tensor of shape (B, D)
        log p/(1 - p), so that no probability rounds to 0 or 1.
    x : Tensor of shape (B, D), pixels in [0, 1]
        0 or 1 for a likelihood; for grey pixels it is only a loss (cross-entropy).

    Returns
    -------
    Tensor of shape (B,)
        In nats per image, summed over the D pixels.

    Raises
    ------
    ValueError
        For another shape or dtype, pixels outside [0, 1], or NaN (as `gaussian_kl`).
    """
    validate.images(x)
    _check(logits, "logits", x.shape, x.dtype)
    return binary_cross_entropy_with_logits(logits, x, reduction="none").sum(dim=1)


def binarize(x, generator=None):
    """Draw each pixel as 0 or 1, with its grey value as the probability of 1.

    Parameters
    ----------
    x : Tensor of shape (B, D), pixels in [0, 1]
    generator : torch.Generator, optional
        The global one if omitted. With seed 0 the test digits become those of all chapters.

    Returns
    -------
    Tensor of shape (B, D), the dtype of `x`

    Raises
    ------
    ValueError
        For another shape or dtype, pixels outside [0, 1], or NaN.

    References
    ----------
    Salakhutdinov and Murray (2008), doi:10.1145/1390156.1390266.
    """
    return torch.bernoulli(validate.images(x), generator=generator)


class VAE(nn.Module):
    """A variational autoencoder: encoder q(z|x), prior N(0, I), decoder p(x|z).

    `VAE([784, 256], latent=50)` is the notes' network: 784 -> 256 -> 50 + 50, 50 -> 256 -> 784.

    Parameters
    ----------
    sizes : sequence of int >= 1
        Widths from the image to the last hidden layer, without the latent. The decoder mirrors
        them.
    latent : int >= 1
        Length L of z.
    likelihood : {"bernoulli", "gaussian"}
        Of a pixel given z. "gaussian" has one noise level for all pixels, `exp(logvar_x / 2)`,
        a parameter that is learnt with the rest (Rybkin et al., 2021, arXiv:2006.13202).
    activation : callable -> nn.Module
        Made anew for each hidden layer.
    encoder : nn.Module, (B, D) -> (mu, logvar) of shape (B, L) each, optional
        Replaces the fully connected one.
    decoder : nn.Module, (B, L) -> (B, D), optional
        Replaces the fully connected one.

    Raises
    ------
    ValueError
        For a size or latent below 1, or an unknown likelihood.

    References
    ----------
    Kingma and Welling (2014), arXiv:1312.6114.
    """

    def __init__(self, sizes, latent, *, likelihood="bernoulli", activation=nn.GELU,
                 encoder=None, decoder=None):  # fmt: skip
        super().__init__()
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"likelihood must be one of {LIKELIHOODS}, got {likelihood!r}")
        if not isinstance(sizes, (list, tuple)):
            raise ValueError(f"sizes must list the widths without the latent, got {sizes!r}")
        self.latent, self.likelihood = validate.integer(latent, "latent"), likelihood
        if encoder is None:
            encoder = GaussianEncoder([*sizes, 2 * latent], activation)
        if decoder is None:
            decoder = mlp([latent, *sizes[::-1]], activation)
        self.encoder, self.decoder = encoder, decoder
        if likelihood == "gaussian":
            self.logvar_x = nn.Parameter(torch.zeros(()))  # one noise level for all pixels

    def encode(self, x):
        """Images to mean and log-variance of q(z|x), (B, D) -> (B, L) twice.

        ValueError for another shape or dtype, NaN, pixels outside [0, 1] if they are Bernoulli,
        or an encoder that does not return two tensors of shape (B, L).
        """
        validate.images(x) if self.likelihood == "bernoulli" else _check(x, "x")
        output, shape = self.encoder(x), (len(x), self.latent)
        parts = output if isinstance(output, (tuple, list)) else [output]
        given = [tuple(p.shape) if isinstance(p, torch.Tensor) else type(p).__name__ for p in parts]
        if given != [shape, shape]:
            raise ValueError(f"encoder must return (mu, logvar) of shape {shape} each, got "
                             f"{', '.join(map(str, given))}")  # fmt: skip
        return output

    def decode(self, z):
        """Latents to logits (Bernoulli) or means (Gaussian) of p(x|z), (B, L) -> (B, D).

        ValueError for another shape or dtype, or NaN (as `gaussian_kl`).
        """
        _check(z, "z", ("B", self.latent), next(self.parameters(), z).dtype)
        return self.decoder(z)

    def log_likelihood(self, x, z):
        """log p(x|z) of each image given its own latent, (B, D), (B, L) -> (B,), in nats.

        ValueError as `decode` and `bernoulli_nll`.
        """
        output = self.decode(z)
        if self.likelihood == "bernoulli":
            return -bernoulli_nll(output, x)
        return gaussian_log_prob(x, output, self.logvar_x)

    def pairwise_log_likelihood(self, x, z):
        """log p(x_b|z_k) of every pair, (B, D), (K, L) -> (B, K), in nats, by one matrix product.

        Rounds a little more than `log_likelihood`: large sums cancel. ValueError as there.
        """
        output = self.decode(z)  # (K, D)
        _check(x, "x", ("B", output.shape[1]), output.dtype)
        if self.likelihood == "bernoulli":
            validate.images(x)
            return x @ output.T - softplus(output).sum(dim=1)
        squares = x.square().sum(dim=1)[:, None] + output.square().sum(dim=1)  # (B, K)
        distance = (squares - 2 * x @ output.T) * torch.exp(-self.logvar_x)
        return -0.5 * (distance + x.shape[1] * (self.logvar_x + log(2 * pi)))

    def pixels(self, z):
        """The mean image of p(x|z), (B, L) -> (B, D); ValueError as `decode`."""
        output = self.decode(z)
        return output.sigmoid() if self.likelihood == "bernoulli" else output

    def reconstruct(self, x):
        """The mean image at the mean of q(z|x), (B, D) -> (B, D); ValueError as `encode`."""
        return self.pixels(self.encode(x)[0])

    @torch.no_grad()
    def sample(self, n, generator=None):
        """Draw n latents from the prior and return their mean images, (n, D).

        Without a generator they come from the CPU's global one, so that a seed gives the same
        latents on every device. ValueError for n < 1.
        """
        device = "cpu" if generator is None else generator.device
        z = torch.randn(validate.integer(n, "n"), self.latent, generator=generator, device=device)
        return self.pixels(z.to(next(self.parameters(), z)))


def vae_loss(model, x, beta=1.0):
    """The negative ELBO with one sample of z per image, for `train.fit`.

    Parameters
    ----------
    model : VAE
    x : Tensor of shape (B, D)
        Pixels in [0, 1] if they are Bernoulli.
    beta : float >= 0
        Weight of the KL (Higgins et al., 2017). Above 1 the bound on log p(x) is looser, below 1
        it is not guaranteed to be one.

    Returns
    -------
    dict
        "loss" = "reconstruction" + beta * "kl", each of shape (B,), in nats per image:
        -log p(x|z) summed over pixels, and KL(q(z|x) || N(0, I)) summed over latents.

    Raises
    ------
    ValueError
        As `VAE.encode`, or for beta < 0.

    References
    ----------
    Kingma and Welling (2014), arXiv:1312.6114, eq. 10, with the sign of a loss.
    """
    validate.nonnegative(beta, "beta")
    mu, logvar = model.encode(x)
    z = reparameterize(mu, logvar)
    reconstruction = -model.log_likelihood(x, z)
    kl = gaussian_kl(mu, logvar)
    loss = reconstruction + beta * kl
    return {"loss": loss, "reconstruction": reconstruction, "kl": kl}


def _check(value, name, shape=("B", "D"), dtype=None):
    """Refuse another shape or dtype, and NaN; but NaN passes in what a network computed."""
    if not (isinstance(value, torch.Tensor) and value.requires_grad):
        validate.matrix(value, name)
    fixed = [isinstance(n, int) for n in shape]
    fits = value.ndim == 2 and all(n == m for n, m, f in zip(shape, value.shape, fixed) if f)
    if not fits or dtype not in (None, value.dtype):
        given = f"({', '.join(map(str, value.shape))}) {value.dtype}"
        wanted = f"({', '.join(map(str, shape))}) {dtype or 'float'}"
        raise ValueError(f"{name} must be {wanted}, got {given}")
