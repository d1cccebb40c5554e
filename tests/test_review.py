"""Chapter 12: the questions of the self-test, and the draw of some of them."""

import json
import math
import re
from collections import Counter
from fractions import Fraction
from functools import partial
from pathlib import Path

import nbformat
import pytest
import torch
from scipy import stats
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from aecourse import review, weights
from aecourse.exercises import check
from aecourse.review import Question, draw, questions
from aecourse.vqvae import VectorQuantizer, perplexity

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"
FILES = sorted(path.stem for path in CHAPTERS.glob("[0-9][0-9]_*.ipynb"))
TOPICS = [stem[3:] for stem in FILES if stem != "12_review"]
BY_ID = {question.id: question for question in questions()}


def texts(question):
    return [question.question, *question.options, *question.why]


def right(question):
    return question.options[question.answer]


# --- the set as a whole --------------------------------------------------------------------------


def test_there_are_more_than_forty_questions_and_each_chapter_has_at_least_four():
    counts = Counter(question.topic for question in questions())
    assert len(questions()) >= 48
    assert list(counts) == TOPICS and min(counts.values()) >= 4


def test_answers_are_spread_evenly_over_the_four_positions():
    counts = Counter(question.answer for question in questions())
    assert stats.chisquare([counts[i] for i in range(4)]).pvalue > 0.5
    for topic in TOPICS:
        of_topic = Counter(q.answer for q in questions() if q.topic == topic)
        assert len(of_topic) >= 3 and max(of_topic.values()) <= 1 + sum(of_topic.values()) / 4


def test_length_does_not_give_the_answer_away():
    """Chance would make the right option the longest, or the shortest, a quarter of the time."""
    for extreme in (max, min):
        alone = 0
        for question in questions():
            lengths = [len(option) for option in question.options]
            at_end = [i for i, n in enumerate(lengths) if n == extreme(lengths)]
            alone += (question.answer in at_end) / len(at_end)
        assert 0.15 < alone / len(questions()) < 0.35


def test_no_word_gives_the_answer_away():
    """A right option is no more often hedged or absolute than chance would make it."""
    for word in ("always", "never", "only", "all", "none", "nothing"):
        has = re.compile(rf"\b{word}\b", re.I).search
        have = [[bool(has(option)) for option in q.options] for q in questions()]
        total = sum(map(sum, have))
        among_right = sum(row[q.answer] for row, q in zip(have, questions()))
        assert stats.binomtest(among_right, max(total, 1), 0.25).pvalue > 0.01, word


def test_ids_are_unique_and_name_the_topic():
    assert len(BY_ID) == len(questions())
    for question in questions():
        assert re.fullmatch(rf"{question.topic}-[1-9]\d*", question.id)


# --- one question --------------------------------------------------------------------------------


def test_each_option_is_explained_and_no_option_occurs_twice():
    for question in questions():
        assert len({option.casefold().strip(" .`*") for option in question.options}) == 4, question
        assert len(set(question.why)) == 4, question
        for why, option in zip(question.why, question.options):
            assert len(why) >= 20 and why != option, question


@pytest.fixture(scope="module")
def sections():
    """{page: {label: heading}} of all chapters."""
    found = {}
    for page in FILES:
        cells = nbformat.read(CHAPTERS / f"{page}.ipynb", as_version=4).cells
        text = "\n\n".join(c.source for c in cells if c.cell_type == "markdown")
        found[page] = dict(re.findall(r"^\(([\w-]+)\)=\n#+ (.*)$", text, re.M))
    return found


def test_each_question_leads_to_a_section_that_exists_under_its_title(sections):
    for question in questions():
        assert question.page == FILES[TOPICS.index(question.topic)], question
        assert sections[question.page][question.section] == question.title, question


