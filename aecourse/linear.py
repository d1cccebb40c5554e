"""Chapter 02: the linear autoencoder and principal component analysis (PCA)."""

from typing import NamedTuple

import torch
from scipy.linalg import eigh
from torch import Tensor, nn

from aecourse import validate


class PCA(NamedTuple):
    """The k leading principal components of a data set.

    Attributes
    ----------
    mean : Tensor of shape (D,)
    components : Tensor of shape (k, D)
        Orthonormal rows, largest variance first; in each the entry of largest magnitude is
        positive, since the data do not determine the sign.
    explained_variance : Tensor of shape (k,)
        Variance of the data along each component, divided by N - 1.
    """

    mean: Tensor
    components: Tensor
    explained_variance: Tensor

    def encode(self, x):
        """Coordinates along the components, (B, D) -> (B, k). ValueError for bad input."""
        validate.matrix(x, "x", len(self.mean), self.mean.dtype)
        return (x - self.mean) @ self.components.T

    def decode(self, h):
        """The point with these coordinates, (B, k) -> (B, D). ValueError for bad input."""
        validate.matrix(h, "h", len(self.components), self.mean.dtype)
        return h @ self.components + self.mean

    def reconstruct(self, x):
        """The nearest point of the principal subspace, (B, D) -> (B, D). ValueError as `encode`."""
        return self.decode(self.encode(x))


def pca(x, k):
    """Principal component analysis by the eigenvectors of the covariance matrix.

    The covariance is summed over chunks of rows, upper triangle only, and just k eigenvectors
    are computed: about N*D*D + O(D**3) operations and a few MB beside the data. Accurate where
    D is at most a few thousand.

    Parameters
    ----------
    x : Tensor of shape (N, D), N >= 2
        Any finite real matrix, not only pixels.
    k : int in [1, D]

    Returns
    -------
    PCA
        In the dtype of `x`.

    Raises
    ------
    ValueError
        For another shape or dtype, NaN, fewer than two rows, or k outside [1, D].

    References
    ----------
    Bishop, *Pattern Recognition and Machine Learning* (2006), eq. 12.3 and 12.5.
    """
    # The first row shows shape and dtype; NaN anywhere shows in the scatter, without another pass.
    validate.matrix(x[:1] if isinstance(x, Tensor) and x.ndim == 2 else x, "x")
    validate.integer(k, "k", high=x.shape[1])
    if len(x) < 2:
        raise ValueError("x must have at least 2 rows to have a variance, got 1")
    mean, scatter = _moments(x.detach())
    if not torch.isfinite(scatter.diagonal()).all():
        raise ValueError("x must be finite, got NaN or infinity in x or in its squares")
    covariance = (scatter / (len(x) - 1)).cpu().numpy()  # (D, D)
    top = (len(mean) - k, len(mean) - 1)
    values, vectors = eigh(covariance, lower=False, subset_by_index=top)  # ascending
    components = torch.from_numpy(vectors.T[::-1].copy())  # (k, D)
    largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))
    variance = torch.from_numpy(values[::-1].copy()).clamp(min=0)
    return PCA(mean.to(x), (components * largest.sign()).to(x), variance.to(x))


