"""Chapter 11: the vocabulary, the causal transformer, sampling with a cache, words and pictures."""

import math

import pytest
import torch
from scipy import stats
from torch import nn
from torch.distributions import Categorical

from aecourse import data, weights
from aecourse.exercises import check
from aecourse.exercises import tokens as checkers
from aecourse.generation import DigitClassifier
from aecourse.tokens import (
    WORDS,
    Bilingual,
    TokenTransformer,
    TransformerBlock,
    Vocabulary,
    sample,
    sequences,
    token_loss,
    token_nll,
)
from aecourse.vqvae import VQVAE


def whole(shape, high, seed=0, low=0):
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(seed))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def small(size=20, length=12, dtype=torch.float64, **settings):
    """A transformer whose logits are far from uniform, in evaluation mode."""
    torch.manual_seed(0)
    settings = {"width": 16, "heads": 2, "layers": 2} | settings
    model = TokenTransformer(size, length, **settings).to(dtype).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=seeded(1)).to(dtype))
    return model


def bilingual(**settings):
    vocabulary = Vocabulary(16)
    torch.manual_seed(0)
    return Bilingual(small(len(vocabulary), 56, torch.float32, **settings), VQVAE(16, 4).eval())


# the vocabulary


def test_every_symbol_has_one_number_and_every_number_one_symbol():
    v = Vocabulary(512)
    assert len(v) == 27 + 2 + 512 == len(v.symbols) == len(set(v.symbols))
    parts = [range(len(v))[v.letters], [v.word_mark, v.picture_mark], range(len(v))[v.codes]]
    assert [number for part in parts for number in part] == list(range(len(v)))
    assert "".join(v.symbols[v.letters]) == "abcdefghijklmnopqrstuvwxyz "
    assert v.symbols[v.word_mark] == "<word>" and v.symbols[v.picture_mark] == "<picture>"
    assert v.symbols[v.codes] == tuple(f"#{k}" for k in range(512))


def test_words_come_back_from_their_letters():
    v = Vocabulary(8)
    tokens = v.spell(WORDS)
    assert tokens.shape == (10, 6) and tokens.dtype == torch.int64
    assert (tokens[:, 0] == v.word_mark).all()
    assert v.words(tokens[:, 1:]) == list(WORDS)
    assert v.words(v.spell(["a", "ab", "abcde"])[:, 1:]) == ["a", "ab", "abcde"]


def test_seven_is_spelled_by_hand():
    assert Vocabulary(2).spell("seven").tolist() == [[27, 18, 4, 21, 4, 13]]
    assert Vocabulary(2).spell(["two"]).tolist() == [[27, 19, 22, 14, 26, 26]]


def test_codes_come_back_from_their_tokens_in_reading_order():
    v, indices = Vocabulary(512), whole((3, 7, 7), 512)
    tokens = v.picture_tokens(indices)
    assert tokens.shape == (3, 50) and (tokens[:, 0] == v.picture_mark).all()
    assert tokens[1, 1 + 7 * 2 + 5] == 29 + indices[1, 2, 5]
    assert torch.equal(v.indices(tokens[:, 1:]), indices)


def test_another_grid_has_as_many_tokens_as_places():
    v, indices = Vocabulary(4, grid=(2, 3)), whole((5, 2, 3), 4)
    assert v.picture_tokens(indices).shape == (5, 7)
    assert torch.equal(v.indices(v.picture_tokens(indices)[:, 1:]), indices)


@pytest.mark.parametrize(
    "words, message",
    [
        ("Seven", r"letters abcdefghijklmnopqrstuvwxyz, got 'S' in 'Seven'"),
        ("7", "got '7' in '7'"),
        ("a b", "got ' ' in 'a b'"),
        (["one", "zwölf"], "got 'ö' in 'zwölf'"),
        ("eleven", "1 to 5 letters, got 'eleven'"),
        ("", "1 to 5 letters, got ''"),
        ([7], "1 to 5 letters, got 7"),
        ([], "at least one word, got none"),
    ],
)
def test_words_that_cannot_be_spelled_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(8).spell(words)


