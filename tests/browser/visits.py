"""One visit to each page of the built book, in which it is asked everything.

What a page did and holds is written down; `test_pages.py` states the claims.
"""

import gzip
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

from chromium import ALL_SECTIONS, HTML, missing
from living import DESK

THEMES = ("light", "dark")
PHONES = (390, 360)

FACTS = r"""
async () => {
  if (window.MathJax?.startup) await MathJax.startup.promise;
  const article = document.querySelector('article') ?? document.body;
  const outside = 'pre, code, script, style, textarea, mjx-container, .highlight';
  const raw = /\\\(|\\\)|\\\[|\\\]|\$[^$\n]+\$|\\(frac|sum|lVert|mathbb|operatorname|begin)\b/;
  const texts = [], walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!node.parentElement.closest(outside) && raw.test(node.data)) texts.push(node.data.trim());
  }
  const math = [...document.querySelectorAll('.math')];
  const pictures = [...document.images];
  await Promise.all(pictures.map(i => { i.loading = 'eager'; return i.decode().catch(() => 0); }));
  const drawings = [...article.querySelectorAll('svg')]
      .filter(s => !s.closest('button, a, [aria-hidden=true]'));
  return {
    ids: [...document.querySelectorAll('[id], a[name]')].map(e => e.id || e.name),
    links: [...document.querySelectorAll('a[href]')].map(a => a.href),
    formulas: math.length,
    raw: texts.concat(math.filter(m => !m.querySelector('mjx-container')).map(m => m.textContent)),
    wrong: [...document.querySelectorAll('mjx-merror, [data-mjx-error]')].map(e => e.textContent)
      .concat([...document.querySelectorAll('mjx-container [style*="color: red"]')]
              .map(e => 'unknown command in ' + e.closest('.math')?.textContent)),
    noAlt: pictures.filter(i => !(i.getAttribute('alt') ?? '').trim()).map(i => i.src)
      .concat(drawings.filter(s => !(s.getAttribute('aria-label')
              || s.querySelector('title')?.textContent)).map(s => s.outerHTML.slice(0, 80))),
    unloaded: pictures.filter(i => !i.naturalWidth).map(i => i.src),
    uncaptioned: [...article.querySelectorAll('.cell_output img, .cell_output .ae-diagram')]
      .filter(i => !i.closest('figure')?.querySelector('figcaption')?.textContent.trim())
      .map(i => i.src ?? 'a diagram'),
  };
}
"""

OPEN_EVERYTHING = """
() => {
  document.querySelectorAll('details').forEach(d => d.open = true);
  document.querySelectorAll('.toggle-hidden').forEach(e => e.classList.remove('toggle-hidden'));
}
"""

# What sticks out sideways, and what is cut off by a box that cannot be scrolled.
SIDEWAYS = """
async () => {
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  const width = document.documentElement.clientWidth, found = [];
  if (document.documentElement.scrollWidth > width) {
    const wide = [...document.querySelectorAll('article *')]
        .filter(e => e.getBoundingClientRect().right > width + 1 && !e.closest('mjx-container'))
        .map(e => e.tagName + '.' + e.className).slice(0, 3);
    found.push(`${document.documentElement.scrollWidth} px of ${width}: ${wide}`);
  }
  for (const e of document.querySelectorAll('article :is(.math, pre, table, figure)')) {
    if (getComputedStyle(e).overflowX === 'hidden' && e.scrollWidth > e.clientWidth + 1)
      found.push('cut off: ' + e.textContent.slice(0, 60));
  }
  return found;
}
"""

# WCAG AA for every visible piece of text in the article against the colour painted behind it.
CONTRAST = r"""
() => {
  const rgba = text => {
    const [r, g, b, a] = text.match(/[\d.]+/g).map(Number);
    return [r, g, b, a ?? 1];
  };
  const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const linear = v => v / 255 <= .03928 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4;
  const light = c => .2126 * linear(c[0]) + .7152 * linear(c[1]) + .0722 * linear(c[2]);
  const behind = e => {
    const layers = [];
    for (; e && layers.at(-1)?.[3] !== 1; e = e.parentElement)
      layers.push(rgba(getComputedStyle(e).backgroundColor));
    return layers.reduceRight((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  const ignored = 'script, style, mjx-assistive-mml, .headerlink, svg';
  const found = new Map(), article = document.querySelector('article') ?? document.body;
  const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim(), e = walker.currentNode.parentElement;
    if (!text || e.closest(ignored) || !e.checkVisibility({opacityProperty: true})) continue;
    const style = getComputedStyle(e), back = behind(e), fore = over(rgba(style.color), back);
    const [high, low] = [light(fore), light(back)].sort((a, b) => b - a);
    const ratio = (high + .05) / (low + .05), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.6 && style.fontWeight >= 700);
    const what = `${e.tagName}.${e.className}`;
    if (ratio < (large ? 3 : 4.5))
      found.set(what, `${ratio.toFixed(1)} for ${text.slice(0, 30)} (${what})`);
  }
  return [...found.values()];
}
"""


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


