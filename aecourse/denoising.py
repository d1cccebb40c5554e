"""Chapter 09: denoising autoencoders, few labels, and the score that a denoiser knows."""

from copy import deepcopy
from functools import partial
from math import inf, isqrt, pi
from numbers import Real

import torch
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional as F

from aecourse import data, validate
from aecourse.train import fit
from aecourse.trivial import squared_error

PIXELS = ("all", "masked")


def add_gaussian_noise(x, amount, generator=None):
    """Add independent Gaussian noise to every pixel: ``x + amount * eps``, eps ~ N(0, I).

    Parameters
    ----------
    x : Tensor of shape (B, D)
    amount : float >= 0
        Standard deviation of the noise, in grey levels with white = 1.
    generator : torch.Generator, optional
        Source of the randomness; torch's global one by default.

    Returns
    -------
    Tensor of shape (B, D)
        Not clipped: pixels may leave [0, 1].

    Raises
    ------
    ValueError
        For another shape or dtype, NaN, or a negative amount.
    """
    validate.matrix(x, "x")
    return x + validate.nonnegative(amount, "amount") * _draw(torch.randn, x.shape, x, generator)


def add_salt_and_pepper(x, amount, generator=None):
    """Set each pixel with probability `amount` to 0 or to 1, at equal odds.

    Parameters
    ----------
    x : Tensor of shape (B, D)
    amount : float in [0, 1]
    generator : torch.Generator, optional

    Returns
    -------
    Tensor of shape (B, D)

    Raises
    ------
    ValueError
        For another shape or dtype, NaN, or an amount outside [0, 1].
    """
    validate.matrix(x, "x")
    u = _draw(torch.rand, x.shape, x, generator)
    return torch.where(u < _share(amount), (u < amount / 2).to(x), x)


def mask_pixels(x, amount, generator=None):
    """Set each pixel with probability `amount` to 0.

    Parameters
    ----------
    x : Tensor of shape (B, D)
    amount : float in [0, 1]
    generator : torch.Generator, optional

    Returns
    -------
    x_tilde : Tensor of shape (B, D)
    mask : Tensor of shape (B, D), bool
        True where the pixel is hidden.

    Raises
    ------
    ValueError
        For another shape or dtype, NaN, or an amount outside [0, 1].

    References
    ----------
    The masking noise of Vincent et al. (2008), section 2.3.
    """
    validate.matrix(x, "x")
    mask = _draw(torch.rand, x.shape, x, generator) < _share(amount)
    return x.masked_fill(mask, 0.0), mask


def mask_patches(x, amount, generator=None, size=4):
    """Hide whole squares: set a share `amount` of each image's size x size patches to 0.

    Parameters
    ----------
    x : Tensor of shape (B, D)
        Square images, D = H * H.
    amount : float in [0, 1]
        Every image loses the same number of patches: this share of them, rounded.
    generator : torch.Generator, optional
    size : int >= 1
        Side of a patch in pixels; divides H.

    Returns
    -------
    x_tilde : Tensor of shape (B, D)
    mask : Tensor of shape (B, D), bool
        True where the pixel is hidden.

    Raises
    ------
    ValueError
        For another shape or dtype, NaN, an amount outside [0, 1], images that are not square,
        or patches that do not tile them.

    References
    ----------
    He et al. (2021), arXiv:2111.06377, section 3.
    """
    B, D = validate.matrix(x, "x").shape
    H = isqrt(D)
    if H * H != D:
        raise ValueError(f"x must hold square images, got {D} pixels")
    if H % validate.integer(size, "size"):
        raise ValueError(f"size must divide the side of the image, {H}, got {size}")
    n = H // size  # patches in a row
    hidden = round(_share(amount) * n * n)
    rank = _draw(torch.rand, (B, n * n), x, generator).argsort(dim=1).argsort(dim=1)
    mask = (rank < hidden).view(B, n, 1, n, 1).expand(B, n, size, n, size).reshape(B, D)
    return x.masked_fill(mask, 0.0), mask