def test_markup_is_that_of_the_docstring():
    for text in (text for question in questions() for text in texts(question)):
        assert not re.search(r"[$\\]|--|\.\.\.", text), "no LaTeX, no typewriter's dashes"
        assert text.count("`") % 2 == 0 and text == text.strip()
        prose = re.sub(r"`[^`]+`", "", text)
        prose = re.sub(r"[_^]\{[^{}_^]+\}", "", prose)  # sub- and superscripts
        prose = re.sub(r"\*[^*\s](?:[^*]*[^*\s])?\*", "", prose)  # emphasis
        assert not re.search(r"[`*_^{}]", prose), prose


# --- computed answers, computed again ------------------------------------------------------------


def value(option):
    """The first number of an option, as a float."""
    text = re.sub(r"(?<=\d) (?=\d{3})", "", option.replace("−", "-"))
    first = re.search(r"-?\d+(?:/\d+|\.\d+)?", text)
    return float(Fraction(first.group())) if first else None


def kl(*moments):
    """KL from N(m, v) to N(n, w), given m, v, n, w."""
    m, v, n, w = (torch.tensor(float(x)) for x in moments)
    return kl_divergence(Normal(m, v.sqrt()), Normal(n, w.sqrt())).item()


def white_noise_left(d=784, k=196):
    x = torch.randn(500, d, generator=torch.Generator().manual_seed(0))
    basis = torch.linalg.qr(torch.randn(d, k, generator=torch.Generator().manual_seed(1))).Q
    return ((x - x @ basis @ basis.T).square().sum() / x.square().sum()).item()


def discarded_variance():
    x = torch.randn(4000, 4, generator=torch.Generator().manual_seed(0)).double()
    x = torch.linalg.qr(x - x.mean(dim=0)).Q * 4000**0.5 * torch.tensor([5.0, 3, 1, 1]).sqrt()
    u, s, v = torch.linalg.svd(x, full_matrices=False)
    return (x - u[:, :2] * s[:2] @ v[:2]).square().sum(dim=1).mean().item()


def reconstruction_square():
    z = Normal(1.0, 1.0).sample((1_000_000,))
    return (2 - z).square().mean().item()


def mean_field_gap(rho=0.8):
    """The least KL from a diagonal Gaussian to a correlated one: variances 1/precision."""
    cov = torch.tensor([[1.0, rho], [rho, 1.0]])
    q = MultivariateNormal(torch.zeros(2), torch.diag(1 / torch.linalg.inv(cov).diagonal()))
    return kl_divergence(q, MultivariateNormal(torch.zeros(2), cov)).item()


def noise_penalty():
    W, x = 2 * torch.eye(3), torch.ones(1, 3)
    eps = torch.randn(1_000_000, 3, generator=torch.Generator().manual_seed(0))
    noisy = ((x + 0.5 * eps) @ W.T - x).square().sum(dim=1).mean()
    return (noisy - (x @ W.T - x).square().sum()).item()


def posterior_mean(seen=3.0):
    """E[x | x + eps = 3] by a sum over a fine grid."""
    x = torch.linspace(-10, 10, 20_001).double()
    weight = (Normal(0.0, 1.0).log_prob(x) + Normal(x, 1.0).log_prob(torch.tensor(seen))).exp()
    return ((weight * x).sum() / weight.sum()).item()


def processed_with_cache(prompt=2, drawn=3):
    cached, new, total = 0, prompt, 0
    for _ in range(drawn):
        total += new  # only what the cache does not hold goes through
        cached, new = cached + new, 1
    return total


