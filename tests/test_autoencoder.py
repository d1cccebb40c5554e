"""Chapter 03: the autoencoder, and codes as bits."""

import math

import numpy as np
import pytest
import torch
from answers import checker_tests
from noise import normal, rng
from sklearn.decomposition import PCA
from sklearn.preprocessing import KBinsDiscretizer
from torch import nn

from aecourse import data, linear, train
from aecourse.autoencoder import Autoencoder, bits_per_image, code_range, mlp, psnr, quantize_code
from aecourse.exercises import autoencoder as checkers
from aecourse.exercises import check
from aecourse.trivial import reconstruction_loss, squared_error


def codes(n=500, k=3, seed=0, dtype=torch.float32):
    return normal(n, k, seed=seed, dtype=dtype)


def pixels(n=20, d=16, seed=0, dtype=torch.float32):
    return torch.rand(n, d, generator=rng(seed), dtype=dtype)


# the network


def test_the_decoder_mirrors_the_encoder():
    model = Autoencoder([784, 512, 256, 30])
    widths = [
        (layer.in_features, layer.out_features)
        for half in (model.encoder, model.decoder)
        for layer in half
        if isinstance(layer, nn.Linear)
    ]
    assert widths == [(784, 512), (512, 256), (256, 30), (30, 256), (256, 512), (512, 784)]


def test_code_and_output_are_linear_and_every_hidden_layer_bends():
    model = Autoencoder([6, 5, 4, 2], nn.Tanh)
    for half in (model.encoder, model.decoder):
        assert [type(layer) for layer in half] == [nn.Linear, nn.Tanh] * 2 + [nn.Linear]


def test_forward_is_decode_of_encode_and_equals_matrix_products_by_hand():
    torch.manual_seed(0)
    model, x = Autoencoder([16, 8, 2], nn.ReLU).double(), pixels(dtype=torch.float64)
    W1, b1, W2, b2 = (p.detach().numpy() for p in model.encoder.parameters())
    h = np.maximum(x.numpy() @ W1.T + b1, 0) @ W2.T + b2
    assert np.allclose(model.encode(x).detach(), h)
    V1, c1, V2, c2 = (p.detach().numpy() for p in model.decoder.parameters())
    assert np.allclose(model.decode(torch.from_numpy(h)).detach(),
                       np.maximum(h @ V1.T + c1, 0) @ V2.T + c2)  # fmt: skip
    assert torch.equal(model(x), model.decode(model.encode(x)))
    assert torch.equal(model(x), model.reconstruct(x))


def test_without_activations_it_ends_where_pca_ends():
    x = pixels(400, 8, dtype=torch.float64) @ codes(8, 8, dtype=torch.float64) / 4
    torch.manual_seed(0)
    model = Autoencoder([8, 3], nn.Identity).double()
    batches = data.batches(x, 400, seed=0)
    train.fit(model, reconstruction_loss, batches, epochs=500, lr=2e-2)
    with torch.no_grad():
        error = squared_error(model(x), x).mean().item()
    oracle = PCA(3).fit(x.numpy())
    best = ((x.numpy() - oracle.inverse_transform(oracle.transform(x.numpy()))) ** 2).sum(1).mean()
    assert best * 0.9999 <= error <= best * 1.01


def test_activations_beat_every_line_on_a_bent_curve():
    angle = torch.linspace(0, 1.5 * math.pi, 300)
    x = torch.stack([angle.cos(), angle.sin()], dim=1)
    torch.manual_seed(0)
    model = Autoencoder([2, 32, 16, 1])
    train.fit(model, reconstruction_loss, data.batches(x, 100, seed=0), epochs=60, lr=5e-3)
    line = squared_error(linear.pca(x, 1).reconstruct(x), x).mean()
    with torch.no_grad():
        assert squared_error(model(x), x).mean() < line / 20


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dtype_of_the_weights_is_kept_and_the_input_is_not_modified(dtype):
    model, x = Autoencoder([16, 8, 2]).to(dtype), pixels(dtype=dtype)
    before = x.clone()
    assert model(x).dtype == model.encode(x).dtype == dtype
    assert torch.equal(x, before)


def test_each_hidden_layer_gets_its_own_activation():
    layers = mlp([4, 3, 3, 2], nn.PReLU)
    assert layers[1] is not layers[3]


def test_an_mlp_of_two_widths_is_one_linear_layer():
    assert [type(layer) for layer in mlp([4, 2])] == [nn.Linear]


@pytest.mark.parametrize("sizes", [[784], [784, 0], [784, 2.5], [784, True]])
@pytest.mark.parametrize("build", [Autoencoder, mlp])
def test_sizes_must_be_two_or_more_positive_integers(build, sizes):
    with pytest.raises(ValueError, match="sizes must be .*integer.* >= 1"):
        build(sizes)


