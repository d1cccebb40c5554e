"""Chapter 02: the linear autoencoder and principal component analysis (PCA)."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from scipy.linalg import eigh
from torch import Tensor, nn

from aecourse import validate


class PCA(NamedTuple):
    r"""The k leading principal components of a data set: a model with nothing to train.

    .. math:: h = P (x - \bar x), \qquad \hat x = P^\top h + \bar x

    Attributes
    ----------
    mean
        The mean of the data.
    components
        The matrix P: orthonormal rows, largest variance first; in each the entry of largest
        magnitude is positive, since the data do not determine the sign.
    explained_variance
        Variance of the data along each component, divided by N - 1.
    """

    mean: Float[Tensor, "D"]
    components: Float[Tensor, "k D"]
    explained_variance: Float[Tensor, "k"]

    def encode(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B k"]:
        """Coordinates along the components."""
        validate.matrix(x, "x", len(self.mean), self.mean.dtype)
        return (x - self.mean) @ self.components.T

    def decode(self, h: Float[Tensor, "B k"]) -> Float[Tensor, "B D"]:
        """The points with these coordinates."""
        validate.matrix(h, "h", len(self.components), self.mean.dtype)
        return h @ self.components + self.mean

    def reconstruct(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """The nearest points of the principal subspace."""
        return self.decode(self.encode(x))


def pca(x: Float[Tensor, "N D"], k: int) -> PCA:
    r"""Principal component analysis, by the eigenvectors of the covariance matrix.

    .. math:: \frac{1}{N-1} \sum_{i=1}^{N} (x_i - \bar x)(x_i - \bar x)^\top q_j = v_j\, q_j,
        \qquad v_1 \ge v_2 \ge \dots \ge v_k

    The covariance is summed over chunks of rows, and just k eigenvectors are computed: about
    N*D*D + O(D**3) operations and a few MB beside the data. Accurate where D is at most a few
    thousand. The result has the dtype of `x`.

    Parameters
    ----------
    x
        Any finite real matrix of at least two rows, not only pixels.
    k
        From 1 to D.

    Examples
    --------
    >>> line = pca(torch.tensor([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]), 1)
    >>> line.mean, line.components, line.explained_variance
    (tensor([3., 4.]), tensor([[0.6000, 0.8000]]), tensor([25.]))

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
    r"""Two linear maps without activations.

    .. math:: h = U (x - \bar x), \qquad \hat x = V h + \bar x

    Parameters
    ----------
    d
        Length D of an image.
    k
        Size of the code, from 1 to d.
    mean
        The mean image, subtracted before U and added after V; not trained. Zero if omitted.

    Attributes
    ----------
    U : Parameter of shape (k, D)
        The encoder.
    V : Parameter of shape (D, k)
        The decoder.

    Examples
    --------
    >>> U, V = torch.ones(1, 2) / 2, torch.ones(2, 1)
    >>> model = LinearAutoencoder(2, 1).set_weights(U, V)
    >>> model(torch.tensor([[2.0, 1.0]])).tolist()
    [[1.5, 1.5]]

    References
    ----------
    Baldi and Hornik (1989), doi:10.1016/0893-6080(89)90014-2.
    """

    def __init__(self, d: int, k: int, mean: Float[Tensor, "D"] | None = None):
        super().__init__()
        validate.integer(d, "d")
        validate.integer(k, "k", high=d)
        if mean is None:
            mean = torch.zeros(d)
        mean = validate.floats(mean, "mean", (d,)).detach().clone()
        self.U = nn.Parameter(torch.randn(k, d, dtype=mean.dtype) / d**0.5)
        self.V = nn.Parameter(torch.randn(d, k, dtype=mean.dtype) / d**0.5)
        self.register_buffer("mean", mean)

    @classmethod
    def closed_form(cls, x: Float[Tensor, "N D"], k: int) -> "LinearAutoencoder":
        """The least-squares optimum for the data: U = V^T = the k components of `pca`."""
        mean, components, _ = pca(x, k)
        model = cls(x.shape[1], k, mean)
        return model.set_weights(components, components.T)

    def reparameterized(self, A: Float[Tensor, "k k"]) -> "LinearAutoencoder":
        """A new model of the same function, its code multiplied by A: (A U, V A^-1).

        A must be invertible, to working precision.
        """
        k, d = self.U.shape
        A = validate.floats(A, "A", (k, k)).to(self.U)
        condition = torch.linalg.cond(A.double()).item()
        if not condition * torch.finfo(A.dtype).eps < 1:
            given = f"condition number {condition:.3g}"
            raise ValueError(f"A must be invertible, got {given}")
        copy = LinearAutoencoder(d, k, self.mean)
        # V A^-1, without an inverse that would lose digits
        V = torch.linalg.solve(A.double(), self.V.double(), left=False)
        return copy.set_weights(A @ self.U, V.to(A))

    def set_weights(self, U: Float[Tensor, "k D"], V: Float[Tensor, "D k"]) -> "LinearAutoencoder":
        """Copy U and V into this model and return it."""
        validate.floats(U, "U", tuple(self.U.shape))
        validate.floats(V, "V", tuple(self.V.shape))
        with torch.no_grad():
            self.U.copy_(U)
            self.V.copy_(V)
        return self

    def encode(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B k"]:
        """Images to codes."""
        validate.matrix(x, "x", len(self.mean), self.U.dtype)
        return (x - self.mean) @ self.U.T

    def decode(self, h: Float[Tensor, "B k"]) -> Float[Tensor, "B D"]:
        """Codes to images."""
        validate.matrix(h, "h", len(self.U), self.U.dtype)
        return h @ self.V.T + self.mean

    def forward(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Images to their reconstructions."""
        return self.encode(x) @ self.V.T + self.mean

    def reconstruct(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """The same as calling the model."""
        return self(x)


def principal_angles(
    A: Float[Tensor, "k D"], B: Float[Tensor, "M D"]
) -> Float64[Tensor, "min(k,M)"]:
    r"""The principal angles between the row spaces of A and B, in degrees, largest first.

    With orthonormal bases :math:`Q_A, Q_B` of the two spaces, as rows:

    .. math:: \theta_i = \arccos \sigma_i(Q_A Q_B^\top)

    All are zero if one space contains the other.

    Parameters
    ----------
    A, B
        Linearly independent rows; they need not be orthonormal.

    Examples
    --------
    >>> principal_angles(torch.tensor([[1.0, 0.0]]), torch.tensor([[5.0, 5.0]]))
    tensor([45.0000], dtype=torch.float64)

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
    # The arccosine of a cosine near 1 loses half the digits, the arcsine of a sine near 1 as many.
    sine = torch.linalg.svdvals(B - cosines.T @ A).clamp(max=1).asin()  # descending
    cosine = torch.linalg.svdvals(cosines).clamp(max=1).acos().flip(0)  # descending
    return torch.rad2deg(torch.where(sine < torch.pi / 4, sine, cosine))


def _orthonormal(rows, name, columns=None):
    """An orthonormal basis, as rows in float64, of the space that `rows` span."""
    rows = validate.matrix(validate.detached(rows), name, columns)
    smallest = 10 * torch.finfo(rows.dtype).eps  # relative: below it, rounding
    rows = torch.nn.functional.normalize(rows.double(), eps=1e-300)  # scale is no matter
    singular = torch.linalg.svdvals(rows)
    if len(rows) > rows.shape[1] or singular[-1] <= smallest * singular[0]:
        raise ValueError(f"{name} must have linearly independent rows, got rank below {len(rows)}")
    return torch.linalg.qr(rows.T).Q.T
