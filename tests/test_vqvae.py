"""Chapter 10: straight-through, the quantiser's losses, averages, usage, images as tokens."""

import math

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from aecourse import data
from aecourse.exercises import check
from aecourse.exercises import vqvae as checkers
from aecourse.stochastic import gradient_ownership
from aecourse.train import fit
from aecourse.vqvae import (
    VQVAE,
    VectorQuantizer,
    codebook_usage,
    perplexity,
    straight_through,
    vqvae_loss,
)


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def quantizer(K=32, D=8, update="loss", seed=1, dtype=torch.float32, **settings):
    """A quantiser whose codes are spread like the vectors of `normal`."""
    made = VectorQuantizer(K, D, update, **settings).to(dtype)
    with torch.no_grad():
        made.codebook.copy_(normal(K, D, seed=seed))
        if update == "ema":
            made.sums.copy_(made.codebook)
    return made


def by_distance(z, codebook):
    """All distances, the plain way, in float64."""
    return torch.cdist(z.double(), codebook.detach().double()).argmin(dim=-1)


def small(update="loss", K=16, seed=0):
    torch.manual_seed(seed)
    model = VQVAE(K, 4, channels=(4, 6), update=update)
    with torch.no_grad():  # spread the codes as far as the encoder's outputs
        model.quantizer.codebook.copy_(0.1 * normal(K, 4))
    return model


def digits(n=12):
    return data.mnist("test").x[:n]


# straight-through


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_straight_through_has_the_value_of_z_d_up_to_rounding(dtype):
    scales = 10.0 ** torch.arange(-6, 7, dtype=dtype)[:, None]
    z_e, z_d = normal(13, 500, dtype=dtype) * scales, normal(13, 500, seed=1, dtype=dtype)
    error = (straight_through(z_e, z_d) - z_d).abs()
    assert (error <= torch.finfo(dtype).eps * (z_e.abs() + z_d.abs())).all()


def test_straight_through_hands_the_upstream_gradient_to_z_e_and_none_to_z_d():
    z_e, z_d = normal(5, 3).requires_grad_(), normal(5, 3, seed=1).requires_grad_()
    upstream = normal(5, 3, seed=2)
    straight_through(z_e, z_d).backward(upstream)
    assert torch.equal(z_e.grad, upstream)  # bit for bit
    assert z_d.grad is None


def test_a_swapped_detach_has_the_right_value_and_no_gradient_for_the_encoder():
    z_e, z_d = normal(5, 3).requires_grad_(), normal(5, 3, seed=1).requires_grad_()
    wrong = z_e.detach() + (z_d - z_e.detach())
    assert torch.allclose(wrong, straight_through(z_e, z_d))  # the value does not tell
    assert gradient_ownership({"w": wrong.sum()}, {"z_e": z_e})["w"]["z_e"] is None


# the nearest code


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(8,), (1, 8), (10_000, 8), (3, 7, 7, 8)])
def test_indices_are_the_argmin_of_all_distances(shape, dtype):
    quantise = quantizer(dtype=dtype)
    z = normal(*shape, dtype=dtype)
    indices = quantise(z)[1]
    assert indices.shape == shape[:-1] and indices.dtype == torch.int64
    oracle = by_distance(z.reshape(-1, 8), quantise.codebook).reshape(shape[:-1])
    assert torch.equal(indices, oracle)


def test_an_argmax_of_the_distance_is_another_index():
    quantise = quantizer()
    z = normal(50, 8)
    assert (torch.cdist(z, quantise.codebook).argmax(1) != quantise.nearest(z)).all()


def test_a_code_is_its_own_nearest_neighbour():
    quantise = quantizer(K=512, D=16)
    assert torch.equal(quantise.nearest(quantise.codebook.detach()), torch.arange(512))


def test_looking_up_is_the_row_of_the_codebook():
    quantise = quantizer()
    indices = torch.randint(32, (4, 5), generator=torch.Generator().manual_seed(0))
    assert torch.equal(quantise.look_up(indices), quantise.codebook[indices])