V8 = Vocabulary(8)
BAD_NUMBERS = {
    "grid too small": (V8.picture_tokens, whole((2, 4, 4), 8), r"\(B, 7, 7\), got \(2, 4, 4\)"),
    "grid flattened": (V8.picture_tokens, whole((2, 49), 8), r"\(B, 7, 7\), got \(2, 49\)"),
    "code too large": (V8.picture_tokens, whole((2, 7, 7), 9, low=8), r"in \[0, 7\], got .*\[8, 8"),
    "letters as picture": (V8.indices, whole((2, 49), 27), r"tokens must be in \[29, 36\]"),
    "short picture": (V8.indices, whole((2, 48), 37, low=29), r"\(B, 49\), got \(2, 48\)"),
    "picture as letters": (V8.words, whole((2, 5), 37, low=29), r"tokens must be in \[0, 26\]"),
    "mark as letter": (V8.words, whole((2, 5), 28, low=27), r"got values in \[27, 27\]"),
    "short word": (V8.words, whole((2, 4), 26), r"\(B, 5\), got \(2, 4\)"),
}


@pytest.mark.parametrize("use, values, message", BAD_NUMBERS.values(), ids=BAD_NUMBERS)
def test_numbers_outside_their_part_of_the_table_are_refused(use, values, message):
    with pytest.raises(ValueError, match=message):
        use(values)


@pytest.mark.parametrize("sizes", [(1,), (8, (0, 7)), (8, (7, 1.5)), (8, (7,)), (8, (7, 7, 7))])
def test_a_vocabulary_with_bad_sizes_is_refused(sizes):
    with pytest.raises(ValueError, match="(num_codes|grid) must be"):
        Vocabulary(*sizes)


# the transformer


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_changing_a_token_changes_no_earlier_logit_and_every_later_one(dtype):
    model, tokens = small(dtype=dtype), whole((3, 12), 20)
    logits = model(tokens)
    assert logits.shape == (3, 12, 20) and logits.dtype == dtype
    for t in range(12):
        other = tokens.clone()
        other[:, t] = (other[:, t] + 1) % 20
        change = (model(other) - logits).abs().amax(dim=(0, 2))  # (T,)
        assert (change[:t] == 0).all() or change[:t].max() < 1e-5
        assert (change[t:] > 1e-3).all()


def test_a_prefix_has_the_logits_of_the_whole():
    model, tokens = small(), whole((2, 12), 20)
    for t in range(1, 13):
        assert torch.allclose(model(tokens[:, :t]), model(tokens)[:, :t], atol=1e-10)


def test_rows_do_not_see_each_other():
    model, tokens = small(), whole((4, 9), 20)
    assert torch.allclose(model(tokens[2:3]), model(tokens)[2:3], atol=1e-10)


def block_and_vectors(heads, *shape):
    h = torch.randn(shape, generator=seeded(), dtype=torch.float64)
    return TransformerBlock(shape[-1], heads, dropout=0.0).double(), h


def test_attention_equals_that_of_pytorch():
    block, h = block_and_vectors(3, 2, 7, 24)
    theirs = nn.MultiheadAttention(24, 3, batch_first=True).double()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(block.qkv.weight)
        theirs.in_proj_bias.copy_(block.qkv.bias)
        theirs.out_proj.load_state_dict(block.out.state_dict())
    later = torch.ones(7, 7, dtype=torch.bool).triu(1)
    expected, _ = theirs(h, h, h, attn_mask=later)
    assert torch.allclose(block.attend(h).h, expected, atol=1e-12)


def test_attention_equals_the_formula_head_by_head():
    block, h = block_and_vectors(2, 1, 5, 6)
    q, k, v = (h @ block.qkv.weight.T + block.qkv.bias)[0].split(6, dim=1)  # each (5, 6)
    out = torch.zeros(5, 6).double()
    for head in (slice(0, 3), slice(3, 6)):
        for t in range(5):
            scores = [(q[t, head] @ k[s, head]).item() / 3**0.5 for s in range(t + 1)]
            total = sum(math.exp(score) for score in scores)
            for s, score in enumerate(scores):
                out[t, head] += math.exp(score) / total * v[s, head]
    expected = out @ block.out.weight.T + block.out.bias
    assert torch.allclose(block.attend(h).h[0], expected, atol=1e-12)


