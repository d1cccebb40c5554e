"""Draw on a widget's sheet: with the mouse, with a finger, and against the clock."""

# One move of the pressed mouse along a winding line.
MOVE = """(el, i) => {
  const canvas = el.querySelector('.ae-sheet canvas'), box = canvas.getBoundingClientRect();
  const [u, v] = [0.5 + 0.4 * Math.cos(i / 3), 0.5 + 0.4 * Math.sin(i / 5)];
  canvas.dispatchEvent(new PointerEvent('pointermove', {bubbles: true, pointerId: 1,
    clientX: box.left + u * box.width, clientY: box.top + v * box.height}));
}"""


def sheet_of(living):
    return living.place.locator(".ae-sheet canvas")


def parts(points):
    """(column, row) in [0, 28] on the sheet, as parts of its size."""
    return [(column / 28, row / 28) for column, row in points]


def drag(living, points):
    """One stroke with the mouse through these points of the sheet."""
    living.drag(sheet_of(living), *parts(points), steps=1)


def touch(living, points):
    """One stroke with a finger."""
    living.stroke(sheet_of(living), *parts(points))


def stroke_times(living):
    """The times of a long stroke, as `Living.times` gives them."""
    mouse, [start] = living.tab.mouse, living.at(sheet_of(living), (0.5, 0.5))
    mouse.move(*start)
    mouse.down()
    found = living.times(MOVE)
    mouse.up()
    return found
