"""Draw on a widget's sheet: with the mouse, with a finger, and against the clock."""

from statistics import median, quantiles

# Moves of the pressed mouse, each followed by the frame that shows it.
TIMES = """async (canvas, moves) => {
  const frame = () => new Promise(done => requestAnimationFrame(() => {
    const channel = new MessageChannel();  // after the frame's own work
    channel.port1.onmessage = () => done(performance.now());
    channel.port2.postMessage(0);
  }));
  const handlers = [], frames = [], box = canvas.getBoundingClientRect();
  performance.clearMeasures('aecourse-draw');
  for (let i = 0; i < moves; i++) {
    const [u, v] = [0.5 + 0.4 * Math.cos(i / 3), 0.5 + 0.4 * Math.sin(i / 5)];
    const start = performance.now();
    canvas.dispatchEvent(new PointerEvent('pointermove', {bubbles: true, pointerId: 1,
      clientX: box.left + u * box.width, clientY: box.top + v * box.height}));
    handlers.push(performance.now() - start);
    frames.push(await frame() - start);
  }
  const draws = performance.getEntriesByName('aecourse-draw').map(entry => entry.duration);
  return {handlers, draws, frames};
}"""
PIXELS = """canvas => Array.from(
  canvas.getContext('2d').getImageData(0, 0, 28, 28).data.filter((_, i) => i % 4 === 0))"""


def sheet_of(living):
    return living.place.locator(".ae-sheet canvas")


def places(living, points):
    """(column, row) in [0, 28] on the sheet -> (x, y) on the page."""
    box = sheet_of(living).bounding_box()
    return [(box["x"] + c * box["width"] / 28, box["y"] + r * box["height"] / 28)
            for c, r in points]  # fmt: skip


def drag(living, points):
    """One stroke with the mouse through these points of the sheet."""
    mouse, (first, *others) = living.tab.mouse, places(living, points)
    mouse.move(*first)
    mouse.down()
    for place in others:
        mouse.move(*place)
    mouse.up()


def touch(living, points):
    """One stroke with a finger."""
    client = living.tab.context.new_cdp_session(living.tab)
    kinds = ["touchStart"] + ["touchMove"] * (len(points) - 1)
    for kind, (x, y) in zip(kinds, places(living, points), strict=True):
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def stroke_times(living, moves=80):
    """{handlers, draws, frames: (median, p95)} in ms of a long stroke; printed."""
    mouse, [start] = living.tab.mouse, places(living, [(14, 14)])
    mouse.move(*start)
    mouse.down()
    sheet_of(living).evaluate(TIMES, 10)  # the first runs compile
    found = sheet_of(living).evaluate(TIMES, moves)
    mouse.up()
    found = {key: (median(v), quantiles(v, n=20)[-1]) for key, v in found.items()}
    print(f"\n{living.script}, ms:", *(f"{key} p50 {p50:.1f} p95 {p95:.1f};"
                                       for key, (p50, p95) in found.items()))  # fmt: skip
    return found


def grey(canvas):
    """The 784 grey levels of a picture on the page, 0 is ink."""
    return canvas.evaluate(PIXELS)