def test_a_block_adds_attention_then_the_small_network():
    block, h = block_and_vectors(2, 2, 5, 8)
    middle = h + block.attend(block.norm_1(h)).h
    assert torch.allclose(block(h).h, middle + block.mlp(block.norm_2(middle)))


def test_the_order_of_earlier_tokens_matters():
    model = small()
    swapped = model(torch.tensor([[2, 1, 3]]))[:, -1]
    assert (model(torch.tensor([[1, 2, 3]]))[:, -1] - swapped).abs().max() > 1e-3


def test_dropout_acts_in_training_only():
    model, tokens = small(dropout=0.5), whole((2, 8), 20)
    assert torch.equal(model(tokens), model(tokens))
    model.train()
    assert not torch.equal(model(tokens), model(tokens))


def test_every_parameter_gets_a_gradient():
    model, tokens = small(length=12), whole((4, 12), 20)
    model(tokens).logsumexp(dim=2).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize(
    "tokens, message",
    [
        (torch.zeros(2, 13, dtype=torch.int64), "at most 12.* got 0 [+] 13"),
        (torch.full((2, 3), 20), r"in \[0, 19\], got values in \[20, 20\]"),
        (torch.full((2, 3), -1), r"got values in \[-1, -1\]"),
    ],
)
def test_tokens_that_the_transformer_cannot_read_are_refused(tokens, message):
    with pytest.raises(ValueError, match=message):
        small()(tokens)


@pytest.mark.parametrize(
    "sizes, settings, message",
    [
        ((1, 5), {}, "vocabulary_size must be an integer >= 2"),
        ((9, 0), {}, "length must be an integer >= 1"),
        ((9, 5), {"heads": 3}, "heads must divide width = 16, got 3"),
        ((9, 5), {"heads": 0}, "heads must be an integer >= 1"),
        ((9, 5), {"layers": 0}, "layers must be an integer >= 1"),
        ((9, 5), {"dropout": 1.0}, r"dropout must be a number in \[0, 1\)"),
        ((9, 5), {"dropout": -0.1}, r"dropout must be a number in \[0, 1\)"),
    ],
)
def test_bad_sizes_are_refused(sizes, settings, message):
    with pytest.raises(ValueError, match=message):
        TokenTransformer(*sizes, **({"width": 16} | settings))


# the cache


@pytest.mark.parametrize("pieces", [[1] * 12, [5, 1, 1, 5], [3, 4, 5], [12]])
def test_reading_in_pieces_with_a_cache_gives_the_logits_of_the_whole(pieces):
    model, tokens, cache = small(), whole((3, 12), 20), []
    found = [model(part, cache) for part in tokens.split(pieces, dim=1)]
    assert torch.allclose(torch.cat(found, dim=1), model(tokens), atol=1e-12)
    assert len(cache) == 2 and cache[0].k.shape == cache[0].v.shape == (3, 2, 12, 8)


@pytest.mark.parametrize(
    "other, shape, message",
    [
        ({}, (3, 1), "tokens must be at most 12, with those in cache, got 12 [+] 1"),
        ({}, (4, 1), "cache must hold 4 rows as tokens, got 3"),
        ({"layers": 3}, (3, 1), "cache must be .* that this model filled"),
    ],
)
def test_a_cache_that_is_full_or_of_another_batch_or_model_is_refused(other, shape, message):
    cache = []
    small()(whole((3, 12), 20), cache)
    with pytest.raises(ValueError, match=message):
        small(**other)(whole(shape, 20), cache)


def test_logits_with_and_without_cache_agree_to_1e_5_in_float32():
    vocabulary = Vocabulary(512)
    torch.manual_seed(0)
    model = TokenTransformer(len(vocabulary), 56).eval()
    tokens, cache = whole((8, 56), len(vocabulary)), []
    with torch.no_grad():
        steps = torch.cat([model(column, cache) for column in tokens.split(1, dim=1)], dim=1)
        assert (steps - model(tokens)).abs().max() < 1e-5