@dataclass
class Visit:
    """What one page did and holds, read one way ("http" or "file")."""

    way: str
    page: str  # path below the book's root
    root: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    weight: int = 0  # bytes of a first view, compressed
    audit: list[str] = field(default_factory=list)
    sideways: dict[int, list[str]] = field(default_factory=dict)
    faint: dict[str, list[str]] = field(default_factory=dict)
    facts: dict = field(default_factory=dict)

    @property
    def url(self):
        return f"{self.root}/{self.page}"


def pages() -> list[str]:
    """Every HTML page of the book, the chapters first; the front door only redirects."""
    found = (p.relative_to(HTML).as_posix() for p in HTML.rglob("*.html"))
    return sorted(p for p in found if not p.startswith("_static/") and p != "index.html")


def offences(violations, where):
    """One line per element that breaks a rule."""
    for rule in violations:
        for node in rule["nodes"]:
            reason = next((c["message"] for c in node["any"] + node["all"] + node["none"]), "")
            yield f"{where}: {rule['id']}: {node['html'][:120]} {reason[:150]}"


def sent(url: str, origin: str) -> int:
    """Bytes of a file of the book as a host would send it: text compressed."""
    path = HTML / unquote(url.removeprefix(origin + "/").partition("?")[0].partition("#")[0])
    if not url.startswith(origin) or not path.is_file():
        return 0
    body = path.read_bytes()
    ready = path.suffix in (".png", ".jpg", ".webp", ".woff", ".woff2", ".ico", ".gif")
    return len(body) if ready else len(gzip.compress(body))


def axe_core() -> str:
    """The source of axe-core, which a package brings."""
    if not (spec := find_spec("axe_playwright_python")):
        missing("axe-core is not installed: pip install -r requirements.txt")
    return next(Path(spec.origin).parent.rglob("axe.min.js")).read_text(encoding="utf-8")


def listen(tab, visit: Visit) -> dict:
    """Write down what the page does from now on; returns the listeners."""

    def on_failure(request):
        if request.failure != "net::ERR_ABORTED":  # the icon, when the tab has moved on
            visit.failed.append(f"{request.failure} {request.url}")

    def on_console(message):
        if message.type == "error":
            visit.errors.append(message.text)

    def on_response(response):
        if response.status >= 400:
            visit.failed.append(f"{response.status} {response.url}")

    listeners = {
        "console": on_console,
        "pageerror": lambda error: visit.errors.append(str(error)),
        "request": lambda request: visit.requests.append(request.url),
        "requestfailed": on_failure,
        "response": on_response,
    }
    for event, listener in listeners.items():
        tab.on(event, listener)
    return listeners


def follow(tab, visit: Visit, axe: str) -> None:
    """Open the page in the tab and write down what it did and holds."""
    listeners = listen(tab, visit)
    tab.set_viewport_size(DESK["viewport"])
    tab.goto(visit.url, wait_until="load")
    tab.evaluate("window.MathJax?.startup?.promise.then(() => 0)")
    visit.weight = sum(sent(url, visit.root) for url in set(visit.requests))
    visit.facts = tab.evaluate(FACTS)
    if visit.way == "http":
        look_closely(tab, visit, axe)
    for event, listener in listeners.items():
        tab.remove_listener(event, listener)


def look_closely(tab, visit: Visit, axe: str) -> None:
    """Everything laid out and opened: colours in both themes, both phones, and the audit."""
    tab.add_style_tag(content=ALL_SECTIONS)
    tab.evaluate(OPEN_EVERYTHING)
    for theme in THEMES:
        tab.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        visit.faint[theme] = tab.evaluate(CONTRAST)
    for width in PHONES:
        tab.set_viewport_size({"width": width, "height": 800})
        visit.sideways[width] = tab.evaluate(SIDEWAYS)
    tab.set_viewport_size(DESK["viewport"])
    tab.evaluate(axe)
    for theme in THEMES:
        tab.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        visit.audit += offences(tab.evaluate(COLOURS), theme)
    visit.audit += offences(tab.evaluate(STRUCTURE), "all themes")  # last: it cuts out formulas
