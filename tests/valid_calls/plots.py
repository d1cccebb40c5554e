"""Valid calls of `aecourse.plots`."""

import torch
from matplotlib.figure import Figure

from aecourse.train import History


def axes():
    return Figure().subplots()


CALLS = {
    "show": lambda: {"fig": Figure(), "caption": "c", "alt": "a", "keep_colours": True},
    "table": lambda: {"rows": {"a": 1.0}, "columns": ["name", "x"], "formats": ["{:.1f}"]},
    "image_grid": lambda: {
        "rows": [torch.zeros(2, 784)], "labels": ["a"], "titles": ["b", "c"], "size": 0.5,
    },
    "training_curve": lambda: {"history": History({"loss": [1.0]}), "terms": ["loss"]},
    "scatter": lambda: {
        "ax": axes(), "points": torch.zeros(2, 2), "labels": torch.tensor([1, 2]), "size": 5,
    },
    "bars": lambda: {"ax": axes(), "values": {"a": 1.0}, "colours": ["#767676"]},
    "sample_rows": lambda: {"x": torch.zeros(4, 2), "n": 2},
}  # fmt: skip
