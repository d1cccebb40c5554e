"""Widget of chapter 08: the length of the latent."""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aecourse import data, weights
from aecourse.vae import binarize
from aecourse.widgets.base import Choice, Number, Packs, Widget
from aecourse.widgets.pack import pack
from aecourse.widgets.vae import sized_vae

SIZES = (2, 5, 10, 20, 50, 100)


class LatentSize(Widget):
    """VAEs that differ in the length of their latent only: samples, and what each unit carries.

    Traits
    ------
    size : {2, 5, 10, 20, 50, 100}
        Number of latents.
    seed : integer in [0, 9999]
        Of the samples.
    """

    script = "limits"
    says = (
        "Make the latent longer: up to 20 every unit is in use, of 50 or 100 only about 25. The "
        "samples and their Fréchet distance stop improving earlier, at 10."
    )
    size = Choice(10, SIZES)
    seed = Number(0, 0, 9999, whole=True)

    @classmethod
    def packs(cls, model: nn.Module | None = None) -> Packs:
        """`limits_2` to `limits_100`: one decoder each, and the KL of each of its units."""
        return {f"limits_{size}": partial(size_pack, size) for size in SIZES}


@torch.no_grad()
def size_pack(size: int) -> bytes:
    """The decoder, the mean KL of each unit over the test digits, and the model's scores."""
    model = sized_vae(size)
    x = binarize(data.mnist("test").x, generator=torch.Generator().manual_seed(0))
    scores = {s: weights.manifest()[f"vae_latent_{s}"]["metrics"] for s in SIZES}
    arrays = {"kl": unit_kl(*model.encode(x)).sort(descending=True).values}
    return pack({"decoder": model.decoder}, arrays=arrays, meta={"scores": scores})


def unit_kl(mu: Float[Tensor, "B L"], logvar: Float[Tensor, "B L"]) -> Float[Tensor, "L"]:
    """KL divergence from the prior of each latent, in nats, averaged over images."""
    return 0.5 * (mu.square() + torch.expm1(logvar) - logvar).mean(dim=0)
