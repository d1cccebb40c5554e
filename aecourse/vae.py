"""Chapter 06: the variational autoencoder and its loss, in nats per image.

Arguments come in two orders, as in torch: a log-density takes the value first and then the
parameters, `gaussian_log_prob(x, mu, logvar)`; a loss the prediction first, `bernoulli_nll(logits,
x)`.
"""

from collections.abc import Callable, Sequence
from math import log, pi
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus
from torch.nn.parallel import DistributedDataParallel

from aecourse import validate
from aecourse.autoencoder import mlp
from aecourse.data import draw
from aecourse.stochastic import DiagonalGaussian, GaussianEncoder, reparameterize
from aecourse.train import evaluating


def gaussian_kl(
    mu: Float[Tensor, "B L"],
    logvar: Float[Tensor, "B L"],
) -> Float[Tensor, "B"]:
    """KL divergence from q = N(mu, diag(exp(logvar))) to the prior N(0, I), in nats per image.

    ``1/2 sum_j (mu_j^2 + sigma_j^2 - 1 - log sigma_j^2)``, summed over the L latents; exactly 0 at
    the prior.

    Examples
    --------
    >>> mu = torch.tensor([[1.0, 0.0]])  # a shift by one deviation
    >>> gaussian_kl(mu, torch.zeros(1, 2))
    tensor([0.5000])

    References
    ----------
    Kingma and Welling (2014), arXiv:1312.6114, appendix B.
    """
    validate.matrix(mu, "mu")
    validate.alike(logvar, "logvar", mu, "mu")
    # expm1: at the prior exp(logvar) - 1 would lose its digits
    terms = mu.square() + torch.expm1(logvar) - logvar  # (B, L)
    return 0.5 * terms.sum(dim=1)


def gaussian_log_prob(
    x: Float[Tensor, "B D"],
    mu: Float[Tensor, "B D"],
    logvar: Float[Tensor, "B D"] | Float[Tensor, ""],
) -> Float[Tensor, "B"]:
    """Log-density of N(mu, diag(exp(logvar))) at x, in nats per image.

    ``-1/2 sum_i ((x_i - mu_i)^2 / sigma_i^2 + log sigma_i^2 + log 2 pi)``, summed over the D
    dimensions. A density may exceed 1, so this may be positive.

    Parameters
    ----------
    logvar
        Of each entry, or one for all.

    Examples
    --------
    >>> zero = torch.zeros(1, 2)
    >>> gaussian_log_prob(zero, zero, torch.tensor(0.0))  # -log 2 pi
    tensor([-1.8379])
    """
    validate.matrix(x, "x")
    validate.alike(mu, "mu", x, "x")
    if isinstance(logvar, Tensor) and logvar.ndim == 0:
        validate.floats(logvar, "logvar", (), x.dtype)
    else:
        validate.alike(logvar, "logvar", x, "x")
    # rescaled before squaring: exp(-logvar) alone overflows much earlier
    distance = ((x - mu) * torch.exp(-logvar / 2)).square()
    return -0.5 * (distance + logvar).sum(dim=1) - 0.5 * log(2 * pi) * x.shape[1]


def bernoulli_nll(logits: Float[Tensor, "B D"], x: Float[Tensor, "B D"]) -> Float[Tensor, "B"]:
    """Negative log-likelihood of independent Bernoulli pixels, in nats per image.

    ``-sum_i (x_i log p_i + (1 - x_i) log(1 - p_i))``, summed over the D pixels.

    Parameters
    ----------
    logits
        log p/(1 - p), so that no probability rounds to 0 or 1.
    x
        0 or 1 for a likelihood; for grey pixels in [0, 1] it is only a loss (cross-entropy).

    Examples
    --------
    >>> x = torch.tensor([[0.0, 1.0, 1.0]])
    >>> bernoulli_nll(torch.zeros(1, 3), x)  # 3 log 2
    tensor([2.0794])
    """
    validate.images(x)
    validate.alike(logits, "logits", x, "x")
    return binary_cross_entropy_with_logits(logits, x, reduction="none").sum(dim=1)


