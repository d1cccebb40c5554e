"""Chapter 04's widget in the built book, against the Python models and samplers."""

import json

import pytest
import torch
from readings import assert_shows

from aecourse import data
from aecourse.widgets import generation
from aecourse.widgets.trivial import small_autoencoder
from aecourse.widgets.vae import sized_vae

FITTED = ("gaussian", "mixture")
SOURCES = ("noise", "vae", *FITTED)
DRAWS = """(el, [source, draws]) => {
  const {model, probe} = el.aecourse, rows = [];
  model.set('source', source);
  for (let seed = 0; seed < draws; seed++) {
    model.set('seed', seed);
    rows.push(...probe().codes);
  }
  return JSON.stringify(rows);
}"""


@pytest.fixture
def codes(desk):
    return desk("generation")


@pytest.fixture(scope="module")
def fits():
    return generation.fits(small_autoencoder().encode(data.mnist("train").x))


def drawn(codes, source, draws):
    """All 200 codes of each of the first draws, (200 * draws, 10), float64."""
    rows = codes.place.evaluate(DRAWS, [source, draws])
    return torch.tensor(json.loads(rows), dtype=torch.float64)


@pytest.mark.parametrize("source", SOURCES)
def test_samples_are_what_pytorch_decodes_from_the_same_codes_to_a_grey_level(codes, source):
    probes = codes.sweep([{"source": source, "seed": seed} for seed in range(7)])
    h = torch.tensor([row for p in probes for row in p["inputs"]])
    found = torch.tensor([image for p in probes for image in p["outputs"]])
    ae, vae = small_autoencoder(), sized_vae(10)
    expected = vae.pixels(h) if source == "vae" else ae.decode(h).clamp(0, 1)
    error = (found - expected).abs().max().item()
    print(f"generation, {source}: {len(h)} codes, at most {255 * error:.3f} grey levels off")
    assert len(h) >= 100 and error <= 1 / 255


@pytest.mark.parametrize("source", SOURCES)
def test_thousands_of_drawn_codes_have_the_mean_and_covariance_of_the_fit(codes, source, fits):
    h = drawn(codes, source, 50)
    mean, covariance = torch.zeros(10), torch.eye(10)
    if source in FITTED:
        weights, means, roots = (getattr(fits[source], n) for n in ("weights", "means", "roots"))
        mean = weights @ means
        each = roots @ roots.mT + means[:, :, None] * means[:, None]
        covariance = (weights[:, None, None] * each).sum(dim=0) - mean[:, None] * mean
    scale = covariance.diagonal().sqrt()
    off = ((h.mean(dim=0) - mean) / scale).abs().max().item()
    apart = ((torch.cov(h.T) - covariance) / (scale[:, None] * scale)).abs().max().item()
    print(f"{source}: {len(h)} codes, mean off by {off:.3f}, covariance by {apart:.3f} (in sd)")
    assert len(h) == 10_000 and off < 0.04 and apart < 0.08  # about four standard errors


def test_drawn_codes_of_the_mixture_are_as_likely_as_its_own_in_python(codes, fits):
    def mean_density(source):
        return fits["mixture"].log_density(drawn(codes, source, 20)).mean().item()

    draws = fits["mixture"](4000, generator=torch.Generator().manual_seed(0))
    own = fits["mixture"].log_density(draws).mean().item()
    assert mean_density("mixture") == pytest.approx(own, abs=0.25)
    assert mean_density("gaussian") < own - 5


def test_the_mosaic_on_the_screen_shows_the_sixteen_samples(codes):
    codes.set(source="mixture", seed=3)
    mosaic = codes.place.locator(".ae-picture canvas:not(.ae-chart)")
    assert_shows(mosaic, codes.probe()["outputs"], columns=4)


def test_pressing_the_button_draws_anew_and_the_seed_brings_a_draw_back(codes):
    before = codes.probe()["inputs"]
    codes.place.get_by_role("button", name="New samples").click()
    assert codes.get("seed") == 1 and codes.probe()["inputs"] != before
    assert codes.set(seed=0)["inputs"] == before


def test_a_click_on_another_source_moves_the_samples_onto_the_codes(codes):
    vague = codes.probe()["inputs"]
    codes.place.get_by_role("radio", name="fitted mixture").check()
    assert codes.get("source") == "mixture"
    train = small_autoencoder().encode(data.mnist("train").x[:10_000])

    def distance(h):
        return torch.cdist(torch.tensor(h), train).min(dim=1).values.median()

    assert distance(codes.probe()["inputs"]) < 0.75 * distance(vague)


def test_keys_alone_choose_a_source_and_draw(codes):
    codes.place.get_by_role("radio", name="noise N(0, I)").focus()
    codes.keys("ArrowDown", "Tab", "Enter")
    assert (codes.get("source"), codes.get("seed")) == ("gaussian", 1)


def test_a_finger_chooses_and_draws_on_a_narrow_phone(phone):
    codes = phone("generation")
    codes.place.get_by_text("fitted Gaussian").tap()
    codes.place.get_by_role("button", name="New samples").tap()
    assert (codes.get("source"), codes.get("seed")) == ("gaussian", 1)


def test_the_text_says_source_score_and_finding(codes):
    said = {}
    for source in SOURCES:
        codes.set(source=source)
        said[source] = codes.said()
    assert "Fréchet distance 159" in said["noise"] and "99" in said["gaussian"]
    assert "49" in said["mixture"] and "follows the codes" in said["mixture"]
    assert "55" in said["vae"] and "twice as wide" in said["vae"]
    codes.set(source="vae")
    label = codes.place.locator(".ae-chart").get_attribute("aria-label")
    assert "noise, into a VAE" in label
