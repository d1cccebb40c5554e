"""Architecture diagrams from one small grammar, as inline SVG that follows the page's theme.

A diagram is a chain of parts, left to right. Tensors are boxes (data, code) or a circle
(noise), maps are trapezoids: an encoder narrows, a decoder widens. The shape of a tensor stands
under it. Noise may also enter a part from above. A dashed arrow below the chain is a gradient: it
flows from the loss back to the part that it points at, and a bar at its head means that it stops
there.
"""

from html import escape
from typing import NamedTuple

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
    role : {"data", "encoder", "code", "decoder", "noise"}
        Fixes shape and colour.
    label : str
        Written inside: a symbol or a short word.
    shape : str
        Written below a tensor, for example "784".
    """

    role: str
    label: str
    shape: str = ""


class Diagram:
    """What `diagram` returns; Jupyter shows it as a figure with its caption."""

    def __init__(self, html, alt):
        self.html, self.alt = html, alt

    def _repr_html_(self):
        return self.html

    def __repr__(self):
        return self.alt


def diagram(parts, *, noise=(), gradients=(), caption, alt):
    """Draw a chain of parts.

    Parameters
    ----------
    parts : sequence of Part or of tuples (role, label[, shape])
    noise : sequence of (position, label[, shape])
        Noise that enters the part at `position` from above: a circle with an arrow down.
    gradients : sequence of (start, end, stopped)
        Positions in `parts` (negative ones count from the right) between which a gradient
        flows from right to left; `stopped` draws the bar.
    caption, alt : str
        What to see; the same for a reader who does not see it. Plain text.

    Returns
    -------
    Diagram

    Raises
    ------
    ValueError
        For an unknown role, or an empty caption or alt.
    """
    parts = [Part(*part) for part in parts]
    for part in parts:
        if part.role not in WIDTHS:
            raise ValueError(f"role must be one of {sorted(WIDTHS)}, got {part.role!r}")
    if not (caption.strip() and alt.strip()):
        raise ValueError("caption and alt must say what to see, got an empty text")
    lefts, x = [], 6
    for part in parts:
        lefts.append(x)
        x += WIDTHS[part.role] + GAP
    width, height = x - GAP + 6, 96 + 26 * len(gradients)
    top = NOISE_TOP if noise else 0
    body = [_part(part, left) for part, left in zip(parts, lefts, strict=True)]
    body += [_arrow(left - GAP + 2, left - 2, MIDDLE) for left in lefts[1:]]
    for position, *texts in noise:
        part = parts[position]
        body.append(_noise(Part("noise", *texts), lefts[position] + WIDTHS[part.role] / 2,
                           TALL if part.role == "data" else SHORT))  # fmt: skip
    for row, (start, end, stopped) in enumerate(gradients):
        ends = [lefts[i] + WIDTHS[parts[i].role] / 2 for i in (start, end)]
        body.append(_gradient(*ends, 114 + 26 * row, stopped))
    return Diagram(_figure(width, height, top, body, caption, alt), alt)


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
