"""Chapter 02's widget in the built book, against PCA in PyTorch."""

import pytest
import torch
from living import eventually
from readings import assert_shows

from aecourse.linear import LinearAutoencoder
from aecourse.widgets import linear


@pytest.fixture
def slider(desk):
    return desk("linear")


@pytest.fixture(scope="module")
def fitted():
    return linear.components()


def model_of(fitted, k):
    """The linear autoencoder with the first k components, as in the chapter."""
    rows = fitted.components[:k]
    return LinearAutoencoder(784, k, fitted.mean).set_weights(rows, rows.T).requires_grad_(False)


def with_matrices(slider, **state):
    """The probe of one state, with A and the first columns of the decoder."""
    slider.set(**state)
    return slider.place.evaluate("el => el.aecourse.probe(true)")


def states(n=100):
    """n states, k from 1 to 100, every digit, half of them mixed."""
    return [
        {"k": 1 + (37 * i) % 100, "digit": i % 20, "mix": (i % 2) * (i % 10) / 9, "seed": i}
        for i in range(n)
    ]


def test_the_picture_is_that_of_pytorch_to_a_grey_level(slider, fitted):
    worst = 0.0
    for state, probe in zip(states(), slider.sweep(states()), strict=True):
        expected = model_of(fitted, state["k"])(torch.tensor([probe["inputs"]]))[0]
        worst = max(worst, (torch.tensor(probe["outputs"]) - expected).abs().max().item())
    print(f"linear: at most {255 * worst:.2f} grey levels from PyTorch")
    assert worst <= 1 / 255


def test_without_components_the_picture_is_the_mean_image(slider, fitted):
    probe = with_matrices(slider, k=0, digit=3, mix=1.0)
    assert (torch.tensor(probe["outputs"]) - fitted.mean).abs().max() < 1e-6
    assert probe["code"] == [] and probe["columns"] == []


def test_mixing_multiplies_code_and_decoder_as_reparameterized_does(slider, fitted):
    for k in (1, 2, 30, 100):
        probe = with_matrices(slider, k=k, digit=8, mix=0.8, seed=5)
        A, x = torch.tensor(probe["A"]).view(k, k), torch.tensor([probe["inputs"]])
        other = model_of(fitted, k).reparameterized(A).requires_grad_(False)
        code, columns = torch.tensor(probe["mixed"]), torch.tensor(probe["columns"])
        assert torch.linalg.cond(A) < 9.1
        assert torch.allclose(code, other.encode(x)[0], atol=5e-3)  # float16 components
        assert torch.allclose(columns, other.V[:, :4].T, atol=1e-3)
        assert (torch.tensor(probe["outputs"]) - other(x)[0]).abs().max() <= 1 / 255


def test_mixing_changes_the_code_and_not_the_picture(slider):
    for state, probe in zip(states(30), slider.sweep(states(30)), strict=True):
        assert probe["change"] < 1e-6
        code, mixed = torch.tensor(probe["code"]), torch.tensor(probe["mixed"])
        if state["mix"] > 0.3 and state["k"] > 1:
            assert (mixed - code).norm() > 0.2 * code.norm()
        if not state["mix"]:
            assert torch.equal(mixed, code)


def test_with_one_number_full_mixing_doubles_the_code_and_halves_the_decoder(slider):
    plain, mixed = (with_matrices(slider, k=1, mix=mix) for mix in (0, 1))
    assert mixed["mixed"][0] == pytest.approx(2 * plain["code"][0])
    halved = torch.tensor(plain["columns"][0]) / 2
    assert torch.allclose(torch.tensor(mixed["columns"][0]), halved, atol=1e-6)


def test_the_digit_on_the_screen_is_the_rebuilt_one(slider):
    rebuilt = slider.set(k=30)["outputs"]
    assert_shows(slider.place.locator(".ae-picture canvas").nth(1), rebuilt)


def test_error_and_kept_variance_are_said_for_each_k(slider, fitted):
    slider.set(k=30, digit=4)
    said, error = slider.said(), slider.probe()["error"]
    assert "30 numbers keep 73 % of the variance" in said and "13.87 on average" in said
    assert f"This 4 has squared error {error:.2f}" in said
    assert f"error {error:.2f}" in slider.place.locator("figcaption").nth(1).inner_text()
    slider.set(k=87, mix=0.5)
    said = slider.said()
    assert "87 numbers keep 90 %" in said and "gives the same picture" in said


def test_the_pointer_drags_k_and_takes_the_next_digit(slider):
    slider.drag(slider.place.get_by_label("k numbers"), (0.1, 0.5), (0.5, 0.5))
    eventually(lambda: slider.get("k") == pytest.approx(50, abs=3))
    slider.place.get_by_role("button", name="Next digit").click()
    assert slider.get("digit") == 5


def test_keys_alone_reach_everything(slider):
    slider.place.get_by_label("k numbers").focus()
    slider.keys("ArrowRight", "Tab", "Enter", "Tab", "End", "Tab", "Space")
    state = {"k": 7, "digit": 5, "mix": 1, "seed": 1}
    assert {name: slider.get(name) for name in state} == state
    assert "no pixel by more than" in slider.place.locator("p").first.inner_text()


def test_a_finger_moves_k_on_a_phone_without_sideways_scroll(phone):
    slider = phone("linear")
    slider.tap(slider.place.get_by_label("k numbers"), (0.75, 0.5))
    eventually(lambda: slider.get("k") == pytest.approx(75, abs=5))
    slider.place.get_by_role("button", name="Another A").tap()
    assert slider.get("mix") == 1 and slider.get("seed") == 1
