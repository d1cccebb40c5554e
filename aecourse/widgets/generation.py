"""Widget of chapter 04: where do codes live?"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aecourse import data, weights
from aecourse.generation import CodeSampler, gaussian_sampler, mixture_sampler
from aecourse.widgets.base import Choice, Number, Packs, Widget
from aecourse.widgets.pack import pack
from aecourse.widgets.trivial import small_autoencoder
from aecourse.widgets.vae import sized_vae

SOURCES = ("noise", "gaussian", "mixture", "vae")
# Fréchet distances of 10 000 images to the 10 000 test digits: of samples from each source, and
# of test digits that each model rebuilds. The VAE's is in the manifest; the tests measure again.
SAMPLED = {"noise": 159.2, "gaussian": 99.4, "mixture": 48.8}
REBUILT = {"ae": 42.1, "vae": 15.2}


class CodeSource(Widget):
    """Draw codes from noise, a fitted Gaussian, a fitted mixture or a VAE's prior; decode them.

    The plain autoencoder is 784-128-10, the VAE 784-256-10: the same code length, twice the width.

    Traits
    ------
    source : {"noise", "gaussian", "mixture", "vae"}
        Where codes come from: N(0, I), one Gaussian or a mixture of 50 fitted to the codes of
        training digits, all into the plain autoencoder's decoder; or N(0, I) into the VAE's.
    seed : integer in [0, 9999]
        Of the draws.
    """

    script = "generation"
    says = (
        "Choose where the codes come from and press for new samples: on the map the orange "
        "samples should lie where the digits are."
    )
    source = Choice("noise", SOURCES)
    seed = Number(0, 0, 9999, whole=True)

    @classmethod
    def packs(cls, model: nn.Module | None = None) -> Packs:
        """`generation`: both decoders, the two fits, and maps of where real codes are."""
        return {"generation": source_pack}


def fits(codes: Float[Tensor, "N 10"]) -> dict[str, CodeSampler]:
    """The fitted samplers of chapter 04, by name: of training codes, in their order."""
    mixture = mixture_sampler(codes[:20_000], num_components=50, seed=0)
    return {"gaussian": gaussian_sampler(codes), "mixture": mixture}


@torch.no_grad()
def source_pack() -> bytes:
    """Decoders, samplers, and of each model a map: a plane of codes and 300 test digits on it."""
    x, test = data.mnist("train").x, data.mnist("test")
    ae, vae = small_autoencoder(), sized_vae(10)
    codes = ae.encode(x)
    arrays = {"labels": test.y[:300].to(torch.uint8)}
    for name, fit in fits(codes).items():
        for part in ("weights", "means", "roots"):
            arrays[f"{name}.{part}"] = getattr(fit, part).float()
    for name, train_codes, encode in (
        ("ae", codes, ae.encode),
        ("vae", vae.encode(x)[0], lambda x: vae.encode(x)[0]),
    ):
        center, axes = principal_plane(train_codes)
        arrays |= {f"{name}.center": center, f"{name}.axes": axes}
        arrays[f"{name}.digits"] = (encode(test.x[:300]) - center) @ axes.T
    sampled = SAMPLED | {"vae": weights.manifest()["vae_latent_10"]["metrics"]["sample_frechet"]}
    return pack(
        {"ae": ae.decoder, "vae": vae.decoder},
        arrays=arrays,
        meta={"sampled": sampled, "rebuilt": REBUILT},
    )


def principal_plane(codes: Float[Tensor, "N k"],
                    ) -> tuple[Float[Tensor, "k"], Float[Tensor, "2 k"]]:  # fmt: skip
    """The mean and the two directions of largest variance, signs fixed."""
    center = codes.double().mean(dim=0)
    _, vectors = torch.linalg.eigh(torch.cov(codes.double().T))
    axes = vectors[:, [-1, -2]].T
    largest = axes.gather(1, axes.abs().argmax(dim=1, keepdim=True))
    return center.float(), (axes * largest.sign()).float()
