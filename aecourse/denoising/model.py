"""The denoising autoencoder and its loss."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aecourse import validate
from aecourse.generation import conv_block
from aecourse.trivial import squared_error


class ConvEncoder(nn.Module):
    """A deep convolutional encoder: 28 x 28 images to a code of any length.

    Five 3 x 3 convolutions, each with batch normalisation: `width` channels on 28 x 28 pixels,
    twice as many on 14 x 14, four times as many on 7 x 7; then one linear layer to `code` numbers.

    Examples
    --------
    >>> ConvEncoder(width=4, code=10)(torch.zeros(5, 784)).shape
    torch.Size([5, 10])
    """

    def __init__(self, width: int = 16, code: int = 128):
        super().__init__()
        w, code = validate.integer(width, "width"), validate.integer(code, "code")
        block = partial(conv_block, activation=nn.GELU)
        self.body = nn.Sequential(
            nn.Unflatten(1, (1, 28, 28)),
            *block(1, w),  # (B, w, 28, 28)
            *block(w, 2 * w, stride=2), *block(2 * w, 2 * w),  # (B, 2w, 14, 14)
            *block(2 * w, 4 * w, stride=2), *block(4 * w, 4 * w),  # (B, 4w, 7, 7)
            nn.Flatten(),
            nn.Linear(196 * w, code),
        )  # fmt: skip

    def forward(self, x: Float[Tensor, "B 784"]) -> Float[Tensor, "B k"]:
        """Images to codes."""
        return self.body(validate.matrix(x, "x", 784, weights_dtype(self)))


class DenoisingAutoencoder(nn.Module):
    """Any encoder (B, D) -> (B, k) and any decoder (B, k) -> (B, D), from corrupted to clean.

    Examples
    --------
    >>> model = DenoisingAutoencoder(nn.Linear(784, 64), nn.Linear(64, 784))
    >>> model(torch.zeros(5, 784)).shape
    torch.Size([5, 784])
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        self.encoder = validate.model(encoder, "encoder", "forward")
        self.decoder = validate.model(decoder, "decoder", "forward")

    def forward(self, x_tilde: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Corrupted inputs to restored ones."""
        validate.matrix(x_tilde, "x_tilde", dtype=weights_dtype(self))
        return self.decoder(self.encoder(x_tilde))

    def reconstruct(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """The model's answer to x itself, which it takes for a corrupted input."""
        return self(validate.matrix(x, "x", dtype=weights_dtype(self)))


def weights_dtype(module: nn.Module) -> torch.dtype | None:
    """The dtype that a module computes in; None if it has no weights, and so takes any."""
    return next((weight.dtype for weight in module.parameters()), None)


def denoising_loss(
    model: Callable[[Tensor], Tensor],
    x: Float[Tensor, "B D"],
    corrupt: Callable[[Tensor], Tensor | tuple[Tensor, Tensor]],
    pixels: Literal["all", "masked"] = "all",
) -> dict[str, Float[Tensor, "B"]]:
    """Squared error between the restored and the *clean* input, for `train.fit`.

    ``sum_i m_i (model(x_tilde)_i - x_i)^2`` with ``m = 1`` in all pixels, as Vincent et al.
    (2008), or in the hidden ones alone, as He et al. (2021). The target is x, and the model never
    sees it.

    Parameters
    ----------
    corrupt
        Called for every batch, so that the noise is fresh in every epoch: from x to x_tilde, or
        to (x_tilde, mask). x_tilde may have other columns than x.

    Returns
    -------
    dict
        "loss" and, equal to it, "reconstruction".

    Examples
    --------
    >>> x = torch.tensor([[0.5, 1.0]])
    >>> denoising_loss(nn.Identity(), x, lambda x: 0 * x)["loss"]
    tensor([1.2500])

    References
    ----------
    Vincent et al. (2008), eq. 5; He et al. (2021), arXiv:2111.06377.
    """
    validate.function(model, "model")
    validate.matrix(x, "x")
    validate.choice(pixels, "pixels", ("all", "masked"))
    x_tilde, mask = validate.function(corrupt, "corrupt")(x), None
    if isinstance(x_tilde, tuple):
        x_tilde, mask = x_tilde
    x_hat = validate.alike(model(x_tilde), "model(x_tilde)", x, "x")
    if pixels == "masked":
        _require_mask(mask, x)
        x_hat, x = x_hat * mask, x * mask
    error = squared_error(x_hat, x)
    return {"loss": error, "reconstruction": error}


def _require_mask(mask, x):
    """Check that `corrupt` told what it hid."""
    told = isinstance(mask, Tensor) and mask.dtype == torch.bool and mask.shape == x.shape
    if not told:
        given = "none" if mask is None else validate.describe(mask)
        raise ValueError(
            f"corrupt must return (x_tilde, mask) with a boolean mask of shape {tuple(x.shape)} "
            f"for pixels='masked', got {given}"
        )
