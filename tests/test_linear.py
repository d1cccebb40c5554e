"""Chapter 02: PCA, the linear autoencoder, principal angles and the exercises."""

import re

import numpy as np
import pytest
import torch
from answers import checker_tests
from noise import normal
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA as SklearnPCA

from aecourse import data
from aecourse.exercises import check
from aecourse.linear import LinearAutoencoder, pca, principal_angles

FLOATS = (torch.float32, torch.float64)


def correlated(n=300, d=12, seed=0, dtype=torch.float64):
    """Rows with a mean far from zero and distinct variances in no special direction."""
    rotation = torch.linalg.qr(normal(d, d, seed=seed + 1)).Q
    scales = torch.linspace(3, 0.2, d, dtype=torch.float64)
    return (normal(n, d, seed=seed) * scales @ rotation + 5).to(dtype)


# ---------------------------------------------------------------- pca


@pytest.mark.parametrize("k", [1, 5, 12])
def test_pca_equals_the_singular_value_decomposition_in_float64(k):
    x = correlated()
    centred = (x - x.mean(dim=0)).numpy()
    _, singular, rows = np.linalg.svd(centred, full_matrices=False)
    found = pca(x, k)
    signs = np.sign((found.components.numpy() * rows[:k]).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(found.components, signs * rows[:k], atol=1e-9)
    np.testing.assert_allclose(found.explained_variance, singular[:k] ** 2 / 299, rtol=1e-10)
    np.testing.assert_allclose(found.mean, x.mean(dim=0), rtol=1e-13)


@pytest.mark.parametrize("n", [7, 784, 5001, 12_000])
def test_pca_is_right_for_few_many_and_uneven_rows(n):
    x = correlated(n, 9)
    x[: n // 2] += 3  # the first chunk is unlike the rest
    oracle = SklearnPCA(4, svd_solver="full").fit(x.numpy())
    found = pca(x, 4)
    assert principal_angles(found.components, torch.from_numpy(oracle.components_))[0] < 1e-6
    np.testing.assert_allclose(found.explained_variance, oracle.explained_variance_, rtol=1e-9)
    np.testing.assert_allclose(found.mean, oracle.mean_, rtol=1e-12)


def test_pca_of_all_digits_equals_scikit_learn():
    x = data.mnist("train").x
    oracle = SklearnPCA(30, svd_solver="covariance_eigh").fit(x.double().numpy())
    found = pca(x, 30)
    assert principal_angles(found.components, torch.from_numpy(oracle.components_))[0] <= 0.1
    np.testing.assert_allclose(found.explained_variance, oracle.explained_variance_, rtol=1e-5)


@pytest.mark.parametrize("dtype", FLOATS)
def test_pca_keeps_the_dtype_and_its_components_are_orthonormal_and_signed(dtype):
    found = pca(correlated(dtype=dtype), 5)
    assert all(part.dtype == dtype for part in found)
    torch.testing.assert_close(
        found.components @ found.components.T, torch.eye(5, dtype=dtype), rtol=0, atol=1e-6
    )
    largest = found.components.abs().argmax(dim=1)
    assert (found.components[range(5), largest] > 0).all()
    assert (found.explained_variance.diff() <= 0).all()


def test_pca_survives_a_mean_ten_thousand_times_the_spread():
    x = (correlated() + 1e4).float()
    oracle = SklearnPCA(3, svd_solver="full").fit(x.double().numpy())
    found = pca(x, 3)
    assert principal_angles(found.components, torch.from_numpy(oracle.components_))[0] < 0.1
    np.testing.assert_allclose(found.explained_variance, oracle.explained_variance_, rtol=2e-3)


def test_pca_neither_changes_its_input_nor_needs_it_contiguous():
    x = correlated().T.contiguous().T
    before = x.clone()
    found = pca(x, 3)
    assert torch.equal(x, before)
    torch.testing.assert_close(found.components, pca(before.contiguous(), 3).components)


def test_pca_of_equal_rows_has_no_variance():
    found = pca(torch.ones(5, 3), 2)
    assert torch.equal(found.explained_variance, torch.zeros(2))


def test_mean_squared_error_is_the_discarded_variance():
    x = correlated()
    every = pca(x, 12).explained_variance
    for k in (1, 4, 11):
        error = (pca(x, k).reconstruct(x) - x).square().sum(dim=1).mean()
        torch.testing.assert_close(error, every[k:].sum() * 299 / 300, rtol=1e-10, atol=0)


def test_no_line_of_a_fine_grid_beats_the_first_component():
    """Brute force over all directions in the plane."""
    x = correlated(200, 2)
    angles = torch.linspace(0, torch.pi, 2001, dtype=torch.float64)
    lines = torch.stack([angles.cos(), angles.sin()], dim=1)  # (2001, 2)
    centred = x - x.mean(dim=0)
    errors = centred.square().sum() - (centred @ lines.T).square().sum(dim=0)
    best = (pca(x, 1).reconstruct(x) - x).square().sum()
    assert best <= errors.min() + 1e-9
    assert principal_angles(lines[errors.argmin()][None], pca(x, 1).components)[0] < 0.1


def test_encode_and_decode_are_inverse_on_the_plane():
    x = correlated()
    model = pca(x, 5)
    h = model.encode(x)
    torch.testing.assert_close(model.encode(model.decode(h)), h)
    torch.testing.assert_close(model.reconstruct(model.reconstruct(x)), model.reconstruct(x))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("row", [0, 1, 4999, 5000, 11_999])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_pca_finds_a_single_bad_entry_in_any_chunk(value, row, dtype):
    x = torch.zeros(12_000, 3, dtype=dtype)
    x[row, 2] = value
    with pytest.raises(ValueError, match="x must be finite, got NaN or infinity"):
        pca(x, 1)


def test_pca_rejects_finite_data_whose_squares_overflow():
    with pytest.raises(ValueError, match="infinity in x or in its squares"):
        pca(1e25 * correlated(dtype=torch.float32), 1)


@pytest.mark.parametrize("function", [pca, LinearAutoencoder.closed_form])
@pytest.mark.parametrize("k", [0, 13])
def test_pca_and_closed_form_keep_between_one_and_all_components(function, k):
    with pytest.raises(ValueError, match=r"k must be .*\[1, 12\], got"):
        function(correlated(), k)


def test_pca_rejects_a_single_row():
    with pytest.raises(ValueError, match="x must have at least 2 rows .* got 1"):
        pca(torch.ones(1, 3), 1)


# ---------------------------------------------------------------- LinearAutoencoder


def test_the_output_is_v_u_x_for_one_image_by_hand():
    model = LinearAutoencoder(3, 2, torch.tensor([1.0, 0.0, 0.0]))
    U, V = torch.tensor([[1.0, 2, 0], [0, 1, 1]]), torch.tensor([[1.0, 0], [0, 1], [2, 2]])
    assert model.set_weights(U, V) is model
    x = torch.tensor([[2.0, 3, 4]])  # centred (1, 3, 4): h = (7, 7), Vh = (7, 7, 28)
    assert model.encode(x).tolist() == [[7, 7]]
    assert model(x).tolist() == model.decode(model.encode(x)).tolist() == [[8, 7, 28]]


def test_closed_form_is_pca():
    x = correlated()
    model, oracle = LinearAutoencoder.closed_form(x, 4), pca(x, 4)
    torch.testing.assert_close(model(x).detach(), oracle.reconstruct(x))
    assert torch.equal(model(x), model.reconstruct(x))
    assert torch.equal(model.U.detach(), oracle.components) and torch.equal(model.U.T, model.V)
    assert torch.equal(model.mean, oracle.mean)


def test_closed_form_is_a_minimum_in_every_tried_direction():
    x = correlated()
    model = LinearAutoencoder.closed_form(x, 3)
    best = (model(x) - x).square().sum(dim=1).mean()
    best.backward()
    assert model.U.grad.norm() < 1e-10 and model.V.grad.norm() < 1e-10
    for seed in range(20):
        other = LinearAutoencoder.closed_form(x, 3)
        with torch.no_grad():
            other.U.add_(normal(3, 12, seed=seed), alpha=0.05)
            other.V.add_(normal(12, 3, seed=seed + 99), alpha=0.05)
        assert (other(x) - x).square().sum(dim=1).mean() > best


def test_with_k_equal_to_d_it_is_the_identity_also_on_noise():
    model = LinearAutoencoder.closed_form(correlated(), 12)
    noise = normal(50, 12, seed=7)
    torch.testing.assert_close(model(noise).detach(), noise)


def test_only_u_and_v_are_trained():
    assert [name for name, _ in LinearAutoencoder(5, 2).named_parameters()] == ["U", "V"]


@pytest.mark.parametrize("seed", range(5))
def test_the_output_does_not_change_under_any_invertible_a(seed):
    x = correlated()
    model = LinearAutoencoder.closed_form(x, 4)
    A = normal(4, 4, seed=seed)
    other = model.reparameterized(A)
    product, same = model.V @ model.U, other.V @ other.U
    assert (product - same).abs().max() < 1e-10
    assert (model(x) - other(x)).abs().max() < 1e-10
    torch.testing.assert_close(other.encode(x), model.encode(x) @ A.T)


def test_twice_u_and_half_v_is_the_case_of_the_notes():
    model = LinearAutoencoder.closed_form(correlated(), 4)
    other = model.reparameterized(2 * torch.eye(4))
    torch.testing.assert_close(other.U, 2 * model.U)
    torch.testing.assert_close(other.V, model.V / 2)


def test_reparameterized_leaves_the_model_alone_and_keeps_its_dtype():
    model = LinearAutoencoder.closed_form(correlated(dtype=torch.float32), 4)
    U = model.U.detach().clone()
    other = model.reparameterized(normal(4, 4))  # A in float64, the model in float32
    assert torch.equal(model.U, U) and other.U.dtype == other.V.dtype == torch.float32


@pytest.mark.parametrize(
    ("A", "message"),
    [
        (torch.zeros(4, 4), "A must be invertible, got condition number"),
        (torch.ones(4, 4), "A must be invertible, got condition number"),
        (torch.diag(torch.tensor([1.0, 1, 1, 1e-9])), "A must be invertible"),
        (torch.eye(3), "A must have shape (4, 4), got (3, 3)"),
        (torch.ones(3, 4), "A must have shape (4, 4), got (3, 4)"),
    ],
)
def test_reparameterized_rejects_a_bad_a(A, message):
    model = LinearAutoencoder.closed_form(correlated(dtype=torch.float32), 4)
    with pytest.raises(ValueError, match=re.escape(message)):
        model.reparameterized(A)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1), "d must be an integer >= 1, got 0"),
        ((5, 0), "k must be an integer in [1, 5], got 0"),
        ((5, 6), "k must be an integer in [1, 5], got 6"),
        ((5, 2, torch.zeros(4)), "mean must have shape (5,), got (4,)"),
    ],
)
def test_linear_autoencoder_rejects_bad_settings(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        LinearAutoencoder(*arguments)


def test_set_weights_rejects_other_shapes_and_then_changes_nothing():
    model = LinearAutoencoder(3, 2)
    before = model.U.detach().clone()
    with pytest.raises(ValueError, match=r"U must have shape \(2, 3\), got \(1, 3\)"):
        model.set_weights(torch.ones(1, 3), torch.ones(3, 2))
    with pytest.raises(ValueError, match=r"V must have shape \(3, 2\), got \(2, 2\)"):
        model.set_weights(torch.ones(2, 3), torch.ones(2, 2))
    assert torch.equal(model.U, before)


def test_a_model_refuses_another_length_and_another_float_dtype_than_its_own():
    model, basis = LinearAutoencoder(4, 2), pca(torch.rand(6, 4), 2)
    for function, columns in ((model, 4), (model.encode, 4), (model.decode, 2),
                              (basis.encode, 4), (basis.decode, 2)):  # fmt: skip
        with pytest.raises(ValueError, match=rf"must have shape \(N, {columns}\), got \(3, 5\)"):
            function(torch.rand(3, 5))
        with pytest.raises(ValueError, match="must be torch.float32 as the weights.*float64"):
            function(torch.rand(3, columns, dtype=torch.float64))


# ---------------------------------------------------------------- principal_angles


@pytest.mark.parametrize(("k", "m"), [(1, 1), (3, 3), (2, 5), (5, 2)])
def test_principal_angles_equal_those_of_scipy(k, m):
    A, B = normal(k, 9, seed=1), normal(m, 9, seed=2)
    oracle = np.rad2deg(subspace_angles(A.T.numpy(), B.T.numpy()))
    np.testing.assert_allclose(principal_angles(A, B), oracle, atol=1e-9)


@pytest.mark.parametrize("dtype", FLOATS)
def test_principal_angles_of_equal_spaces_are_zero(dtype):
    A = normal(4, 30, dtype=dtype)
    angles = principal_angles(A, normal(4, 4, seed=3, dtype=dtype) @ A)
    assert angles.dtype == torch.float64 and angles.shape == (4,)
    assert angles.max() < (1e-3 if dtype == torch.float32 else 1e-10)


@pytest.mark.parametrize("degrees", [1e-9, 1e-4, 0.02, 1.0, 44.9, 45.1, 89.999999, 90.0])
def test_a_known_rotation_is_measured_to_ten_digits(degrees):
    """An arccosine would read 0 for the first of them, an arcsine 90 for the last two."""
    t = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    A = torch.eye(2, 5, dtype=torch.float64)
    B = A.clone()
    B[1, 1], B[1, 4] = t.cos(), t.sin()
    found = principal_angles(A, B)
    assert found[0].item() == pytest.approx(degrees, rel=1e-9)
    assert found[1] < 1e-12


def test_principal_angles_descend_and_do_not_depend_on_order_or_basis():
    A, B = normal(4, 9, seed=1), normal(4, 9, seed=2)
    angles = principal_angles(A, B)
    assert (angles.diff() <= 0).all()
    torch.testing.assert_close(angles, principal_angles(B, A))
    torch.testing.assert_close(angles, principal_angles(normal(4, 4, seed=5) @ A, B))


def test_the_first_principal_angle_is_the_worst_case_by_brute_force():
    A, B = normal(2, 3, seed=1), normal(2, 3, seed=2)
    turn = torch.linspace(0, torch.pi, 4001, dtype=torch.float64)
    Qa, Qb = (torch.linalg.qr(rows.T).Q.T for rows in (A, B))
    unit = torch.stack([turn.cos(), turn.sin()], dim=1) @ Qa  # all directions of A
    to_b = torch.rad2deg((unit @ Qb.T).norm(dim=1).clamp(max=1).acos())
    assert principal_angles(A, B)[0].item() == pytest.approx(to_b.max().item(), abs=1e-4)


@pytest.mark.parametrize(
    ("A", "B", "message"),
    [
        (torch.ones(2, 3), torch.eye(3), "A must have linearly independent rows, got rank below 2"),
        (torch.eye(3), torch.zeros(1, 3), "B must have linearly independent rows"),
        (torch.eye(3), torch.ones(4, 3), "B must have linearly independent rows"),
        (torch.eye(3), torch.eye(2), "B must have shape (N, 3), got (2, 2)"),
        (torch.eye(3), torch.full((1, 3), torch.nan, requires_grad=True), "B must be finite"),
    ],
)
def test_principal_angles_reject_bad_input(A, B, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        principal_angles(A, B)


def test_principal_angles_do_not_depend_on_the_scale_of_a_row():
    A = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1e-7, 0.0]])
    assert principal_angles(A, torch.eye(3)[:2]).max() < 1e-6


