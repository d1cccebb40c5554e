"""Chapter 07: the bounds, the quadrature rules, and the model with an exact answer."""

import math
import re

import numpy as np
import pytest
import torch
from torch.distributions import LowRankMultivariateNormal, MultivariateNormal, kl_divergence

from aecourse import data, weights
from aecourse.autoencoder import Autoencoder
from aecourse.elbo import (
    LinearGaussianModel,
    elbo,
    importance_weighted_bound,
    naive_log_evidence,
    quadrature_elbo,
    quadrature_gap,
    quadrature_log_evidence,
)
from aecourse.elbo.bounds import AT_ONCE
from aecourse.exercises import check
from aecourse.stochastic import reparameterize
from aecourse.vae import VAE, binarize, gaussian_kl, gaussian_log_prob, vae_loss


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


def linear_gaussian(D=5, L=2, sigma=0.7, dtype=torch.float64):
    return LinearGaussianModel(normal(D, L, dtype=dtype), normal(D, seed=1, dtype=dtype), sigma)


def some_q(B, L, seed=2, dtype=torch.float64):
    """Means and log-variances of a q that fits no posterior."""
    return 2 * normal(B, L, seed=seed, dtype=dtype), normal(B, L, seed=seed + 1, dtype=dtype)


def small_vae(latent=2, likelihood="bernoulli", pixels=6):
    torch.manual_seed(0)
    model = VAE([pixels, 8], latent, likelihood=likelihood).double()
    with torch.no_grad():  # a fresh decoder hardly depends on z
        for parameter in model.parameters():
            parameter.mul_(2)
    return model.requires_grad_(False)


def bits(B, D, seed=5):
    return torch.bernoulli(torch.full((B, D), 0.5).double(), generator=seeded(seed))


@pytest.fixture(scope="module")
def trained():
    return weights.load(VAE([784, 256], 2), "vae_latent_2").double().requires_grad_(False)


@pytest.fixture(scope="module")
def digits():
    """Binarised test digits, float64."""
    return binarize(data.mnist("test").x, generator=seeded(0)).double()


# the linear-Gaussian model against torch.distributions and brute force


@pytest.mark.parametrize("sigma", [0.05, 0.7, 4.0])
def test_evidence_is_the_density_of_the_marginal_gaussian(sigma):
    model = linear_gaussian(sigma=sigma)
    x = model.sample(20, generator=seeded(3))
    cov = model.W @ model.W.T + sigma**2 * torch.eye(5).double()
    expected = MultivariateNormal(model.b, cov).log_prob(x)
    assert torch.allclose(model.log_evidence(x), expected, rtol=1e-10, atol=1e-10)


def test_evidence_of_784_pixels_agrees_with_the_low_rank_form():
    model = linear_gaussian(784, 50, 0.3)
    x = model.sample(4, generator=seeded(3))
    marginal = LowRankMultivariateNormal(model.b, model.W, torch.full((784,), 0.09).double())
    # torch subtracts two large numbers, which costs it a few digits
    assert torch.allclose(model.log_evidence(x), marginal.log_prob(x), rtol=1e-7)


def test_posterior_is_bayes_rule_on_the_joint_gaussian():
    # condition the joint of (z, x) by the block formula, which needs no Woodbury identity
    model, x = linear_gaussian(), normal(7, 5, seed=4)
    marginal = model.W @ model.W.T + 0.49 * torch.eye(5).double()
    gain = model.W.T @ torch.linalg.inv(marginal)  # (L, D)
    mean, cov = model.posterior(x)
    assert torch.allclose(mean, (x - model.b) @ gain.T)
    assert torch.allclose(cov, torch.eye(2).double() - gain @ model.W)


def test_evidence_and_posterior_agree_with_a_grid_in_one_dimension():
    model = LinearGaussianModel(torch.tensor([[1.5], [-0.5]]).double(), normal(2), 0.8)
    x = normal(3, 2, seed=4)
    z = torch.linspace(-9, 9, 4001).double()[:, None]
    joint = (model.pairwise_log_likelihood(x, z) - 0.5 * z.T**2).exp() / (2 * math.pi) ** 0.5
    step = 18 / 4000
    assert torch.allclose(model.log_evidence(x), (joint.sum(dim=1) * step).log())
    posterior = joint / joint.sum(dim=1, keepdim=True)
    mean, cov = model.posterior(x)
    assert torch.allclose(mean, posterior @ z)
    assert torch.allclose(cov, (posterior @ z**2 - mean**2)[:1])


