"""Chapter 09: corruptions, the clean target, few labels, and the exact score of a mixture."""

import math
from copy import deepcopy
from functools import partial
from importlib.resources import files

import numpy as np
import pytest
import torch
from answers import checker_tests
from noise import normal, rng
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from aecourse import data
from aecourse.autoencoder import mlp
from aecourse.denoising import (
    Classifier,
    ConvEncoder,
    DenoisingAutoencoder,
    GaussianMixtureScore,
    add_gaussian_noise,
    add_salt_and_pepper,
    denoising_loss,
    fine_tune,
    iterate_denoiser,
    labelled_rows,
    linear_probe,
    mask_patches,
    mask_pixels,
    random_shift,
)
from aecourse.exercises import denoising as checkers
from aecourse.train import fit

CORRUPTIONS = {
    "gaussian": add_gaussian_noise,
    "salt and pepper": add_salt_and_pepper,
    "mask": mask_pixels,
    "patches": mask_patches,
}
each_corruption = pytest.mark.parametrize("corrupt", CORRUPTIONS.values(), ids=CORRUPTIONS)


def grey(B=200, D=784, seed=0, dtype=torch.float32):
    """Images without a 0 or a 1 in them, so that every change shows."""
    return torch.rand(B, D, generator=rng(seed), dtype=dtype) * 0.8 + 0.1


def image(result):
    return result[0] if isinstance(result, tuple) else result


# corruptions


def test_gaussian_noise_has_the_given_deviation_and_no_mean():
    x = grey(2000)
    noise = add_gaussian_noise(x, 0.3, generator=rng()) - x
    assert abs(noise.mean()) < 0.002 and abs(noise.std() - 0.3) < 0.002
    assert abs((noise[:, :-1] * noise[:, 1:]).mean()) < 0.001  # neighbours are independent
    assert noise.min() < -1  # not clipped


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_salt_and_pepper_sets_the_given_share_half_to_zero_half_to_one(share):
    x = grey(2000)
    x_tilde = add_salt_and_pepper(x, share, generator=rng())
    salt, pepper = ((x_tilde == value).double().mean().item() for value in (1, 0))
    assert abs(salt - share / 2) < 0.003 and abs(pepper - share / 2) < 0.003
    untouched = (x_tilde != 0) & (x_tilde != 1)
    assert torch.equal(x_tilde[untouched], x[untouched])


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("hide", [mask_pixels, mask_patches])
def test_masks_hide_the_given_share_and_nothing_else(hide, share):
    x = grey(2000, 64 * 4)
    x_tilde, mask = hide(x, share, generator=rng())
    assert mask.dtype == torch.bool and mask.shape == x.shape
    assert abs(mask.double().mean() - share) < 0.003
    assert (x_tilde[mask] == 0).all() and torch.equal(x_tilde[~mask], x[~mask])


def test_every_image_loses_the_same_number_of_whole_patches_at_other_places():
    _, mask = mask_patches(grey(500), 0.5, generator=rng(), size=7)
    blocks = mask.view(500, 4, 7, 4, 7).transpose(2, 3).reshape(500, 16, 49)
    assert torch.equal(blocks.all(dim=2), blocks.any(dim=2))  # whole patches
    assert (blocks.any(dim=2).sum(dim=1) == 8).all()
    assert (blocks.any(dim=2).double().mean(dim=0) - 0.5).abs().max() < 0.1


@each_corruption
def test_nothing_happens_at_strength_zero(corrupt):
    x = grey()
    assert torch.equal(image(corrupt(x, 0.0)), x)


@pytest.mark.parametrize("hide", [mask_pixels, mask_patches])
def test_everything_is_hidden_at_share_one(hide):
    x_tilde, mask = hide(grey(), 1.0)
    assert mask.all() and (x_tilde == 0).all()


