"""The two image sets of the book, read from files inside the package: no download, ever."""

import hashlib
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from aecourse import validate

SHA256 = {
    "mnist.npz": "39b9b1ffaa0ba4d8995a616551f0966941fe02a3fe79ba4a9db7373db16d53ad",
    "fashion_mnist_subset.npz": "8a8462767580092ec7b8a7386273963f900f49e79b010dedb020038af6e9d3a6",
}
CLOTHES = (
    "T-shirt", "trousers", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


class Images(NamedTuple):
    """Images and their labels.

    Attributes
    ----------
    x : Tensor of shape (N, 784), float32 in [0, 1]
        One image a row, 28 x 28 pixels row by row; 0 is background, 1 is ink.
    y : Tensor of shape (N,), int64 in 0 ... 9
    """

    x: Tensor
    y: Tensor


def mnist(split):
    """Handwritten digits (LeCun et al., 1998): 60 000 to train, 10 000 to test.

    The tensors are cached and shared by all callers: work on a copy if you want to write into
    them. A write by an in-place operation of torch is noticed at the next call, which then reads
    the file again; a write through ``.numpy()`` or ``.data`` is not.

    Parameters
    ----------
    split : {"train", "test"}

    Returns
    -------
    Images

    Raises
    ------
    ValueError
        If `split` is neither "train" nor "test".
    OSError
        If the file is missing or its SHA-256 is not the expected one.
    """
    return _shared("mnist.npz", split)


def fashion(split):
    """Clothes (Fashion-MNIST, Xiao et al., 2017): a subset of 10 000 to train, 2 000 to test.

    Cached and shared as in `mnist`; same parameters, result and errors. `CLOTHES` names the
    ten labels.
    """
    return _shared("fashion_mnist_subset.npz", split)


def _shared(filename, split):
    if split not in ("train", "test"):
        raise ValueError(f"split must be 'train' or 'test', got {split!r}")
    cached = _load(filename)[split]
    if any(t._version for t in cached):  # torch counts in-place writes, also through views
        _load.cache_clear()
        cached = _load(filename)[split]
    return cached


@lru_cache
@torch.inference_mode(False)  # tensors made in inference mode would not count writes
def _load(filename):
    arrays = np.load(BytesIO(_read_checked(files("aecourse") / "datasets" / filename)))
    return {split: _images(arrays, split) for split in ("train", "test")}


def _read_checked(path):
    if not path.is_file():
        raise OSError(f"{path} is missing; expected SHA-256 {SHA256[path.name]}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[path.name]:
        raise OSError(
            f"{path} is damaged: expected SHA-256 {SHA256[path.name]}, found {found}. "
            "Restore the file, for example with `git checkout`."
        )
    return content


def _images(arrays, split):
    pixels = torch.from_numpy(arrays[f"{split}_images"]).flatten(1)
    labels = torch.from_numpy(arrays[f"{split}_labels"])
    return Images(pixels / 255, labels.long())


def batches(x, batch_size, *, y=None, seed, shuffle=True):
    """Mini-batches of tensors in memory, to be iterated once per epoch.

    Each pass is a new permutation that depends on (seed, pass number) alone, so two runs see
    the same batches whatever else draws random numbers. A batch is one indexing operation.

    Parameters
    ----------
    x : Tensor of shape (N, ...)
    batch_size : int >= 1
        The last batch of a pass is smaller if `batch_size` does not divide N.
    y : Tensor of shape (N, ...), optional
        If given, a batch is the pair (x, y), else x alone.
    seed : int >= 0
    shuffle : bool
        False keeps the order in every pass.

    Returns
    -------
    Batches
        Iterable any number of times; `len()` is the number of batches in a pass.

    Raises
    ------
    ValueError
        If `x` is empty or no tensor, `y` has another length, `batch_size` < 1 or `seed` < 0.
    """
    return Batches(x, batch_size, y, seed, shuffle)


class Batches:
    """What `batches` returns."""

    def __init__(self, x, batch_size, y, seed, shuffle):
        if not isinstance(x, Tensor) or x.ndim == 0 or len(x) == 0:
            raise ValueError(f"x must be a tensor with at least one row, got {_describe(x)}")
        if y is not None and (not isinstance(y, Tensor) or y.ndim == 0 or len(y) != len(x)):
            raise ValueError(f"y must be a tensor with {len(x)} rows as x, got {_describe(y)}")
        self.x, self.y, self.shuffle = x, y, bool(shuffle)
        self.batch_size = validate.integer(batch_size, "batch_size")
        self.seed = validate.integer(seed, "seed", low=0)
        self.passes = 0

    def __len__(self):
        return -(-len(self.x) // self.batch_size)

    def __iter__(self):
        order = self._permutation(self.passes)
        self.passes += 1
        for rows in order.split(self.batch_size):
            yield self.x[rows] if self.y is None else (self.x[rows], self.y[rows])

    def _permutation(self, number):
        if not self.shuffle:
            return torch.arange(len(self.x), device=self.x.device)
        (seed,) = np.random.SeedSequence([self.seed, number]).generate_state(1)
        generator = torch.Generator().manual_seed(int(seed))
        return torch.randperm(len(self.x), generator=generator).to(self.x.device)


def _describe(value):
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
