"""Chapter 09: corruptions, the clean target, few labels, and the exact score of a mixture."""

import math
from copy import deepcopy
from functools import partial
from importlib.resources import files

import numpy as np
import pytest
import torch
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
    linear_probe,
    mask_patches,
    mask_pixels,
    random_shift,
)
from aecourse.exercises import check
from aecourse.exercises import denoising as checkers
from aecourse.train import fit
from aecourse.weights.few_labels import labelled_rows

CORRUPTIONS = {
    "gaussian": add_gaussian_noise,
    "salt and pepper": add_salt_and_pepper,
    "mask": mask_pixels,
    "patches": mask_patches,
}
each_corruption = pytest.mark.parametrize("corrupt", CORRUPTIONS.values(), ids=CORRUPTIONS)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def grey(B=200, D=784, seed=0, dtype=torch.float32):
    """Images without a 0 or a 1 in them, so that every change shows."""
    return torch.rand(B, D, generator=seeded(seed), dtype=dtype) * 0.8 + 0.1


def image(result):
    return result[0] if isinstance(result, tuple) else result


# corruptions


def test_gaussian_noise_has_the_given_deviation_and_no_mean():
    x = grey(2000)
    noise = add_gaussian_noise(x, 0.3, seeded()) - x
    assert abs(noise.mean()) < 0.002 and abs(noise.std() - 0.3) < 0.002
    assert abs((noise[:, :-1] * noise[:, 1:]).mean()) < 0.001  # neighbours are independent
    assert noise.min() < -1  # not clipped


@pytest.mark.parametrize("amount", [0.1, 0.5, 0.9])
def test_salt_and_pepper_sets_the_given_share_half_to_zero_half_to_one(amount):
    x = grey(2000)
    x_tilde = add_salt_and_pepper(x, amount, seeded())
    salt, pepper = ((x_tilde == value).double().mean().item() for value in (1, 0))
    assert abs(salt - amount / 2) < 0.003 and abs(pepper - amount / 2) < 0.003
    untouched = (x_tilde != 0) & (x_tilde != 1)
    assert torch.equal(x_tilde[untouched], x[untouched])


