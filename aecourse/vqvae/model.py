"""The VQ-VAE: an image as a grid of tokens."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from aecourse import validate
from aecourse.trivial import squared_error
from aecourse.vqvae.quantizer import VectorQuantizer


class VQVAEOutput(NamedTuple):
    """What `VQVAE` makes of its images: reconstructions, tokens, and the quantiser's losses."""

    x_hat: Float[Tensor, "B pixels"]
    indices: Int[Tensor, "B h w"]
    losses: dict[str, Float[Tensor, "B h w"]]


class VQVAE(nn.Module):
    """Convolutional encoder, vector quantiser, decoder: an image as a grid of tokens.

    Images are rows of C * H * W pixels, vectors have the length D.

    Parameters
    ----------
    num_codes, dim, update, reset_below
        As in `VectorQuantizer`.
    channels
        One convolution of stride 2 per entry: each halves height and width.
    image
        Channels, height, width; the last two must be divisible by 2 ** len(channels).

    Attributes
    ----------
    grid : (h, w)
        The shape of the tokens of one image.

    Examples
    --------
    >>> VQVAE(512).tokenize(torch.zeros(5, 784)).shape
    torch.Size([5, 7, 7])

    References
    ----------
    van den Oord et al. (2017), arXiv:1711.00937, section 4.1; no residual blocks here.
    """

    def __init__(self, num_codes: int, dim: int = 16, *,
                 channels: Sequence[int] = (32, 64), image: Sequence[int] = (1, 28, 28),
                 update: Literal["loss", "ema"] = "ema", reset_below: float = 0.0):  # fmt: skip
        super().__init__()
        self.image, self.grid = _image_and_grid(image, channels)
        validate.integer(dim, "dim")
        self.encoder = _encoder([self.image[0], *channels], dim)
        self.quantizer = VectorQuantizer(num_codes, dim, update, reset_below=reset_below)
        self.decoder = _decoder([dim, *channels[::-1]], self.image[0])

    def encode(self, x: Float[Tensor, "B pixels"]) -> Float[Tensor, "B h w D"]:
        """Images to vectors z_e.

        Examples
        --------
        >>> VQVAE(512).encode(torch.zeros(5, 784)).shape
        torch.Size([5, 7, 7, 16])
        """
        C, H, W = self.image
        validate.matrix(x, "x", C * H * W, self.quantizer.codebook.dtype)
        return self.encoder(x.view(-1, C, H, W)).movedim(1, -1)

    def decode(self, z: Float[Tensor, "B h w D"]) -> Float[Tensor, "B pixels"]:
        """Vectors to images."""
        D, dtype = self.quantizer.codebook.shape[1], self.quantizer.codebook.dtype
        validate.floats(z, "z", ("B", *self.grid, D), dtype)
        return self.decoder(z.movedim(-1, 1)).flatten(1)

    def forward(self, x: Float[Tensor, "B pixels"]) -> VQVAEOutput:
        """Images to what `vqvae_loss` needs."""
        z_st, indices, losses = self.quantizer(self.encode(x))
        return VQVAEOutput(self.decode(z_st), indices, losses)

    @torch.no_grad()
    def tokenize(self, x: Float[Tensor, "B pixels"]) -> Int[Tensor, "B h w"]:
        """Images to tokens, int64, in chunks of 1000 images."""
        validate.matrix(x, "x")
        return torch.cat([self.quantizer.nearest(self.encode(part)) for part in x.split(1000)])

    @torch.no_grad()
    def detokenize(self, indices: Int[Tensor, "B h w"]) -> Float[Tensor, "B pixels"]:
        """Tokens to images, in chunks of 1000 images."""
        K = len(self.quantizer.codebook)
        validate.whole_numbers(indices, "indices", ("B", *self.grid), 0, K - 1)
        parts = indices.split(1000)
        return torch.cat([self.decode(self.quantizer.look_up(part)) for part in parts])

    def reconstruct(self, x: Float[Tensor, "B pixels"]) -> Float[Tensor, "B pixels"]:
        """Images to tokens and back; no gradient, and no code moves."""
        return self.detokenize(self.tokenize(x))


def vqvae_loss(model: VQVAE, x: Float[Tensor, "B pixels"], beta: float = 0.25,
               form: Literal["paper", "notes"] = "paper",
               ) -> dict[str, Float[Tensor, "B"]]:  # fmt: skip
    """Squared error plus codebook and commitment loss, for `train.fit`.

    ``|x_hat - x|^2 + |z_d - sg(z_e)|^2 + beta |z_e - sg(z_d)|^2``.

    Parameters
    ----------
    beta
        At least 0.
    form
        Where beta stands. "paper": on the commitment, as above (van den Oord et al., 2017, eq. 3).
        "notes": on the codebook loss instead. The norms are squared in both.

    Returns
    -------
    dict
        "loss", and its terms without their factors: "reconstruction", summed over pixels, and
        "codebook" and "commitment", summed over the grid. A codebook that moves by averages takes
        no gradient: there "loss" leaves the codebook term out, and with it the beta of "notes".

    Examples
    --------
    >>> terms = vqvae_loss(VQVAE(512), torch.ones(5, 784))
    >>> loss = terms["reconstruction"] + 0.25 * terms["commitment"]  # "ema"
    >>> torch.equal(terms["loss"], loss)
    True
    """
    validate.model(model, "model", "tokenize", "detokenize")
    validate.nonnegative(beta, "beta")
    validate.choice(form, "form", ("paper", "notes"))
    x_hat, _, losses = model(x)
    terms = {name: values.flatten(1).sum(dim=1) for name, values in losses.items()}  # (B,)
    terms["reconstruction"] = squared_error(x_hat, x)
    codebook, commitment = (beta, 1.0) if form == "notes" else (1.0, beta)
    loss = terms["reconstruction"] + commitment * terms["commitment"]
    if model.quantizer.update == "loss":
        loss = loss + codebook * terms["codebook"]
    return {"loss": loss, **terms}


def _image_and_grid(image, channels):
    """The image as a tuple, and the shape of its grid of tokens."""
    validate.widths(channels, "channels")
    if len(validate.widths(image, "image")) != 3:
        raise ValueError(f"image must be (channels, height, width), got {image!r}")
    factor = 2 ** len(channels)
    if image[1] % factor or image[2] % factor:
        raise ValueError(f"image must have height and width divisible by {factor}, "
                         f"2 to the number of channels, got {tuple(image)}")  # fmt: skip
    return tuple(image), (image[1] // factor, image[2] // factor)


def _encoder(channels, dim):
    layers = []
    for before, after in zip(channels[:-1], channels[1:], strict=True):
        layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.GELU()]
    last = channels[-1]
    return nn.Sequential(*layers, nn.Conv2d(last, last, 3, padding=1), nn.GELU(),
                         nn.Conv2d(last, dim, 1))  # fmt: skip


def _decoder(channels, out):
    layers = [nn.Conv2d(channels[0], channels[1], 3, padding=1), nn.GELU()]
    for before, after in zip(channels[1:], [*channels[2:], out], strict=True):
        layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.GELU()]
    return nn.Sequential(*layers[:-1])
