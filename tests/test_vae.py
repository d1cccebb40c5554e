"""Chapter 06: the KL, the likelihoods, and the variational autoencoder."""

import math
from decimal import Decimal, getcontext
from functools import partial

import pytest
import torch
from scipy import integrate
from torch import distributed, distributions, nn
from torch.nn.parallel import DistributedDataParallel

from aecourse import data, train
from aecourse.autoencoder import Autoencoder
from aecourse.exercises import check
from aecourse.exercises import vae as checkers
from aecourse.stochastic import ConvGaussianEncoder, GaussianEncoder
from aecourse.vae import VAE, bernoulli_nll, binarize, gaussian_kl, gaussian_log_prob, vae_loss

each_dtype = pytest.mark.parametrize("dtype", (torch.float32, torch.float64), ids=str)
each_likelihood = pytest.mark.parametrize("likelihood", ("bernoulli", "gaussian"))


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


def bits(n, columns, seed=0, dtype=torch.float64):
    return torch.randint(2, (n, columns), generator=seeded(seed)).to(dtype)


def small(likelihood="bernoulli", dtype=torch.float64, **options):
    torch.manual_seed(0)
    return VAE([6, 5], 3, likelihood=likelihood, **options).to(dtype)


def close(found, wanted, dtype):
    """1e-6 relative in float64, 1e-6 + 1e-6 |value| in float32, against a float64 oracle."""
    allowed = 1e-6 * wanted.abs() + (1e-6 if dtype == torch.float32 else 0)
    return found.dtype == dtype and ((found.double() - wanted).abs() <= allowed).all()


# the KL to the prior


def test_the_kl_is_exactly_zero_at_the_prior():
    zero = torch.zeros(2, 50)
    assert torch.equal(gaussian_kl(zero, zero), torch.zeros(2))


@each_dtype
def test_the_kl_is_positive_everywhere_else(dtype):
    steps = torch.logspace(-3, 1.4, 200, dtype=dtype)[:, None]
    zero = torch.zeros_like(steps)
    for mu, logvar in ((steps, zero), (-steps, zero), (zero, steps), (zero, -steps)):
        assert (gaussian_kl(mu, logvar) > 0).all()


@each_dtype
@pytest.mark.parametrize("scale", [1e-3, 0.1, 1, 10, 30])
def test_the_kl_is_that_of_torch_distributions(scale, dtype):
    mu = scale * normal(200, 20, dtype=dtype)
    logvar = scale * (2 * torch.rand(200, 20, dtype=dtype) - 1)
    q = distributions.Normal(mu.double(), torch.exp(logvar.double() / 2))
    prior = distributions.Normal(torch.tensor(0.0).double(), torch.tensor(1.0).double())
    oracle = distributions.kl_divergence(q, prior).sum(dim=1)
    assert close(gaussian_kl(mu, logvar), oracle, dtype)


@pytest.mark.parametrize("logvar", [1e-4, -1e-3, 1e-2, -0.1, 1.0, -30.0, 30.0])
def test_the_kl_keeps_its_digits_near_the_prior(logvar):
    """Against 50 decimal digits: where exp(logvar) - 1 - logvar loses all of float32's seven."""
    getcontext().prec = 50
    zero, one = torch.zeros(1, 1), torch.full((1, 1), logvar)  # float32
    exact = Decimal(one.item())
    exact = float((exact.exp() - 1 - exact) / 2)
    assert gaussian_kl(zero.double(), one.double()).item() == pytest.approx(exact, rel=1e-6)
    assert abs(gaussian_kl(zero, one).item() - exact) <= 1e-6 * exact + 1e-7 * abs(logvar)


def test_the_kl_of_a_shift_by_one_is_half_a_nat_and_kls_of_latents_add():
    mu, logvar = torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, math.log(4)], [0, 0]])
    by_hand = torch.tensor([0.5 + (4 - 1 - math.log(4)) / 2, 1.0])
    assert torch.allclose(gaussian_kl(mu, logvar), by_hand)