@pytest.mark.parametrize("amount", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("hide", [mask_pixels, mask_patches])
def test_masks_hide_the_given_share_and_nothing_else(hide, amount):
    x = grey(2000, 64 * 4)
    x_tilde, mask = hide(x, amount, seeded())
    assert mask.dtype == torch.bool and mask.shape == x.shape
    assert abs(mask.double().mean() - amount) < 0.003
    assert (x_tilde[mask] == 0).all() and torch.equal(x_tilde[~mask], x[~mask])


def test_every_image_loses_the_same_number_of_whole_patches_at_other_places():
    _, mask = mask_patches(grey(500), 0.5, seeded(), size=7)
    blocks = mask.view(500, 4, 7, 4, 7).transpose(2, 3).reshape(500, 16, 49)
    assert torch.equal(blocks.all(dim=2), blocks.any(dim=2))  # whole patches
    assert (blocks.any(dim=2).sum(dim=1) == 8).all()
    assert (blocks.any(dim=2).double().mean(dim=0) - 0.5).abs().max() < 0.1


@each_corruption
def test_nothing_happens_at_amount_zero(corrupt):
    x = grey()
    assert torch.equal(image(corrupt(x, 0)), x)


@pytest.mark.parametrize("hide", [mask_pixels, mask_patches])
def test_everything_is_hidden_at_amount_one(hide):
    x_tilde, mask = hide(grey(), 1)
    assert mask.all() and (x_tilde == 0).all()


@each_corruption
def test_the_same_generator_gives_the_same_noise_and_the_next_call_other_noise(corrupt):
    x, generator = grey(), seeded(3)
    first, second = (image(corrupt(x, 0.5, generator)) for _ in range(2))
    assert torch.equal(first, image(corrupt(x, 0.5, seeded(3)))) and not torch.equal(first, second)
    torch.manual_seed(1)
    default = image(corrupt(x, 0.5))
    torch.manual_seed(1)
    assert torch.equal(default, image(corrupt(x, 0.5)))


@each_corruption
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_corruptions_keep_dtype_and_input(corrupt, dtype):
    x = grey(dtype=dtype)
    before = x.clone()
    x_tilde = image(corrupt(x, 0.5, seeded()))
    assert x_tilde.dtype == dtype and x_tilde.shape == x.shape and torch.equal(x, before)


@each_corruption
@pytest.mark.parametrize("amount", [-0.1, 1.1, math.nan, math.inf, "0.5", None, True])
def test_amounts_out_of_range_are_refused(corrupt, amount):
    if corrupt is add_gaussian_noise and amount == 1.1:
        return  # a standard deviation may be above 1
    with pytest.raises(ValueError, match=r"amount must be a (finite )?number .*got"):
        corrupt(grey(3), amount)


BAD_MATRICES = {
    "array": (np.zeros((2, 784), np.float32), "must be a torch.Tensor, got ndarray"),
    "integers": (torch.zeros(2, 784).long(), "must be float32 or float64"),
    "square": (torch.zeros(2, 28, 28), r"must have shape \(N, D\), got \(2, 28, 28\)"),
    "empty": (torch.zeros(0, 784), "must not be empty"),
    "nan": (torch.full((2, 784), math.nan), "must be finite"),
}
each_bad_matrix = pytest.mark.parametrize("x, message", BAD_MATRICES.values(), ids=BAD_MATRICES)


@each_bad_matrix
def test_bad_images_are_refused(x, message):
    autoencoder = DenoisingAutoencoder(nn.Linear(784, 3), nn.Linear(3, 784))
    for use in (*[partial(c, amount=0.5) for c in CORRUPTIONS.values()], autoencoder):
        with pytest.raises(ValueError, match="x(_tilde)? " + message):
            use(x)


@pytest.mark.parametrize(
    "D, size, message",
    [
        (783, 3, "x must hold square images, got 783 pixels"),
        (784, 5, "size must divide the side of the image, 28, got 5"),
        (784, 56, "size must divide the side of the image, 28, got 56"),
        (784, 0, "size must be >= 1, got 0"),
        (784, 4.0, "size must be an integer >= 1, got 4.0"),
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
    hide = partial(corrupt, amount=0.5, generator=seeded())

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
    denoising_loss(lambda t: seen.append(t) or t, x, partial(mask_pixels, amount=0.5))
    assert len(seen) == 1 and (seen[0] == 0).any() and not torch.equal(seen[0], x)


def test_noise_is_fresh_in_every_call():
    x, model = grey(), nn.Identity()
    hide = partial(add_gaussian_noise, amount=0.3, generator=seeded())
    first, second = (denoising_loss(model, x, hide)["loss"] for _ in range(2))
    assert not torch.equal(first, second)
    assert abs(first.mean() - 784 * 0.3**2) < 2  # summed over pixels, one value per image


def test_the_loss_by_hand_over_all_and_over_masked_pixels():
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    mask = torch.tensor([[True, False, False], [False, True, True]])
    loss = partial(denoising_loss, lambda t: torch.ones_like(t), x, lambda x: (x, mask))
    assert loss()["loss"].tolist() == [0 + 1 + 4, 9 + 16 + 25]
    assert loss(pixels="masked")["loss"].tolist() == [0, 16 + 25]


def test_masked_pixels_alone_give_a_gradient_there_and_nowhere_else():
    x, mask = grey(3, 16), mask_pixels(grey(3, 16), 0.5, seeded())[1]
    x_hat = torch.zeros_like(x, requires_grad=True)
    loss = denoising_loss(lambda t: x_hat, x, lambda x: (x, mask), pixels="masked")["loss"]
    loss.sum().backward()
    assert torch.equal(x_hat.grad != 0, mask)


def test_the_input_may_have_more_columns_than_the_target():
    x = grey(5, 4)
    model = nn.Linear(5, 4)
    loss = denoising_loss(model, x, lambda x: torch.cat([x, torch.ones(5, 1)], dim=1))["loss"]
    assert loss.shape == (5,)


@pytest.mark.parametrize("pixels", ["visible", None, "Masked"])
def test_unknown_pixels_are_refused(pixels):
    with pytest.raises(ValueError, match="pixels must be one of"):
        denoising_loss(nn.Identity(), grey(2), lambda x: x, pixels=pixels)


@pytest.mark.parametrize(
    "corrupt, message",
    [
        (lambda x: x, "got none"),
        (lambda x: (x, None), "got none"),
        (lambda x: (x, torch.ones(len(x), 1).bool()), r"got torch.bool, shape \(2, 1\)"),
        (lambda x: (x, torch.ones_like(x)), "boolean mask .* got torch.float32"),
    ],
)
def test_a_missing_mask_is_refused(corrupt, message):
    with pytest.raises(ValueError, match=message):
        denoising_loss(nn.Identity(), grey(2), corrupt, pixels="masked")


def test_a_model_with_another_output_shape_is_refused():
    with pytest.raises(ValueError, match="x_hat must have the shape of x"):
        denoising_loss(lambda t: t[:, :1], grey(2), lambda x: x)


def test_the_shortest_training_removes_noise():
    x = data.mnist("train").x[:2000]
    torch.manual_seed(0)
    model = DenoisingAutoencoder(mlp([784, 64]), mlp([64, 784]))
    noise = partial(add_gaussian_noise, amount=0.5, generator=seeded())
    fit(model, partial(denoising_loss, corrupt=noise), data.batches(x, 50, seed=0), epochs=4)
    test = data.mnist("test").x[:500]
    assert denoising_loss(model, test, noise)["loss"].mean() < 40
    assert denoising_loss(nn.Identity(), test, noise)["loss"].mean() > 190


# few labels


def blobs(n=300, classes=3, seed=0, dtype=torch.float32):
    """Classes of points in six dimensions; labels in the last column's place."""
    y = torch.arange(n) % classes
    centres = 2 * torch.randn(classes, 6, generator=seeded(1), dtype=torch.float64)
    x = centres[y] + torch.randn(n, 6, generator=seeded(seed), dtype=torch.float64)
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


def test_fine_tuning_leaves_batch_statistics_of_the_given_encoder_alone():
    g = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8))
    fine_tune(g.train(), *blobs(30), epochs=1)
    assert g[1].num_batches_tracked == 0 and g.training


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
    "floats": (torch.zeros(30), "y must be an int64 tensor"),
    "rows": (torch.arange(10) % 3, r"of shape \(30,\)"),
    "list": ([0, 1] * 15, "got list"),
    "gap": (torch.arange(30) % 2 * 2, r"every label from 0 to its largest.* got \[0, 2\]"),
    "negative": (torch.arange(30) % 2 - 1, r"got \[-1, 0\]"),
    "one class": (torch.zeros(30).long(), r"at least two, got \[0\]"),
}


