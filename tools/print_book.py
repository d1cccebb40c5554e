"""The whole book as one PDF with links, bookmarks and tags: `make pdf`.

    python tools/print_book.py [OUT]     default: _build/autoencoders.pdf

Needs `make book` and a Chromium. The articles of all pages are put into one document, in the
order of the table of contents, so that every link inside the book stays inside the PDF; Chromium
prints it. Solutions are open, folded code is left out, widgets show their still picture.
"""

import re
import sys
from pathlib import Path
from urllib.parse import unquote

from bs4 import BeautifulSoup
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "browser"))
from chromium import HTML, launch  # noqa: E402  (the tests' own way of finding a browser)

GONE = "script, noscript, .headerlink, button, .onlyprint, dialog, .toggle-button, details.hide"
STYLE = """
@page { size: A4; margin: 18mm 16mm 20mm; }
html { font-size: 13px; }
body { background: white; }
.chapter { break-before: page; max-width: none; padding: 0; }
.bd-article h1 { display: block !important; }
h1, h2, h3, h4, .admonition-title, figcaption { break-after: avoid; }
figure, img, svg, table tr, mjx-container, .admonition-title { break-inside: avoid; }
pre { white-space: pre-wrap !important; overflow-wrap: anywhere; }
.bd-article div.math, .pst-scrollable-table-container { overflow: visible; }
.bd-article > section > section { content-visibility: visible; }
"""
READY = """
async () => {
  document.querySelectorAll('details').forEach(d => d.open = true);
  const pictures = [...document.images];
  await Promise.all(pictures.map(i => { i.loading = 'eager'; return i.decode().catch(() => 0); }));
  await window.MathJax?.startup?.promise;
  await document.fonts.ready;
}
"""


def order() -> list[str]:
    """Pages in the order of the table of contents, such as "chapters/02_linear"."""
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    return re.findall(r"(?:root|file):\s*(\S+)", toc)


def place(page: str, anchor: str = "") -> str:
    """The one id, in the whole document, of a place on a page."""
    return f"{Path(page).name}--{anchor}" if anchor else Path(page).name


def local(href: str, page: str, pages: list[str]) -> str | None:
    """A link of `page` as a link inside the document; None if it leads nowhere in it."""
    target, _, anchor = href.partition("#")
    if not target:
        return "#" + place(page, unquote(anchor))
    path = (Path(page).parent / unquote(target)).as_posix().removesuffix(".html")
    return "#" + place(path, unquote(anchor)) if path in pages else None


def article(page: str, pages: list[str]) -> str:
    """One page's article with ids, links and addresses that hold in the whole document."""
    soup = BeautifulSoup((HTML / f"{page}.html").read_text(encoding="utf-8"), "html.parser")
    body = soup.select_one("article.bd-article")
    for useless in body.select(GONE):
        useless.decompose()
    for item in body.select("[id]"):
        item["id"] = place(page, item["id"])
    for link in body.select("a[href]"):
        if not re.match(r"(https?|mailto):", link["href"]):
            inside = local(link["href"], page, pages)
            link["href"] = inside or ""
            if not inside:
                link.unwrap()
    for picture in body.select("img[src]"):
        if not picture["src"].startswith("data:"):
            picture["src"] = (HTML / page).parent.joinpath(picture["src"]).resolve().as_uri()
            picture["loading"] = "eager"
    for hidden in body.select(".toggle-hidden, .toggle"):
        hidden["class"] = [c for c in hidden["class"] if not c.startswith("toggle")]
    return f'<div class="chapter" id="{place(page)}">{body}</div>'


def document() -> str:
    """All pages as one HTML text."""
    pages = order()
    css = (HTML / "_static" / "styles" / "book.css").as_uri()
    maths = (HTML / "_static" / "typeset.js").as_uri()
    some = next(t for p in pages if "window.MathJax =" in
                (t := (HTML / f"{p}.html").read_text(encoding="utf-8")))  # fmt: skip
    config = re.search(r"<script>(window\.MathJax = .*?)</script>", some, re.S)[1]
    articles = "\n".join(article(page, pages) for page in pages)
    return f"""<!DOCTYPE html>
<html lang="en" data-theme="light"><head><meta charset="utf-8">
<title>Autoencoders, executed</title>
<link rel="stylesheet" href="{css}"><style>{STYLE}</style>
<script>{config}</script><script defer src="{maths}" data-slice="1e6"></script>
</head><body><main class="bd-main"><div class="bd-content">
<div class="bd-article-container" style="max-width: none">{articles}</div></div></main>
</body></html>"""


def main(out: Path) -> None:
    """Write the document beside the PDF, print it, remove it."""
    whole = out.with_suffix(".html")
    whole.write_text(document(), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = launch(playwright)
        tab = browser.new_page()
        tab.set_default_timeout(600_000)
        tab.goto(whole.as_uri())
        tab.evaluate(READY)
        footer = (
            '<div style="font: 8px sans-serif; width: 100%; text-align: center">'
            'Autoencoders, executed · <span class="pageNumber"></span></div>'
        )
        tab.pdf(
            path=out,
            prefer_css_page_size=True,
            print_background=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=footer,
            tagged=True,
            outline=True,
        )
        browser.close()
    whole.unlink()
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "_build" / "autoencoders.pdf").resolve())