@each_corruption
def test_the_same_generator_gives_the_same_noise_and_the_next_call_other_noise(corrupt):
    x, generator = grey(), rng(3)
    first, second = (image(corrupt(x, 0.5, generator=generator)) for _ in range(2))
    again = image(corrupt(x, 0.5, generator=rng(3)))
    assert torch.equal(first, again) and not torch.equal(first, second)
    torch.manual_seed(1)
    default = image(corrupt(x, 0.5))
    torch.manual_seed(1)
    assert torch.equal(default, image(corrupt(x, 0.5)))


@each_corruption
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_corruptions_keep_dtype_and_input(corrupt, dtype):
    x = grey(dtype=dtype)
    before = x.clone()
    x_tilde = image(corrupt(x, 0.5, generator=rng()))
    assert x_tilde.dtype == dtype and x_tilde.shape == x.shape and torch.equal(x, before)


@each_corruption
@pytest.mark.parametrize("strength", [-0.1, 1.1])
def test_strengths_out_of_range_are_refused(corrupt, strength):
    if corrupt is add_gaussian_noise and strength > 1:
        return  # a standard deviation may be above 1
    with pytest.raises(ValueError, match="(share|sigma) must be a (finite )?number .*got"):
        corrupt(grey(3), strength)


@pytest.mark.parametrize(
    "D, size, message",
    [
        (783, 3, "x must hold square images, got 783 pixels"),
        (784, 5, "size must divide the side of the image, 28, got 5"),
        (784, 56, "size must divide the side of the image, 28, got 56"),
    ],
)
def test_patches_that_do_not_tile_the_image_are_refused(D, size, message):
    with pytest.raises(ValueError, match=message):
        mask_patches(grey(2, D), 0.5, size=size)


# the loss


def noisy_target_loss(model, x, corrupt, pixels="all"):
    """The published bug: the target is what the model receives."""
    x_tilde = image(corrupt(x))
    return {"loss": (model(x_tilde) - x_tilde).square().sum(dim=1)}


@each_corruption
def test_the_target_is_the_clean_image(corrupt):
    """Zero for a model that returns the clean image, not for one that returns its input."""
    x = grey()
    generator = rng()

    def hide(x):
        return corrupt(x, 0.5, generator=generator)

    def returns_clean(x_tilde):
        return x

    def returns_input(x_tilde):
        return x_tilde

    assert (denoising_loss(returns_clean, x, hide)["loss"] == 0).all()
    assert (denoising_loss(returns_input, x, hide)["loss"] > 0).all()
    # the same test on the bug: the two models change places
    assert (noisy_target_loss(returns_clean, x, hide)["loss"] > 0).all()
    assert (noisy_target_loss(returns_input, x, hide)["loss"] == 0).all()


def test_the_model_sees_the_corrupted_image_alone():
    x, seen = grey(), []
    denoising_loss(lambda t: seen.append(t) or t, x, partial(mask_pixels, share=0.5))
    assert len(seen) == 1 and (seen[0] == 0).any() and not torch.equal(seen[0], x)


def test_noise_is_fresh_in_every_call():
    x, model = grey(), nn.Identity()
    hide = partial(add_gaussian_noise, sigma=0.3, generator=rng())
    first, second = (denoising_loss(model, x, hide)["loss"] for _ in range(2))
    assert not torch.equal(first, second)
    assert abs(first.mean() - 784 * 0.3**2) < 2  # summed over pixels, one value per image


def test_the_loss_by_hand_over_all_and_over_masked_pixels():
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    mask = torch.tensor([[True, False, False], [False, True, True]])
    loss = partial(denoising_loss, lambda t: torch.ones_like(t), x, lambda x: (x, mask))
    for pixels, expected in (("all", [0 + 1 + 4, 9 + 16 + 25]), ("masked", [0, 16 + 25])):
        terms = loss(pixels=pixels)
        assert set(terms) == {"loss", "reconstruction"}
        assert terms["loss"].tolist() == terms["reconstruction"].tolist() == expected


def test_masked_pixels_alone_give_a_gradient_there_and_nowhere_else():
    x, mask = grey(3, 16), mask_pixels(grey(3, 16), 0.5, generator=rng())[1]
    x_hat = torch.zeros_like(x, requires_grad=True)
    loss = denoising_loss(lambda t: x_hat, x, lambda x: (x, mask), pixels="masked")["loss"]
    loss.sum().backward()
    assert torch.equal(x_hat.grad != 0, mask)