class ConvEncoder(nn.Module):
    """A deep convolutional encoder: 28 x 28 images to a code of any length.

    Five 3 x 3 convolutions, each with batch normalisation: `width` channels on 28 x 28 pixels,
    twice as many on 14 x 14, four times as many on 7 x 7; then one linear layer.

    Parameters
    ----------
    width : int >= 1
    code : int >= 1

    Raises
    ------
    ValueError
        For a width or a code below 1.
    """

    def __init__(self, width=16, code=128):
        super().__init__()
        w = validate.integer(width, "width")
        validate.integer(code, "code")
        self.body = nn.Sequential(
            nn.Unflatten(1, (1, 28, 28)),
            *_block(1, w),  # (B, w, 28, 28)
            *_block(w, 2 * w, stride=2), *_block(2 * w, 2 * w),  # (B, 2w, 14, 14)
            *_block(2 * w, 4 * w, stride=2), *_block(4 * w, 4 * w),  # (B, 4w, 7, 7)
            nn.Flatten(),
            nn.Linear(196 * w, code),
        )  # fmt: skip

    def forward(self, x):
        """Images to codes, (B, 784) -> (B, code). ValueError for another shape or dtype, NaN."""
        return self.body(validate.matrix(x, "x", columns=784))


def _block(before, after, stride=1):
    convolution = nn.Conv2d(before, after, 3, stride=stride, padding=1)
    return convolution, nn.BatchNorm2d(after), nn.GELU()


class DenoisingAutoencoder(nn.Module):
    """Any encoder and any decoder, from corrupted inputs to clean ones.

    Parameters
    ----------
    encoder : nn.Module, (B, D) -> (B, k)
    decoder : nn.Module, (B, k) -> (B, D)
    """

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x_tilde):
        """Corrupted inputs to restored ones, (B, D) -> (B, D). ValueError if no finite matrix."""
        return self.decoder(self.encoder(validate.matrix(x_tilde, "x_tilde")))


def denoising_loss(model, x, corrupt, pixels="all"):
    """Squared error between the restored and the *clean* input, for `train.fit`.

    Parameters
    ----------
    model : callable, x_tilde -> (B, D)
    x : Tensor of shape (B, D)
        Clean inputs. They are the target, and the model never sees them.
    corrupt : callable, x -> x_tilde, or x -> (x_tilde, mask)
        Called anew for every batch, so that the noise is fresh in every epoch.
    pixels : {"all", "masked"}
        "masked" sums over the hidden pixels alone, as He et al. (2021); "all" over all D.

    Returns
    -------
    dict
        "loss", of shape (B,): summed over pixels, one value per row.

    Raises
    ------
    ValueError
        For other `pixels`, a `corrupt` that returns no boolean mask of the shape of `x` where one
        is needed, or a model whose output has another shape than `x`.

    References
    ----------
    Vincent et al. (2008), eq. 5.
    """
    if pixels not in PIXELS:
        raise ValueError(f"pixels must be one of {PIXELS}, got {pixels!r}")
    x_tilde, mask = corrupt(x), None
    if isinstance(x_tilde, tuple):
        x_tilde, mask = x_tilde
    x_hat = model(x_tilde)
    if pixels == "all":
        return {"loss": squared_error(x_hat, x)}
    _require_mask(mask, x)
    return {"loss": squared_error(x_hat * mask, x * mask)}


class Classifier(nn.Module):
    """An encoder and one linear layer on its features.

    Parameters
    ----------
    encoder : nn.Module, (B, D) -> (B, k)
    head : nn.Linear, (B, k) -> (B, classes)
    """

    def __init__(self, encoder, head):
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, x):
        """Logits of the classes, (B, D) -> (B, classes). ValueError if no finite matrix."""
        return self.head(self.encoder(validate.matrix(x, "x")))

    @torch.no_grad()
    def predict(self, x):
        """The most likely class of each row, (N, D) -> (N,), int64, in evaluation mode.

        ValueError if `x` is no finite matrix.
        """
        validate.matrix(x, "x")
        self.eval()
        return torch.cat([self(part).argmax(dim=1) for part in x.split(1000)])


