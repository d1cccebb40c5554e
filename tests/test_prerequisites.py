"""The numbers printed on the page chapters/prerequisites.md, computed again."""

import re
from math import isclose, log, pi, sqrt
from pathlib import Path

import pytest
import torch
from torch.distributions import Normal, kl_divergence

PAGE = (Path(__file__).resolve().parent.parent / "chapters/prerequisites.md").read_text("utf-8")


def kl(q, p=(0.0, 1.0)):
    return kl_divergence(Normal(*map(torch.tensor, q)), Normal(*map(torch.tensor, p))).item()


def density(x, mean=0.0, sd=1.0):
    return Normal(mean, sd).log_prob(torch.tensor(x)).exp().item()


NUMBERS = {
    "0.3989": density(0.0), "0.2420": density(1.0), "3.989": density(0.0, sd=0.1),
    "-0.4516": 2 * log(density(0.0, sd=0.5)), "1.8379": log(2 * pi), "7.84": 784 * 0.1**2,
    "0.5 nat": kl((1.0, 1.0)), "0.8069": kl((0.0, 2.0)), "0.3181": kl((0.0, 1.0), (0.0, 2.0)),
    "0.8181": kl((1.0, 0.5)), "40.91": 50 * kl((1.0, 0.5)), "1.6363": 2 * kl((1.0, 0.5)),
    "0.6931": log(2), "0.5493": log(3) / 2, "0.1438": log(2) - log(3) / 2,
    "1.6094": log(5), "1.3863": log(16) / 2, "0.2231": log(5) - log(16) / 2,
    "2.828": 4 / sqrt(2), "4.243": sqrt(18), "1.414": sqrt(2), "= 1.3": 13 / 10,
    "73.5": 100 * 36 / 49, "0.01769": 13.87 / 784, "1.4427": 1 / log(2), "2.303": log(10),
    "3.322": log(10) / log(2), "5.545": 8 * log(2), "83.18": 120 * log(2),
}  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_number_is_printed_and_right(text):
    assert text in PAGE
    digits = re.search(r"-?[\d.]+", text).group()
    half_unit = 0.5 * 10 ** -len(digits.partition(".")[2])
    assert isclose(float(digits), NUMBERS[text], abs_tol=half_unit * 1.001)


def test_pca_leaves_the_dropped_singular_values():
    x = torch.tensor([[3.0, 0], [-3, 0], [0, 1], [0, -1]])
    assert torch.allclose(torch.linalg.svdvals(x), torch.tensor([18.0, 2]).sqrt())
    assert (x - x * torch.tensor([1.0, 0])).square().sum().item() == 2


def test_layer_sizes():
    first, second = torch.nn.Linear(784, 256), torch.nn.Linear(256, 100)
    count = [sum(p.numel() for p in layer.parameters()) for layer in (first, second)]
    assert count[0] == 200_960 and sum(count) == 226_660
    assert first.weight.shape == (256, 784)


def test_autograd_example_runs_and_prints_what_its_comments_say():
    (code,) = re.findall(r"```python\n(import torch.*?)```", PAGE, re.S)
    printed, scope = [], {}
    exec(code, {"print": lambda g: printed.append(g.item())} | scope)
    assert printed == [20, 40, 6]
    assert [float(n) for n in re.findall(r"# tensor\((\d+\.)\)", code)] == printed


def test_autograd_answer():
    w, x = torch.tensor(3.0, requires_grad=True), torch.tensor(2.0)
    z = w * x
    y = z + (1 - z).detach()
    y.backward()
    assert (y.item(), w.grad.item()) == (1, 2)
