"""Chapter 04: the classifier that scores, the Frechet distance, samplers for codes."""

import math
import warnings

import numpy as np
import pytest
import scipy.linalg
import torch
from answers import checker_tests
from noise import normal, rng
from scipy import stats
from torch import nn

from aecourse import data
from aecourse.exercises import check
from aecourse.generation import (
    CodeSampler,
    DigitClassifier,
    conv_block,
    extract_features,
    frechet_distance,
    gaussian_sampler,
    mixture_sampler,
)


def correlated(n, k, seed=0, dtype=torch.float64):
    """n correlated rows with scales from 0.1 to 10 and a mean that is not zero."""
    scale = torch.logspace(-1, 1, k, dtype=torch.float64)
    mixing = normal(k, k, seed=seed + 100) * scale
    return (normal(n, k, seed=seed) @ mixing + 3 * scale).to(dtype)


def two_clumps(n=2000, dtype=torch.float32):
    """One quarter of the rows around (-5, 0), the others around (5, 1), different shapes."""
    h = normal(n, 2)
    left = torch.arange(n) < n // 4
    h[left] = h[left] * torch.tensor([0.5, 1.0]) - torch.tensor([5.0, 0.0])
    h[~left] = h[~left] @ torch.tensor([[1.0, 0.8], [0.0, 0.6]]).double() + torch.tensor([5.0, 1.0])
    return h.to(dtype)


@pytest.fixture(scope="module")
def classifier():
    return DigitClassifier.trained()


@pytest.fixture(scope="module")
def test_features(classifier):
    return extract_features(classifier, data.mnist("test").x)


# the classifier


def test_shipped_classifier_names_99_percent_of_the_test_digits(classifier, test_features):
    named = classifier.head(test_features).argmax(dim=1)
    assert (named == data.mnist("test").y).double().mean() >= 0.99


def test_every_digit_is_recognised_at_least_98_times_in_100(classifier, test_features):
    named, y = classifier.head(test_features).argmax(dim=1), data.mnist("test").y
    assert min((named[y == d] == d).double().mean() for d in range(10)) > 0.98


def test_predict_is_the_largest_logit_of_the_head_on_the_features(classifier):
    x = data.mnist("test").x[:50]
    named = classifier.predict(x)
    assert named.dtype == torch.int64 and named.shape == (50,)
    assert torch.equal(named, classifier(x).argmax(dim=1))
    assert torch.allclose(classifier(x), classifier.head(classifier.features(x)))


def test_features_are_64_per_image_and_do_not_depend_on_the_other_images(classifier):
    x = data.mnist("test").x[:1500]  # more than one chunk
    features = extract_features(classifier, x)
    assert features.shape == (1500, 64) and not features.requires_grad
    alone = torch.cat([extract_features(classifier, x[i : i + 1]) for i in (0, 999, 1000, 1499)])
    assert torch.allclose(alone, features[[0, 999, 1000, 1499]], atol=1e-5)


def test_features_pass_a_gradient_to_the_image(classifier):
    x = data.mnist("test").x[:2].clone().requires_grad_()
    classifier.features(x).sum().backward()
    assert x.grad.abs().sum() > 0


def test_the_classifier_works_in_float64(classifier):
    double = DigitClassifier.trained().double()
    x = data.mnist("test").x[:20]
    assert torch.allclose(double(x.double()).float(), classifier(x), atol=1e-3)


def test_scoring_happens_in_evaluation_mode_and_leaves_the_mode_that_it_found():
    model, x = DigitClassifier.trained(), torch.rand(4, 784, generator=rng())
    expected = model.features(x).detach()
    model.train()
    model.body[2].eval()  # one part frozen by hand
    statistics = [b.clone() for b in model.buffers()]
    assert torch.equal(extract_features(model, x), expected)
    assert torch.equal(model.predict(x), model.head(expected).argmax(dim=1))
    assert all(map(torch.equal, statistics, model.buffers()))
    assert model.training and model.body[5].training and not model.body[2].training


