"""Draw `_assets/card.png`, the picture that links to the book carry (1200 x 630 pixels)."""

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from PIL import Image

from aecourse import data
from aecourse.linear import pca

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"  # encoder, code, decoder
OUT = Path(__file__).resolve().parent.parent / "_assets" / "card.png"


def main() -> None:
    """A digit, the encoder, the code, the decoder, and what comes back from thirty numbers."""
    model = pca(data.mnist("train").x[:10000], k=30)
    x = data.mnist("test").x[:1]
    with torch.no_grad():
        x_hat = model.reconstruct(x).clamp(0, 1)
    fig = plt.figure(figsize=(12, 6.3), dpi=100, facecolor="white")
    page = fig.add_axes([0, 0, 1, 1])
    page.set(xlim=(0, 12), ylim=(0, 6.3))
    page.axis("off")
    page.text(6, 5.25, "Autoencoders, executed", fontsize=44, weight="bold", ha="center")
    page.text(6, 4.6, "from the identity function to image tokens", fontsize=22, ha="center",
              color="#444444")  # fmt: skip
    page.fill([3.7, 5.4, 5.4, 3.7], [0.9, 1.7, 2.9, 3.7], color=BLUE)
    page.fill([5.75, 6.25, 6.25, 5.75], [1.7, 1.7, 2.9, 2.9], color=ORANGE)
    page.fill([8.3, 6.6, 6.6, 8.3], [0.9, 1.7, 2.9, 3.7], color=GREEN)
    for image, left in ((x, 0.6), (x_hat, 8.6)):
        box = fig.add_axes([left / 12, 0.9 / 6.3, 2.8 / 12, 2.8 / 6.3])
        box.imshow(image.view(28, 28), cmap="gray_r", vmin=0, vmax=1)
        box.axis("off")
    fig.canvas.draw()
    picture = Image.fromarray(fig.canvas.buffer_rgba()).convert("RGB")
    picture.quantize(64).save(OUT, optimize=True)  # few colours: a sixth of the size


if __name__ == "__main__":
    main()