@pytest.mark.parametrize("D, L", [(1, 1), (5, 2), (3, 6), (784, 50)])
@pytest.mark.parametrize("seed", range(3))
def test_evidence_is_elbo_plus_gap_for_any_q(D, L, seed):
    model = linear_gaussian(D, L)
    x = model.sample(8, generator=seeded(seed))
    mu, logvar = some_q(8, L, seed=10 * seed)
    difference = model.log_evidence(x) - model.elbo(x, mu, logvar) - model.gap(x, mu, logvar)
    assert difference.abs().max() <= 1e-9


def test_the_gap_is_torchs_kl_from_q_to_the_posterior_and_not_the_other_way():
    model, x = linear_gaussian(), normal(7, 5, seed=4)
    mu, logvar = some_q(7, 2)
    q = MultivariateNormal(mu, torch.diag_embed(logvar.exp()))
    posterior = MultivariateNormal(*model.posterior(x))
    gap = model.gap(x, mu, logvar)
    assert torch.allclose(gap, kl_divergence(q, posterior))
    assert not torch.allclose(gap, kl_divergence(posterior, q), rtol=0.1)
    assert (gap > 0).all()


def test_the_closed_elbo_is_the_mean_of_the_sampled_log_ratio():
    model, x = linear_gaussian(), normal(1, 5, seed=4)
    mu, logvar = some_q(1, 2)
    n = 200_000
    z = reparameterize(mu.expand(n, 2), logvar.expand(n, 2), normal(n, 2, seed=7))
    zero = torch.zeros_like(z)
    ratio = (model.log_likelihood(x.expand(n, 5), z) + gaussian_log_prob(z, zero, zero)
             - gaussian_log_prob(z, mu.expand(n, 2), logvar.expand(n, 2)))  # fmt: skip
    error = ratio.std().item() / n**0.5
    assert abs(ratio.mean().item() - model.elbo(x, mu, logvar).item()) < 3 * error


def test_the_gap_is_zero_at_the_posterior_if_the_family_holds_it():
    W = torch.diag(torch.tensor([2.0, 0.5]).double())  # independent latents: a diagonal posterior
    model, x = LinearGaussianModel(W, torch.zeros(2).double(), 0.6), normal(5, 2)
    mean, cov = model.posterior(x)
    logvar = cov.diagonal().log().expand_as(mean)
    assert model.gap(x, mean, logvar).abs().max() < 1e-12
    assert torch.allclose(model.elbo(x, mean, logvar), model.log_evidence(x))


def test_no_diagonal_q_beats_the_one_that_encode_returns():
    model, x = linear_gaussian(), normal(4, 5, seed=4)
    mu, logvar = model.encode(x)
    best = model.gap(x, mu, logvar)
    precision = model.precision()  # closed form: half of log (product of the diagonal / det)
    expected = 0.5 * (precision.diagonal().log().sum() - torch.logdet(precision))
    assert torch.allclose(best, expected.expand(4))
    for seed in range(20):
        nearby = mu + 0.1 * normal(4, 2, seed=seed), logvar + 0.1 * normal(4, 2, seed=seed + 50)
        assert (model.gap(x, *nearby) > best).all()


def test_gradients_of_elbo_gap_and_evidence_are_those_of_finite_differences():
    x, (mu, logvar) = normal(2, 3, seed=4), some_q(2, 2)

    def all_three(W, b, sigma, mu, logvar):
        model = LinearGaussianModel(W, b, sigma)
        return model.elbo(x, mu, logvar), model.gap(x, mu, logvar), model.log_evidence(x)

    inputs = normal(3, 2), normal(3, seed=1), torch.tensor(0.7).double(), mu, logvar
    assert torch.autograd.gradcheck(all_three, [t.clone().requires_grad_() for t in inputs])


def test_samples_have_the_marginal_mean_and_covariance_and_follow_the_generator():
    model = linear_gaussian(3, 2)
    x = model.sample(200_000, generator=seeded(0))
    cov = model.W @ model.W.T + 0.49 * torch.eye(3).double()
    assert torch.allclose(x.mean(dim=0), model.b, atol=0.02)
    assert torch.allclose(torch.cov(x.T), cov, atol=0.05)
    again = model.sample(5, generator=seeded(1))
    assert torch.equal(again, model.sample(5, generator=seeded(1)))