NUMBERS = {
    "trivial-4": white_noise_left,
    "trivial-6": lambda: 784 * 0.5**2,
    "linear-2": discarded_variance,
    "generation-3": lambda: (0 - 3) ** 2 + (1 - 2) ** 2,
    "stochastic-3": lambda: 10**2 + 3.5 * 10 + 3,
    "vae-1": lambda: kl(1, 1, 0, 1),
    "vae-5": lambda: weights.manifest()["vae_beta_3"]["metrics"]["test_elbo"],
    "elbo-2": reconstruction_square,
    "elbo-9": lambda: kl(0, 1, 0, 4),
    "elbo-11": lambda: -70 - 28,
    "elbo-12": mean_field_gap,
    "limits-2": lambda: torch.tensor([0.0, 0.5, 1.0]).diff() @ torch.tensor([-600.0, -100.0]),
    "denoising-2": noise_penalty,
    "denoising-4": posterior_mean,
    "vqvae-5": lambda: 49 * math.log2(512),
    "vqvae-6": lambda: perplexity(torch.tensor([7] * 128 + [0] * 384)),
    "tokens-3": processed_with_cache,
}
SHARED = {"trivial-6", "stochastic-3", "elbo-11"}  # the number again, with something wrong about it


@pytest.mark.parametrize("name", NUMBERS)
def test_the_right_number_is_right_and_no_other_option_has_it(name):
    torch.manual_seed(0)
    found, question = float(NUMBERS[name]()), BY_ID[name]
    values = [value(option) for option in question.options]
    near = [v is not None and abs(v - found) <= 0.01 * abs(found) for v in values]
    assert near[question.answer], values
    assert sum(near) == 1 or name in SHARED, values


def test_traps_of_computed_questions_are_what_their_explanations_say():
    def has(name, number):
        return any(abs((value(o) or 0) - number) < 0.006 for o in BY_ID[name].options)

    assert has("vae-1", 0.5 / math.log(2)) and has("generation-3", 9 + (4 - 1))
    assert has("elbo-9", kl(0, 4, 0, 1)) and has("elbo-9", 2 * kl(0, 1, 0, 4))
    assert has("elbo-12", -0.5 * math.log(0.64)) and has("elbo-12", -math.log(0.36))
    assert has("vqvae-6", math.log(128)) and has("vqvae-5", round(49 * math.log(512)))
    assert has("vae-5", -(96.5 + 3 * 12.3)) and has("elbo-2", (2 - 0) ** 2 + 1)


def test_the_two_bounds_from_two_weights():
    mean_log = (math.log(1) + math.log(9)) / 2
    log_mean = math.log((1 + 9) / 2)
    assert right(BY_ID["elbo-5"]) == "log 3 and log 5"
    assert math.isclose(mean_log, math.log(3)) and math.isclose(log_mean, math.log(5))


def test_squared_error_with_weight_one_is_a_gaussian_with_variance_one_half():
    assert right(BY_ID["vae-8"]) == "1/2"
    a, b = torch.tensor(0.3), torch.tensor(0.9)
    p = Normal(0.0, 0.5**0.5)
    assert torch.isclose(p.log_prob(a) - p.log_prob(b), b**2 - a**2)


def test_derivative_of_the_sample_by_the_log_variance():
    logvar, eps = torch.tensor(0.7, requires_grad=True), torch.tensor(1.3)
    (slope,) = torch.autograd.grad(2 + (logvar / 2).exp() * eps, logvar)
    sigma = (logvar / 2).exp()
    candidates = {"σε/2": sigma * eps / 2, "ε": eps, "σε": sigma * eps, "ε/(2σ)": eps / 2 / sigma}
    matches = [torch.isclose(candidates[o], slope).item() for o in BY_ID["stochastic-2"].options]
    assert matches == [i == BY_ID["stochastic-2"].answer for i in range(4)]


def test_only_one_pair_of_matrices_has_the_same_outputs():
    U, V, A = torch.randn(2, 5).double(), torch.randn(5, 2).double(), torch.randn(2, 2).double()
    B = torch.linalg.inv(A)
    pairs = {"(AU, VA^{-1})": (A @ U, V @ B), "(AU, VA)": (A @ U, V @ A),
             "(A^{-1}U, VA^{-1})": (B @ U, V @ B)}  # fmt: skip
    assert right(BY_ID["linear-1"]) == "(AU, VA^{-1})"
    for name, (encoder, decoder) in pairs.items():
        same = torch.allclose(decoder @ encoder, V @ U)
        assert same == (name == right(BY_ID["linear-1"]))


