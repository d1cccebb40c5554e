"""Chapter 10: vector quantisation, an image as a grid of tokens."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aecourse import validate
from aecourse.trivial import squared_error

UPDATES = ("loss", "ema")
FORMS = ("notes", "paper")
ROWS = 4096  # vectors compared with the codebook at a time


def straight_through(z_e, z_d):
    """The value of z_d with the gradient of z_e: z_e + sg(z_d - z_e).

    Parameters
    ----------
    z_e, z_d : Tensor of the same shape (...) and dtype, float32 or float64
        Encoder output, and the codes that take its place.

    Returns
    -------
    Tensor of shape (...)
        Equal to `z_d` up to rounding, at most eps * (abs(z_e) + abs(z_d)). The gradient that
        arrives here goes to `z_e` unchanged, and none to `z_d`.

    Raises
    ------
    ValueError
        For anything but float tensors, or shapes or dtypes that differ.

    References
    ----------
    Bengio et al. (2013), arXiv:1308.3432, section 4; van den Oord et al. (2017),
    arXiv:1711.00937, section 3.2.
    """
    _require_float(z_e, "z_e")
    wanted, given = _describe(z_e), _describe(z_d)
    if given != wanted:
        raise ValueError(f"z_d must be as z_e, {wanted}, got {given}")
    return z_e + (z_d - z_e).detach()


class VectorQuantizer(nn.Module):
    """Replaces each vector by the nearest one of a codebook.

    Parameters
    ----------
    num_codes : int >= 2
        K.
    dim : int >= 1
        D, the length of a code.
    update : {"loss", "ema"}
        What moves the codebook: the gradient of the codebook loss, or exponential moving averages
        of the vectors assigned to each code (van den Oord et al., 2017, appendix A.1). With "ema"
        the codebook asks for no gradient, and moves in each forward pass in training mode.
    decay : float in [0, 1)
        Of the moving averages.
    reset_below : float >= 0
        In training with "ema": a code whose moving average count falls below this is replaced by a
        vector drawn from the batch. 0 never resets. May be changed between epochs.

    Attributes
    ----------
    codebook : Parameter of shape (K, D)
        The only one.

    Raises
    ------
    ValueError
        For a setting outside its range.

    References
    ----------
    van den Oord et al. (2017), arXiv:1711.00937, section 3.1; restarts of unused codes from
    the batch: Dhariwal et al. (2020), arXiv:2005.00341.
    """

    def __init__(self, num_codes, dim, update="loss", *, decay=0.99,
                 reset_below=0.0):  # fmt: skip
        super().__init__()
        validate.integer(num_codes, "num_codes", low=2)
        validate.integer(dim, "dim")
        if update not in UPDATES:
            raise ValueError(f"update must be one of {UPDATES}, "
                             f"got {update!r}")  # fmt: skip
        if validate.nonnegative(decay, "decay") >= 1:
            raise ValueError(f"decay must be in [0, 1), got {decay}")
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

    def forward(self, z_e):
        """Quantise vectors.

        Parameters
        ----------
        z_e : Tensor of shape (..., D)

        Returns
        -------
        z_st : Tensor of shape (..., D)
            `straight_through` of `z_e` and its codes.
        indices : Tensor of shape (...), int64
        losses : dict of Tensor of shape (...)
            "codebook", ``|z_d - sg(z_e)|^2``, and "commitment", ``|z_e - sg(z_d)|^2``, summed over
            the D entries. Equal in value; the first moves the codebook, the second the encoder.

        Raises
        ------
        ValueError
            For another shape or dtype, no vectors, or NaN.
        """
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
        return straight_through(z_e, z_d), indices, losses

    @torch.no_grad()
    def nearest(self, z_e):
        """The number of the nearest code of each vector, (..., D) -> (...), int64.

        Costs N*K*D multiplications for N vectors and, in chunks of 4096, 16 KB * K of memory.
        Exact up to rounding: squared distances that differ by less than a few
        ``eps * |z| * |c|`` count as equal, so centre vectors that lie far from 0 for their
        spread. ValueError as `forward`.
        """
        _require_vectors(z_e, "z_e", self.codebook)
        # |z - c|^2 = |z|^2 - 2 z.c + |c|^2; the first is the same for all c
        norms, codes = self.codebook.square().sum(dim=1), self.codebook.T
        rows = z_e.reshape(-1, z_e.shape[-1]).split(ROWS)
        # min returns the place too, three times as fast as argmin on a CPU
        found = [
            torch.addmm(norms, part, codes, alpha=-2).min(dim=1).indices
            for part in rows
        ]  # fmt: skip
        return torch.cat(found).view(z_e.shape[:-1])

    def look_up(self, indices):
        """The codes with the given numbers, (...) -> (..., D).

        ValueError for anything but integers from 0 to K - 1.
        """
        _require_indices(indices, len(self.codebook))
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


def codebook_usage(indices, num_codes):
    """How often each code occurs.

    Parameters
    ----------
    indices : Tensor of shape (...), integers from 0 to K - 1
        Those of a whole epoch: one batch cannot use all codes of a large codebook.
    num_codes : int >= 2
        K.

    Returns
    -------
    Tensor of shape (K,), int64

    Raises
    ------
    ValueError
        For no or other indices, or K < 2.
    """
    validate.integer(num_codes, "num_codes", low=2)
    _require_indices(indices, num_codes)
    return torch.bincount(indices.flatten(), minlength=num_codes)


def perplexity(usage):
    """The exponential of the entropy of the usage, from 1 to K.

    M codes in equal use, and the others never, give M.

    Parameters
    ----------
    usage : Tensor of shape (K,)
        Counts or shares, from `codebook_usage`.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For another shape, a negative or infinite entry, or only zeros.
    """
    if not isinstance(usage, Tensor) or usage.ndim != 1 or len(usage) == 0:
        raise ValueError(f"usage must be a tensor of shape (K,), got {_describe(usage)}")
    counts = usage.double()
    if not ((counts >= 0).all() and 0 < counts.sum() < float("inf")):
        raise ValueError("usage must be finite and >= 0 with a finite sum > 0, "
                         f"got values in [{counts.min():.3g}, {counts.max():.3g}]")  # fmt: skip
    return torch.special.entr(counts / counts.sum()).sum().exp().item()


class VQVAE(nn.Module):
    """Convolutional encoder, vector quantiser, decoder: an image as a grid of tokens.

    `VQVAE(512)` makes 7 x 7 tokens of a 28 x 28 digit.

    Parameters
    ----------
    num_codes, dim : int
        Codebook size K >= 2 and length D of a code.
    channels : sequence of int >= 1, at least one
        One convolution of stride 2 per entry: each halves height and width.
    image : (channels, height, width)
        Height and width must be divisible by 2 ** len(channels).
    update, reset_below :
        As in `VectorQuantizer`.

    Attributes
    ----------
    grid : (h, w)
        The shape of the tokens of one image.

    Raises
    ------
    ValueError
        For a setting outside its range, or an image that cannot be halved so often.

    References
    ----------
    van den Oord et al. (2017), arXiv:1711.00937, section 4.1; no residual blocks here.
    """

    def __init__(self, num_codes, dim=16, *, channels=(32, 64), image=(1, 28, 28), update="ema",
                 reset_below=0.0):  # fmt: skip
        super().__init__()
        self.image, self.grid = _image_and_grid(image, channels)
        self.encoder = _encoder([self.image[0], *channels], dim)
        self.quantizer = VectorQuantizer(num_codes, dim, update, reset_below=reset_below)
        self.decoder = _decoder([dim, *channels[::-1]], self.image[0])

    def encode(self, x):
        """Images to vectors z_e, (B, C*H*W) -> (B, h, w, D). ValueError for bad input."""
        C, H, W = self.image
        validate.matrix(x, "x", C * H * W, self.quantizer.codebook.dtype)
        return self.encoder(x.view(-1, C, H, W)).movedim(1, -1)

    def decode(self, z):
        """Vectors to images, (B, h, w, D) -> (B, C*H*W). ValueError for bad input."""
        _require_vectors(z, "z", self.quantizer.codebook)
        self._require_grid(z, "z", z.shape[1:-1])
        return self.decoder(z.movedim(-1, 1)).flatten(1)

    def forward(self, x):
        """Reconstruct: (B, C*H*W) -> x_hat (B, C*H*W), indices (B, h, w), losses of (B, h, w).

        ValueError for another shape or dtype, or NaN.
        """
        z_st, indices, losses = self.quantizer(self.encode(x))
        return self.decode(z_st), indices, losses

    @torch.no_grad()
    def tokenize(self, x):
        """Images to tokens, (B, C*H*W) -> (B, h, w), int64, in chunks of 1000 images.

        ValueError for another shape or dtype, or NaN.
        """
        if not isinstance(x, Tensor):
            raise ValueError(f"x must be a torch.Tensor, got {type(x).__name__}")
        return torch.cat([self.quantizer.nearest(self.encode(part)) for part in x.split(1000)])

    @torch.no_grad()
    def detokenize(self, indices):
        """Tokens to images, (B, h, w) -> (B, C*H*W), in chunks of 1000 images.

        ValueError for another grid, or anything but integers from 0 to K - 1.
        """
        _require_indices(indices, len(self.quantizer.codebook))
        self._require_grid(indices, "indices", indices.shape[1:])
        parts = indices.split(1000)
        return torch.cat([self.decode(self.quantizer.look_up(part)) for part in parts])

    def _require_grid(self, value, name, grid):
        if tuple(grid) != self.grid:
            raise ValueError(f"{name} must hold grids of shape {self.grid}, got {tuple(grid)} "
                             f"in shape {tuple(value.shape)}")  # fmt: skip


def vqvae_loss(model, x, beta=0.25, form="paper"):
    """Squared error plus codebook and commitment loss, for `train.fit`.

    Parameters
    ----------
    model : VQVAE
    x : Tensor of shape (B, C*H*W)
    beta : float >= 0
    form : {"paper", "notes"}
        Where beta stands. "paper": codebook + beta * commitment (van den Oord et al., 2017, eq. 3).
        "notes": commitment + beta * codebook. The norms are squared in both.

    Returns
    -------
    dict of Tensor of shape (B,)
        "loss", and its terms without their factors: "reconstruction", summed over pixels, and
        "codebook" and "commitment", summed over the grid. A codebook that moves by averages takes
        no gradient: there "loss" leaves the codebook term out, and with it the beta of "notes".

    Raises
    ------
    ValueError
        For a negative `beta`, an unknown `form`, or bad images.
    """
    validate.nonnegative(beta, "beta")
    if form not in FORMS:
        raise ValueError(f"form must be one of {FORMS}, got {form!r}")
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
    for name, sizes in (("image", image), ("channels", channels)):
        if not isinstance(sizes, (list, tuple)) or len(sizes) < 1:
            raise ValueError(f"{name} must be a sequence of at least one integer, got {sizes!r}")
        for size in sizes:
            validate.integer(size, f"each of {name}")
    if len(image) != 3:
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


def _require_float(x, name):
    if not isinstance(x, Tensor) or x.dtype not in validate.FLOATS:
        raise ValueError(f"{name} must be a float32 or float64 tensor, got {_describe(x)}")


def _require_vectors(z, name, codebook):
    """Check that `z` is (..., D), finite, in the codebook's dtype."""
    _require_float(z, name)
    D = codebook.shape[1]
    if z.ndim == 0 or z.shape[-1] != D:
        raise ValueError(f"{name} must have shape (..., {D}), got {tuple(z.shape)}")
    validate.matrix(z.detach().reshape(-1, D), name, D, codebook.dtype)


def _require_indices(indices, num_codes):
    """Check that `indices` is a non-empty tensor of integers from 0 to K - 1."""
    if not isinstance(indices, Tensor) or indices.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"indices must be a tensor of int64 or int32, got {_describe(indices)}")
    if indices.numel() == 0:
        raise ValueError(f"indices must not be empty, got shape {tuple(indices.shape)}")
    low, high = (bound.item() for bound in indices.aminmax())
    if low < 0 or high >= num_codes:
        raise ValueError(f"indices must be in [0, {num_codes - 1}], got values in [{low}, {high}]")


def _describe(value):
    if isinstance(value, Tensor):
        return f"shape {tuple(value.shape)} {value.dtype}"
    return type(value).__name__