@pytest.mark.parametrize(
    "settings",
    [{}, {"temperature": 0}, {"top_k": 3}, {"temperature": 0.7, "allowed": slice(5, 19)}],
)
def test_with_and_without_cache_the_tokens_are_the_same(settings):
    model, prompt = small(length=30), whole((16, 4), 20)
    one, other = (
        sample(model, prompt, 27, generator=seeded(), cached=cached, **settings)
        for cached in (True, False)
    )
    assert one.shape == (16, 27) and torch.equal(one, other)


@pytest.mark.parametrize("cached, processed", [(True, 7 + 48), (False, sum(range(7, 56)))])
def test_with_a_cache_every_token_is_processed_once(cached, processed):
    model, read = small(length=56), []
    model.register_forward_hook(lambda module, given, logits: read.append(given[0].shape[1]))
    sample(model, whole((2, 7), 20), 49, cached=cached)
    assert sum(read) == processed and len(read) == 49


# sampling


class Fixed(TokenTransformer):
    """A model whose logits are the same after any token."""

    def __init__(self, logits):
        super().__init__(len(logits), 100, width=1, heads=1, layers=1)
        self.logits = torch.as_tensor(logits)

    def forward(self, tokens, cache=None):
        return self.logits.expand(*tokens.shape, -1)


def frequencies(logits, n=20_000, **settings):
    drawn = sample(Fixed(logits), whole((n, 1), 2), 1, generator=seeded(), **settings)
    return torch.bincount(drawn.flatten(), minlength=len(logits)).double()


LOGITS = [0.3, -1.2, 1.5, 0.0, 1.1, -0.4]


@pytest.mark.parametrize(
    "settings, expected",
    [
        ({}, torch.tensor(LOGITS)),
        ({"temperature": 0.5}, 2 * torch.tensor(LOGITS)),
        ({"temperature": 3}, torch.tensor(LOGITS) / 3),
        ({"top_k": 3}, torch.tensor([0.3, -math.inf, 1.5, -math.inf, 1.1, -math.inf])),
        ({"allowed": slice(1, 4)}, torch.tensor([-math.inf, -1.2, 1.5, 0, -math.inf, -math.inf])),
        ({"top_k": 1, "allowed": slice(3, 6)}, torch.tensor([-math.inf] * 4 + [0.0, -math.inf])),
    ],
)
def test_tokens_are_drawn_as_often_as_the_softmax_says(settings, expected):
    counts, p = frequencies(LOGITS, **settings), expected.double().softmax(dim=0)
    assert (counts[p == 0] == 0).all()
    if (p > 0).sum() > 1:
        test = stats.chisquare(counts[p > 0], p[p > 0] * counts.sum())
        assert test.pvalue > 1e-3
        assert stats.chisquare(counts[p > 0]).pvalue < 1e-6  # the test can tell: not uniform


def test_top_k_keeps_exactly_k_of_equally_likely_tokens_and_all_if_there_are_fewer():
    assert (frequencies([0.0] * 6, top_k=2) > 0).sum() == 2
    assert torch.equal(frequencies(LOGITS, top_k=9), frequencies(LOGITS))


@pytest.mark.parametrize("settings", [{"top_k": 1}, {"temperature": 1e-9}, {"temperature": 5e-324}])
def test_top_1_and_a_vanishing_temperature_take_the_most_likely_token(settings):
    model, prompt = small(), whole((8, 3), 20)
    best = sample(model, prompt, 9, temperature=0)
    assert torch.equal(sample(model, prompt, 9, generator=seeded(), **settings), best)


def test_greedy_tokens_are_the_argmax_step_by_step():
    model, tokens = small(), whole((4, 3), 20)
    for _ in range(9):
        tokens = torch.cat([tokens, model(tokens)[:, -1].argmax(dim=1)[:, None]], dim=1)
    assert torch.equal(sample(model, tokens[:, :3], 9, temperature=0), tokens[:, 3:])


def test_only_allowed_tokens_are_drawn():
    drawn = sample(small(), whole((50, 1), 20), 12, allowed=slice(7, 11), generator=seeded())
    assert drawn.unique().tolist() == [7, 8, 9, 10]


