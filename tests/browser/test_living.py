"""What every widget of the built book keeps: it starts, it is quick, it fails in plain words.

With AECOURSE_BENCH=1 the times and sizes are written to benchmarks/widgets.json.
"""

import gzip
import json
import os
import platform
from statistics import quantiles

import pytest
from chromium import HTML, ROOT
from living import DESK, READY, Living, assert_quick, come_near, page_of, patient

from aecourse import widgets

KINDS = [getattr(widgets, name) for name in widgets.__all__]
SCRIPTS = [kind.script for kind in KINDS]

LOOK = r"""el => {
  const box = el.querySelector('.ae-widget'), width = document.documentElement.clientWidth;
  const small = [...el.querySelectorAll('button, input, select, [tabindex="0"]')]
    .filter(e => e.checkVisibility())
    .map(e => [e.closest('label') ?? e, e]).filter(([target]) => {
      const {width, height} = target.getBoundingClientRect();
      return width < 24 || height < 24;
    }).map(([, e]) => e.outerHTML.slice(0, 80));
  const bare = [...el.querySelectorAll('input, select, button')].filter(e => !(
    e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim()));
  const unnamed = [...el.querySelectorAll('canvas')].filter(e => e.checkVisibility() &&
    e.getAttribute('aria-hidden') !== 'true' && !e.getAttribute('aria-label'));
  return {
    wide: document.documentElement.scrollWidth > width || box.scrollWidth > box.clientWidth + 1,
    small, unnamed: [...bare, ...unnamed].map(e => e.outerHTML.slice(0, 80)),
  };
}"""
# Where the pictures of each row with several begin.
TOPS = """el => [...el.querySelectorAll('.ae-row')].filter(row => row.checkVisibility())
  .map(row => [...row.children].filter(e => e.matches('canvas') || e.querySelector('canvas')))
  .filter(beside => beside.length > 1)
  .map(beside => beside.map(e => Math.round(e.getBoundingClientRect().top)))"""
ONE_PICTURE = ("vqvae", "tokens", "review")  # in a row, at most
# Tab through the widget; what has the focus must show it.
FOCUS = """el => {
  const e = document.activeElement, style = getComputedStyle(e);
  return {inside: el.contains(e), what: e.outerHTML.slice(0, 60),
          shown: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2};
}"""


@pytest.fixture(scope="module")
def figures():
    """Times and sizes by widget, printed at the end and kept if asked."""
    found = {}
    yield found
    print("\nwidget       handler p95  draw p95  event to frame p95 (ms)   weights (kB gzipped)")
    for script, row in sorted(found.items()):
        print(f"{script:12} {row.get('handler_p95', 0):8.1f} {row.get('draw_p95', 0):9.1f} "
              f"{row.get('frame_p95', 0):14.1f} {row.get('weights_kb', 0):24.0f}")  # fmt: skip
    if os.environ.get("AECOURSE_BENCH"):
        machine = f"{platform.machine()}, {os.cpu_count()} cores, headless Chromium"
        text = json.dumps({"machine": machine, "widgets": found}, indent=1, sort_keys=True)
        (ROOT / "benchmarks" / "widgets.json").write_text(text + "\n", encoding="utf-8")


class Opened:
    """A widget's page, opened once for all tests of this module: what it asked for and when."""

    def __init__(self, browser, origin, script):
        self.asked, self.errors = [], []
        tab = patient(browser.new_context(**DESK).new_page())
        tab.on("request", lambda request: self.asked.append(request.url))
        tab.on("pageerror", lambda error: self.errors.append(str(error)))
        tab.goto(f"{origin}/{page_of(script)}", wait_until="load")
        self.living = Living(tab, script)
        self.far = self.living.place.bounding_box()["y"] > DESK["viewport"]["height"] + 300
        self.early = self.packs()
        for other in tab.locator(".aecourse-widget").all():
            come_near(other)
            other.evaluate(READY)
        self.late = self.packs()
        self.living.typeset()

    def packs(self):
        return [url for url in self.asked if "/packs/" in url]


@pytest.fixture(scope="module", params=SCRIPTS)
def opened(request, browser, server):
    page = Opened(browser, server.origin, request.param)
    yield page
    page.living.tab.context.close()


@pytest.fixture
def living(opened):
    """The widget, just started on its open page; an error of a script fails the test."""
    opened.errors.clear()
    opened.living.tab.set_viewport_size(DESK["viewport"])
    opened.living.restart()
    yield opened.living
    assert not opened.errors, opened.errors


def test_every_chapter_holds_a_widget():
    pages = {page_of(script) for script in SCRIPTS}
    chapters = {p.relative_to(HTML).as_posix() for p in HTML.glob("chapters/[0-9][0-9]_*.html")}
    assert chapters <= pages


