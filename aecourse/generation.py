"""Chapter 04: is it a generative model? Samplers for codes, and a score for samples."""

import torch
from sklearn.mixture import GaussianMixture
from torch import nn
from torch.distributions import MultivariateNormal

from aecourse import validate


class DigitClassifier(nn.Module):
    """A small convolutional network: 28 x 28 digits to 64 features to 10 logits.

    Its features are what samples are scored with, here and in later chapters.
    `DigitClassifier.trained()` has the shipped weights.
    """

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Unflatten(1, (1, 28, 28)),
            *_block(1, 16), nn.MaxPool2d(2),  # (B, 16, 14, 14)
            *_block(16, 32), nn.MaxPool2d(2),  # (B, 32, 7, 7)
            *_block(32, 48), nn.MaxPool2d(2),  # (B, 48, 3, 3)
            nn.Flatten(),
            nn.Linear(432, 64), nn.SiLU(),
        )  # fmt: skip
        self.head = nn.Linear(64, 10)

    @classmethod
    def trained(cls):
        """The shipped classifier, in evaluation mode (see `aecourse/weights/manifest.json`)."""
        from aecourse import weights

        return weights.load(cls(), "digit_classifier").eval()

    def features(self, x):
        """The 64 activations before the last layer, (B, 784) -> (B, 64).

        Raises
        ------
        ValueError
            For another shape or dtype, or NaN. Pixels slightly outside [0, 1] are accepted,
            since a decoder's samples may have them.
        """
        return self.body(validate.matrix(x, "x", columns=784))

    def forward(self, x):
        """Logits of the ten digits, (B, 784) -> (B, 10)."""
        return self.head(self.features(x))

    @torch.no_grad()
    def predict(self, x):
        """The most likely digit of each image, (B, 784) -> (B,), int64.

        ValueError as `features`, and in training mode.
        """
        return self.head(extract_features(self, x)).argmax(dim=1)


def _block(channels_in, channels_out):
    convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1)
    return convolution, nn.BatchNorm2d(channels_out), nn.SiLU()


@torch.no_grad()
def extract_features(classifier, x):
    """The classifier's features in chunks of 1000 images, (N, 784) -> (N, 64).

    Raises
    ------
    ValueError
        As `DigitClassifier.features`, and in training mode, where batch normalisation would
        make the features of one image depend on the others.
    """
    if classifier.training:
        raise ValueError("classifier must be in evaluation mode, got training mode: call .eval()")
    validate.matrix(x, "x", columns=784)
    return torch.cat([classifier.features(part) for part in x.split(1000)])


def frechet_distance(features_a, features_b):
    """Squared Frechet distance between two sets of features, each summarised as a Gaussian.

    ``|m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2))``, with means m and covariances S (divided
    by N - 1). With features of an Inception network it is known as FID; the features used here
    are those of `DigitClassifier`, so compare values with each other, never with published ones.
    The estimate is biased upwards by few images: compare sets of equal size.

    Parameters
    ----------
    features_a, features_b : Tensor of shape (N, k) and (M, k), N, M >= 2

    Returns
    -------
    float
        In the features' unit squared; 0 if means and covariances agree.

    Raises
    ------
    ValueError
        For other shapes or dtypes, NaN, or fewer than two rows.

    References
    ----------
    Dowson and Landau (1982), doi:10.1016/0047-259X(82)90077-X, eq. 16; Heusel et al. (2017),
    arXiv:1706.08500, eq. 6.
    """
    validate.matrix(features_a, "features_a")
    validate.matrix(features_b, "features_b", columns=features_a.shape[1])
    (mean_a, cov_a), (mean_b, cov_b) = _moments(features_a, "a"), _moments(features_b, "b")
    # tr (S_a S_b)^(1/2) is the sum of the singular values of S_a^(1/2) S_b^(1/2), which never
    # turns complex by rounding as the square root of the product does
    cross = torch.linalg.svdvals(_square_root(cov_a) @ _square_root(cov_b)).sum()
    distance = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return max(distance.item(), 0.0)


def _moments(features, which):
    if len(features) < 2:
        raise ValueError(f"features_{which} must have at least 2 rows, got {len(features)}")
    features = features.detach().double()
    return features.mean(dim=0), torch.cov(features.T).reshape(features.shape[1], -1)


def _square_root(covariance):
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


