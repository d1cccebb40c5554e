"""Figures in one house style: it draws, and neither trains nor saves.

One colour per role (Okabe and Ito's colour-blind-safe set); never colour alone: also a label, a
marker or a line style. Figures are dark on white and at most 4.2 inches wide: then 10.5-point
text is still 9 points on a phone. The book's dark theme inverts their lightness.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display
from jaxtyping import Float, Int, Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from aecourse import validate
from aecourse.train import History, is_quiet

DATA, ENCODER, CODE, DECODER = "#333333", "#0072B2", "#E69F00", "#009E73"
NOISE, GRADIENT, MUTED = "#D55E00", "#CC79A7", "#767676"
TEN = plt.get_cmap("tab10").colors  # for the ten digits; always with a label beside it
MARKERS = "osD^v<>PX*"

STYLE = {
    "figure.figsize": (4.2, 3.0),
    "figure.dpi": 100,
    "savefig.dpi": 216,
    "figure.constrained_layout.use": True,
    "font.size": 10.5,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "image.cmap": "gray_r",
}
plt.rcParams.update(STYLE)
WIDEST = 4.2  # inches
SCREEN = 125  # pixels per inch at which a picture is shown: letters as large as the text


class _Picture:
    """A PNG whose text form, for readers who do not see it, is the alt text."""

    def __init__(self, png, width, said):
        self.png, self.width, self.said = png, width, said

    def _repr_mimebundle_(self, include=None, exclude=None):
        metadata = {"image/png": {"width": self.width}, "aecourse": self.said}
        return {"image/png": self.png, "text/plain": self.said["alt"]}, metadata


def show(fig: Figure, *, caption: str, alt: str, keep_colours: bool = False) -> None:
    """Display a figure with its caption and alternative text, and close it.

    In a running notebook the caption stands below the picture; in the book it becomes the
    figure's caption (`make notebooks` copies it there).

    Parameters
    ----------
    caption
        What to see, in one to three sentences; Markdown with dollar maths.
    alt
        The finding, for a reader who does not see the figure; plain text.
    keep_colours
        True for photographs: the book's dark theme then leaves the picture as it is.
    """
    validate.instance(fig, "fig", Figure)
    validate.text(caption, "caption")
    validate.text(alt, "alt")
    validate.flag(keep_colours, "keep_colours")
    width, height = fig.get_size_inches()
    if width > WIDEST:
        fig.set_size_inches(WIDEST, height * WIDEST / width)
    buffer = BytesIO()
    fig.savefig(buffer, format="png", metadata={"Software": None})
    plt.close(fig)
    said = {"alt": alt, "caption": caption} | ({"classes": "keep-colours"} if keep_colours else {})
    display(_Picture(buffer.getvalue(), round(min(width, WIDEST) * SCREEN), said))
    if not is_quiet():
        display(Markdown(f"*{caption}*"))


class Table(Markdown):
    """A Markdown table; in a console it shows as its own source."""

    def __repr__(self):
        return self.data


def table(
    rows: Mapping[str, Any], columns: Sequence[str], *, formats: str | Sequence[str] = "{:.2f}"
) -> Table:
    """Three or more numbers that belong together, as a table that the page renders.

    Let it be the last expression of a cell.

    Parameters
    ----------
    rows
        From the label of a row to its values (one, or a list or tuple of them): numbers, tensors
        of one element, or text, which is shown as it is. Labels and texts may hold Markdown and
        formulas.
    columns
        The heading above the labels, then one for each value; none is empty.
    formats
        How to write numbers, one for all columns of values or one for each: ``"{:.1f}"``,
        ``"{:.1%}"``, ``"{:,.0f}"``.

    Examples
    --------
    >>> table({"PCA": [13.9, 30], "deep": [3.0, 30]}, ["model", "error", "$k$"],
    ...       formats=["{:.1f}", "{:d}"])
    | model | error | $k$ |
    | :-- | --: | --: |
    | PCA | 13.9 | 30 |
    | deep | 3.0 | 30 |
    """
    validate.instance(rows, "rows", Mapping)
    columns = [validate.text(c, "each of columns") for c in validate.sequence(columns, "columns")]
    width = len(columns) - 1
    formats = [formats] * width if isinstance(formats, str) else formats
    formats = validate.texts(formats, "formats", width)
    lines = [_row(columns), _row([":--"] + ["--:"] * width)]
    for label, values in rows.items():
        values = values if isinstance(values, list | tuple) else [values]
        if len(values) != width:
            raise ValueError(f"rows must have {width} values each, got {len(values)} in {label!r}")
        cells = [v if isinstance(v, str) else _written(v, f, "formats")
                 for v, f in zip(values, formats)]  # fmt: skip
        lines.append(_row([label, *cells]))
    return Table("\n".join(lines))


def _written(value, format, name):
    try:
        return format.format(value)
    except (ValueError, TypeError, LookupError) as error:
        raise ValueError(f"{name} must fit the values, got {format!r} for {value!r:.80}") from error


def _row(cells):
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def image_grid(
    rows: Sequence[Float[Tensor, "n 784"]] | Float[Tensor, "R n 784"], *,
    labels: Sequence[str] | None = None, titles: Sequence[str] | None = None, size: float = 0.46,
) -> Figure:  # fmt: skip
    """Rows of 28 x 28 images, one row per tensor. Keep n at 8 or below.

    Parameters
    ----------
    rows
        Pixels are clipped to [0, 1]; 0 is white, 1 is black.
    labels, titles
        One per row, at its left, and one per column, above it.
    size
        Inches per image.
    """
    rows = validate.sequence(rows, "rows")
    n = len(validate.matrix(rows[0], "each of rows", 784))
    rows = [validate.floats(validate.detached(row), "each of rows", (n, 784)) for row in rows]
    labels = [] if labels is None else validate.texts(labels, "labels", len(rows))
    titles = [] if titles is None else validate.texts(titles, "titles", n)
    size = validate.positive(size, "size")
    fig, axes = plt.subplots(
        len(rows), n, squeeze=False,
        figsize=(size * n + (0.7 if labels else 0.1),
                 size * len(rows) + (0.3 if titles else 0.1)),
    )  # fmt: skip
    fig.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.02, hspace=0.02)
    for row, images in zip(axes, rows, strict=True):
        for ax, image in zip(row, images.reshape(-1, 28, 28), strict=True):
            _draw_image(ax, image)
    for row, label in zip(axes, labels):
        row[0].set_ylabel(label, rotation=0, ha="right", va="center")
    for ax, title in zip(axes[0], titles):
        ax.set_title(title)
    return fig


def _draw_image(ax, image):
    ax.imshow(image.numpy(), vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set(visible=True, color="#bbbbbb", linewidth=0.6)


def training_curve(
    history: History, *, terms: Sequence[str] = ("loss",), ylabel: str = "loss per image"
) -> Figure:
    """The mean of each term in each epoch, from what `train.fit` logged; at most four terms."""
    validate.instance(history, "history", History)
    terms = [validate.choice(term, "each of terms", list(history.terms))
             for term in validate.sequence(terms, "terms")]  # fmt: skip
    styles = ("-", "--", ":", "-.")
    if len(terms) > len(styles):
        raise ValueError(f"terms must be at most {len(styles)}, got {len(terms)}")
    fig, ax = plt.subplots()
    for term, style in zip(terms, styles):
        values = history[term]
        ax.plot(range(1, len(values) + 1), values, style, marker="o", color=DATA, label=term)
    ax.set(xlabel="epoch", ylabel=validate.text(ylabel, "ylabel"))
    if len(terms) > 1:
        ax.legend()
    return fig


def scatter(
    ax: Axes, points: Float[Tensor, "N 2"], labels: Int[Tensor, "N"], *, size: float = 6
) -> None:
    """Points in the plane coloured by digit, with each digit written at its median.

    Parameters
    ----------
    labels
        From 0 to 9.
    """
    validate.instance(ax, "ax", Axes)
    points = validate.matrix(validate.detached(points), "points", 2)
    validate.whole_numbers(labels, "labels", (len(points),), 0, 9)
    validate.positive(size, "size")
    for digit in labels.unique().tolist():
        own = points[labels == digit]
        ax.scatter(*own.T.numpy(), s=size, color=TEN[digit], alpha=0.5, linewidths=0,
                   marker=MARKERS[digit], rasterized=True)  # fmt: skip
        x, y = own.median(dim=0).values.tolist()
        ax.text(x, y, str(digit), ha="center", va="center", weight="bold",
                bbox={"boxstyle": "circle,pad=0.15", "fc": "white", "ec": TEN[digit]})  # fmt: skip
    ax.grid(False)


def bars(
    ax: Axes, values: Mapping[str, float], *, colours: Sequence[str] | None = None,
    format: str = "{:.1f}",
) -> None:  # fmt: skip
    """Horizontal bars, one per entry of `values`, each with its number written out.

    Examples
    --------
    >>> _, ax = plt.subplots()
    >>> bars(ax, {"PCA": 13.87, "deep": 3.1}, colours=[MUTED, ENCODER])
    >>> [text.get_text() for text in ax.texts]
    ['13.9', '3.1']
    >>> plt.close()
    """
    validate.instance(ax, "ax", Axes)
    validate.instance(values, "values", Mapping)
    colours = MUTED if colours is None else validate.sequence(colours, "colours")
    validate.text(format, "format")
    written = [_written(value, format, "format") for value in values.values()]
    drawn = ax.barh(list(values), list(values.values()), color=colours, height=0.6)
    ax.bar_label(drawn, written, padding=3)
    ax.invert_yaxis()
    ax.grid(False)
    ax.margins(x=0.15)


def sample_rows(x: Shaped[Tensor, "N ..."], n: int, seed: int = 0) -> Shaped[Tensor, "n ..."]:
    """n rows of x chosen at random by `seed`: pictures to show that nobody has picked by eye.

    Examples
    --------
    >>> sample_rows(torch.arange(100), 3, seed=1)
    tensor([45, 15, 90])
    """
    n = validate.integer(n, "n", high=len(validate.rows(x)))
    generator = torch.Generator().manual_seed(validate.integer(seed, "seed", low=0))
    return x[torch.randperm(len(x), generator=generator)[:n]]