def test_images_of_another_dtype_than_the_weights_are_refused(classifier):
    x = torch.zeros(2, 784, dtype=torch.float64)
    for use in (classifier, classifier.predict):
        with pytest.raises(ValueError, match="x must be torch.float32 as the weights"):
            use(x)


def test_a_block_of_stride_2_halves_the_image_and_ends_in_its_activation():
    convolution, norm, activation = conv_block(3, 5, stride=2, activation=nn.Sigmoid)
    maps = nn.Sequential(convolution, norm, activation)(torch.randn(2, 3, 7, 8, generator=rng()))
    assert maps.shape == (2, 5, 4, 4) and isinstance(norm, nn.BatchNorm2d)
    assert (maps > 0).all() and (maps < 1).all()
    assert isinstance(conv_block(3, 5)[2], nn.SiLU) and conv_block(3, 5)[0].stride == (1, 1)


# the Frechet distance


def by_matrix_square_root(a, b):
    """Equation 6 of Heusel et al. (2017), with scipy's general matrix square root."""
    a, b = a.double().numpy(), b.double().numpy()
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)


@pytest.mark.parametrize("k", [2, 7, 64])
def test_frechet_distance_equals_the_formula_with_a_general_matrix_root(k):
    a, b = correlated(500, k), correlated(400, k, seed=1) + 1
    assert math.isclose(frechet_distance(a, b), by_matrix_square_root(a, b), rel_tol=1e-8)


def test_frechet_distance_of_real_features_equals_the_general_root(test_features):
    a, b = test_features[:1000], 1.2 * test_features[1000:2000]
    assert math.isclose(frechet_distance(a, b), by_matrix_square_root(a, b), rel_tol=1e-6)


def test_frechet_distance_in_one_dimension_is_means_and_deviations_apart():
    a, b = torch.tensor([[0.0], [2.0]]), torch.tensor([[3.0], [7.0]])
    assert math.isclose(frechet_distance(a, b), (1 - 5) ** 2 + (2**0.5 - 8**0.5) ** 2)
    assert math.isclose(frechet_distance(a, b), 18.0)


def test_frechet_distance_is_the_cost_of_the_best_pairing_of_equal_gaussians():
    # one dimension: the best pairing sorts both sets, and needs no formula at all
    a, b = normal(20_000, 1), 2 + 3 * normal(20_000, 1, seed=1)
    paired = (a.sort(dim=0).values - b.sort(dim=0).values).square().mean().item()
    assert math.isclose(frechet_distance(a, b), paired, rel_tol=0.02)
    unsorted = (a - b).square().mean().item()
    assert frechet_distance(a, b) < 0.7 * unsorted


def test_a_shift_costs_its_squared_length_and_a_stretch_the_deviations():
    a = correlated(300, 5)
    shift = torch.arange(5.0).double()
    assert math.isclose(frechet_distance(a, a + shift), 30.0, rel_tol=1e-9)
    centred = a - a.mean(dim=0)
    stretched = frechet_distance(centred, 3 * centred)
    assert math.isclose(stretched, 4 * centred.var(dim=0).sum().item(), rel_tol=1e-9)


def test_frechet_distance_of_a_set_to_itself_is_zero_and_order_does_not_matter():
    a = correlated(300, 20)
    scale = a.var(dim=0).sum().item()
    assert 0 <= frechet_distance(a, a) < 1e-10 * scale
    assert 0 <= frechet_distance(a, a.flip(0)) < 1e-10 * scale


def test_frechet_distance_is_symmetric_and_unchanged_by_a_common_rotation():
    a, b = correlated(300, 6), correlated(200, 6, seed=1)
    there, back = frechet_distance(a, b), frechet_distance(b, a)
    assert math.isclose(there, back, rel_tol=1e-10)
    rotation = torch.linalg.qr(normal(6, 6)).Q
    assert math.isclose(there, frechet_distance(a @ rotation, b @ rotation), rel_tol=1e-8)


