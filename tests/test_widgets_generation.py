"""Chapter 04's widget without a browser: its state, its pack and the distances it shows."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load

from aecourse import data, weights
from aecourse.generation import DigitClassifier, extract_features, frechet_distance
from aecourse.widgets import CodeSource, generation


@pytest.fixture(scope="module")
def content():
    (build,) = CodeSource.packs().values()
    return build()


@pytest.fixture(scope="module")
def fits():
    return generation.fits(generation.plain_autoencoder().encode(data.mnist("train").x))


@pytest.mark.parametrize("wrong", [{"source": "copies"}, {"seed": -1}, {"seed": 0.5}])
def test_state_outside_its_range_is_refused(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        CodeSource(**wrong)


def test_it_shows_no_model_of_ones_own():
    with pytest.raises(ValueError, match="model must be None"):
        CodeSource(generation.plain_autoencoder())


def test_to_html_is_the_same_twice():
    assert CodeSource(seed=3).to_html() == CodeSource(seed=3).to_html()
    assert "generation" in CodeSource().to_html()


def test_the_pack_holds_the_shipped_decoders_and_the_fits(content, fits):
    tensors, ae = load(content), generation.plain_autoencoder()
    assert torch.equal(tensors["ae.0.weight"].float(), ae.decoder[0].weight)
    assert tensors["vae.2.weight"].shape == (784, 256) and len(tensors["labels"]) == 300
    for name, components in (("gaussian", 1), ("mixture", 50)):
        assert tensors[f"{name}.roots"].shape == (components, 10, 10)
        for part in ("weights", "means", "roots"):
            assert torch.equal(tensors[f"{name}.{part}"], getattr(fits[name], part).float())


def test_the_pack_is_the_same_each_time(content):
    assert generation.source_pack() == content


@pytest.mark.parametrize("name", ["ae", "vae"])
def test_the_map_is_the_plane_of_largest_variance(content, name):
    tensors, model = load(content), generation.plain_autoencoder()
    x = data.mnist("train").x
    codes = model.encode(x) if name == "ae" else generation.vae_10().encode(x)[0]
    axes, center = tensors[f"{name}.axes"], tensors[f"{name}.center"]
    assert torch.allclose(axes @ axes.T, torch.eye(2), atol=1e-5)
    spread = ((codes - center) @ axes.T).var(dim=0)
    largest = torch.linalg.eigvalsh(torch.cov(codes.double().T)).flip(0)[:2]
    assert torch.allclose(spread, largest.float(), rtol=1e-3)
    assert tensors[f"{name}.digits"].shape == (300, 2)


def test_the_distances_shown_are_those_measured_on_10_000_images(fits, tmp_path, content):
    test, classifier = data.mnist("test").x, DigitClassifier.trained()
    ae = generation.plain_autoencoder()
    f_test = extract_features(classifier, test)
    noise = torch.randn(10_000, 10, generator=torch.Generator().manual_seed(0))
    codes = {"noise": noise, "rebuilt": ae.encode(test)}
    codes |= {name: fit(10_000, seed=0) for name, fit in fits.items()}
    found = {
        name: frechet_distance(extract_features(classifier, ae.decode(h).clamp(0, 1)), f_test)
        for name, h in codes.items()
    }
    rebuilt = extract_features(classifier, generation.vae_10().reconstruct(test))
    shown = generation.SAMPLED | {"rebuilt": generation.REBUILT["ae"]}
    assert found == pytest.approx(shown, rel=0.02)
    assert frechet_distance(rebuilt, f_test) == pytest.approx(generation.REBUILT["vae"], rel=0.02)
    assert shown["rebuilt"] < shown["mixture"] < 0.6 * shown["gaussian"] < 0.6 * shown["noise"]

    (tmp_path / "pack.safetensors").write_bytes(content)
    with safe_open(tmp_path / "pack.safetensors", "pt") as file:
        sampled = json.loads(file.metadata()["sampled"])
    vae = weights.manifest()["vae_latent_10"]["metrics"]["sample_frechet"]
    assert sampled == generation.SAMPLED | {"vae": vae}
