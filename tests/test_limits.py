"""Chapter 08: active units, two stochastic layers, annealing, a fitted prior."""

import math

import numpy as np
import pytest
import torch
from answers import checker_tests
from noise import normal, rng
from torch import nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from aecourse.autoencoder import Autoencoder
from aecourse.elbo import elbo
from aecourse.exercises import limits as checkers
from aecourse.generation import CodeSampler
from aecourse.limits import (
    HierarchicalVAE,
    active_units,
    annealed_importance_sampling,
    fit_prior,
    hierarchical_loss,
    prior_elbo,
    unit_variances,
)
from aecourse.stochastic import DiagonalGaussian
from aecourse.vae import VAE, bernoulli_nll, gaussian_log_prob


def coins(n, k, seed=0, dtype=torch.float64):
    """n rows of fair zeros and ones."""
    return (normal(n, k, seed=seed) > 0).to(dtype)


class Given(nn.Module):
    """An encoder whose mean is x times a given matrix, with one log-variance for all."""

    def __init__(self, matrix, logvar=-2.0):
        super().__init__()
        self.matrix, self.logvar = matrix, logvar

    def forward(self, x):
        mu = x @ self.matrix.to(x)
        return DiagonalGaussian(mu, torch.full_like(mu, self.logvar))


# active units


def test_active_units_of_a_known_encoder():
    x = normal(5000, 4)
    x = (x - x.mean(dim=0)) / x.std(dim=0)
    matrix = torch.diag(torch.tensor([1.0, 0.101, 0.099, 0.0]))  # variances 1, .0102, .0098, 0
    model = VAE([4], 4, likelihood="gaussian", encoder=Given(matrix))
    assert torch.allclose(unit_variances(model, x), matrix.diagonal().double().square())
    assert active_units(model, x) == 2
    assert active_units(model, x, threshold=0.5) == 1
    assert active_units(model, x, threshold=1e-3) == 3


def test_a_mean_far_from_zero_does_not_make_a_unit_active():
    model = VAE([3], 3, likelihood="gaussian", encoder=Given(torch.zeros(3, 3)))
    model.encoder.forward = lambda x: DiagonalGaussian(torch.full_like(x, 7.0), 0 * x)
    assert active_units(model, normal(50, 3)) == 0


def test_the_posterior_s_own_width_does_not_count():
    x, matrix = normal(500, 2), torch.eye(2)
    narrow, wide = (
        VAE([2], 2, likelihood="gaussian", encoder=Given(matrix, logvar)) for logvar in (-9.0, 2.0)
    )
    assert torch.equal(unit_variances(narrow, x), unit_variances(wide, x))


def test_second_layer_counts_the_variance_over_images_not_that_of_its_noisy_input():
    torch.manual_seed(0)
    model = HierarchicalVAE([2], (2, 3)).double()
    model.encoder = Given(torch.eye(2), logvar=0.0)  # z1 = x + noise of variance 1
    model.top_encoder = Given(torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, 0.0]]))
    first, second = unit_variances(model, normal(100_000, 2))
    assert torch.allclose(first, torch.ones(2).double(), atol=0.03)
    # x varies by 1, z1 by 2: only the first counts
    assert torch.allclose(second, torch.tensor([1.0, 0.25, 0.0]).double(), atol=0.03)
    assert active_units(model, normal(100_000, 2)) == (2, 2)


def test_units_are_counted_by_layer_and_only_of_a_vae():
    counts = active_units(HierarchicalVAE([4, 3], (3, 2)), torch.rand(9, 4))
    assert counts == (counts.z1, counts.z2)
    with pytest.raises(ValueError, match="model must be a VAE or a HierarchicalVAE, got Autoenc"):
        active_units(Autoencoder([4, 3]), torch.rand(9, 4))


def test_a_second_layer_that_sees_only_noise_is_not_active():
    torch.manual_seed(0)
    model = HierarchicalVAE([2], (2, 2)).double()
    model.encoder, model.top_encoder = Given(torch.zeros(2, 2), 0.0), Given(torch.eye(2))
    assert active_units(model, normal(100_000, 2), threshold=0.03) == (0, 0)


# two stochastic layers


