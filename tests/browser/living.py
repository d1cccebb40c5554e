"""One widget on an open page: where it is, its state, and the numbers behind its pictures."""

import json
import time
from statistics import median, quantiles

from chromium import HTML

DESK = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}

READY = """el => new Promise((done, fail) => {
  const late = setTimeout(() => fail(new Error('the widget did not start')), 60000);
  (function look() {
    if (el.aecourse || el.querySelector('.ae-widget > .ae-error')) { clearTimeout(late); done(); }
    else setTimeout(look, 20);
  })();
})"""
SWEEP = """async (el, states) => {
  const {model, probe, redraw} = el.aecourse, found = [];
  for (const state of states) {
    for (const [name, value] of Object.entries(state)) model.set(name, value);
    redraw();
    found.push(await probe());
  }
  return JSON.stringify(found);  // many numbers: quicker than one by one
}"""
# One event after the other, each followed by the frame that shows it and by one without a change.
TIMES = """async (el, moves) => {{
  const act = {act};
  const frame = () => new Promise(done => requestAnimationFrame(() => {{
    const channel = new MessageChannel();  // after the frame's own work
    channel.port1.onmessage = () => done(performance.now());
    channel.port2.postMessage(0);
  }}));
  const handlers = [], frames = [], empty = [], inside = {{}};
  for (const type of ['input', 'click', 'change', 'pointermove']) {{
    // What the widget takes, not what the page's own listeners take.
    el.addEventListener(type, () => {{ inside.start = performance.now(); }}, true);
    el.addEventListener(type, () => {{ inside.sum += performance.now() - inside.start; }});
  }}
  performance.clearMeasures('aecourse-draw');
  for (let i = 0; i < moves; i++) {{
    const start = performance.now();
    inside.sum = 0;
    act(el, i);
    handlers.push(inside.sum);
    frames.push(await frame() - start);
    const rest = performance.now();
    empty.push(await frame() - rest);
  }}
  const draws = performance.getEntriesByName('aecourse-draw').map(entry => entry.duration);
  return {{handlers, draws, frames, empty}};
}}"""
# Each control of the widget in turn.
EVERY_CONTROL = """(el, i) => {
  const controls = [...el.querySelectorAll(
    'input[type=range], input[type=radio], input[type=checkbox], button')]
    .filter(control => control.checkVisibility() && !control.disabled);
  const control = controls[i % controls.length];
  if (control.type !== 'range') return control.click();
  const span = Number(control.max) - Number(control.min);
  control.value = Number(control.min) + span * ((i * 0.618) % 1);
  control.dispatchEvent(new Event('input', {bubbles: true}));
}"""


def assert_quick(times):
    """Handler and drawing within 8 ms, and the frame that shows a change within 34 ms: medians.

    Where other work slows every frame down, a change may cost one frame of 17 ms more than none.
    """
    handler, draw, frame, empty = (
        median(times[key]) for key in ("handlers", "draws", "frames", "empty")
    )
    assert handler + draw <= 8, times
    assert frame <= max(34, empty + 17), times


# The places as the page brought them, and the page's own script once more: widgets that have just
# started, on a page that is there already. Nothing is left of what was set, loaded or kept.
RESTART = """() => {
  for (const el of document.querySelectorAll('.aecourse-widget[data-state]')) {
    const fresh = el.cloneNode(false);
    fresh.append(el.querySelector('figcaption:last-child'));
    el.replaceWith(fresh);
  }
  globalThis.aecoursePacks = {};
  localStorage.clear();
  scroll(0, 0);
  document.documentElement.dataset.theme = 'light';
  const script = [...document.scripts].find(s => s.type === 'module' && s.text.includes('boot({'));
  const again = document.createElement('script');
  Object.assign(again, {type: 'module', textContent: script.text});
  script.replaceWith(again);
}"""
# Where an element is once it rests: the page may still be typesetting formulas above it.
RESTING = """el => new Promise(done => {
  let last = '', same = 0;
  (function look() {
    const {x, y, width, height} = el.getBoundingClientRect(), now = `${x} ${y} ${width} ${height}`;
    same = now === last ? same + 1 : 0;
    last = now;
    if (same < 3) requestAnimationFrame(look); else done({x, y, width, height});
  })();
})"""