@pytest.mark.parametrize("use", [linear_probe, fine_tune])
@pytest.mark.parametrize("y, message", BAD_LABELS.values(), ids=BAD_LABELS)
def test_bad_labels_are_refused(use, y, message):
    with pytest.raises(ValueError, match=message):
        use(encoder(), blobs(30)[0], y)


@pytest.mark.parametrize("use", [linear_probe, fine_tune])
@each_bad_matrix
def test_bad_training_images_are_refused(use, x, message):
    with pytest.raises(ValueError, match="x " + message):
        use(encoder(), x, torch.tensor([0, 1]))


@each_bad_matrix
def test_a_classifier_refuses_bad_images(x, message):
    classifier = Classifier(nn.Identity(), nn.Linear(784, 10))
    for use in (classifier, classifier.predict):
        with pytest.raises(ValueError, match="x " + message):
            use(x)


def test_labelled_rows_are_equally_many_of_each_digit_and_follow_the_seed():
    y = data.mnist("train").y
    rows = labelled_rows(y, 100, 1)
    assert y[rows].bincount().tolist() == [10] * 10 and len(rows.unique()) == 100
    assert torch.equal(rows, labelled_rows(y, 100, 1))
    assert not torch.equal(rows, labelled_rows(y, 100, 2))


@pytest.mark.parametrize("n", [0, 5, 15, -10, 60_000, 100.0, None])
def test_a_number_of_labels_that_cannot_be_shared_out_is_refused(n):
    with pytest.raises(ValueError, match="n must be"):
        labelled_rows(data.mnist("train").y, n)


@pytest.mark.parametrize("C", [0, -1.0, math.inf, "1"])
def test_a_bad_penalty_is_refused(C):
    with pytest.raises(ValueError, match="C must be a finite number > 0"):
        linear_probe(encoder(), *blobs(30), C=C)


@pytest.mark.parametrize(
    "setting", [{"epochs": 0}, {"lr": 0}, {"batch_size": 0}, {"seed": -1}], ids=str
)
def test_bad_settings_of_fine_tuning_are_refused(setting):
    with pytest.raises(ValueError, match=f"{next(iter(setting))} must be"):
        fine_tune(encoder(), *blobs(30), **setting)


