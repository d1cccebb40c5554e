"""Chapter 04's widget without a browser: its pack and the distances it shows."""

import pytest
import torch
from packs import notes
from safetensors.torch import load

from aecourse import data, weights
from aecourse.generation import DigitClassifier, extract_features, frechet_distance
from aecourse.widgets import CodeSource, generation
from aecourse.widgets.trivial import small_autoencoder
from aecourse.widgets.vae import sized_vae


@pytest.fixture(scope="module")
def content():
    (build,) = CodeSource.packs().values()
    return build()


@pytest.fixture(scope="module")
def fits():
    return generation.fits(small_autoencoder().encode(data.mnist("train").x))


def test_the_pack_holds_the_shipped_decoders_and_the_fits(content, fits):
    tensors, ae = load(content), small_autoencoder()
    assert torch.equal(tensors["ae.0.weight"].float(), ae.decoder[0].weight)
    assert tensors["vae.2.weight"].shape == (784, 256) and len(tensors["labels"]) == 300
    for name, components in (("gaussian", 1), ("mixture", 50)):
        assert tensors[f"{name}.roots"].shape == (components, 10, 10)
        for part in ("weights", "means", "roots"):
            assert torch.equal(tensors[f"{name}.{part}"], getattr(fits[name], part).float())


@pytest.mark.parametrize("name", ["ae", "vae"])
def test_the_map_is_the_plane_of_largest_variance(content, name):
    tensors, model = load(content), small_autoencoder()
    x = data.mnist("train").x
    codes = model.encode(x) if name == "ae" else sized_vae(10).encode(x)[0]
    axes, center = tensors[f"{name}.axes"], tensors[f"{name}.center"]
    assert torch.allclose(axes @ axes.T, torch.eye(2), atol=1e-5)
    spread = ((codes - center) @ axes.T).var(dim=0)
    largest = torch.linalg.eigvalsh(torch.cov(codes.double().T)).flip(0)[:2]
    assert torch.allclose(spread, largest.float(), rtol=1e-3)
    assert tensors[f"{name}.digits"].shape == (300, 2)


def test_the_distances_shown_are_those_measured_on_10_000_images(fits, content):
    test, classifier = data.mnist("test").x, DigitClassifier.trained()
    ae = small_autoencoder()
    f_test = extract_features(classifier, test)
    noise = torch.randn(10_000, 10, generator=torch.Generator().manual_seed(0))
    codes = {"noise": noise, "rebuilt": ae.encode(test)}
    seeded = torch.Generator().manual_seed
    codes |= {name: fit(10_000, generator=seeded(0)) for name, fit in fits.items()}
    found = {
        name: frechet_distance(extract_features(classifier, ae.decode(h).clamp(0, 1)), f_test)
        for name, h in codes.items()
    }
    rebuilt = extract_features(classifier, sized_vae(10).reconstruct(test))
    shown = generation.SAMPLED | {"rebuilt": generation.REBUILT["ae"]}
    assert found == pytest.approx(shown, rel=0.02)
    assert frechet_distance(rebuilt, f_test) == pytest.approx(generation.REBUILT["vae"], rel=0.02)
    assert shown["rebuilt"] < shown["mixture"] < 0.6 * shown["gaussian"] < 0.6 * shown["noise"]
    vae = weights.manifest()["vae_latent_10"]["metrics"]["sample_frechet"]
    assert notes(content)["sampled"] == generation.SAMPLED | {"vae": vae}