def test_the_input_may_have_more_columns_than_the_target():
    x = grey(5, 4)
    model = nn.Linear(5, 4)
    loss = denoising_loss(model, x, lambda x: torch.cat([x, torch.ones(5, 1)], dim=1))["loss"]
    assert loss.shape == (5,)


@pytest.mark.parametrize(
    "corrupt, message",
    [
        (lambda x: x, "got none"),
        (lambda x: (x, None), "got none"),
        (lambda x: (x, torch.ones(len(x), 1).bool()), r"got shape \(2, 1\) torch.bool"),
        (lambda x: (x, torch.ones_like(x)), "boolean mask .* torch.float32"),
    ],
)
def test_a_missing_mask_is_refused(corrupt, message):
    with pytest.raises(ValueError, match=message):
        denoising_loss(nn.Identity(), grey(2), corrupt, pixels="masked")


def test_a_model_with_another_output_shape_is_refused():
    for pixels in ("all", "masked"):
        with pytest.raises(ValueError, match=r"model\(x_tilde\) must be as x"):
            denoising_loss(lambda t: t[:, :1], grey(2), partial(mask_pixels, share=0.5), pixels)


def test_the_model_has_two_halves_and_takes_inputs_in_the_dtype_of_its_weights():
    model, x = DenoisingAutoencoder(nn.Linear(6, 2), nn.Linear(2, 6)), grey(5, 6)
    assert torch.equal(model(x), model.decoder(model.encoder(x)))
    assert torch.equal(model.reconstruct(x), model(x))
    with pytest.raises(ValueError, match="x must be torch.float32 as the weights"):
        model.reconstruct(x.double())


def test_the_shortest_training_removes_noise():
    x = data.mnist("train").x[:2000]
    torch.manual_seed(0)
    model = DenoisingAutoencoder(mlp([784, 64]), mlp([64, 784]))
    noise = partial(add_gaussian_noise, sigma=0.5, generator=rng())
    fit(model, partial(denoising_loss, corrupt=noise), data.batches(x, 50, seed=0), epochs=4)
    test = data.mnist("test").x[:500]
    assert denoising_loss(model, test, noise)["loss"].mean() < 40
    assert denoising_loss(nn.Identity(), test, noise)["loss"].mean() > 190


# few labels


def blobs(n=300, classes=3, seed=0, dtype=torch.float32):
    """Classes of points in six dimensions; labels in the last column's place."""
    y = torch.arange(n) % classes
    centres = 2 * normal(classes, 6, seed=1)
    x = centres[y] + normal(n, 6, seed=seed)
    return x.to(dtype), y


def encoder(dtype=torch.float32):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.GELU()).to(dtype)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_linear_probe_is_scikit_learns_logistic_regression(classes):
    (x, y), g = blobs(classes=classes, dtype=torch.float64), encoder(torch.float64)
    probe = linear_probe(g, x, y, C=0.3)
    features = g(x).detach().numpy()
    scaler = StandardScaler().fit(features)
    reference = LogisticRegression(C=0.3, max_iter=1000).fit(scaler.transform(features), y)
    unseen, _ = blobs(classes=classes, seed=5, dtype=torch.float64)
    h = scaler.transform(g(unseen).detach().numpy())
    assert np.array_equal(probe.predict(unseen), reference.predict(h))
    ours = probe(unseen).softmax(dim=1).detach().numpy()
    assert np.allclose(ours, reference.predict_proba(h), atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_the_given_encoder_keeps_its_mode_and_its_batch_statistics(training):
    g = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8)).train(training)
    x, y = blobs(30)
    fine_tune(g, x, y, epochs=1)
    linear_probe(g, x, y).predict(x)
    assert g[1].num_batches_tracked == 0 and g.training == g[1].training == training