def test_conv_encoder_maps_images_to_codes_of_the_given_length():
    g, x = ConvEncoder(4, 10).eval(), grey(3)
    assert g(x).shape == (3, 10)
    assert torch.allclose(g(x)[1:2], g(x[1:2]), atol=1e-5)  # one image at a time is the same
    convolutions = [m for m in g.modules() if isinstance(m, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [4, 8, 8, 16, 16]
    assert sum(p.numel() for p in ConvEncoder().parameters()) < 500_000


@pytest.mark.parametrize("width, code", [(0, 128), (16, 0), (1.5, 8), (16, None)])
def test_a_bad_width_or_code_is_refused(width, code):
    with pytest.raises(ValueError, match="(width|code) must be"):
        ConvEncoder(width, code)


def test_conv_encoder_refuses_other_images():
    with pytest.raises(ValueError, match=r"x must have shape \(N, 784\)"):
        ConvEncoder(2, 3)(grey(2, 100))


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


@pytest.mark.parametrize("most", [-1, 28, 0.5, None])
def test_bad_shifts_are_refused(most):
    with pytest.raises(ValueError, match="most must be"):
        random_shift(grey(2), most)


# the exact score


def mixture(dtype=torch.float64, scales=(0.5, 0.3, 0.4)):
    means = torch.tensor([[-2.0, 0.0], [1.5, 1.5], [1.0, -2.0]], dtype=dtype)
    weights = torch.tensor([0.4, 0.35, 0.25], dtype=dtype)
    return GaussianMixtureScore(weights, means, torch.tensor(scales, dtype=dtype))


def by_torch(mix, sigma):
    scales = (mix.scales.square() + sigma**2).sqrt()
    parts = Independent(Normal(mix.means, scales[:, None].expand_as(mix.means)), 1)
    return MixtureSameFamily(Categorical(mix.weights), parts)


def points(n=200, dtype=torch.float64):
    return 3 * torch.randn(n, 2, generator=seeded(), dtype=torch.float64).to(dtype)


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
    x = mix.sample(20_000, seeded())
    x_tilde = add_gaussian_noise(x, sigma, seeded(1))
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
    x = mix.sample(100_000, seeded())
    reference = by_torch(mix, 0.0)
    assert torch.allclose(x.mean(dim=0), reference.mean, atol=0.02)
    assert torch.allclose(x.var(dim=0), reference.variance, atol=0.04)
    assert torch.equal(mix.sample(5, seeded(1)), mix.sample(5, seeded(1)))
    assert x.dtype == torch.float64 and mixture(torch.float32).sample(3).dtype == torch.float32


def test_a_trained_denoisers_residual_points_along_the_score():
    mix, sigma = mixture(torch.float32), 0.5
    torch.manual_seed(0)
    model = mlp([2, 64, 64, 2])
    noise = partial(add_gaussian_noise, amount=sigma, generator=seeded())
    batches = data.batches(mix.sample(10_000, seeded(1)), 256, seed=0)
    fit(model, partial(denoising_loss, corrupt=noise), batches, epochs=10, lr=5e-3)
    x_tilde = noise(mix.sample(10_000, seeded(2)))
    score = mix.score(x_tilde, sigma)
    strong = sigma * score.norm(dim=1) >= 0.2
    cosine = torch.cosine_similarity(model(x_tilde) - x_tilde, score)[strong]
    assert strong.double().mean() > 0.9 and cosine.mean() >= 0.95


ONE = torch.ones(2, dtype=torch.float64) / 2
BAD_MIXTURES = {
    "means": (ONE, torch.zeros(2), ONE, "means must have shape"),
    "count": (ONE, torch.zeros(3, 2).double(), ONE, r"weights must be a tensor of shape \(3,\)"),
    "scales": (ONE, torch.zeros(2, 2).double(), ONE[:1], r"scales must be a tensor of shape"),
    "list": ([0.5, 0.5], torch.zeros(2, 2).double(), ONE, "weights must be a tensor .* got list"),
    "sum": (2 * ONE, torch.zeros(2, 2).double(), ONE, "weights must be positive with sum 1"),
    "sign": (ONE * torch.tensor([3, -1]), torch.zeros(2, 2).double(), ONE, "must be positive"),
    "negative": (ONE, torch.zeros(2, 2).double(), -ONE, "scales must be >= 0"),
    "dtypes": (ONE, torch.zeros(2, 2), ONE, "weights must be torch.float32"),
    "nan": (ONE * math.nan, torch.zeros(2, 2).double(), ONE, "weights must be finite"),
}


@pytest.mark.parametrize("w, m, s, message", BAD_MIXTURES.values(), ids=BAD_MIXTURES)
def test_bad_mixtures_are_refused(w, m, s, message):
    with pytest.raises(ValueError, match=message):
        GaussianMixtureScore(w, m, s)


@pytest.mark.parametrize("method", ["log_density", "score", "denoise"])
@pytest.mark.parametrize(
    "x, sigma, message",
    [
        (points(), -0.1, "sigma must be a finite number >= 0"),
        (points(), math.nan, "sigma must be a finite number >= 0"),
        (torch.zeros(3, 4).double(), 0.1, r"x must have shape \(N, 2\)"),
        (torch.zeros(3, 2), 0.1, "x must be torch.float64"),
        (torch.full((3, 2), math.nan).double(), 0.1, "x must be finite"),
    ],
)
def test_bad_points_and_noise_are_refused(method, x, sigma, message):
    with pytest.raises(ValueError, match=message):
        getattr(mixture(), method)(x, sigma)


def test_the_density_of_points_without_noise_is_refused():
    with pytest.raises(ValueError, match="sigma must be > 0 where a scale is 0"):
        mixture(scales=(0.0, 1.0, 1.0)).score(points(), 0.0)


@pytest.mark.parametrize("n", [0, -1, 2.0, None])
def test_a_bad_number_of_draws_is_refused(n):
    with pytest.raises(ValueError, match="n must be"):
        mixture().sample(n)


# small steps


def test_small_steps_with_the_exact_denoiser_draw_from_the_mixture():
    mix, sigmas = mixture(), np.geomspace(20, 0.01, 100).tolist()
    start = 20 * torch.randn(20_000, 2, generator=seeded(), dtype=torch.float64)
    drawn = iterate_denoiser(mix.denoise, start, [*sigmas, 0.0])
    nearest = torch.cdist(drawn, mix.means).argmin(dim=1)
    shares = nearest.bincount(minlength=3) / len(nearest)
    assert torch.allclose(shares.double(), mix.weights, atol=0.02)
    for c in range(3):
        assert torch.allclose(drawn[nearest == c].mean(dim=0), mix.means[c], atol=0.05)
        assert abs(drawn[nearest == c].std(dim=0).mean() / mix.scales[c] - 1) < 0.06


def test_steps_through_one_gaussian_have_a_closed_form():
    """dx/ds = x s / (1 + s^2): x(0) = x(S) / sqrt(1 + S^2) for N(0, 1)."""
    one = torch.ones(1, dtype=torch.float64)
    mix = GaussianMixtureScore(one, 0 * one[:, None], one)
    start = torch.tensor([[3.0], [-1.0]], dtype=torch.float64)
    end = iterate_denoiser(mix.denoise, start, np.linspace(3, 0, 4001))
    assert torch.allclose(end, start / 10**0.5, rtol=1e-3)


def test_a_last_level_of_zero_returns_the_denoised_point():
    mix, x = mixture(), points()
    assert torch.allclose(iterate_denoiser(mix.denoise, x, [0.5, 0.0]), mix.denoise(x, 0.5))


@pytest.mark.parametrize(
    "sigmas",
    [[1.0], [], [1.0, 2.0], [1.0, 1.0], [1.0, -1.0], [math.nan, 0], [1.0, math.nan], [math.inf, 1]],
)
def test_noise_levels_that_do_not_fall_are_refused(sigmas):
    with pytest.raises(ValueError, match="sigmas must be at least two falling numbers"):
        iterate_denoiser(mixture().denoise, points(), sigmas)


@pytest.mark.parametrize(
    "denoise, message",
    [
        (lambda x, sigma: x[:1], r"must have the shape of x, \(200, 2\), got \(1, 2\)"),
        (lambda x, sigma: x[:, :1], r"must have the shape of x, \(200, 2\), got \(200, 1\)"),
        (lambda x, sigma: x * math.nan, "must be finite"),
        (lambda x, sigma: None, "must be a torch.Tensor"),
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


def masked_loss(model, x, x_tilde, mask):
    return ((model(x_tilde) - x).square() * mask).sum(dim=1)


def score(x_tilde, denoised, sigma):
    return (denoised - x_tilde) / sigma**2


RIGHT = {
    "denoising-1": math.tanh(1.2 / 2.25),
    "denoising-2": masked_loss,
    "denoising-3": "b",
    "denoising-4": score,
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_solution_is_accepted(name):
    assert check(name, RIGHT[name])


def test_the_solution_on_paper_is_that_of_the_class():
    half = torch.full((2,), 0.5, dtype=torch.float64)
    mix = GaussianMixtureScore(half, torch.tensor([[-1.0], [1.0]]).double(), 0 * half)
    denoised = mix.denoise(torch.tensor([[1.2]], dtype=torch.float64), 1.5)
    assert check("denoising-1", denoised) and check("denoising-1", round(denoised.item(), 2))


WRONG_NUMBERS = {
    math.tanh(0.8): "variance, not its standard deviation",
    math.tanh(2.4 / 2.25): "factor 2 too many",
    math.tanh(0.6 / 2.25): "factor 2 is missing",
    1 / (1 + math.exp(-2.4 / 2.25)): "posterior probability",
    1: "nearer point",
    1.2: "nothing was denoised",
    1.2 / 3.25: "shrinkage",
    0: "before you saw",
    0.3: "does not follow",
}


@pytest.mark.parametrize("answer", WRONG_NUMBERS)
def test_denoising_1_rejects_a_wrong_number_with_its_hint(answer):
    hint = checkers.denoising_1(answer)
    assert WRONG_NUMBERS[answer] in hint and "0.48" not in hint and "0.49" not in hint


@pytest.mark.parametrize("answer", ["0.49", None, True, [0.49]])
def test_denoising_1_asks_for_a_number(answer):
    assert "one number" in checkers.denoising_1(answer)


def squares(model, x, x_tilde):
    return (model(x_tilde) - x).square()


WRONG_LOSSES = {
    "noisy target": (lambda m, x, t, k: (squares(m, t, t) * k).sum(1), "target is the corrupted"),
    "noisy target, all": (lambda m, x, t, k: squares(m, t, t).sum(1), "and the mask is not used"),
    "clean input": (lambda m, x, t, k: (squares(m, x, x) * k).sum(1), "must not see the clean"),
    "clean, all": (lambda m, x, t, k: squares(m, x, x).sum(1), "clean image, and the mask"),
    "no mask": (lambda m, x, t, k: squares(m, x, t).sum(1), "sums over all pixels"),
    "visible": (lambda m, x, t, k: (squares(m, x, t) * ~k).sum(1), "wrong way round"),
    "mean": (lambda m, x, t, k: (squares(m, x, t) * k).mean(1), "Sum over pixels"),
    "masked mean": (lambda m, x, t, k: (squares(m, x, t) * k).sum(1) / k.sum(1), "their mean"),
    "absolute": (lambda m, x, t, k: ((m(t) - x).abs() * k).sum(1), "absolute, not the squared"),
    "scalar": (lambda m, x, t, k: (squares(m, x, t) * k).sum(), "shape should be (4,)"),
    "per pixel": (lambda m, x, t, k: squares(m, x, t) * k, "shape should be (4,)"),
    "numpy": (lambda m, x, t, k: np.zeros(4), "torch.Tensor, not ndarray"),
    "three arguments": (lambda m, x, t: x.sum(1), "stopped with TypeError"),
    "a value": (torch.zeros(4), "the function itself"),
}


@pytest.mark.parametrize("answer, hint", WRONG_LOSSES.values(), ids=WRONG_LOSSES)
def test_denoising_2_rejects_a_wrong_loss_with_its_hint(answer, hint):
    assert hint in checkers.denoising_2(answer)


@pytest.mark.parametrize(
    "answer, hint",
    [
        ("a", "how strong the noise is"),
        ("c", "never saw the weak"),
        ("d", "does remove"),
        ("e", "one letter of a, b, c, d"),
        (2, "one letter of a, b, c, d"),
    ],
)
def test_denoising_3_rejects_a_wrong_choice_with_its_hint(answer, hint):
    assert hint in checkers.denoising_3(answer)


WRONG_SCORES = {
    "sign": (lambda t, d, s: (t - d) / s**2, "sign is reversed"),
    "deviation": (lambda t, d, s: (d - t) / s, "variance, not by the standard deviation"),
    "residual": (lambda t, d, s: d - t, "one factor of the noise"),
    "product": (lambda t, d, s: (d - t) * s**2, "must divide"),
    "noise": (lambda t, d, s: (t - d) / s, "noise in units of its deviation"),
    "denoised": (lambda t, d, s: d / s**2, "Subtract the noisy point"),
    "nonsense": (lambda t, d, s: t + d, "values are not"),
    "number": (1.0, "the function itself"),
}


@pytest.mark.parametrize("answer, hint", WRONG_SCORES.values(), ids=WRONG_SCORES)
def test_denoising_4_rejects_a_wrong_score_with_its_hint(answer, hint):
    assert hint in checkers.denoising_4(answer)
