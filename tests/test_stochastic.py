"""Chapter 05: Gaussian encoders, sampling with and without a gradient, who gets one."""

import math

import numpy as np
import pytest
import torch
from answers import checker_tests
from noise import normal, rng
from scipy import stats
from torch import nn
from torch.distributions import Exponential, Normal

from aecourse import data
from aecourse.autoencoder import mlp
from aecourse.exercises import check
from aecourse.stochastic import (
    ConvGaussianEncoder,
    GaussianEncoder,
    gradient_ownership,
    moment_gradient,
    reparameterize,
    reparameterized_gradient,
    score_function_gradient,
)
from aecourse.train import fit
from aecourse.trivial import squared_error

ESTIMATORS = [score_function_gradient, reparameterized_gradient]
DTYPES = [torch.float32, torch.float64]


def within_three_errors(samples, truth):
    """Whether the mean of the rows is within 3 standard errors of the truth, entry by entry."""
    error = samples.std(dim=0) / len(samples) ** 0.5
    return bool(((samples.mean(dim=0) - truth).abs() <= 3 * error + 1e-12).all())


# reparameterisation


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(50,), (7, 50), (3, 7, 2)])
def test_z_is_that_of_rsample_at_the_same_eps(shape, dtype):
    mu, logvar = normal(*shape, dtype=dtype), 3 * normal(*shape, seed=1, dtype=dtype)
    torch.manual_seed(5)
    expected = Normal(mu, (logvar / 2).exp()).rsample()
    torch.manual_seed(5)
    assert torch.allclose(reparameterize(mu, logvar), expected)
    torch.manual_seed(5)
    eps = torch.randn_like(mu)
    assert torch.allclose(reparameterize(mu, logvar, eps), expected)


def test_samples_have_the_gaussian_distribution_that_plain_sampling_has():
    mu, logvar = torch.tensor([-3.0, 0.0, 2.0]), torch.tensor([-4.0, 0.0, 3.0])
    torch.manual_seed(0)
    z = reparameterize(mu.expand(20_000, 3), logvar.expand(20_000, 3))
    plain = Normal(mu, (logvar / 2).exp()).sample((20_000,))
    for j in range(3):
        cdf = stats.norm(mu[j].item(), math.exp(logvar[j].item() / 2)).cdf
        assert stats.kstest(z[:, j].numpy(), cdf).pvalue > 0.01
        assert stats.ks_2samp(z[:, j].numpy(), plain[:, j].numpy()).pvalue > 0.01


def test_derivatives_of_z_are_1_and_half_sigma_eps():
    mu, logvar, eps = (normal(4, 3, seed=s) for s in range(3))
    mu.requires_grad_(), logvar.requires_grad_(), eps.requires_grad_()
    grads = torch.autograd.grad(reparameterize(mu, logvar, eps).sum(), (mu, logvar))
    assert torch.equal(grads[0], torch.ones(4, 3).double())
    assert torch.allclose(grads[1], (logvar / 2).exp() * eps / 2)


def test_noise_drawn_inside_is_new_at_every_call_and_the_same_after_the_same_seed():
    mu = torch.zeros(4, 3)
    torch.manual_seed(1)
    first, second = reparameterize(mu, mu), reparameterize(mu, mu)
    torch.manual_seed(1)
    assert not torch.equal(first, second) and torch.equal(reparameterize(mu, mu), first)


@pytest.mark.parametrize("dtype", DTYPES)
def test_noise_of_a_generator_is_its_next_in_the_dtype_of_mu(dtype):
    mu, logvar = (normal(40, 3, seed=s, dtype=dtype) for s in range(2))
    state = torch.get_rng_state()
    z = reparameterize(mu, logvar, generator=rng(7))
    assert torch.equal(z, reparameterize(mu, logvar, normal(40, 3, seed=7, dtype=dtype)))
    assert torch.equal(torch.get_rng_state(), state)


def test_reparameterize_leaves_its_arguments_alone():
    given = [normal(4, 3, seed=s) for s in range(3)]
    copies = [t.clone() for t in given]
    reparameterize(*given)
    assert all(map(torch.equal, given, copies))


