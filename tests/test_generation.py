"""Chapter 04: the classifier that scores, the Frechet distance, samplers for codes."""

import math
import warnings

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy import stats

from aecourse import data
from aecourse.exercises import check
from aecourse.exercises import generation as checkers
from aecourse.generation import (
    CodeSampler,
    DigitClassifier,
    extract_features,
    frechet_distance,
    gaussian_sampler,
    mixture_sampler,
)


def normal(n, k, seed=0, dtype=torch.float64):
    return torch.randn(n, k, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def correlated(n, k, seed=0, dtype=torch.float64):
    """n correlated rows with scales from 0.1 to 10 and a mean that is not zero."""
    scale = torch.logspace(-1, 1, k, dtype=torch.float64)
    mixing = normal(k, k, seed + 100) * scale
    return (normal(n, k, seed) @ mixing + 3 * scale).to(dtype)


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


def test_scoring_in_training_mode_is_refused_and_leaves_the_statistics_alone():
    model, x = DigitClassifier().train(), torch.rand(4, 784)
    before = model.body[2].running_mean.clone()
    for use in (model.predict, lambda x: extract_features(model, x)):
        with pytest.raises(ValueError, match="classifier must be in evaluation mode, got training"):
            use(x)
    assert torch.equal(model.body[2].running_mean, before)


BAD_IMAGES = {
    "array": (np.zeros((2, 784), np.float32), "x must be a torch.Tensor, got ndarray"),
    "bytes": (torch.zeros(2, 784, dtype=torch.uint8), "float32 or float64, got torch.uint8"),
    "square": (torch.zeros(2, 28, 28), r"shape \(N, 784\), got \(2, 28, 28\)"),
    "narrow": (torch.zeros(2, 50), r"shape \(N, 784\), got \(2, 50\)"),
    "empty": (torch.zeros(0, 784), "x must not be empty"),
    "nan": (torch.full((2, 784), math.nan), "x must be finite"),
}


@pytest.mark.parametrize("x, message", BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_bad_images_are_refused(classifier, x, message):
    for use in (classifier.features, classifier.predict, lambda x: extract_features(classifier, x)):
        with pytest.raises(ValueError, match=message):
            use(x)


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
    order = torch.randperm(10_000, generator=torch.Generator().manual_seed(0))
    a, b = test_features[order[:5000]], test_features[order[5000:]]
    assert frechet_distance(a[:500], b[:500]) > 3 * frechet_distance(a, b)


def test_frechet_distance_rises_with_noise_on_the_pixels(classifier, test_features):
    x = data.mnist("test").x[:2000]
    noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(0))
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


BAD_FEATURES = {
    "one row": (
        torch.zeros(1, 3),
        torch.zeros(4, 3),
        "features_a must have at least 2 rows",
    ),
    "one row in b": (torch.zeros(4, 3), torch.zeros(1, 3), "features_b must have at least 2 rows"),
    "columns": (torch.zeros(4, 3), torch.zeros(4, 2), r"features_b must have shape \(N, 3\)"),
    "vector": (torch.zeros(4), torch.zeros(4), "features_a must have shape"),
    "integers": (torch.zeros(4, 3).long(), torch.zeros(4, 3), "features_a must be float32"),
    "empty": (torch.zeros(0, 3), torch.zeros(4, 3), "features_a must not be empty"),
    "nan": (torch.zeros(4, 3), torch.full((4, 3), math.nan), "features_b must be finite"),
    "infinity": (torch.full((4, 3), math.inf), torch.zeros(4, 3), "features_a must be finite"),
    "list": ([[0.0, 1.0]], torch.zeros(4, 2), "features_a must be a torch.Tensor, got list"),
}


@pytest.mark.parametrize("a, b, message", BAD_FEATURES.values(), ids=BAD_FEATURES)
def test_bad_features_are_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(a, b)


# samplers


def test_gaussian_sampler_has_the_mean_and_covariance_of_the_codes():
    h = correlated(3000, 6)
    drawn = gaussian_sampler(h)(200_000, seed=1)
    sd = h.std(dim=0)
    assert ((drawn.mean(dim=0) - h.mean(dim=0)) / sd).abs().max() < 0.02
    difference = (torch.cov(drawn.T) - torch.cov(h.T)) / (sd[:, None] * sd)
    assert difference.abs().max() < 0.02


def test_gaussian_sampler_draws_a_gaussian_and_not_the_codes_own_shape():
    h = two_clumps()
    drawn = gaussian_sampler(h)(5000)[:, 0]
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
    drawn = mixture_sampler(h, 2)(40_000, seed=3)
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


def test_the_same_seed_draws_the_same_codes_and_another_seed_others():
    h = two_clumps(500)
    for sampler in (gaussian_sampler(h), mixture_sampler(h, 3)):
        torch.manual_seed(1)
        first = sampler(20, seed=5)
        torch.manual_seed(2)
        assert torch.equal(first, sampler(20, seed=5))
        assert torch.equal(sampler(20), sampler(20, seed=0))
        assert not torch.equal(first, sampler(20, seed=6))
    assert torch.equal(mixture_sampler(h, 3, seed=1)(9), mixture_sampler(h, 3, seed=1)(9))


def test_sampling_leaves_the_global_random_state_alone():
    sampler = mixture_sampler(two_clumps(500), 2)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    sampler(10)
    assert torch.equal(torch.rand(3), expected)


def test_draws_are_not_sorted_by_component():
    left = (mixture_sampler(two_clumps(), 2)(400)[:, 0] < 0).double()
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
    assert torch.allclose(plain(50) * scale, scaled(50), rtol=1e-4, atol=0)
    shifted = plain.log_density(h) - scale.log().sum()
    assert torch.allclose(scaled.log_density(h * scale), shifted, atol=1e-3)


def test_constant_and_dependent_coordinates_are_reproduced():
    h = two_clumps(1000, torch.float64)
    h = torch.cat([h, torch.full((1000, 1), 7.0), h[:, :1] - 2 * h[:, 1:]], dim=1)
    for sampler in (gaussian_sampler(h), mixture_sampler(h, 4)):
        drawn = sampler(500)
        assert (drawn[:, 2] - 7).abs().max() < 1e-6
        assert (drawn[:, 3] - drawn[:, 0] + 2 * drawn[:, 1]).abs().max() < 0.1


@pytest.mark.parametrize("components", [1, 2, 10, 40])
@pytest.mark.parametrize("case", ["clumps", "heavy tails", "few rows", "duplicates"])
def test_fitting_converges_without_a_warning(case, components):
    h = {
        "clumps": two_clumps(1000),
        "heavy tails": normal(800, 5) ** 3,
        "few rows": normal(41, 6),
        "duplicates": normal(60, 5).round().repeat(5, 1),
    }[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.isfinite(mixture_sampler(h, components)(100)).all()


BAD_CODES = {
    "too few": (torch.rand(50, 3), 50, "h must have more than 50 different rows .* got 50"),
    "duplicates": (torch.rand(3, 2).repeat(9, 1), 3, "more than 3 different rows .* got 3"),
    "one row": (torch.rand(1, 3), 1, "h must have more than 1 different rows .* got 1"),
    "zero components": (torch.rand(9, 3), 0, "components must be >= 1, got 0"),
    "half a component": (torch.rand(9, 3), 1.5, "components must be an integer >= 1, got 1.5"),
    "vector": (torch.rand(9), 2, r"h must have shape \(N, D\), got \(9,\)"),
    "integers": (torch.ones(9, 3).long(), 2, "h must be float32 or float64"),
    "empty": (torch.rand(0, 3), 2, "h must not be empty"),
    "nan": (torch.full((9, 3), math.nan), 2, "h must be finite"),
    "array": (np.ones((9, 3)), 2, "h must be a torch.Tensor, got ndarray"),
}


@pytest.mark.parametrize("h, components, message", BAD_CODES.values(), ids=BAD_CODES)
def test_bad_codes_are_refused(h, components, message):
    with pytest.raises(ValueError, match=message):
        mixture_sampler(h, components)


@pytest.mark.parametrize("h", [torch.rand(1, 3), torch.ones(9, 3), torch.rand(9), [1.0]])
def test_gaussian_sampler_refuses_bad_codes(h):
    with pytest.raises(ValueError, match="h must"):
        gaussian_sampler(h)


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, None])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises(ValueError, match="seed must"):
        mixture_sampler(torch.rand(9, 3), 2, seed=seed)


