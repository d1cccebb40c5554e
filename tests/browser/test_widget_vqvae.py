"""The token grid in the built book, against PyTorch."""

import statistics

import pytest
import torch
from living import assert_quick
from readings import assert_shows

from aecourse import data, weights
from aecourse.trivial import squared_error
from aecourse.vqvae import VQVAE


@pytest.fixture(scope="module")
def model():
    return weights.load(VQVAE(512), "digit_vqvae").eval().requires_grad_(False)


@pytest.fixture
def grid(desk):
    return desk("vqvae")


def first(digit):
    test = data.mnist("test")
    return test.x[(test.y == digit).nonzero()[0]]


def cell(grid, i):
    return grid.place.locator(".ae-tiles").first.locator("button").nth(i)


def code(grid, i):
    return grid.place.locator(".ae-tiles").nth(1).locator("button").nth(i)


def test_the_grid_is_decoded_as_by_pytorch_to_a_grey_level(grid, model):
    generator = torch.Generator().manual_seed(0)
    tokens = model.tokenize(data.mnist("test").x[:100]).flatten(1)
    changed = torch.rand(100, 49, generator=generator) < torch.linspace(0, 1, 100)[:, None]
    tokens[changed] = torch.randint(512, (int(changed.sum()),), generator=generator)
    probes = grid.sweep([{"tokens": row} for row in tokens.tolist()])
    assert [p["inputs"] for p in probes] == tokens.tolist()
    expected = model.detokenize(tokens.view(-1, 7, 7)).clamp(0, 1)
    error = (torch.tensor([p["outputs"] for p in probes]) - expected).abs().max().item()
    print(f"vqvae: at most {255 * error:.4f} grey levels from PyTorch")
    assert error <= 1 / 255


def test_the_counts_and_errors_are_pytorchs(grid, model):
    x, own = first(7), model.tokenize(first(7)).flatten(1)
    tokens = own.clone()
    tokens[0, 18] = 300
    found = grid.set(tokens=tokens[0].tolist())
    before, after = (model.detokenize(t.view(1, 7, 7)) for t in (own, tokens))
    moved = ((after.clamp(0, 1) - before.clamp(0, 1)).abs() >= 1 / 255).view(28, 28)
    assert abs(found["moved"] - moved.sum()) <= 1  # one pixel may stand on the threshold
    assert abs(found["inside"] - moved[8:12, 16:20].sum()) <= 1
    assert found["error"] == pytest.approx(squared_error(after, x).item(), rel=1e-4)
    assert found["first"] == pytest.approx(squared_error(before, x).item(), rel=1e-4)
    text = grid.place.inner_text()
    assert f"Changed: {found['moved']} pixels" in text and "441 bits" in text


def test_one_new_code_changes_more_pixels_around_its_cell_than_in_it(grid):
    """For most of 100 cells and codes: the text of the chapter says so."""
    generator = torch.Generator().manual_seed(1)
    draws = torch.randint(49, (100,), generator=generator).tolist()
    codes = torch.randint(512, (100,), generator=generator).tolist()
    own = grid.set(tokens=[])["inputs"]
    states = [{"tokens": own[:i] + [k] + own[i + 1 :]}
              for i, k in zip(draws, codes, strict=True)]  # fmt: skip
    found = grid.sweep(states)
    spilled = [p["moved"] - p["inside"] > p["inside"] for p in found]
    print(f"vqvae: {sum(spilled)} of 100 random changes reach further than their cell; median "
          f"{statistics.median(p['moved'] for p in found)} pixels")  # fmt: skip
    assert sum(spilled) >= 90 and max(p["moved"] for p in found) <= 324


def test_the_pixels_on_the_screen_are_the_decoded_ones(grid):
    grid.set(digit=4, tokens=[])
    assert_shows(grid.place.locator(".ae-picture canvas").first, grid.probe()["outputs"])


