"""The one loop."""

import ast
import copy
import importlib.util
import inspect
import pkgutil
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import aecourse
from aecourse import train
from aecourse.data import Images, batches
from aecourse.trivial import reconstruction_loss

X = torch.rand(64, 5, generator=torch.Generator().manual_seed(0))


def make_model():
    torch.manual_seed(0)
    return nn.Linear(5, 5)


def test_fit_does_what_a_loop_written_out_by_hand_does():
    ours, by_hand = make_model(), make_model()
    history = train.fit(ours, reconstruction_loss, batches(X, 16, seed=3), epochs=2, lr=0.01)
    optimizer = torch.optim.Adam(by_hand.parameters(), lr=0.01, fused=True)
    loader, means = batches(X, 16, seed=3), []
    for _ in range(2):
        losses = []
        for x in loader:
            loss = (by_hand(x) - x).square().sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        means.append(sum(losses) / 4)
    assert torch.equal(ours.weight, by_hand.weight)
    assert history["loss"] == pytest.approx(means) and len(history) == 2


def test_the_history_weights_a_short_last_batch_by_its_size():
    def count(model, x):
        return {"loss": 0 * model(x).sum(1) + x[:, 0], "size": torch.full((len(x),), 7.0)}

    history = train.fit(make_model(), count, batches(X, 60, seed=0), epochs=1)
    assert history["loss"][0] == pytest.approx(X[:, 0].mean().item(), rel=1e-5)
    assert history["size"] == [7.0]


def test_an_optimizer_can_be_handed_on_to_continue():
    once, twice = make_model(), make_model()
    train.fit(once, reconstruction_loss, batches(X, 16, seed=0), epochs=4, lr=0.01)
    optimizer = torch.optim.Adam(twice.parameters(), lr=0.01, fused=True)
    loader = batches(X, 16, seed=0)
    for _ in range(2):
        train.fit(twice, reconstruction_loss, loader, epochs=2, optimizer=optimizer)
    assert torch.equal(once.weight, twice.weight)


def test_a_schedule_is_stepped_after_every_batch_and_brings_its_optimizer():
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1e-3 * 0.5**step)
    train.fit(model, reconstruction_loss, batches(X, 16, seed=0), epochs=2, schedule=schedule)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * 0.5**8)


def test_a_dataloader_and_labelled_batches_are_accepted():
    def supervised(model, batch):
        x, y = batch
        return {"loss": (model(x) - y).square().sum(1)}

    pairs = torch.utils.data.TensorDataset(X, X)
    train.fit(make_model(), supervised, torch.utils.data.DataLoader(pairs, 16), epochs=1)
    train.fit(make_model(), supervised, batches(X, 16, y=X, seed=0), epochs=1)
    train.fit(make_model(), supervised, [Images(X, X)], epochs=1)


def test_divergence_stops_with_finite_weights_and_names_epoch_step_and_term():
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e6)
    with pytest.raises(FloatingPointError, match=r"epoch \d+, step \d+"):
        train.fit(model, reconstruction_loss, batches(X, 8, seed=0), epochs=50, optimizer=optimizer)
    assert all(p.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_a_step_that_would_overflow_is_not_taken(optimizer):
    model = make_model()
    with pytest.raises(FloatingPointError, match="overflows in epoch 1, step 1"):
        train.fit(model, reconstruction_loss, batches(X, 8, seed=0), epochs=2,
                  optimizer=optimizer(model.parameters(), lr=1e35))  # fmt: skip
    assert all(p.isfinite().all() for p in model.parameters())


def test_a_term_that_is_not_finite_never_touches_the_weights():
    def poisoned(model, x):
        losses = reconstruction_loss(model, x)
        return losses | {"extra": losses["loss"] / 0}

    model = make_model()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(FloatingPointError, match="term 'extra'.*epoch 1, step 1"):
        train.fit(model, poisoned, batches(X, 8, seed=0), epochs=1)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_a_bad_gradient_of_a_finite_loss_never_touches_the_weights():
    def kink(model, x):  # sqrt(0) is finite, its slope is not
        return {"loss": (0 * model(x).sum(1)).sqrt()}

    model = make_model()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(FloatingPointError, match="gradient.*epoch 1, step 1"):
        train.fit(model, kink, batches(X, 8, seed=0), epochs=1)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("loss_fn", "settings", "message"),
    [
        (lambda m, x: m(x).sum(), {}, 'dict with the key "loss"'),
        (lambda m, x: {"nll": m(x).sum(1)}, {}, 'dict with the key "loss"'),
        (lambda m, x: {"loss": m(x).sum()}, {}, r"one value per image.*got \(\) for 'loss'"),
        (lambda m, x: {"loss": m(x)}, {}, r"shape \(8,\).*got \(8, 5\) for 'loss'"),
        (lambda m, x: {"loss": m(x).sum(0)}, {}, r"shape \(8,\).*got \(5,\) for 'loss'"),
        (lambda m, x: {"loss": m(x).sum(1), "kl": m(x).sum()}, {}, r"got \(\) for 'kl'"),
        (lambda m, x: {"loss": [1.0] * 8}, {}, "got list for 'loss'"),
        (reconstruction_loss, {"epochs": 0}, "epochs must be >= 1"),
        (reconstruction_loss, {"epochs": 1.5}, "epochs must be an integer"),
        (reconstruction_loss, {"lr": 0}, "lr must be a finite number > 0"),
        (reconstruction_loss, {"lr": float("inf")}, "lr must be a finite number > 0"),
        (reconstruction_loss, {"batches": []}, "at least one batch"),
    ],
)
def test_fit_names_what_is_wrong_with_its_input(loss_fn, settings, message):
    settings = {"batches": batches(X, 8, seed=0), "epochs": 1} | settings
    with pytest.raises(ValueError, match=message):
        train.fit(make_model(), loss_fn, **settings)