@pytest.fixture
def tiny():
    """Three pixels, one latent number in each layer, not close to any prior."""
    torch.manual_seed(3)
    model = HierarchicalVAE([3], (1, 1), hidden=4).double()
    for parameter in model.parameters():
        parameter.data *= 2
    return model


def gauss_hermite(n=60):
    nodes, weights = np.polynomial.hermite_e.hermegauss(n)
    return torch.from_numpy(nodes)[:, None], torch.from_numpy(weights / weights.sum())


def expected_terms(model, x):
    """Reconstruction, kl_1, kl_2 of one image by Gauss-Hermite quadrature over z1, then z2."""
    nodes, weights = gauss_hermite()
    mu, logvar = model.encode(x)
    total = torch.zeros(3, dtype=torch.float64)
    for eps, weight in zip(nodes, weights):
        z1 = mu + (logvar / 2).exp() * eps
        mu2, logvar2 = model.encode_top(z1)
        z2 = mu2 + (logvar2 / 2).exp() * nodes  # (60, 1)
        mean, log_variance = model.decode_top(z2)
        log_p1 = Normal(mean, (log_variance / 2).exp()).log_prob(z1)[:, 0]
        log_q1 = Normal(mu, (logvar / 2).exp()).log_prob(z1).sum()
        kl_2 = kl_divergence(Normal(mu2, (logvar2 / 2).exp()), Normal(0.0, 1.0)).sum()
        terms = bernoulli_nll(model.decode(z1), x)[0], log_q1 - weights @ log_p1, kl_2
        total += weight * torch.stack(terms)
    return total


def exact_log_p(model, x):
    """log p(x) of one image on a grid over z1 and z2."""
    axis = torch.linspace(-9, 9, 1201, dtype=torch.float64)[:, None]
    width = 18 / 1200
    mean, logvar = model.decode_top(axis)  # over z2
    p_z1 = (Normal(mean, (logvar / 2).exp()).log_prob(axis.T)
            + Normal(0.0, 1.0).log_prob(axis)).exp().sum(dim=0) * width  # fmt: skip
    p_x = torch.exp(-bernoulli_nll(model.decode(axis), x.expand(len(axis), -1)))
    return ((p_x * p_z1).sum() * width).log()


@torch.no_grad()
def test_hierarchical_loss_is_on_average_what_quadrature_gives(tiny):
    x = torch.tensor([[1.0, 0.0, 1.0]]).double()
    torch.manual_seed(0)
    drawn = hierarchical_loss(tiny, x.expand(200_000, -1))
    for value, term in zip(expected_terms(tiny, x), ("reconstruction", "kl_1", "kl_2")):
        error = drawn[term].std() / 200_000**0.5
        assert abs(drawn[term].mean() - value) < 4 * error + 1e-9, term


@torch.no_grad()
def test_hierarchical_elbo_is_below_log_p(tiny):
    for x in (torch.tensor([[1.0, 0.0, 1.0]]), torch.tensor([[0.0, 0.0, 0.0]])):
        log_p = exact_log_p(tiny, x.double())
        gap = log_p + expected_terms(tiny, x.double()).sum()
        assert 0.05 < gap < 20


@torch.no_grad()
def test_the_closed_form_of_kl_1_at_the_drawn_z2_would_be_far_too_large():
    # z1 ~ N(0, 1), z2|z1 ~ N(z1, v) against z2 ~ N(0, 1), z1|z2 ~ N(z2, v): the KL is v / 2
    v = torch.tensor(0.1).log().item()
    model = HierarchicalVAE([1], (1, 1)).double()
    model.encoder = Given(torch.zeros(1, 1), 0.0)
    model.top_encoder = model.top_decoder = Given(torch.eye(1), v)
    torch.manual_seed(0)
    terms = hierarchical_loss(model, coins(100_000, 1))
    assert abs(terms["kl_1"].mean() - v / 2) < 0.02  # negative
    assert abs((terms["kl_1"] + terms["kl_2"]).mean() - 0.05) < 0.02
    z2 = 1.1**0.5 * normal(100_000, 1)
    closed = kl_divergence(Normal(torch.zeros_like(z2), 1.0), Normal(z2, math.exp(v / 2))).mean()
    assert abs(closed - 8.85) < 0.2


