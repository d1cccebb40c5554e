"""Chapter 01's widget in the built book, against the Python models."""

import pytest
import torch
from living import assert_quick
from readings import assert_shows
from strokes import drag, sheet_of, stroke_times, touch

from aecourse import data
from aecourse.generation import DigitClassifier
from aecourse.trivial import squared_error
from aecourse.widgets.denoising import restorer
from aecourse.widgets.trivial import small_autoencoder

BLANK = [0] * 784


@pytest.fixture
def drawing(desk):
    return desk("trivial")


def hundred_sheets():
    """Digits, clothes and noise as lists of 784 integers."""
    g = torch.Generator().manual_seed(0)
    kinds = [data.mnist("test").x[100:134], data.fashion("test").x[100:133],
             torch.rand(33, 784, generator=g)]  # fmt: skip
    return (255 * torch.cat(kinds)).round().int().tolist()


@torch.no_grad()
def test_all_three_answer_as_pytorch_does_to_a_grey_level(drawing):
    sheets = hundred_sheets()
    probes = drawing.sweep([{"drawing": ink} for ink in sheets])
    x = torch.tensor(sheets) / 255
    assert (torch.tensor([p["inputs"] for p in probes]) - x).abs().max() < 1e-6
    found = torch.tensor([p["outputs"] for p in probes])  # (100, 3, 784)
    expected = torch.stack([x, small_autoencoder()(x), restorer()(x)], dim=1)
    error = (found - expected).abs().amax(dim=(0, 2))
    print(f"trivial: at most {(255 * error).tolist()} grey levels from PyTorch")
    assert error.max() <= 1 / 255
    assert error[0] < 1e-6


def test_pictures_and_numbers_on_the_screen_are_the_networks_answers(drawing):
    probe = drawing.set(preset="digit", number=3)
    x, outputs = torch.tensor(probe["inputs"]), torch.tensor(probe["outputs"])
    canvases = drawing.place.locator(".ae-results canvas").all()
    for canvas, output in zip(canvases, outputs, strict=True):
        assert_shows(canvas, output)
    errors = squared_error(outputs, x.expand_as(outputs)).tolist()
    told = drawing.place.locator(".ae-number").all_inner_texts()
    assert told[0] == "error 0"
    for text, error in zip(told[1:], errors[1:], strict=True):
        assert float(text.removeprefix("error ")) == pytest.approx(error, abs=0.51)


def test_the_presets_are_what_they_say(drawing):
    test, clothes = data.mnist("test"), data.fashion("test")
    for preset, images in (("digit", test), ("clothing", clothes)):
        for c in (0, 9):
            x = torch.tensor(drawing.set(preset=preset, number=c)["inputs"])
            first = images.x[images.y == c][0]
            assert (x - first).abs().max() < 1e-6
    noise = [torch.tensor(drawing.set(preset="noise", number=n)["inputs"]) for n in range(2)]
    assert all(abs(x.mean() - 0.5) < 0.05 and x.std() > 0.25 for x in noise)
    assert not torch.equal(*noise)
    board = torch.tensor(drawing.set(preset="checkerboard", number=1)["inputs"]).view(28, 28)
    assert torch.equal(board[:4, :4], torch.zeros(4, 4)) and (board[:4, 4:8] == 1).all()


def test_the_first_stroke_starts_a_clean_sheet_and_follows_the_pointer_without_gaps(drawing):
    assert drawing.get("drawing") == []
    drag(drawing, [(6.5, 14.5), (20.5, 14.5)])  # one jump
    ink = torch.tensor(drawing.get("drawing")).view(28, 28)
    assert (ink[14, 6:21] == 255).all() and (ink[13, 7:20] > 100).all()
    assert ink[:12].sum() == 0 and ink[17:].sum() == 0
    assert drawing.place.locator(".ae-number").first.inner_text() == "error 0"


def test_eraser_undo_and_clear(drawing):
    buttons = {name: drawing.place.get_by_role("button", name=name, exact=True)
               for name in ("Eraser", "Undo", "Clear", "Digit")}  # fmt: skip
    assert buttons["Undo"].is_disabled()
    drag(drawing, [(6.5, 14.5), (20.5, 14.5)])
    drawn = drawing.get("drawing")
    buttons["Eraser"].click()
    drag(drawing, [(14.5, 8.5), (14.5, 20.5)])
    assert drawing.get("drawing")[14 * 28 + 14] == 0
    buttons["Undo"].click()
    assert drawing.get("drawing") == drawn
    buttons["Clear"].click()
    assert drawing.get("drawing") == BLANK
    buttons["Digit"].click()
    assert drawing.get("drawing") == [] and drawing.get("preset") == "digit"
    for before in (BLANK, drawn):
        buttons["Undo"].click()
        assert drawing.get("drawing") == before


def test_the_keyboard_alone_draws(drawing):
    sheet_of(drawing).focus()
    drawing.keys("ArrowUp", "Space", "ArrowRight", "ArrowRight", "Space", "ArrowDown")
    ink = torch.tensor(drawing.get("drawing")).view(28, 28)
    assert (ink[13, 14:17] == 255).all() and ink[17].sum() == 0
    assert "Pen up at column 17, row 15" in sheet_of(drawing).get_attribute("aria-label")
    assert drawing.place.locator(".ae-pen").is_visible()
    assert drawing.place.get_by_text("arrows move, Space draws").is_visible()


def test_a_finger_draws_and_the_page_does_not_scroll(phone):
    finger = phone("trivial")
    sheet_of(finger).scroll_into_view_if_needed()
    before = finger.tab.evaluate("scrollY")
    touch(finger, [(14.5, 6.5), (14.5, 10.5), (14.5, 20.5)])
    ink = torch.tensor(finger.get("drawing")).view(28, 28)
    assert (ink[6:21, 14] == 255).all()
    assert finger.tab.evaluate("scrollY") == before


def test_the_said_text_follows_the_drawing(drawing):
    assert "trousers" in drawing.said() and "identity 0" in drawing.said()
    drawing.set(drawing=BLANK)
    assert drawing.said().startswith("Your drawing.")


def test_a_drawing_from_python_is_where_the_next_stroke_goes_on(drawing):
    drawing.set(drawing=[255] * 28 + [0] * 756)
    drag(drawing, [(6.5, 14.5), (20.5, 14.5)])
    ink = torch.tensor(drawing.get("drawing")).view(28, 28)
    assert (ink[0] == 255).all() and ink[14, 10] == 255


def test_the_bottleneck_turns_trousers_into_an_eight_as_the_chapter_says(drawing):
    _, narrow, _ = drawing.probe()["outputs"]
    assert DigitClassifier.trained().predict(torch.tensor([narrow]).clamp(0, 1)).item() == 8


def test_a_stroke_is_drawn_within_its_frame(drawing):
    assert_quick(stroke_times(drawing))