@each_dtype
def test_the_kl_has_finite_gradients_at_extremes(dtype):
    mu, logvar = (t.requires_grad_() for t in normal(2, 3, 4, dtype=dtype).mul(10).unbind())
    extreme = torch.tensor([-30.0, 30.0, 0.0, 1e-30], dtype=dtype).repeat(3, 1).requires_grad_()
    (gaussian_kl(mu, logvar).sum() + gaussian_kl(mu, extreme).sum()).backward()
    assert all(torch.isfinite(t.grad).all() for t in (mu, logvar, extreme))


def test_the_gradient_of_the_kl_pulls_to_the_prior():
    mu, logvar = (t.requires_grad_() for t in normal(2, 3, 4).unbind())
    gaussian_kl(mu, logvar).sum().backward()
    assert torch.allclose(mu.grad, mu)
    assert torch.allclose(logvar.grad, (logvar.exp() - 1) / 2)


# the likelihoods


@each_dtype
@pytest.mark.parametrize("scale", [0.1, 1, 10, 30])
def test_the_gaussian_density_is_that_of_torch_distributions(scale, dtype):
    x, mu = normal(2, 200, 20, dtype=dtype).mul(scale).unbind()
    logvar = scale * (2 * torch.rand(200, 20, dtype=dtype) - 1)
    oracle = distributions.Normal(mu.double(), torch.exp(logvar.double() / 2))
    assert close(gaussian_log_prob(x, mu, logvar), oracle.log_prob(x.double()).sum(dim=1), dtype)


def test_one_noise_level_for_all_pixels_broadcasts():
    x, mu = normal(2, 4, 6).unbind()
    logvar = torch.tensor(-1.5).double()
    assert torch.allclose(gaussian_log_prob(x, mu, logvar),
                          gaussian_log_prob(x, mu, logvar.expand(4, 6)))  # fmt: skip


@pytest.mark.parametrize("logvar", [-4.0, 0.0, 3.0])
def test_the_gaussian_density_integrates_to_one(logvar):
    def density(t):
        x = torch.tensor([[t]]).double()
        one = torch.ones_like(x)
        return gaussian_log_prob(x, 0.3 * one, logvar * one).exp().item()

    width = 12 * math.exp(logvar / 2)
    total, _ = integrate.quad(density, 0.3 - width, 0.3 + width)
    assert total == pytest.approx(1, abs=1e-7)


def test_a_density_at_its_mode_has_finite_gradients_where_the_variance_vanishes():
    x = torch.zeros(1, 2)
    mu, logvar = torch.zeros(1, 2, requires_grad=True), torch.full((1, 2), -120.0)
    value = gaussian_log_prob(x, mu, logvar.requires_grad_())
    value.sum().backward()
    assert torch.isfinite(torch.cat([value, mu.grad[0], logvar.grad[0]])).all()


@each_dtype
@pytest.mark.parametrize("scale", [0.1, 5, 80])
def test_the_bernoulli_likelihood_is_that_of_torch_distributions(scale, dtype):
    logits = scale * (2 * torch.rand(100, 30, dtype=dtype) - 1)
    x = bits(100, 30, dtype=dtype)
    oracle = distributions.Bernoulli(logits=logits.double()).log_prob(x.double()).sum(dim=1)
    assert close(bernoulli_nll(logits, x), -oracle, dtype)


@each_dtype
def test_the_bernoulli_likelihood_has_finite_gradients_at_extreme_logits(dtype):
    logits = torch.tensor([[80.0, -80.0, 80.0, -80.0, 0.0, 1e4]], dtype=dtype).requires_grad_()
    x = torch.tensor([[1.0, 0.0, 0.0, 1.0, 0.5, 0.0]], dtype=dtype)
    bernoulli_nll(logits, x).sum().backward()
    assert torch.allclose(logits.grad, logits.detach().sigmoid() - x)


def test_the_probabilities_of_all_images_of_two_pixels_sum_to_one():
    x = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]).double()
    logits = torch.tensor([[1.3, -0.4]]).double().expand(4, 2)
    assert bernoulli_nll(logits, x).neg().exp().sum().item() == pytest.approx(1, rel=1e-12)


def test_over_grey_pixels_the_bernoulli_formula_does_not_integrate_to_one():
    def formula(x):
        return bernoulli_nll(torch.tensor([[2.0]]), torch.tensor([[x]])).neg().exp().item()

    p = 1 / (1 + math.exp(-2))
    total, _ = integrate.quad(formula, 0, 1)
    assert total == pytest.approx((2 * p - 1) / math.log(p / (1 - p)), rel=1e-5)
    assert total < 0.7