@torch.no_grad()
def test_the_loss_is_the_log_ratio_of_joint_densities_at_the_drawn_latents(tiny):
    x, generator = coins(5, 3), rng(7)
    terms = hierarchical_loss(tiny, x, generator=rng(7))
    mu, logvar = tiny.encode(x)  # the same draws again, by hand
    z1 = mu + (logvar / 2).exp() * torch.randn(5, 1, generator=generator)
    mu2, logvar2 = tiny.encode_top(z1)
    z2 = mu2 + (logvar2 / 2).exp() * torch.randn(5, 1, generator=generator)
    mean, log_variance = tiny.decode_top(z2)
    log_q1 = Normal(mu, (logvar / 2).exp()).log_prob(z1).sum(dim=1)
    log_p1 = Normal(mean, (log_variance / 2).exp()).log_prob(z1).sum(dim=1)
    kl_2 = kl_divergence(Normal(mu2, (logvar2 / 2).exp()), Normal(0.0, 1.0)).sum(dim=1)
    assert torch.allclose(terms["kl_1"], log_q1 - log_p1)
    assert torch.allclose(terms["kl_2"], kl_2)
    assert torch.allclose(terms["reconstruction"], bernoulli_nll(tiny.decode(z1), x))
    total = terms["reconstruction"] + terms["kl_1"] + terms["kl_2"]
    assert torch.allclose(terms["loss"], total)


def test_kl_2_is_zero_when_the_top_encoder_is_the_prior_and_positive_otherwise(tiny):
    assert (hierarchical_loss(tiny, coins(9, 3))["kl_2"] > 0).all()
    for parameter in tiny.top_encoder.parameters():
        parameter.data.zero_()
    assert torch.equal(hierarchical_loss(tiny, coins(9, 3))["kl_2"], torch.zeros(9).double())


def test_kl_1_is_zero_when_both_densities_of_z1_are_equal(tiny):
    for part in (tiny.encoder, tiny.top_decoder):
        for parameter in part.parameters():
            parameter.data.zero_()
    assert hierarchical_loss(tiny, coins(9, 3))["kl_1"].abs().max() < 1e-12


def test_beta_weighs_both_kl_terms_and_leaves_the_terms_alone(tiny):
    losses = {}
    for beta in (0.0, 0.5, 1.0):
        torch.manual_seed(1)
        losses[beta] = hierarchical_loss(tiny, coins(6, 3), beta=beta)
    assert torch.equal(losses[0.0]["loss"], losses[0.0]["reconstruction"])
    half = (losses[0.0]["loss"] + losses[1.0]["loss"]) / 2
    assert torch.allclose(losses[0.5]["loss"], half)
    assert torch.equal(losses[0.5]["kl_1"], losses[1.0]["kl_1"])


def test_every_part_of_the_hierarchy_gets_a_gradient():
    torch.manual_seed(0)
    model = HierarchicalVAE([6, 5], (3, 2), hidden=4)
    hierarchical_loss(model, coins(8, 6, dtype=torch.float32))["loss"].mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_terms_and_samples_have_their_shapes_and_the_model_s_dtype(dtype):
    model = HierarchicalVAE([6, 5], (3, 2)).to(dtype)
    terms = hierarchical_loss(model, coins(4, 6, dtype=dtype))
    assert set(terms) == {"loss", "reconstruction", "kl_1", "kl_2"}
    assert all(value.shape == (4,) and value.dtype == dtype for value in terms.values())
    images = model.sample(7)
    assert images.shape == (7, 6) and images.dtype == dtype and not images.requires_grad
    assert (images > 0).all() and (images < 1).all()


def test_the_same_generator_draws_the_same_images():
    model = HierarchicalVAE([6, 5], (3, 2))
    first, again = (model.sample(5, generator=rng(4)) for _ in range(2))
    assert torch.equal(first, again) and not torch.equal(first, model.sample(5))


def test_it_rebuilds_from_the_mean_of_z1():
    model, x = HierarchicalVAE([6, 5], (3, 2)), coins(4, 6, dtype=torch.float32)
    images = model.reconstruct(x)
    assert torch.equal(images, model.reconstruct(x))
    assert torch.equal(images, model.decode(model.encode(x).mu).sigmoid())