def test_linear_probe_leaves_the_encoder_alone_and_copes_with_a_constant_feature():
    x, y = blobs()
    g = nn.Sequential(nn.Linear(6, 8), nn.ReLU())
    with torch.no_grad():
        g[0].weight[0], g[0].bias[0] = 0, -1  # dead
    before = deepcopy(g.state_dict())
    probe = linear_probe(g, x, y)
    assert probe.encoder is g
    assert all(torch.equal(before[key], value) for key, value in g.state_dict().items())
    assert (probe.predict(x) == y).double().mean() > 0.9 and torch.isfinite(probe(x)).all()


def test_fine_tuning_trains_a_copy():
    (x, y), g = blobs(), encoder()
    before = deepcopy(g.state_dict())
    model = fine_tune(g, x, y, epochs=5, lr=1e-2)
    assert all(torch.equal(before[key], value) for key, value in g.state_dict().items())
    assert not torch.equal(model.encoder[0].weight, g[0].weight)
    assert isinstance(model, Classifier) and not model.training


def test_fine_tuning_learns_the_classes():
    (x, y), (unseen, labels) = blobs(), blobs(seed=5)
    model = fine_tune(encoder(), x, y, epochs=20, lr=1e-2)
    assert (model.predict(unseen) == labels).double().mean() > 0.85
    assert model.predict(unseen).dtype == torch.int64