def test_float32_rows_that_depend_on_each_other_up_to_rounding_are_rejected():
    row = normal(1, 50, dtype=torch.float32)
    with pytest.raises(ValueError, match="linearly independent"):
        principal_angles(torch.cat([row, row / 3]), normal(2, 50, seed=4, dtype=torch.float32))


# ---------------------------------------------------------------- exercises


def reconstruct(x, mean, components):
    return (x - mean) @ components.T @ components + mean


def centres_in_place(x, mean, components):
    x -= mean
    return x @ components.T @ components + mean


RIGHT = {
    "linear-1": [3.2, torch.tensor(3.2)],
    "linear-2": [36],
    "linear-3": [reconstruct],
    "linear-4": [100, 99.7],
}  # fmt: skip
WRONG = {
    "linear-1": [
        (4, "divide by N - 1"), (6.4, "keeps"), (8, "keeps"), (2.4, "How many are lost"),
        (16, "sum over all five images"), (3.2 / 3, "mean over pixels"), (9.6, "mean image alone"),
        (3.2**0.5, "not its root"), (77, "does not follow"), ("3.2", "one number"),
    ],
    "linear-2": [
        (1, "one common factor"), (6, "one factor per code entry"), (15, "rotations"),
        (21, "symmetric"), (35, "determinant"), (9408, "all entries"), (72, "follows from A"),
        (True, "one number"),
    ],
    "linear-3": [
        (lambda x, m, C: x @ C.T @ C + m, "never subtract it"),
        (lambda x, m, C: (x - m) @ C.T @ C, "never add it"),
        (lambda x, m, C: x @ C.T @ C, "not used"),
        (lambda x, m, C: reconstruct(x, x.mean(dim=0), C), "not that of this batch"),
        (lambda x, m, C: (x - m) @ C @ C.T + m, "RuntimeError"),
        (lambda x, m, C: (x - m) @ C.T, "decode it as well"),
        (lambda x, m, C: x - reconstruct(x, m, C), "loses"), (lambda x, m, C: x, "x itself"),
        (lambda x, m, C: reconstruct(x, m, C).numpy(), "torch.Tensor"),
        (lambda x, m, C: 2 * reconstruct(x, m, C), "values are not"),
        (centres_in_place, "changes its arguments"),
        (reconstruct(torch.ones(1, 2), torch.ones(2), torch.eye(2)), "function itself"),
    ],
    "linear-4": [
        (1, "enters between"), (10, "is a square"), (0.01, "before : after"),
        (0.1, "grow or shrink"), (None, "one number"),
    ],
}  # fmt: skip
test_right_answers, test_wrong_answers = checker_tests(RIGHT, WRONG)


@pytest.mark.parametrize(("name", "solution"), [("linear-1", 3.2), ("linear-2", 36),
                                                ("linear-4", 100)])  # fmt: skip
def test_no_hint_gives_the_solution_away(name, solution):
    for answer, _ in WRONG[name]:
        message = check(name, answer).message
        assert not re.search(rf"(?<![\d.]){solution}(?![\d.]*\d)", message)


def test_the_number_of_linear_1_is_measured_on_five_real_points():
    """Five points in space with exactly the eigenvalues of the exercise."""
    basis = torch.linalg.qr(torch.cat([torch.ones(5, 1).double(), normal(5, 3)], dim=1)).Q[:, 1:]
    x = basis * (4 * torch.tensor([8.0, 3.0, 1.0], dtype=torch.float64)).sqrt()
    torch.testing.assert_close(pca(x, 3).explained_variance.tolist(), [8.0, 3.0, 1.0])
    error = (pca(x, 1).reconstruct(x) - x).square().sum(dim=1).mean()
    assert check("linear-1", error)