def test_sampling_evaluates_and_leaves_the_mode_that_it_found():
    model = HierarchicalVAE([6, 5], (3, 2), activation=lambda: nn.Dropout(0.5))
    model.encoder.eval()
    drawn = model.sample(5, generator=rng(0))
    assert model.training and model.top_decoder.training and not model.encoder.training
    assert torch.equal(drawn, model.eval().sample(5, generator=rng(0)))


def test_samples_follow_z2_then_z1():
    model = HierarchicalVAE([1], (1, 1))
    model.top_decoder = Given(torch.tensor([[2.0]]), logvar=0.0)  # z1 = 2 z2 + noise: variance 5
    model.decoder = nn.Sequential(nn.Linear(1, 1))
    model.decoder[0].weight.data.fill_(1.0)
    model.decoder[0].bias.data.zero_()
    z1 = model.sample(40_000, generator=rng()).double().logit()
    assert abs(z1.var() - 5) < 0.2 and abs(z1.mean()) < 0.05


# annealing


def linear_model(noise=-1.0, D=5, L=3, seed=0):
    """A VAE with a linear decoder and Gaussian pixels, and its closed-form log p(x)."""
    torch.manual_seed(seed)
    model = VAE([D], L, likelihood="gaussian", decoder=nn.Linear(L, D)).double()
    model.decoder.weight.data = normal(D, L, seed=seed)
    model.logvar_x.data.fill_(noise)
    model.requires_grad_(False)
    W, variance = model.decoder.weight, math.exp(noise)
    marginal = MultivariateNormal(model.decoder.bias, W @ W.T + variance * torch.eye(D).double())
    return model, marginal


def exact_posterior_draws(model, x, seed=0):
    """Bishop (2006), eq. 12.42."""
    W, variance = model.decoder.weight, model.logvar_x.exp()
    precision = torch.eye(W.shape[1]).double() + W.T @ W / variance
    mean = (x - model.decoder.bias) @ W / variance @ torch.linalg.inv(precision)
    root = torch.linalg.cholesky(torch.linalg.inv(precision))
    return mean + normal(len(x), W.shape[1], seed=seed) @ root.T


def test_annealing_a_linear_decoder_gives_the_closed_form():
    model, marginal = linear_model()
    torch.manual_seed(0)
    x = marginal.sample((100,))
    error = annealed_importance_sampling(model, x, 16, 150) - marginal.log_prob(x)
    assert abs(error.mean() + error.var() / 2) < 4 * error.std() / 10  # Jensen, to second order
    assert error.abs().mean() < 0.3


def test_forward_weights_have_the_mean_p_even_with_few_steps():
    model, marginal = linear_model()
    x = marginal.sample((1,))
    torch.manual_seed(0)
    log_weight = annealed_importance_sampling(model, x.expand(4000, -1), 1, 6)
    ratio = (log_weight - marginal.log_prob(x)).exp()
    assert ratio.std() > 0.3  # a loose estimate, yet
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / 4000**0.5


def test_reverse_weights_have_the_mean_one_over_p_even_with_few_steps():
    model, marginal = linear_model()
    x = marginal.sample((1,)).expand(4000, -1)
    torch.manual_seed(0)
    z = exact_posterior_draws(model, x)
    upper = annealed_importance_sampling(model, x, 1, 6, posterior_z=z)
    ratio = (marginal.log_prob(x) - upper).exp()
    assert ratio.std() > 0.3
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / 4000**0.5


def test_forward_and_reverse_annealing_bracket_log_p_of_simulated_data():
    model, marginal = linear_model()
    torch.manual_seed(0)
    z = normal(400, 3)
    x = model.decode(z) + math.exp(-0.5) * normal(400, 5, seed=1)
    log_p = marginal.log_prob(x)
    below = annealed_importance_sampling(model, x, 2, 8) - log_p
    above = annealed_importance_sampling(model, x, 2, 8, posterior_z=z) - log_p
    assert below.mean() < -4 * below.std() / 20  # 20 = sqrt(400)
    assert above.mean() > 4 * above.std() / 20
    tight = annealed_importance_sampling(model, x, 8, 60, posterior_z=z)
    tight = tight - annealed_importance_sampling(model, x, 8, 60)
    assert abs(tight.mean()) < 0.2 * (above - below).mean()


