"""Chapter 03's widget in the built book, against the Python models."""

import pytest
import torch
from living import RESTING, eventually
from readings import assert_shows

from aecourse import data, linear, weights
from aecourse.autoencoder import Autoencoder


@pytest.fixture
def plane(desk):
    return desk("autoencoder")


@pytest.fixture(scope="module")
def model():
    shipped = weights.load(Autoencoder([784, 256, 64, 2]), "plane_autoencoder")
    return shipped.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def decoders(model):
    fitted = linear.pca(data.mnist("train").x, 2)
    return {"autoencoder": model.decode, "pca": fitted.decode}


def screen(plane, h):
    """Where a code stands on the screen: the ring is put there and looked for."""
    plane.set(h=h, over=-1)
    box = plane.place.locator(".ae-chart").evaluate(RESTING)
    x, y = plane.place.evaluate("el => el.aecourse.probe().place")
    return box["x"] + box["width"] * x, box["y"] + box["height"] * y


@pytest.mark.parametrize("name", ["autoencoder", "pca"])
def test_any_place_decodes_as_in_pytorch_to_a_grey_level(plane, decoders, name):
    spread = torch.tensor([8.0, 6.0]) if name == "autoencoder" else torch.tensor([3.0, 2.5])
    h = torch.randn(100, 2, generator=torch.Generator().manual_seed(0)) * spread
    probes = plane.sweep([{"map": name, "h": row} for row in h.tolist()])
    expected = decoders[name](torch.tensor([p["inputs"] for p in probes]))
    error = (torch.tensor([p["outputs"] for p in probes]) - expected).abs().max().item()
    print(f"{name}: at most {255 * error:.2f} grey levels from PyTorch")
    assert error <= 1 / 255


def test_each_digit_shows_its_own_reconstruction_and_error(plane, model):
    x = data.mnist("test").x[:300:15]
    states = [{"map": "autoencoder", "over": i} for i in range(0, 300, 15)]
    probes = plane.sweep(states)
    rebuilt = torch.tensor([p["outputs"] for p in probes])
    assert [p["digit"] for p in probes] == list(range(0, 300, 15))
    assert (rebuilt - model(x)).abs().max() <= 1 / 255
    errors = torch.tensor([p["error"] for p in probes])
    assert torch.allclose(errors, (model(x) - x).square().sum(dim=1), rtol=2e-3)


def test_the_line_from_a_to_b_is_straight_in_codes(plane, model):
    ends = model.encode(data.mnist("test").x[[10, 20]])
    states = [{"ends": [10, 20], "h": [], "over": -1, "t": t} for t in (0.0, 0.25, 1.0)]
    found = torch.tensor([p["inputs"] for p in plane.sweep(states)])
    expected = torch.stack([ends[0], 0.75 * ends[0] + 0.25 * ends[1], ends[1]])
    assert torch.allclose(found, expected, atol=1e-4)


def test_the_pictures_on_the_screen_are_the_digit_and_the_decoded_place(plane):
    plane.set(over=17)
    digit, decoded = plane.place.locator(".ae-picture canvas").all()
    assert_shows(digit, data.mnist("test").x[17])
    assert_shows(decoded, plane.probe()["outputs"])


def test_pointing_at_a_digit_shows_it_and_leaving_hides_it(plane, model):
    there = screen(plane, model.encode(data.mnist("test").x[28:29])[0].tolist())
    plane.tab.mouse.move(*there)
    eventually(lambda: plane.get("over") == 28)
    assert plane.probe()["digit"] == 28
    plane.tab.mouse.move(1, 1)
    eventually(lambda: plane.get("over") == -1)


def test_a_click_chooses_a_digit_and_the_last_two_are_a_and_b(plane, model):
    for i in (28, 71):
        there = screen(plane, model.encode(data.mnist("test").x[i : i + 1])[0].tolist())
        plane.tab.mouse.click(*there)
    eventually(lambda: plane.get("ends") == [28, 71])
    assert (plane.get("t"), plane.get("h")) == (1, [])


def test_dragging_decodes_the_place_under_the_pointer(plane):
    plane.drag(plane.place.locator(".ae-chart"), (0.5, 0.5), (0.7, 0.35))
    place = "el => el.aecourse.probe().place"
    eventually(lambda: plane.place.evaluate(place) == pytest.approx([0.7, 0.35], abs=0.01))
    assert plane.get("ends") == [7, 3]  # a drag chooses nothing
    assert "Off the digits" in plane.said()


def test_keys_move_the_ring_choose_a_digit_and_walk_the_line(plane):
    plane.place.locator(".ae-chart").focus()
    before = plane.probe()["inputs"]
    plane.keys(*["ArrowLeft"] * 5, "Shift+ArrowDown")
    after = plane.probe()["inputs"]
    assert after[0] < before[0] and after[1] < before[1]
    nearest = plane.probe()["digit"]
    plane.tab.keyboard.press("Enter")
    assert plane.get("ends") == [3, nearest] and plane.probe()["digit"] == nearest
    plane.place.get_by_label("from A to B").focus()
    plane.tab.keyboard.press("Home")
    assert plane.probe()["digit"] == 3
    plane.place.get_by_label("PCA").focus()
    plane.tab.keyboard.press("Space")
    assert plane.get("map") == "pca"
    plane.place.get_by_role("button", name="Next digit").press("Enter")
    assert plane.get("ends")[1] == nearest + 1


def test_moving_the_slider_brings_the_ring_back_to_the_line(plane):
    plane.set(h=[20.0, -20.0])
    plane.place.get_by_label("from A to B").focus()
    plane.tab.keyboard.press("ArrowLeft")
    assert plane.get("h") == [] and plane.get("t") == pytest.approx(0.99)


def test_what_is_said_follows_the_state(plane):
    plane.set(over=3)
    assert plane.said().startswith("Test digit 3, a 0: its code (")
    assert "of its 10 nearest neighbours" in plane.said()
    plane.set(over=-1, ends=[7, 3], t=0.5)
    assert plane.said().startswith("Between A, a 9, and B, a 0, at h = (")


def test_both_errors_stand_beside_their_maps(plane):
    text = plane.place.locator("fieldset").inner_text()
    assert "autoencoder (27.5)" in text and "PCA (43.6)" in text


def test_a_finger_chooses_and_drags_on_a_phone_without_sideways_scroll(phone, model):
    plane = phone("autoencoder")
    map_, place = plane.place.locator(".ae-chart"), "el => el.aecourse.probe().place"
    map_.scroll_into_view_if_needed()
    there = screen(plane, model.encode(data.mnist("test").x[28:29])[0].tolist())
    plane.tab.touchscreen.tap(*there)
    eventually(lambda: plane.get("ends") == [3, 28] and plane.get("over") == -1)
    plane.stroke(map_, (0.4, 0.4), (0.5, 0.5), (0.6, 0.6))
    eventually(lambda: plane.place.evaluate(place) == pytest.approx([0.6, 0.6], abs=0.01))