def linear_probe(encoder, x, y, *, C=1.0):
    """Logistic regression on the features of a frozen encoder: how much of y lies open in them.

    The features are standardised first. The encoder is put in evaluation mode and not changed.

    Parameters
    ----------
    encoder : nn.Module, (B, D) -> (B, k)
    x : Tensor of shape (N, D)
    y : Tensor of shape (N,), int64
        Labels 0 ... classes - 1, each at least once.
    C : float > 0
        Inverse strength of the penalty on the weights, as in scikit-learn.

    Returns
    -------
    Classifier
        With scikit-learn's solution as its head.

    Raises
    ------
    ValueError
        For another shape or dtype, a missing label, or C <= 0.
    """
    classes = _labels(x, y)
    validate.positive(C, "C")
    with torch.no_grad():
        h = torch.cat([encoder.eval()(part) for part in x.split(1000)])  # (N, k)
    scale = h.std(dim=0, correction=0).clamp(min=1e-6)  # a constant feature: no division by zero
    z = ((h - h.mean(dim=0)) / scale).double().numpy(force=True)
    solution = LogisticRegression(C=C, max_iter=1000).fit(z, y.numpy(force=True))
    W, b = (torch.from_numpy(array).to(h) for array in (solution.coef_, solution.intercept_))
    if classes == 2:  # scikit-learn stores one logit for two classes
        W, b = torch.cat([-W, W]) / 2, torch.cat([-b, b]) / 2
    head = nn.Linear(h.shape[1], classes).to(h)
    with torch.no_grad():  # undo the standardisation, so that the head takes plain features
        head.weight.copy_(W / scale)
        head.bias.copy_(b - (W / scale) @ h.mean(dim=0))
    return Classifier(encoder, head)


def fine_tune(encoder, x, y, *, epochs=100, lr=1e-3, batch_size=50,
              augment=None, seed=0):  # fmt: skip
    """Put a new linear layer on a copy of the encoder, and train both on few labels.

    Parameters
    ----------
    encoder : nn.Module, (B, D) -> (B, k)
        Pre-trained or fresh; it is not changed.
    x : Tensor of shape (N, D)
    y : Tensor of shape (N,), int64
        Labels 0 ... classes - 1, each at least once.
    epochs, batch_size : int >= 1
    lr : float > 0
        The highest learning rate of a one-cycle schedule.
    augment : callable, x -> x of the same shape, optional
        Changes each batch in a way that keeps the labels, for example `random_shift`.
    seed : int >= 0
        Of the new layer, the batches and the augmentation.

    Returns
    -------
    Classifier
        In evaluation mode.

    Raises
    ------
    ValueError
        For another shape or dtype, a missing label, or bad settings.
    """
    classes = _labels(x, y)
    batches = data.batches(x, batch_size, y=y, seed=seed)
    validate.integer(epochs, "epochs")
    validate.positive(lr, "lr")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = deepcopy(encoder).eval()
        with torch.no_grad():
            k = encoder(x[:1]).shape[1]
        model = Classifier(encoder, nn.Linear(k, classes).to(x))
        settings = {"lr": lr, "weight_decay": 0.05, "fused": True}
        optimizer = torch.optim.AdamW(model.parameters(), **settings)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, lr, total_steps=epochs * len(batches))  # fmt: skip
        loss = partial(_cross_entropy, augment=augment)
        fit(model, loss, batches, epochs=epochs, schedule=schedule)
    return model.eval()


def random_shift(x, most=2):
    """Move all images of a batch by the same random number of pixels, up to `most` each way.

    What leaves on one side comes back on the other; seven digits in eight have no ink within two
    pixels of the edge.
    (B, 784) -> (B, 784); ValueError for another shape or dtype, NaN, or `most` < 0.
    """
    validate.matrix(x, "x", columns=784)
    validate.integer(most, "most", low=0, high=27)
    down, right = torch.randint(-most, most + 1, (2,)).tolist()
    return x.view(-1, 28, 28).roll((down, right), dims=(1, 2)).flatten(1)