def test_a_schedule_of_another_optimizer_is_refused():
    model = make_model()
    one, two = (torch.optim.SGD(model.parameters(), lr=0.1) for _ in range(2))
    schedule = torch.optim.lr_scheduler.StepLR(one, 1)
    with pytest.raises(ValueError, match="schedule must belong to optimizer"):
        train.fit(model, reconstruction_loss, batches(X, 8, seed=0), epochs=1, optimizer=two,
                  schedule=schedule)  # fmt: skip


def test_progress_is_visible_unless_the_environment_asks_for_quiet(monkeypatch, capsys):
    arguments = (make_model(), reconstruction_loss, batches(X, 8, seed=0))
    train.fit(*arguments, epochs=1)
    assert capsys.readouterr().err == ""
    monkeypatch.delenv("AECOURSE_QUIET")
    train.fit(*arguments, epochs=1)
    assert "1/1" in capsys.readouterr().err


# --- what a page shows of the code ---------------------------------------------------------------

DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
ODD = r"""
def one_line(): "doc"


def one_line_and_more(): "doc 去噪"; x = 1; return x


def comments_stay(x):  # here
    # and here
    'doc'  # noqa
    # here
    return x  # and here


def another_statement_on_its_line():
    'of two words 去噪 and '  \
    'two lines'; x = 1; del x
    return 2


def a_semicolon_and_no_more():
    'doc';
    return 1


async def asynchronous():
    'doc'

    def inner():
        ('doc'
         'in two parts')

    async with inner() as x:
        yield x


def decorate(thing):
    return thing


@decorate
class Outer:
    'doc'

    class Inner(Exception):
        ''  # an empty one

        class Innermost: 'doc';

        @decorate
        @staticmethod
        def flush_left(text='''
    default
'''):
# a comment without indentation
            'doc'
            part = [
        1,
            ]
            return f'''
flush left: {part}
    not a docstring''' + text

        @property
        def last(self):
            def local():
                'doc'
                return 1

            def bare():
                '''
doc
'''
            return local, bare

    def after(self):
        b'no docstring'
        return 'kept'
"""


def without_docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, DEFINITIONS) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def things_of(scope, module):
    """Every class and function that is written in the module, and what is written in a class."""
    for thing in vars(scope).values():
        thing = getattr(thing, "fget", None) or getattr(thing, "__func__", thing)
        code = getattr(inspect.unwrap(thing), "__code__", None) if callable(thing) else None
        if code and code.co_filename == module.__file__ and code.co_name != "<lambda>":
            yield thing
        elif inspect.isclass(thing) and thing.__module__ == module.__name__:
            yield thing
            yield from things_of(thing, module)


def written_in(module):
    """{qualified name: tree} of every definition in the module's file, none inside a function."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    scopes, found = [("", tree)], {}
    while scopes:
        prefix, scope = scopes.pop()
        for node in scope.body:
            if isinstance(node, DEFINITIONS):
                found[prefix + node.name] = node
            if isinstance(node, ast.ClassDef):
                scopes.append((f"{prefix}{node.name}.", node))
    return found


def check_what_is_shown(module):
    written = written_in(module)
    things = {thing.__qualname__: thing for thing in things_of(module, module)}
    assert things.keys() == written.keys()
    for name, thing in things.items():
        shown = train.show_source(thing).data
        compile(shown, name, "exec")
        original = ast.Module([written[name]], [])
        assert without_docstrings(ast.parse(shown)) == without_docstrings(original), name
        assert ast.dump(ast.parse(shown)) == without_docstrings(ast.parse(shown)), name


@pytest.mark.parametrize(
    "name", [found.name for found in pkgutil.walk_packages(aecourse.__path__, "aecourse.")]
)
def test_show_source_shows_the_program_that_runs_without_its_docstrings(name):
    check_what_is_shown(importlib.import_module(name))


@pytest.fixture
def odd(tmp_path, monkeypatch):
    (tmp_path / "odd.py").write_text(ODD, encoding="utf-8")
    found = importlib.util.spec_from_file_location("odd", tmp_path / "odd.py")
    module = importlib.util.module_from_spec(found)
    monkeypatch.setitem(sys.modules, "odd", module)  # where `inspect` looks for it
    found.loader.exec_module(module)
    return module


def test_show_source_shows_oddly_written_code_too(odd):
    check_what_is_shown(odd)


def test_show_source_keeps_comments_and_layout(odd):
    assert train.show_source(odd.one_line).data == "def one_line(): pass"
    assert train.show_source(odd.comments_stay).data.splitlines() == [
        "def comments_stay(x):  # here",
        "    # and here",
        "    # noqa",
        "    # here",
        "    return x  # and here",
    ]
    assert "optimizer.step()" in train.show_source(train.fit).data


@pytest.mark.parametrize("thing", [len, int, 3, train.History.__init__])
def test_show_source_says_what_has_no_source(thing):
    with pytest.raises(ValueError, match="thing must be a class or function with source"):
        train.show_source(thing)
