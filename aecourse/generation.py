"""Chapter 04: is it a generative model? Samplers for codes, and a score for samples."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from aecourse import validate, weights
from aecourse.data import draw
from aecourse.train import evaluating


class DigitClassifier(nn.Module):
    """A small convolutional network: 28 x 28 digits to 64 features to 10 logits.

    Its features are what samples are scored with, here and in later chapters.

    Examples
    --------
    >>> from aecourse.data import mnist
    >>> DigitClassifier.trained().predict(mnist("test").x[:3])
    tensor([7, 2, 1])
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Unflatten(1, (1, 28, 28)),
            *conv_block(1, 16), nn.MaxPool2d(2),  # (B, 16, 14, 14)
            *conv_block(16, 32), nn.MaxPool2d(2),  # (B, 32, 7, 7)
            *conv_block(32, 48), nn.MaxPool2d(2),  # (B, 48, 3, 3)
            nn.Flatten(),
            nn.Linear(432, 64), nn.SiLU(),
        )  # fmt: skip
        self.head = nn.Linear(64, 10)

    @classmethod
    def trained(cls) -> "DigitClassifier":
        """The shipped classifier, in evaluation mode (see `aecourse/weights/manifest.json`)."""
        return weights.load(cls(), "digit_classifier").eval()

    def features(self, x: Float[Tensor, "B 784"]) -> Float[Tensor, "B 64"]:
        """The activations before the last layer.

        Pixels slightly outside [0, 1] are accepted, since a decoder's samples may have them.
        """
        return self.body(validate.matrix(x, "x", 784, self.head.weight.dtype))

    def forward(self, x: Float[Tensor, "B 784"]) -> Float[Tensor, "B 10"]:
        """Logits of the ten digits."""
        return self.head(self.features(x))

    @torch.no_grad()
    def predict(self, x: Float[Tensor, "B 784"]) -> Int[Tensor, "B"]:
        """The most likely digit of each image, in evaluation mode."""
        return self.head(extract_features(self, x)).argmax(dim=1)


def conv_block(
    before: int,
    after: int,
    *,
    stride: int = 1,
    activation: Callable[[], nn.Module] = nn.SiLU,
) -> tuple[nn.Conv2d, nn.BatchNorm2d, nn.Module]:
    """A 3 x 3 convolution, batch normalisation and an activation, to be unpacked into layers.

    Examples
    --------
    >>> block = nn.Sequential(*conv_block(1, 16, stride=2))
    >>> block(torch.rand(5, 1, 28, 28)).shape
    torch.Size([5, 16, 14, 14])
    """
    before, after = validate.integer(before, "before"), validate.integer(after, "after")
    stride = validate.integer(stride, "stride")
    convolution = nn.Conv2d(before, after, 3, stride=stride, padding=1)
    return convolution, nn.BatchNorm2d(after), validate.activation(activation)()


@torch.no_grad()
def extract_features(classifier: DigitClassifier, x: Float[Tensor, "N 784"]
                     ) -> Float[Tensor, "N 64"]:  # fmt: skip
    """The classifier's features, computed in evaluation mode and in chunks of 1000 images."""
    validate.model(classifier, "classifier", "features")
    validate.rows(x)  # the rest is checked part by part
    with evaluating(classifier):  # or batch normalisation would mix the images of a chunk
        return torch.cat([classifier.features(part) for part in x.split(1000)])


def frechet_distance(features_a: Float[Tensor, "N D"], features_b: Float[Tensor, "M D"]) -> float:
    """Squared Frechet distance between two sets of features, each summarised as a Gaussian.

    ``|m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2))``, with means m and covariances S (divided
    by N - 1), in the features' unit squared. With features of an Inception network it is known as
    FID; the features used here are those of `DigitClassifier`, so compare values with each other,
    never with published ones. Few images bias the estimate upwards: compare sets of equal size.

    Parameters
    ----------
    features_a, features_b
        At least two rows each.

    Examples
    --------
    >>> a = torch.tensor([[0.0], [2.0]])
    >>> [round(frechet_distance(a, b), 6) for b in (a + 3, 3 * a)]
    [9.0, 12.0]

    References
    ----------
    Dowson and Landau (1982), doi:10.1016/0047-259X(82)90077-X, eq. 16; Heusel et al. (2017),
    arXiv:1706.08500, eq. 6.
    """
    mean_a, cov_a = _moments(features_a, "features_a")
    mean_b, cov_b = _moments(features_b, "features_b", columns=len(mean_a))
    # tr (S_a S_b)^(1/2) is the sum of the singular values of S_a^(1/2) S_b^(1/2), which never
    # turns complex by rounding as the square root of the product does
    cross = torch.linalg.svdvals(_square_root(cov_a) @ _square_root(cov_b)).sum()
    distance = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return max(distance.item(), 0.0)


def _moments(features, name, columns=None):
    features = validate.matrix(validate.detached(features), name, columns).double()
    if len(features) < 2:
        raise ValueError(f"{name} must have at least 2 rows, got {len(features)}")
    covariance = torch.cov(features.T).reshape(features.shape[1], -1)
    validate.floats(covariance, f"the covariance of {name}", (..., "D"))  # squares may overflow
    return features.mean(dim=0), covariance


def _square_root(covariance):
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