def test_the_same_seed_draws_the_same_tokens_and_another_others():
    model, prompt = small(), whole((8, 3), 20)
    first = sample(model, prompt, 9, generator=seeded())
    assert torch.equal(first, sample(model, prompt, 9, generator=seeded()))
    assert not torch.equal(first, sample(model, prompt, 9, generator=seeded(1)))


def test_sampling_keeps_no_graph_and_leaves_the_prompt_alone():
    prompt = whole((2, 3), 20)
    before = prompt.clone()
    assert not sample(small(), prompt, 5).requires_grad and torch.equal(prompt, before)


@pytest.mark.parametrize(
    "num_tokens, settings, message",
    [
        (0, {}, r"num_tokens must be an integer in \[1, 10\], got 0"),
        (11, {}, r"num_tokens must be an integer in \[1, 10\], got 11"),
        (5, {"temperature": -1.0}, "temperature must be a finite number >= 0, got -1"),
        (5, {"top_k": 0}, "top_k must be an integer >= 1, got 0"),
        (5, {"allowed": slice(4, 4)}, "allowed must leave at least one token"),
        (5, {"allowed": 4}, "allowed must be a slice of the vocabulary, got 4"),
        (5, {"allowed": slice("a", "b")}, "allowed must be a slice of the vocabulary"),
    ],
)
def test_bad_settings_are_refused(num_tokens, settings, message):
    with pytest.raises(ValueError, match=message):
        sample(small(), whole((2, 3), 20), num_tokens, **settings)


def test_sampling_drops_nothing_out_and_leaves_the_mode_that_it_found():
    model, prompt = small(dropout=0.5), whole((8, 3), 20)
    expected = sample(model, prompt, 9, generator=seeded())
    model.train().blocks[0].eval()
    modes = [module.training for module in model.modules()]
    assert torch.equal(sample(model, prompt, 9, generator=seeded()), expected)
    assert [module.training for module in model.modules()] == modes and len(set(modes)) == 2


# the loss


def test_the_loss_is_the_sum_of_the_categorical_log_probabilities():
    model, tokens = small(), whole((5, 12), 20)
    expected = -Categorical(logits=model(tokens[:, :-1])).log_prob(tokens[:, 1:])
    assert torch.allclose(token_nll(model, tokens), expected)
    assert torch.allclose(token_loss(model, tokens)["loss"], expected.sum(dim=1))


def test_the_probabilities_of_all_sequences_add_up_to_one():
    model = small(size=3, length=4)
    rest = torch.cartesian_prod(*[torch.arange(3)] * 4)  # (81, 4)
    tokens = torch.cat([torch.full((81, 1), 2), rest], dim=1)
    assert math.isclose((-token_loss(model, tokens)["loss"]).exp().sum().item(), 1, rel_tol=1e-9)


def test_a_model_that_knows_nothing_pays_55_log_v():
    v = Vocabulary(512)
    tokens = sequences(v, whole((3, 7, 7), 512), torch.tensor([3, 7, 0]))[0]
    loss = token_loss(Fixed(torch.zeros(len(v))), tokens)["loss"]
    assert torch.allclose(loss, torch.full((3,), 55 * math.log(541)), rtol=1e-5)


def test_the_loss_needs_a_second_token():
    with pytest.raises(ValueError, match=r"T >= 2, got \(3, 1\)"):
        token_loss(small(), whole((3, 1), 20))


def test_both_orders_hold_the_word_and_the_picture():
    v, indices = Vocabulary(16), whole((4, 7, 7), 16)
    y = torch.tensor([7, 0, 3, 7])
    word_first, picture_first = sequences(v, indices, y)
    assert word_first.shape == picture_first.shape == (4, 56)
    spelled = ["seven", "zero", "three", "seven"]
    for part in (word_first[:, :6], picture_first[:, 50:]):
        assert (part[:, 0] == v.word_mark).all() and v.words(part[:, 1:]) == spelled
    for part in (word_first[:, 6:], picture_first[:, :50]):
        assert (part[:, 0] == v.picture_mark).all()
        assert torch.equal(v.indices(part[:, 1:]), indices)