def _moments(x, rows=5000, blocks=7):
    """Mean (D,) and scatter, the sum of (x - mean)(x - mean)^T, (D, D), in float64.

    One pass over chunks of rows that stay in the cache, about the mean of the first chunk so
    that no digits cancel; moved to the true mean at the end. The scatter is symmetric: only its
    upper triangle, in blocks of columns, is right, which saves 43 % of the products.
    """
    N, D = x.shape
    width = -(-D // blocks)
    origin = x[:rows].mean(dim=0)
    total = torch.zeros(D, dtype=torch.float64, device=x.device)
    scatter = torch.zeros(D, D, dtype=torch.float64, device=x.device)
    buffer = torch.empty_like(x[:rows])
    for part in x.split(rows):
        part = torch.sub(part, origin, out=buffer[: len(part)])
        total += part.sum(dim=0)
        for i in range(0, D, width):
            scatter[i : i + width, i:] += part[:, i : i + width].T @ part[:, i:]
    shift = total / N
    return origin + shift, scatter - N * torch.outer(shift, shift)


class LinearAutoencoder(nn.Module):
    """Two linear maps without activations: h = U(x - mean), x_hat = Vh + mean.

    Parameters
    ----------
    d : int >= 1
        Number of pixels.
    k : int in [1, d]
        Size of the code.
    mean : Tensor of shape (d,), optional
        The mean image, subtracted before U and added after V; not trained. Zero if omitted.

    Attributes
    ----------
    U : Parameter of shape (k, d)
        The encoder.
    V : Parameter of shape (d, k)
        The decoder.

    Raises
    ------
    ValueError
        If k is outside [1, d], or `mean` is no finite float tensor of shape (d,).

    References
    ----------
    Baldi and Hornik (1989), doi:10.1016/0893-6080(89)90014-2.
    """

    def __init__(self, d, k, mean=None):
        super().__init__()
        validate.integer(d, "d")
        validate.integer(k, "k", high=d)
        mean = torch.zeros(d) if mean is None else _checked_mean(mean, d)
        self.U = nn.Parameter(torch.randn(k, d, dtype=mean.dtype) / d**0.5)
        self.V = nn.Parameter(torch.randn(d, k, dtype=mean.dtype) / d**0.5)
        self.register_buffer("mean", mean)

    @classmethod
    def closed_form(cls, x, k):
        """The least-squares optimum for `x` of shape (N, D): U = V^T = the k components of `pca`.

        Raises
        ------
        ValueError
            As `pca`.
        """
        mean, components, _ = pca(x, k)
        model = cls(x.shape[1], k, mean)
        return model.set_weights(components, components.T)

    def reparametrized(self, A):
        """The same function of x with the code multiplied by A: (A U, V A^-1).

        Parameters
        ----------
        A : Tensor of shape (k, k), invertible

        Returns
        -------
        LinearAutoencoder
            A new model with equal outputs.

        Raises
        ------
        ValueError
            If A has another shape or is singular to working precision.
        """
        k, d = self.U.shape
        validate.matrix(A, "A", columns=k)
        if len(A) != k:
            shape = tuple(A.shape)
            raise ValueError(f"A must have shape ({k}, {k}), got {shape}")
        A = A.to(self.U)
        condition = torch.linalg.cond(A.double()).item()
        if not condition * torch.finfo(A.dtype).eps < 1:
            given = f"condition number {condition:.3g}"
            raise ValueError(f"A must be invertible, got {given}")
        copy = LinearAutoencoder(d, k, self.mean)
        # V A^-1
        V = torch.linalg.solve(A.double(), self.V.double(), left=False)
        return copy.set_weights(A @ self.U, V.to(A))

    def set_weights(self, U, V):
        """Copy U (k, d) and V (d, k) into this model and return it. ValueError as for bad data."""
        for name, value, own in (("U", U, self.U), ("V", V, self.V)):
            validate.matrix(value, name, columns=own.shape[1])
            if value.shape != own.shape:
                raise ValueError(
                    f"{name} must have shape {tuple(own.shape)}, got {tuple(value.shape)}"
                )
        with torch.no_grad():
            self.U.copy_(U)
            self.V.copy_(V)
        return self

    def encode(self, x):
        """Images to codes, (B, d) -> (B, k). ValueError for another shape, dtype or NaN."""
        validate.matrix(x, "x", len(self.mean), self.U.dtype)
        return (x - self.mean) @ self.U.T

    def decode(self, h):
        """Codes to images, (B, k) -> (B, d). ValueError for another shape, dtype or NaN."""
        validate.matrix(h, "h", len(self.U), self.U.dtype)
        return h @ self.V.T + self.mean

    def forward(self, x):
        """Images to their reconstructions, (B, d) -> (B, d)."""
        return self.encode(x) @ self.V.T + self.mean


def _checked_mean(mean, d):
    """A copy of `mean`, a finite float vector of length d."""
    if not isinstance(mean, Tensor) or mean.shape != (d,):
        given = tuple(mean.shape) if isinstance(mean, Tensor) else type(mean).__name__
        raise ValueError(f"mean must be a tensor of shape ({d},), got {given}")
    return validate.matrix(mean.unsqueeze(0), "mean")[0].detach().clone()


def principal_angles(A, B):
    """The principal angles between the row spaces of A and B, largest first.

    Computed in float64 and from sines: the arccosine of a cosine near 1 loses half the digits,
    in float32 every angle below 0.03 degrees.

    Parameters
    ----------
    A, B : Tensor of shape (k, D) and (m, D)
        Linearly independent rows; they need not be orthonormal.

    Returns
    -------
    Tensor of shape (min(k, m),), float64
        Degrees from 0 to 90, in descending order. All zero if one space contains the other.

    Raises
    ------
    ValueError
        For another shape or dtype, NaN, or linearly dependent rows.

    References
    ----------
    Knyazev and Argentati (2002), doi:10.1137/S1064827500377332, algorithm 3.1: the sine
    for small angles, the cosine for large ones.
    """
    A = _orthonormal(A, "A")
    B = _orthonormal(B, "B", columns=A.shape[1])
    if A.shape[0] < B.shape[0]:
        A, B = B, A
    cosines = A @ B.T  # (k, m), k >= m
    sine = torch.linalg.svdvals(B - cosines.T @ A).clamp(max=1).asin()  # descending
    cosine = torch.linalg.svdvals(cosines).clamp(max=1).acos().flip(0)  # descending
    return torch.rad2deg(torch.where(sine < torch.pi / 4, sine, cosine))


def _orthonormal(rows, name, columns=None):
    """An orthonormal basis, as rows in float64, of the space that `rows` span."""
    validate.matrix(rows, name, columns)
    smallest = 10 * torch.finfo(rows.dtype).eps  # relative: below it, rounding
    rows = torch.nn.functional.normalize(rows.detach().double(), eps=1e-300)  # scale is no matter
    singular = torch.linalg.svdvals(rows)
    if len(rows) > rows.shape[1] or singular[-1] <= smallest * singular[0]:
        raise ValueError(f"{name} must have linearly independent rows, got rank below {len(rows)}")
    return torch.linalg.qr(rows.T).Q.T