def test_duplicating_every_pixel_doubles_the_nll_and_leaves_the_kl_unchanged():
    logits, x = normal(4, 6), bits(4, 6)
    assert torch.allclose(bernoulli_nll(logits.repeat(1, 2), x.repeat(1, 2)),
                          2 * bernoulli_nll(logits, x))  # fmt: skip

    class Twice(nn.Module):
        def __init__(self, encoder):
            super().__init__()
            self.encoder = encoder

        def forward(self, x):
            return self.encoder(x[:, :6])

    model = small()
    last = model.decoder[-1]
    wide = nn.Linear(5, 12).double()
    wide.load_state_dict({"weight": last.weight.repeat(2, 1), "bias": last.bias.repeat(2)})
    doubled = VAE([12, 5], 3, encoder=Twice(model.encoder),
                  decoder=nn.Sequential(*model.decoder[:-1], wide))  # fmt: skip
    once, twice = (seeded_loss(m, y) for m, y in ((model, x), (doubled, x.repeat(1, 2))))
    assert torch.allclose(twice["reconstruction"], 2 * once["reconstruction"])
    assert torch.allclose(twice["kl"], once["kl"])


def seeded_loss(model, x, beta=1.0):
    return vae_loss(model, x, beta, generator=seeded(1))


# drawing pixels


def test_binarized_pixels_are_0_or_1_with_the_grey_value_as_their_mean():
    x = torch.tensor([[0.0, 0.25, 0.5, 1.0]]).repeat(20_000, 1)
    drawn = binarize(x, generator=seeded(0))
    assert drawn.dtype == x.dtype and set(drawn.unique().tolist()) == {0.0, 1.0}
    assert (drawn[:, 0] == 0).all() and (drawn[:, 3] == 1).all()
    assert torch.allclose(drawn.mean(dim=0), x[0], atol=0.012)  # over 3 standard errors


def test_the_same_generator_draws_the_same_pixels_and_leaves_x_alone():
    x = torch.full((5, 7), 0.5)
    a, b = (binarize(x, generator=seeded(3)) for _ in range(2))
    assert torch.equal(a, b) and (x == 0.5).all()
    assert not torch.equal(a, binarize(x, generator=seeded(4)))


# the model


def test_the_notes_network_has_the_notes_sizes():
    model = VAE([784, 256], 50)
    widths = [(m.in_features, m.out_features) for m in model.modules() if isinstance(m, nn.Linear)]
    assert widths == [(784, 256), (256, 100), (50, 256), (256, 784)]
    mu, logvar = model.encode(torch.rand(3, 784))
    assert mu.shape == logvar.shape == (3, 50)
    assert model.decode(mu).shape == (3, 784)


@each_likelihood
@each_dtype
def test_all_methods_keep_dtype_and_shape_and_leave_their_input_alone(likelihood, dtype):
    model, x = small(likelihood, dtype), bits(4, 6, dtype=dtype)
    before, z = x.clone(), normal(4, 3, dtype=dtype)
    for images in (model.reconstruct(x), model.pixels(z), model.decode(z), model.sample(4)):
        assert images.shape == (4, 6) and images.dtype == dtype
    for value in (model.log_likelihood(x, z), *vae_loss(model, x).values()):
        assert value.shape == (4,) and value.dtype == dtype
    assert torch.equal(x, before)


@each_likelihood
def test_log_likelihood_is_that_of_torch_distributions(likelihood):
    model, x, z = small(likelihood), bits(4, 6), normal(4, 3)
    output = model.decoder(z)
    if likelihood == "gaussian":
        model.logvar_x.data.fill_(-1.2)
        oracle = distributions.Normal(output, math.exp(-0.6))
    else:
        oracle = distributions.Bernoulli(logits=output)
    assert torch.allclose(model.log_likelihood(x, z), oracle.log_prob(x).sum(dim=1))