class Living:
    """A widget on an open page of the built book.

    Parameters
    ----------
    tab : playwright page
    script : str
        The widget's name, the value of `data-widget`.
    """

    def __init__(self, tab, script):
        self.tab, self.script = tab, script
        self.place = tab.locator(f'.aecourse-widget[data-widget="{script}"]').first

    @classmethod
    def opened(cls, tab, root, script):
        """Open its page and bring it to life.

        `root` is where the book is: the test server's origin or the folder's file:// address.
        """
        tab.goto(f"{root}/{page_of(script)}", wait_until="load")
        living = cls(tab, script)
        living.start()
        return living

    def start(self):
        """Scroll to the widget and wait until it runs, or says why it does not."""
        come_near(self.place)
        self.place.evaluate(READY)

    def restart(self, without=None):
        """Begin again, as on a page that was just opened; files `without` do not arrive."""
        self.tab.unroute_all()
        if without:
            self.tab.route(without, lambda route: route.abort())
        self.tab.mouse.move(0, 0)
        self.tab.evaluate(RESTART)
        self.tab.keyboard.press("Tab")  # the last hand was not on the mouse: focus shows
        self.tab.evaluate("document.activeElement.blur()")
        self.start()

    def set(self, **state):
        """Set traits as Python would, and draw."""
        return self.sweep([state])[0]

    def get(self, name):
        """The value of one trait."""
        return self.place.evaluate("(el, name) => el.aecourse.model.get(name)", name)

    def probe(self):
        """The numbers {inputs, outputs} behind the present picture."""
        return self.set()

    def sweep(self, states):
        """Set each state in turn, draw it, and return its probe."""
        return json.loads(self.place.evaluate(SWEEP, states))

    def times(self, act=EVERY_CONTROL, moves=50):
        """Milliseconds of each handler, of each drawing, until the frame was done; of an empty one.

        `act` is a function of (element, number of the move) in JavaScript. The first runs, in
        which the browser compiles, do not count.
        """
        script = TIMES.format(act=act)
        self.place.evaluate(script, 10)
        found = self.place.evaluate(script, moves)
        for key, values in found.items():
            p95 = quantiles(values, n=20)[-1]
            print(f"{self.script}: {key} p50 {median(values):.1f}, p95 {p95:.1f} ms")
        return found

    def settle(self):
        """Wait until what was set is drawn: at most a frame later."""
        self.tab.evaluate(
            "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def typeset(self):
        """Wait until the page's formulas are typeset."""
        self.tab.evaluate("window.MathJax?.startup?.promise.then(() => 0)")

    def at(self, control, *parts):
        """(x, y) of places on a control that rests, given as parts of its width and height."""
        control.scroll_into_view_if_needed()
        box = control.evaluate(RESTING)
        return [(box["x"] + u * box["width"], box["y"] + v * box["height"]) for u, v in parts]

    def keys(self, *names):
        """Press one key after the other, where the focus is."""
        for name in names:
            self.tab.keyboard.press(name)

    def press(self, control, part):
        """Click with the mouse on a place of a control."""
        self.tab.mouse.click(*self.at(control, part)[0])

    def tap(self, control, part):
        """Touch a place of a control."""
        self.tab.touchscreen.tap(*self.at(control, part)[0])

    def drag(self, control, *parts, steps=4):
        """Press the mouse at the first place of a control and drag it to the others."""
        (first, *others), mouse = self.at(control, *parts), self.tab.mouse
        mouse.move(*first)
        mouse.down()
        for place in others:
            mouse.move(*place, steps=steps)
        mouse.up()

    def stroke(self, control, *parts):
        """The same with a finger."""
        finger, kind = self.tab.context.new_cdp_session(self.tab), "touchStart"
        for x, y in self.at(control, *parts):
            point = {"type": kind, "touchPoints": [{"x": x, "y": y}]}
            finger.send("Input.dispatchTouchEvent", point)
            kind = "touchMove"
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        finger.detach()

    def loaded(self):
        """Names of the widget's own files of weights that the page has loaded, in this order."""
        own = "script => Object.keys(aecoursePacks).filter(name => name.startsWith(script))"
        return self.tab.evaluate(own, self.script)

    def fits(self):
        """Whether neither the page nor the widget scrolls sideways."""
        return self.place.evaluate(
            "el => document.documentElement.scrollWidth <= innerWidth"
            " && el.scrollWidth <= el.clientWidth"
        )

    def said(self):
        """What a screen reader is told of the present state, once the widget rests."""
        said = "el => el.querySelector('.ae-said').textContent === el.aecourse.describe()"
        self.tab.wait_for_function(said, arg=self.place.element_handle())
        return self.place.locator(".ae-said").text_content()


class Desks:
    """Pages with widgets that a module's tests share; each test starts its widget anew."""

    def __init__(self, browser, origin):
        self.browser, self.origin = browser, origin
        self.errors, self.opened = [], {}

    def open(self, script, settings):
        """The widget of this name, just started, on a page of these settings."""
        key = script, "has_touch" in settings
        if key in self.opened:
            self.opened[key].tab.set_viewport_size(settings["viewport"])
            self.opened[key].restart()
        else:
            page = patient(self.browser.new_context(**settings).new_page())
            page.on("pageerror", lambda error: self.errors.append(str(error)))
            self.opened[key] = Living.opened(page, self.origin, script)
            self.opened[key].typeset()
            come_near(self.opened[key].place)
        return self.opened[key]

    def close(self):
        for living in self.opened.values():
            living.tab.context.close()


def eventually(read, seconds=10):
    """Call `read` until what it returns is true; fail after some seconds with its last answer."""
    end = time.monotonic() + seconds
    while not (found := read()) and time.monotonic() < end:
        time.sleep(0.02)
    assert found, f"still not so after {seconds} s"


def patient(page):
    """The page, which waits a minute for what should come, since other work may slow it down."""
    page.set_default_timeout(60_000)
    return page


def come_near(place):
    """Scroll to a place as a link does: sections that were never near are laid out on the way."""
    place.evaluate("el => el.scrollIntoView({block: 'center', behavior: 'instant'})")


def page_of(script):
    """Path of the page that holds a widget."""
    mark = f'data-widget="{script}"'
    for path in sorted((HTML / "chapters").glob("*.html")):
        if mark in path.read_text(encoding="utf-8"):
            return path.relative_to(HTML).as_posix()
    raise AssertionError(f"no page of the book holds the widget {json.dumps(script)}")
