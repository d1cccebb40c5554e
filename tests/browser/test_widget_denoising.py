"""Chapter 09's widget in the built book, against the Python model."""

import pytest
import torch
from living import assert_quick, eventually
from readings import assert_shows, grey
from strokes import drag, sheet_of, stroke_times, touch

from aecourse import data
from aecourse.denoising import mask_patches, mask_pixels
from aecourse.trivial import squared_error
from aecourse.widgets.denoising import restorer

NOTHING = [0] * 784
DAMAGES = ("left half", "patches", "pixels", "noise")


@pytest.fixture
def eraser(desk):
    return desk("denoising")


def tensors(probe):
    return [torch.tensor(probe[key], dtype=torch.float32) for key in ("inputs", "mask", "outputs")]


@torch.no_grad()
def test_hidden_pixels_are_pytorchs_to_a_grey_level_and_visible_ones_the_inputs(eraser):
    x, g = data.mnist("test").x[:20], torch.Generator().manual_seed(0)
    masks = torch.cat([hide(x, 0.5, generator=g)[1] for hide in (mask_pixels, mask_patches) * 2])
    states = [{"digit": i % 20, "mask": m} for i, m in enumerate(masks.int().tolist())]
    states += [{"digit": i, "mask": [], "damage": "noise", "seed": i} for i in range(20)]
    found = [torch.stack(rows) for rows in zip(*map(tensors, eraser.sweep(states)), strict=True)]
    seen, mask, restored = found
    assert torch.equal(mask[:80].bool(), masks)
    assert torch.allclose(seen[:80], x.repeat(4, 1) * ~masks)
    noise = seen[80:] - x
    assert 0.49 < noise.std() < 0.51 and abs(noise.mean()) < 0.02
    answer = restorer()(seen)
    expected = torch.cat([torch.where(masks, answer[:80], seen[:80]), answer[80:]])
    error = (restored - expected).abs().max().item()
    print(f"denoising: at most {255 * error:.4f} grey levels from PyTorch")
    assert error <= 1 / 255


def test_pictures_and_numbers_on_the_screen_are_the_denoisers_answers(eraser):
    x = data.mnist("test").x[:20]
    for damage in DAMAGES:
        seen, mask, restored = tensors(eraser.set(digit=4, mask=[], damage=damage, seed=3))
        made, clean = eraser.place.locator(".ae-results canvas").all()
        assert_shows(made, restored)
        assert_shows(clean, x[4])
        visible, shown = mask == 0, grey(sheet_of(eraser))
        assert (shown - 255 * (1 - seen.clamp(0, 1)))[visible].abs().max() <= 0.51
        texts = eraser.place.locator(".ae-number").all_inner_texts()
        told = [float(text.split()[-1]) for text in texts]
        for number, image in zip(told, (seen, restored), strict=True):
            assert number == pytest.approx(squared_error(image[None], x[4:5]).item(), abs=0.51)


def test_presets_hide_what_they_say(eraser):
    masks = {}
    for damage in DAMAGES:
        _, mask, _ = tensors(eraser.set(mask=[], damage=damage, seed=5))
        masks[damage] = mask.view(28, 28)
    assert masks["left half"][:, :14].all() and not masks["left half"][:, 14:].any()
    blocks = masks["patches"].view(7, 4, 7, 4).movedim(1, 2).reshape(49, 16).sum(dim=1)
    assert sorted(blocks.tolist()) == [0.0] * 25 + [16.0] * 24
    assert 330 < masks["pixels"].sum() < 454
    assert not masks["noise"].any()


def test_the_mouse_rubs_out_a_stroke_four_pixels_wide_on_top_of_the_preset(eraser):
    drag(eraser, [(20, 4), (20, 24)])
    mask = torch.tensor(eraser.get("mask")).view(28, 28)
    assert mask[:, :14].all() and mask[4:24, 18:22].all() and not mask[:, 22:].any()
    assert mask[10].sum() == 18


def test_uncover_undo_clear_and_next_digit(eraser):
    def press(name):
        eraser.place.get_by_role("button", name=name, exact=True).click()

    press("Clear")
    assert eraser.get("mask") == NOTHING
    drag(eraser, [(6, 14), (22, 14)])
    painted = eraser.get("mask")
    press("Uncover")
    drag(eraser, [(14, 10), (14, 20)])
    assert eraser.get("mask")[14 * 28 + 14] == 0
    press("Undo")
    assert eraser.get("mask") == painted
    press("Next digit")
    assert eraser.get("digit") == 1 and eraser.get("mask") == painted
    press("Patches")
    assert eraser.get("mask") == [] and eraser.get("damage") == "patches"


def test_pressing_a_random_damage_again_draws_another(eraser):
    patches = eraser.place.get_by_role("button", name="Patches")
    masks = []
    for _ in range(2):
        patches.click()
        masks.append(eraser.probe()["mask"])
    assert masks[0] != masks[1]


def test_the_keyboard_alone_rubs_out(eraser):
    eraser.set(mask=NOTHING)
    sheet_of(eraser).focus()
    eraser.keys("Enter", "ArrowDown", "ArrowDown", "Enter", "ArrowLeft")
    mask = torch.tensor(eraser.get("mask")).view(28, 28)
    assert mask[14:17, 14].all() and mask[:, :12].sum() == 0


def test_a_finger_rubs_out(phone):
    finger = phone("denoising")
    touch(finger, [(20, 6), (20, 12), (20, 20)])
    eventually(lambda: torch.tensor(finger.get("mask")).view(28, 28)[6:21, 19:21].all())


def test_the_said_text_follows_the_mask(eraser):
    assert "392 of 784 pixels hidden" in eraser.said()
    eraser.set(mask=NOTHING)
    assert "nothing hidden yet" in eraser.said()
    eraser.set(mask=[], damage="noise")
    assert "under noise" in eraser.said()


def test_the_error_falls_for_every_digit_and_damage_as_the_chapter_says(eraser):
    states = [{"digit": i, "mask": [], "damage": damage, "seed": i} for damage in DAMAGES
              for i in range(20)]  # fmt: skip
    rows = [torch.stack(r) for r in zip(*map(tensors, eraser.sweep(states)), strict=True)]
    seen, _, restored = rows
    x = data.mnist("test").x[:20].repeat(4, 1)
    before, after = (squared_error(images, x).view(4, 20) for images in (seen, restored))
    print(dict(zip(DAMAGES, zip(before.mean(1).tolist(), after.mean(1).tolist()), strict=False)),
          (after / before).amax(1))  # fmt: skip
    assert (after.mean(dim=1) < 0.5 * before.mean(dim=1)).all()


def test_a_stroke_is_drawn_within_its_frame(eraser):
    assert_quick(stroke_times(eraser))