def test_the_codebook_is_the_only_parameter():
    for update in ("loss", "ema"):
        named = dict(VectorQuantizer(5, 3, update).named_parameters())
        assert list(named) == ["codebook"] and named["codebook"].shape == (5, 3)
        assert named["codebook"].requires_grad == (update == "loss")


def test_the_output_is_the_nearest_code_and_the_input_is_not_changed():
    quantise, z = quantizer(), normal(100, 8)
    kept = z.clone()
    z_st, indices, _ = quantise(z)
    assert torch.allclose(z_st, quantise.codebook[indices], atol=1e-6)
    assert torch.equal(z, kept)


class Largest(TorchDispatchMode):
    """Remembers the number of elements of the largest tensor that any operation returned."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        made = [t.numel() for t in tree_flatten(out)[0] if isinstance(t, torch.Tensor)]
        self.elements = max([self.elements, *made])
        return out


@pytest.mark.parametrize("update", ["loss", "ema"])
def test_no_tensor_of_vectors_times_codes_times_dimension_is_ever_built(update):
    N, K, D = 20_000, 64, 16
    quantise, z = quantizer(K, D, update), normal(N, D).requires_grad_()
    with Largest() as seen:
        z_st, _, losses = quantise(z)
        (z_st.sum() + losses["commitment"].sum()).backward()
    assert 0 < seen.elements <= max(N * D, 4096 * K) < N * K  # not even all N x K distances
    with Largest() as naive:
        (z[:100, None] - quantise.codebook).square().sum(-1)
    assert naive.elements == 100 * K * D  # the counter does see such a tensor


# the two losses


def test_losses_are_squared_distances_summed_per_vector():
    quantise, z = quantizer(), normal(6, 5, 8)
    _, indices, losses = quantise(z)
    distance = (z - quantise.codebook[indices]).double().norm(dim=-1)
    for name in ("codebook", "commitment"):
        assert losses[name].shape == (6, 5)
        assert torch.allclose(losses[name].double(), distance.square(), rtol=1e-5)
        assert not torch.allclose(losses[name].double(), distance.square() / 8)  # a mean over D
        assert not torch.allclose(losses[name].double(), distance)  # an unsquared norm


def test_the_codebook_loss_pulls_each_code_to_its_vectors():
    quantise, z = quantizer(K=4, dtype=torch.float64), normal(200, 8, dtype=torch.float64)
    _, indices, losses = quantise(z)
    losses["codebook"].sum().backward()
    own = torch.nn.functional.one_hot(indices, 4).double()  # (200, 4)
    closed = 2 * (own.sum(0)[:, None] * quantise.codebook - own.T @ z)
    assert torch.allclose(quantise.codebook.grad, closed)


def test_the_commitment_loss_pulls_each_vector_to_its_code():
    quantise, z = quantizer(), normal(50, 8).requires_grad_()
    _, indices, losses = quantise(z)
    losses["commitment"].sum().backward()
    assert torch.allclose(z.grad, 2 * (z - quantise.codebook[indices]).detach())
    assert quantise.codebook.grad is None


def ownership(quantise, z, z_st, losses):
    terms = {"decoder": z_st.sum(), **{name: value.mean() for name, value in losses.items()}}
    table = gradient_ownership(terms, {"encoder": z, "codebook": quantise.codebook})
    return {loss: {part: bool(norm) for part, norm in row.items()} for loss, row in table.items()}


RIGHT = {
    "decoder": {"encoder": True, "codebook": False},
    "codebook": {"encoder": False, "codebook": True},
    "commitment": {"encoder": True, "codebook": False},
}


def test_each_term_reaches_what_it_owns_and_nothing_else():
    quantise, z = quantizer(), normal(50, 8).requires_grad_()
    z_st, _, losses = quantise(z)
    assert ownership(quantise, z, z_st, losses) == RIGHT


def wrong_quantisers(quantise, z):
    """Mistakes seen in public code: the returned z_st and losses of each."""
    z_d = quantise.look_up(quantise.nearest(z))
    z_st = straight_through(z, z_d)
    gap = (z_d - z).square().sum(-1)

    def two(codebook, commitment):
        return {"codebook": codebook.square().sum(-1), "commitment": commitment.square().sum(-1)}

    return {
        "after straight-through": (z_st, two(z_st - z.detach(), z - z_st.detach())),
        "swapped detach": (z_st, two(z_d.detach() - z, z.detach() - z_d)),
        "no straight-through": (z_d, two(z_d - z.detach(), z - z_d.detach())),
        "no detach": (z_st, {"codebook": gap, "commitment": gap}),
        "detach nothing in z_st": (z + (z_d - z), two(z_d - z.detach(), z - z_d.detach())),
    }


@pytest.mark.parametrize(
    "mistake", ["after straight-through", "swapped detach", "no straight-through", "no detach",
                "detach nothing in z_st"],
)  # fmt: skip
def test_the_table_tells_each_known_mistake_from_the_right_quantiser(mistake):
    quantise, z = quantizer(), normal(50, 8).requires_grad_()
    z_st, losses = wrong_quantisers(quantise, z)[mistake]
    assert ownership(quantise, z, z_st, losses) != RIGHT


# the loss of the model


def factors(model, x, loss):
    """By what the loss multiplies each term: its gradient over that of the term alone."""
    z_e = model.encode(x)
    z_st, _, losses = model.quantizer(z_e)
    error = (model.decode(z_st) - x).square().sum(1)
    terms = {name: value.flatten(1).sum(1) for name, value in losses.items()}
    codebook = model.quantizer.codebook
    (total,) = torch.autograd.grad(loss(model, x).sum(), codebook, allow_unused=True)
    (alone,) = torch.autograd.grad(terms["codebook"].sum(), codebook)
    on_codebook = 0.0 if total is None else ((total * alone).sum() / alone.square().sum()).item()
    first = model.encoder[0].weight
    (total,) = torch.autograd.grad(loss(model, x).sum(), first)
    grads = [torch.autograd.grad(t.sum(), first, retain_graph=True)[0]
             for t in (error, terms["commitment"])]  # fmt: skip
    basis = torch.stack([g.flatten() for g in grads], dim=1).double()
    found = torch.linalg.lstsq(basis, total.flatten().double()[:, None]).solution.flatten()
    return [round(v, 3) for v in (found[0].item(), on_codebook, found[1].item())]


def test_beta_stands_on_the_commitment_in_the_paper_and_on_the_codebook_in_the_notes():
    model, x = small(), digits()
    for beta in (0.0, 0.25, 2.0):
        paper = factors(model, x, lambda m, x, b=beta: vqvae_loss(m, x, b, "paper")["loss"])
        notes = factors(model, x, lambda m, x, b=beta: vqvae_loss(m, x, b, "notes")["loss"])
        assert paper == [1, 1, beta]
        assert notes == [1, beta, 1]


def test_a_swapped_beta_has_the_same_value_and_fails_the_check_of_gradients():
    def swapped(model, x, beta=0.25):
        x_hat, _, losses = model(x)
        terms = {name: value.flatten(1).sum(1) for name, value in losses.items()}
        return (x_hat - x).square().sum(1) + beta * terms["codebook"] + terms["commitment"]

    model, x = small(), digits()
    right = vqvae_loss(model, x, 0.25)["loss"]
    assert torch.allclose(swapped(model, x), right)  # the value does not tell
    assert factors(model, x, swapped) != [1, 1, 0.25]


def test_losses_after_straight_through_have_the_same_value_and_never_move_the_codebook():
    def after(model, x, beta=0.25):
        z_e = model.encode(x)
        z_st, _, _ = model.quantizer(z_e)
        codebook = (z_st - z_e.detach()).square().flatten(1).sum(1)
        commitment = (z_e - z_st.detach()).square().flatten(1).sum(1)
        return (model.decode(z_st) - x).square().sum(1) + codebook + beta * commitment

    model, x = small(), digits()
    assert torch.allclose(after(model, x), vqvae_loss(model, x, 0.25)["loss"])
    assert factors(model, x, after)[1] == 0


def test_terms_are_sums_per_image_and_add_up():
    model, x = small(), digits()
    terms = vqvae_loss(model, x, 0.5)
    assert {name: tuple(value.shape) for name, value in terms.items()} == dict.fromkeys(
        ("loss", "codebook", "commitment", "reconstruction"), (12,)
    )
    x_hat, _, losses = model(x)
    assert torch.allclose(terms["reconstruction"], (x_hat - x).square().sum(1))
    assert torch.allclose(terms["commitment"], losses["commitment"].sum((1, 2)))
    total = terms["reconstruction"] + terms["codebook"] + 0.5 * terms["commitment"]
    assert torch.allclose(terms["loss"], total)


def test_with_averages_the_loss_leaves_the_codebook_term_out():
    model = small("ema").eval()
    terms = vqvae_loss(model, digits(), 0.5)
    assert torch.allclose(terms["loss"], terms["reconstruction"] + 0.5 * terms["commitment"])
    notes = vqvae_loss(model, digits(), 0.5, "notes")  # beta stood on the term that is gone
    assert torch.allclose(notes["loss"], terms["reconstruction"] + terms["commitment"])


def test_the_gradient_of_the_loss_equals_finite_differences_with_the_code_held_fixed():
    torch.manual_seed(0)
    quantise = quantizer(K=8, D=2, dtype=torch.float64)
    weight = normal(2, 2, dtype=torch.float64)
    z = normal(3, 2, dtype=torch.float64).requires_grad_()

    def decoded(v):
        return (v @ weight).tanh().square().sum()

    z_st, indices, _ = quantise(z)
    (gradient,) = torch.autograd.grad(decoded(z_st), z)
    z_d, step = quantise.codebook[indices].detach(), 1e-6
    for i in range(3):
        for j in range(2):
            e = torch.zeros_like(z_d)
            e[i, j] = step
            slope = (decoded(z_d + e) - decoded(z_d - e)) / (2 * step)  # at z_d, not at z_e
            assert math.isclose(gradient[i, j].item(), slope.item(), abs_tol=1e-8)


# moving averages


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_averages_follow_the_closed_form_over_several_steps(decay):
    quantise = quantizer(K=6, D=3, update="ema", decay=decay, dtype=torch.float64)
    codebook = quantise.codebook.detach().clone()
    n, m = torch.ones(6).double(), codebook.clone()
    for step in range(4):
        z = normal(40, 3, seed=step, dtype=torch.float64)
        own = by_distance(z, codebook)
        for k in range(6):  # van den Oord et al. (2017), appendix A.1, one code at a time
            n[k] = decay * n[k] + (1 - decay) * (own == k).sum()
            m[k] = decay * m[k] + (1 - decay) * z[own == k].sum(0)
        codebook = torch.where((n > 1e-5)[:, None], m / n[:, None], codebook)
        quantise(z)
        assert torch.allclose(quantise.codebook, codebook)
        assert torch.allclose(quantise.counts, n) and torch.allclose(quantise.sums, m)


def test_the_averages_move_after_the_losses_and_only_in_training():
    quantise, z = quantizer(update="ema", decay=0.5), normal(100, 8)
    before = quantise.codebook.clone()
    quantise.eval()
    quantise(z)
    assert torch.equal(quantise.codebook, before)
    quantise.train()
    z_st, indices, _ = quantise(z)
    assert torch.allclose(z_st, before[indices], atol=1e-6)  # quantised with the old codes
    assert not torch.equal(quantise.codebook, before)


def test_backward_works_after_the_codebook_has_moved():
    quantise, z = quantizer(update="ema"), normal(100, 8).requires_grad_()
    z_st, indices, losses = quantise(z)
    (z_st.sum() + losses["commitment"].sum()).backward()
    assert z.grad.isfinite().all() and quantise.codebook.grad is None


def test_dead_codes_restart_from_vectors_of_the_batch_and_others_do_not():
    torch.manual_seed(0)
    quantise = quantizer(K=4, D=2, update="ema", decay=0.5, reset_below=0.6)
    with torch.no_grad():
        quantise.codebook.copy_(torch.tensor([[0.0, 0], [1, 0], [50, 50], [60, 60]]))
        quantise.sums.copy_(quantise.codebook)
    z = 0.1 * normal(100, 2)
    z[50:, 0] += 1
    quantise(z)
    restarted = quantise.codebook[2:]
    assert (torch.cdist(restarted, z).min(dim=1).values == 0).all()
    assert torch.equal(quantise.counts[2:], torch.ones(2))
    assert torch.cdist(quantise.codebook[:2], torch.tensor([[0.0, 0], [1, 0]])).diagonal().max() < 1
    assert set(quantise.nearest(z).tolist()) > {0, 1} or len(quantise.nearest(z).unique()) >= 3


@pytest.mark.parametrize(("decay", "steps"), [(0.0, 1), (0.5, 40), (0.99, 1300)])
def test_a_code_that_is_never_used_keeps_its_place(decay, steps):
    quantise = quantizer(K=3, D=2, update="ema", decay=decay)
    with torch.no_grad():
        quantise.codebook.copy_(torch.tensor([[-1.0, 0], [1, 0], [50, 60]]))
        quantise.sums.copy_(quantise.codebook)
    z = normal(64, 2)
    for _ in range(steps):
        quantise(z)
    assert torch.allclose(quantise.codebook[2], torch.tensor([50.0, 60]))


def test_without_resets_a_far_code_stays_dead():
    quantise = quantizer(K=4, D=2, update="ema", decay=0.5)
    with torch.no_grad():
        quantise.codebook[3] = 100.0
        quantise.sums[3] = 100.0
    for seed in range(5):
        _, indices, _ = quantise(normal(100, 2, seed=seed))
        assert (indices != 3).all()


# usage


def test_usage_counts_and_one_batch_understates_it():
    indices = torch.randint(512, (60_000,), generator=torch.Generator().manual_seed(0))
    usage = codebook_usage(indices.view(-1, 10, 6), 512)
    assert torch.equal(usage, torch.from_numpy(np.bincount(indices.numpy(), minlength=512)))
    assert (usage > 0).all() and 500 < perplexity(usage) <= 512
    batch = codebook_usage(indices[:256], 512)
    assert (batch > 0).sum() <= 256 and perplexity(batch) < 256


def test_perplexity_of_equal_use_is_the_number_of_codes_used():
    assert math.isclose(perplexity(torch.full((7,), 3)), 7.0)
    assert math.isclose(perplexity(torch.tensor([5, 0, 5, 0])), 2.0)
    assert math.isclose(perplexity(torch.tensor([1, 0, 0])), 1.0)
    p = torch.tensor([0.5, 0.25, 0.25])
    assert math.isclose(perplexity(p), 2**1.5)  # 1.5 bits
    assert math.isclose(perplexity(1000 * p), perplexity(p))


# images as tokens


@pytest.mark.parametrize(
    ("channels", "image", "grid"),
    [
        ((4, 6), (1, 28, 28), (7, 7)),
        ((4,), (1, 28, 28), (14, 14)),
        ((4, 4, 4), (3, 16, 24), (2, 3)),
    ],
)
def test_each_convolution_halves_the_grid(channels, image, grid):
    model = VQVAE(8, 4, channels=channels, image=image)
    x = torch.rand(3, math.prod(image))
    indices = model.tokenize(x)
    assert model.grid == grid and indices.shape == (3, *grid) and indices.dtype == torch.int64
    assert model.detokenize(indices).shape == x.shape
    assert model(x)[0].shape == x.shape


def test_tokenising_in_chunks_is_tokenising_one_by_one():
    model, x = small(), data.mnist("test").x[:1200]
    indices = model.tokenize(x)
    for i in (0, 999, 1000, 1199):
        assert (model.tokenize(x[i : i + 1])[0] == indices[i]).double().mean() > 0.95
    decoded = model.detokenize(indices)
    assert not decoded.requires_grad
    for i in (0, 999, 1000, 1199):
        assert torch.allclose(model.detokenize(indices[i : i + 1])[0], decoded[i], atol=1e-5)


def test_detokenising_decodes_what_forward_decodes():
    model, x = small(), digits()
    x_hat, indices, _ = model(x)
    assert torch.equal(indices, model.tokenize(x))
    assert torch.allclose(model.detokenize(indices), x_hat, atol=1e-5)


def test_reconstructing_is_tokenising_and_back_and_moves_no_code():
    model = small("ema").train()
    before = model.quantizer.codebook.clone()
    x_hat = model.reconstruct(digits())
    assert torch.equal(model.quantizer.codebook, before)
    assert torch.allclose(x_hat, model(digits()).x_hat, atol=1e-5)
    assert not torch.equal(model.quantizer.codebook, before)  # as a forward pass does


def test_codebook_vectors_keep_their_tokens_through_look_up_and_back():
    quantise = small(K=512).quantizer
    tokens = torch.randint(512, (20, 7, 7), generator=torch.Generator().manual_seed(0))
    vectors = quantise.look_up(tokens)
    assert torch.equal(quantise.nearest(vectors), tokens)
    z_st, again, losses = quantise(vectors)
    assert torch.equal(again, tokens) and losses["commitment"].max() == 0
    assert torch.equal(z_st, vectors)


class Tiles(VQVAE):
    """A VQ-VAE whose encoder and decoder only cut an image into 14 x 14 tiles of 2 x 2 pixels."""

    def __init__(self, K):
        super().__init__(K, 4, channels=(1,))
        self.encoder, self.decoder = torch.nn.PixelUnshuffle(2), torch.nn.PixelShuffle(2)
        with torch.no_grad():
            self.quantizer.codebook.copy_(torch.rand(K, 4, generator=torch.Generator()))


def test_tokenize_detokenize_tokenize_is_stable_when_the_encoder_inverts_the_decoder():
    model = Tiles(64)
    tokens = model.tokenize(digits())
    assert torch.equal(model.tokenize(model.detokenize(tokens)), tokens)


def test_training_lowers_the_error_and_uses_more_than_one_code():
    torch.manual_seed(0)
    x = data.mnist("train").x[:2000]
    model = VQVAE(32, 8, channels=(8, 16), reset_below=1.0)
    history = fit(model, vqvae_loss, data.batches(x, 50, seed=0), epochs=2, lr=4e-3)
    assert history["reconstruction"][1] < 0.8 * history["reconstruction"][0]
    usage = codebook_usage(model.eval().tokenize(x[:500]), 32)
    assert (usage > 0).sum() > 8


def test_float64_models_quantise_float64_images():
    model, x = small().double(), digits().double()
    assert model(x)[0].dtype == torch.float64
    assert vqvae_loss(model, x)["loss"].dtype == torch.float64


# bad input: what the error rule does not say

Q, M = quantizer(), small()
BAD = {
    "one code": (lambda: VectorQuantizer(1, 4), "num_codes must be an integer >= 2, got 1"),
    "decay 1": (lambda: VectorQuantizer(4, 4, decay=1.0), r"decay must be .* in \[0, 1\)"),
    "negative reset": (lambda: VectorQuantizer(4, 4, reset_below=-1.0), "reset_below must be"),
    "last dimension": (lambda: Q(torch.zeros(5, 7)), r"z_e must have shape \(\.\.\., 8\)"),
    "other dtype": (lambda: Q(torch.zeros(5, 8).double()), "z_e must be torch.float32 as the weig"),
    "ste shapes": (lambda: straight_through(torch.ones(2), torch.ones(3)), "z_d must be as z_e"),
    "index too large": (lambda: Q.look_up(torch.tensor([32])), r"indices must be in \[0, 31\]"),
    "index negative": (lambda: Q.look_up(torch.tensor([-1])), r"got values in \[-1, -1\]"),
    "usage range": (lambda: codebook_usage(torch.tensor([4]), 4), r"indices must be in \[0, 3\]"),
    "usage K": (lambda: codebook_usage(torch.tensor([0]), 1), "num_codes must be an integer >= 2"),
    "no usage": (lambda: perplexity(torch.zeros(4)), "usage must be >= 0 with a finite sum > 0"),
    "endless usage": (lambda: perplexity(1e308 * torch.ones(4).double()), "with a finite sum"),
    "negative usage": (lambda: perplexity(torch.tensor([2, -1])), r"got values in \[-1, 2\]"),
    "odd image": (lambda: VQVAE(4, image=(1, 30, 28)), "height and width divisible by 4"),
    "flat image": (lambda: VQVAE(4, image=(28, 28)), r"image must be \(channels, height, width\)"),
    "no channels": (lambda: VQVAE(4, channels=()), "channels must be .* at least 1 integer"),
    "pixels": (lambda: M.tokenize(torch.zeros(2, 28, 28)), r"x must have shape \(N, D\)"),
    "fewer pixels": (lambda: M(torch.zeros(2, 783)), r"x must have shape \(N, 784\)"),
    "grid": (lambda: M.detokenize(torch.zeros(2, 4, 4).long()), r"must have shape \(B, 7, 7\)"),
    "token range": (lambda: M.detokenize(torch.full((1, 7, 7), 16)), r"indices must be in \[0, 15"),
    "decode grid": (lambda: M.decode(torch.zeros(2, 4, 4, 4)), r"must have shape \(B, 7, 7, 4\)"),
    "beta": (lambda: vqvae_loss(M, digits(), -1.0), "beta must be a finite number >= 0"),
}


@pytest.mark.parametrize(("use", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused(use, message):
    with pytest.raises(ValueError, match=message):
        use()


# exercises


def answer_3(z_e, codebook):
    z_d = codebook[torch.cdist(z_e, codebook).argmin(dim=1)]
    codebook_loss = (z_d - z_e.detach()).square().sum(dim=1)
    commitment = (z_e - z_d.detach()).square().sum(dim=1)
    return z_e + (z_d - z_e).detach(), codebook_loss, commitment


def variant(change):
    """The right answer to the third exercise with one part changed."""

    def answer(z_e, codebook):
        z_d = codebook[torch.cdist(z_e, codebook).argmin(dim=1)]
        return change(z_e, z_d, codebook, *answer_3(z_e, codebook))

    return answer


def square(a):
    return a.square().sum(dim=1)


WRONG_3 = {
    "argmax": (lambda z, c: (c[torch.cdist(z, c).argmax(1)], *answer_3(z, c)[1:]), "farthest"),
    "identity": (variant(lambda z, d, c, st, a, b: (z, a, b)), "nothing is quantised"),
    "no path": (variant(lambda z, d, c, st, a, b: (d, a, b)), "no gradient reaches z_e"),
    "open difference": (variant(lambda z, d, c, st, a, b: (d + (z - z.detach()), a, b)),
                        "the codebook gets a gradient too"),
    "half the gradient": (variant(lambda z, d, c, st, a, b:
                                  (d.detach() + (z - z.detach()) / 2, a, b)), "not the one"),
    "mean over D": (variant(lambda z, d, c, st, a, b: (st, a / 3, b / 3)), "codebook loss is a "
                    "mean over the D"),
    "commitment mean": (variant(lambda z, d, c, st, a, b: (st, a, b / 3)), "commitment loss is a "
                        "mean"),
    "mean over all": (variant(lambda z, d, c, st, a, b: (st, a.mean(), b.mean())), "one value per"),
    "unsquared": (variant(lambda z, d, c, st, a, b: (st, a.sqrt(), b.sqrt())), "unsquared norm"),
    "swapped": (variant(lambda z, d, c, st, a, b: (st, b, a)), "swapped"),
    "after": (variant(lambda z, d, c, st, a, b: (st, square(st - z.detach()),
                                                 square(z - st.detach()))),
              "after straight-through"),
    "detached": (variant(lambda z, d, c, st, a, b: (st, a.detach(), b)), "reaches nothing"),
    "open": (variant(lambda z, d, c, st, a, b: (st, square(d - z), square(d - z))),
             "stop-gradients are missing"),
    "one open": (variant(lambda z, d, c, st, a, b: (st, a, square(d - z))), "should not move"),
    "two results": (variant(lambda z, d, c, st, a, b: (st, a + b)), "three tensors"),
    "shape": (variant(lambda z, d, c, st, a, b: (st[:3], a, b)), "shape"),
    "stops": (lambda z, c: 1 / 0, "ZeroDivisionError"),
    "no function": ("z_st", "Hand in the function"),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "hint"), WRONG_3.values(), ids=WRONG_3)
def test_wrong_quantisers_get_the_hint_that_fits(answer, hint):
    message = checkers.vqvae_3(answer)
    assert message is not None and hint in message


RIGHT_ANSWERS = [("vqvae-1", 160), ("vqvae-2", 6.0), ("vqvae-3", answer_3), ("vqvae-4", "B"),
                 ("vqvae-5", ["d", "ecd", "ec", "e"]),
                 ("vqvae-5", ("D", "dce", "ce", "e"))]  # fmt: skip
WRONG_ANSWERS = {
    "vqvae-1": [
        (10, "one token"), (110.9, "nats"), (20, "bytes"), (16384, "not a list of K bits"),
        ("160", "one number, not str"), (7, "do it again on paper"),
    ],
    "vqvae-2": [
        (0, "true derivative"), (-6.6, "evaluated the gradient at z_e"), (-6, "sign"),
        (2, "slope of the decoder"), (-30, "other code"), (None, "not NoneType"),
    ],
    "vqvae-4": [
        ("a", "How many terms"), ("c", "Which term moves the codebook"),
        (2, "one letter of a, b, c"),
    ],
    "vqvae-5": [
        (["cd", "ecd", "ec", "e"], "Loss 1: look at c"),
        (["d", "ed", "ec", "e"], "Is z_d still inside"),
        (["d", "ecd", "e", "e"], "Loss 3: look at c"),
        (["d", "ecd", "ec", "ec"], "Write z_st out: where"),
        (["d", "ecd", "ecd", "e"], "Is there an f"),
        (["d", "encoder", "ec", "e"], "Loss 2: write a string of the letters"),
        (["d", "ecd", 3, "e"], "Loss 3: write a string of the letters"),
        ("decd", "a list of 4 strings"), (["d", "ecd"], "a list of 4 strings"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "answer"), RIGHT_ANSWERS)
def test_right_answers_are_accepted(name, answer):
    assert check(name, answer)


@pytest.mark.parametrize("name", WRONG_ANSWERS)
def test_wrong_answers_get_the_hint_that_fits_and_never_the_solution(name):
    for answer, hint in WRONG_ANSWERS[name]:
        feedback = check(name, answer)
        assert not feedback and hint in feedback.message
        assert "160" not in feedback.message and " 6 " not in feedback.message
