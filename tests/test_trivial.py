"""Chapter 01: the identity, the look-up table, and how to measure copying."""

import pytest
import torch
from answers import checker_tests
from noise import rng

from aecourse import data, trivial

X = torch.rand(6, 4, generator=rng())


@pytest.fixture(scope="module")
def digits():
    return data.mnist("test").x[:500]


@pytest.fixture(scope="module")
def noise():
    return torch.rand(500, 784, generator=rng())


# squared error


def test_squared_error_sums_over_pixels_and_keeps_one_value_per_image():
    by_loop = [sum((a - b) ** 2 for a, b in zip(r.tolist(), s.tolist())) for r, s in
               zip(X, X.flip(0))]  # fmt: skip
    assert torch.allclose(trivial.squared_error(X, X.flip(0)), torch.tensor(by_loop))


def test_duplicating_every_pixel_doubles_the_squared_error():
    twice = trivial.squared_error(X.repeat(1, 2), X.flip(0).repeat(1, 2))
    assert torch.allclose(twice, 2 * trivial.squared_error(X, X.flip(0)))


def test_squared_error_refuses_to_broadcast():
    with pytest.raises(ValueError, match=r"x_hat must be as x, .*\(6, 4\).*\(1, 4\)"):
        trivial.squared_error(X[:1], X)


def test_the_gradient_of_the_loss_is_that_of_finite_differences():
    model = torch.nn.Linear(4, 4).double()
    x = X.double()

    def loss(weight):
        return trivial.squared_error(x @ weight.T, x).mean()

    assert torch.autograd.gradcheck(loss, model.weight)
    losses = trivial.reconstruction_loss(model, x)
    assert losses.keys() == {"loss", "reconstruction"} and losses["loss"].shape == (6,)


# copy ratio


def test_the_identity_has_copy_ratio_exactly_one(digits, noise):
    assert trivial.copy_ratio(lambda x: x, digits, noise) == 1


def test_the_mean_digit_has_copy_ratio_one(digits, noise):
    mean = data.mnist("train").x.mean(dim=0)
    assert trivial.copy_ratio(mean.expand_as, digits, noise) == pytest.approx(1, rel=1e-5)


def test_copy_ratio_is_that_of_its_definition_in_numpy(digits, noise):
    mean = data.mnist("train").x.numpy().mean(axis=0)

    def relative(images):
        images = images.numpy()
        return ((0.5 * images - images) ** 2).sum() / ((images - mean) ** 2).sum()

    expected = relative(noise) / relative(digits)
    assert trivial.copy_ratio(lambda x: 0.5 * x, digits, noise) == pytest.approx(expected, rel=1e-4)


def test_a_perfect_digit_model_has_its_error_floored(digits, noise):
    def knows_digits_only(x):
        return x if x is digits else 0 * x + data.mnist("train").x.mean(dim=0)

    assert trivial.copy_ratio(knows_digits_only, digits, noise) == pytest.approx(1e6, rel=1e-4)


def test_copy_ratio_takes_another_mean_and_float64():
    x = X.double()
    ratio = trivial.copy_ratio(lambda y: 0.9 * y, x, x.flip(0), train_mean=x.mean(dim=0))
    assert ratio == pytest.approx(1)


@pytest.mark.parametrize(
    ("digits_in", "noise_in", "message"),
    [
        (2 * torch.ones(3, 784), torch.rand(3, 784), r"digits must hold pixels in \[0, 1\]"),
        (torch.rand(3, 784), torch.rand(3, 5), r"noise must have shape \(N, 784\), got \(3, 5\)"),
        (torch.rand(3, 5), torch.rand(3, 5), r"train_mean must have shape \(5,\), got \(784,\)"),
    ],
)
def test_copy_ratio_names_what_is_wrong_with_its_input(digits_in, noise_in, message):
    with pytest.raises(ValueError, match=message):
        trivial.copy_ratio(lambda x: x, digits_in, noise_in)


@pytest.mark.parametrize("model", [lambda x: x * torch.nan, lambda x: x + 1e30, lambda x: x[:, :3]])
def test_copy_ratio_refuses_a_model_that_returns_no_images(model):
    with pytest.raises(ValueError, match="model .*noise"):
        trivial.copy_ratio(model, X, X, train_mean=X.mean(dim=0))