def test_features_of_low_rank_give_the_distance_inside_their_subspace():
    basis = torch.linalg.qr(normal(30, 3)).Q.T  # (3, 30)
    a, b = correlated(200, 3), correlated(200, 3, seed=1)
    inside = frechet_distance(a, b)
    assert math.isclose(frechet_distance(a @ basis, b @ basis), inside, rel_tol=1e-6)


def test_fewer_rows_than_features_and_constant_features_still_give_a_distance():
    few = frechet_distance(normal(2, 40), normal(3, 40, seed=1))
    assert math.isfinite(few) and few > 0
    constant = torch.ones(10, 4)
    assert math.isclose(frechet_distance(constant, constant + 2), 16.0)


def test_few_images_push_the_distance_up(test_features):
    order = torch.randperm(10_000, generator=rng())
    a, b = test_features[order[:5000]], test_features[order[5000:]]
    assert frechet_distance(a[:500], b[:500]) > 3 * frechet_distance(a, b)


def test_frechet_distance_rises_with_noise_on_the_pixels(classifier, test_features):
    x = data.mnist("test").x[:2000]
    noise = torch.rand(x.shape, generator=rng())
    scores = [
        frechet_distance(extract_features(classifier, (1 - t) * x + t * noise), test_features)
        for t in (0.0, 0.3, 0.6)
    ]
    assert 2 * scores[0] < scores[1] and 1.5 * scores[1] < scores[2]


def test_float32_and_float64_features_agree_and_are_not_modified():
    a, b = correlated(300, 6, dtype=torch.float32), correlated(300, 6, seed=1, dtype=torch.float32)
    copies = a.clone(), b.clone()
    assert math.isclose(frechet_distance(a, b), frechet_distance(a.double(), b.double()))
    assert torch.equal(a, copies[0]) and torch.equal(b, copies[1])
    assert isinstance(frechet_distance(a.requires_grad_(), b), float)


@pytest.mark.parametrize(
    "a, b, message",
    [
        (torch.zeros(1, 3), torch.zeros(4, 3), "features_a must have at least 2 rows, got 1"),
        (torch.zeros(4, 3), torch.zeros(1, 3), "features_b must have at least 2 rows, got 1"),
        (torch.zeros(4, 3), torch.zeros(4, 2), r"features_b must have shape \(N, 3\)"),
    ],
)
def test_single_rows_and_features_of_another_length_are_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(a, b)


# samplers


def test_gaussian_sampler_has_the_mean_and_covariance_of_the_codes():
    h = correlated(3000, 6)
    drawn = gaussian_sampler(h)(200_000, generator=rng(1))
    sd = h.std(dim=0)
    assert ((drawn.mean(dim=0) - h.mean(dim=0)) / sd).abs().max() < 0.02
    difference = (torch.cov(drawn.T) - torch.cov(h.T)) / (sd[:, None] * sd)
    assert difference.abs().max() < 0.02


def test_gaussian_sampler_draws_a_gaussian_and_not_the_codes_own_shape():
    h = two_clumps()
    drawn = gaussian_sampler(h)(5000, generator=rng())[:, 0]
    standardised = ((drawn - drawn.mean()) / drawn.std()).numpy()
    assert stats.kstest(standardised, "norm").pvalue > 0.01
    own = ((h[:, 0] - h[:, 0].mean()) / h[:, 0].std()).numpy()
    assert stats.kstest(own, "norm").pvalue < 1e-10


def test_gaussian_density_is_scipys():
    h = correlated(500, 4)
    expected = stats.multivariate_normal(h.mean(dim=0), np.cov(h.T, bias=True)).logpdf(h)
    assert np.allclose(gaussian_sampler(h).log_density(h), expected, atol=1e-3)