def test_only_one_line_is_the_straight_through_estimator():
    def works(line):
        z_e, z_d = (torch.tensor([v], requires_grad=True) for v in (1.0, 4.0))
        z = eval(line.strip("`"), {"z_e": z_e, "z_d": z_d})
        if z.item() != 4.0 or not z.requires_grad:
            return False
        slopes = torch.autograd.grad(z.sum(), (z_e, z_d), allow_unused=True)
        return slopes[0] == 1 and slopes[1] is None

    question = BY_ID["vqvae-3"]
    assert [bool(works(o)) for o in question.options] == [i == question.answer for i in range(4)]


def test_only_one_line_trains_a_denoiser():
    """The perfect denoiser must have loss zero, and a network that copies must not."""
    clean, dirty = torch.zeros(3, 4), torch.ones(3, 4)
    tools = {"noise": lambda x: x + 1, "x": clean, "y": dirty,
             "squared_error": lambda a, b: (a - b).square().sum(dim=1)}  # fmt: skip

    def loss(line, model):
        return eval(line.strip("`"), tools | {"model": model}).sum().item()

    question = BY_ID["denoising-1"]
    good = [loss(o, lambda x: torch.where(x == dirty, clean, x)) == 0 < loss(o, lambda x: x)
            for o in question.options]  # fmt: skip
    assert good == [i == question.answer for i in range(4)]


def test_nearest_code_by_distance():
    codes = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    nearest = torch.cdist(torch.tensor([[0.3, 0.9]]), codes).argmin().item()
    assert right(BY_ID["vqvae-1"]) == ("(0, 0)", "(2, 0)", "(0, 2)")[nearest]


def test_quoted_measurements_are_those_of_the_shipped_weights():
    made = {name: entry["metrics"] for name, entry in weights.manifest().items()}

    def quoted(number, digits, name):
        shown = f"{number:.{digits}f}".replace("-", "−")
        return any(shown in text for text in texts(BY_ID[name]))

    for L, digits in ((2, 0), (10, 0), (20, 1), (50, 1), (100, 1)):
        assert quoted(made[f"vae_latent_{L}"]["test_elbo"], digits, "limits-1")
        assert quoted(made[f"vae_latent_{L}"]["active_units"], 0, "limits-1")
    assert quoted(made["vae_beta_3"]["test_reconstruction"], 1, "vae-5")
    assert quoted(made["vae_beta_3"]["test_kl"], 1, "vae-5")
    assert quoted(made["vae_latent_20"]["sample_frechet"], 0, "limits-5")


# --- drawing -------------------------------------------------------------------------------------


def test_the_same_seed_draws_the_same_questions_and_another_seed_others():
    assert draw(10, seed=3) == draw(10, seed=3)
    assert draw(10, seed=3) != draw(10, seed=4)


@pytest.mark.parametrize("n", [1, 5, 11, 22, 30])
def test_a_draw_is_spread_over_the_chapters(n):
    for seed in range(20):
        drawn = draw(n, seed)
        counts = Counter(question.topic for question in drawn)
        assert len(set(drawn)) == n and max(counts.values()) - min(counts.values()) <= 1
        assert len(counts) == min(n, len(TOPICS))


def test_every_question_has_its_chance_and_the_order_of_chapters_varies():
    drawn = [draw(11, seed) for seed in range(200)]
    assert {question.id for each in drawn for question in each} == set(BY_ID)
    firsts = Counter(each[0].topic for each in drawn)
    assert len(firsts) == len(TOPICS) and max(firsts.values()) < 50