def test_log_variances_over_the_range_of_float32_give_finite_z_and_gradients():
    logvar = torch.linspace(-170, 170, 9).requires_grad_()
    z = reparameterize(torch.zeros(9), logvar, torch.ones(9))
    z.sum().backward()
    assert (z > 0).all() and torch.isfinite(z).all() and torch.isfinite(logvar.grad).all()


def test_a_log_variance_that_a_network_lost_passes_so_that_the_loop_can_say_when():
    lost = torch.full((4, 3), math.nan).requires_grad_()
    assert reparameterize(torch.zeros(4, 3), lost).isnan().all()


a = torch.zeros(4, 3)
BAD_DRAWS = {
    "logvar shape": ((a, a[:, :2]), r"logvar must be as mu, shape \(4, 3\) .*got shape \(4, 2\)"),
    "logvar broadcast": ((a, a[:1]), r"logvar must be as mu.*got shape \(1, 3\)"),
    "logvar dtype": ((a, a.double()), "logvar must be as mu.*got shape .* torch.float64"),
    "eps broadcast": ((a, a, a[:1]), r"eps must be as mu.*got shape \(1, 3\)"),
}


@pytest.mark.parametrize("arguments, message", BAD_DRAWS.values(), ids=BAD_DRAWS)
def test_reparameterize_does_not_broadcast(arguments, message):
    with pytest.raises(ValueError, match=message):
        reparameterize(*arguments)


# the encoder's gradient


