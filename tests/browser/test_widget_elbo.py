"""Chapter 07's widget in the built book, against `torch.distributions` and integration."""

import math

import pytest
import torch
from living import eventually
from readings import BLUE, ORANGE, column
from torch.distributions import Normal, kl_divergence

from aecourse.elbo import LinearGaussianModel

# The columns of a canvas, in units of a width of 312, where row y is close to a colour.
COLUMNS = """(c, [y, red, green, blue]) => {
  const scale = c.width / 312, found = [];
  const { data } = c.getContext('2d').getImageData(0, Math.round(y * scale), c.width, 1);
  for (let x = 0; x < c.width; x++)
    if (Math.abs(data[4 * x] - red) + Math.abs(data[4 * x + 1] - green)
        + Math.abs(data[4 * x + 2] - blue) + 255 - data[4 * x + 3] < 60) found.push(x / scale);
  return found;
}"""
LOG_P = -0.5 * math.log(4 * math.pi) - 1
POSTERIOR = {"mu": 1.0, "s": 0.5**0.5}


@pytest.fixture
def bound(desk):
    return desk("elbo")


def states():
    """A hundred states, spread over the sliders' ranges."""
    u = torch.rand(100, 3, generator=torch.Generator().manual_seed(0)).tolist()
    return [
        {"mu": 4 * a - 1, "s": 0.3 + 1.2 * b, "samples": round(10 ** (2.5 * c)), "seed": i}
        for i, (a, b, c) in enumerate(u)
    ]


def worst(probes, expected):
    """Largest difference over the probes, by name."""
    return {
        name: (column(probes, "outputs", name) - value).abs().max().item()
        for name, value in expected.items()
    }


def test_exact_parts_equal_integrals_and_the_module(bound):
    probes = bound.sweep(states())
    mu, s = column(probes, "inputs", "mu"), column(probes, "inputs", "s")
    z = torch.linspace(-20, 20, 20_001).double()[:, None]  # a trapezoid grid
    q, prior = Normal(mu, s), Normal(torch.zeros(()).double(), 1)
    log_q, log_prior = q.log_prob(z), prior.log_prob(z)
    log_x = Normal(z, 1).log_prob(torch.tensor(2.0).double())
    log_p = torch.trapezoid((log_prior + log_x).exp(), z, dim=0).log()
    weight = log_q.exp()
    expected = {
        "logP": log_p,
        "reconstruction": torch.trapezoid(weight * log_x, z, dim=0),
        "kl": kl_divergence(q, Normal(torch.zeros_like(mu), 1)),
        "elbo": torch.trapezoid(weight * (log_x + log_prior - log_q), z, dim=0),
        "gap": torch.trapezoid(weight * (log_q - log_x - log_prior + log_p), z, dim=0),
    }
    errors = worst(probes, expected)
    print("elbo: largest errors", {k: f"{v:.1e}" for k, v in errors.items()})
    assert max(errors.values()) < 1e-4
    one = torch.ones(1, 1).double()
    model, rows = LinearGaussianModel(one, one[0] * 0, 1.0), (2 * one).expand(100, 1)
    module = {
        "logP": model.log_evidence(rows),
        "elbo": model.elbo(rows, mu[:, None], 2 * s.log()[:, None]),
        "gap": model.gap(rows, mu[:, None], 2 * s.log()[:, None]),
    }
    assert max(worst(probes, module).values()) < 1e-4


def test_estimates_equal_torch_from_the_same_noise(bound):
    largest = 0.0
    for probe in bound.sweep(states()):
        given, found = probe["inputs"], probe["outputs"]
        eps = torch.tensor(given["eps"], dtype=torch.float64)
        mu, s, x = torch.tensor([given["mu"], given["s"], 2], dtype=torch.float64)
        q, prior = Normal(mu, s), Normal(0 * x, 1)
        z = mu + s * eps
        log_w = prior.log_prob(z) + Normal(z, 1).log_prob(x) - q.log_prob(z)
        n = len(eps)
        pairs = [
            (found["mean"], log_w.mean().item()),
            (found["weighted"], log_w.logsumexp(dim=0).item() - math.log(n)),
            *zip(found["z"], z.tolist(), strict=True),
            *zip(found["logW"], log_w.tolist(), strict=True),
        ]
        if n == 1:
            assert found["error"] is None
        else:
            pairs.append((found["error"], log_w.std().item() / n**0.5))
        largest = max(largest, *(abs(a - b) for a, b in pairs))
    print(f"elbo: estimates differ from torch by at most {largest:.1e} nats")
    assert largest < 1e-4


def test_the_gap_is_never_negative_the_sum_is_fixed_and_weighting_lifts_the_estimate(bound):
    for found in (p["outputs"] for p in bound.sweep(states())):
        assert found["gap"] > 0 and found["elbo"] <= LOG_P + 1e-12
        assert found["elbo"] + found["gap"] == pytest.approx(LOG_P, abs=1e-9)
        assert found["reconstruction"] - found["kl"] == pytest.approx(found["elbo"], abs=1e-12)
        assert found["weighted"] >= found["mean"] - 1e-12


