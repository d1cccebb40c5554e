"""Chapter 05: a code that is a random variable, and gradients through sampling."""

import torch
from torch import Tensor, nn

from aecourse import validate
from aecourse.autoencoder import mlp


def reparameterize(mu, logvar, eps=None):
    """Draw z ~ N(mu, diag(exp(logvar))) as z = mu + exp(logvar / 2) * eps, eps ~ N(0, I).

    The noise comes first and is rescaled after, so that z is a differentiable function of `mu`
    and `logvar`, and the gradient never needs to pass `eps`.

    Parameters
    ----------
    mu, logvar : Tensor of shape (..., L), float32 or float64
        Mean and log-variance.
    eps : Tensor of the same shape and dtype, optional
        Standard normal noise; drawn here, from torch's global generator, if omitted.

    Returns
    -------
    Tensor of shape (..., L)

    Raises
    ------
    ValueError
        For anything but float tensors, or shapes or dtypes that differ: broadcasting would give
        several images the same noise. Values are not checked; the training loop checks the loss.

    References
    ----------
    Kingma and Welling (2014), arXiv:1312.6114, section 2.4.
    """
    _require_float(mu, "mu")
    eps = torch.randn_like(mu) if eps is None else eps
    _require_alike(logvar, "logvar", mu)
    _require_alike(eps, "eps", mu)
    return mu + torch.exp(logvar / 2) * eps


class GaussianEncoder(nn.Module):
    """A fully connected encoder whose outputs are split into mean and log-variance.

    `GaussianEncoder([784, 256, 100])` is the notes' network: 784 -> 256 -> 100 = 50 + 50.

    Parameters
    ----------
    sizes : sequence of int >= 1, at least two, the last one even
        Widths from the image to mean and log-variance together.
    activation : callable -> nn.Module
        Made anew for each hidden layer.

    Attributes
    ----------
    latent : int
        Length L of the latent variable, half of the last width.

    Raises
    ------
    ValueError
        For fewer than two sizes, a size below 1, or an odd last size.
    """

    def __init__(self, sizes, activation=nn.GELU):
        super().__init__()
        self.body = mlp(sizes, activation)
        if sizes[-1] % 2:
            raise ValueError("the last of sizes must be even, mean and "
                             f"log-variance, got {sizes[-1]}")  # fmt: skip
        self.sizes = list(sizes)
        self.latent = sizes[-1] // 2

    def forward(self, x):
        """Images to mean and log-variance, (B, D) -> (B, L) twice.

        ValueError for another shape or dtype, or NaN.
        """
        validate.matrix(x, "x", self.sizes[0], self.body[0].weight.dtype)
        return self.body(x).chunk(2, dim=1)