def test_pairwise_and_single_log_likelihoods_agree():
    model, x, z = linear_gaussian(), normal(4, 5), normal(4, 2, seed=1)
    pairs = model.pairwise_log_likelihood(x, z)
    assert pairs.shape == (4, 4)
    assert torch.allclose(pairs.diagonal(), model.log_likelihood(x, z))
    expected = torch.distributions.Normal(model.decode(z), 0.7).log_prob(x).sum(dim=1)
    assert torch.allclose(pairs.diagonal(), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_closed_forms_keep_the_dtype_estimates_are_float64_and_inputs_are_not_modified(dtype):
    model, x = linear_gaussian(dtype=dtype), normal(4, 5, dtype=dtype)
    q = some_q(4, 2, dtype=dtype)
    before = [t.clone() for t in (x, *q, model.W, model.b)]
    closed = [model.log_evidence(x), *model.posterior(x), model.elbo(x, *q), model.gap(x, *q)]
    assert all(result.dtype == dtype for result in closed)
    exact = linear_gaussian().log_evidence(x.double())
    assert torch.allclose(closed[0].double(), exact, rtol=1e-4)
    estimates = [elbo(model, x), importance_weighted_bound(model, x, 3),
                 naive_log_evidence(model, x, 3), *quadrature_log_evidence(model, x, 5),
                 *quadrature_elbo(model, x, 4), *quadrature_gap(model, x, 16)]  # fmt: skip
    assert all(estimate.dtype == torch.float64 for estimate in estimates)
    assert all(torch.equal(a, b) for a, b in zip(before, (x, *q, model.W, model.b)))


def test_pairs_keep_their_digits_in_float32_at_little_noise():
    single = linear_gaussian(784, 2, 0.02, torch.float32)
    double = LinearGaussianModel(single.W.double(), single.b.double(), 0.02)
    x = single.sample(30, generator=seeded(0))
    z = single.encode(x)[0]  # near the image, where a difference of large squares is worst
    found = single.pairwise_log_likelihood(x, z).diagonal()
    exact = double.log_likelihood(x.double(), z.double())
    assert torch.allclose(found.double(), exact, rtol=0, atol=0.01)


@pytest.mark.parametrize("W, b, sigma, message", [
    (torch.ones(3, 2), torch.zeros(2), 1.0, r"b must have shape \(3,\), got \(2,\)"),
    (torch.ones(3, 2), torch.zeros(3).double(), 1.0, "b must be torch.float32 as the weights"),
    (torch.ones(3, 2), torch.zeros(3), 0.0, "sigma must be a finite number > 0, got 0"),
    (torch.ones(3, 2), torch.zeros(3), torch.tensor(-1.0), "sigma must be a finite number > 0"),
])  # fmt: skip
def test_parameters_that_do_not_fit_are_refused(W, b, sigma, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        LinearGaussianModel(W, b, sigma)


def test_images_of_another_width_are_refused_by_every_estimator():
    for estimate in (
        elbo, quadrature_log_evidence, quadrature_elbo, quadrature_gap,
        lambda *given: importance_weighted_bound(*given, 2),
        lambda *given: naive_log_evidence(*given, 2),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"^x must have shape \(N, 5\), got \(2, 3\)"):
            estimate(linear_gaussian(), normal(2, 3))
        with pytest.raises(ValueError, match="^model must have .* got Autoencoder"):
            estimate(Autoencoder([5, 2]), normal(2, 5))


@pytest.mark.parametrize("name", ["mu", "logvar"])
def test_a_q_of_other_sizes_is_refused(name):
    model, x = linear_gaussian(), normal(2, 5)
    for wrong in (normal(3, 2), normal(2, 3)):
        q = {"mu": normal(2, 2), "logvar": normal(2, 2), name: wrong}
        for use in (model.elbo, model.gap):
            with pytest.raises(ValueError, match=rf"^{name} must have shape \(2, 2\), got"):
                use(x, **q)


def test_latents_of_another_length_are_refused():
    model, x, z = linear_gaussian(), normal(2, 5), normal(2, 3)
    for use in (model.decode, lambda z: model.log_likelihood(x, z),
                lambda z: model.pairwise_log_likelihood(x, z)):  # fmt: skip
        with pytest.raises(ValueError, match=r"^z must have shape \(N, 2\), got \(2, 3\)"):
            use(z)


# the sampled bounds


def test_elbo_is_within_three_standard_errors_of_the_closed_form():
    model, x = linear_gaussian(), normal(6, 5, seed=4)
    exact = model.elbo(x, *model.encode(x))
    torch.manual_seed(0)
    draws = torch.stack([elbo(model, x) for _ in range(1000)])
    error = draws.std(dim=0) / 1000**0.5
    assert ((draws.mean(dim=0) - exact).abs() < 3 * error).all()
    torch.manual_seed(1)
    assert ((elbo(model, x, 1000) - exact).abs() < 3.5 * error).all()


def test_elbo_of_a_gaussian_vae_with_a_linear_decoder_is_the_closed_form():
    # two independent roads: the VAE's code, and the linear-Gaussian formulas
    torch.manual_seed(0)
    decoder = torch.nn.Linear(2, 5)
    vae = VAE([5, 4], 2, likelihood="gaussian", decoder=decoder).double().requires_grad_(False)
    vae.logvar_x.fill_(2 * math.log(0.3))
    model = LinearGaussianModel(decoder.weight, decoder.bias, 0.3)
    x = normal(6, 5)
    exact = model.elbo(x, *vae.encode(x))
    draws = torch.stack([elbo(vae, x) for _ in range(500)])
    assert ((draws.mean(dim=0) - exact).abs() < 3.5 * draws.std(dim=0) / 500**0.5).all()
    by_rule, error = quadrature_elbo(vae, x)  # a quadratic integrand: exact with two nodes
    assert torch.allclose(by_rule, exact, atol=1e-9) and error.max() < 1e-9


def test_elbo_with_one_sample_is_minus_the_vae_loss_at_the_same_noise():
    model, x = small_vae(), bits(4, 6)
    torch.manual_seed(0)
    loss = vae_loss(model, x)["loss"]
    torch.manual_seed(0)
    assert torch.allclose(elbo(model, x), -loss, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_more_samples_average_the_reconstruction_only_and_in_float64(dtype):
    model, x = small_vae().to(dtype), bits(4, 6).to(dtype)
    mu, logvar = model.encode(x)
    torch.manual_seed(0)
    logs = [model.log_likelihood(x, reparameterize(mu, logvar)).double() for _ in range(30)]
    torch.manual_seed(0)
    by_hand = sum(logs) / 30 - gaussian_kl(mu.double(), logvar.double())
    assert torch.allclose(elbo(model, x, 30), by_hand, rtol=1e-12)


@pytest.mark.parametrize("model", [small_vae(), linear_gaussian(6)], ids=["vae", "linear"])
def test_bound_with_one_sample_is_the_log_ratio_at_the_same_noise(model):
    x = bits(4, 6)
    torch.manual_seed(0)
    bound = importance_weighted_bound(model, x, 1)
    mu, logvar = model.encode(x)
    torch.manual_seed(0)
    z = reparameterize(mu, logvar, torch.randn_like(mu))
    zero = torch.zeros_like(z)
    log_ratio = (model.log_likelihood(x, z) + gaussian_log_prob(z, zero, zero)
                 - gaussian_log_prob(z, mu, logvar))  # fmt: skip
    assert torch.allclose(bound, log_ratio, rtol=0, atol=1e-12)


def test_bound_is_the_logarithm_of_the_mean_weight_not_the_mean_of_logarithms():
    model, x = small_vae(), bits(3, 6)
    torch.manual_seed(0)
    logs = torch.stack([importance_weighted_bound(model, x, 1) for _ in range(7)])
    torch.manual_seed(0)
    bound = importance_weighted_bound(model, x, 7)
    assert torch.allclose(bound, logs.exp().mean(dim=0).log())
    assert not torch.allclose(bound, logs.mean(dim=0), atol=1e-3)


@pytest.mark.parametrize("chunk", [1, 7, 64, 199, 200, 1000, 10**6])
def test_chunk_does_not_change_the_bound_at_equal_noise(trained, digits, chunk):
    K = 3 if chunk < 64 else 12
    x = digits[:200].float()
    model = weights.load(VAE([784, 256], 2), "vae_latent_2")
    torch.manual_seed(0)
    expected = importance_weighted_bound(model, x, K, chunk=400)
    torch.manual_seed(0)
    assert torch.allclose(importance_weighted_bound(model, x, K, chunk=chunk), expected, rtol=1e-5)


class Spy:
    """A model that notes how many latents it is asked to decode at a time."""

    def __init__(self, model):
        self.model, self.latent, self.sizes = model, model.latent, []

    def encode(self, x):
        return self.model.encode(x)

    def log_likelihood(self, x, z):
        self.sizes.append(len(z))
        return self.model.log_likelihood(x, z)

    def pairwise_log_likelihood(self, x, z):
        raise AssertionError("the bound decodes each latent for its own image")


@pytest.mark.parametrize("B, K, chunk", [(3, 50, 10), (40, 7, 10), (1, 1000, 16), (5, 3, 1)])
def test_no_more_than_chunk_latents_are_decoded_at_a_time(B, K, chunk):
    spy = Spy(linear_gaussian())
    importance_weighted_bound(spy, normal(B, 5), K, chunk=chunk)
    assert max(spy.sizes) <= chunk and sum(spy.sizes) == B * K
    assert len(spy.sizes) <= 2 * math.ceil(B * K / chunk) + B  # and not one by one


def test_bound_rises_with_k_towards_the_exact_evidence():
    model = linear_gaussian(sigma=0.5)
    x = model.sample(300, generator=seeded(0))
    torch.manual_seed(0)
    bounds = [importance_weighted_bound(model, x, K).mean().item() for K in (1, 5, 50, 1000)]
    exact = model.log_evidence(x).mean().item()
    assert bounds == sorted(bounds) and bounds[-1] < exact + 0.01
    assert exact - bounds[0] > 10 * abs(exact - bounds[-1])
    elbo_mean = model.elbo(x, *model.encode(x)).mean().item()
    assert abs(bounds[0] - elbo_mean) < 0.2


def test_bounds_are_in_order_on_test_digits_and_naive_sampling_is_worse(trained, digits):
    x = digits[:50]
    torch.manual_seed(0)
    bounds = [importance_weighted_bound(trained, x, K).mean().item() for K in (1, 5, 50, 1000)]
    assert bounds == sorted(bounds)
    naive = [naive_log_evidence(trained, x, K).mean().item() for K in (50, 1000)]
    assert naive[0] < bounds[2] - 2 and naive[1] < bounds[3] - 0.2


def test_weights_far_below_the_smallest_float_do_not_underflow():
    model = linear_gaussian(784, 2, 0.02)
    x = model.sample(3, generator=seeded(0)) + 1.0  # log p(x) is about -1e6
    assert (model.log_evidence(x) < -(10**5)).all()
    for value in (importance_weighted_bound(model, x, 5), naive_log_evidence(model, x, 5)):
        assert torch.isfinite(value).all()


def test_naive_estimate_is_unbiased_before_the_logarithm():
    model = LinearGaussianModel(torch.full((1, 1), 0.5).double(), torch.zeros(1).double(), 1.0)
    x = torch.tensor([[0.3], [-1.0]]).double()
    torch.manual_seed(0)
    n = 40_000
    estimate = naive_log_evidence(model, x, n)
    sd = (model.pairwise_log_likelihood(x, normal(n, 1)) - estimate[:, None]).exp().std(dim=1)
    assert (((estimate - model.log_evidence(x)).exp() - 1).abs() < 4 * sd / n**0.5).all()


def test_naive_estimate_streams_the_same_draws():
    model, x, K = small_vae(), bits(3, 6), 2 * AT_ONCE + 100
    torch.manual_seed(0)
    estimate = naive_log_evidence(model, x, K)
    torch.manual_seed(0)
    z = torch.cat([torch.empty(n, 2).double().normal_() for n in (AT_ONCE, AT_ONCE, 100)])
    by_hand = model.pairwise_log_likelihood(x, z).logsumexp(dim=1) - math.log(K)
    assert torch.allclose(estimate, by_hand)


def test_estimates_repeat_with_the_seed_and_need_no_gradient():
    model, x = VAE([6, 4], 2), bits(3, 6).float()
    for estimate in (elbo, importance_weighted_bound, naive_log_evidence):
        torch.manual_seed(3)
        first = estimate(model, x, 4)
        torch.manual_seed(3)
        assert torch.equal(first, estimate(model, x, 4))
        assert first.shape == (3,) and not first.requires_grad


def test_a_generator_alone_decides_the_draws():
    model, x = small_vae(), bits(3, 6)
    for estimate in (elbo, importance_weighted_bound, naive_log_evidence):
        first, again, other = (estimate(model, x, 4, generator=seeded(s)) for s in (3, 3, 4))
        assert torch.equal(first, again) and not torch.equal(first, other)


def test_estimates_evaluate_and_leave_the_mode_that_they_found():
    torch.manual_seed(0)
    decoder = torch.nn.Sequential(torch.nn.Linear(2, 6), torch.nn.Dropout(0.5))
    model, x = VAE([6, 5], 2, decoder=decoder).double(), bits(3, 6)
    model.encoder.eval()

    def all_estimates():
        return [elbo(model, x, generator=seeded(0)),
                importance_weighted_bound(model, x, 4, generator=seeded(0)),
                naive_log_evidence(model, x, 4, generator=seeded(0)),
                quadrature_log_evidence(model, x, 5).value, quadrature_elbo(model, x, 4).value,
                quadrature_gap(model, x, 16).value]  # fmt: skip

    found = all_estimates()
    assert model.training and decoder[1].training and not model.encoder.training
    model.eval()
    assert all(torch.equal(a, b) for a, b in zip(found, all_estimates()))


# quadrature


@pytest.mark.parametrize("sigma", [0.3, 0.8, 3.0])
def test_the_three_rules_agree_with_the_closed_forms(sigma):
    model = linear_gaussian(sigma=sigma)
    x = model.sample(6, generator=seeded(0))
    q = model.encode(x)
    results = {
        "evidence": (quadrature_log_evidence(model, x, 401), model.log_evidence(x)),
        "elbo": (quadrature_elbo(model, x, 6), model.elbo(x, *q)),
        "gap": (quadrature_gap(model, x, 320), model.gap(x, *q)),
    }
    for (value, error), exact in results.values():
        assert torch.allclose(value, exact, rtol=0, atol=1e-8)
        assert ((value - exact).abs() <= error + 1e-9).all() and (error < 1e-3).all()


def test_evidence_of_every_image_adds_up_to_one():
    model = small_vae(pixels=6)
    x = torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * 6)  # all 64 images
    total = quadrature_log_evidence(model, x, 201).value.exp().sum().item()
    assert math.isclose(total, 1.0, abs_tol=1e-7)


def test_identity_holds_to_a_hundredth_nat_on_test_digits(trained, digits):
    wide = trained.encode(digits[:500])[1].amin(dim=1).topk(10).indices  # need few nodes
    x = digits[wide]
    (log_p, a), (bound, b), (gap, c) = (
        quadrature_log_evidence(trained, x, 201),
        quadrature_elbo(trained, x, 16),
        quadrature_gap(trained, x, 192),
    )
    assert (log_p - bound - gap).abs().max() <= 0.01
    assert (a + b + c).max() < 0.1 and (gap > 0).all()
    # a slip in any one of them would show: here the KL to the prior without its 1/2
    wrong = bound - gaussian_kl(*trained.encode(x))
    assert (log_p - wrong - gap).abs().min() > 1


def test_the_gap_does_not_use_the_grid_of_the_evidence(trained, digits, monkeypatch):
    x = digits[:4]
    expected = quadrature_gap(trained, x, 96).value

    def forbidden(*args):
        raise AssertionError("the gap must have its own rule")

    for name in ("log_sums", "gaussian_kl"):
        monkeypatch.setattr(f"aecourse.elbo.quadrature.{name}", forbidden)
    assert torch.equal(quadrature_gap(trained, x, 96).value, expected)


def test_a_grid_too_coarse_or_too_small_says_so_in_its_error(trained, digits):
    x = digits[:8]
    for num_nodes, radius in ((41, 7.0), (61, 1.0)):
        _, error = quadrature_log_evidence(trained, x, num_nodes, radius)
        assert error.max() > 0.1
    rough, error = quadrature_log_evidence(trained, x, 121)
    better, _ = quadrature_log_evidence(trained, x, 181)
    assert ((rough - better).abs() <= error + 1e-6).all() and error.max() > 0.01


def test_mass_outside_the_square_shows_in_the_error_of_the_evidence():
    model = linear_gaussian(sigma=0.8)
    x = model.decode(torch.tensor([[0.1, -0.2], [1.5, 0.0], [0.3, 3.0]]).double())
    value, error = quadrature_log_evidence(model, x, 301, radius=1.5)
    off = (value - model.log_evidence(x)).abs()
    assert off[2] > 1 and off[1] > 0.2  # the posterior is cut in two, or outside altogether
    assert (error[1:] > 0.3).all()
    assert quadrature_log_evidence(model, x, 301).error.max() < 1e-6


def test_quadrature_in_float32_is_as_good_as_rounding_allows(digits):
    model = weights.load(VAE([784, 256], 2), "vae_latent_2").requires_grad_(False)
    single = quadrature_log_evidence(model, digits[:4].float(), 101).value
    double = quadrature_log_evidence(model.double(), digits[:4], 101).value
    assert single.dtype == torch.float64 and torch.allclose(single, double, rtol=0, atol=1e-3)


@pytest.mark.parametrize("rule", [quadrature_log_evidence, quadrature_elbo, quadrature_gap])
@pytest.mark.parametrize("latent", [1, 3])
def test_quadrature_refuses_other_than_two_latents(rule, latent):
    with pytest.raises(ValueError, match=f"must have 2 latents for quadrature, got {latent}"):
        rule(linear_gaussian(5, latent), normal(2, 5))


@pytest.mark.parametrize("estimate, settings, message", [
    (elbo, {"num_samples": 0}, "num_samples must be an integer >= 1, got 0"),
    (importance_weighted_bound, {"num_samples": 3, "chunk": 0}, "chunk must be an integer >= 1"),
    (quadrature_log_evidence, {"num_nodes": 100}, "num_nodes must be odd, .* got 100"),
    (quadrature_log_evidence, {"num_nodes": 3}, "num_nodes must be an integer >= 5, got 3"),
    (quadrature_log_evidence, {"radius": 0}, "radius must be a finite number > 0, got 0"),
    (quadrature_elbo, {"num_nodes": 1}, "num_nodes must be an integer >= 2, got 1"),
    (quadrature_gap, {"num_nodes": 8}, "num_nodes must be an integer >= 16, got 8"),
    (quadrature_gap, {"num_nodes": 100}, "num_nodes must be a multiple of 8, got 100"),
    (quadrature_gap, {"radius": -1.0}, "radius must be a finite number > 0"),
])  # fmt: skip
def test_settings_out_of_range_are_refused(estimate, settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        estimate(linear_gaussian(), normal(2, 5), **settings)


# exercises


def hint_of(name, answer):
    feedback = check(name, answer)
    assert not feedback
    return feedback.message


LOG_P, BOUND, GAP = -4.2237, -7.9189, 3.6953


def test_the_answers_on_paper_are_those_of_the_model():
    model = LinearGaussianModel(torch.tensor([[2.0]]).double(), torch.zeros(1).double(), 1.0)
    x, mu, logvar = (torch.tensor([[v]]).double() for v in (5.0, 1.0, 0.0))
    exact = (model.log_evidence(x), model.elbo(x, mu, logvar), model.gap(x, mu, logvar))
    assert check("elbo-1", tuple(value.item() for value in exact))
    assert check("elbo-1", [LOG_P, BOUND, GAP]) and check("elbo-1", np.array([LOG_P, BOUND, GAP]))
    assert check("elbo-1", torch.cat(exact))


@pytest.mark.parametrize(
    "answer, hint",
    [
        ((LOG_P + 0.9189, BOUND, GAP), "In log p.x.: The constant 2 pi"),
        ((-13.419, BOUND, GAP), "likelihood"),
        ((-3.028, BOUND, GAP), "not its standard"),
        ((LOG_P, BOUND - 0.5, GAP), "In the ELBO: The KL to the prior has a factor 1/2"),
        ((LOG_P, BOUND + 1, GAP), "wrong sign"),
        ((LOG_P, BOUND + 0.5, GAP), "reconstruction term alone"),
        ((LOG_P, BOUND + 2, GAP), "z is random"),
        ((LOG_P, LOG_P, 0.0), "this q is not the posterior"),
        ((LOG_P, BOUND, 0.9047), "In the gap: .* the expectation is under q"),
        ((LOG_P, BOUND, 0.5), "KL to the prior"),
        ((LOG_P, BOUND, -GAP), "never negative"),
        ((LOG_P, BOUND, 2 * GAP), "factor 1/2"),
        ((LOG_P, BOUND, 17.0), "on paper"),
        ((LOG_P, BOUND), "three numbers"),
        (LOG_P, "three numbers"),
        ((LOG_P, "x", GAP), "one number, not str"),
    ],
)
def test_each_slip_on_paper_gets_its_own_hint(answer, hint):
    message = hint_of("elbo-1", answer)
    assert re.search(hint, message)
    assert not re.search(r"4\.22|7\.91|3\.69", message)


@pytest.mark.parametrize(
    "name, right, wrong",
    [("elbo-2", "c", "abd"), ("elbo-5", "b", "acd")],
)
def test_choices_accept_one_letter_and_say_why_the_others_are_wrong(name, right, wrong):
    assert check(name, right) and check(name, f"({right.upper()})")
    hints = {hint_of(name, letter) for letter in wrong}
    assert len(hints) == len(wrong) and all("See" in hint for hint in hints)
    assert "one letter" in hint_of(name, 3) and "one letter" in hint_of(name, "e")


def kl_terms(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar)


def test_the_elbo_estimator_is_accepted():
    assert check("elbo-3", lambda log_px, mu, logvar: log_px.mean(0) - gaussian_kl(mu, logvar))


@pytest.mark.parametrize(
    "function, hint",
    [
        (lambda p, m, v: p.mean(0) + kl_terms(m, v).sum(1), "with a minus"),
        (lambda p, m, v: kl_terms(m, v).sum(1) - p.mean(0), "That is the loss"),
        (lambda p, m, v: p.mean(0) - 2 * kl_terms(m, v).sum(1), "factor 1/2"),
        (lambda p, m, v: p.mean(0) - kl_terms(m, v).mean(1), "not averaged"),
        (lambda p, m, v: p.mean(0) - kl_terms(m, 2 * v).sum(1), "log sigma"),
        (lambda p, m, v: p.mean(0), "KL is missing"),
        (lambda p, m, v: p[0] - kl_terms(m, v).sum(1), "first draw"),
        (lambda p, m, v: p.sum(0) - kl_terms(m, v).sum(1), "grows with K"),
        (
            lambda p, m, v: p.logsumexp(0) - math.log(len(p)) - kl_terms(m, v).sum(1),
            "averages logarithms",
        ),
        (lambda p, m, v: p.mean(1), "shape should be"),
        (lambda p, m, v: 0.0, "Return a torch.Tensor"),
        (lambda p: p, "stopped with TypeError"),
        ("elbo", "Hand in the function itself"),
    ],
)
def test_wrong_estimators_get_their_own_hint(function, hint):
    assert hint in hint_of("elbo-3", function)


def test_the_weighted_bound_is_accepted():
    assert check("elbo-4", lambda log_w: log_w.logsumexp(0) - math.log(len(log_w)))
    assert check("elbo-4", lambda log_w: log_w.float().logsumexp(0) - math.log(len(log_w)))
    assert check("elbo-4", lambda w: (w - w.amax(0)).exp().mean(0).log() + w.amax(0))


@pytest.mark.parametrize(
    "function, hint",
    [
        (lambda w: w.mean(0), "average of the logarithms"),
        (lambda w: w.logsumexp(0), "1/K is missing"),
        (lambda w: w.exp().mean(0), "logarithm is missing"),
        (lambda w: w.logsumexp(0) / len(w), "inside the logarithm"),
        (lambda w: w.logsumexp(0) + math.log(len(w)), "sign of log K"),
        (lambda w: w.exp().mean(0).log(), "use torch.logsumexp"),
        (lambda w: (w - w.max()).exp().mean(0).log() + w.max(), "use torch.logsumexp"),
        (lambda w: (w - w.mean(0)).exp().mean(0).log() + w.mean(0), "use torch.logsumexp"),
        (lambda w: w.logsumexp(1) - math.log(4), "shape should be"),
        (lambda w: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_wrong_bounds_get_their_own_hint(function, hint):
    assert hint in hint_of("elbo-4", function)
