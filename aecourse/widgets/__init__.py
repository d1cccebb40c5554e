"""Interactive figures that run in live Jupyter and in a page without a kernel."""

from aecourse.widgets.autoencoder import CodeMap
from aecourse.widgets.denoising import EraseAndRestore
from aecourse.widgets.elbo import WatchTheBound
from aecourse.widgets.generation import CodeSource
from aecourse.widgets.limits import LatentSize
from aecourse.widgets.linear import ComponentSlider
from aecourse.widgets.review import Quiz
from aecourse.widgets.stochastic import SampleThenRescale
from aecourse.widgets.tokens import WordAndDigit
from aecourse.widgets.trivial import DrawDigit
from aecourse.widgets.vae import BetaSlider, LatentPlane
from aecourse.widgets.vqvae import TokenGrid

__all__ = [
    "DrawDigit",
    "ComponentSlider",
    "CodeMap",
    "CodeSource",
    "SampleThenRescale",
    "LatentPlane",
    "BetaSlider",
    "WatchTheBound",
    "LatentSize",
    "EraseAndRestore",
    "TokenGrid",
    "WordAndDigit",
    "Quiz",
]