class ConvGaussianEncoder(nn.Module):
    """A convolutional encoder for 28 x 28 images that returns what `GaussianEncoder` returns.

    Each 3 x 3 convolution with stride 2 halves height and width, rounded up: 28, 14, 7, 4 ...
    One linear layer follows.

    Parameters
    ----------
    latent : int >= 1
        Length L of the latent variable.
    channels : sequence of int >= 1, at least one
        Channels after each convolution.

    Raises
    ------
    ValueError
        For a `latent` below 1, no channels, or a channel below 1.
    """

    def __init__(self, latent=50, channels=(16, 32)):
        super().__init__()
        self.latent = validate.integer(latent, "latent")
        if not isinstance(channels, (list, tuple)) or len(channels) < 1:
            raise ValueError("channels must list at least one width, "
                             f"got {channels!r}")  # fmt: skip
        layers, before, side = [nn.Unflatten(1, (1, 28, 28))], 1, 28
        for width in channels:
            after = validate.integer(width, "channels")
            conv = nn.Conv2d(before, after, 3, stride=2, padding=1)
            layers += [conv, nn.GELU()]
            before, side = after, -(-side // 2)
        head = nn.Linear(before * side**2, 2 * latent)
        self.body = nn.Sequential(*layers, nn.Flatten(), head)

    def forward(self, x):
        """Images to mean and log-variance, (B, 784) -> (B, L) twice.

        ValueError for another shape or dtype, or NaN.
        """
        validate.matrix(x, "x", 784, self.body[-1].weight.dtype)
        return self.body(x).chunk(2, dim=1)


def score_function_gradient(f, mu, sigma, num_samples, generator=None):
    """Single-sample estimates f(z) * grad log N(z; mu, diag(sigma^2)), z ~ N(mu, diag(sigma^2)).

    Their mean over samples estimates the gradient of E[f(z)] with respect to mu and sigma; their
    variance over samples is that of an estimate from one sample. f need not be differentiable.

    Parameters
    ----------
    f : callable, (S, L) -> (S,)
        One value per row; a row's value must not depend on the other rows.
    mu, sigma : Tensor of shape (L,), float32 or float64, sigma > 0
        Mean and standard deviation.
    num_samples : int >= 1
        S.
    generator : torch.Generator, optional
        Source of the noise; torch's global one if omitted. The same state gives the same noise
        as in `reparameterized_gradient`.

    Returns
    -------
    grad_mu, grad_sigma : Tensor of shape (S, L)

    Raises
    ------
    ValueError
        For other shapes or dtypes, NaN, sigma <= 0, num_samples < 1, or an f that does not return
        one finite value per row.

    References
    ----------
    Williams (1992), doi:10.1007/BF00992696, section 6; Mohamed et al. (2020), arXiv:1906.10652,
    section 4.
    """
    eps = _noise(mu, sigma, num_samples, generator)
    with torch.no_grad():
        values = _values(f, mu + sigma * eps)[:, None]  # (S, 1)
        return values * eps / sigma, values * (eps.square() - 1) / sigma


def reparameterized_gradient(f, mu, sigma, num_samples, generator=None):
    """Single-sample estimates of the same gradient, through z = mu + sigma * eps by autograd.

    Unbiased if f is continuous and differentiable almost everywhere. For a step function it is
    not: the estimates are 0 although the expectation changes with mu.

    Parameters, return value and errors are those of `score_function_gradient`.

    References
    ----------
    Kingma and Welling (2014), arXiv:1312.6114, section 2.4; Mohamed et al. (2020),
    arXiv:1906.10652, section 5.
    """
    eps = _noise(mu, sigma, num_samples, generator)
    # a copy of mu and sigma for each sample, so that autograd keeps the samples apart
    copies = [p.detach().expand_as(eps).clone().requires_grad_() for p in (mu, sigma)]
    with torch.enable_grad():
        total = _values(f, copies[0] + copies[1] * eps).sum()
    if not total.requires_grad:  # f is made of steps: its derivative is 0 where it has one
        return torch.zeros_like(eps), torch.zeros_like(eps)
    return torch.autograd.grad(total, copies, materialize_grads=True)


def moment_gradient(power, mu, sigma):
    """The gradient of E[z^power] for z ~ N(mu, sigma^2) in closed form, entry by entry.

    E[z] = mu, E[z^2] = mu^2 + sigma^2, E[z^3] = mu^3 + 3 mu sigma^2.

    Parameters
    ----------
    power : {1, 2, 3}
    mu, sigma : Tensor of shape (L,), float32 or float64, sigma > 0

    Returns
    -------
    d_mu, d_sigma : Tensor of shape (L,)

    Raises
    ------
    ValueError
        For another power, other shapes or dtypes, NaN, or sigma <= 0.
    """
    validate.integer(power, "power", high=3)
    _check_parameters(mu, sigma)
    if power == 1:
        return torch.ones_like(mu), torch.zeros_like(sigma)
    if power == 2:
        return 2 * mu, 2 * sigma
    return 3 * mu.square() + 3 * sigma.square(), 6 * mu * sigma


class GradientTable(dict):
    """What `gradient_ownership` returns: ``table[loss][module]`` is a norm or None.

    Printed, None is "–", a gradient of exactly zero is "0", any other is "yes".
    """

    def __repr__(self):
        columns = list(next(iter(self.values())))
        rows = [["", *columns]]
        rows += [[name, *(_cell(row[c]) for c in columns)] for name, row in self.items()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join(lines)


def gradient_ownership(losses, modules):
    """Ask autograd which loss sends a gradient to which part of a model.

    Nothing is changed: the graph is kept, and no `.grad` is written.

    Parameters
    ----------
    losses : dict of str to Tensor, scalar or of shape (B,)
        The mean over the batch is taken here.
    modules : dict of str to nn.Module, Parameter or other Tensor

    Returns
    -------
    GradientTable
        ``table[loss][module]`` is the Euclidean norm of the gradient over all the parameters of
        the module, a float, or None if there is no path from the loss to any of them (a frozen
        parameter has none). A norm of 0.0 says that there is a path, but nothing arrives.

    Raises
    ------
    ValueError
        For an empty dict, or a value of another type or shape.
    """
    _require_dict(losses, "losses")
    _require_dict(modules, "modules")
    for name, loss in losses.items():
        if not isinstance(loss, Tensor) or not loss.is_floating_point() or loss.ndim > 1:
            raise ValueError(f"losses[{name!r}] must be a float tensor, scalar or of shape (B,), "
                             f"got {_describe(loss)}")  # fmt: skip
        if loss.numel() == 0:
            raise ValueError(f"losses[{name!r}] must not be empty, got shape {tuple(loss.shape)}")
    parts = {name: _tensors(module, name) for name, module in modules.items()}
    return GradientTable({
        name: {part: _gradient_norm(loss, tensors) for part, tensors in parts.items()}
        for name, loss in losses.items()
    })  # fmt: skip


def _gradient_norm(loss, tensors):
    tensors = [t for t in tensors if t.requires_grad]
    if not loss.requires_grad or not tensors:
        return None
    found = torch.autograd.grad(loss.mean(), tensors, retain_graph=True, allow_unused=True)
    squares = [g.double().square().sum().item() for g in found if g is not None]
    return sum(squares) ** 0.5 if squares else None


def _tensors(module, name):
    if isinstance(module, nn.Module):
        return list(module.parameters())
    if isinstance(module, Tensor):
        return [module]
    raise ValueError(f"modules[{name!r}] must be a Module or a Parameter, got {_describe(module)}")


def _cell(norm):
    if norm is None:
        return "–"
    return "0" if norm == 0 else "yes"


def _noise(mu, sigma, num_samples, generator):
    """Check the arguments of an estimator and draw its noise, (S, L)."""
    _check_parameters(mu, sigma)
    S = validate.integer(num_samples, "num_samples")
    return torch.randn(S, len(mu), generator=generator, dtype=mu.dtype, device=mu.device)


def _check_parameters(mu, sigma):
    _require_float(mu, "mu")
    _require_alike(sigma, "sigma", mu)
    if mu.ndim != 1 or len(mu) == 0:
        raise ValueError(f"mu must have shape (L,), L >= 1, got {tuple(mu.shape)}")
    if not torch.isfinite(mu).all():
        raise ValueError("mu must be finite, got NaN or infinity")
    if not (torch.isfinite(sigma) & (sigma > 0)).all():
        raise ValueError(f"sigma must be finite and > 0, got {sigma.tolist()}")


def _values(f, z):
    """f(z), if it is one finite value per row."""
    values = f(z)
    if not isinstance(values, Tensor) or values.shape != z.shape[:1]:
        raise ValueError(f"f must return one value per row, shape ({len(z)},), "
                         f"got {_describe(values)}")  # fmt: skip
    if not torch.isfinite(values).all():
        raise ValueError("f must return finite values, got NaN or infinity")
    return values


def _require_float(x, name):
    if not isinstance(x, Tensor) or x.dtype not in validate.FLOATS:
        raise ValueError(f"{name} must be a float32 or float64 tensor, got {_describe(x)}")


def _require_alike(x, name, mu):
    if not isinstance(x, Tensor) or x.shape != mu.shape or x.dtype != mu.dtype:
        raise ValueError(f"{name} must be as mu, {_describe(mu)}, got {_describe(x)}")


def _require_dict(value, name):
    if not isinstance(value, dict) or not value:
        raise ValueError(f"{name} must be a dict with at least one entry, got {value!r:.80}")


def _describe(value):
    if isinstance(value, Tensor):
        return f"shape {tuple(value.shape)} {value.dtype}"
    return type(value).__name__