def binarize(
    x: Float[Tensor, "B D"], *, generator: torch.Generator | None = None
) -> Float[Tensor, "B D"]:
    """Draw each pixel as 0 or 1, with its grey value in [0, 1] as the probability of 1.

    With a generator of seed 0 the test digits become those of all chapters.

    Examples
    --------
    >>> binarize(torch.tensor([[0.0, 1.0]]))
    tensor([[0., 1.]])

    References
    ----------
    Salakhutdinov and Murray (2008), doi:10.1145/1390156.1390266.
    """
    validate.images(x)
    device = x.device if validate.generator(generator) is None else generator.device
    return torch.bernoulli(x.to(device), generator=generator).to(x.device)


class VAETerms(NamedTuple):
    """What `VAE.forward` returns: -log p(x|z) at one draw of z, and KL(q(z|x) || N(0, I))."""

    reconstruction: Float[Tensor, "B"]
    kl: Float[Tensor, "B"]


class VAE(nn.Module):
    """A variational autoencoder: encoder q(z|x), prior N(0, I), decoder p(x|z).

    Parameters
    ----------
    sizes
        Widths from the image to the last hidden layer, without the latent. The decoder mirrors
        them.
    latent
        Length L of z.
    likelihood
        Of a pixel given z. "gaussian" has one noise level for all pixels, `exp(logvar_x / 2)`,
        a parameter that is learnt with the rest (Rybkin et al., 2021, arXiv:2006.13202).
    activation
        Made anew for each hidden layer.
    encoder
        Replaces the fully connected one: (B, D) to mean and log-variance, (B, L) each.
    decoder
        Replaces the fully connected one: (B, L) to (B, D).

    Examples
    --------
    >>> model = VAE([784, 256], latent=50)  # the notes' network
    >>> model.encode(torch.rand(3, 784)).mu.shape, model.sample(2).shape
    (torch.Size([3, 50]), torch.Size([2, 784]))

    References
    ----------
    Kingma and Welling (2014), arXiv:1312.6114.
    """

    def __init__(
        self, sizes: Sequence[int], latent: int, *,
        likelihood: Literal["bernoulli", "gaussian"] = "bernoulli",
        activation: Callable[[], nn.Module] = nn.GELU,
        encoder: nn.Module | None = None, decoder: nn.Module | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        sizes, self.latent = validate.widths(sizes), validate.integer(latent, "latent")
        self.likelihood = validate.choice(likelihood, "likelihood", ("bernoulli", "gaussian"))
        validate.activation(activation)
        if encoder is None:
            encoder = GaussianEncoder([*sizes, 2 * latent], activation)
        if decoder is None:
            decoder = mlp([latent, *sizes[::-1]], activation)
        self.encoder = validate.model(encoder, "encoder", "forward")
        self.decoder = validate.model(decoder, "decoder", "forward")
        if likelihood == "gaussian":
            self.logvar_x = nn.Parameter(torch.zeros(()))  # one noise level for all pixels

    def encode(self, x: Float[Tensor, "B D"]) -> DiagonalGaussian:
        """Mean and log-variance of q(z|x), (B, L) each. Bernoulli pixels are in [0, 1]."""
        validate.images(x) if self.likelihood == "bernoulli" else validate.matrix(x, "x")
        output, shape = self.encoder(x), (len(x), self.latent)
        parts = output if isinstance(output, tuple | list) else [output]
        if [getattr(part, "shape", None) for part in parts] != [shape, shape]:
            raise ValueError(f"encoder must return (mu, logvar) of shape {shape} each, got "
                             f"{', '.join(map(validate.describe, parts))}")  # fmt: skip
        return DiagonalGaussian(*output)

    def decode(self, z: Float[Tensor, "B L"]) -> Float[Tensor, "B D"]:
        """Logits (Bernoulli) or means (Gaussian) of p(x|z).

        Examples
        --------
        >>> VAE([4], latent=2).decode(torch.zeros(3, 2)).shape
        torch.Size([3, 4])
        """
        validate.matrix(z, "z", self.latent, self._weight().dtype)
        return self.decoder(z)

    def forward(
        self, x: Float[Tensor, "B D"], *,
        generator: torch.Generator | None = None,
    ) -> VAETerms:  # fmt: skip
        """The two terms of the negative ELBO, from one draw of z for each image, in nats."""
        mu, logvar = self.encode(x)
        z = reparameterize(mu, logvar, generator=generator)
        return VAETerms(-self.log_likelihood(x, z), gaussian_kl(mu, logvar))

    def log_likelihood(
        self, x: Float[Tensor, "B D"], z: Float[Tensor, "B L"]
    ) -> Float[Tensor, "B"]:
        """log p(x|z) in nats, of each image given its own latent."""
        output = self.decode(z)
        if self.likelihood == "bernoulli":
            return -bernoulli_nll(output, x)
        return gaussian_log_prob(x, output, self.logvar_x)

    def pairwise_log_likelihood(
        self, x: Float[Tensor, "B D"], z: Float[Tensor, "K L"]
    ) -> Float[Tensor, "B K"]:
        """log p(x_b|z_k) of every pair, in nats, by one matrix product.

        Rounds a little more than `log_likelihood`: large sums cancel.
        """
        output = self.decode(z)  # (K, D)
        validate.matrix(x, "x", output.shape[1], output.dtype)
        if self.likelihood == "bernoulli":
            validate.images(x)
            return x @ output.T - softplus(output).sum(dim=1)
        squares = x.square().sum(dim=1)[:, None] + output.square().sum(dim=1)  # (B, K)
        distance = (squares - 2 * x @ output.T) * torch.exp(-self.logvar_x)
        return -0.5 * (distance + x.shape[1] * (self.logvar_x + log(2 * pi)))

    def pixels(self, z: Float[Tensor, "B L"]) -> Float[Tensor, "B D"]:
        """The mean image of p(x|z)."""
        output = self.decode(z)
        return output.sigmoid() if self.likelihood == "bernoulli" else output

    def reconstruct(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """The mean image at the mean of q(z|x)."""
        return self.pixels(self.encode(x).mu)

    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n D"]:
        """Draw n latents from the prior and return their mean images, without pixel noise."""
        shape = (validate.integer(n, "n"), self.latent)
        with evaluating(self):
            return self.pixels(draw(torch.randn, shape, self._weight(), generator))

    def _weight(self):
        """A tensor in the dtype and on the device of the model."""
        return next(self.parameters(), torch.zeros(()))  # parts of one's own may have none


def vae_loss(
    model: VAE | DistributedDataParallel, x: Float[Tensor, "B D"],
    beta: float = 1.0, *, generator: torch.Generator | None = None,
) -> dict[str, Float[Tensor, "B"]]:  # fmt: skip
    """The negative ELBO with one sample of z per image, for `train.fit`, in nats per image.

    "loss" = "reconstruction" + beta * "kl", that is ``-log p(x|z) + beta KL(q(z|x) || N(0, I))``
    with z drawn from q(z|x), summed over pixels and over latents.

    Parameters
    ----------
    beta
        Weight >= 0 of the KL (Higgins et al., 2017). Above 1 the bound on log p(x) is looser,
        below 1 it is not guaranteed to be one.

    Examples
    --------
    >>> terms = vae_loss(VAE([4], latent=2), torch.ones(3, 4))
    >>> torch.equal(terms["loss"], terms["reconstruction"] + terms["kl"])
    True

    References
    ----------
    Kingma and Welling (2014), arXiv:1312.6114, eq. 10, with the sign of a loss.
    """
    validate.instance(model, "model", VAE, DistributedDataParallel)
    validate.nonnegative(beta, "beta")
    reconstruction, kl = model(x, generator=generator)
    loss = reconstruction + beta * kl
    return {"loss": loss, "reconstruction": reconstruction, "kl": kl}
