"""Chapter 06's widgets in the built book, against the Python models."""

import pytest
import torch
from living import RESTING, eventually
from readings import assert_shows

from aecourse import data, weights
from aecourse.widgets import vae


@pytest.fixture
def plane(desk):
    return desk("vae_plane")


def where(plane, z1, z2):
    """Where a point of the plane is on the screen: the square is right of and above its axes."""
    box = plane.place.locator(".ae-chart").evaluate(RESTING)
    scale = box["width"] / 293
    x, y = 22 + (z1 + 3) / 6 * 270, (3 - z2) / 6 * 270
    return box["x"] + scale * x, box["y"] + scale * y


def test_the_plane_decodes_as_pytorch_does_to_a_grey_level(plane):
    z = torch.rand(100, 2, generator=torch.Generator().manual_seed(0)) * 6 - 3
    probes = plane.sweep([{"z": row} for row in z.tolist()])
    expected = vae.sized_vae(2).pixels(torch.tensor([p["inputs"] for p in probes]))
    error = (torch.tensor([p["outputs"] for p in probes]) - expected).abs().max().item()
    print(f"vae_plane: at most {255 * error:.2f} grey levels from PyTorch")
    assert error <= 1 / 255


def test_the_digit_on_the_screen_is_the_decoded_one(plane):
    plane.set(z=[1.0, -0.5])
    assert_shows(plane.place.locator(".ae-picture canvas"), plane.probe()["outputs"])


def test_dragging_moves_z_to_where_the_pointer_is(plane):
    plane.tab.mouse.move(*where(plane, 0, 0))
    plane.tab.mouse.down()
    plane.tab.mouse.move(*where(plane, 1.5, -0.9))
    plane.tab.mouse.up()
    eventually(lambda: plane.get("z") == pytest.approx([1.5, -0.9], abs=0.03))


def test_arrow_keys_move_one_coordinate(plane):
    plane.place.get_by_role("slider", name="z₁").focus()
    plane.keys(*["ArrowRight"] * 4)
    assert plane.get("z") == pytest.approx([0.2, 0.0])
    assert "z = (0.20, 0.00)" in plane.said()


def test_a_finger_moves_z_on_a_narrow_phone_and_can_scroll_past(phone):
    plane = phone("vae_plane")
    square = plane.place.locator(".ae-chart")
    square.scroll_into_view_if_needed()
    plane.tab.touchscreen.tap(*where(plane, -1.5, 1.2))
    eventually(lambda: plane.get("z") == pytest.approx([-1.5, 1.2], abs=0.03))
    held = plane.place.evaluate(
        "el => [...el.querySelectorAll('.ae-widget *')].filter(e => e.style.touchAction).length"
    )
    assert held == 1 and square.bounding_box()["height"] < 0.5 * 740


def test_the_text_names_the_nearest_test_digit(plane):
    test = data.mnist("test")
    codes = vae.sized_vae(2).encode(test.x[:300])[0]
    for z in ([0.0, 0.0], [2.5, 2.5], [2.9, -2.9]):
        plane.set(z=z)
        distance = (codes - torch.tensor(z)).norm(dim=1)
        label, far = test.y[distance.argmin()].item(), distance.min().item()
        said = plane.said()
        assert f"is a {label}, {far:.2f} away" in said
        assert ("all the same" in said) == (far > 0.5)


# --- the β slider --------------------------------------------------------------------------------


@pytest.fixture
def slider(desk):
    return desk("vae_beta")


def test_all_five_models_rebuild_and_sample_as_pytorch_does_to_a_grey_level(slider):
    digits, worst, count = data.mnist("test").x[[0, 1, 2, 3, 4, 7]], 0.0, 0
    for beta in vae.NAMES:
        probes = slider.sweep([{"beta": beta, "seed": seed} for seed in (0, 1)])
        model = vae.beta_vae(beta)
        for probe in probes:
            z, found = torch.tensor(probe["inputs"]), torch.tensor(probe["outputs"])
            worst = max(worst, (found - model.pixels(z)).abs().max().item())
            worst = max(worst, (found[:6] - model.reconstruct(digits)).abs().max().item())
            count += len(z)
    print(f"vae_beta: {count} latents, at most {255 * worst:.3f} grey levels from PyTorch")
    assert count >= 100 and worst <= 1 / 255


def test_every_beta_decodes_the_same_noise(slider):
    probes = slider.sweep([{"beta": beta} for beta in (0.1, 1, 10)])
    assert probes[0]["inputs"][6:] == probes[1]["inputs"][6:] == probes[2]["inputs"][6:]
    assert probes[0]["inputs"][:6] != probes[1]["inputs"][:6]


def test_the_rows_on_the_screen_are_digits_rebuilt_digits_and_samples(slider):
    slider.set(beta=3, seed=1)
    images = torch.tensor(slider.probe()["outputs"])
    digits = data.mnist("test").x[[0, 1, 2, 3, 4, 7]]
    canvases = slider.place.locator(".ae-picture canvas")
    assert_shows(canvases.nth(0), torch.cat([digits, images[:6]]), columns=6)
    assert_shows(canvases.nth(1), images[6:], columns=6)


def test_a_model_is_loaded_when_its_beta_is_chosen(slider):
    assert slider.loaded() == ["vae_beta_1"]
    slider.set(beta=0.1)
    assert slider.loaded() == ["vae_beta_1", "vae_beta_0.1"]


def test_weights_that_do_not_load_are_told_and_can_be_asked_for_again(slider):
    slider.tab.route("**/vae_beta_10.js", lambda route: route.abort())
    slider.place.get_by_role("slider", name="weight β").focus()
    slider.keys("End")
    slider.place.get_by_text("vae_beta_10.js did not load").wait_for()
    slider.keys("ArrowLeft")  # the others still work
    slider.place.get_by_text("did not load").wait_for(state="detached")
    assert slider.get("beta") == 3
    slider.keys("End")
    slider.tab.unroute("**/vae_beta_10.js")
    slider.place.get_by_role("button", name="Try again").click()
    slider.place.get_by_text("did not load").wait_for(state="detached")
    assert "β = 10" in slider.said()


def test_the_pointer_and_arrow_keys_choose_beta(slider):
    slider.press(slider.place.get_by_role("slider", name="weight β"), (0.02, 0.5))
    eventually(lambda: slider.get("beta") == 0.1)
    slider.keys(*["ArrowRight"] * 3)
    assert slider.get("beta") == 3
    slider.place.get_by_role("button", name="New samples").press("Enter")
    assert slider.get("seed") == 1


def test_a_finger_chooses_beta_on_a_narrow_phone(phone):
    slider = phone("vae_beta")
    slider.tap(slider.place.get_by_role("slider", name="weight β"), (0.98, 0.5))
    slider.place.get_by_role("button", name="New samples").tap()
    eventually(lambda: (slider.get("beta"), slider.get("seed")) == (10, 1))


def test_the_text_says_the_costs_of_the_manifest_and_what_they_buy(slider):
    for beta, name in vae.NAMES.items():
        slider.set(beta=beta)
        m, said = weights.manifest()[name]["metrics"], slider.said()
        assert f"β = {beta:g}: KL {m['test_kl']:.1f} nats" in said
        assert f"reconstruction {m['test_reconstruction']:.1f} nats" in said
        assert f"{m['active_units']} of 50 latents in use" in said
        assert ("broken" in said, "blur" in said) == (beta < 1, beta > 1)