class CodeSampler:
    """A mixture of Gaussians over codes: call it to draw codes, or ask for their density.

    ``p(h) = sum_c w_c N(h; m_c, L_c L_c^T)``. `gaussian_sampler` (one component) and
    `mixture_sampler` fit it.

    Parameters
    ----------
    weights
        The probabilities w of the C components, which add up to 1.
    means
        Their means m.
    roots
        Lower triangular L with positive diagonal, the Cholesky factors of the covariances.
    like
        Codes are drawn in its dtype and on its device.

    Examples
    --------
    >>> one, zero = torch.ones(1), torch.zeros(1, 1)
    >>> standard = CodeSampler(one, zero, one[None, None], like=one)
    >>> standard.log_density(zero)
    tensor([-0.9189], dtype=torch.float64)
    """

    def __init__(
        self,
        weights: Float[Tensor, "C"],
        means: Float[Tensor, "C k"],
        roots: Float[Tensor, "C k k"],
        like: Float[Tensor, "..."],
    ) -> None:
        C, k = validate.matrix(means, "means").shape
        self.weights = validate.floats(weights, "weights", (C,)).double()
        self.means = means.double()
        self.roots = validate.floats(roots, "roots", (C, k, k)).double()
        _check_mixture(self.weights, self.roots)
        self._like = validate.floats(like, "like", (...,)).new_empty(0)

    def __call__(
        self, n: int, *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n k"]:
        """Draw n codes ``m_c + L_c eps``, the component c with probability w_c."""
        n = validate.integer(n, "n")
        rng = validate.generator(generator)
        component = _choose(self.weights, n, rng)  # (n,)
        eps = draw(torch.randn, (n, self.means.shape[1]), self.means, rng)
        h = self.means[component]  # (n, k)
        for c in component.unique():
            h[component == c] += eps[component == c] @ self.roots[c].T
        return h.to(self._like)

    def log_density(self, h: Float[Tensor, "N k"]) -> Float64[Tensor, "N"]:
        """``log p(h)`` at each code, in nats and in float64.

        References
        ----------
        Bishop (2006), eq. 2.43 and 9.7.
        """
        h = validate.matrix(validate.detached(h), "h", len(self.means[0]))
        h, terms = h.to(self.means), []
        components = zip(self.weights, self.means, self.roots, strict=True)
        for weight, mean, root in components:
            normal = MultivariateNormal(mean, scale_tril=root)
            terms.append(weight.log() + normal.log_prob(h))  # (N,)
        return torch.stack(terms).logsumexp(dim=0)


def _check_mixture(weights, roots):
    if (weights < 0).any() or abs(weights.sum() - 1) > 1e-4:  # float32 ones add up roughly
        raise ValueError(f"weights must be >= 0 and add up to 1, got {weights.tolist()!r:.80}")
    if roots.triu(1).any() or (roots.diagonal(dim1=1, dim2=2) <= 0).any():
        raise ValueError("roots must be lower triangular with positive diagonals")


def _choose(weights, n, generator):
    """n numbers of components with these probabilities, drawn where the generator lives."""
    there = weights if generator is None else weights.to(generator.device)
    return torch.multinomial(there, n, replacement=True, generator=generator).to(weights.device)


def gaussian_sampler(h: Float[Tensor, "N k"]) -> CodeSampler:
    """Fit one Gaussian with full covariance to codes: `mixture_sampler` with one component.

    Parameters
    ----------
    h
        At least two different rows.

    Examples
    --------
    >>> gaussian_sampler(torch.tensor([[0.0, 1.0], [2.0, 5.0]])).means
    tensor([[1., 3.]], dtype=torch.float64)
    """
    return mixture_sampler(h, 1)


def mixture_sampler(h: Float[Tensor, "N k"], num_components: int = 50, *, seed: int = 0
                    ) -> CodeSampler:  # fmt: skip
    """Fit a mixture of Gaussians with full covariances to codes, by expectation-maximisation.

    It starts from k-means and stops when an iteration gains less than 0.1 nat per code. Each
    coordinate is divided by its standard deviation first, so that scales do not matter, and
    1e-6 is added to every variance, so that constant coordinates do no harm.

    Parameters
    ----------
    h
        More than `num_components` different rows.
    num_components
        Each has about k^2 / 2 parameters: keep N / `num_components` well above k.
    seed
        Of the k-means start, below 2**32.

    Examples
    --------
    >>> h = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
    >>> mixture_sampler(h, 2).means.sort(dim=0).values.flatten()
    tensor([ 0.5000, 10.5000], dtype=torch.float64)

    References
    ----------
    Dempster, Laird and Rubin (1977); Bishop, *Pattern Recognition and Machine Learning*
    (2006), eq. 9.23 to 9.26. After an autoencoder: Ghosh et al. (2020), arXiv:1903.12436.
    """
    from sklearn.mixture import GaussianMixture  # here, for it takes a second to import

    h = validate.matrix(validate.detached(h), "h")
    validate.integer(num_components, "num_components")
    validate.integer(seed, "seed", low=0, high=2**32 - 1)
    different = len(h.unique(dim=0))
    if different <= num_components:
        raise ValueError(f"h must have more than {num_components} different rows "
                         f"(num_components), got {different}")  # fmt: skip
    codes = h.cpu().double()
    shift, scale = codes.mean(dim=0), codes.std(dim=0)
    scale = scale.clamp(min=1e-30)  # a constant coordinate: no division by zero
    mixture = GaussianMixture(num_components, tol=0.1, max_iter=500, random_state=seed)
    mixture.fit(((codes - shift) / scale).numpy())
    weights, means, covariances = map(
        torch.from_numpy, (mixture.weights_, mixture.means_, mixture.covariances_)
    )
    roots = torch.linalg.cholesky(covariances)  # (C, k, k)
    return CodeSampler(weights, shift + scale * means, scale[:, None] * roots, like=h)
