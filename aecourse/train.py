"""The one training loop of the book. It knows no model."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import Module
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau
from tqdm.auto import tqdm

from aecourse import validate


@dataclass
class History:
    """What `fit` logged.

    Attributes
    ----------
    terms
        Per term of the loss, its mean per image in each epoch; `history["loss"]` is
        short for `history.terms["loss"]`.
    seconds
        Wall-clock time of the whole run.
    """

    terms: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0

    def __getitem__(self, term: str) -> list[float]:
        return self.terms[term]

    def __len__(self) -> int:
        return len(self.terms.get("loss", []))


def fit(
    model: Module,
    loss_fn: Callable[..., dict[str, Float[Tensor, "B"]]],
    batches: Iterable,
    *,
    epochs: int,
    lr: float = 1e-3,
    optimizer: Optimizer | None = None,
    schedule: LRScheduler | None = None,
) -> History:
    """Train `model` in place by stochastic gradient descent.

    Loss, gradient and step size are checked before each step, so a bad step is
    never taken: when training diverges the parameters keep their last finite
    values.

    Parameters
    ----------
    model
        Batches are moved to the device of its first parameter. Left in
        training mode.
    loss_fn
        From (model, batch) to one value per image and term. "loss" is minimised
        (its mean over the batch is taken here, once); the other terms are only
        logged.
    batches
        Iterated once per epoch, for example `data.batches(x, 128, seed=0)` or a
        DataLoader.
    lr
        Learning rate of the default optimizer, Adam (Kingma and Ba, 2014,
        arXiv:1412.6980).
    optimizer
        Replaces the default. Pass the same one again to go on where a run
        stopped.
    schedule
        Stepped after every batch; brings its own optimizer.

    Raises
    ------
    FloatingPointError
        If a term or the gradient is not finite, or the step would overflow:
        names epoch, step and term.

    Examples
    --------
    >>> def loss(model, x):
    ...     return {"loss": (model(x) - x).square().sum(dim=1)}
    >>> history = fit(torch.nn.Linear(2, 2), loss, [torch.eye(2)], epochs=3)
    >>> len(history), history["loss"][2] < history["loss"][0]
    (3, True)
    """
    _check_run(model, loss_fn, batches, epochs, lr, optimizer, schedule)
    if optimizer is None and schedule is not None:
        optimizer = schedule.optimizer
    elif optimizer is None:
        # fused: one pass over the weights, three times as fast on a CPU
        optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    device = next(model.parameters()).device
    model.train()
    history, start = History(), time.perf_counter()
    bar = tqdm(range(1, epochs + 1), desc="epoch", disable=is_quiet())
    for epoch in bar:
        sums, count = {}, 0
        for step, batch in enumerate(batches, start=1):
            batch = _to(batch, device)
            losses = loss_fn(model, batch)
            losses = _checked(losses, _length(batch), epoch, step)
            optimizer.zero_grad()
            losses["loss"].mean().backward()
            _check_step(optimizer, epoch, step)
            optimizer.step()
            if schedule is not None:
                schedule.step()
            for term, values in losses.items():
                total = values.detach().sum().item()
                sums[term] = sums.get(term, 0.0) + total
            count += len(losses["loss"])
        if count == 0:
            raise ValueError("batches must yield at least one batch "
                             "per epoch, got none")  # fmt: skip
        for term, total in sums.items():
            history.terms.setdefault(term, []).append(total / count)
        bar.set_postfix(loss=f"{history['loss'][-1]:.4g}")
    history.seconds = time.perf_counter() - start
    return history


def one_cycle(
    model: Module, num_steps: int, *, lr: float, weight_decay: float = 0.01
) -> OneCycleLR:
    """AdamW whose learning rate rises to `lr` and falls to almost 0, for `fit(schedule=...)`.

    Parameters
    ----------
    num_steps
        Batches in the whole run, over all epochs.
    lr
        The highest learning rate.

    References
    ----------
    Smith and Topin (2017), arXiv:1708.07120; Loshchilov and Hutter (2017), arXiv:1711.05101.

    Examples
    --------
    >>> schedule = one_cycle(torch.nn.Linear(2, 2), 100, lr=0.5)
    >>> [round(lr, 6) for lr in schedule.get_last_lr()]  # a 25th at first
    [0.02]
    """
    _check_model(model)
    validate.integer(num_steps, "num_steps")
    validate.positive(lr, "lr")
    validate.nonnegative(weight_decay, "weight_decay")
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay, fused=True)
    return OneCycleLR(optimizer, lr, total_steps=num_steps)


@contextmanager
def evaluating(model: object) -> Iterator:
    """Put `model` in evaluation mode within the block, and in the mode that was found after it.

    The mode of every part is restored, so that a frozen part stays frozen. What knows no modes,
    such as a plain function, is left alone.

    Examples
    --------
    >>> layer = torch.nn.Dropout()
    >>> with evaluating(layer):
    ...     layer(torch.ones(3))
    tensor([1., 1., 1.])
    >>> layer.training
    True
    """
    found = [(m, m.training) for m in model.modules()] if isinstance(model, Module) else []
    for module, _ in found:
        module.training = False
    try:
        yield model
    finally:
        for module, training in found:
            module.training = training


def is_quiet() -> bool:
    """Tell whether progress bars are off: the environment variable AECOURSE_QUIET is set."""
    return bool(os.environ.get("AECOURSE_QUIET"))


def _check_run(model, loss_fn, batches, epochs, lr, optimizer, schedule):
    _check_model(model)
    validate.function(loss_fn, "loss_fn")
    if not hasattr(batches, "__iter__"):
        given = validate.describe(batches)
        raise ValueError(f"batches must be iterated once per epoch, got {given}")
    validate.integer(epochs, "epochs")
    validate.positive(lr, "lr")
    if schedule is not None:
        validate.instance(schedule, "schedule", LRScheduler)
        if isinstance(schedule, ReduceLROnPlateau):
            raise ValueError("schedule must be stepped by batches alone, got ReduceLROnPlateau")
        _check_optimizer(schedule.optimizer, "schedule", model)
    if optimizer is not None:
        validate.instance(optimizer, "optimizer", Optimizer)
        _check_optimizer(optimizer, "optimizer", model)
    if optimizer and schedule and schedule.optimizer is not optimizer:
        raise ValueError("schedule must belong to optimizer, got one made for another optimizer")


def _check_model(model):
    validate.model(model, "model", "parameters", "train")
    if next(model.parameters(), None) is None:
        raise ValueError(f"model must have parameters to train, got none in {type(model).__name__}")


def _check_optimizer(optimizer, name, model):
    steps = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not any(id(p) in steps for p in model.parameters()):
        raise ValueError(f"{name} must step parameters of model, got one made for another model")


def _to(batch, device):
    if isinstance(batch, Tensor):
        return batch.to(device)
    if not isinstance(batch, dict | tuple | list) or not batch:
        raise ValueError("batches must yield tensors, or tuples, lists or dicts of them, "
                         f"got {batch!r:.80}")  # fmt: skip
    if isinstance(batch, dict):
        return {key: _to(part, device) for key, part in batch.items()}
    parts = [_to(part, device) for part in batch]
    return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)


def _length(batch):
    if isinstance(batch, Tensor):
        return len(batch)
    return _length(next(iter(batch.values() if isinstance(batch, dict) else batch)))


def _checked(losses, B, epoch, step):
    """Return `losses` if it has a "loss" and every term is finite and of shape (B,)."""
    if not isinstance(losses, dict) or "loss" not in losses:
        raise ValueError(f'loss_fn must return a dict with the key "loss", got {losses!r:.80}')
    for term, values in losses.items():
        if not isinstance(values, Tensor) or values.shape != (B,):
            given = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise ValueError(
                f"loss_fn must return one value per image, shape ({B},), in every term; "
                f"got {given} for {term!r}"
            )
        if not torch.isfinite(values.detach().sum()):
            raise FloatingPointError(f"term {term!r} is not finite{_where(epoch, step)}")
    if not losses["loss"].requires_grad:
        raise ValueError("loss_fn must return a 'loss' that depends on trained parameters of model")
    return losses


def _check_step(optimizer, epoch, step):
    """Stop before a step that is not finite, or so large that the weights could overflow."""
    for group in optimizer.param_groups:
        gradients = [p.grad.flatten() for p in group["params"] if p.grad is not None]
        norm = sum(torch.dot(g, g).item() for g in gradients) ** 0.5
        if not isfinite(norm):
            raise FloatingPointError(f"the gradient of 'loss' is not finite{_where(epoch, step)}")
        if not group["lr"] * (1 + norm) < 1e30:
            raise FloatingPointError(f"the step along 'loss' overflows{_where(epoch, step)}")


def _where(epoch, step):
    return (
        f" in epoch {epoch}, step {step}; the weights are those before this step: "
        "try a smaller learning rate"
    )