def test_at_the_posterior_the_gap_is_zero_and_every_sample_says_the_same(bound):
    draws = [{**POSTERIOR, "samples": 500, "seed": seed} for seed in range(5)]
    for found in (p["outputs"] for p in bound.sweep(draws)):
        assert abs(found["gap"]) < 1e-12 and found["error"] < 1e-12
        assert max(abs(value - LOG_P) for value in found["logW"]) < 1e-9
        assert found["weighted"] == pytest.approx(LOG_P, abs=1e-9)


def test_the_mean_over_many_draws_is_the_elbo(bound):
    state = {"mu": 0.2, "s": 1.0, "samples": 200}
    probes = bound.sweep([{**state, "seed": seed} for seed in range(30)])
    z_score = (column(probes, "outputs", "mean") - column(probes, "outputs", "elbo")) / column(
        probes, "outputs", "error"
    )
    assert 0.5 < z_score.square().mean() < 1.7


def test_the_numbers_worked_out_by_hand_in_the_chapter(bound):
    prior, question_4, poor = (
        bound.set(mu=mu, s=s)["outputs"] for mu, s in ((0, 1), (1, 1), (-1, 1))
    )
    assert (prior["elbo"], prior["gap"]) == pytest.approx((-3.4189, 1.1534), abs=5e-5)
    assert (question_4["elbo"], question_4["gap"]) == pytest.approx((-2.4189, 0.1534), abs=5e-5)
    assert (poor["reconstruction"], poor["kl"]) == pytest.approx((-5.9189, 0.5), abs=5e-5)


def test_bar_and_samples_end_on_the_screen_where_the_numbers_say(bound):
    def nats(value):
        return (value + 7.6) / 6.8 * 312

    curves, bars = (bound.place.locator("canvas").nth(i) for i in (0, 1))
    for state in ({"mu": -0.8, "s": 0.9}, {"mu": 2.0, "s": 0.4}, {"mu": 0.9, "s": 0.8}):
        found = bound.set(**state, samples=3)["outputs"]
        edge = bars.evaluate(COLUMNS, [38, *BLUE])
        assert sum(edge) / len(edge) == pytest.approx(nats(found["elbo"]), abs=2)
        ticks = curves.evaluate(COLUMNS, [177, *ORANGE])
        for z in found["z"]:
            assert min(abs(x - (z + 4) / 10 * 312) for x in ticks) < 2


def test_the_pointer_moves_q(bound):
    bound.drag(bound.place.get_by_role("slider", name="μ of q"), (0.05, 0.5), (0.5, 0.5))
    eventually(lambda: bound.get("mu") == pytest.approx(1.0, abs=0.05))
    bound.place.get_by_role("button", name="Make q the posterior").click()
    assert [bound.get("mu"), bound.get("s")] == pytest.approx([1, 0.5**0.5], abs=1e-15)


def test_the_keyboard_alone_works_every_control(bound):
    bound.place.get_by_role("slider", name="μ of q").focus()
    bound.keys("ArrowRight", "Tab", "ArrowLeft")
    assert [bound.get("mu"), bound.get("s")] == pytest.approx([-0.49, 0.49])
    bound.keys("Tab", "Home")
    assert bound.get("samples") == 1
    bound.keys("End", "Tab", "Enter", "Tab", "Space", "Tab", "ArrowRight")
    state = {"samples": 1000, "mu": 1.0, "seed": 1, "estimate": "weighted"}
    assert {name: bound.get(name) for name in state} == state


def test_every_number_of_samples_set_in_python_stays(bound):
    for n in (1, 2, 7, 137, 999):
        bound.set(samples=n)
        assert bound.get("samples") == n
        assert len(bound.probe()["inputs"]["eps"]) == n
        slider = bound.place.get_by_role("slider", name="samples")
        assert slider.get_attribute("aria-valuetext") == str(n)


def test_a_finger_works_it_at_phone_size_without_sideways_scroll(phone):
    bound = phone("elbo")
    bound.tap(bound.place.get_by_role("slider", name="samples"), (0.01, 0.5))
    eventually(lambda: bound.get("samples") <= 2)
    bound.place.get_by_role("button", name="Make q the posterior").tap()
    assert bound.get("mu") == 1.0
    bound.place.get_by_text("weighted bound").tap()
    assert bound.get("estimate") == "weighted"


def test_the_said_text_tells_state_and_finding(bound):
    bound.set(mu=0.0, s=1.0, samples=1)
    said = bound.said()
    assert "ELBO −3.42 + gap 1.15 = log p(x) −2.27 nats" in said
    assert "From 1 sample:" in said and "±" not in said
    bound.set(**POSTERIOR)
    assert "every sample gives log w = −2.2655" in bound.said()
    labels = bound.place.locator("canvas").evaluate_all("cs => cs.map(c => c.ariaLabel)")
    assert "mean 1.00 and width 0.71" in labels[0] and "gap 0.00" in labels[1]