def test_mixture_finds_two_clumps_with_their_weights_means_and_covariances():
    h = two_clumps(8000)
    sampler = mixture_sampler(h, 2)
    left = sampler.means[:, 0].argmin()
    assert abs(sampler.weights[left] - 0.25) < 0.01
    for c, own in ((left, h[:2000]), (1 - left, h[2000:])):
        assert torch.allclose(sampler.means[c].float(), own.mean(dim=0), atol=0.02)
        covariance = sampler.roots[c] @ sampler.roots[c].T
        assert torch.allclose(covariance.float(), torch.cov(own.T), atol=0.03)


def test_mixture_draws_have_the_clumps_shares_and_moments():
    h = two_clumps(8000)
    drawn = mixture_sampler(h, 2)(40_000, generator=rng(3))
    left = drawn[:, 0] < 0
    assert abs(left.double().mean() - 0.25) < 0.01
    assert torch.allclose(drawn[left].mean(dim=0), h[:2000].mean(dim=0), atol=0.05)
    assert torch.allclose(torch.cov(drawn[~left].T), torch.cov(h[2000:].T), atol=0.05)


def test_mixture_density_is_the_weighted_sum_of_its_parts_and_integrates_to_one():
    sampler = mixture_sampler(two_clumps(), 2)
    axis = torch.linspace(-12, 12, 241, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    density = sampler.log_density(points).exp()
    parts = sum(
        w * stats.multivariate_normal(m, (root @ root.T).numpy()).pdf(points)
        for w, m, root in zip(sampler.weights.numpy(), sampler.means, sampler.roots)
    )
    assert np.allclose(density, parts)
    assert math.isclose(density.sum().item() * 0.1**2, 1.0, rel_tol=1e-3)


def test_a_mixture_explains_clumped_codes_better_than_one_gaussian():
    h, unseen = two_clumps(4000)[::2], two_clumps(4000)[1::2]
    gain = mixture_sampler(h, 2).log_density(unseen) - gaussian_sampler(h).log_density(unseen)
    assert gain.mean() > 0.5


def test_generators_in_the_same_state_draw_the_same_codes():
    sampler, state = mixture_sampler(two_clumps(500), 3), torch.get_rng_state()
    first, second = sampler(20, generator=rng(5)), sampler(20, generator=rng(6))
    assert torch.equal(first, sampler(20, generator=rng(5))) and not torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)


def test_without_a_generator_every_call_draws_new_codes_from_torchs_global_one():
    sampler = mixture_sampler(two_clumps(500), 3)
    torch.manual_seed(5)
    first, second = sampler(20), sampler(20)
    assert torch.equal(first, sampler(20, generator=rng(5))) and not torch.equal(first, second)


def test_a_fit_depends_on_its_seed_alone():
    h = two_clumps(500)
    first = mixture_sampler(h, 3, seed=1)
    torch.manual_seed(8)
    again, other = mixture_sampler(h, 3, seed=1), mixture_sampler(h, 3, seed=2)
    assert torch.equal(first.means, again.means) and not torch.equal(first.means, other.means)


def test_draws_are_not_sorted_by_component():
    left = (mixture_sampler(two_clumps(), 2)(400, generator=rng())[:, 0] < 0).double()
    assert abs(left[:200].mean() - left[200:].mean()) < 0.15


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_codes_come_in_the_dtype_of_the_fitted_ones_which_are_not_modified(dtype):
    h = two_clumps(500, dtype)
    before = h.clone()
    drawn = mixture_sampler(h.requires_grad_(), 2)(7)
    assert drawn.dtype == dtype and drawn.shape == (7, 2) and not drawn.requires_grad
    assert torch.equal(h, before)


def test_scales_of_the_coordinates_do_not_matter():
    h = two_clumps(2000, torch.float64)
    scale = torch.tensor([1e-4, 1e5]).double()
    plain, scaled = mixture_sampler(h, 3), mixture_sampler(h * scale, 3)
    assert torch.allclose(plain(50, generator=rng()) * scale, scaled(50, generator=rng()),
                          rtol=1e-4, atol=0)  # fmt: skip
    shifted = plain.log_density(h) - scale.log().sum()
    assert torch.allclose(scaled.log_density(h * scale), shifted, atol=1e-3)