def _cross_entropy(model, batch, augment):
    x, y = batch
    x = x if augment is None else augment(x)
    return {"loss": F.cross_entropy(model(x), y, reduction="none")}


class GaussianMixtureScore:
    """A mixture of round Gaussians with its exact score and its exact optimal denoiser.

    With noise of standard deviation sigma added, a mixture of N(m_c, s_c^2 I) turns into one of
    N(m_c, (s_c^2 + sigma^2) I): everything below follows in closed form.

    Parameters
    ----------
    weights : Tensor of shape (C,), positive, sum 1
    means : Tensor of shape (C, D)
    scales : Tensor of shape (C,), >= 0
        Standard deviations s_c. Zero is a point: its density exists for sigma > 0 only.

    Raises
    ------
    ValueError
        For other shapes, dtypes that differ, or values out of range.
    """

    def __init__(self, weights, means, scales):
        validate.matrix(means, "means")
        C = len(means)
        for name, values in (("weights", weights), ("scales", scales)):
            if not isinstance(values, torch.Tensor) or values.shape != (C,):
                given = getattr(values, "shape", type(values).__name__)
                raise ValueError(f"{name} must be a tensor of shape ({C},), got {given}")
            validate.matrix(values[:, None], name, dtype=means.dtype)
        if (weights <= 0).any() or abs(weights.sum().item() - 1) > 1e-5:
            raise ValueError(f"weights must be positive with sum 1, got {weights.tolist()}")
        if (scales < 0).any():
            raise ValueError(f"scales must be >= 0, got {scales.tolist()}")
        self.weights, self.means, self.scales = weights, means, scales

    def sample(self, n, generator=None):
        """Draw n points, (n, D). ValueError if n < 1."""
        validate.integer(n, "n")
        c = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        eps = _draw(torch.randn, (n, self.means.shape[1]), self.means, generator)
        return self.means[c] + self.scales[c, None] * eps

    def log_density(self, x, sigma=0.0):
        """log p_sigma(x) of the mixture blurred by noise of deviation sigma, nats, (N,).

        ValueError for another shape or dtype, NaN, sigma < 0, or sigma = 0 with a scale of 0.
        """
        return self._log_joint(x, sigma)[0].logsumexp(dim=1)

    def score(self, x, sigma=0.0):
        """The gradient of log p_sigma at each point, (N, D) -> (N, D). ValueError as above.

        A mean over components, weighted by their posterior, of ``(m_c - x) / (s_c^2 + sigma^2)``.
        """
        log_joint, variances = self._log_joint(x, sigma)
        pull = log_joint.softmax(dim=1) / variances  # (N, C)
        return pull @ self.means - pull.sum(dim=1, keepdim=True) * x

    def denoise(self, x_tilde, sigma):
        """The posterior mean E[x | x_tilde], the optimal denoiser, (N, D) -> (N, D).

        Computed from the posterior of each component, ``m_c + s_c^2 / (s_c^2 + sigma^2)
        (x_tilde - m_c)``, without the score: so that the two can be compared (Robbins, 1956;
        Efron, 2011, doi:10.1198/jasa.2011.tm11181, eq. 1.4). ValueError as above.
        """
        log_joint, variances = self._log_joint(x_tilde, sigma)
        share = log_joint.softmax(dim=1)  # (N, C): the component's posterior
        shrink = self.scales.square() / variances  # (C,)
        return share @ ((1 - shrink)[:, None] * self.means) + (share @ shrink)[:, None] * x_tilde

    def _log_joint(self, x, sigma):
        """log w_c N(x; m_c, v_c I), (N, C), and the variances v_c = s_c^2 + sigma^2, (C,)."""
        D = self.means.shape[1]
        validate.matrix(x, "x", D, self.means.dtype)
        variances = self.scales.square() + validate.nonnegative(sigma, "sigma") ** 2
        if (variances == 0).any():
            raise ValueError("sigma must be > 0 where a scale is 0, got 0")
        squares = (x[:, None] - self.means).square().sum(dim=2)  # (N, C)
        log_normal = -squares / (2 * variances) - D / 2 * (2 * pi * variances).log()
        return self.weights.log() + log_normal, variances


