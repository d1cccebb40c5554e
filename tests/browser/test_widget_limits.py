"""Chapter 08's widget in the built book, against the Python models."""

import pytest
import torch
from living import eventually
from readings import assert_shows

from aecourse import data, weights
from aecourse.limits import active_units
from aecourse.vae import binarize, gaussian_kl
from aecourse.widgets import limits
from aecourse.widgets.vae import sized_vae


@pytest.fixture
def latent(desk):
    return desk("limits")


def test_samples_of_all_sizes_are_pytorchs_to_a_grey_level(latent):
    worst, count = 0.0, 0
    for size in limits.SIZES:
        probes = latent.sweep([{"size": size, "seed": seed} for seed in (0, 1)])
        z = torch.tensor([row for p in probes for row in p["inputs"]])
        found = torch.tensor([image for p in probes for image in p["outputs"]])
        assert z.shape == (32, size)
        worst = max(worst, (found - sized_vae(size).pixels(z)).abs().max().item())
        count += len(z)
    print(f"limits: {count} latents, at most {255 * worst:.3f} grey levels from PyTorch")
    assert count >= 100 and worst <= 1 / 255


def test_the_bars_are_the_kl_of_each_unit_over_the_test_digits(latent):
    x = binarize(data.mnist("test").x, generator=torch.Generator().manual_seed(0))
    kl, model = torch.tensor(latent.set(size=50)["kl"]), sized_vae(50)
    assert len(kl) == 50 and (kl.diff() <= 0).all()
    assert kl.sum() == pytest.approx(gaussian_kl(*model.encode(x)).mean().item(), rel=1e-4)
    assert (kl > 0.01).sum() == active_units(model, data.mnist("test").x)


def test_the_number_of_units_in_use_stops_growing(latent):
    rows = latent.place.locator("tr").all_inner_texts()
    used = dict(zip(limits.SIZES, map(int, rows[1].split()[2:]), strict=True))
    manifest = {s: weights.manifest()[f"vae_latent_{s}"]["metrics"] for s in limits.SIZES}
    assert used == {s: m["active_units"] for s, m in manifest.items()}
    assert used[20] == 20 and used[50] < 30 and used[100] < 30


def test_the_mosaic_on_the_screen_shows_the_sixteen_samples(latent):
    latent.set(size=20, seed=2)
    mosaic = latent.place.locator(".ae-picture canvas:not(.ae-chart)")
    assert_shows(mosaic, latent.probe()["outputs"], columns=4)


def test_only_the_chosen_size_is_loaded(latent):
    assert latent.loaded() == ["limits_10"]
    latent.set(size=100)
    assert latent.loaded() == ["limits_10", "limits_100"]


def test_a_click_on_the_track_and_arrow_keys_choose_a_size(latent):
    latent.press(latent.place.get_by_role("slider", name="latents"), (0.98, 0.5))
    eventually(lambda: latent.get("size") == 100)
    latent.keys("ArrowLeft")
    assert latent.get("size") == 50
    assert len(latent.probe()["kl"]) == 50


def test_the_text_says_how_many_units_are_in_use(latent):
    latent.set(size=100)
    said = latent.said()
    assert "24 of 100 latents in use" in said and "The other 76 carry nothing" in said
    latent.set(size=2)
    assert "2 of 2 latents in use, ELBO −149" in latent.said()


def test_a_finger_chooses_and_draws_on_a_narrow_phone(phone):
    latent = phone("limits")
    latent.tap(latent.place.get_by_role("slider", name="latents"), (0.98, 0.5))
    latent.place.get_by_role("button", name="New samples").tap()
    eventually(lambda: (latent.get("size"), latent.get("seed")) == (100, 1))