def test_constant_and_dependent_coordinates_are_reproduced():
    h = two_clumps(1000, torch.float64)
    h = torch.cat([h, torch.full((1000, 1), 7.0), h[:, :1] - 2 * h[:, 1:]], dim=1)
    for sampler in (gaussian_sampler(h), mixture_sampler(h, 4)):
        drawn = sampler(500, generator=rng())
        assert (drawn[:, 2] - 7).abs().max() < 1e-6
        assert (drawn[:, 3] - drawn[:, 0] + 2 * drawn[:, 1]).abs().max() < 0.1


@pytest.mark.parametrize("num_components", [1, 2, 10, 40])
@pytest.mark.parametrize("case", ["clumps", "heavy tails", "few rows", "duplicates"])
def test_fitting_converges_without_a_warning(case, num_components):
    h = {
        "clumps": two_clumps(1000),
        "heavy tails": normal(800, 5) ** 3,
        "few rows": normal(41, 6),
        "duplicates": normal(60, 5).round().repeat(5, 1),
    }[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.isfinite(mixture_sampler(h, num_components)(100)).all()


@pytest.mark.parametrize(
    "h, num_components, message",
    [
        (torch.rand(50, 3), 50, "h must have more than 50 different rows .* got 50"),
        (torch.rand(3, 2).repeat(9, 1), 3, r"more than 3 different rows \(num_components\), got 3"),
        (torch.rand(1, 3), 1, "h must have more than 1 different rows .* got 1"),
        (torch.rand(9, 3), 0, "num_components must be an integer >= 1, got 0"),
    ],
)
def test_too_few_different_codes_for_the_components_are_refused(h, num_components, message):
    with pytest.raises(ValueError, match=message):
        mixture_sampler(h, num_components)


@pytest.mark.parametrize("h", [torch.rand(1, 3), torch.ones(9, 3)])
def test_a_gaussian_of_one_code_is_refused(h):
    with pytest.raises(ValueError, match="h must have more than 1 different rows"):
        gaussian_sampler(h)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match=r"seed must be an integer in \[0, 4294967295\]"):
        mixture_sampler(torch.rand(9, 3), 2, seed=seed)


@pytest.mark.parametrize("n", [0, -3])
def test_fewer_than_one_draw_is_refused(n):
    with pytest.raises(ValueError, match="n must be an integer >= 1"):
        gaussian_sampler(torch.rand(9, 3))(n)


def test_a_sampler_is_refused_whose_parts_do_not_fit_together():
    w, m, like = torch.ones(2) / 2, torch.zeros(2, 3), torch.zeros(1)
    with pytest.raises(ValueError, match=r"roots must have shape \(2, 3, 3\), got \(1, 3, 3\)"):
        CodeSampler(w, m, torch.eye(3)[None], like)
    with pytest.raises(ValueError, match=r"weights must have shape \(2,\), got \(3,\)"):
        CodeSampler(torch.ones(3) / 3, m, torch.eye(3).repeat(2, 1, 1), like)


@pytest.mark.parametrize(
    ("w", "root", "message"),
    [
        ([1.5, -0.5], torch.eye(3), "weights must be >= 0 and add up to 1"),
        ([1.0, 1.0], torch.eye(3), "weights must be >= 0 and add up to 1"),
        ([0.5, 0.5], -torch.eye(3), "roots must be lower triangular with positive diagonals"),
        ([0.5, 0.5], torch.ones(3, 3), "roots must be lower triangular with positive diagonals"),
    ],
)
def test_a_sampler_is_refused_whose_parts_are_no_mixture(w, root, message):
    with pytest.raises(ValueError, match=message):
        CodeSampler(torch.tensor(w), torch.zeros(2, 3), root.repeat(2, 1, 1), torch.zeros(1))


