"""The tested code behind the book: one room per chapter, on a ground floor that all of them share.

A room is imported when it is first asked for: ``import aecourse`` alone is fast, and then
``aecourse.vae`` is there. These conventions hold in every room and are said only here.

Errors
    A bad argument raises a ValueError that names the argument, what was given and what is
    accepted: never another error, and never a result. NaN and infinity are refused in data. In a
    tensor that asks for a gradient they pass, because a network has computed them, and
    `train.fit` then says in which epoch. Under "Raises" stands only what is not this rule.
Shapes
    They stand in the signatures, with the letters of the book's notation: ``Float[Tensor, "B L"]``
    is a float32 or float64 tensor with one row per image; equal letters in one signature are
    equal sizes, and ``...`` is any number of axes. Tensors of integers are int64.
Units
    A loss or a likelihood is in nats per image: summed over pixels and latents, one value per
    image. The mean over the batch is taken once, in the loop. What `train.fit` minimises is a dict
    with the key "loss"; that of an autoencoder has "reconstruction", too.
Randomness
    What draws takes a `generator`, by keyword and last; None means torch's global one. What is
    fitted takes a `seed`, and the same seed gives the same fit. Numbers are drawn on the
    generator's own device and then moved, so that they do not depend on the model's.
Counts
    `n` says how many are drawn; `num_...` is any other number of things.
Precision
    What a gradient can pass keeps the dtype of its arguments. Estimates of log p(x), which none
    passes, are summed in float64 and returned so.
Modes
    A function that evaluates a model does so in evaluation mode and leaves it in the mode in which
    it found it. `train.fit` leaves training mode.
"""

from importlib import import_module
from pkgutil import iter_modules

__version__ = "0.1.0"


def __getattr__(name):  # PEP 562: called for a name that is not here yet
    if name in __dir__():
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *(room.name for room in iter_modules(__path__))})
