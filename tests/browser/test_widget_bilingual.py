"""The transformer of chapter 11's widget against PyTorch's; no built book is needed."""

from base64 import b64encode

import packs
import torch

from aecourse import data
from aecourse.tokens import sequences
from aecourse.widgets import base

# The modules of the widget in one function, with what it keeps to itself in reach.
MODELS = """async given => {{
  {source}
  const pack = readPack(Uint8Array.from(atob(given.pack), c => c.charCodeAt(0)));
  const model = transformerOf(pack), run = (task) => {{
    for (;;) {{ const {{done, value}} = task.next(); if (done) return value; }}
  }};
  {body}
}}"""


def inside(tab, body, **given):
    """Run JavaScript with the widget's own functions in scope."""
    source = "\n".join(base.parts(["tokens"]))
    given["pack"] = b64encode(packs.writer()).decode()
    return tab.evaluate(MODELS.format(source=source, body=body), given)


def test_the_logits_are_pytorchs_for_a_hundred_prefixes(tab):
    both = packs.rounded_pair()
    x, y = data.mnist("test").x[:20], data.mnist("test").y[:20]
    orders = sequences(both.vocabulary, both.vqvae.tokenize(x), y)
    rows = torch.where((torch.arange(20) % 2 == 0)[:, None], *orders).tolist()
    prefixes = [row[:length] for row in rows for length in (1, 7, 20, 50, 56)]
    found = inside(tab, "return given.prefixes.map(p => Array.from(run(model.next(p))))",
                   prefixes=prefixes)  # fmt: skip
    with torch.no_grad():
        expected = [both.transformer(torch.tensor([p]))[0, -1] for p in prefixes]
    error = (torch.tensor(found) - torch.stack(expected)).abs().max().item()
    print(f"tokens: logits at most {error:.1e} from PyTorch")
    assert error <= 1e-3


def test_a_prefix_read_before_is_not_read_again(tab):
    body = """let passes = 0;
      const count = (tokens) => {
        const task = model.next(tokens);
        for (passes = 0; !task.next().done; passes++);
        return passes;
      };
      return [[1, 2, 3], [1, 2, 3], [1, 2, 3, 4], [1, 2, 9], [1, 2]].map(count);"""
    assert inside(tab, body) == [3, 0, 1, 1, 1]


def test_codes_are_drawn_from_the_top_k_softmax_over_the_temperature(tab):
    logits = torch.linspace(-2, 2, 12)[torch.randperm(12, generator=torch.manual_seed(0))]
    body = """const {uniform} = randomNumbers(1), logits = Float32Array.from(given.logits);
      return Array.from({length: 20000}, () => draw(logits, given.t, given.k, uniform))"""
    for t, k in ((1.0, 12), (0.5, 5), (2.0, 3), (0.01, 12)):
        found = torch.tensor(inside(tab, body, logits=logits.tolist(), t=t, k=k)).bincount(
            minlength=12
        )
        kept = torch.full((12,), -torch.inf).scatter(0, logits.topk(k).indices, logits.topk(k)[0])
        expected = (kept / t).softmax(dim=0)
        assert (found / 20000 - expected).abs().max() < 0.015
    assert set(inside(tab, body, logits=logits.tolist(), t=0, k=12)) == {logits.argmax().item()}


def test_thirty_tokens_a_second_at_least(tab):
    body = """const codes = [], found = {codes, bits: 0}, times = [];
      const vocabulary = vocabularyOf(pack);
      for (let i = 0; i < 4; i++) {
        const start = performance.now();
        codes.length = 0;
        run(write(model, vocabulary, ['seven', 1, 50, i], found));
        times.push(performance.now() - start);
      }
      return times;"""
    rates = [49_000 / t for t in inside(tab, body)]
    print(f"tokens: {max(rates):.0f} tokens/s without a pause, {rates[0]:.0f} at first")
    assert max(rates) >= 30