class Small(nn.Module):
    """6 pixels, 2 latents, float64."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = GaussianEncoder([6, 5, 4]).double()
        self.decoder = mlp([2, 5, 6]).double()

    def loss(self, x, eps):
        return squared_error(self.decoder(reparameterize(*self.encoder(x), eps)), x).mean()


def test_the_encoder_gets_no_gradient_through_plain_sampling():
    model, x = Small(), normal(8, 6)
    mu, logvar = model.encoder(x)
    z = Normal(mu, (logvar / 2).exp()).sample()
    squared_error(model.decoder(z), x).mean().backward()
    assert all(p.grad is None for p in model.encoder.parameters())
    assert all(p.grad.norm() > 0 for p in model.decoder.parameters())


def test_the_encoder_gets_the_right_gradient_through_reparameterisation():
    """Central differences of the loss, at fixed noise, for every parameter of the encoder."""
    model, x, eps = Small(), normal(8, 6), normal(8, 2, seed=1)
    parameters = list(model.encoder.parameters())
    gradients = torch.autograd.grad(model.loss(x, eps), parameters)
    step = 1e-6
    with torch.no_grad():
        for p, gradient in zip(parameters, gradients, strict=True):
            flat, numeric = p.view(-1), torch.empty(p.numel(), dtype=p.dtype)
            for i, value in enumerate(flat.tolist()):
                flat[i] = value + step
                up = model.loss(x, eps)
                flat[i] = value - step
                numeric[i] = (up - model.loss(x, eps)) / (2 * step)
                flat[i] = value
            assert gradient.norm() > 1e-3
            assert torch.allclose(gradient.view(-1), numeric, rtol=1e-6, atol=1e-8)


def test_training_through_plain_sampling_leaves_the_encoder_bit_for_bit_alone():
    x = data.mnist("train").x[:512]
    torch.manual_seed(0)
    model = nn.ModuleDict({"encoder": GaussianEncoder([784, 16, 8]), "decoder": mlp([4, 784])})
    before = {name: p.clone() for name, p in model.named_parameters()}

    def loss(model, x):
        mu, logvar = model["encoder"](x)
        z = Normal(mu, (logvar / 2).exp()).sample()
        return {"loss": squared_error(model["decoder"](z), x)}

    fit(model, loss, data.batches(x, 128, seed=0), epochs=2)
    for name, p in model.named_parameters():
        assert torch.equal(p, before[name]) == name.startswith("encoder")


# the encoders


def test_the_notes_network_is_784_256_100_split_50_and_50():
    encoder = GaussianEncoder([784, 256, 100])
    mu, logvar = encoder(torch.rand(3, 784))
    assert mu.shape == logvar.shape == (3, 50) and encoder.latent == 50
    assert sum(p.numel() for p in encoder.parameters()) == 784 * 256 + 256 + 256 * 100 + 100
    x = torch.rand(3, 784)
    assert torch.equal(torch.cat(encoder(x), dim=1), encoder.body(x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [(4,), (4, 8), [2, 3, 4, 5, 6, 7]])
def test_the_convolutional_encoder_returns_what_the_other_one_returns(channels, dtype):
    encoder = ConvGaussianEncoder(latent=3, channels=channels).to(dtype)
    mu, logvar = encoder(torch.rand(2, 784, dtype=dtype))
    assert mu.shape == logvar.shape == (2, 3) and mu.dtype == dtype and encoder.latent == 3
    assert torch.isfinite(mu).all() and not torch.equal(mu, logvar)


def test_the_convolutional_encoder_reads_the_pixels_as_an_image():
    """Shifting an image by the stride shifts the feature maps by one, away from the border."""
    encoder = ConvGaussianEncoder(channels=(4,))
    maps = encoder.body[:3]
    x = torch.zeros(1, 28, 28)
    x[0, 8:18, 8:18] = torch.rand(10, 10, generator=rng())
    shifted = x.roll((2, 4), dims=(1, 2))
    expected = maps(x.view(1, 784)).roll((1, 2), dims=(2, 3))
    assert torch.allclose(maps(shifted.view(1, 784))[..., 3:, 3:], expected[..., 3:, 3:], atol=1e-6)


ENCODERS = [GaussianEncoder([784, 8, 4]), ConvGaussianEncoder(2, (3,))]


@pytest.mark.parametrize("encoder", ENCODERS)
def test_images_do_not_influence_each_other_and_are_not_modified(encoder):
    x = torch.rand(5, 784, generator=rng())
    before = x.clone()
    mu, logvar = encoder(x)
    alone = [torch.cat(parts) for parts in zip(*(encoder(row[None]) for row in x), strict=True)]
    assert torch.allclose(mu, alone[0], atol=1e-5) and torch.allclose(logvar, alone[1], atol=1e-5)
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: GaussianEncoder([784, 256, 101]), "last of sizes must be even.*got 101"),
        (lambda: GaussianEncoder([784]), "sizes must"),
        (lambda: GaussianEncoder([784, 0, 100]), "each of sizes must be an integer >= 1, got 0"),
        (lambda: ConvGaussianEncoder(0), "latent must be an integer >= 1, got 0"),
        (lambda: ConvGaussianEncoder(channels=()), r"channels must .* at least 1 .*got \(\)"),
        (lambda: ConvGaussianEncoder(channels=(16, 0)), "each of channels must .*got 0"),
    ],
)
def test_widths_that_make_no_encoder_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(
    "x, message",
    [
        (torch.zeros(2, 784).double(), "x must be torch.float32 as the weights"),
        (torch.zeros(2, 1, 28, 28), r"shape \(N, 784\), got \(2, 1, 28, 28\)"),
        (torch.zeros(2, 50), r"shape \(N, 784\), got \(2, 50\)"),
    ],
)
def test_images_that_do_not_fit_the_weights_are_refused(encoder, x, message):
    with pytest.raises(ValueError, match=message):
        encoder(x)


# estimators of the gradient of an expectation

MU = torch.tensor([-1.0, 0.3, 2.0], dtype=torch.float64)
SIGMA = torch.tensor([0.5, 1.0, 1.7], dtype=torch.float64)


@pytest.mark.parametrize("power", [1, 2, 3])
def test_closed_forms_are_the_derivatives_of_quadrature(power):
    """Gauss-Hermite quadrature of E[z^power] is exact for polynomials; differentiate it."""
    nodes, weights = (torch.from_numpy(v) for v in np.polynomial.hermite_e.hermegauss(5))
    mu, sigma = MU.clone().requires_grad_(), SIGMA.clone().requires_grad_()
    values = (mu + sigma * nodes[:, None]) ** power
    expectation = (weights[:, None] * values).sum() / weights.sum()
    exact = torch.autograd.grad(expectation, (mu, sigma))
    for ours, theirs in zip(moment_gradient(power, MU, SIGMA), exact, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12)


def test_closed_forms_on_paper():
    mu, sigma = torch.tensor([2.0]), torch.tensor([3.0])
    assert [[g.item() for g in moment_gradient(p, mu, sigma)] for p in (1, 2, 3)] == [
        [1, 0], [4, 6], [39, 36],
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("power", [1, 2, 3])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_both_estimators_are_within_three_errors_of_the_closed_form(estimator, power, seed):
    found = estimator(lambda z: (z**power).sum(dim=1), MU, SIGMA, 20_000, generator=rng(seed))
    for samples, truth in zip(found, moment_gradient(power, MU, SIGMA), strict=True):
        assert samples.shape == (20_000, 3) and not samples.requires_grad
        assert within_three_errors(samples, truth)


def test_three_errors_are_narrow_enough_to_notice_a_missing_half_or_a_wrong_sign():
    f = lambda z: z.square().sum(dim=1)  # noqa: E731
    for estimator in ESTIMATORS:
        _, samples = estimator(f, MU, SIGMA, 20_000, generator=rng())
        assert not within_three_errors(samples, SIGMA)
        assert not within_three_errors(samples, -2 * SIGMA)


def test_single_sample_estimates_by_hand():
    eps = normal(4, 3, seed=7)
    z = MU + SIGMA * eps
    f = lambda z: z.square().sum(dim=1)  # noqa: E731
    d_mu, d_sigma = score_function_gradient(f, MU, SIGMA, 4, generator=rng(7))
    assert torch.allclose(d_mu, f(z)[:, None] * (z - MU) / SIGMA**2)
    assert torch.allclose(d_sigma, f(z)[:, None] * ((z - MU) ** 2 / SIGMA**3 - 1 / SIGMA))
    d_mu, d_sigma = reparameterized_gradient(f, MU, SIGMA, 4, generator=rng(7))
    assert torch.allclose(d_mu, 2 * z) and torch.allclose(d_sigma, 2 * z * eps)


def test_the_score_is_the_derivative_of_the_log_density():
    mu, sigma = MU.clone().requires_grad_(), SIGMA.clone().requires_grad_()
    z = (MU + SIGMA * normal(1, 3, seed=7)).detach()
    expected = torch.autograd.grad(Normal(mu, sigma).log_prob(z).sum(), (mu, sigma))
    ones = lambda z: torch.ones(len(z), dtype=z.dtype)  # noqa: E731
    found = score_function_gradient(ones, MU, SIGMA, 1, generator=rng(7))
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours[0], theirs)


@pytest.mark.parametrize("D", [1, 3, 10])
def test_variances_are_those_of_the_closed_form(D):
    """f = |z|^2 at mu = sigma = 1: 4 and 4 (D^2 + 3.5 D + 3), per coordinate of d/dmu."""
    one, S = torch.ones(D, dtype=torch.float64), 40_000
    for estimator, truth in zip(ESTIMATORS, (4 * (D**2 + 3.5 * D + 3), 4.0), strict=True):
        found = estimator(lambda z: z.square().sum(dim=1), one, one, S, generator=rng(0))
        samples = found.mu[:, 0]
        squares = (samples - samples.mean()).square()
        assert abs(squares.mean() - truth) < 3 * squares.std() / S**0.5


def test_a_step_needs_the_score_function():
    """E[step(z)] = Phi(mu / sigma): its derivative is the density; reparameterised it is lost."""
    mu, sigma = torch.tensor([0.5], dtype=torch.float64), torch.tensor([2.0], dtype=torch.float64)
    truth = stats.norm.pdf(0.25) / 2
    for step in (lambda z: (z[:, 0] > 0).double(), lambda z: (z[:, 0].sign() + 1) / 2):
        found = score_function_gradient(step, mu, sigma, 20_000, generator=rng())
        assert within_three_errors(found.mu, truth)
        for zero in reparameterized_gradient(step, mu, sigma, 100, generator=rng()):
            assert zero.shape == (100, 1) and (zero == 0).all()


def test_a_function_of_mu_s_first_entry_alone_gives_zero_for_the_others():
    d_mu, d_sigma = reparameterized_gradient(lambda z: z[:, 0], MU, SIGMA, 5)
    assert (d_mu[:, 1:] == 0).all() and (d_sigma[:, 1:] == 0).all() and (d_mu[:, 0] == 1).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_estimators_keep_dtype_arguments_and_work_without_grad_mode(estimator, dtype):
    mu, sigma = MU.to(dtype, copy=True), SIGMA.to(dtype, copy=True)
    mu.requires_grad_(), sigma.requires_grad_()
    with torch.no_grad():
        found = estimator(lambda z: z.sum(dim=1), mu, sigma, 7)
    assert all(g.dtype == dtype and g.shape == (7, 3) for g in found)
    assert torch.equal(mu.detach(), MU.to(dtype)) and mu.grad is None and sigma.grad is None


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_same_generator_state_gives_the_same_estimates(estimator):
    f = lambda z: z.sum(dim=1)  # noqa: E731
    first, again = (estimator(f, MU, SIGMA, 7, generator=rng(3)) for _ in range(2))
    assert all(map(torch.equal, first, again))


total = lambda z: z.sum(dim=1)  # noqa: E731
BAD_ESTIMATES = {
    "sigma shape": ((total, MU, SIGMA[:1], 9), r"sigma must be as mu.*got shape \(1,\)"),
    "sigma zero": ((total, MU, 0 * SIGMA, 9), r"sigma must be > 0, got \[0.0"),
    "sigma negative": ((total, MU, -SIGMA, 9), "sigma must be > 0"),
    "mu lost": ((total, (MU * math.nan).requires_grad_(), SIGMA, 9), "mu must be finite"),
    "no samples": ((total, MU, SIGMA, 0), "num_samples must be an integer >= 1, got 0"),
    "f of the batch": ((lambda z: z.sum(), MU, SIGMA, 9), r"f must return.*\(9,\).*shape \(\)"),
    "f per entry": ((lambda z: z, MU, SIGMA, 9), r"f must return.*got shape \(9, 3\)"),
    "f number": ((lambda z: 1.0, MU, SIGMA, 9), "f must return.*got float"),
    "f nan": ((lambda z: z.sum(1) * math.nan, MU, SIGMA, 9), "f must return finite values"),
}


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("arguments, message", BAD_ESTIMATES.values(), ids=BAD_ESTIMATES)
def test_estimators_refuse_bad_input(estimator, arguments, message):
    with pytest.raises(ValueError, match=message):
        estimator(*arguments)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0, MU, SIGMA), r"power must be an integer in \[1, 3\], got 0"),
        ((4, MU, SIGMA), r"power must be an integer in \[1, 3\], got 4"),
        ((2, MU, -SIGMA), "sigma must be > 0"),
        ((2, MU, SIGMA[:2]), "sigma must be as mu"),
    ],
)
def test_closed_forms_refuse_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        moment_gradient(*arguments)


# who gets a gradient


def test_ownership_tells_no_path_from_a_zero_gradient_from_a_gradient():
    a, b, c = (nn.Parameter(torch.tensor([3.0, 4.0])) for _ in range(3))
    table = gradient_ownership({"loss": (a.square().sum() + 0 * b.sum())}, {"a": a, "b": b, "c": c})
    assert table["loss"] == {"a": pytest.approx(10.0), "b": 0.0, "c": None}
    assert repr(table) == str(table) == "      a    b  c\nloss  yes  0  –"


def test_the_norm_is_that_of_all_gradients_that_backward_leaves():
    model, x, eps = Small(), normal(8, 6), normal(8, 2, seed=1)
    per_image = squared_error(model.decoder(reparameterize(*model.encoder(x), eps)), x)
    modules = {"encoder": model.encoder, "decoder": model.decoder}
    table = gradient_ownership({"per image": per_image, "mean": per_image.mean()}, modules)
    per_image.mean().backward()
    for name, module in modules.items():
        norm = torch.cat([p.grad.flatten() for p in module.parameters()]).norm().item()
        assert table["per image"][name] == pytest.approx(norm)
        assert table["mean"][name] == pytest.approx(norm)


def test_asking_changes_neither_grad_nor_graph():
    model, x = Small(), normal(8, 6)
    loss = squared_error(model.decoder(model.encoder(x)[0]), x)
    marked = model.encoder.body[0].weight
    marked.grad = torch.ones_like(marked)
    first = gradient_ownership({"loss": loss}, {"model": model})
    assert first == gradient_ownership({"loss": loss}, {"model": model})
    assert torch.equal(marked.grad, torch.ones_like(marked))
    assert all(p.grad is None for p in model.parameters() if p is not marked)
    loss.mean().backward()  # the graph is still there


def test_plain_sampling_cuts_the_encoder_off_and_rsample_does_not():
    model, x = Small(), normal(8, 6)
    mu, logvar = model.encoder(x)
    q = Normal(mu, (logvar / 2).exp())
    losses = {name: squared_error(model.decoder(z), x)
              for name, z in {"sample": q.sample(), "rsample": q.rsample()}.items()}  # fmt: skip
    table = gradient_ownership(losses, {"encoder": model.encoder, "decoder": model.decoder})
    assert table["sample"]["encoder"] is None and table["sample"]["decoder"] > 0
    assert table["rsample"]["encoder"] > 0 and table["rsample"]["decoder"] > 0


def test_losses_and_parts_that_need_no_gradient_give_none():
    model, x = Small(), normal(8, 6)
    loss = squared_error(model.decoder(model.encoder(x)[0]), x)
    model.encoder.requires_grad_(False)
    z = model.encoder(x)[0]
    table = gradient_ownership(
        {"constant": torch.tensor(1.0), "no graph": loss.detach(), "loss": loss,
         "frozen": squared_error(model.decoder(z), x)},
        {"encoder": model.encoder, "decoder": model.decoder, "x": x, "no parameters": nn.GELU()},
    )  # fmt: skip
    nothing = {"encoder": None, "decoder": None, "x": None, "no parameters": None}
    assert table["constant"] == table["no graph"] == nothing
    assert table["frozen"]["encoder"] is None and table["frozen"]["decoder"] > 0


def test_a_tensor_inside_the_graph_may_be_asked_too_and_partly_used_modules_have_a_norm():
    model, x = Small(), normal(8, 6)
    mu, logvar = model.encoder(x)
    table = gradient_ownership({"mu": mu.sum(dim=1)}, {"mu": mu, "logvar": logvar, "all": model})
    assert table["mu"]["mu"] == pytest.approx((mu.numel() / 64) ** 0.5)
    assert table["mu"]["logvar"] is None and table["mu"]["all"] > 0


def test_a_gradient_that_is_not_a_number_is_no_zero():
    p = nn.Parameter(torch.zeros(1))
    table = gradient_ownership({"loss": p.sqrt().sum() * 0}, {"p": p})
    assert math.isnan(table["loss"]["p"]) and "yes" in str(table)


def test_the_table_lines_up():
    p, q = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    table = gradient_ownership({"reconstruction": p.sum(), "b": q.sum()}, {"long name": p, "q": q})
    assert str(table) == (
        "                long name  q\n"
        "reconstruction  yes        –\n"
        "b               –          yes"
    )  # fmt: skip


one = torch.ones(3, requires_grad=True)
BAD_TABLES = {
    "no losses": (({}, {"a": one}), "losses must be a dict with at least one entry.* got {}"),
    "losses list": (([one], {"a": one}), "losses must be a dict"),
    "no modules": (({"l": one}, {}), "modules must be a dict"),
    "numbered": (({"l": one}, {0: one}), "modules must be a dict with .* by name"),
    "loss number": (({"l": 1.0}, {"a": one}), r"losses\['l'\] must be a torch.Tensor, got float"),
    "loss integers": (({"l": one.long()}, {"a": one}), r"losses\['l'\] must be float32 or float64"),
    "loss matrix": (({"l": one[None]}, {"a": one}), r"losses\['l'\] .*\(B,\), got \(1, 3\)"),
    "loss empty": (({"l": one[:0]}, {"a": one}), r"losses\['l'\] must not be empty"),
    "part list": (({"l": one}, {"a": [one]}), r"modules\['a'\] must be a Module.*got list"),
}


@pytest.mark.parametrize("arguments, message", BAD_TABLES.values(), ids=BAD_TABLES)
def test_bad_tables_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        gradient_ownership(*arguments)


# exercises


def exponential(rate, u):
    return -torch.log1p(-u) / rate


def changes_u(rate, u):
    return -u.log_() / rate


def right_value_wrong_gradient(rate, u):
    return exponential(rate.detach(), u) + rate - rate.detach()


RIGHT = {
    "stochastic-1": [54],
    "stochastic-2": [-1.5],
    "stochastic-3": [exponential, lambda rate, u: -u.log() / rate],  # 1 - u is uniform, too
    "stochastic-4": ["(b)"],
    "stochastic-5": ["c"],
}
WRONG = {
    "stochastic-1": [
        (36, "respect to sigma"), (6, "respect to the variance"), (39, "respect to mu"),
        (108, "factor ½"), (24, "divided where"), (62, "expectation itself"), (0, "does depend"),
        (55, "does not follow"), ("54", "one number"), (None, "one number"),
    ],
    "stochastic-2": [
        (2, "reparameterised estimate"), (4, "true derivative"), (1, "respect to mu"),
        (-3, "1 / sigma is missing"), (1.5, "sign"), (-0.375, "score alone"),
        (0.5, "-1 in eps²"), (7, "does not follow"), ("2", "one number"),
    ],
    "stochastic-3": [
        (lambda rate, u: u.log() / rate, "negative"),
        (lambda rate, u: -u.log() * rate, "mean is the rate"),
        (lambda rate, u: -u.log(), "rate is not used"),
        (lambda rate, u: u / rate, "not exponential"),
        (lambda rate, u: exponential(rate, u).detach(), "no path from them"),
        (lambda rate, u: exponential(rate.detach(), u), "no path from them"),
        (lambda rate, u: exponential(rate.detach(), u) + 0 * one.sum(), "no path"),
        (right_value_wrong_gradient, "the gradient is not"), (changes_u, "changes its arguments"),
        (lambda rate, u: Exponential(rate).rsample(u.shape[:1]), "same u"),
        (lambda rate, u: Exponential(rate).sample(u.shape[:1]), "same u"),
        (lambda rate, u: exponential(rate, u)[:, 0], "shape should be that of u"),
        (lambda rate, u: exponential(rate, u).detach().numpy(), "not ndarray"),
        (lambda rate, u: None, "not NoneType"),
        (lambda rate: rate, "stopped with TypeError"), (1.0, "the function itself"),
    ],
    "stochastic-4": [
        ("a", "Follow the log-variance"), ("c", "feeds both heads"), ("d", "cuts one path"),
        ("e", "one letter of a, b, c, d"),
    ],
    "stochastic-5": [
        ("a", "no jump"), ("b", "no jump"), ("d", "best case"), (3, "one letter of a, b, c, d"),
    ],
}  # fmt: skip


test_right_answers, test_wrong_answers = checker_tests(RIGHT, WRONG)


def test_no_hint_gives_the_number_away():
    for name in ("stochastic-1", "stochastic-2"):
        messages = [check(name, wrong).message for wrong, _ in WRONG[name]]
        assert not any("54" in message or "-1.5" in message for message in messages)
