"""Figures in one house style: it draws, and neither trains nor saves.

One colour per role (Okabe and Ito's colour-blind-safe set); never colour alone: also a label, a
marker or a line style. Figures are dark on white and at most 4.2 inches wide: then 10.5-point
text is still 9 points on a phone. The book's dark theme inverts their lightness.
"""

from io import BytesIO

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display

from aecourse.train import is_quiet

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


def show(fig, *, caption, alt, keep_colours=False):
    """Display a figure with its caption and alternative text, and close it.

    In a running notebook the caption stands below the picture; in the book it becomes the
    figure's caption (`make notebooks` copies it there).

    Parameters
    ----------
    fig : matplotlib.figure.Figure
    caption : str
        What to see, in one to three sentences; Markdown with dollar maths.
    alt : str
        The finding, for a reader who does not see the figure; plain text.
    keep_colours : bool
        True for photographs: the book's dark theme then leaves the picture as it is.

    Raises
    ------
    ValueError
        If either text is empty: a figure without them is not finished.
    """
    for name, text in (("caption", caption), ("alt", alt)):
        if not text.strip():
            raise ValueError(f"{name} must say what to see, got an empty text")
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


def table(rows, columns, *, formats="{:.2f}"):
    """Three or more numbers that belong together, as a table that the page renders.

    Let it be the last expression of a cell.

    Parameters
    ----------
    rows : dict
        From the label of a row to its values (one value, or a sequence); numbers, tensors of one
        element, or text, which is shown as it is. Labels and texts may hold Markdown and formulas.
    columns : sequence of str
        The heading above the labels, then one for each value; none is empty.
    formats : str or sequence of str
        How to write numbers, one for all columns of values or one for each: ``"{:.1f}"``,
        ``"{:.1%}"``, ``"{:,.0f}"``.

    Returns
    -------
    Table

    Examples
    --------
    >>> table({"PCA": [13.9, 30], "deep": [3.0, 30]}, ["model", "error", "$k$"],
    ...       formats=["{:.1f}", "{:d}"])
    | model | error | $k$ |
    | :-- | --: | --: |
    | PCA | 13.9 | 30 |
    | deep | 3.0 | 30 |
    """
    width = len(columns) - 1
    formats = [formats] * width if isinstance(formats, str) else list(formats)
    if len(formats) != width:
        raise ValueError(f"formats must be one string or {width} of them, got {len(formats)}")
    if not all(columns):  # a screen reader reads it out with each entry
        raise ValueError(f"columns must all have a heading, got {list(columns)}")
    lines = [_row(columns), _row([":--"] + ["--:"] * width)]
    for label, values in rows.items():
        values = values if isinstance(values, list | tuple) else [values]
        if len(values) != width:
            raise ValueError(f"rows must have {width} values each, got {len(values)} in {label!r}")
        cells = [v if isinstance(v, str) else f.format(v) for v, f in zip(values, formats)]
        lines.append(_row([label, *cells]))
    return Table("\n".join(lines))


def _row(cells):
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def image_grid(rows, *, labels=None, titles=None, size=0.46):
    """Rows of 28 x 28 images, one labelled row per tensor.

    Parameters
    ----------
    rows : sequence of Tensor of shape (n, 784)
        Pixels are clipped to [0, 1]; 0 is white, 1 is black. Keep n at 8 or below.
    labels : sequence of str, optional
        One per row, at its left.
    titles : sequence of str, optional
        One per column, above it.
    size : float
        Inches per image.

    Returns
    -------
    matplotlib.figure.Figure
    """
    n = len(rows[0])
    margin = 0.7 if labels else 0.1
    fig, axes = plt.subplots(
        len(rows), n, squeeze=False,
        figsize=(size * n + margin, size * len(rows) + (0.3 if titles else 0.1)),
    )  # fmt: skip
    fig.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.02, hspace=0.02)
    for row, images in enumerate(rows):
        for ax, image in zip(axes[row], images.detach().reshape(-1, 28, 28), strict=True):
            ax.imshow(image.numpy(), vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            ax.spines[:].set(visible=True, color="#bbbbbb", linewidth=0.6)
        if labels:
            axes[row, 0].set_ylabel(labels[row], rotation=0, ha="right", va="center")
    for ax, title in zip(axes[0], titles or [], strict=False):
        ax.set_title(title)
    return fig


def training_curve(history, *, terms=("loss",), ylabel="loss per image"):
    """The mean of each term in each epoch, from `train.fit`'s History.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fig, ax = plt.subplots()
    for term, style in zip(terms, ("-", "--", ":", "-."), strict=False):
        values = history[term]
        ax.plot(range(1, len(values) + 1), values, style, marker="o", color=DATA, label=term)
    ax.set(xlabel="epoch", ylabel=ylabel)
    if len(terms) > 1:
        ax.legend()
    return fig


def scatter(ax, points, labels, *, size=6):
    """Points in the plane coloured by digit, with each digit written at its median.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    points : Tensor of shape (N, 2)
    labels : Tensor of shape (N,), int64 in 0 ... 9
    """
    for digit in labels.unique().tolist():
        own = points[labels == digit]
        ax.scatter(*own.T.numpy(), s=size, color=TEN[digit], alpha=0.5, linewidths=0,
                   marker=MARKERS[digit], rasterized=True)  # fmt: skip
        x, y = own.median(dim=0).values.tolist()
        ax.text(x, y, str(digit), ha="center", va="center", weight="bold",
                bbox={"boxstyle": "circle,pad=0.15", "fc": "white", "ec": TEN[digit]})  # fmt: skip
    ax.grid(False)


def bars(ax, values, *, colors=None, format="{:.1f}"):
    """Horizontal bars, one per entry of the dict `values`, each with its number written out."""
    names = list(values)
    drawn = ax.barh(names, list(values.values()), color=colors or MUTED, height=0.6)
    ax.bar_label(drawn, [format.format(v) for v in values.values()], padding=3)
    ax.invert_yaxis()
    ax.grid(False)
    ax.margins(x=0.15)


def sample_rows(x, n, seed=0):
    """n rows of x chosen at random by `seed`: pictures to show that nobody has picked by eye."""
    return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:n]]