def test_more_steps_and_more_chains_tighten_the_bound():
    model, marginal = linear_model()
    x = marginal.sample((300,))
    torch.manual_seed(0)
    error = {kt: (annealed_importance_sampling(model, x, *kt) - marginal.log_prob(x)).mean()
             for kt in ((1, 3), (16, 3), (1, 50))}  # fmt: skip
    assert error[1, 3] + 0.3 < min(error[16, 3], error[1, 50])
    assert max(error.values()) < 0.05


def test_annealing_a_bent_decoder_agrees_with_a_grid():
    torch.manual_seed(0)
    model = VAE([6, 8], 2).double().requires_grad_(False)
    for parameter in model.decoder.parameters():
        parameter.data *= 3
    axis = torch.linspace(-7, 7, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    zero = torch.zeros_like(grid)
    x = coins(10, 6)
    terms = model.pairwise_log_likelihood(x, grid) + gaussian_log_prob(grid, zero, zero)
    log_p = terms.logsumexp(dim=1) + 2 * math.log(14 / 400)
    error = annealed_importance_sampling(model, x, 32, 100) - log_p
    assert abs(error.mean()) < 0.1 and error.abs().max() < 0.5


def test_annealing_modifies_neither_data_nor_weights():
    model = VAE([6, 5], 2)
    x = coins(3, 6, dtype=torch.float32)
    before = x.clone()
    bound = annealed_importance_sampling(model, x, 2, 5)
    assert bound.shape == (3,) and bound.dtype == torch.float64 and not bound.requires_grad
    assert torch.equal(x, before)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert torch.is_grad_enabled()
    assert annealed_importance_sampling(model, x[:1], 1, 1).shape == (1,)


def test_one_step_is_plain_importance_sampling_from_the_prior():
    model, _ = linear_model()
    x = normal(1, 5)
    torch.manual_seed(0)
    log_weight = annealed_importance_sampling(model, x.expand(3000, -1), 1, 1)
    z = normal(3000, 3, seed=9)
    naive = model.log_likelihood(x.expand(3000, -1), z)
    assert abs(log_weight.mean() - naive.mean()) < 4 * naive.std() * (2 / 3000) ** 0.5
    assert abs(log_weight.std() / naive.std() - 1) < 0.15


# a fitted prior


def clumped_model():
    """Images of one pixel pair go to z near (-3, 0) or (3, 0); the decoder ignores z."""
    model = VAE([2], 2, encoder=Given(torch.tensor([[6.0, 0.0], [0.0, 0.0]])))
    model.encoder.forward = lambda x: DiagonalGaussian(
        torch.stack([6 * x[:, 0] - 3, 0 * x[:, 1]], dim=1), torch.full_like(x, -2.0)
    )
    for parameter in model.decoder.parameters():
        parameter.data.zero_()
    return model


def standard_normal(k, dtype=torch.float32):
    one = torch.ones(1, dtype=torch.float64)
    return CodeSampler(one, torch.zeros(1, k).double(), torch.eye(k)[None].double(),
                       like=torch.zeros(1, dtype=dtype))  # fmt: skip


def test_a_prior_fitted_to_clumps_raises_the_elbo_by_what_it_knows():
    model, x = clumped_model(), coins(4000, 2, dtype=torch.float32)
    torch.manual_seed(0)
    prior = fit_prior(model, x[:2000], 2)
    fitted = prior_elbo(model, x[2000:], prior, 5).mean()
    # the best there is: pixels cost 2 ln 2, and the clump costs ln 2
    assert abs(fitted + 3 * math.log(2)) < 0.05
    assert fitted > elbo(model, x[2000:], 5).mean() + 2


def test_with_the_standard_prior_it_is_the_elbo():
    torch.manual_seed(0)
    model, x = VAE([6, 5], 3), coins(500, 6, dtype=torch.float32)
    sampled, closed = prior_elbo(model, x, standard_normal(3), 50), elbo(model, x, 50)
    difference = sampled - closed
    assert abs(difference.mean()) < 4 * difference.std() / 500**0.5


def test_prior_elbo_is_the_log_ratio_at_the_drawn_latents():
    model, x, prior = VAE([6, 5], 3), coins(4, 6, dtype=torch.float32), standard_normal(3)
    value = prior_elbo(model, x, prior, generator=rng(2))
    mu, logvar = model.encode(x)
    z = mu + (logvar / 2).exp() * torch.randn(4, 3, generator=rng(2))
    log_q = Normal(mu, (logvar / 2).exp()).log_prob(z).sum(dim=1)
    log_p = Normal(0.0, 1.0).log_prob(z).sum(dim=1)
    by_hand = model.log_likelihood(x, z) + log_p - log_q
    assert torch.allclose(value, by_hand.double(), atol=1e-5) and not value.requires_grad


def test_the_prior_is_fitted_to_draws_and_not_to_means():
    model, x = clumped_model(), coins(4000, 2, dtype=torch.float32)
    torch.manual_seed(0)
    z = fit_prior(model, x, 2)(20_000)
    assert abs(z[z[:, 0] > 0, 0].var() - math.exp(-2)) < 0.01
    assert abs(z[:, 1].var() - math.exp(-2)) < 0.01
    assert abs((z[:, 0] > 0).float().mean() - 0.5) < 0.03


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_fitted_prior_draws_latents_that_the_decoder_takes(dtype):
    model = VAE([6, 5], 3).to(dtype)
    x = coins(200, 6, dtype=dtype)
    prior = fit_prior(model, x, 2)
    assert model.pixels(prior(9)).shape == (9, 6)
    assert prior_elbo(model, x, prior).dtype == torch.float64


def test_the_seed_of_a_fitted_prior_fixes_its_draws_too():
    model, x = VAE([6, 5], 3), coins(200, 6, dtype=torch.float32)
    before = torch.random.get_rng_state()
    drawn = [fit_prior(model, x, 2, seed=seed)(9, generator=rng()) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert torch.equal(torch.random.get_rng_state(), before)


# what they share

VAE_3 = VAE([4, 3], 3)
PAIR = HierarchicalVAE([4, 3], (3, 2))
X = torch.linspace(0, 1, 20).view(5, 4)
DRAWS = {
    "unit_variances": lambda **g: unit_variances(PAIR, X, **g).z2,
    "hierarchical_loss": lambda **g: hierarchical_loss(PAIR, X, **g)["loss"],
    "annealing": lambda **g: annealed_importance_sampling(VAE_3, X, 2, 3, **g),
    "prior_elbo": lambda **g: prior_elbo(VAE_3, X, standard_normal(3), **g),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_the_same_generator_gives_the_same_draws(draw):
    first, again, other = (draw(generator=rng(seed)) for seed in (5, 5, 6))
    assert torch.equal(first, again) and not torch.equal(first, other)
    torch.manual_seed(5)  # without one they come from torch's own
    assert torch.equal(draw(), first)


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_is_in_evaluation_mode_and_leaves_the_mode_that_it_found(training):
    encoder = nn.Sequential(nn.BatchNorm1d(2), Given(torch.eye(2)))
    model = VAE([2], 2, encoder=encoder, decoder=nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
    x = coins(30, 2, dtype=torch.float32)
    prior = fit_prior(model.train(training), x, 1)
    prior_elbo(model, x, prior)
    active_units(model, x)
    annealed_importance_sampling(model, x, 1, 2)
    assert model.training == encoder[0].training == training
    assert encoder[0].num_batches_tracked == 0 == model.decoder[1].num_batches_tracked


REFUSED = {
    "one image": (lambda: unit_variances(VAE_3, X[:1]), "x must have at least 2 images, got 1"),
    "wide": (lambda: hierarchical_loss(PAIR, torch.zeros(5, 9)), r"x must have shape \(N, 4\)"),
    "grey above 1": (lambda: hierarchical_loss(PAIR, X + 2), r"pixels in \[0, 1\]"),
    "threshold": (lambda: active_units(VAE_3, X, 0.0), "threshold must be a finite number > 0"),
    "beta": (lambda: hierarchical_loss(PAIR, X, beta=-1.0), "beta must be a finite number >= 0"),
    "one layer": (lambda: HierarchicalVAE([4], (3,)), "latents must be .* at least 2 integers"),
    "three layers": (lambda: HierarchicalVAE([4], (3, 2, 1)), "latents must be two integers"),
    "no latent": (lambda: HierarchicalVAE([4], (3, 0)), "each of latents must be an integer >= 1"),
    "no sizes": (lambda: HierarchicalVAE([], (3, 2)), "sizes must be a list or tuple"),
    "x columns": (
        lambda: annealed_importance_sampling(VAE_3, torch.zeros(5, 9)),
        r"x must have shape \(N, 4\)",
    ),
    "x dtype": (lambda: annealed_importance_sampling(VAE_3, X.double()), "x must be torch.float32"),
    "x range": (lambda: annealed_importance_sampling(VAE_3, X + 2), "x must hold pixels"),
    "z": (
        lambda: annealed_importance_sampling(VAE_3, X, posterior_z=torch.zeros(4, 3)),
        r"posterior_z must have shape \(5, 3\), got \(4, 3\)",
    ),
    "other prior": (lambda: prior_elbo(VAE_3, X, standard_normal(2)), r"must have shape \(N, 2\)"),
}


@pytest.mark.parametrize("use, message", REFUSED.values(), ids=REFUSED)
def test_values_that_do_not_fit_are_refused(use, message):
    with pytest.raises(ValueError, match=message):
        use()


# exercises


def weights_of(log_p, betas):
    return (log_p * betas.diff()).sum(dim=2)


def bound(log_p, betas):
    log_w = weights_of(log_p, betas)
    return log_w.logsumexp(dim=1) - math.log(log_w.shape[1])


RIGHT = {
    "limits-1": [math.log(5), 1.61, torch.tensor(1.609)],
    "limits-2": ["c"],
    "limits-3": [bound],
    "limits-4": [" B "],
    "limits-5": ["(b)"],
}
WRONG = {
    "limits-1": [
        (math.log(25), "factor is missing"),
        (0.5 * math.log(1 / 0.96), "in the place of the posterior's own"),
        (math.log(5) - 0.48, "mean of mu squared"),
        (math.log2(5), "in bits"),
        (-math.log(5), "never negative"),
        (0.48, "only the part of the means"),
        (math.log(5) + 0.5, "-1 of the KL"),
        (math.log(5) - 0.5, "no logarithm"),
        (1.0, "does not follow"),
        *((other, "one number") for other in ("1.609", None, [1.609], True)),
    ],
    "limits-2": [
        ("a", "logarithm of a mean"),
        ("b", "concave"),
        ("d", "lucky draw"),
        (3, "one letter of a, b, c, d"),
    ],
    "limits-3": [
        (lambda p, b: weights_of(p, b).mean(dim=1), "average the log-weights"),
        (lambda p, b: weights_of(p, b).logsumexp(dim=1), "log of the sum"),
        (lambda p, b: -bound(p, b), "sign is wrong"),
        (lambda p, b: (p * b[1:]).sum(dim=2).logsumexp(dim=1) - math.log(4), "*step* of beta"),
        (lambda p, b: p[..., -1].logsumexp(dim=1) - math.log(4), "end of the chain"),
        (lambda p, b: p.mean(dim=2).logsumexp(dim=1) - math.log(4), "not all equal"),
        (lambda p, b: p.sum(dim=2).logsumexp(dim=1) - math.log(4), "as its factor"),
        (lambda p, b: (10 * weights_of(p, b)).exp().mean(dim=1).log(), "underflow"),
        (lambda p, b: bound(p, b).mean(), "shape should be (3,)"),
        (lambda p, b: bound(p, b).numpy(), "torch.Tensor, not ndarray"),
        (lambda p: p, "stopped with TypeError"),
        (3.0, "the function itself"),
    ],
    "limits-4": [
        ("a", "spread wider"),
        ("c", "where the clumps are"),
        ("d", "one letter of a, b, c"),
    ],
    "limits-5": [
        ("a", "Both are Gaussian"),
        ("c", "two Gaussians"),
        ("d", "sees z1 only"),
        (None, "one letter of a, b, c, d"),
    ],
}


test_right_answers_are_accepted, test_wrong_answers_get_their_hint = checker_tests(RIGHT, WRONG)


def test_no_hint_gives_the_number_away():
    hints = [checkers.limits_1(answer) for answer, _ in WRONG["limits-1"]]
    assert not any("1.6" in hint for hint in hints)


def test_limits_1_is_the_mean_kl_of_such_a_unit():
    mu = 0.96**0.5 * normal(1_000_000, 1)
    kl = kl_divergence(Normal(mu, torch.full_like(mu, 0.2)), Normal(0.0, 1.0)).mean()
    assert checkers.limits_1(kl) is None