@pytest.mark.parametrize("n, seed", [(0, 0), (-3, 0), (2.0, 0), (True, 0), (3, -1), (3, None)])
def test_a_bad_number_of_draws_or_seed_is_refused(n, seed):
    sampler = gaussian_sampler(torch.rand(9, 3))
    with pytest.raises(ValueError, match="n must" if seed == 0 else "seed must"):
        sampler(n, seed=seed)


@pytest.mark.parametrize("h", [torch.rand(4, 2), torch.rand(3), torch.full((4, 3), math.nan)])
def test_density_refuses_bad_codes(h):
    with pytest.raises(ValueError, match="h must"):
        gaussian_sampler(torch.rand(9, 3)).log_density(h)


def test_samplers_are_code_samplers_of_one_and_of_many_components():
    h = two_clumps(500)
    assert isinstance(gaussian_sampler(h), CodeSampler)
    assert len(gaussian_sampler(h).weights) == 1 and len(mixture_sampler(h, 4).weights) == 4


# exercises


def draw(mean, cov, eps):
    return mean + eps @ torch.linalg.cholesky(cov).T


RIGHT = {
    "generation-1": 15,
    "generation-2": "b",
    "generation-3": draw,
    "generation-4": " A ",
    "generation-5": "c",
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_solution_is_accepted(name):
    assert check(name, RIGHT[name])


def test_numbers_may_come_as_tensors_and_rounded():
    assert checkers.generation_1(torch.tensor(15.05)) is None
    assert checkers.generation_1(np.float64(15)) is None


WRONG_NUMBERS = {
    9: "squared, one by one",
    10**0.5 + 5: "enters squared",
    83: "subtracted variances",
    25: "cross term is missing",
    20: "cross term has a factor",
    15**0.5: "asks for its square",
    10: "spreads differ",
    5: "means differ",
    14: "does not follow",
}


@pytest.mark.parametrize("answer", WRONG_NUMBERS)
def test_generation_1_rejects_a_wrong_number_with_its_hint(answer):
    hint = checkers.generation_1(answer)
    assert WRONG_NUMBERS[answer] in hint and "15" not in hint


@pytest.mark.parametrize("answer", ["15", None, [15], True, torch.ones(2)])
def test_generation_1_asks_for_a_number(answer):
    assert "one number" in checkers.generation_1(answer)


@pytest.mark.parametrize(
    "checker, answer, hint",
    [
        (checkers.generation_2, "a", "leave the codes unknown"),
        (checkers.generation_2, "c", "noise of the score"),
        (checkers.generation_2, "d", "two differences"),
        (checkers.generation_2, "e", "one letter of a, b, c, d"),
        (checkers.generation_2, 2, "one letter of a, b, c, d"),
        (checkers.generation_4, "b", "remained wrong"),
        (checkers.generation_4, "c", "where the clumps are"),
        (checkers.generation_4, None, "one letter of a, b, c"),
        (checkers.generation_5, "a", "no sampler enters"),
        (checkers.generation_5, "b", "all ten digits"),
        (checkers.generation_5, "d", "memorising looks"),
        (checkers.generation_5, "", "one letter of a, b, c, d"),
    ],
)
def test_a_wrong_choice_is_rejected_with_its_hint(checker, answer, hint):
    assert hint in checker(answer)


def symmetric_root(mean, cov, eps):
    values, vectors = torch.linalg.eigh(cov)
    return mean + eps @ (vectors * values.sqrt()) @ vectors.T


chol = torch.linalg.cholesky
WRONG_DRAWS = {
    "factor not transposed": (lambda m, S, e: m + e @ chol(S), "L^T L instead of L L^T"),
    "covariance itself": (lambda m, S, e: m + e @ S, "the covariance itself"),
    "no mean": (lambda m, S, e: e @ chol(S).T, "mean is missing"),
    "no mean, not transposed": (lambda m, S, e: e @ chol(S), "mean is missing, and"),
    "deviations only": (lambda m, S, e: m + e * S.diagonal().sqrt(), "correlations are lost"),
    "variances only": (lambda m, S, e: m + e * S.diagonal(), "variances as scales"),
    "another root": (symmetric_root, "symmetric root"),
    "noise alone": (lambda m, S, e: e, "values are not"),
    "one draw": (lambda m, S, e: (m + e @ chol(S).T)[0], r"shape should be (5, 3)"),
    "numpy": (lambda m, S, e: (m + e @ chol(S).T).numpy(), "torch.Tensor, not ndarray"),
    "nothing": (lambda m, S, e: None, "torch.Tensor, not NoneType"),
    "two arguments": (lambda m, S: m, "stopped with TypeError"),
    "no function": (3.0, "the function itself"),
}


@pytest.mark.parametrize("answer, hint", WRONG_DRAWS.values(), ids=WRONG_DRAWS)
def test_generation_3_rejects_a_wrong_function_with_its_hint(answer, hint):
    assert hint in checkers.generation_3(answer)