@pytest.mark.parametrize("activation", [nn.ReLU(), torch.relu, nn.Linear, lambda: 3])
def test_the_activation_is_a_class_that_makes_a_layer(activation):
    with pytest.raises(ValueError, match="activation must be a class such as nn.ReLU, got"):
        mlp([4, 3, 2], activation)


def test_images_and_codes_of_another_length_or_float_dtype_are_refused():
    model = Autoencoder([4, 2])
    for function, columns in ((model, 4), (model.encode, 4), (model.decode, 2)):
        with pytest.raises(ValueError, match=rf"must have shape \(N, {columns}\), got \(5, 3\)"):
            function(torch.rand(5, 3))
        with pytest.raises(ValueError, match="must be torch.float32 as the weights.*float64"):
            function(torch.rand(5, columns).double())


# the quantiser


def test_one_bit_by_hand():
    h = torch.tensor([[-1.0, 0.1], [0.9, 3.0]])
    assert quantize_code(h, 1, 0.0, 1.0).tolist() == [[0.25, 0.25], [0.75, 0.75]]


def test_a_range_per_coordinate_by_hand():
    h = torch.tensor([[0.3, 0.3]])
    low, high = torch.tensor([0.0, -1.0]), torch.tensor([1.0, 3.0])
    assert quantize_code(h, 2, low, high).tolist() == [[0.375, 0.5]]


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_cells_are_those_of_scikit_learn(bits):
    h = codes(dtype=torch.float64)
    oracle = KBinsDiscretizer(2**bits, encode="ordinal", strategy="uniform", subsample=None)
    oracle.fit(h.numpy())
    low, high = code_range(h, tail=0.0)
    expected = oracle.inverse_transform(oracle.transform(h.numpy()))
    assert np.allclose(quantize_code(h, bits, low, high), expected)


@pytest.mark.parametrize("bits", [1, 2, 5, 8])
def test_b_bits_give_at_most_two_to_the_b_values_each_within_half_a_cell(bits):
    h = torch.linspace(-2, 3, 5000).unsqueeze(1)
    sent = quantize_code(h, bits, -2.0, 3.0)
    assert len(sent.unique()) == 2**bits
    assert (sent - h).abs().max() <= 5 / 2**bits / 2 * (1 + 1e-4)


def test_values_outside_the_range_go_to_the_outermost_cells():
    h = torch.tensor([[-9.0], [0.0], [1.0], [9.0]])
    assert quantize_code(h, 2, 0.0, 1.0).flatten().tolist() == [0.125, 0.125, 0.875, 0.875]


def test_quantising_twice_changes_nothing():
    h = codes()
    once = quantize_code(h, 4, -2.0, 2.0)
    assert torch.equal(quantize_code(once, 4, -2.0, 2.0), once)