def test_a_draw_can_be_limited_to_chapters_and_ends_with_their_last_question():
    assert {q.topic for q in draw(6, 0, ["vae", "elbo"])} == {"vae", "elbo"}
    assert {q.topic for q in draw(2, 0, "elbo")} == {"elbo"}
    every = draw(1000, 0, ["limits"])
    assert sorted(q.id for q in every) == sorted(q.id for q in questions() if q.topic == "limits")
    assert len(draw(1000, 0)) == len(questions())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0), "n must be an integer >= 1, got 0"),
        ((3, 0, ["gan"]), "each of topics must be one of 'trivial', 'linear'.*got 'gan'"),
        ((3, 0, []), "topics must be a sequence that is not empty"),
    ],
)
def test_a_draw_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw(*arguments)


# --- the file ------------------------------------------------------------------------------------

GOOD = {"id": "vae-1", "topic": "vae", "page": "06_vae", "section": "sec-v1", "title": "T",
        "question": "?", "options": ["a", "b", "c", "d"], "answer": 2,
        "why": ["1", "2", "3", "4"]}  # fmt: skip


def test_a_good_file_is_read_and_cannot_be_changed():
    (question,) = review._parse(json.dumps([GOOD]))
    assert question == Question(**GOOD | {"options": tuple("abcd"), "why": tuple("1234")})
    with pytest.raises(AttributeError):
        question.answer = 0
    assert questions() is questions()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": 4}, r"answer of question 0 \('vae-1'\) must be an integer in \[0, 3\], got 4"),
        ({"answer": True}, "answer of"),
        ({"answer": "2"}, "answer of"),
        ({"options": ["a", "b", "c"]}, "options of .* list of 4"),
        ({"options": ["a", "b", "c", "a"]}, "must all differ"),
        ({"options": "abcd"}, "options of"),
        ({"why": ["1", "2", "3", " "]}, "each entry in why"),
        ({"question": ""}, "question of .* not empty"),
        ({"section": None}, "section of"),
        ({"extra": 1}, "must have the fields id, topic"),
    ],
)
def test_a_broken_entry_is_an_error_that_names_question_and_field(change, message):
    with pytest.raises(ValueError, match=message):
        review._parse(json.dumps([GOOD | change]))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "[1]", json.dumps([GOOD, GOOD])])
def test_a_broken_file_is_an_error(text):
    with pytest.raises(ValueError, match="question|must be unique"):
        review._parse(text)


def test_a_missing_file_is_named(monkeypatch, tmp_path):
    review._load.cache_clear()
    monkeypatch.setattr(review, "files", lambda package: tmp_path)
    with pytest.raises(OSError, match=r"questions\.json is missing"):
        questions()
    monkeypatch.undo()
    assert questions()


# --- exercises -----------------------------------------------------------------------------------


def hint_of(name, answer):
    feedback = check(name, answer)
    assert not feedback
    return feedback.message


BITS = 3 + 2 / math.log(2)


def test_loss_in_bits_is_accepted():
    assert check("review-1", BITS) and check("review-1", torch.tensor(5.885))


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (BITS * math.log(2), "in nats"),
        (5, "One of your terms"),
        (3 + 4 / math.log(2), "lost a factor"),
        (1 + 2 / math.log(2), "summed"),
        (3 - 2 / math.log(2), "sign"),
        (-BITS, "minus that"),
        (3, "its price"),
        ("5.9", "one number"),
    ],
)
def test_wrong_loss_in_bits_gets_its_hint_and_not_the_solution(wrong, hint):
    message = hint_of("review-1", wrong)
    assert hint in message and "5.88" not in message


def good_kl(mu, logvar, mu_p, logvar_p):
    return torch.stack([
        kl_divergence(MultivariateNormal(a, torch.diag(b.exp())),
                      MultivariateNormal(c, torch.diag(d.exp())))
        for a, b, c, d in zip(mu, logvar, mu_p, logvar_p)])  # fmt: skip


