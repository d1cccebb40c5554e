"""The two image sets of the book, read from files inside the package, and batches of tensors."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
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


# --- images --------------------------------------------------------------------------------------


class Images(NamedTuple):
    """Images and their labels.

    Attributes
    ----------
    x
        One image a row, 28 x 28 pixels in [0, 1], row by row; 0 is background, 1 is ink.
    y
        From 0 to 9.
    """

    x: Float[Tensor, "N 784"]
    y: Int[Tensor, "N"]


def mnist(split: Literal["train", "test"]) -> Images:
    """Handwritten digits (LeCun et al., 1998): 60 000 to train, 10 000 to test.

    The tensors are cached and shared by all callers: work on a copy if you want to write into
    them. A write by an in-place operation of torch is noticed at the next call, which then reads
    the file again; a write through ``.numpy()`` or ``.data`` is not.

    Raises
    ------
    OSError
        If the file is missing or its SHA-256 is not the expected one.

    Examples
    --------
    >>> x, y = mnist("test")
    >>> x.shape, y[:5].tolist()
    (torch.Size([10000, 784]), [7, 2, 1, 0, 4])
    """
    return _shared("mnist.npz", split)


def fashion(split: Literal["train", "test"]) -> Images:
    """Clothes (Fashion-MNIST, Xiao et al., 2017): a subset of 10 000 to train, 2 000 to test.

    Cached and shared as in `mnist`, with the same errors. `CLOTHES` names the ten labels.
    """
    return _shared("fashion_mnist_subset.npz", split)


def _shared(filename, split):
    validate.choice(split, "split", ("train", "test"))
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


# --- batches -------------------------------------------------------------------------------------


class Batches:
    """What `batches` returns: iterable any number of times, `len()` batches in each pass."""

    def __init__(
        self, x: Shaped[Tensor, "N ..."], batch_size: int, y: Shaped[Tensor, "N ..."] | None,
        seed: int, shuffle: bool,
    ):  # fmt: skip
        self.x, self.y = validate.rows(x), y
        if y is not None and len(validate.rows(y, "y")) != len(x):
            raise ValueError(f"y must have {len(x)} rows as x, got {validate.describe(y)}")
        self.batch_size = validate.integer(batch_size, "batch_size")
        self.seed = validate.integer(seed, "seed", low=0)
        self.shuffle = validate.flag(shuffle, "shuffle")
        self.passes = 0

    def __len__(self) -> int:
        return -(-len(self.x) // self.batch_size)

    def __iter__(self) -> Iterator:
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


def batches(
    x: Shaped[Tensor, "N ..."], batch_size: int, *, y: Shaped[Tensor, "N ..."] | None = None,
    seed: int, shuffle: bool = True,
) -> Batches:  # fmt: skip
    """Mini-batches of tensors in memory, to be iterated once per epoch.

    Each pass is a new permutation that depends on (seed, number of the pass) alone, so two runs
    see the same batches whatever else draws random numbers. A batch is one indexing operation.

    Parameters
    ----------
    batch_size
        The last batch of a pass is smaller if `batch_size` does not divide N.
    y
        If given, a batch is the pair (x, y), else x alone.
    shuffle
        False keeps the order in every pass.

    Examples
    --------
    >>> [x.tolist() for x in batches(torch.arange(5), 2, seed=0, shuffle=False)]
    [[0, 1], [2, 3], [4]]
    """
    return Batches(x, batch_size, y, seed, shuffle)


# --- noise ---------------------------------------------------------------------------------------


def draw(
    random: Callable[..., Tensor], shape: Sequence[int], like: Tensor,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "..."]:  # fmt: skip
    """Random numbers of this shape in the dtype and on the device of `like`.

    They are drawn where the generator lives and then moved, so that one generator gives the same
    numbers to a model on any device. Torch's global one (None) draws on the device of `like`.

    Parameters
    ----------
    random
        `torch.randn` or `torch.rand`.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> draw(torch.rand, (1, 2), torch.zeros(3), generator)
    tensor([[0.4963, 0.7682]])
    """
    validate.function(random, "random")
    validate.widths(shape, "shape", at_least=0)
    if not isinstance(like, Tensor) or not like.is_floating_point():
        raise ValueError(f"like must be a torch.Tensor of floats, got {validate.describe(like)}")
    validate.generator(generator)
    device = like.device if generator is None else generator.device
    return random(shape, generator=generator, device=device, dtype=like.dtype).to(like.device)