def test_a_digit_above_nine_or_without_a_picture_is_refused():
    for y, message in (([1, 10], r"y must be in \[0, 9\], got values in \[1, 10\]"),
                       ([1], r"y must have shape \(2,\), got \(1,\)")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            sequences(Vocabulary(16), whole((2, 7, 7), 16), torch.tensor(y))


# words and pictures


def test_drawings_are_the_decoded_continuation_of_the_word():
    both = bilingual()
    v = both.vocabulary
    x = both.draw(["seven", "two"], top_k=3, generator=seeded())
    prompt = torch.tensor([[27, 18, 4, 21, 4, 13, 28], [27, 19, 22, 14, 26, 26, 28]])
    tokens = sample(both.transformer, prompt, 49, allowed=v.codes, top_k=3, generator=seeded())
    assert torch.equal(x, both.vqvae.detokenize((tokens - 29).view(2, 7, 7)).clamp(0, 1))
    assert x.shape == (2, 784) and x.min() >= 0 and x.max() <= 1


def test_one_word_gives_one_drawing():
    assert torch.equal(
        bilingual().draw("seven", temperature=0), bilingual().draw(["seven"], temperature=0)
    )
    assert bilingual().draw("seven").shape == (1, 784)


def test_reading_continues_the_picture_by_the_most_likely_letters():
    both, x = bilingual(), torch.rand(3, 784, generator=seeded())
    tokens = both.vocabulary.picture_tokens(both.vqvae.tokenize(x))
    tokens = torch.cat([tokens, torch.full((3, 1), 27)], dim=1)
    for _ in range(5):
        letter = both.transformer(tokens)[:, -1, :27].argmax(dim=1)
        tokens = torch.cat([tokens, letter[:, None]], dim=1)
    assert both.read(x) == both.vocabulary.words(tokens[:, -5:])


def test_reading_in_chunks_is_reading_one_by_one():
    both, x = bilingual(layers=1), torch.rand(253, 784, generator=seeded())
    words = both.read(x)
    assert len(words) == 253 and both.read(x[248:252]) == words[248:252]


@pytest.mark.parametrize("words", ["eleven", "Seven", "ten", "", ["one", "tow"], [3]])
def test_a_word_that_is_no_digit_is_refused_with_the_list_of_those_that_are(words):
    with pytest.raises(ValueError, match="among zero, one, two, .*, nine; got"):
        bilingual().draw(words)


def test_no_words_and_other_images_are_refused():
    with pytest.raises(ValueError, match="at least one word"):
        bilingual().draw([])
    with pytest.raises(ValueError, match=r"x must have shape \(N, 784\)"):
        bilingual().read(torch.rand(2, 100))
    with pytest.raises(ValueError, match="divide 8-bit pixels by 255"):
        bilingual().read(torch.full((2, 784), 255.0))


def test_what_are_no_image_tokens_is_not_decoded():
    with pytest.raises(ValueError, match=r"tokens must be in \[29, 44\], got values in"):
        bilingual().picture(torch.zeros(2, 49, dtype=torch.int64))


def test_two_models_of_different_vocabularies_are_refused():
    with pytest.raises(ValueError, match="transformer must know 45 tokens, .* got 20"):
        Bilingual(small(20, 56), VQVAE(16, 4))


def test_a_transformer_too_short_for_a_pair_is_refused():
    with pytest.raises(ValueError, match="transformer must read 55 tokens, .* got length 54"):
        Bilingual(small(45, 54), VQVAE(16, 4))
    Bilingual(small(45, 55), VQVAE(16, 4)).draw("one")


def test_training_mode_changes_no_drawing_and_no_reading():
    both, x = bilingual(dropout=0.5), torch.rand(2, 784, generator=seeded())
    drawn, words = both.draw("one", generator=seeded()), both.read(x)
    both.transformer.train(), both.vqvae.train()
    assert torch.equal(both.draw("one", generator=seeded()), drawn) and both.read(x) == words
    assert both.transformer.training and both.vqvae.training


# the shipped weights


@pytest.fixture(scope="module")
def shipped():
    return Bilingual.trained()


def test_the_shipped_pair_reached_its_bars_on_all_test_digits_and_1000_drawings():
    metrics = weights.manifest()["token_transformer"]["metrics"]
    assert metrics["read_accuracy"] >= 0.97 and metrics["draw_agreement"] >= 0.95


def test_the_shipped_pair_reads_500_test_digits(shipped):
    test = data.mnist("test")
    words = shipped.read(test.x[5000:5500])
    right = [word == WORDS[digit] for word, digit in zip(words, test.y[5000:5500], strict=True)]
    assert sum(right) >= 480 and set(words) <= set(WORDS)


def test_the_shipped_pair_draws_what_it_is_asked_for(shipped):
    drawn = shipped.draw(list(WORDS) * 10, generator=seeded())
    agree = DigitClassifier.trained().predict(drawn) == torch.arange(10).repeat(10)
    assert agree.sum() >= 90


def test_the_shipped_transformer_has_the_same_logits_with_and_without_cache(shipped):
    model, indices = shipped.transformer, whole((8, 7, 7), 512)
    tokens = sequences(shipped.vocabulary, indices, torch.arange(8))[0]
    double = TokenTransformer(541, 56).double().eval()
    double.load_state_dict(model.state_dict())
    # in float32 the rounding grows with the logits, of size 16 here
    for each, most in ((double, 1e-10), (model, 1e-4)):
        cache = []
        with torch.no_grad():
            steps = torch.cat([each(column, cache) for column in tokens.split(1, dim=1)], dim=1)
            assert (steps - each(tokens)).abs().max() < most


def test_the_shipped_pair_can_neither_train_nor_drop_out(shipped):
    for part in (shipped.transformer, shipped.vqvae):
        assert not part.training and not any(p.requires_grad for p in part.parameters())


# exercises


def attend(q, k, v, scale=None, mask="later", dim=-1):
    T, d = q.shape
    scores = q @ k.T / (scale or d**0.5)
    later = torch.ones(T, T, dtype=torch.bool).triu(1)
    hidden = {"later": later, "earlier": later.T, "strict": ~later.T, "none": later & False}[mask]
    return scores.masked_fill(hidden, -math.inf).softmax(dim=dim) @ v


def probabilities(logits, temperature, top_k):
    least = logits.topk(top_k, dim=1).values[:, -1:]
    return (logits / temperature).masked_fill(logits < least, -math.inf).softmax(dim=1)


RIGHT = {
    "tokens-1": 13312,
    "tokens-2": math.e**3,
    "tokens-3": attend,
    "tokens-4": probabilities,
    "tokens-5": " (C) ",
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_solution_is_accepted(name):
    assert check(name, RIGHT[name])


def test_tokens_3_also_accepts_the_one_of_pytorch():
    attention = torch.nn.functional.scaled_dot_product_attention
    assert checkers.tokens_3(lambda q, k, v: attention(q, k, v, is_causal=True)) is None


def test_tokens_1_and_2_agree_with_a_uniform_model():
    uniform = Categorical(logits=torch.zeros(8192).double())
    assert checkers.tokens_1(1024 * uniform.entropy().item() / math.log(2)) is None
    assert checkers.tokens_2(20) is None and checkers.tokens_2(torch.tensor(20.09)) is None


WRONG_NUMBERS = {
    checkers.tokens_1: {
        1024 * math.log(8192): "Those are nats", 13: "one token", 416: "more than 32 tokens",
        1024 * 8192: "log K, not K", 256 * 256 * 13: "not for each pixel", 1664: "bytes",
        7: "does not follow", "13312": "one number",
    },
    checkers.tokens_2: {
        3: "one token in nats", 8: "which base", 4.33: "in bits", math.log(3): "undo it",
        512 / 3: "does not enter", math.exp(-3): "turn it round", None: "one number",
    },
}  # fmt: skip


@pytest.mark.parametrize("checker", WRONG_NUMBERS)
def test_a_wrong_number_is_rejected_with_its_hint(checker):
    for answer, hint in WRONG_NUMBERS[checker].items():
        said = checker(answer)
        assert hint in said and "13312" not in said and "20" not in said


WRONG_ATTENTION = {
    "wrong side": (lambda q, k, v: attend(q, k, v, mask="earlier"), "on the wrong side"),
    "no mask": (lambda q, k, v: attend(q, k, v, mask="none"), "no mask"),
    "not itself": (lambda q, k, v: attend(q, k, v, mask="strict"), "look at itself"),
    "no scale": (lambda q, k, v: attend(q, k, v, scale=1), "not scaled"),
    "divided by d": (lambda q, k, v: attend(q, k, v, scale=4), "divided by d"),
    "root of T": (lambda q, k, v: attend(q, k, v, scale=5**0.5), "not by d"),
    "wrong axis": (lambda q, k, v: attend(q, k, v, dim=0), "wrong axis"),
    "exchanged": (lambda q, k, v: attend(k, q, v), "exchanged"),
    "mask after softmax": (
        lambda q, k, v: (q @ k.T / 2).softmax(1).tril() @ v,
        "after the softmax",
    ),
    "zero score": (lambda q, k, v: (q @ k.T / 2).tril().softmax(1) @ v, "weight e^0"),
    "no softmax": (lambda q, k, v: (q @ k.T / 2).tril() @ v, "softmax is missing"),
    "one row": (lambda q, k, v: attend(q, k, v)[0], r"shape should be (5, 4)"),
    "numpy": (lambda q, k, v: attend(q, k, v).numpy(), "torch.Tensor, not ndarray"),
    "raises": (lambda q: q, "stopped with TypeError"),
    "no function": (1.0, "the function itself"),
    "something else": (lambda q, k, v: v, "values are not"),
}


@pytest.mark.parametrize("answer, hint", WRONG_ATTENTION.values(), ids=WRONG_ATTENTION)
def test_wrong_attention_is_rejected_with_its_hint(answer, hint):
    assert hint in checkers.tokens_3(answer)


WRONG_PROBABILITIES = {
    "multiplied": (lambda a, t, k: probabilities(a, 1 / t, k), "multiplied by the temperature"),
    "no temperature": (lambda a, t, k: probabilities(a, 1, k), "temperature has no effect"),
    "no top k": (lambda a, t, k: (a / t).softmax(1), "top_k has no effect"),
    "smallest": (
        lambda a, t, k: (
            (a / t).masked_fill(a > (-a).topk(k).values.neg()[:, -1:], -math.inf).softmax(1)
        ),
        "least likely",
    ),
    "not shared out": (
        lambda a, t, k: (a / t).softmax(1) * (a >= a.topk(k).values[:, -1:]),
        "add up to one",
    ),
    "zero logit": (
        lambda a, t, k: (a / t).masked_fill(a < a.topk(k).values[:, -1:], 0).softmax(1),
        "not a probability of 0",
    ),
    "divided late": (lambda a, t, k: probabilities(a, 1, k) / t, "not probabilities"),
    "logarithms": (lambda a, t, k: probabilities(a, t, k).log(), "not their logarithms"),
    "all rows": (
        lambda a, t, k: (
            (a / t).masked_fill(a < a.flatten().topk(k).values[-1], -math.inf).softmax(1)
        ),
        "chosen in each row",
    ),
    "columns": (lambda a, t, k: a[:, :k], r"shape should be (4, 9)"),
    "nothing": (lambda a, t, k: None, "torch.Tensor, not NoneType"),
}


@pytest.mark.parametrize("answer, hint", WRONG_PROBABILITIES.values(), ids=WRONG_PROBABILITIES)
def test_wrong_probabilities_are_rejected_with_their_hint(answer, hint):
    assert hint in checkers.tokens_4(answer)


@pytest.mark.parametrize(
    "answer, hint",
    [("a", "more dearly than after the picture"), ("b", "more dearly than after the word"),
     ("d", "both orders predict 55 tokens"), ("e", "one letter of a, b, c, d"),
     (3, "one letter of a, b, c, d")],
)  # fmt: skip
def test_a_wrong_choice_is_rejected_with_its_hint(answer, hint):
    assert hint in checkers.tokens_5(answer)
