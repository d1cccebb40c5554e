"""Widgets of chapter 06: the latent plane and the β slider."""

from functools import partial
from numbers import Real

import torch
from torch import nn

from aecourse import data, weights
from aecourse.vae import VAE
from aecourse.widgets.base import Choice, Number, Numbers, Packs, Widget, check_network, shipped
from aecourse.widgets.pack import grey_levels, pack


class LatentPlane(Widget):
    """Drag over a plane of latents: the decoder draws the digit that lies there.

    Another `model` is a Bernoulli `VAE` with two latents and 784 pixels, in float32.

    Traits
    ------
    z : two numbers in [-3, 3]
        The latent that is decoded.
    """

    script, model_type = "vae_plane", VAE
    says = (
        "Drag over the plane of a VAE with two latents: the decoder draws the digit at that place. "
        "Each numeral is a test digit where the encoder puts it."
    )
    z = Numbers([0.0, 0.0], -3, 3)

    @classmethod
    def check_sizes(cls, model: VAE) -> None:
        """ValueError unless the model is a Bernoulli VAE with two latents and 784 pixels."""
        if model.likelihood != "bernoulli":
            raise ValueError(f"model must be a Bernoulli VAE, got likelihood {model.likelihood!r}")
        check_network(model.decoder, "decoder", 2, 784)
        check_network(lambda x: model.encoder(x)[0], "encoder", 784, 2)

    @classmethod
    def packs(cls, model: nn.Module | None = None) -> Packs:
        """`vae_plane`: the decoder, and where the encoder puts 300 test digits."""
        return {"vae_plane": lambda: plane_pack(model or sized_vae(2))}


def sized_vae(size: int) -> VAE:
    """The shipped VAE with so many latents."""
    return shipped(VAE([784, 256], size), f"vae_latent_{size}")


@torch.no_grad()
def plane_pack(model: VAE) -> bytes:
    """The decoder, and the means of the posteriors of 300 test digits with their labels."""
    test = data.mnist("test")
    mu, _ = model.encode(test.x[:300])
    arrays = {"codes": mu.float(), "labels": test.y[:300].to(torch.uint8)}
    return pack({"decoder": model.decoder}, arrays=arrays)


NAMES = {0.1: "vae_beta_0.1", 0.3: "vae_beta_0.3", 1: "vae_latent_50",
         3: "vae_beta_3", 10: "vae_beta_10"}  # fmt: skip


class BetaSlider(Widget):
    """Five VAEs that differ in β only: what they rebuild, what they sample, and what both cost.

    Traits
    ------
    beta : {0.1, 0.3, 1, 3, 10}
        The weight of the KL that the model was trained with.
    seed : integer in [0, 9999]
        Of the samples; the same noise for every β.
    """

    script = "vae_beta"
    says = (
        "Move β and compare rebuilt digits with samples: a small β rebuilds well and samples "
        "badly, a large one draws blur. The sum of both costs is least at β = 1."
    )
    beta = Choice(1, tuple(NAMES))
    seed = Number(0, 0, 9999, whole=True)

    @classmethod
    def packs(cls, model: nn.Module | None = None) -> Packs:
        """`vae_beta_0.1` to `vae_beta_10`: one decoder each, and six test digits encoded."""
        return {f"vae_beta_{beta:g}": partial(beta_pack, beta) for beta in NAMES}


def beta_vae(beta: Real) -> VAE:
    """The shipped VAE trained with this β."""
    return shipped(VAE([784, 256], 50), NAMES[beta])


@torch.no_grad()
def beta_pack(beta: Real) -> bytes:
    """The decoder, six test digits with the means of their posteriors, and all models' scores."""
    model, digits = beta_vae(beta), data.mnist("test").x[[0, 1, 2, 3, 4, 7]]  # six kinds
    scores = {f"{b:g}": weights.manifest()[name]["metrics"] for b, name in NAMES.items()}
    arrays = {"digits": grey_levels(digits), "means": model.encode(digits)[0]}
    return pack({"decoder": model.decoder}, arrays=arrays, meta={"scores": scores})