@each_likelihood
def test_all_pairs_at_once_are_the_pairs_one_by_one(likelihood):
    model, x, z = small(likelihood), bits(4, 6), normal(7, 3)
    if likelihood == "gaussian":
        model.logvar_x.data.fill_(-1.2)
    pairs = model.pairwise_log_likelihood(x, z)
    assert pairs.shape == (4, 7)
    for k in range(7):
        assert torch.allclose(pairs[:, k], model.log_likelihood(x, z[k].expand(4, 3)))


def test_pixels_are_the_mean_of_the_likelihood():
    z = normal(4, 3)
    assert torch.allclose(small().pixels(z), small().decode(z).sigmoid())
    assert torch.equal(small("gaussian").pixels(z), small("gaussian").decode(z))


def test_reconstruct_decodes_the_mean_of_q_and_is_not_random():
    model, x = small(), bits(4, 6)
    assert torch.equal(model.reconstruct(x), model.reconstruct(x))
    assert torch.equal(model.reconstruct(x), model.pixels(model.encode(x)[0]))


def test_samples_are_decoded_draws_from_the_prior_and_need_no_encoder():
    model = small(encoder=nn.Identity())
    drawn = model.sample(5, generator=seeded(0))
    again, other = (model.sample(5, generator=seeded(seed)) for seed in (0, 1))
    assert torch.equal(drawn, again) and not torch.equal(drawn, other)
    assert not drawn.requires_grad
    torch.manual_seed(0)
    many = model.sample(20_000)
    expected = model.pixels(normal(20_000, 3, seed=1))
    assert torch.allclose(many.mean(dim=0), expected.mean(dim=0), atol=0.01)


def test_sampling_evaluates_and_leaves_the_mode_that_it_found():
    model = small(decoder=nn.Sequential(nn.Linear(3, 6), nn.Dropout(0.5)))
    model.encoder.eval()
    drawn = model.sample(5, generator=seeded(0))
    assert model.training and model.decoder[1].training and not model.encoder.training
    assert torch.equal(drawn, model.eval().sample(5, generator=seeded(0)))


@each_likelihood
def test_forward_gives_both_terms_at_one_draw_from_q(likelihood):
    model, x = small(likelihood), bits(4, 6)
    reconstruction, kl = model(x, generator=seeded(0))
    mu, logvar = model.encode(x)
    q, prior = distributions.Normal(mu, (logvar / 2).exp()), distributions.Normal(0.0, 1.0)
    assert torch.allclose(kl, distributions.kl_divergence(q, prior).sum(dim=1), atol=1e-5)
    output = model.decode(q.loc + q.scale * torch.randn(mu.shape, generator=seeded(0)))
    p = {"bernoulli": distributions.Bernoulli(logits=output),
         "gaussian": distributions.Normal(output, 1.0)}[likelihood]  # fmt: skip
    assert torch.allclose(reconstruction, -p.log_prob(x).sum(dim=1), atol=1e-4)


def test_a_convolutional_encoder_fits_with_loss_and_loop_unchanged():
    torch.manual_seed(0)
    model = VAE([784, 32], 4, encoder=ConvGaussianEncoder(4))
    x = data.mnist("train").x[:256]
    history = train.fit(model, lambda m, x: vae_loss(m, torch.bernoulli(x)),
                        data.batches(x, 16, seed=0), epochs=2, lr=3e-3)  # fmt: skip
    assert history["loss"][1] < 0.8 * history["loss"][0]


def test_a_decoder_of_ones_own_fits():
    model = VAE([6, 5], 3, decoder=nn.Linear(3, 6))
    assert vae_loss(model, bits(4, 6, dtype=torch.float32))["loss"].shape == (4,)


# the loss


