"""A pytest plugin beside nbval: in a cell tagged `approx`, measured numbers may differ a little.

Floating-point sums depend on the processor and on the number of threads. So in the outputs of such
a cell a number agrees with the stored one if it lies within 5 % of it or within two units of its
last printed digit, whichever is more. Everything else, the words, the signs and how many numbers
there are, must be the same; runs of spaces count as one, because a number may be a digit wider.
"""

import re
from functools import partial

NUMBER = re.compile(
    r"(?<![\w.])((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w]|\.\d)", re.ASCII
)
RELATIVE, UNITS = 0.05, 2


def is_close(new: str, stored: str) -> bool:
    """Whether two numbers agree as printed, without sign; the unit of 1.2e-3 is 1e-4."""
    mantissa, _, exponent = stored.lower().partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    a, b = (float(text.replace(",", "")) for text in (new, stored))
    return abs(a - b) <= max(RELATIVE * abs(b), UNITS * unit) * (1 + 1e-9)


def snap(new, stored):
    """`new` with each number that is close to the stored one replaced by it.

    So that nbval, which compares to the letter, reports only what really differs.

    Examples
    --------
    >>> snap("loss 99.5 after 3 passes", "loss 99.4 after 3 passes")
    'loss 99.4 after 3 passes'
    >>> snap("loss 110 after 3 passes", "loss 99.4 after 3 passes")
    'loss 110 after 3 passes'
    """
    if not isinstance(new, str) or not isinstance(stored, str):
        return new
    # re.split with one group: words at even places, numbers at odd ones
    found, wanted = NUMBER.split(new), NUMBER.split(stored)
    if len(found) != len(wanted):
        return new
    for i in range(len(found)):
        same = is_close(found[i], wanted[i]) if i % 2 else found[i].split() == wanted[i].split()
        if same:
            found[i] = wanted[i]
    return "".join(found)


def snap_outputs(new, stored):
    """Snap the texts of a cell's outputs, in place, to the stored ones at the same position."""
    for output, reference in zip(new, stored, strict=False):
        if "text" in output:
            output["text"] = snap(output["text"], reference.get("text"))
        for kind, text in output.get("data", {}).items():
            if kind.startswith("text/"):
                output["data"][kind] = snap(text, reference.get("data", {}).get(kind))
    return new


def _compare(compare, new, stored, skip_compare=None):
    return compare(snap_outputs(new, stored), stored, skip_compare)


def pytest_itemcollected(item):
    """Put the comparison in front of nbval's, in the cells that ask for it."""
    cell = getattr(item, "cell", None)
    if cell is not None and "approx" in cell.metadata.get("tags", []):
        item.compare_outputs = partial(_compare, item.compare_outputs)