def iterate_denoiser(denoise, x, sigmas):
    """Remove noise in small steps: from level sigmas[0] down to the last, deterministically.

    Each step keeps the direction of the noise that the denoiser sees and shortens it:
    ``x <- D(x, s) + (s' / s) (x - D(x, s))`` for neighbours s > s' of `sigmas`. It is Euler's
    step of the probability-flow equation ``dx/ds = (x - D(x, s)) / s``.

    Parameters
    ----------
    denoise : callable (x, sigma) -> Tensor of shape (N, D)
        A denoiser D for every noise level in `sigmas`.
    x : Tensor of shape (N, D)
        Where to start; noise of standard deviation sigmas[0] for "from nothing".
    sigmas : sequence of float, at least two, finite, falling, the last >= 0

    Returns
    -------
    Tensor of shape (N, D)

    Raises
    ------
    ValueError
        For another shape or dtype of `x`, NaN, sigmas that do not fall, or a `denoise` that
        returns anything but a finite matrix of the shape of `x`.

    References
    ----------
    Song et al. (2021), arXiv:2010.02502, eq. 12 with its sigma_t = 0; Karras et al. (2022),
    arXiv:2206.00364, eqs. 1 and 3, and algorithm 1 without its second-order correction.
    """
    validate.matrix(x, "x")
    sigmas = [float(sigma) for sigma in sigmas]
    steps = list(zip(sigmas[:-1], sigmas[1:]))
    if not steps or not all(inf > high > low >= 0 for high, low in steps):
        raise ValueError("sigmas must be at least two falling numbers "
                         f">= 0, got {sigmas}")  # fmt: skip
    for sigma, lower in steps:
        x_hat = validate.matrix(denoise(x, sigma), "denoise(x, sigma)")
        wanted, given = tuple(x.shape), tuple(x_hat.shape)
        if given != wanted:
            raise ValueError("denoise(x, sigma) must have the shape of x, "
                             f"{wanted}, got {given}")  # fmt: skip
        x = x_hat + lower / sigma * (x - x_hat)
    return x


def _draw(random, shape, like, generator):
    """Random numbers from the generator's own device, in the dtype and on the device of `like`."""
    device = like.device if generator is None else generator.device
    return random(shape, generator=generator, device=device).to(like)


def _require_mask(mask, x):
    """Check that `corrupt` told what it hid."""
    if mask is None or mask.dtype != torch.bool or mask.shape != x.shape:
        given = "none" if mask is None else f"{mask.dtype}, shape {tuple(mask.shape)}"
        raise ValueError(f"corrupt must return (x_tilde, mask) with a boolean mask of shape "
                         f"{tuple(x.shape)} for pixels='masked', got {given}")  # fmt: skip


def _share(amount):
    if isinstance(amount, bool) or not isinstance(amount, Real) or not 0 <= amount <= 1:
        raise ValueError(f"amount must be a number in [0, 1], got {amount!r}")
    return amount


def _labels(x, y):
    """Check rows and labels; return the number of classes."""
    validate.matrix(x, "x")
    if not isinstance(y, torch.Tensor) or y.dtype != torch.int64 or y.shape != (len(x),):
        given = (y.dtype, *y.shape) if isinstance(y, torch.Tensor) else type(y).__name__
        raise ValueError(f"y must be an int64 tensor of shape ({len(x)},), got {given}")
    seen = y.unique()
    if not torch.equal(seen, torch.arange(len(seen), device=y.device)) or len(seen) < 2:
        raise ValueError(f"y must hold every label from 0 to its largest, at least two, "
                         f"got {seen.tolist()}")  # fmt: skip
    return len(seen)
