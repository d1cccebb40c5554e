"""The one loop."""

import copy

import pytest
import torch
from torch import nn

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
        (lambda m, x: {"loss": x.sum(1)}, {}, "'loss' that depends on trained parameters"),
        (reconstruction_loss, {"batches": []}, "at least one batch"),
        (reconstruction_loss, {"batches": "abc"}, "batches must yield tensors, .*got 'a'"),
        (reconstruction_loss, {"batches": [[]]}, r"batches must yield tensors, .*got \[\]"),
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


def test_an_optimizer_of_another_model_is_refused():
    other = torch.optim.SGD(make_model().parameters(), lr=0.1)
    for settings in ({"optimizer": other},
                     {"schedule": torch.optim.lr_scheduler.StepLR(other, 1)}):  # fmt: skip
        with pytest.raises(ValueError, match="(optimizer|schedule) must step parameters of model"):
            train.fit(make_model(), reconstruction_loss, [X], epochs=1, **settings)


def test_a_schedule_that_needs_a_loss_is_refused():
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    with pytest.raises(ValueError, match="schedule must be .*ReduceLROnPlateau"):
        train.fit(model, reconstruction_loss, [X], epochs=1, schedule=schedule)


@pytest.mark.parametrize("use", [
    lambda model: train.fit(model, reconstruction_loss, [X], epochs=1),
    lambda model: train.one_cycle(model, 5, lr=0.1),
])  # fmt: skip
def test_a_model_with_nothing_to_train_is_refused(use):
    with pytest.raises(ValueError, match="model must have parameters to train, got none in Ident"):
        use(nn.Identity())


def test_progress_is_visible_unless_the_environment_asks_for_quiet(monkeypatch, capsys):
    arguments = (make_model(), reconstruction_loss, batches(X, 8, seed=0))
    train.fit(*arguments, epochs=1)
    assert capsys.readouterr().err == ""
    monkeypatch.delenv("AECOURSE_QUIET")
    train.fit(*arguments, epochs=1)
    assert "1/1" in capsys.readouterr().err


def test_one_cycle_is_torchs_own_over_adamw():
    model, steps = make_model(), 40
    schedule = train.one_cycle(model, steps, lr=0.02, weight_decay=0.3)
    (group,) = schedule.optimizer.param_groups
    assert isinstance(schedule.optimizer, torch.optim.AdamW) and group["weight_decay"] == 0.3
    reference = torch.optim.AdamW(make_model().parameters())
    expected = torch.optim.lr_scheduler.OneCycleLR(reference, max_lr=0.02, total_steps=steps)
    rates = []
    for _ in range(steps - 1):
        assert schedule.get_last_lr() == expected.get_last_lr()
        rates += schedule.get_last_lr()
        for each in (schedule, expected):
            each.optimizer.step()
            each.step()
    assert max(rates) == pytest.approx(0.02, rel=0.01) and schedule.get_last_lr()[0] < 1e-6


def modes(model):
    return {name: part.training for name, part in model.named_modules()}


def test_evaluating_restores_the_mode_of_every_part_also_after_an_error():
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.BatchNorm1d(2), nn.Dropout()))
    model[1][0].eval()  # a frozen part
    found = modes(model)
    with train.evaluating(model) as same:
        assert same is model and not any(modes(model).values())
    assert modes(model) == found and found["1.0"] is False and found["1.1"] is True
    with pytest.raises(KeyError), train.evaluating(model):
        raise KeyError
    assert modes(model) == found


def test_evaluating_leaves_alone_what_knows_no_modes():
    with train.evaluating(torch.relu) as same:
        assert same is torch.relu