def works(living, asked, root):
    """Assert that it runs, says its state, and that the page asked nothing of others."""
    assert len(living.said()) > 10, "the state is not said in words"
    assert not living.place.locator(".ae-error").filter(visible=True).count()
    assert not [url for url in asked if not url.startswith((root, "data:", "blob:"))]


def test_widget_runs_offline_over_http(opened, server):
    works(opened.living, opened.asked, server.origin)
    assert not opened.errors


@pytest.mark.parametrize("script", SCRIPTS)
def test_widget_runs_on_a_phone_from_the_disk(tab, script):
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.set_viewport_size({"width": 390, "height": 800})
    works(Living.opened(tab, HTML.as_uri(), script), asked, HTML.as_uri())


def test_weights_are_loaded_only_when_scrolled_to_and_small(opened, server, figures):
    script = opened.living.script
    if opened.far:
        assert not [url for url in opened.early if script in url], "loaded before it was near"
    paths = {HTML / url.removeprefix(server.origin + "/") for url in opened.late}
    size = sum(len(gzip.compress(path.read_bytes())) for path in paths)
    figures.setdefault(script, {})["weights_kb"] = size / 1000
    assert size <= 1e6


def test_a_move_is_drawn_within_its_frame(living, figures):
    found = living.times()
    p95 = {key: quantiles(values, n=20)[-1] for key, values in found.items()}
    figures.setdefault(living.script, {}).update(
        handler_p95=p95["handlers"], draw_p95=p95["draws"], frame_p95=p95["frames"]
    )
    assert_quick(found)


def test_widget_fits_and_every_control_is_named_and_large_enough(living):
    for width in (1280, 360):
        living.tab.set_viewport_size({"width": width, "height": 800})
        living.settle()
        assert living.place.evaluate(LOOK) == {"wide": False, "small": [], "unnamed": []}, width


def test_pictures_of_a_row_stand_side_by_side_at_desktop_width(living):
    rows = living.place.evaluate(TOPS)
    assert all(len(set(tops)) == 1 for tops in rows), rows
    assert bool(rows) == (living.script not in ONE_PICTURE)


def test_the_keyboard_reaches_every_control_and_the_focus_shows(living):
    wanted = living.place.evaluate(
        "el => new Set([...el.querySelectorAll('button, select, input, [tabindex=\"0\"]')]"
        ".filter(e => e.checkVisibility() && !e.disabled && e.tabIndex >= 0)"
        ".map(e => e.type === 'radio' ? e.name : e)).size"
    )
    living.place.evaluate(
        "el => { el.tabIndex = -1; el.focus(); }"
    )  # start just before the first control
    for _ in range(wanted):
        living.tab.keyboard.press("Tab")
        focus = living.place.evaluate(FOCUS)
        assert focus["inside"] and focus["shown"], focus


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_javascript_a_picture_and_a_sentence_stand_in_its_place(browser, server, script):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(f"{server.origin}/{page_of(script)}", wait_until="load")
    place = Living(tab, script).place
    assert len(place.locator("figcaption").text_content()) > 20
    picture = place.locator("img")
    come_near(picture)
    tab.wait_for_load_state("networkidle")
    assert picture.bounding_box()["height"] > 100, "the still picture did not load"
    context.close()


def kind_of(script):
    return next(kind for kind in KINDS if kind.script == script)


def test_weights_that_do_not_load_leave_a_message_and_the_page_goes_on(living):
    has_weights = bool(kind_of(living.script).packs())
    living.restart(without="**/packs/*")
    assert living.place.locator("[role=alert]").count() == has_weights
    if not has_weights:  # nothing can be missing
        return
    message = living.place.locator("[role=alert]").inner_text()
    assert "did not load" in message and ".js" in message
    assert living.tab.locator("main h1").count()
    living.tab.unroute_all()  # and the button mends it
    living.place.get_by_role("button", name="Try again").click()
    living.place.locator(".ae-said").wait_for()


def test_without_a_canvas_there_is_a_message(living):
    living.tab.evaluate("""() => { const all = HTMLCanvasElement.prototype;
      all.kept = all.getContext; all.getContext = () => null; }""")
    try:
        living.restart()
        if living.script == "review":  # it has no picture and does not need one
            assert living.said()
        else:
            assert "canvas" in living.place.locator("[role=alert]").inner_text()
    finally:
        living.tab.evaluate("""() => { const all = HTMLCanvasElement.prototype;
          all.getContext = all.kept; }""")


def test_axe_finds_nothing_wrong_with_the_running_widget(living):
    axe, bad = pytest.importorskip("axe_playwright_python.sync_playwright").Axe(), []
    for theme in ("light", "dark"):
        living.tab.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        living.settle()
        found = axe.run(living.tab, context=f'.aecourse-widget[data-widget="{living.script}"]')
        bad += [
            (theme, v["id"], v["nodes"][0]["html"][:100], v["nodes"][0]["failureSummary"][:200])
            for v in found.response["violations"]
        ]
    assert not bad, bad