def test_kl_to_another_prior_is_accepted_from_an_independent_formula():
    assert check("review-2", good_kl)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda m, s, n, t: 2 * good_kl(m, s, n, t), "factor"),
        (lambda m, s, n, t: good_kl(n, t, m, s), "order"),
        (lambda m, s, n, t: good_kl(m, s, 0 * n, 0 * t), r"N\(0, I\)"),
        (lambda m, s, n, t: good_kl(m, s, n, 0 * t), "own variance"),
        (lambda m, s, n, t: good_kl(m, s, 0 * n, t), "own mean"),
        (lambda m, s, n, t: good_kl(m, s, n, t) / 5, "do not average"),
        (lambda m, s, n, t: good_kl(m, s, n, t).mean(), r"shape should be \(3,\)"),
        (lambda m, s, n, t: -good_kl(m, s, n, t), "never negative"),
        (lambda m, s, n, t: good_kl(m, s / 2, n, t / 2), "standard deviation"),
        (lambda m, s, n, t: good_kl(m, 2 * s, n, 2 * t), "variance already"),
        (lambda m, s, n, t: good_kl(m, s, n, t) + 2.5, "not 0"),
        (lambda m, s: m, "TypeError"),
        (3.0, "function itself"),
    ],
)
def test_wrong_kl_gets_its_hint(wrong, hint):
    assert re.search(hint, hint_of("review-2", wrong))


def parts_of(z_e, codebook):
    return codebook[torch.cdist(z_e, codebook).argmin(dim=1)]


def quantise(z_e, codebook, weight=(1, 0.25), late=False, straight=True, total=torch.sum):
    z_d = parts_of(z_e, codebook)
    z_st = z_e + (z_d - z_e).detach() if straight else z_d
    target = z_st if late else z_d
    codes = total((target - z_e.detach()).square(), dim=1)
    commitment = total((z_e - target.detach()).square(), dim=1)
    return z_st, weight[0] * codes + weight[1] * commitment


def test_heart_of_a_vqvae_is_accepted_also_by_the_books_own_module():
    def by_module(z_e, codebook):
        quantizer = VectorQuantizer(*codebook.shape).double()
        del quantizer.codebook
        quantizer.codebook = codebook  # the checker's tensor, so that its gradient is seen
        z_st, _, terms = quantizer(z_e)
        return z_st, terms["codebook"] + 0.25 * terms["commitment"]

    assert check("review-3", quantise) and check("review-3", by_module)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (partial(quantise, weight=(0.25, 1)), "wrong term"),
        (partial(quantise, weight=(1, 1)), "weight 0.25"),
        (partial(quantise, weight=(1, 0)), "Two terms"),
        (partial(quantise, late=True), "before straight-through"),
        (partial(quantise, straight=False), "does not pass its gradient"),
        (partial(quantise, total=torch.mean), "do not average"),
        (lambda z, c: (z + 0 * parts_of(z, c), quantise(z, c)[1]), "value of the nearest code"),
        (lambda z, c: (c[torch.cdist(z, c).argmax(dim=1)], quantise(z, c)[1]), "farthest"),
        (lambda z, c: (c[(z @ c.T).argmax(dim=1)], quantise(z, c)[1]), "inner product"),
        (lambda z, c: (quantise(z, c)[0], 1.25 * (z - parts_of(z, c)).square().sum(dim=1)),
         "one side only"),
        (lambda z, c: (quantise(z, c)[0], 1.25 * (z.detach() - parts_of(z, c)).square().sum(1)),
         "does not move the encoder"),
        (lambda z, c: (z + parts_of(z, c) - z.detach(), quantise(z, c)[1]), "to the codebook"),
        (lambda z, c: quantise(z, c)[0], "two things"),
        (lambda z, c: tuple(t.detach() for t in quantise(z, c)), "does not pass its gradient"),
        (7, "function itself"),
    ],
)  # fmt: skip
def test_wrong_heart_of_a_vqvae_gets_its_hint(wrong, hint):
    assert hint in hint_of("review-3", wrong)


def test_forecast_of_clothes_accepts_the_vqvae_and_explains_the_others():
    assert check("review-4", "d") and check("review-4", "(D)")
    assert len({hint_of("review-4", letter) for letter in "abce"}) == 4
    assert "one letter" in hint_of("review-4", "x")
