"""Architecture diagrams from one small grammar, as inline SVG that follows the page's theme.

A diagram is a chain of parts, left to right. Tensors are boxes (data, code) or a circle
(noise), maps are trapezoids: an encoder narrows, a decoder widens. The shape of a tensor stands
under it. Noise may also enter a part from above. A dashed arrow below the chain is a gradient: it
flows from the loss back to the part that it points at, and a bar at its head means that it stops
there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from aecourse import validate

COLOURS = {
    "data": "currentColor",
    "encoder": "#0072B2",
    "code": "#E69F00",
    "decoder": "#009E73",
    "noise": "#D55E00",
    "gradient": "#CC79A7",
}
WIDTHS = {"data": 44, "code": 40, "noise": 40, "encoder": 62, "decoder": 62}
GAP, MIDDLE, TALL, SHORT = 20, 44, 32, 16  # arrow length, axis, half-heights of a trapezoid
NOISE_TOP = 44  # added height for noise that enters from above


class Part(NamedTuple):
    """One part of a chain.

    Attributes
    ----------
    role
        "data", "encoder", "code", "decoder" or "noise": fixes form and colour.
    label
        Written inside: a symbol or a short word.
    shape
        Written below a tensor, for example "784".
    """

    role: str
    label: str
    shape: str = ""


@dataclass(frozen=True)
class Diagram:
    """What `diagram` returns; Jupyter shows it as a figure with its caption."""

    html: str
    alt: str

    def _repr_html_(self):
        return self.html

    def __repr__(self) -> str:
        return self.alt


def diagram(
    parts: Sequence[tuple[str, ...]], *, noise: Sequence[tuple] = (),
    gradients: Sequence[tuple[int, int, bool]] = (), caption: str, alt: str,
) -> Diagram:  # fmt: skip
    """Draw a chain of parts.

    Parameters
    ----------
    parts
        Each a `Part`, or a tuple (role, label) or (role, label, shape).
    noise
        Each (position, label) or (position, label, shape): noise that enters the part at this
        position from above, a circle with an arrow down.
    gradients
        Each (start, end, stopped): positions in `parts` (negative ones count from the right)
        between which a gradient flows from right to left; `stopped` draws the bar.
    caption, alt
        What to see; the same for a reader who does not see it. Plain text.

    Examples
    --------
    >>> diagram([("data", "x", "784"), ("encoder", "g"), ("code", "h", "30")],
    ...         caption="An encoder.", alt="784 numbers become 30.")
    784 numbers become 30.
    """
    parts = [_checked(part) for part in validate.sequence(parts, "parts")]
    noise, gradients = _listed(noise, "noise", parts, 1), _listed(gradients, "gradients", parts, 2)
    validate.text(caption, "caption")
    validate.text(alt, "alt")
    lefts, x = [], 6
    for part in parts:
        lefts.append(x)
        x += WIDTHS[part.role] + GAP
    body = [_part(part, left) for part, left in zip(parts, lefts, strict=True)]
    body += [_arrow(left - GAP + 2, left - 2, MIDDLE) for left in lefts[1:]]
    middles = [left + WIDTHS[part.role] / 2 for part, left in zip(parts, lefts, strict=True)]
    for position, *texts in noise:
        validate.texts(texts, "label and shape in noise", len(texts))
        half = TALL if parts[position].role == "data" else SHORT
        body.append(_noise(Part("noise", *texts), middles[position], half))
    for row, (start, end, stopped) in enumerate(gradients):
        validate.flag(stopped, "stopped in gradients")
        body.append(_gradient(middles[start], middles[end], 114 + 26 * row, stopped))
    width, height = x - GAP + 6, 96 + 26 * len(gradients)
    top = NOISE_TOP if noise else 0
    return Diagram(_figure(width, height, top, body, caption, alt), alt)


def _checked(part):
    if not isinstance(part, tuple | list) or not 2 <= len(part) <= 3:
        raise ValueError(f"each of parts must be (role, label[, shape]), got {part!r:.80}")
    validate.choice(part[0], "role", list(WIDTHS))
    return Part(*validate.texts(part, "each of parts", len(part)))


def _listed(entries, name, parts, positions):
    """The entries as a list, each a tuple that begins with so many positions in `parts`."""
    for entry in entries if isinstance(entries, tuple | list) else [entries]:
        if not isinstance(entry, tuple | list) or not positions < len(entry) <= 3:
            raise ValueError(f"{name} must list tuples that begin with {positions} position(s) "
                             f"in parts, got {entry!r:.80}")  # fmt: skip
        for position in entry[:positions]:
            validate.integer(position, f"position in {name}", -len(parts), len(parts) - 1)
    return list(entries)


def _part(part, left):
    colour, width = COLOURS[part.role], WIDTHS[part.role]
    right, centre = left + width, left + width / 2
    paint = f'fill="{colour}" fill-opacity="0.14" stroke="{colour}" stroke-width="2"'
    if part.role in ("encoder", "decoder"):
        a, b = (TALL, SHORT) if part.role == "encoder" else (SHORT, TALL)
        corners = [(left, -a), (right, -b), (right, b), (left, a)]
        points = " ".join(f"{x},{MIDDLE + y}" for x, y in corners)
        outline = f'<polygon points="{points}" {paint}/>'
    elif part.role == "noise":
        outline = f'<circle cx="{centre:g}" cy="{MIDDLE}" r="{width / 2:g}" {paint}/>'
    else:
        half = TALL if part.role == "data" else SHORT
        outline = (f'<rect x="{left}" y="{MIDDLE - half}" width="{width}" height="{2 * half}" '
                   f'rx="4" {paint}/>')  # fmt: skip
    return outline + _text(centre, MIDDLE + 5, part.label) + _text(centre, 92, part.shape, 12)


def _noise(part, centre, half):
    """A circle above the part around `centre`, with an arrow down to it."""
    radius = WIDTHS["noise"] / 2
    y = MIDDLE - half - 14 - radius  # 14 for the arrow
    circle = _part(part._replace(shape=""), centre - radius)
    arrow = (f'<path d="M{centre:g} {y + radius:g}v12m-4 -5l4 5l4 -5" fill="none" '
             'stroke="currentColor" stroke-width="1.5"/>')  # fmt: skip
    shape = _text(centre + radius + 14, y + 5, part.shape, 12)
    return f'<g transform="translate(0 {y - MIDDLE:g})">{circle}</g>{arrow}{shape}'


def _arrow(start, end, y):
    return (f'<path d="M{start} {y}H{end}m-5 -4l5 4l-5 4" fill="none" stroke="currentColor" '
            'stroke-width="1.5"/>')  # fmt: skip


_STROKE = f'fill="none" stroke="{COLOURS["gradient"]}" stroke-width="2"'


def _gradient(start, end, y, stopped):
    head = f"M{end:g} {y - 7}v14" if stopped else f"M{end + 6:g} {y - 4}l-6 4l6 4"
    line = f'<path d="M{start:g} {y}H{end:g}" stroke-dasharray="5 4" {_STROKE}/>'
    return line + f'<path d="{head}" {_STROKE}/>' + _text((start + end) / 2, y - 5, "gradient", 11)


def _text(x, y, text, size=14):
    if not text:
        return ""
    return (f'<text x="{x:g}" y="{y}" font-size="{size}" text-anchor="middle" '
            f'fill="currentColor">{escape(text)}</text>')  # fmt: skip


def _figure(width, height, top, body, caption, alt):
    return (
        '<figure class="ae-diagram" style="margin:1em 0;text-align:center">'
        f'<svg role="img" aria-label="{escape(alt)}" viewBox="0 {-top} {width} {height + top}" '
        f'style="width:100%;max-width:{1.3 * width:.0f}px" font-family="sans-serif">'
        f'{"".join(body)}</svg><figcaption>{escape(caption)}</figcaption></figure>'
    )