def test_the_loss_is_minus_the_elbo_by_hand_on_two_pixels():
    """One latent, two pixels, all weights given: every number in plain Python."""
    model = VAE([2], 1).double()
    values = {
        "encoder.body.0.weight": [[1.0, -0.5], [0.3, 0.1]], "encoder.body.0.bias": [0.2, -0.4],
        "decoder.0.weight": [[1.5], [-2.0]], "decoder.0.bias": [0.1, 0.6],
    }  # fmt: skip
    model.load_state_dict(
        {key: torch.tensor(value, dtype=torch.float64) for key, value in values.items()}
    )
    x = torch.tensor([[1.0, 0.0]]).double()
    torch.manual_seed(0)
    eps = torch.randn(1, 1, dtype=torch.float64).item()

    mu, logvar = 1.0 + 0.2, 0.3 - 0.4
    z = mu + math.exp(logvar / 2) * eps
    p = [1 / (1 + math.exp(-a)) for a in (1.5 * z + 0.1, -2.0 * z + 0.6)]
    elbo = math.log(p[0]) + math.log(1 - p[1])
    kl = 0.5 * (mu**2 + math.exp(logvar) - 1 - logvar)

    torch.manual_seed(0)
    loss = vae_loss(model, x)
    assert loss["reconstruction"].item() == pytest.approx(-elbo, rel=1e-12)
    assert loss["kl"].item() == pytest.approx(kl, rel=1e-12)
    assert loss["loss"].item() == pytest.approx(-(elbo - kl), rel=1e-12)


@pytest.mark.parametrize("beta", [0, 0.5, 1, 784.0])
def test_beta_weights_the_kl_and_nothing_else(beta):
    loss, plain = (seeded_loss(small(), bits(4, 6), b) for b in (beta, 1.0))
    assert torch.equal(loss["kl"], plain["kl"])
    assert torch.equal(loss["reconstruction"], plain["reconstruction"])
    assert torch.allclose(loss["loss"], plain["reconstruction"] + beta * plain["kl"])


@each_likelihood
def test_every_parameter_gets_the_gradient_of_finite_differences(likelihood):
    """The encoder's too, through the reparameterised sample."""
    model, x = small(likelihood), bits(4, 6)
    seeded_loss(model, x)["loss"].mean().backward()
    for name, parameter in model.named_parameters():
        flat, step = parameter.data.view(-1), 1e-6
        for i in range(0, len(flat), 3):
            values = []
            for sign in (1, -1):
                flat[i] += sign * step
                values.append(seeded_loss(model, x)["loss"].mean().item())
                flat[i] -= sign * step
            numeric = (values[0] - values[1]) / (2 * step)
            found = parameter.grad.view(-1)[i].item()
            assert found == pytest.approx(numeric, rel=1e-5, abs=1e-8), name
    assert any(p.grad.abs().max() > 1e-3 for p in model.encoder.parameters())


def test_a_constant_shift_between_two_seeds_averages_to_the_exact_elbo_of_a_linear_model():
    """E_q[log N(x; Wz + b, s^2 I)] has a closed form; the mean of many losses reaches it."""
    one = torch.ones(200_000, 2).double()
    encoder = Returns((0.7 * one, -0.8 * one))
    model = VAE([2], 2, likelihood="gaussian", encoder=encoder, decoder=nn.Linear(2, 2)).double()
    model.logvar_x.data.fill_(-0.5)
    W, b = model.decoder.weight.data, model.decoder.bias.data
    x = normal(1, 2, seed=5).expand(200_000, 2)
    mu, logvar = (t[0] for t in model.encode(x))
    distance = (x[0] - W @ mu - b).square().sum() + (W**2 @ logvar.exp()).sum()
    exact = 0.5 * (distance * math.exp(0.5) + 2 * (-0.5 + math.log(2 * math.pi)))
    torch.manual_seed(0)
    drawn = vae_loss(model, x)["reconstruction"]
    error = drawn.std().item() / len(drawn) ** 0.5
    assert abs(drawn.mean().item() - exact.item()) < 4 * error


