"""Pictures of the built book, for its authors to look at.

    python tools/screenshots.py OUTDIR [page ...]     e.g. shots 02_linear index

Each page is cut into slices one viewport high, at 1280 and 390 px, in light and dark. Needs
`make book` first, and a Chromium (CHROMIUM=/path/to/it, or Playwright's own).
"""

import itertools
import math
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "browser"))
from chromium import ALL_SECTIONS, launch  # noqa: E402  (the tests' own way of finding a browser)

WIDTHS, HEIGHT = (1280, 390), 1600


def main(out: Path, words: list[str]) -> None:
    """Save OUTDIR/page-width-theme-slice.png for every page whose name contains a word."""
    out.mkdir(parents=True, exist_ok=True)
    pages = sorted((ROOT / "_build" / "html" / "chapters").glob("*.html"))
    pages = [p for p in pages if not words or any(w in p.stem for w in words)]
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for theme, width in itertools.product(("light", "dark"), WIDTHS):
            tab = browser.new_page(
                viewport={"width": width, "height": HEIGHT}, reduced_motion="reduce"
            )
            tab.add_init_script(f"localStorage.setItem('mode', '{theme}');")
            for path in pages:
                tab.goto(path.as_uri())
                tab.evaluate("window.MathJax?.startup?.promise")
                tab.add_style_tag(content=ALL_SECTIONS)
                total = tab.evaluate("document.documentElement.scrollHeight")
                for i in range(math.ceil(total / HEIGHT)):
                    tab.evaluate("top => window.scrollTo(0, top)", i * HEIGHT)
                    tab.screenshot(path=out / f"{path.stem}-{width}-{theme}-{i:02d}.png")
            tab.close()
        browser.close()
    print(f"{len(pages)} pages in {out}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:])