def test_the_same_seed_trains_the_same_classifier_and_the_global_seed_does_not_matter():
    x, y = blobs()
    g = encoder()
    before = torch.random.get_rng_state()
    first = fine_tune(g, x, y, epochs=2, seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(first(x), fine_tune(g, x, y, epochs=2, seed=1)(x))
    assert not torch.equal(first(x), fine_tune(g, x, y, epochs=2, seed=2)(x))


BAD_LABELS = {
    "rows": (torch.arange(10) % 3, r"y must have shape \(30,\)"),
    "gap": (torch.arange(30) % 2 * 2, r"every label from 0 to its largest.* got \[0, 2\]"),
    "negative": (torch.arange(30) % 2 - 1, r"y must be in \[0, 29\], got values in \[-1, 0\]"),
    "one class": (torch.zeros(30).long(), r"at least two, got \[0\]"),
}


@pytest.mark.parametrize("use", [linear_probe, fine_tune])
@pytest.mark.parametrize("y, message", BAD_LABELS.values(), ids=BAD_LABELS)
def test_labels_that_do_not_fit_are_refused(use, y, message):
    with pytest.raises(ValueError, match=message):
        use(encoder(), blobs(30)[0], y)


def test_labelled_rows_are_equally_many_of_each_digit_and_follow_the_seed():
    y = data.mnist("train").y
    rows = labelled_rows(y, 100, 1)
    assert y[rows].bincount().tolist() == [10] * 10 and len(rows.unique()) == 100
    assert torch.equal(rows, labelled_rows(y, 100, 1))
    assert not torch.equal(rows, labelled_rows(y, 100, 2))


@pytest.mark.parametrize("n", [0, 5, 15, -10, 60_000])
def test_a_number_of_labels_that_cannot_be_shared_out_is_refused(n):
    with pytest.raises(ValueError, match="n must be"):
        labelled_rows(data.mnist("train").y, n)


def test_conv_encoder_maps_images_to_codes_of_the_given_length():
    g, x = ConvEncoder(4, 10).eval(), grey(3)
    assert g(x).shape == (3, 10)
    assert torch.allclose(g(x)[1:2], g(x[1:2]), atol=1e-5)  # one image at a time is the same
    convolutions = [m for m in g.modules() if isinstance(m, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [4, 8, 8, 16, 16]
    assert sum(p.numel() for p in ConvEncoder().parameters()) < 500_000


def test_shifted_digits_keep_their_ink_and_move_by_at_most_two_pixels():
    x = data.mnist("test").x[:20]
    torch.manual_seed(0)
    seen = set()
    for _ in range(60):
        square, moved = x.view(-1, 28, 28), random_shift(x).view(-1, 28, 28)
        fits = [(i, j) for i in range(-2, 3) for j in range(-2, 3)
                if torch.equal(square.roll((i, j), (1, 2)), moved)]  # fmt: skip
        assert len(fits) == 1
        seen |= set(fits)
    assert len(seen) > 15
    assert torch.equal(random_shift(x, 0), x)
    assert torch.equal(*(random_shift(x, generator=rng(1)) for _ in range(2)))


# the exact score


def mixture(dtype=torch.float64, sigmas=(0.5, 0.3, 0.4)):
    means = torch.tensor([[-2.0, 0.0], [1.5, 1.5], [1.0, -2.0]], dtype=dtype)
    weights = torch.tensor([0.4, 0.35, 0.25], dtype=dtype)
    return GaussianMixtureScore(weights, means, torch.tensor(sigmas, dtype=dtype))


def by_torch(mix, sigma):
    sigmas = (mix.sigmas.square() + sigma**2).sqrt()
    parts = Independent(Normal(mix.means, sigmas[:, None].expand_as(mix.means)), 1)
    return MixtureSameFamily(Categorical(mix.weights), parts)


def points(n=200, dtype=torch.float64):
    return 3 * normal(n, 2).to(dtype)


@pytest.mark.parametrize("sigma", [0.0, 0.3, 1.0, 5.0])
def test_the_density_is_that_of_torch_distributions(sigma):
    mix, x = mixture(), points()
    assert torch.allclose(mix.log_density(x, sigma), by_torch(mix, sigma).log_prob(x), atol=1e-10)


@pytest.mark.parametrize("sigma", [0.0, 0.3, 1.0, 5.0])
def test_the_score_is_the_gradient_of_the_log_density(sigma):
    mix, x = mixture(), points().requires_grad_()
    (by_autograd,) = torch.autograd.grad(by_torch(mix, sigma).log_prob(x).sum(), x)
    assert torch.allclose(mix.score(x.detach(), sigma), by_autograd, atol=1e-9)
    step, x = 1e-5, x.detach()
    for d, axis in enumerate(torch.eye(2, dtype=torch.float64)):
        up, down = (mix.log_density(x + s * step * axis, sigma) for s in (1, -1))
        assert torch.allclose(mix.score(x, sigma)[:, d], (up - down) / (2 * step), atol=1e-6)


@pytest.mark.parametrize("sigma", [0.05, 0.3, 1.0, 5.0])
def test_the_optimal_denoiser_is_one_step_along_the_score(sigma):
    """x_tilde + sigma^2 score: two computations that share no formula but the posterior."""
    mix, x_tilde = mixture(), points(2000)
    step = x_tilde + sigma**2 * mix.score(x_tilde, sigma)
    assert (mix.denoise(x_tilde, sigma) - step).abs().max() < 1e-6
    half = mixture(torch.float32)
    step = points(2000, torch.float32) + sigma**2 * half.score(points(2000, torch.float32), sigma)
    assert (half.denoise(points(2000, torch.float32), sigma) - step).abs().max() < 1e-4


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_the_optimal_denoiser_is_the_posterior_mean_by_monte_carlo(sigma):
    """Clean draws weighted by the likelihood of x_tilde: Bayes' rule and nothing else."""
    mix = mixture()
    clean = by_torch(mix, 0.0).sample((400_000,))
    x_tilde = torch.tensor([[-1.0, 0.5], [0.0, 0.0], [1.2, 0.3]], dtype=torch.float64)
    for point, denoised in zip(x_tilde, mix.denoise(x_tilde, sigma)):
        weight = (-(point - clean).square().sum(dim=1) / (2 * sigma**2)).exp()
        assert torch.allclose(denoised, weight @ clean / weight.sum(), atol=0.03)


def test_no_other_denoiser_has_a_smaller_error():
    mix, sigma = mixture(), 0.6
    x = mix.sample(20_000, generator=rng())
    x_tilde = add_gaussian_noise(x, sigma, generator=rng(1))
    best = (mix.denoise(x_tilde, sigma) - x).square().sum(dim=1).mean()
    for other in (0.5, 0.7):  # made for other noise
        assert (mix.denoise(x_tilde, other) - x).square().sum(dim=1).mean() > best
    assert (x_tilde - x).square().sum(dim=1).mean() > best


def test_one_gaussian_shrinks_towards_its_mean():
    one = torch.ones(1, dtype=torch.float64)
    mix = GaussianMixtureScore(one, 3 * one[:, None], 2 * one)
    x_tilde = torch.tensor([[7.0], [-1.0]], dtype=torch.float64)
    assert torch.allclose(mix.denoise(x_tilde, 1.0), 3 + 0.8 * (x_tilde - 3))
    assert torch.allclose(mix.score(x_tilde, 1.0), -(x_tilde - 3) / 5)


def test_two_points_give_a_hyperbolic_tangent():
    means = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    half = torch.full((2,), 0.5, dtype=torch.float64)
    mix = GaussianMixtureScore(half, means, torch.zeros(2, dtype=torch.float64))
    x_tilde = torch.linspace(-3, 3, 13, dtype=torch.float64)[:, None]
    assert torch.allclose(mix.denoise(x_tilde, 0.7), (x_tilde / 0.49).tanh())


def test_far_away_points_have_finite_scores():
    mix, x = mixture(torch.float32), torch.tensor([[1e4, -1e4]])
    assert torch.isfinite(mix.score(x, 0.1)).all() and torch.isfinite(mix.denoise(x, 0.1)).all()


def test_draws_have_the_mixtures_moments_and_follow_the_generator():
    mix = mixture()
    x = mix.sample(100_000, generator=rng())
    reference = by_torch(mix, 0.0)
    assert torch.allclose(x.mean(dim=0), reference.mean, atol=0.02)
    assert torch.allclose(x.var(dim=0), reference.variance, atol=0.04)
    assert torch.equal(mix.sample(5, generator=rng(1)), mix.sample(5, generator=rng(1)))
    assert x.dtype == torch.float64 and mixture(torch.float32).sample(3).dtype == torch.float32


def test_a_trained_denoisers_residual_points_along_the_score():
    mix, sigma = mixture(torch.float32), 0.5
    torch.manual_seed(0)
    model = mlp([2, 64, 64, 2])
    noise = partial(add_gaussian_noise, sigma=sigma, generator=rng())
    batches = data.batches(mix.sample(10_000, generator=rng(1)), 256, seed=0)
    fit(model, partial(denoising_loss, corrupt=noise), batches, epochs=10, lr=5e-3)
    x_tilde = noise(mix.sample(10_000, generator=rng(2)))
    score = mix.score(x_tilde, sigma)
    strong = sigma * score.norm(dim=1) >= 0.2
    cosine = torch.cosine_similarity(model(x_tilde) - x_tilde, score)[strong]
    assert strong.double().mean() > 0.9 and cosine.mean() >= 0.95


ONE = torch.ones(2, dtype=torch.float64) / 2
BAD_MIXTURES = {
    "count": (ONE, torch.zeros(3, 2).double(), ONE, r"means must have shape \(2, D\)"),
    "sigmas": (ONE, torch.zeros(2, 2).double(), ONE[:1], r"sigmas must have shape \(2,\)"),
    "sum": (2 * ONE, torch.zeros(2, 2).double(), ONE, "weights must be positive with sum 1"),
    "sign": (ONE * torch.tensor([3, -1]), torch.zeros(2, 2).double(), ONE, "must be positive"),
    "negative": (ONE, torch.zeros(2, 2).double(), -ONE, "sigmas must be >= 0"),
    "dtypes": (ONE, torch.zeros(2, 2), ONE, "means must be torch.float64 as the weights"),
}


@pytest.mark.parametrize("w, m, s, message", BAD_MIXTURES.values(), ids=BAD_MIXTURES)
def test_bad_mixtures_are_refused(w, m, s, message):
    with pytest.raises(ValueError, match=message):
        GaussianMixtureScore(w, m, s)


@pytest.mark.parametrize("method", ["log_density", "score", "denoise"])
def test_points_and_noise_that_do_not_fit_are_refused(method):
    for x, sigma, message in (
        (points(), -0.1, "sigma must be a finite number >= 0"),
        (torch.zeros(3, 4).double(), 0.1, r"must have shape \(N, 2\)"),
        (torch.zeros(3, 2), 0.1, "must be torch.float64"),
    ):
        with pytest.raises(ValueError, match=message):
            getattr(mixture(), method)(x, sigma)


def test_the_density_of_points_without_noise_is_refused():
    with pytest.raises(ValueError, match="sigma must be > 0 where a component's own is 0"):
        mixture(sigmas=(0.0, 1.0, 1.0)).score(points(), 0.0)


# small steps


def test_small_steps_with_the_exact_denoiser_draw_from_the_mixture():
    mix, sigmas = mixture(), np.geomspace(20, 0.01, 100).tolist()
    start = 20 * normal(20_000, 2)
    drawn = iterate_denoiser(mix.denoise, start, [*sigmas, 0.0])
    nearest = torch.cdist(drawn, mix.means).argmin(dim=1)
    shares = nearest.bincount(minlength=3) / len(nearest)
    assert torch.allclose(shares.double(), mix.weights, atol=0.02)
    for c in range(3):
        assert torch.allclose(drawn[nearest == c].mean(dim=0), mix.means[c], atol=0.05)
        assert abs(drawn[nearest == c].std(dim=0).mean() / mix.sigmas[c] - 1) < 0.06


def test_steps_through_one_gaussian_have_a_closed_form():
    """dx/ds = x s / (1 + s^2): x(0) = x(S) / sqrt(1 + S^2) for N(0, 1)."""
    one = torch.ones(1, dtype=torch.float64)
    mix = GaussianMixtureScore(one, 0 * one[:, None], one)
    start = torch.tensor([[3.0], [-1.0]], dtype=torch.float64)
    end = iterate_denoiser(mix.denoise, start, np.linspace(3, 0, 4001).tolist())
    assert torch.allclose(end, start / 10**0.5, rtol=1e-3)


def test_a_last_level_of_zero_returns_the_denoised_point():
    mix, x = mixture(), points()
    assert torch.allclose(iterate_denoiser(mix.denoise, x, [0.5, 0.0]), mix.denoise(x, 0.5))


@pytest.mark.parametrize("sigmas", [[1.0], [], [1.0, 2.0], [1.0, 1.0]])
def test_noise_levels_that_do_not_fall_are_refused(sigmas):
    with pytest.raises(ValueError, match="sigmas must be at least two falling numbers"):
        iterate_denoiser(mixture().denoise, points(), sigmas)


@pytest.mark.parametrize("sigmas", [[1.0, -1.0], [math.nan, 0.0], [math.inf, 1.0], ["2", 1.0]])
def test_noise_levels_that_are_none_are_refused(sigmas):
    with pytest.raises(ValueError, match="each of sigmas must be a finite number >= 0"):
        iterate_denoiser(mixture().denoise, points(), sigmas)


@pytest.mark.parametrize(
    "denoise, message",
    [
        (lambda x, sigma: x[:, :1], r"must be as x, shape \(200, 2\) .* got shape \(200, 1\)"),
        (lambda x, sigma: x * math.nan, "must be finite"),
        (lambda x, sigma: None, "must be as x, .* got NoneType"),
    ],
)
def test_a_denoiser_with_another_shape_or_nan_is_refused(denoise, message):
    with pytest.raises(ValueError, match=r"denoise\(x, sigma\) " + message):
        iterate_denoiser(denoise, points(), [1.0, 0.0])


# the text


def test_the_text_states_its_source_and_licence():
    text = (files("aecourse") / "datasets" / "alice.txt").read_text(encoding="utf-8")
    head, body = text.split("\n\n", 1)
    assert "Lewis Carroll" in head and "1865" in head and "public domain" in head
    assert body.startswith("Alice was beginning") and 10_000 < len(body) < 13_000
    assert body.isascii()


# exercises


def squares(model, x, x_tilde):
    return (model(x_tilde) - x).square()


def masked_loss(model, x, x_tilde, mask):
    return (squares(model, x, x_tilde) * mask).sum(dim=1)


def score(x_tilde, denoised, sigma):
    return (denoised - x_tilde) / sigma**2


def two_points():
    """The class's answer to the exercise on paper."""
    half = torch.full((2,), 0.5, dtype=torch.float64)
    mix = GaussianMixtureScore(half, torch.tensor([[-1.0], [1.0]]).double(), 0 * half)
    return mix.denoise(torch.tensor([[1.2]], dtype=torch.float64), 1.5)


RIGHT = {
    "denoising-1": [math.tanh(1.2 / 2.25), two_points(), round(two_points().item(), 2)],
    "denoising-2": [masked_loss],
    "denoising-3": ["b"],
    "denoising-4": [score],
}
WRONG = {
    "denoising-1": [
        (math.tanh(0.8), "variance, not its standard deviation"),
        (math.tanh(2.4 / 2.25), "factor 2 too many"),
        (math.tanh(0.6 / 2.25), "factor 2 is missing"),
        (1 / (1 + math.exp(-2.4 / 2.25)), "posterior probability"),
        (1, "nearer point"),
        (1.2, "nothing was denoised"),
        (1.2 / 3.25, "shrinkage"),
        (0, "before you saw"),
        (0.3, "does not follow"),
        *((other, "one number") for other in ("0.49", None, True, [0.49])),
    ],
    "denoising-2": [
        (lambda m, x, t, k: (squares(m, t, t) * k).sum(1), "target is the corrupted"),
        (lambda m, x, t, k: squares(m, t, t).sum(1), "and the mask is not used"),
        (lambda m, x, t, k: (squares(m, x, x) * k).sum(1), "must not see the clean"),
        (lambda m, x, t, k: squares(m, x, x).sum(1), "clean image, and the mask"),
        (lambda m, x, t, k: squares(m, x, t).sum(1), "sums over all pixels"),
        (lambda m, x, t, k: (squares(m, x, t) * ~k).sum(1), "wrong way round"),
        (lambda m, x, t, k: (squares(m, x, t) * k).mean(1), "Sum over pixels"),
        (lambda m, x, t, k: (squares(m, x, t) * k).sum(1) / k.sum(1), "their mean"),
        (lambda m, x, t, k: ((m(t) - x).abs() * k).sum(1), "absolute, not the squared"),
        (lambda m, x, t, k: (squares(m, x, t) * k).sum(), "shape should be (4,)"),
        (lambda m, x, t, k: squares(m, x, t) * k, "shape should be (4,)"),
        (lambda m, x, t, k: np.zeros(4), "torch.Tensor, not ndarray"),
        (lambda m, x, t: x.sum(1), "stopped with TypeError"),
        (torch.zeros(4), "the function itself"),
    ],
    "denoising-3": [
        ("a", "how strong the noise is"),
        ("c", "never saw the weak"),
        ("d", "does remove"),
        ("e", "one letter of a, b, c, d"),
        (2, "one letter of a, b, c, d"),
    ],
    "denoising-4": [
        (lambda t, d, s: (t - d) / s**2, "sign is reversed"),
        (lambda t, d, s: (d - t) / s, "variance, not by the standard deviation"),
        (lambda t, d, s: d - t, "one factor of the noise"),
        (lambda t, d, s: (d - t) * s**2, "must divide"),
        (lambda t, d, s: (t - d) / s, "noise in units of its deviation"),
        (lambda t, d, s: d / s**2, "Subtract the noisy point"),
        (lambda t, d, s: t + d, "values are not"),
        (1.0, "the function itself"),
    ],
}


test_right_answers_are_accepted, test_wrong_answers_get_their_hint = checker_tests(RIGHT, WRONG)


def test_no_hint_gives_the_number_away():
    hints = [checkers.denoising_1(answer) for answer, _ in WRONG["denoising-1"]]
    assert not any("0.4" in hint for hint in hints)
