"""The one training loop of the book. It knows no model."""

import ast
import inspect
import io
import os
import time
import tokenize
from dataclasses import dataclass, field
from itertools import accumulate
from math import isfinite

import torch
from torch import Tensor
from tqdm.auto import tqdm

from aecourse import validate


@dataclass
class History:
    """What `fit` logged.

    Attributes
    ----------
    terms : dict of str to list of float
        Per term of the loss, its mean per image in each epoch; `history["loss"]` is
        short for `history.terms["loss"]`.
    seconds : float
        Wall-clock time of the whole run.
    """

    terms: dict = field(default_factory=dict)
    seconds: float = 0.0

    def __getitem__(self, term):
        return self.terms[term]

    def __len__(self):
        return len(self.terms.get("loss", []))

    def log(self, means):
        """Append one epoch's means, a dict of floats."""
        for term, value in means.items():
            self.terms.setdefault(term, []).append(value)


def fit(model, loss_fn, batches, *, epochs, lr=1e-3,
        optimizer=None, schedule=None):  # fmt: skip
    """Train `model` in place by stochastic gradient descent.

    Loss, gradient and step size are checked before each step, so a bad step is
    never taken: when training diverges the parameters keep their last finite
    values.

    Parameters
    ----------
    model : torch.nn.Module
        Batches are moved to the device of its first parameter. Left in
        training mode.
    loss_fn : callable (model, batch) -> dict of Tensors of shape (B,)
        One value per image. "loss" is minimised (its mean over the batch is
        taken here, once); the other terms are only logged.
    batches : iterable
        Iterated once per epoch, for example `data.batches(x, 128, seed=0)` or a
        DataLoader.
    epochs : int >= 1
    lr : float > 0
        Learning rate of the default optimizer, Adam (Kingma and Ba, 2014,
        arXiv:1412.6980).
    optimizer : torch.optim.Optimizer, optional
        Replaces the default. Pass the same one again to go on where a run
        stopped.
    schedule : torch.optim.lr_scheduler.LRScheduler, optional
        Stepped after every batch; brings its own optimizer.

    Returns
    -------
    History

    Raises
    ------
    FloatingPointError
        If a term or the gradient is not finite, or the step would overflow:
        names epoch, step and term.
    ValueError
        For a loss that is no dict of tensors of shape (B,) with the key "loss",
        no batches, or bad settings.
    """
    validate.integer(epochs, "epochs")
    validate.positive(lr, "lr")
    if optimizer is None and schedule is not None:
        optimizer = schedule.optimizer
    elif optimizer is None:
        # fused: one pass over the weights, three times as fast on a CPU
        optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    if schedule is not None and schedule.optimizer is not optimizer:
        raise ValueError("schedule must belong to optimizer, "
                         "got one made for another optimizer")  # fmt: skip
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
        history.log({term: total / count for term, total in sums.items()})
        bar.set_postfix(loss=f"{history['loss'][-1]:.4g}")
    history.seconds = time.perf_counter() - start
    return history


def is_quiet():
    """Tell whether progress bars are off: the environment variable AECOURSE_QUIET is set."""
    return bool(os.environ.get("AECOURSE_QUIET"))


def show_source(thing):
    """Show the code of a class or function as it is installed, so that a page cannot go stale.

    Docstrings are left out: they stand on the API page.

    Returns
    -------
    IPython.display.Code
        Displayed by Jupyter when it is the last line of a cell.

    Raises
    ------
    ValueError
        For what has no source in Python, such as `len` or an object that is no code.
    """
    from IPython.display import Code

    try:
        source = inspect.getsource(thing).rstrip()
    except (OSError, TypeError):
        raise ValueError(
            f"thing must be a class or function with source in Python, got {thing!r}"
        ) from None
    return Code(_without_docstrings(_flush_left(source)), language="python")


def _flush_left(source):
    """Take the first line's indentation off every line that does not begin inside a string."""
    indent = source[: len(source) - len(source.lstrip())]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    in_string = {n for token in tokens for n in range(token.start[0] + 1, token.end[0] + 1)}
    return "\n".join(
        line if number in in_string else line.removeprefix(indent)
        for number, line in enumerate(source.split("\n"), start=1)
    )


def _without_docstrings(source):
    """Cut the docstrings out of the text, so that comments and layout stay."""
    text = source.encode()  # `ast` counts columns in bytes
    starts = [0, *accumulate(map(len, text.splitlines(keepends=True)))]
    documented = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and ast.get_docstring(node) is not None
    ]
    for node in sorted(documented, key=lambda node: node.body[0].lineno, reverse=True):
        doc, *others = node.body
        before = text[: starts[doc.lineno - 1] + doc.col_offset]
        after = text[starts[doc.end_lineno - 1] + doc.end_col_offset :]
        if not others:
            text = before + b"pass" + after
            continue
        after = after.lstrip(b" \t").removeprefix(b";").lstrip(b" \t")
        if after.startswith(b"\n"):  # its lines held nothing else: they go, too
            before, after = before.rstrip(b" \t"), after[1:]
        text = before + after
    return text.decode()


def _to(batch, device):
    if isinstance(batch, Tensor):
        return batch.to(device)
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