def test_the_squared_rounding_error_is_a_twelfth_of_the_squared_cell():
    h = pixels(100_000, 1, dtype=torch.float64) * 5 - 2
    for bits in (3, 6):
        error = (quantize_code(h, bits, -2.0, 3.0) - h).square().mean().item()
        assert error == pytest.approx((5 / 2**bits) ** 2 / 12, rel=0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_quantising_keeps_the_dtype_and_its_input(dtype):
    h = codes(dtype=dtype)
    before = h.clone()
    assert quantize_code(h, 3, *code_range(h)).dtype == dtype
    assert torch.equal(h, before)


@pytest.mark.parametrize(("changed", "message"), [
    ({"bits": 0}, r"^bits must be an integer in \[1, 16\], got 0"),
    ({"bits": 17}, r"^bits must be an integer in \[1, 16\], got 17"),
    ({"low": 1.0, "high": 1.0}, "^low must be below high"),
    ({"low": 2.0, "high": 1.0}, "^low must be below high"),
    ({"low": -1e300, "high": 1e300}, "^low must be below high"),  # infinite in float32
    ({"low": torch.tensor([0.0, 0.0, 5.0])}, "^low must be below high"),
    ({"low": torch.zeros(2)}, r"^low must have shape \(3,\), got \(2,\)"),
    ({"low": "a"}, r"^low must be a finite number or a tensor of shape \(3,\), got 'a'"),
])  # fmt: skip
def test_the_quantiser_refuses_bad_input_by_name(changed, message):
    arguments = {"h": torch.zeros(2, 3), "bits": 4, "low": -1.0, "high": 1.0} | changed
    with pytest.raises(ValueError, match=message):
        quantize_code(**arguments)


# the range


def test_without_tails_the_range_is_minimum_and_maximum():
    h = codes()
    low, high = code_range(h, tail=0.0)
    assert torch.equal(low, h.amin(dim=0)) and torch.equal(high, h.amax(dim=0))


@pytest.mark.parametrize("tail", [0.005, 0.1, 0.49])
def test_the_tail_is_the_fraction_left_outside_at_each_end(tail):
    h = torch.stack([torch.randperm(1000), torch.arange(1000)], dim=1).double()
    low, high = code_range(h, tail)
    below, above = (h < low).sum(dim=0), (h > high).sum(dim=0)
    assert below.tolist() == above.tolist() == [int(tail * 1000)] * 2


def test_the_range_moves_and_scales_with_the_code():
    h = codes(dtype=torch.float64)
    low, high = code_range(h)
    moved = code_range(3 * h + 1)
    assert torch.allclose(moved[0], 3 * low + 1) and torch.allclose(moved[1], 3 * high + 1)


def test_the_range_needs_no_gradient_and_leaves_its_input():
    h = codes().requires_grad_()
    before = h.detach().clone()
    assert not code_range(h)[0].requires_grad
    assert torch.equal(h, before)


@pytest.mark.parametrize(("h", "tail", "message"), [
    (torch.ones(5, 3), 0.1, "^h must vary"),
    (torch.rand(1, 3), 0.0, "^h must vary"),
    (torch.rand(5, 3), 0.5, r"^tail must be a number in \[0, 0.5\)"),
    (torch.rand(5, 3), -0.1, r"^tail must be a number in \[0, 0.5\)"),
])  # fmt: skip
def test_the_range_refuses_bad_input_by_name(h, tail, message):
    with pytest.raises(ValueError, match=message):
        code_range(h, tail)


# bits and decibels


def test_thirty_numbers_of_four_bits_are_fifteen_bytes():
    assert bits_per_image(30, 4) == 15 * 8


@pytest.mark.parametrize(("k", "bits"), [(0, 4), (-1, 4), (30, 0), (30, 17)])
def test_bits_per_image_refuses_what_cannot_be_counted(k, bits):
    with pytest.raises(ValueError, match="^(k|bits) must be"):
        bits_per_image(k, bits)


def test_psnr_by_hand():
    x = torch.zeros(2, 4)
    x_hat = torch.full((2, 4), 0.1)
    assert psnr(x_hat, x) == pytest.approx(20, abs=1e-5)


def test_psnr_averages_errors_before_the_logarithm():
    x = torch.zeros(2, 4)
    x_hat = torch.tensor([[0.1] * 4, [0.3] * 4])
    assert psnr(x_hat, x) == pytest.approx(-10 * math.log10(0.05), abs=1e-5)


def test_psnr_is_the_squared_error_per_pixel_in_decibels():
    x, x_hat = pixels(seed=0), pixels(seed=1)
    error = squared_error(x_hat, x).mean().item() / 16
    assert psnr(x_hat, x) == pytest.approx(-10 * math.log10(error), abs=1e-4)


def test_four_times_the_error_costs_six_decibels():
    x = torch.full((3, 4), 0.5)
    lost = psnr(x + 0.1, x) - psnr(x + 0.2, x)
    assert lost == pytest.approx(20 * math.log10(2), abs=1e-4)


def test_psnr_refuses_other_shapes_pixels_and_a_perfect_copy():
    x = torch.rand(2, 4)
    for x_hat in (torch.rand(2, 5), torch.rand(1, 4)):
        with pytest.raises(ValueError, match="^x_hat must be as x"):
            psnr(x_hat, x)
    for bad in (255 * x + 2, x - 1):
        with pytest.raises(ValueError, match=r"^x must hold pixels in \[0, 1\]"):
            psnr(x, bad)
    with pytest.raises(ValueError, match="perfect copy is infinite"):
        psnr(x, x)


def test_more_bits_never_hurt_much_and_end_at_the_unquantised_error():
    x = pixels(400, 16)
    model = linear.pca(x, 6)
    h = model.encode(x)
    low, high = code_range(h, tail=0.0)
    curve = [psnr(model.decode(quantize_code(h, b, low, high)), x) for b in range(1, 13)]
    assert all(later > earlier for earlier, later in zip(curve[:5], curve[1:6], strict=True))
    assert curve[-1] == pytest.approx(psnr(model.reconstruct(x), x), abs=1e-3)


# exercises


def quantize(h, bits, low, high):
    """The solution shown in the chapter."""
    cell = (high - low) / 2**bits
    index = ((h - low) / cell).floor().clamp(0, 2**bits - 1)
    return low + (index + 0.5) * cell


def unclipped(h, bits, low, high):
    cell = (high - low) / 2**bits
    return low + (((h - low) / cell).floor() + 0.5) * cell


def one_cell_too_many(h, bits, low, high):
    cell = (high - low) / 2**bits
    return low + (((h - low) / cell).floor().clamp(0, 2**bits) + 0.5) * cell


def to_edges(h, bits, low, high):
    step = (high - low) / (2**bits - 1)
    return low + ((h - low) / step).round().clamp(0, 2**bits - 1) * step


def one_cell_too_few(h, bits, low, high):
    cell = (high - low) / (2**bits - 1)
    return low + (((h - low) / cell).floor().clamp(0, 2**bits - 2) + 0.5) * cell


def lower_edge(h, bits, low, high):
    cell = (high - low) / 2**bits
    return low + ((h - low) / cell).floor().clamp(0, 2**bits - 1) * cell


def cell_number(h, bits, low, high):
    return ((h - low) / (high - low) * 2**bits).floor().clamp(0, 2**bits - 1)


def no_low(h, bits, low, high):
    return quantize(h, bits, low, high) - low


def twice_the_bits(h, bits, low, high):
    cell = (high - low) / (2 * bits)
    return low + (((h - low) / cell).floor().clamp(0, 2 * bits - 1) + 0.5) * cell


def in_place(h, bits, low, high):
    return h.copy_(quantize(h, bits, low, high))


def fixed_range(h, bits, low, high):
    return quantize(h, 3, -2.0, 3.0)


RIGHT = {
    "autoencoder-1": [40_000, torch.tensor(40_000.0)],
    "autoencoder-2": ["b", " B "],
    "autoencoder-3": [quantize, quantize_code],
    "autoencoder-4": [0.808],
}  # fmt: skip
WRONG = {
    "autoencoder-1": [
        (1, "the decoder"), (20_000, "float16 number"), (80_000, "not float32"),
        (320_000, "bits against bytes"), (5_000, "bytes against bits"),
        (64_000, "JPEG costs something"), (960_000 / 39, "The code costs something"),
        (960_000 / 81, "how many bytes"), (-960_000 / 81, "how many bytes"), (12_345, "on paper"),
        ("40000", "one number"),
    ],
    "autoencoder-2": [
        ("a", "the section on compression"), ("c", "who needs the range"),
        ("d", "without being counted"), ("e", "one letter of a, b, c, d"),
        (2, "one letter of a, b, c, d"),
    ],
    "autoencoder-3": [
        (unclipped, "Clip"), (one_cell_too_many, "count the cells from 0"),
        (to_edges, "include low and high"), (one_cell_too_few, "one cell too few"),
        (lower_edge, "lower edge"), (cell_number, "number of the cell"), (no_low, "where is low"),
        (twice_the_bits, "not 2*b"), (in_place, "changes its arguments"),
        (fixed_range, "values are not"), (lambda h, bits, low, high: h.sum(), "shape should be"),
        (lambda h, bits, low, high: h.numpy(), "Return a torch.Tensor"),
        (lambda h: h, "stopped with TypeError"), (3, "function itself"),
    ],
    "autoencoder-4": [
        (55.69, "squared error"), (0.0710, "per pixel"), (1.053, "judged by its own"),
        (0.568, "mean *digit*"), (0.336, "subtract their mean"), (0.178, "fitted on clothes"),
        (0.661, "the other way round"), (0.262, "at home"), (0.95, "on paper"),
        ("above", "one number"),
    ],
}  # fmt: skip

test_right_answers, test_wrong_answers = checker_tests(RIGHT, WRONG)


@pytest.mark.parametrize("name", ["autoencoder-1", "autoencoder-4"])
def test_no_hint_gives_the_solution_away(name):
    for answer, _ in WRONG[name]:
        for solution in ("40000", "40 000", "0.808", "0.81"):
            assert solution not in check(name, answer).message


def test_the_numbers_behind_exercise_4_are_those_of_the_data():
    digits, clothes = data.mnist("train").x, data.fashion("train").x
    test, clothes_test = data.mnist("test").x, data.fashion("test").x

    def variance(x, mean):
        return squared_error(mean.expand_as(x), x).mean().item()

    def error(model, x):
        return squared_error(model.reconstruct(x), x).mean().item()

    on_digits, on_clothes = linear.pca(digits, 30), linear.pca(clothes, 30)
    dressed = variance(clothes_test, clothes.mean(0))
    written = variance(test, digits.mean(0))
    assert error(on_digits, clothes_test) == pytest.approx(checkers.ON_CLOTHES, rel=1e-4)
    assert dressed == pytest.approx(checkers.CLOTHES_VARIANCE, rel=1e-4)
    assert written == pytest.approx(checkers.DIGITS_VARIANCE, rel=1e-4)
    abroad = error(on_digits, clothes_test)
    assert abroad / variance(clothes_test, digits.mean(0)) == pytest.approx(0.568, abs=1e-3)
    assert abroad / clothes_test.square().sum(1).mean().item() == pytest.approx(0.336, abs=1e-3)
    assert error(on_clothes, clothes_test) / dressed == pytest.approx(0.178, abs=1e-3)
    assert error(on_clothes, test) / written == pytest.approx(0.661, abs=1e-3)
    assert error(on_digits, test) / written == pytest.approx(0.262, abs=1e-3)
