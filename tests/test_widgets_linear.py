"""The k slider's Python side: what it packs."""

import pytest
import torch
from safetensors.torch import load

from aecourse import data
from aecourse.linear import pca
from aecourse.trivial import squared_error
from aecourse.widgets import ComponentSlider, linear


@pytest.fixture(scope="module")
def packed():
    return load(ComponentSlider.packs()["linear"]())


def test_components_are_those_of_pca_on_all_training_digits(packed):
    expected = pca(data.mnist("train").x, linear.COMPONENTS)
    assert packed["components"].dtype == torch.float16
    assert (packed["components"].float() - expected.components).abs().max() < 2e-4
    assert torch.equal(packed["mean"], expected.mean)


def test_errors_are_the_mean_squared_errors_on_the_test_digits(packed):
    x, fitted = data.mnist("test").x, linear.components()
    assert abs(packed["errors"][30].item() - 13.87) < 0.005
    for k in (0, 1, 6, 100):
        rows = fitted.components[:k]
        rebuilt = (x - fitted.mean) @ rows.T @ rows + fitted.mean
        expected = squared_error(rebuilt, x).double().mean().item()
        assert packed["errors"][k].item() == pytest.approx(expected, rel=1e-4)


def test_kept_variance_starts_at_0_and_passes_nine_tenths_at_87(packed):
    kept = packed["kept"]
    assert kept[0] == 0 and kept.diff().min() > 0 and len(kept) == linear.COMPONENTS + 1
    assert kept[86] < 0.9 < kept[87]


def test_the_twenty_digits_are_test_digits_in_order_of_their_kind(packed):
    test = data.mnist("test")
    for i, digit in enumerate(packed["digits"].float() / 255):
        found = int((test.x - digit).abs().amax(dim=1).argmin())
        assert torch.allclose(test.x[found], digit, atol=1e-6) and test.y[found] == i % 10
