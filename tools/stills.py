"""Photograph every widget of the built book, for its place in print and without JavaScript.

python tools/stills.py [name ...]        (make stills; build the book before and after)
"""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "browser"))

from chromium import HTML, launch  # noqa: E402
from living import Living  # noqa: E402

from aecourse import widgets  # noqa: E402

FOLDER = ROOT / "_assets" / "stills"


def main(names):
    """Write a still of each named widget (all without names), with few colours to stay small."""
    known = [getattr(widgets, name).script for name in widgets.__all__]
    if unknown := set(names) - set(known):
        raise SystemExit(f"unknown widgets {sorted(unknown)}; known: {known}")
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for name in names or known:
            tab = browser.new_page(viewport={"width": 720, "height": 1400}, color_scheme="light",
                                   reduced_motion="reduce")  # fmt: skip
            tab.add_init_script("Math.random = () => 0.5")  # the same question each time
            living = Living.opened(tab, HTML.as_uri(), name)
            tab.wait_for_timeout(3000)  # until what comes bit by bit has come
            shot = living.place.locator(".ae-widget").screenshot()
            still = Image.open(io.BytesIO(shot)).convert("RGB")
            still = still.quantize(256, Image.Quantize.MAXCOVERAGE)  # keeps rare colours too
            still.save(FOLDER / f"{name}.png", optimize=True)
            print(f"{name}: {still.size}, {(FOLDER / f'{name}.png').stat().st_size} bytes")
            tab.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