class CodeSampler:
    """A mixture of Gaussians over codes: call it to draw codes, or ask for their density.

    `gaussian_sampler` (one component) and `mixture_sampler` fit it.

    Parameters
    ----------
    weights : Tensor of shape (C,)
        Probabilities of the C components.
    means : Tensor of shape (C, k)
    roots : Tensor of shape (C, k, k)
        Lower triangular L with positive diagonal; the covariance of a component is L L^T.
    like : Tensor
        Codes are drawn in its dtype and on its device.
    """

    def __init__(self, weights, means, roots, like):
        self.weights, self.means, self.roots = weights, means, roots
        self._like = like.new_empty(0)

    def __call__(self, n, seed=0):
        """Draw n codes, (n, k); the same seed draws the same codes. ValueError if n < 1."""
        n = validate.integer(n, "n")
        seed = validate.integer(seed, "seed", low=0)
        rng = torch.Generator().manual_seed(seed)
        component = torch.multinomial(self.weights, n, True, generator=rng)
        shape = n, self.means.shape[1]
        eps = torch.randn(shape, generator=rng, dtype=torch.float64)
        h = self.means[component]  # (n, k)
        for c in component.unique():
            h[component == c] += eps[component == c] @ self.roots[c].T
        return h.to(self._like)

    def log_density(self, h):
        """The log-density at each code, in nats, (N, k) -> (N,), float64.

        ValueError for another shape or dtype, or NaN. Bishop (2006), eq. 2.43 and 9.7.
        """
        h = validate.matrix(h, "h", columns=self.means.shape[1])
        h, terms = h.detach().cpu().double(), []
        components = zip(self.weights, self.means, self.roots, strict=True)
        for weight, mean, root in components:
            normal = MultivariateNormal(mean, scale_tril=root)
            terms.append(weight.log() + normal.log_prob(h))  # (N,)
        return torch.stack(terms).logsumexp(dim=0)


def gaussian_sampler(h):
    """Fit one Gaussian with full covariance to codes: `mixture_sampler` with one component.

    Parameters
    ----------
    h : Tensor of shape (N, k), at least two different rows

    Returns
    -------
    CodeSampler
        A callable (n, seed=0) -> Tensor of shape (n, k).

    Raises
    ------
    ValueError
        For another shape or dtype, NaN, or fewer than two different rows.
    """
    return mixture_sampler(h, 1)


def mixture_sampler(h, components=50, *, seed=0):
    """Fit a mixture of Gaussians with full covariances to codes, by expectation-maximisation.

    It starts from k-means and stops when an iteration gains less than 0.1 nat per code. Each
    coordinate is divided by its standard deviation first, so that scales do not matter, and
    1e-6 is added to every variance, so that constant coordinates do no harm.

    Parameters
    ----------
    h : Tensor of shape (N, k), more than `components` different rows
    components : int >= 1
        Each has about k^2 / 2 parameters: keep N / components well above k.
    seed : int >= 0
        Of the k-means start.

    Returns
    -------
    CodeSampler
        A callable (n, seed=0) -> Tensor of shape (n, k).

    Raises
    ------
    ValueError
        For another shape or dtype, NaN, or no more different rows than components.

    References
    ----------
    Dempster, Laird and Rubin (1977); Bishop, *Pattern Recognition and Machine Learning*
    (2006), eq. 9.23 to 9.26. After an autoencoder: Ghosh et al. (2020), arXiv:1903.12436.
    """
    validate.matrix(h, "h")
    validate.integer(components, "components")
    validate.integer(seed, "seed", low=0, high=2**32 - 1)
    different = len(h.detach().unique(dim=0))
    if different <= components:
        raise ValueError(f"h must have more than {components} different rows (components), "
                         f"got {different}")  # fmt: skip
    codes = h.detach().cpu().double()
    shift, scale = codes.mean(dim=0), codes.std(dim=0)
    scale = scale.clamp(min=1e-30)  # a constant coordinate: no division by zero
    mixture = GaussianMixture(components, tol=0.1, max_iter=500, random_state=seed)
    mixture.fit(((codes - shift) / scale).numpy())
    weights, means, covariances = map(
        torch.from_numpy, (mixture.weights_, mixture.means_, mixture.covariances_)
    )
    roots = torch.linalg.cholesky(covariances)  # (C, k, k)
    return CodeSampler(weights, shift + scale * means, scale[:, None] * roots, like=h)
