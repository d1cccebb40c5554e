"""Two stochastic layers, and how many units of a latent layer are in use."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aecourse import validate
from aecourse.autoencoder import mlp
from aecourse.data import draw
from aecourse.stochastic import DiagonalGaussian, GaussianEncoder, reparameterize
from aecourse.train import evaluating
from aecourse.vae import VAE, bernoulli_nll, gaussian_kl, gaussian_log_prob


class TwoLayers(NamedTuple):
    """One draw through both layers of a `HierarchicalVAE`: what its loss needs."""

    output: Float[Tensor, "B D"]  # the logits of p(x|z1)
    z1: Float[Tensor, "B L1"]  # drawn from q1
    q1: DiagonalGaussian  # q(z1|x)
    p1: DiagonalGaussian  # p(z1|z2) at the drawn z2
    q2: DiagonalGaussian  # q(z2|z1) at the drawn z1


class HierarchicalVAE(nn.Module):
    """A VAE with two stochastic layers: z2 -> z1 -> x to generate, x -> z1 -> z2 to infer.

    ``p(x, z1, z2) = p(x|z1) p(z1|z2) N(z2; 0, I)`` with p(z1|z2) Gaussian and p(x|z1) Bernoulli,
    and ``q(z1, z2|x) = q(z1|x) q(z2|z1)``, both Gaussian. `HierarchicalVAE([784, 256], (50, 20))`
    has the notes' 784 -> 256 -> 50 + 50 at its bottom.

    Parameters
    ----------
    sizes
        Widths from the image up to z1, without z1.
    latents
        Lengths L1 and L2 of z1 and z2.
    hidden
        Width of the one hidden layer between z1 and z2, each way.
    activation
        Made anew for each hidden layer.

    Examples
    --------
    >>> model = HierarchicalVAE([784, 256], (50, 20))
    >>> model.sample(3).shape, model.encode(torch.zeros(5, 784)).mu.shape
    (torch.Size([3, 784]), torch.Size([5, 50]))
    """

    def __init__(
        self,
        sizes: Sequence[int],
        latents: Sequence[int],
        *,
        hidden: int = 64,
        activation: Callable[[], nn.Module] = nn.GELU,
    ):
        super().__init__()
        sizes = validate.widths(sizes)
        L1, L2 = self.latents = _two(latents)
        validate.integer(hidden, "hidden")
        # to infer: q(z1|x) and q(z2|z1)
        self.encoder = GaussianEncoder([*sizes, 2 * L1], activation)
        self.top_encoder = GaussianEncoder([L1, hidden, 2 * L2], activation)
        # to generate: p(z1|z2) and the logits of p(x|z1)
        self.top_decoder = GaussianEncoder([L2, hidden, 2 * L1], activation)
        self.decoder = mlp([L1, *sizes[::-1]], activation)

    def encode(self, x: Float[Tensor, "B D"]) -> DiagonalGaussian:
        """q(z1|x), of shape (B, L1)."""
        return self.encoder(x)

    def encode_top(self, z1: Float[Tensor, "B L1"]) -> DiagonalGaussian:
        """q(z2|z1), of shape (B, L2)."""
        return self.top_encoder(self._latent(z1, "z1", 0))

    def decode_top(self, z2: Float[Tensor, "B L2"]) -> DiagonalGaussian:
        """p(z1|z2), of shape (B, L1)."""
        return self.top_decoder(self._latent(z2, "z2", 1))

    def decode(self, z1: Float[Tensor, "B L1"]) -> Float[Tensor, "B D"]:
        """Logits of p(x|z1)."""
        return self.decoder(self._latent(z1, "z1", 0))

    def forward(
        self,
        x: Float[Tensor, "B D"],
        *,
        generator: torch.Generator | None = None,
    ) -> TwoLayers:
        """Draw z1 from q(z1|x), then z2 from q(z2|z1)."""
        q1 = self.encode(x)
        z1 = reparameterize(*q1, generator=generator)  # (B, L1)
        q2 = self.encode_top(z1)
        z2 = reparameterize(*q2, generator=generator)  # (B, L2)
        return TwoLayers(self.decode(z1), z1, q1, self.decode_top(z2), q2)

    def reconstruct(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """The mean image of p(x|z1) at the mean of q(z1|x)."""
        return self.decode(self.encode(x).mu).sigmoid()

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "n D"]:
        """Draw n of z2, then of z1, and return the mean images of p(x|z1)."""
        shape = validate.integer(n, "n"), self.latents[1]
        with evaluating(self):
            z2 = draw(torch.randn, shape, self.decoder[0].weight, generator)
            z1 = reparameterize(*self.decode_top(z2), generator=generator)
            return self.decode(z1).sigmoid()

    def _latent(self, z, name, layer):
        size, dtype = self.latents[layer], self.decoder[0].weight.dtype
        return validate.matrix(z, name, size, dtype)


def _two(latents):
    """Check that there are two latents and return their lengths."""
    lengths = tuple(validate.widths(latents, "latents", at_least=2))
    if len(lengths) > 2:
        raise ValueError(f"latents must be two integers >= 1, got {latents!r:.80}")
    return lengths


def hierarchical_loss(
    model: HierarchicalVAE,
    x: Float[Tensor, "B D"],
    beta: float = 1.0,
    *,
    generator: torch.Generator | None = None,
) -> dict[str, Float[Tensor, "B"]]:
    """The negative ELBO of a `HierarchicalVAE` from one draw of z1 and z2, in nats per image.

    ``-log p(x|z1) + beta (kl_1 + kl_2)``, where ``kl_2 = KL(q(z2|z1) || p(z2))`` is in closed form,
    and ``kl_1 = log q(z1|x) - log p(z1|z2)`` is not: z2 was drawn *from* z1, so that given z2 the
    draw z1 no longer follows q(z1|x), and the closed form at z2 would be another quantity.

    Parameters
    ----------
    x
        Pixels in [0, 1].
    beta
        Weight >= 0 of both KL terms; 1 is the ELBO. A warm-up raises it from near 0 to 1.

    Returns
    -------
    dict
        "loss", "reconstruction", "kl_1" (of one draw: may be negative) and "kl_2".

    Examples
    --------
    >>> model = HierarchicalVAE([4, 3], (2, 1))
    >>> terms = hierarchical_loss(model, torch.zeros(5, 4), beta=0.5)
    >>> kl = terms["kl_1"] + terms["kl_2"]
    >>> torch.allclose(terms["loss"], terms["reconstruction"] + 0.5 * kl)
    True

    References
    ----------
    Kingma and Welling (2014), arXiv:1312.6114, eq. 2; two layers as in Burda et al. (2015), eq. 2.
    """
    validate.model(model, "model", "encode_top", "decode_top")
    beta = validate.nonnegative(beta, "beta")
    output, z1, q1, p1, q2 = model(x, generator=generator)
    nll = bernoulli_nll(output, x)
    kl_1 = gaussian_log_prob(z1, *q1) - gaussian_log_prob(z1, *p1)
    kl_2 = gaussian_kl(*q2)
    loss = nll + beta * (kl_1 + kl_2)
    return {"loss": loss, "reconstruction": nll, "kl_1": kl_1, "kl_2": kl_2}


class Layers(NamedTuple):
    """One value for each layer of a `HierarchicalVAE`: a number, or a tensor over its units."""

    z1: Float[Tensor, "L"] | int
    z2: Float[Tensor, "L"] | int


@torch.no_grad()
def unit_variances(
    model: VAE | HierarchicalVAE,
    x: Float[Tensor, "B D"],
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "L"] | Layers:
    """How much the posterior mean of each latent unit varies over images: Var_x E[z_j | x].

    For the second layer of a `HierarchicalVAE` the mean E[z2|x] runs over z1 as well. Its variance
    is the covariance over x of mu2 at two independent draws of z1, so no average is needed.

    Parameters
    ----------
    x
        At least two images.

    Returns
    -------
    Tensor or Layers
        Near 0 for a unit that ignores the image, near 1 for one that q(z|x) knows precisely.

    Examples
    --------
    >>> model, x = VAE([784, 256], latent=50), torch.rand(5, 784)
    >>> torch.allclose(unit_variances(model, x), model.encode(x).mu.var(dim=0))
    True

    References
    ----------
    Burda, Grosse and Salakhutdinov (2015), arXiv:1509.00519, section 5.2.
    """
    if not isinstance(model, VAE | HierarchicalVAE):
        given = validate.describe(model)
        raise ValueError(f"model must be a VAE or a HierarchicalVAE, got {given}")
    if len(validate.matrix(x, "x")) < 2:
        raise ValueError(f"x must have at least 2 images, got {len(x)}")
    validate.generator(generator)
    with evaluating(model):
        q1 = model.encode(x)
        first = q1.mu.var(dim=0)
        if isinstance(model, VAE):
            return first
        a, b = (model.encode_top(reparameterize(*q1, generator=generator)).mu for _ in range(2))
    covariance = ((a - a.mean(dim=0)) * (b - b.mean(dim=0))).sum(dim=0) / (len(x) - 1)  # (L2,)
    return Layers(first, covariance)


def active_units(
    model: VAE | HierarchicalVAE,
    x: Float[Tensor, "B D"],
    threshold: float = 0.01,
    *,
    generator: torch.Generator | None = None,
) -> int | Layers:
    """Count the latent units whose posterior mean varies over images by more than `threshold`.

    ``#{j: Var_x E[z_j | x] > threshold}``, by `unit_variances`; 0.01 in the literature.

    Examples
    --------
    >>> active_units(VAE([784, 256], latent=50), torch.ones(5, 784))
    0
    """
    threshold = validate.positive(threshold, "threshold")
    variances = unit_variances(model, x, generator=generator)
    if isinstance(variances, Layers):
        return Layers(*(int((v > threshold).sum()) for v in variances))
    return int((variances > threshold).sum())
