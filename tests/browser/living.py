"""One widget on an open page: where it is, its state, and the numbers behind its pictures."""

import json

from chromium import HTML

READY = """el => new Promise((done, fail) => {
  const late = setTimeout(() => fail(new Error('the widget did not start')), 15000);
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
# One event after the other, each followed by the frame that shows it.
TIMES = """async (el, moves) => {
  const frame = () => new Promise(done => requestAnimationFrame(() => {
    const channel = new MessageChannel();  // after the frame's own work
    channel.port1.onmessage = () => done(performance.now());
    channel.port2.postMessage(0);
  }));
  const move = (control, i) => {
    if (control.type !== 'range') return control.click();
    const span = Number(control.max) - Number(control.min);
    control.value = Number(control.min) + span * ((i * 0.618) % 1);
    control.dispatchEvent(new Event('input', {bubbles: true}));
  };
  const handlers = [], frames = [], inside = {};  // not what the page's own listeners take
  for (const type of ['input', 'click', 'change']) {
    el.addEventListener(type, () => { inside.start = performance.now(); }, true);
    el.addEventListener(type, () => { inside.sum += performance.now() - inside.start; });
  }
  performance.clearMeasures('aecourse-draw');
  for (let i = 0; i < moves; i++) {
    const controls = [...el.querySelectorAll(
      'input[type=range], input[type=radio], input[type=checkbox], button')]
      .filter(control => control.checkVisibility() && !control.disabled);
    const start = performance.now();
    inside.sum = 0;
    move(controls[i % controls.length], i);
    handlers.push(inside.sum);
    frames.push(await frame() - start);
  }
  const draws = performance.getEntriesByName('aecourse-draw').map(entry => entry.duration);
  return {handlers, draws, frames};
}"""


class Living:
    """A widget of the built book, brought to life by scrolling to it.

    Parameters
    ----------
    tab : playwright page
    root : str
        Where the book is: the test server's origin or the folder's file:// address.
    script : str
        The widget's name, the value of `data-widget`.
    """

    def __init__(self, tab, root, script):
        self.tab, self.script = tab, script
        tab.goto(f"{root}/{page_of(script)}", wait_until="load")
        self.place = tab.locator(f'.aecourse-widget[data-widget="{script}"]').first
        come_near(self.place)
        self.place.evaluate(READY)

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

    def times(self, moves=80):
        """Milliseconds of each control's handler, of each drawing, and until its frame was done.

        Once the page's formulas are typeset.
        """
        self.tab.evaluate("window.MathJax?.startup?.promise.then(() => 0)")
        return self.place.evaluate(TIMES, moves)

    def said(self):
        """What a screen reader is told, once the widget rests."""
        self.tab.wait_for_timeout(600)
        return self.place.locator(".ae-said").inner_text()


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
