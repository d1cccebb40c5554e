"""The built book as two audits see it: axe-core on every page, and what a first view weighs."""

import gzip
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import pytest
from chromium import ALL_SECTIONS, HTML, missing
from test_pages import pages

FIRST_VIEW = 1.5e6  # bytes, compressed, without a widget's weights
THEMES = ("light", "dark")

# Everything but colours. They depend on the theme, not on the width, and looking at one element
# of each kind is enough: same tags and classes up to the root, same colours.
# The insides of formulas and of lines of code hold thousands of elements and nothing to audit.
STRUCTURE = """
() => {
  document.querySelectorAll('mjx-container').forEach(e => e.replaceWith('formula'));
  document.querySelectorAll('.highlight pre').forEach(e => { e.textContent = e.textContent; });
  return axe.run({resultTypes: ['violations'], rules: {'color-contrast': {enabled: false}}})
    .then(result => result.violations);
}
"""
COLOURS = """
() => {
  const kinds = new Map(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !e.checkVisibility() || e.closest('mjx-container'))
      continue;
    let kind = '';
    for (let up = e; up; up = up.parentElement) kind += up.tagName + '.' + up.className + ' ';
    if (!kinds.has(kind)) kinds.set(kind, e);
  }
  const found = [...kinds.values()].filter(e => ![...kinds.values()].some(
    other => other !== e && other.contains(e)));
  return axe.run({include: found}, {resultTypes: ['violations'], runOnly: ['color-contrast']})
    .then(result => result.violations);
}
"""
SCRIPT = "axe_playwright_python"  # the package that brings axe-core


def offences(violations, where):
    """One line per element that breaks a rule."""
    for rule in violations:
        for node in rule["nodes"]:
            reason = next((c["message"] for c in node["any"] + node["all"] + node["none"]), "")
            yield f"{where}: {rule['id']}: {node['html'][:120]} {reason[:150]}"


@pytest.fixture(scope="module")
def audits(browser, server):
    """(offences, bytes sent per page) after every page was opened once."""
    if not (spec := find_spec(SCRIPT)):
        missing("axe-core is not installed: pip install -r requirements.txt")
    axe = next(Path(spec.origin).parent.rglob("axe.min.js")).read_text(encoding="utf-8")
    found, weight = [], {}
    tab = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    for page in pages():
        asked.clear()
        tab.goto(f"{server.origin}/{page}", wait_until="load")
        tab.evaluate("window.MathJax?.startup?.promise")
        weight[page] = sum(sent(url, server.origin) for url in set(asked))
        tab.evaluate(axe)
        tab.add_style_tag(content=ALL_SECTIONS)
        for theme in THEMES:
            tab.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
            found += offences(tab.evaluate(COLOURS), f"{page}, {theme}")
        found += offences(tab.evaluate(STRUCTURE), page)
    tab.close()
    return found, weight


def sent(url: str, origin: str) -> int:
    """Bytes of a file of the book as a host would send it: text compressed."""
    path = HTML / unquote(url.removeprefix(origin + "/").partition("?")[0].partition("#")[0])
    if not url.startswith(origin) or not path.is_file():
        return 0
    body = path.read_bytes()
    ready = path.suffix in (".png", ".jpg", ".webp", ".woff", ".woff2", ".ico", ".gif")
    return len(body) if ready else len(gzip.compress(body))


def test_axe_finds_nothing_on_any_page_in_light_and_dark(audits):
    found, _ = audits
    assert not found, "\n".join(found[:60])


def test_the_first_view_of_every_page_is_light(audits):
    _, weight = audits
    name, most = max(weight.items(), key=lambda item: item[1])
    print(f"\nheaviest first view: {name}, {most / 1e6:.2f} MB compressed")
    assert most <= FIRST_VIEW, {page: b for page, b in weight.items() if b > FIRST_VIEW}
