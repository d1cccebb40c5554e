"""The vector quantiser, how a gradient passes it, and how much of its codebook is in use."""

from math import inf
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from aecourse import validate

_AT_ONCE = 4096  # vectors compared with the codebook at a time


def straight_through(
    z_e: Float[Tensor, "..."], z_d: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """The value of z_d with the gradient of z_e, ``z_st = z_e + sg(z_d - z_e)``.

    Equal to z_d up to rounding, at most eps * (abs(z_e) + abs(z_d)). The gradient that arrives
    here goes to z_e unchanged, and none to z_d.

    Parameters
    ----------
    z_e
        Encoder output.
    z_d
        The codes that take its place, of the same shape and dtype.

    Examples
    --------
    >>> z_e = torch.tensor([0.25], requires_grad=True)
    >>> z_st = straight_through(z_e, torch.tensor([1.0]))
    >>> z_st.backward(), z_st.item(), z_e.grad.item()
    (None, 1.0, 1.0)

    References
    ----------
    Bengio et al. (2013), arXiv:1308.3432, section 4; van den Oord et al. (2017),
    arXiv:1711.00937, section 3.2.
    """
    validate.floats(z_e, "z_e", (...,))
    validate.alike(z_d, "z_d", z_e, "z_e")
    return z_e + (z_d - z_e).detach()


class Quantized(NamedTuple):
    """What `VectorQuantizer` makes of its vectors.

    Attributes
    ----------
    z_st
        `straight_through` of the vectors and their codes.
    indices
        The numbers of the codes, int64.
    losses
        "codebook", ``|z_d - sg(z_e)|^2``, and "commitment", ``|z_e - sg(z_d)|^2``, summed over
        the D entries. Equal in value; the first moves the codebook, the second the encoder.
    """

    z_st: Float[Tensor, "... D"]
    indices: Int[Tensor, "..."]
    losses: dict[str, Float[Tensor, "..."]]


class VectorQuantizer(nn.Module):
    """Replaces each vector by the nearest one of a codebook, ``k = argmin_j |z_e - c_j|^2``.

    Parameters
    ----------
    num_codes
        K, at least 2.
    dim
        D, the length of a code.
    update
        What moves the codebook: the gradient of the codebook loss, or exponential moving averages
        of the vectors assigned to each code (van den Oord et al., 2017, appendix A.1). With "ema"
        the codebook asks for no gradient, and moves in each forward pass in training mode.
    decay
        Of the moving averages, in [0, 1).
    reset_below
        In training with "ema": a code whose moving average count falls below this is replaced by a
        vector drawn from the batch. 0 never resets. May be changed between epochs.

    Attributes
    ----------
    codebook : Parameter of shape (K, D)
        The only one.

    Examples
    --------
    >>> quantizer = VectorQuantizer(2, 1)
    >>> quantizer.codebook.data = torch.tensor([[-1.0], [1.0]])
    >>> quantizer(torch.tensor([[0.25], [-3.0]])).losses["commitment"]
    tensor([0.5625, 4.0000])

    References
    ----------
    van den Oord et al. (2017), arXiv:1711.00937, section 3.1; restarts of unused codes from
    the batch: Dhariwal et al. (2020), arXiv:2005.00341.
    """

    def __init__(
        self, num_codes: int, dim: int,
        update: Literal["loss", "ema"] = "loss", *,
        decay: float = 0.99, reset_below: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        validate.integer(num_codes, "num_codes", low=2)
        validate.integer(dim, "dim")
        validate.choice(update, "update", ("loss", "ema"))
        validate.share(decay, "decay", below=1)
        validate.nonnegative(reset_below, "reset_below")
        self.update = update
        self.decay, self.reset_below = decay, reset_below
        edge = 1 / num_codes
        codebook = torch.empty(num_codes, dim).uniform_(-edge, edge)
        learnt = update == "loss"
        self.codebook = nn.Parameter(codebook, requires_grad=learnt)
        if update == "ema":
            self.register_buffer("counts", torch.ones(num_codes))
            self.register_buffer("sums", codebook.clone())

    def forward(self, z_e: Float[Tensor, "... D"]) -> Quantized:
        """Quantise vectors."""
        indices = self.nearest(z_e)
        z_d = self.look_up(indices)
        # before straight_through, which passes no gradient to the codebook
        losses = {
            "codebook": (z_d - z_e.detach()).square().sum(dim=-1),
            "commitment": (z_e - z_d.detach()).square().sum(dim=-1),
        }
        if self.training and self.update == "ema":
            rows = z_e.detach().reshape(-1, z_e.shape[-1])
            self._move(rows, indices.flatten())
        return Quantized(straight_through(z_e, z_d), indices, losses)

    @torch.no_grad()
    def nearest(self, z_e: Float[Tensor, "... D"]) -> Int[Tensor, "..."]:
        """The number of the nearest code of each vector, int64.

        Costs N*K*D multiplications for N vectors and, in chunks of 4096, 16 KB * K of memory.
        Exact up to rounding: squared distances that differ by less than a few
        ``eps * |z| * |c|`` count as equal, so centre vectors that lie far from 0 for their
        spread.

        Examples
        --------
        >>> quantizer = VectorQuantizer(4, 2)
        >>> quantizer.nearest(quantizer.codebook.detach())  # each itself
        tensor([0, 1, 2, 3])
        """
        D, dtype = self.codebook.shape[1], self.codebook.dtype
        validate.floats(z_e, "z_e", (..., D), dtype)
        # |z - c|^2 = |z|^2 - 2 z.c + |c|^2; the first is the same for all c
        norms, codes = self.codebook.square().sum(dim=1), self.codebook.T
        # in chunks: all N x K distances at once may not fit in memory
        rows = z_e.reshape(-1, z_e.shape[-1]).split(_AT_ONCE)
        # min returns the place too, three times as fast as argmin
        found = [
            torch.addmm(norms, part, codes, alpha=-2).min(dim=1).indices
            for part in rows
        ]  # fmt: skip
        return torch.cat(found).view(z_e.shape[:-1])

    def look_up(
        self, indices: Int[Tensor, "..."]
    ) -> Float[Tensor, "... D"]:
        """The codes with the given numbers, int64 in 0 ... K - 1.

        Examples
        --------
        >>> VectorQuantizer(512, 16).look_up(torch.tensor([[0, 511]])).shape
        torch.Size([1, 2, 16])
        """
        last = len(self.codebook) - 1
        validate.whole_numbers(indices, "indices", (...,), 0, last)
        return F.embedding(indices, self.codebook)

    @torch.no_grad()
    def _move(self, z_e, indices):
        """Move averages and codebook towards the batch, z_e (N, D), and restart dead codes."""
        K = len(self.codebook)
        counts = torch.bincount(indices, minlength=K).to(self.counts)
        sums = torch.zeros_like(self.sums).index_add_(0, indices, z_e)
        self.counts.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        used = self.counts > 1e-5  # others stay: their mean would be 0 / 0
        self.codebook[used] = self.sums[used] / self.counts[used, None]
        dead = self.counts < self.reset_below
        if dead.any():
            n = int(dead.sum())
            rows = torch.randint(len(z_e), (n,), device=z_e.device)
            self.codebook[dead] = z_e[rows]
            self.sums[dead], self.counts[dead] = z_e[rows], 1.0


def codebook_usage(indices: Int[Tensor, "..."], num_codes: int) -> Int[Tensor, "K"]:
    """How often each of the K codes occurs, int64.

    Parameters
    ----------
    indices
        Those of a whole epoch: one batch cannot use all codes of a large codebook.
    num_codes
        K, at least 2.

    Examples
    --------
    >>> codebook_usage(torch.tensor([[0, 2], [2, 2]]), 4)
    tensor([1, 0, 3, 0])
    """
    validate.integer(num_codes, "num_codes", low=2)
    validate.whole_numbers(indices, "indices", (...,), 0, num_codes - 1)
    return torch.bincount(indices.flatten(), minlength=num_codes)


def perplexity(usage: Float[Tensor, "K"] | Int[Tensor, "K"]) -> float:
    """The exponential of the entropy of the usage, ``exp(-sum_k p_k log p_k)``, from 1 to K.

    M codes in equal use, and the others never, give M.

    Parameters
    ----------
    usage
        Shares, or counts from `codebook_usage`; only their proportions matter.

    Examples
    --------
    >>> round(perplexity(torch.tensor([5, 0, 5, 0])), 6)
    2.0
    """
    counted = isinstance(usage, Tensor) and usage.dtype == torch.int64
    usage = validate.floats(usage.double() if counted else usage, "usage", ("K",)).double()
    if usage.min() < 0 or not 0 < usage.sum() < inf:
        raise ValueError("usage must be >= 0 with a finite sum > 0, "
                         f"got values in [{usage.min():.3g}, {usage.max():.3g}]")  # fmt: skip
    return torch.special.entr(usage / usage.sum()).sum().exp().item()
