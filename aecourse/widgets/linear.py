"""Widget of chapter 02: PCA with k numbers, and a matrix that mixes the code."""

from functools import cache

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from aecourse import data
from aecourse.linear import PCA, pca
from aecourse.widgets.base import Number, Packs, Widget, of_each_class
from aecourse.widgets.pack import grey_levels, pack, weight

COMPONENTS = 100


class ComponentSlider(Widget):
    """Slide k: PCA rebuilds a test digit from k numbers; mixing them by A changes nothing.

    Traits
    ------
    k : integer in [0, 100]
        Size of the code; 0 keeps the mean image only.
    digit : integer in [0, 19]
        Which of twenty test digits: 0 to 9 are a zero to a nine, 10 to 19 the same again.
    mix : number in [0, 1]
        How far the k x k matrix A is from the identity. The code becomes A h, the decoder
        V A^-1.
    seed : integer in [0, 9999]
        Which random A.
    """

    script = "linear"
    says = (
        "PCA rebuilds a digit from k numbers: slide k and see what is lost. Then mix the code by "
        "an invertible matrix A: code and decoder change, the picture does not."
    )
    k = Number(6, 0, COMPONENTS, whole=True)
    digit = Number(4, 0, 19, whole=True)
    mix = Number(0.0, 0, 1)
    seed = Number(0, 0, 9999, whole=True)

    @classmethod
    def packs(cls, model: nn.Module | None = None) -> Packs:
        """`linear`: mean, components, twenty test digits, and error and kept variance by k."""
        return {"linear": slider_pack}


@cache
def components() -> PCA:
    """The leading principal components of all training digits."""
    return pca(data.mnist("train").x, COMPONENTS)


@torch.no_grad()
def slider_pack() -> bytes:
    """What `linear.js` reads; `errors` and `kept` hold one number for each k from 0 on."""
    train, test, fitted = data.mnist("train").x, data.mnist("test"), components()
    twenty = torch.cat([of_each_class(test.y, n) for n in (0, 1)])
    arrays = {
        **weight("components", fitted.components),
        "mean": fitted.mean,
        "digits": grey_levels(test.x[twenty]),
        "errors": mean_errors(fitted, test.x).float(),
        "kept": _from_zero(fitted.explained_variance.double() / train.var(dim=0).sum()).float(),
    }
    return pack(arrays=arrays)


def mean_errors(fitted: PCA, x: Float[Tensor, "B D"]) -> Float64[Tensor, "N"]:
    """Mean squared error of `x` with the first 0, 1, ... k components."""
    everything = (x - fitted.mean).double().square().sum(dim=1).mean()
    return everything - _from_zero(fitted.encode(x).double().square().mean(dim=0))


def _from_zero(parts):
    """Sums of the first 0, 1, ... parts."""
    return torch.cat([parts.new_zeros(1), parts.cumsum(dim=0)])
