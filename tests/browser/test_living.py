"""What every widget of the built book keeps: it starts, it is quick, it fails in plain words.

With AECOURSE_BENCH=1 the times and sizes are written to benchmarks/widgets.json.
"""

import gzip
import json
import os
import platform
from statistics import median, quantiles

import pytest
from chromium import HTML, ROOT
from living import READY, Living, come_near, page_of

from aecourse import widgets

SCRIPTS = [getattr(widgets, name).script for name in widgets.__all__]
each_widget = pytest.mark.parametrize("script", SCRIPTS)

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
        print(f"{script:12} {row['handler_p95']:8.1f} {row['draw_p95']:9.1f} "
              f"{row['frame_p95']:14.1f} {row.get('weights_kb', 0):24.0f}")  # fmt: skip
    if os.environ.get("AECOURSE_BENCH"):
        machine = f"{platform.machine()}, {os.cpu_count()} cores, headless Chromium"
        text = json.dumps({"machine": machine, "widgets": found}, indent=1, sort_keys=True)
        (ROOT / "benchmarks" / "widgets.json").write_text(text + "\n", encoding="utf-8")


def test_every_chapter_holds_a_widget():
    pages = {page_of(script) for script in SCRIPTS}
    chapters = {p.relative_to(HTML).as_posix() for p in HTML.glob("chapters/[0-9][0-9]_*.html")}
    assert chapters <= pages


@each_widget
@pytest.mark.parametrize("way", ["http", "file"])
def test_widget_runs_offline_over_http_and_from_the_disk(browser, server, script, way):
    root = {"http": server.origin, "file": HTML.as_uri()}[way]
    context = browser.new_context(viewport={"width": 390, "height": 800})
    tab, asked, errors = context.new_page(), [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: errors.append(str(error)))
    living = Living(tab, root, script)
    said = living.place.locator(".ae-said").inner_text()
    assert len(said) > 10, "the state is not said in words"
    assert not living.place.locator(".ae-error").filter(visible=True).count()
    assert not errors
    assert not [url for url in asked if not url.startswith((root, "data:", "blob:"))]
    context.close()


@each_widget
def test_weights_are_loaded_only_when_scrolled_to_and_small(browser, server, script, figures):
    tab, packs = browser.new_page(viewport={"width": 1280, "height": 700}), []
    tab.on("request", lambda r: packs.append(r.url) if "/packs/" in r.url else None)
    tab.goto(f"{server.origin}/{page_of(script)}", wait_until="load")
    place = tab.locator(f'.aecourse-widget[data-widget="{script}"]').first
    if place.bounding_box()["y"] > 700 + 300:
        assert not [p for p in packs if script in p], "loaded before it was near"
    packs.clear()
    for other in tab.locator(".aecourse-widget").all():
        come_near(other)
        other.evaluate(READY)
    paths = {HTML / url.removeprefix(server.origin + "/") for url in packs}
    size = sum(len(gzip.compress(path.read_bytes())) for path in paths)
    figures.setdefault(script, {})["weights_kb"] = size / 1000
    tab.close()
    assert size <= 1e6


@each_widget
def test_a_move_is_drawn_within_its_frame(tab, server, script, figures):
    living = Living(tab, server.origin, script)
    living.times(10)  # the first runs compile
    found = living.times()
    p95 = {key: quantiles(values, n=20)[-1] for key, values in found.items()}
    figures.setdefault(script, {}).update(
        handler_p95=p95["handlers"], draw_p95=p95["draws"], frame_p95=p95["frames"]
    )
    # The bars are 8 ms and 34 ms at p95; the median is what a shared machine can promise.
    assert median(found["handlers"]) + median(found["draws"]) <= 8
    assert median(found["frames"]) <= 34


@each_widget
def test_widget_fits_and_every_control_is_named_and_large_enough(tab, server, script):
    living = Living(tab, server.origin, script)
    for width in (1280, 360):
        tab.set_viewport_size({"width": width, "height": 800})
        tab.wait_for_timeout(200)
        assert living.place.evaluate(LOOK) == {"wide": False, "small": [], "unnamed": []}, width


@each_widget
def test_the_keyboard_reaches_every_control_and_the_focus_shows(tab, server, script):
    living = Living(tab, server.origin, script)
    wanted = living.place.evaluate(
        "el => new Set([...el.querySelectorAll('button, select, input, [tabindex=\"0\"]')]"
        ".filter(e => e.checkVisibility() && !e.disabled && e.tabIndex >= 0)"
        ".map(e => e.type === 'radio' ? e.name : e)).size"
    )
    living.place.evaluate(
        "el => { el.tabIndex = -1; el.focus(); }"
    )  # start just before the first control
    for _ in range(wanted):
        tab.keyboard.press("Tab")
        focus = living.place.evaluate(FOCUS)
        assert focus["inside"] and focus["shown"], focus


@each_widget
def test_without_javascript_a_picture_and_a_sentence_stand_in_its_place(browser, server, script):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(f"{server.origin}/{page_of(script)}", wait_until="load")
    place = tab.locator(f'.aecourse-widget[data-widget="{script}"]').first
    assert len(place.locator("figcaption").text_content()) > 20
    picture = place.locator("img")
    come_near(picture)
    tab.wait_for_load_state("networkidle")
    assert picture.bounding_box()["height"] > 100, "the still picture did not load"
    context.close()


def with_packs(scripts):
    return [s for s in scripts if next(k for k in kinds() if k.script == s).packs()]


def kinds():
    return [getattr(widgets, name) for name in widgets.__all__]


@pytest.mark.parametrize("script", with_packs(SCRIPTS))
def test_weights_that_do_not_load_leave_a_message_and_the_page_goes_on(browser, server, script):
    tab = browser.new_page()
    tab.route("**/packs/*", lambda route: route.abort())
    living = Living(tab, server.origin, script)
    message = living.place.locator("[role=alert]").inner_text()
    assert "did not load" in message and ".js" in message
    assert tab.locator("main h1").count()
    tab.unroute("**/packs/*")  # and the button mends it
    living.place.get_by_role("button", name="Try again").click()
    living.place.locator(".ae-said").wait_for()
    tab.close()


@pytest.mark.parametrize("script", [s for s in SCRIPTS if s != "review"])
def test_without_a_canvas_there_is_a_message(browser, server, script):
    tab = browser.new_page()
    tab.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    living = Living(tab, server.origin, script)
    assert "canvas" in living.place.locator("[role=alert]").inner_text()
    tab.close()


@each_widget
def test_axe_finds_nothing_wrong_with_the_running_widget(tab, server, script):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    Living(tab, server.origin, script)
    bad = []
    for theme in ("light", "dark"):
        tab.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        tab.wait_for_timeout(100)
        found = axe.Axe().run(tab, context=f'.aecourse-widget[data-widget="{script}"]')
        bad += [
            (theme, v["id"], v["nodes"][0]["html"][:100], v["nodes"][0]["failureSummary"][:200])
            for v in found.response["violations"]
        ]
    assert not bad, bad