class Returns(nn.Module):
    """An encoder or decoder without parameters that ignores its input."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return self.value


@pytest.mark.parametrize("wrong", ["no half", "wrong sign", "mean over latents"])
def test_these_tests_would_notice_the_published_mistakes(wrong, monkeypatch):
    """A KL without its half, with the wrong sign, or averaged: each fails a test above."""
    factor = {"no half": 2, "wrong sign": -1, "mean over latents": 0.5}[wrong]
    right = gaussian_kl
    monkeypatch.setitem(globals(), "gaussian_kl", lambda mu, logvar: factor * right(mu, logvar))
    with pytest.raises(AssertionError):
        test_the_kl_of_a_shift_by_one_is_half_a_nat_and_kls_of_latents_add()
    with pytest.raises(AssertionError):
        test_the_gradient_of_the_kl_pulls_to_the_prior()


def test_training_raises_the_elbo_and_learns_the_noise_level():
    torch.manual_seed(0)
    x = data.mnist("train").x[:2000]
    model = VAE([784, 64], 8, likelihood="gaussian")
    history = train.fit(model, vae_loss, data.batches(x, 50, seed=0), epochs=5, lr=2e-2)
    assert history["loss"][-1] < history["loss"][0] - 100
    error = (model.reconstruct(x) - x).square().mean().item()
    assert 0.5 * error < model.logvar_x.exp().item() < 3 * error


@each_likelihood
def test_the_loss_is_the_same_through_distributed_data_parallel(likelihood, tmp_path):
    model, x = small(likelihood), bits(4, 6)
    alone = seeded_loss(model, x)
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store",
                                   rank=0, world_size=1)  # fmt: skip
    try:
        loss = seeded_loss(DistributedDataParallel(model), x)
        loss["loss"].mean().backward()
    finally:
        distributed.destroy_process_group()
    assert all(torch.equal(loss[term], alone[term]) for term in alone)
    assert all(p.grad is not None for p in model.parameters())


def test_diverging_training_stops_with_the_epoch_and_finite_weights():
    torch.manual_seed(0)
    model, x = small(dtype=torch.float32), bits(64, 6, dtype=torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e12)
    with pytest.raises(FloatingPointError, match="epoch"):
        train.fit(model, vae_loss, data.batches(x, 8, seed=0), epochs=5, optimizer=optimizer)
    assert all(torch.isfinite(p).all() for p in model.parameters())


# bad input: what the error rule (test_error_rule.py) does not say of every function

NAN = float("nan")
GOOD = torch.zeros(2, 3)
ODD = {
    "one column less": torch.zeros(2, 2),
    "one row": torch.zeros(1, 3),
    "computed, one column less": torch.zeros(2, 2, requires_grad=True),
    "computed, double": torch.zeros(2, 3, requires_grad=True, dtype=torch.float64),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_the_densities_refuse_to_broadcast_or_to_mix_dtypes(odd):
    for use in (lambda t: gaussian_kl(GOOD, t), lambda t: gaussian_log_prob(GOOD, t, GOOD),
                lambda t: gaussian_log_prob(GOOD, GOOD, t),
                lambda t: bernoulli_nll(t, GOOD)):  # fmt: skip
        with pytest.raises(ValueError, match=r"must be as (mu|x), shape \(2, 3\) torch.float32"):
            use(odd)


def test_one_noise_level_for_all_pixels_must_be_finite_and_of_the_same_dtype():
    for logvar in (torch.tensor(NAN), torch.tensor(0.0).double()):
        with pytest.raises(ValueError, match="^logvar must be"):
            gaussian_log_prob(GOOD, GOOD, logvar)


def test_nan_that_a_network_computed_passes_to_the_loop():
    computed = torch.full((2, 3), NAN, requires_grad=True)
    assert gaussian_kl(computed, computed).isnan().all()
    assert bernoulli_nll(computed, GOOD).isnan().all()


@pytest.mark.parametrize("value, message", [(1.01, ""), (-0.01, ""), (255.0, "divide .* by 255")])
def test_pixels_outside_0_and_1_are_refused_under_a_bernoulli(value, message):
    model, z, x = small(dtype=torch.float32), torch.zeros(2, 3), torch.full((2, 6), value)
    for use in (binarize, model.encode, model.reconstruct, partial(vae_loss, model),
                lambda x: model.log_likelihood(x, z), lambda x: bernoulli_nll(torch.zeros(2, 6), x),
                lambda x: model.pairwise_log_likelihood(x, z)):  # fmt: skip
        with pytest.raises(ValueError, match=rf"^x must hold pixels in \[0, 1\].*{message}"):
            use(x)


def test_a_gaussian_takes_any_finite_pixels():
    model = small("gaussian", torch.float32)
    assert torch.isfinite(vae_loss(model, torch.full((2, 6), -3.0))["loss"]).all()
    with pytest.raises(ValueError, match="^x must be finite"):
        vae_loss(model, torch.full((2, 6), NAN))


@each_likelihood
def test_images_and_latents_of_another_width_are_refused(likelihood):
    model, x, z = small(likelihood, torch.float32), torch.zeros(2, 7), torch.zeros(2, 3)
    for use in (model.encode, partial(vae_loss, model), lambda x: model.log_likelihood(x, z),
                lambda x: model.pairwise_log_likelihood(x, z)):  # fmt: skip
        with pytest.raises(ValueError, match=r"\bx\b"):
            use(x)
    for use in (model.decode, model.pixels, lambda z: model.log_likelihood(x[:, :6], z)):
        with pytest.raises(ValueError, match=r"^z must have shape \(N, 3\), got \(2, 4\)"):
            use(torch.zeros(2, 4))


@pytest.mark.parametrize("bad, message", [
    (lambda: VAE([6, 5], 0), "latent must be an integer >= 1, got 0"),
    (lambda: VAE([], 3), "sizes must be a list or tuple of at least 1"),
    (lambda: VAE([6, 0], 3), "each of sizes must be an integer >= 1, got 0"),
    (lambda: small().sample(0), "n must be an integer >= 1, got 0"),
    (lambda: vae_loss(small(), bits(2, 6), -1e-9), "beta must be a finite number >= 0"),
    (lambda: vae_loss(Autoencoder([6, 2]), GOOD), "model must be .* got Autoencoder"),
])  # fmt: skip
def test_settings_out_of_range_are_refused(bad, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        bad()


def test_parts_without_parameters_fit():
    zero = torch.zeros(2, 3)
    model = VAE([6, 5], 3, encoder=Returns((zero, zero)), decoder=Returns(torch.zeros(2, 6)))
    assert torch.equal(vae_loss(model, GOOD.repeat(1, 2))["kl"], torch.zeros(2))
    assert torch.equal(model.sample(2), torch.full((2, 6), 0.5))


BAD_ENCODERS = {
    "another latent size": GaussianEncoder([6, 8]), "one output": nn.Linear(6, 6),
    "nothing": Returns(None), "no tensors": Returns((None, None)),
    "three": Returns((GOOD, GOOD, GOOD)),
}  # fmt: skip


@pytest.mark.parametrize("encoder", BAD_ENCODERS.values(), ids=BAD_ENCODERS)
def test_an_encoder_that_does_not_fit_is_refused_at_the_first_use(encoder):
    model = VAE([6, 5], 3, encoder=encoder)
    with pytest.raises(ValueError, match=r"^encoder must return \(mu, logvar\) of shape \(2, 3\)"):
        model.encode(torch.zeros(2, 6))


def test_a_decoder_that_does_not_fit_is_refused_at_the_first_use():
    model = VAE([6, 5], 3, decoder=nn.Linear(3, 7))
    with pytest.raises(ValueError, match=r"^logits must be as x, shape \(2, 6\) .*got .*\(2, 7\)"):
        vae_loss(model, torch.zeros(2, 6))


# exercises


def negative_elbo(logits, x, mu, logvar):
    return bernoulli_nll(logits, x) + gaussian_kl(mu, logvar)


RIGHT = {"vae-1": 5.7195, "vae-2": gaussian_kl, "vae-3": "c", "vae-4": negative_elbo,
         "vae-5": " (D) "}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_the_solution_is_accepted(name):
    assert check(name, RIGHT[name])


def test_the_number_may_be_rounded_or_a_tensor():
    q = gaussian_kl(torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5, 3.0]]).log() * 2)
    assert checkers.vae_1(q) is None and checkers.vae_1(5.72) is None


WRONG_NUMBERS = {
    11.439: "factor is missing", -5.7195: "never negative", 2.8597: "averaged",
    3.0472: "standard deviation where", 5.9223: "logarithm is that of", 6.5305: "wrong sign",
    6.7195: "at the prior", 3.2195: "means cost", 3.6833: "order of the two", 8.2515: "bits",
    4.0: "does not follow",
}  # fmt: skip


@pytest.mark.parametrize("answer", WRONG_NUMBERS)
def test_vae_1_rejects_a_wrong_number_with_its_hint(answer):
    hint = checkers.vae_1(answer)
    assert WRONG_NUMBERS[answer].lower() in hint.lower() and "5.7" not in hint


@pytest.mark.parametrize("answer", ["5.72", None, [5.72], torch.ones(2)])
def test_vae_1_asks_for_a_number(answer):
    assert "one number" in checkers.vae_1(answer)


def elements(mu, logvar):
    return mu.square() + logvar.exp() - 1 - logvar


WRONG_KLS = {
    "no half": (lambda m, s: elements(m, s).sum(1), "factor is missing"),
    "sign": (lambda m, s: -elements(m, s).sum(1) / 2, "never negative"),
    "mean over latents": (lambda m, s: elements(m, s).mean(1) / 2, "do not average"),
    "not summed": (lambda m, s: elements(m, s) / 2, "sum over the latents"),
    "one number": (lambda m, s: elements(m, s).sum() / 2, "One value per image"),
    "deviation": (lambda m, s: (m**2 + (s / 2).exp() - 1 - s).sum(1) / 2, "standard deviation"),
    "squared": (lambda m, s: (m**2 + s.exp() ** 2 - 1 - s).sum(1) / 2, "do not square"),
    "no one": (lambda m, s: (m**2 + s.exp() - s).sum(1) / 2, "does not give 0"),
    "plus": (lambda m, s: (m**2 + s.exp() - 1 + s).sum(1) / 2, "wrong sign"),
    "mean not squared": (lambda m, s: (m + s.exp() - 1 - s).sum(1) / 2, "mean is squared"),
    "numpy": (lambda m, s: gaussian_kl(m, s).numpy(), "torch.Tensor, not ndarray"),
    "another value": (lambda m, s: 3 * gaussian_kl(m, s), "values are not"),
    "one argument": (lambda m: m, "stopped with TypeError"),
    "no function": (5.7, "the function itself"),
}


@pytest.mark.parametrize("answer, hint", WRONG_KLS.values(), ids=WRONG_KLS)
def test_vae_2_rejects_a_wrong_function_with_its_hint(answer, hint):
    assert hint in checkers.vae_2(answer)


@pytest.mark.parametrize("checker, answer, hint", [
    (checkers.vae_3, "a", "changes the minimum"), (checkers.vae_3, "b", "small weight"),
    (checkers.vae_3, "d", "pull against"), (checkers.vae_3, 3, "one letter of a, b, c, d"),
    (checkers.vae_5, "a", "densities of the same"), (checkers.vae_5, "b", "depends on the image"),
    (checkers.vae_5, "c", "may exceed 1"), (checkers.vae_5, None, "one letter of a, b, c, d"),
])  # fmt: skip
def test_a_wrong_choice_is_rejected_with_its_hint(checker, answer, hint):
    assert hint in checker(answer)


WRONG_LOSSES = {
    "the elbo": (lambda *a: -negative_elbo(*a), "to be maximised"),
    "kl rewarded": (lambda a, x, m, s: bernoulli_nll(a, x) - gaussian_kl(m, s), "not a reward"),
    "likelihood": (lambda a, x, m, s: gaussian_kl(m, s) - bernoulli_nll(a, x), "sign is wrong"),
    "pixel mean": (lambda a, x, m, s: bernoulli_nll(a, x) / 6 + gaussian_kl(m, s), "over pixels"),
    "no half": (lambda a, x, m, s: bernoulli_nll(a, x) + 2 * gaussian_kl(m, s), "factor of the KL"),
    "no kl": (lambda a, x, m, s: bernoulli_nll(a, x), "KL is missing"),
    "kl alone": (lambda a, x, m, s: gaussian_kl(m, s), "reconstruction is missing"),
    "two sigmoids": (lambda a, x, m, s: negative_elbo(a.sigmoid(), x, m, s), "applied twice"),
    "batch mean": (lambda *a: negative_elbo(*a).mean(), "One value per image"),
    "nothing": (lambda *a: None, "torch.Tensor, not NoneType"),
    "no function": (3, "the function itself"),
}


@pytest.mark.parametrize("answer, hint", WRONG_LOSSES.values(), ids=WRONG_LOSSES)
def test_vae_4_rejects_a_wrong_function_with_its_hint(answer, hint):
    assert hint in checkers.vae_4(answer)