def test_copy_ratio_measures_in_evaluation_mode_and_leaves_the_model_as_it_was():
    model = torch.nn.BatchNorm1d(4)
    before = model.running_mean.clone()
    trivial.copy_ratio(model, X, X.flip(0), train_mean=X.mean(dim=0))
    assert model.training and torch.equal(model.running_mean, before)


def test_copy_ratio_needs_images_that_vary():
    with pytest.raises(ValueError, match="digits must vary"):
        trivial.copy_ratio(lambda x: x, X[:1], X[1:2], train_mean=X[0])


# look-up codec


def test_the_look_up_codec_has_zero_error_on_its_table(digits):
    codec = trivial.LookupCodec(digits)
    assert torch.equal(codec(digits), digits) and torch.equal(codec.reconstruct(digits), digits)
    assert torch.equal(codec.encode(digits).squeeze(1), torch.arange(500.0))


def test_on_other_images_it_is_nearest_neighbour_search(digits):
    table, other = digits[:100], digits[100:300]
    brute_force = torch.cdist(other.double(), table.double()).argmin(dim=1)
    codec = trivial.LookupCodec(table)
    assert torch.equal(codec.encode(other).squeeze(1).long(), brute_force)
    assert torch.equal(codec(other), table[brute_force])


def test_the_codec_keeps_its_own_copy_of_the_table():
    images = X.clone()
    codec = trivial.LookupCodec(images)
    images.zero_()
    assert torch.equal(codec(X), X)


def test_codes_are_one_number_per_image_in_either_precision():
    for x in (X, X.double()):
        h = trivial.LookupCodec(X).encode(x)
        assert h.shape == (6, 1) and h.dtype == x.dtype


@pytest.mark.parametrize("h", [0.5, 6.0, -1.0])
def test_decode_refuses_what_is_no_row_number(h):
    with pytest.raises(ValueError, match=r"^h must hold whole numbers in \[0, 5\]"):
        trivial.LookupCodec(X).decode(torch.tensor([[h]]))


def test_the_codec_refuses_what_is_no_table_of_images():
    with pytest.raises(ValueError, match=r"^train_x must hold pixels in \[0, 1\]"):
        trivial.LookupCodec(300 * X)
    with pytest.raises(ValueError, match=r"^x must have shape \(N, 4\)"):
        trivial.LookupCodec(X).encode(torch.rand(2, 3))


# exercises


def half(x_hat, x):
    return ((x_hat - x) ** 2).sum(1) / 2


RIGHT = {
    "trivial-1": [1.0, torch.ones(1, 1)],
    "trivial-2": [0.875, torch.tensor(0.875).numpy()],
    "trivial-3": [trivial.squared_error],
    "trivial-4": ["C ", "(c)"],
}  # fmt: skip
WRONG = {
    "trivial-1": [
        (0, "perfect copy of noise"), (0.25, "one of the two"),
        (0.5, "not the model with the identity"), (1e6, "again"), (float("nan"), "again"),
        ("one", "one number"),
    ],
    "trivial-2": [
        (0.125, "gets through"), (0.875**2, "squared once"), (0.875**0.5, "root"), (686, "divide"),
    ],
    "trivial-3": [
        (lambda a, b: ((a - b) ** 2).mean(1), "mean over the pixels"),
        (lambda a, b: ((a - b) ** 2).sum(), "one number for the whole batch"),
        (lambda a, b: ((a - b) ** 2).sum(0), "summed over the images"),
        (lambda a, b: (a - b).norm(dim=1), "root"), (half, "½"),
        (lambda a, b: (a - b).sum(1), "cancel"), (lambda a, b: a @ b, "RuntimeError"),
        (None, "function itself"), (lambda a, b: (a.copy_(b) - b).sum(1), "changes its arguments"),
    ],
    "trivial-4": [
        ("a", "one more coordinate"), ("b", "balance"), ("d", "one letter"), (3, "one letter"),
    ],
}  # fmt: skip

test_right_answers, test_wrong_answers = checker_tests(RIGHT, WRONG)
