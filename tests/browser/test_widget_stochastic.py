"""Chapter 05's widget in the built book, against autograd and the closed form."""

import pytest
import torch
from living import eventually
from readings import ORANGE, column
from scipy import stats

from aecourse.stochastic import moment_gradient, reparameterize

# The pixels at places (x, y), in units of a width of 312.
PIXELS = """(c, spots) => {
  const context = c.getContext('2d'), scale = c.width / 312;
  return spots.map(([x, y]) =>
    Array.from(context.getImageData(Math.round(x * scale), Math.round(y * scale), 1, 1).data));
}"""
WIDE, EDGE, CODE_ROW = 312, 6.2, 150


@pytest.fixture
def cloud(desk):
    return desk("stochastic")


def states(**fixed):
    """A hundred states, spread over the sliders' ranges."""
    u = torch.rand(100, 3, generator=torch.Generator().manual_seed(0)).tolist()
    return [
        {"mu": 4 * a - 2, "logvar": 3 * b - 2, "eps": 5 * c - 2.5, "seed": i % 10} | fixed
        for i, (a, b, c) in enumerate(u)
    ]


def test_points_and_their_gradients_are_those_of_autograd(cloud):
    probes = cloud.sweep(states())
    eps = column(probes, "inputs", "eps")  # (100, 40)
    mu, logvar = (
        column(probes, "inputs", k)[:, None].expand_as(eps).clone().requires_grad_()
        for k in ("mu", "logvar")
    )
    z = reparameterize(mu, logvar, eps)
    d_mu, d_logvar = torch.autograd.grad(z.square().sum(), (mu, logvar))
    sigma = (logvar.detach() / 2).exp()
    expected = torch.stack([d_mu, d_logvar * 2 / sigma], dim=2)  # (100, 40, 2), chain rule for σ
    exact = torch.stack(moment_gradient(2, mu.detach()[:, 0], sigma[:, 0]), dim=1)
    errors = {
        "z": column(probes, "outputs", "z") - z.detach(),
        "slope": column(probes, "outputs", "slope") - 2 * z.detach()[:, 0],
        "one": column(probes, "outputs", "one") - expected[:, 0],
        "mean": column(probes, "outputs", "mean") - expected.mean(dim=1),
        "error": column(probes, "outputs", "error") - expected.std(dim=1) / 40**0.5,
        "exact": column(probes, "outputs", "exact") - exact,
    }
    worst = {name: error.abs().max().item() for name, error in errors.items()}
    print("stochastic: largest errors", {k: f"{v:.1e}" for k, v in worst.items()})
    assert max(worst.values()) < 1e-4


def test_the_noise_stays_when_mu_and_sigma_move_and_changes_with_the_seed(cloud):
    moves = [{"mu": -2}, {"mu": 1.5}, {"logvar": -1.3}]
    first, *others = (p["inputs"]["eps"] for p in cloud.sweep([{}, *moves]))
    assert all(eps == first for eps in others)
    cloud.place.get_by_role("button", name="New noise").click()
    assert cloud.get("seed") == 1
    assert cloud.set()["inputs"]["eps"][1:] != first[1:]


def test_direct_draws_are_gaussian_have_no_gradient_and_no_memory(cloud):
    probes = cloud.sweep(states(mode="direct"))
    assert all(p["outputs"][k] is None for p in probes for k in ("one", "mean", "error"))
    assert all(p["inputs"]["eps"] is None for p in probes)
    z, mu = column(probes, "outputs", "z"), column(probes, "inputs", "mu")[:, None]
    noise = (z - mu) / (column(probes, "inputs", "logvar") / 2).exp()[:, None]
    assert stats.kstest(noise.flatten().numpy(), "norm").pvalue > 0.01
    a, b = (torch.tensor(cloud.set(mu=mu)["outputs"]["z"]) for mu in (0.0, 0.01))
    assert (b - a).std() > 0.3  # not one cloud that was moved
    again = torch.tensor(cloud.set(mu=0.0)["outputs"]["z"])
    assert torch.equal(a, again)  # but the same state is the same picture


def from_orange(cloud, spots):
    """How far the pixels at these places are from orange, in the channel that differs most."""
    shown = cloud.place.locator("canvas").first.evaluate(PIXELS, spots)
    return (torch.tensor(shown)[:, :3] - torch.tensor(ORANGE)).abs().amax(dim=1)


def test_the_dots_on_the_screen_are_the_points(cloud):
    for mu, mode in ((-1.3, "rescale"), (0.7, "rescale"), (0.7, "direct")):
        z = cloud.set(mu=mu, logvar=0.3, mode=mode)["outputs"]["z"]
        spots = [[(v + EDGE) / (2 * EDGE) * WIDE, CODE_ROW] for v in z if abs(v) < 6]
        near = from_orange(cloud, spots) < 20
        assert near.double().mean() > 0.9  # the ring's rim may cover a neighbour
        assert (from_orange(cloud, [[x, y - 9] for x, y in spots]) > 40).all()


def test_the_pointer_moves_all_points_as_one(cloud):
    before = cloud.probe()["outputs"]["z"]
    cloud.drag(cloud.place.get_by_role("slider", name="μ", exact=True), (0.75, 0.5), (0.25, 0.5))
    eventually(lambda: cloud.get("mu") == pytest.approx(-1, abs=0.1))
    moves = torch.tensor(cloud.probe()["outputs"]["z"]) - torch.tensor(before)
    assert torch.allclose(moves, torch.full((40,), cloud.get("mu") - 1.0), atol=1e-5)


def test_the_keyboard_alone_works_every_control(cloud):
    cloud.place.get_by_role("slider", name="log σ²").focus()
    cloud.keys("ArrowRight", "Tab", "ArrowLeft", "Tab", "Enter")
    assert cloud.get("logvar") == pytest.approx(0.01)
    assert cloud.get("eps") == pytest.approx(1.19)
    assert cloud.get("seed") == 1
    cloud.place.get_by_role("radio").first.focus()
    cloud.keys("ArrowRight")
    assert cloud.get("mode") == "direct"


def test_a_finger_works_it_at_phone_size_without_sideways_scroll(phone):
    cloud = phone("stochastic")
    cloud.place.get_by_text("directly").first.tap()
    assert cloud.get("mode") == "direct"
    cloud.place.get_by_role("button", name="New noise").tap()
    assert cloud.get("seed") == 1
    cloud.tap(cloud.place.get_by_role("slider", name="μ", exact=True), (0.02, 0.5))
    eventually(lambda: cloud.get("mu") < -1.5)


def test_the_said_text_tells_state_and_finding(cloud):
    cloud.set(mu=-0.5, logvar=0.0, eps=2.0)
    said = cloud.said()
    assert "μ = −0.50, σ = 1.00" in said and "z = 1.50" in said
    assert "∂z/∂μ = 1" in said and "exact: −1.00 and 2.00" in said
    cloud.set(mode="direct")
    assert "none reaches μ or σ" in cloud.said()
    labels = cloud.place.locator("canvas").evaluate_all("cs => cs.map(c => c.ariaLabel)")
    assert "drawn directly" in labels[0] and "stops there" in labels[1]