@pytest.mark.parametrize("use", [frechet_distance, lambda h, _: gaussian_sampler(h)])
def test_features_and_codes_without_a_number_are_refused_also_with_a_gradient(use):
    lost = torch.full((3, 2), torch.nan, requires_grad=True)
    with pytest.raises(ValueError, match="^(features_a|h) must be finite"):
        use(lost, torch.rand(3, 2))


def test_features_whose_squares_overflow_are_refused():
    with pytest.raises(ValueError, match="covariance of features_b must be finite"):
        frechet_distance(torch.rand(3, 2), 1e200 * torch.rand(3, 2).double())


def test_density_refuses_codes_of_another_length():
    with pytest.raises(ValueError, match=r"h must have shape \(N, 3\), got \(4, 2\)"):
        gaussian_sampler(torch.rand(9, 3)).log_density(torch.rand(4, 2))


def test_samplers_are_code_samplers_of_one_and_of_many_components():
    h = two_clumps(500)
    assert isinstance(gaussian_sampler(h), CodeSampler)
    assert len(gaussian_sampler(h).weights) == 1 and len(mixture_sampler(h, 4).weights) == 4


# exercises

chol = torch.linalg.cholesky


def symmetric_root(mean, cov, eps):
    values, vectors = torch.linalg.eigh(cov)
    return mean + eps @ (vectors * values.sqrt()) @ vectors.T


RIGHT = {
    "generation-1": [15, torch.tensor(15.05), np.float64(15)],
    "generation-2": ["b"],
    "generation-3": [lambda m, S, e: m + e @ chol(S).T],
    "generation-4": [" A "],
    "generation-5": ["c"],
}
WRONG = {
    "generation-1": [
        (9, "squared, one by one"), (10**0.5 + 5, "enters squared"), (83, "subtracted variances"),
        (25, "cross term is missing"), (20, "cross term has a factor"),
        (15**0.5, "asks for its square"), (10, "spreads differ"), (5, "means differ"),
        (14, "does not follow"), ("15", "one number"), ([15], "one number"), (True, "one number"),
        (torch.ones(2), "one number"),
    ],
    "generation-2": [
        ("a", "leave the codes unknown"), ("c", "noise of the score"), ("d", "two differences"),
        ("e", "one letter of a, b, c, d"), (2, "one letter of a, b, c, d"),
    ],
    "generation-3": [
        (lambda m, S, e: m + e @ chol(S), "L^T L instead of L L^T"),
        (lambda m, S, e: m + e @ S, "the covariance itself"),
        (lambda m, S, e: e @ chol(S).T, "mean is missing"),
        (lambda m, S, e: e @ chol(S), "mean is missing, and"),
        (lambda m, S, e: m + e * S.diagonal().sqrt(), "correlations are lost"),
        (lambda m, S, e: m + e * S.diagonal(), "variances as scales"),
        (symmetric_root, "symmetric root"), (lambda m, S, e: e, "values are not"),
        (lambda m, S, e: (m + e @ chol(S).T)[0], r"shape should be (5, 3)"),
        (lambda m, S, e: (m + e @ chol(S).T).numpy(), "torch.Tensor, not ndarray"),
        (lambda m, S, e: None, "torch.Tensor, not NoneType"),
        (lambda m, S: m, "stopped with TypeError"), (3.0, "the function itself"),
    ],
    "generation-4": [
        ("b", "remained wrong"), ("c", "where the clumps are"), (None, "one letter of a, b, c"),
    ],
    "generation-5": [
        ("a", "no sampler enters"), ("b", "all ten digits"), ("d", "memorising looks"),
        ("", "one letter of a, b, c, d"),
    ],
}  # fmt: skip


test_right_answers, test_wrong_answers = checker_tests(RIGHT, WRONG)


def test_no_hint_gives_the_number_away():
    for wrong, _ in WRONG["generation-1"][:9]:
        assert "15" not in check("generation-1", wrong).message