def test_a_click_on_a_cell_and_on_a_code_changes_that_token(grid, model):
    cell(grid, 30).click()
    code(grid, 3).click()
    own = model.tokenize(first(7))[0].flatten()
    book = model.quantizer.codebook
    nearest = (book - book[own[30]]).square().sum(dim=1).argsort()
    expected = own.tolist()
    expected[30] = nearest[3].item()
    assert grid.get("cell") == 30 and grid.get("tokens") == expected
    assert cell(grid, 30).inner_text() == str(expected[30])
    grid.place.get_by_role("button", name="Restore").click()
    assert grid.get("tokens") == []


def test_a_press_on_the_picture_chooses_the_cell_under_it(grid):
    canvas = grid.place.locator(".ae-picture canvas").first
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] * 0.95, "y": box["height"] * 0.5})
    assert grid.get("cell") == 27


def test_the_keyboard_alone_chooses_a_cell_and_a_code(grid):
    cell(grid, 18).focus()
    grid.keys("ArrowDown", "ArrowRight")
    assert grid.get("cell") == 26
    grid.keys("Tab", "ControlOrMeta+a", "4", "9", "9")
    assert grid.get("tokens")[26] == 499
    grid.keys("Tab", "ArrowRight")  # to the choice of an order
    assert grid.get("palette") == "farthest"
    grid.keys("Tab", "ArrowRight", "ArrowDown", "ArrowUp", "ArrowRight", "Enter")
    chosen = grid.tab.evaluate("document.activeElement.innerText")
    assert chosen != "499" and grid.get("tokens")[26] == int(chosen)


@pytest.mark.parametrize("text", ["512", "1.5", "-1", ""])
def test_what_is_no_code_changes_nothing_and_is_said(grid, text):
    field = grid.place.get_by_label("By number")
    field.fill(text)
    assert grid.get("tokens") == []
    assert "whole number from 0 to 511" in grid.place.get_by_role("alert").inner_text()
    field.fill("7")
    assert grid.get("tokens")[18] == 7 and grid.place.get_by_role("alert").count() == 0


def test_the_buttons_do_what_they_say(grid):
    press = lambda name: grid.place.get_by_role("button", name=name).click()  # noqa: E731
    press("All the same")
    assert len(set(grid.get("tokens"))) == 1
    press("Random code here")
    one = grid.get("tokens")
    press("Random code here")
    assert len(set(one)) == 2 and grid.get("tokens") != one
    grid.set(seed=0)
    press("Random code here")
    assert grid.get("tokens") == one  # the seed decides
    press("Next digit")
    assert (grid.get("digit"), grid.get("tokens")) == (8, [])


def test_a_finger_works_on_a_narrow_phone_without_sideways_scroll(phone):
    grid = phone("vqvae")
    cell(grid, 10).tap()
    code(grid, 5).tap()
    assert grid.get("cell") == 10 and len(grid.get("tokens")) == 49
    small = grid.place.evaluate(
        "el => [...el.querySelectorAll('button, input[type=number]')]"
        ".filter(b => b.getBoundingClientRect().height < 28).length"
    )
    assert small == 0


def test_what_is_said_follows_the_state(grid):
    assert "digit's own tokens" in grid.said()
    own = grid.probe()["inputs"]
    found = grid.set(tokens=own[:18] + [300] + own[19:])
    said = grid.said()
    assert f"{found['moved']} pixels changed, {found['inside']} of them" in said
    assert "row 3, column 5 holds code 300" in said
    label = grid.place.locator("canvas[role=img]").first.get_attribute("aria-label")
    assert "row 3, column 5" in label


CLICK = """(el, i) => {
  const group = [...el.querySelectorAll('.ae-tiles')][i % 4 ? 1 : 0];  // a cell, or a code for it
  group.children[(i * 7) % group.children.length].click();
}"""


def test_a_change_is_drawn_within_a_frame(grid):
    assert_quick(grid.times(CLICK))
