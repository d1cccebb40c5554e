"""The built book in a real browser: every page, over http and from the disk.

Each page is opened once per way of reading it (`visits`); each test then states one claim
about all of them and names the pages that break it.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urldefrag

import pytest
from chromium import ALL_SECTIONS, HTML, ROOT

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


@dataclass
class Visit:
    """What one page did and holds, read one way ("http" or "file")."""

    way: str
    page: str  # path below the book's root
    url: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    sideways: dict[int, list[str]] = field(default_factory=dict)
    faint: dict[str, list[str]] = field(default_factory=dict)
    facts: dict = field(default_factory=dict)


def pages() -> list[str]:
    """Every HTML page of the book, the chapters first; the front door only redirects."""
    found = (p.relative_to(HTML).as_posix() for p in HTML.rglob("*.html"))
    return sorted(p for p in found if not p.startswith("_static/") and p != "index.html")


def follow(tab, visit: Visit) -> None:
    """Open the page in the tab and write down what it did and holds."""

    def on_console(message):
        if message.type == "error":
            visit.errors.append(message.text)

    def on_failure(request):
        if request.failure != "net::ERR_ABORTED":  # the icon, when the tab has moved on
            visit.failed.append(f"{request.failure} {request.url}")

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
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.goto(visit.url, wait_until="load")
    visit.facts = tab.evaluate(FACTS)
    if visit.way == "http":
        tab.add_style_tag(content=ALL_SECTIONS)
        tab.evaluate(OPEN_EVERYTHING)
        for theme in ("light", "dark"):
            tab.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
            visit.faint[theme] = tab.evaluate(CONTRAST)
        for width in PHONES:
            tab.set_viewport_size({"width": width, "height": 800})
            visit.sideways[width] = tab.evaluate(SIDEWAYS)
    for event, listener in listeners.items():
        tab.remove_listener(event, listener)


@pytest.fixture(scope="module")
def visits(browser, server) -> list[Visit]:
    """Every page opened over http and from the disk."""
    made = []
    for way, root in (("http", server.origin), ("file", HTML.as_uri())):
        tab = browser.new_page(reduced_motion="reduce")
        for page in pages():
            visit = Visit(way, page, f"{root}/{page}")
            follow(tab, visit)
            made.append(visit)
        tab.close()
    return made


def report(visits, pick) -> str:
    """One line per offence: way, page, what."""
    return "\n".join(f"{v.way} {v.page}: {what}" for v in visits for what in pick(v))


def chapters(visits):
    return [v for v in visits if v.page.startswith("chapters/")]


def test_every_page_of_the_table_of_contents_was_built_and_opened(visits):
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    wanted = set(re.findall(r"(?:root|file):\s*(\S+)", toc))
    for way in ("http", "file"):
        opened = {v.page.removesuffix(".html") for v in visits if v.way == way}
        assert wanted <= opened, f"{way}: not built: {sorted(wanted - opened)}"


def test_the_front_door_leads_to_the_first_page(browser, server):
    for root in (server.origin, HTML.as_uri()):
        tab = browser.new_page()
        tab.goto(f"{root}/index.html", wait_until="commit")
        tab.wait_for_url("**/chapters/index.html", wait_until="commit")
        tab.close()


def test_no_page_raises_an_error_in_the_console(visits):
    assert not (bad := report(visits, lambda v: v.errors)), bad


def test_no_page_asks_anything_from_another_origin(visits, server):
    home = {"http": server.origin + "/", "file": HTML.as_uri() + "/"}

    def strangers(v):
        return [u for u in v.requests if not u.startswith((home[v.way], "data:", "blob:"))]

    assert not (bad := report(visits, strangers)), bad


def test_no_page_names_a_remote_script_style_font_or_picture(built):
    remote = re.compile(
        r"<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?"
        r"\b(?:src|data|srcset)\s*=\s*[\"']?(?:https?:)?//[^\"'>]*"
        r"|<link\b(?![^>]*rel=[\"']?canonical)[^>]*href\s*=\s*[\"']?(?:https?:)?//[^\"'>]*"
        r"|(?:@import\s+|url\()\s*[\"']?(?:https?:)?//[^)\"']*"
    )
    files = [*map(HTML.joinpath, pages()), *HTML.glob("_static/**/*.css")]
    bad = [
        f"{path.relative_to(HTML)}: {found.group(0)[:120]}"
        for path in files
        for found in remote.finditer(path.read_text(encoding="utf-8", errors="ignore"))
    ]
    assert not bad, "\n".join(bad)


def test_everything_a_page_asks_for_arrives(visits, server):
    assert not (bad := report(visits, lambda v: v.failed + v.facts["unloaded"])), bad
    assert not server.not_found, server.not_found


def test_every_internal_link_leads_to_a_page_and_to_a_place_on_it(visits, server):
    for way, root in (("http", server.origin), ("file", HTML.as_uri())):
        ids = {v.page: {*v.facts["ids"], ""} for v in visits if v.way == way}
        ids["index.html"] = {""}

        def broken(v, root=root, ids=ids):
            for link in set(v.facts["links"]):
                url, anchor = urldefrag(link)
                if not url.startswith(root + "/"):
                    if url.startswith(("file:", "http://127.")):
                        yield f"{link} leaves the book"
                    continue
                page = unquote(url.removeprefix(root + "/").partition("?")[0])
                if not (HTML / page).is_file():
                    yield f"{link}: no such file"
                elif page in ids and unquote(anchor) not in ids[page]:
                    yield f"{link}: no such place on the page"

        bad = report([v for v in visits if v.way == way], broken)
        assert not bad, bad


def test_all_mathematics_is_typeset(visits):
    assert any(v.facts["formulas"] for v in visits), "no page holds a formula"
    assert not (bad := report(visits, lambda v: v.facts["raw"] + v.facts["wrong"])), bad


def test_every_picture_has_alternative_text(visits):
    assert any("_images" in u for v in visits for u in v.requests), "no page shows a figure"
    assert not (bad := report(visits, lambda v: v.facts["noAlt"])), bad


def test_every_picture_a_cell_draws_is_a_figure_with_a_caption(visits):
    assert not (bad := report(visits, lambda v: v.facts["uncaptioned"])), bad


@pytest.mark.parametrize("width", PHONES)
def test_no_page_moves_sideways_on_a_phone_and_nothing_is_cut_off(visits, width):
    bad = report(chapters(visits), lambda v: v.sideways.get(width, []))
    assert not bad, f"at {width} px:\n{bad}"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_enough_contrast(visits, theme):
    assert not (bad := report(chapters(visits), lambda v: v.faint.get(theme, []))), bad


def test_the_search_page_finds_a_word_of_the_book(browser, server):
    tab = browser.new_page()
    tab.goto(f"{server.origin}/search.html?q=autoencoder")
    tab.wait_for_selector("#search-results li a", timeout=10_000)
    tab.close()
