"""What a test reads off a widget: numbers of its probes, pixels and colours of its canvases."""

import torch

# Colours of roles, as canvases have them.
ORANGE, GREEN, BLUE = (230, 159, 0), (0, 158, 115), (0, 114, 178)
RED, PURPLE = (213, 94, 0), (204, 121, 167)
# Whether each colour fills some pixels of the canvases.
COLOURED = """([el, colours]) => {
  const found = colours.map(() => 0);
  for (const canvas of el.querySelectorAll('canvas')) {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) colours.forEach((colour, k) => {
      found[k] += data[i + 3] === 255 && colour.every((v, j) => data[i + j] === v);
    });
  }
  return found.every(count => count >= 20);
}"""
GREY = """canvas => Array.from(canvas.getContext('2d').getImageData(
  0, 0, canvas.width, canvas.height).data.filter((_, i) => i % 4 === 0))"""


def column(probes, where, name):
    """One of the "inputs" or "outputs" of each probe, float64."""
    return torch.tensor([p[where][name] for p in probes], dtype=torch.float64)


def grey(canvas):
    """The grey levels of a picture on the page, row by row; 0 is ink."""
    return torch.tensor(canvas.evaluate(GREY))


def assert_shows(canvas, images, columns=1):
    """These images (..., 784) are on a canvas, so many beside each other, to half a grey level."""
    rows = torch.as_tensor(images).view(-1, columns, 28, 28).transpose(1, 2).flatten()
    assert (grey(canvas) - 255 * (1 - rows.clamp(0, 1))).abs().max() <= 0.51
