"""Which loss sends a gradient to which part of a model."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aecourse import validate


class GradientTable(dict):
    """What `gradient_ownership` returns: ``table[loss][module]`` is a norm or None.

    Printed, None is "–", a gradient of exactly zero is "0", any other is "yes".
    """

    def __repr__(self) -> str:
        columns = list(next(iter(self.values()), ()))
        rows = [["", *columns]]
        rows += [[name, *(_cell(row[c]) for c in columns)] for name, row in self.items()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join(lines)


def gradient_ownership(
    losses: dict[str, Float[Tensor, ""] | Float[Tensor, "B"]],
    modules: dict[str, nn.Module | Tensor],
) -> GradientTable:
    """Ask autograd which loss sends a gradient to which part of a model.

    Nothing is changed: the graph is kept, and no `.grad` is written.

    Parameters
    ----------
    losses
        By name; the mean over the batch is taken here.
    modules
        By name: modules, parameters or other tensors of the graph.

    Returns
    -------
    GradientTable
        ``table[loss][module]`` is the Euclidean norm of the gradient over all the parameters of
        the module, a float, or None if there is no path from the loss to any of them (a frozen
        parameter has none). A norm of 0.0 says that there is a path, but nothing arrives.

    Examples
    --------
    >>> a, b = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(1))
    >>> losses = {"length": a.square().sum(), "both": a.sum() + b}
    >>> gradient_ownership(losses, {"a": a, "b": b})
            a    b
    length  yes  –
    both    yes  yes
    """
    _require_dict(losses, "losses")
    _require_dict(modules, "modules")
    for name, loss in losses.items():
        scalar = isinstance(loss, Tensor) and loss.ndim == 0
        validate.floats(loss, f"losses[{name!r}]", () if scalar else ("B",))
    parts = {name: _tensors(module, name) for name, module in modules.items()}
    return GradientTable({
        name: {part: _gradient_norm(loss, tensors) for part, tensors in parts.items()}
        for name, loss in losses.items()
    })  # fmt: skip


def _gradient_norm(loss, tensors):
    tensors = [t for t in tensors if t.requires_grad]
    if not loss.requires_grad or not tensors:
        return None
    found = torch.autograd.grad(loss.mean(), tensors, retain_graph=True, allow_unused=True)
    squares = [g.double().square().sum().item() for g in found if g is not None]
    return sum(squares) ** 0.5 if squares else None


def _tensors(module, name):
    if isinstance(module, nn.Module):
        return list(module.parameters())
    if isinstance(module, Tensor):
        return [module]
    raise ValueError(f"modules[{name!r}] must be a Module or a Parameter, "
                     f"got {validate.describe(module)}")  # fmt: skip


def _cell(norm):
    if norm is None:
        return "–"
    return "0" if norm == 0 else "yes"


def _require_dict(value, name):
    if not isinstance(value, dict) or not value or not all(isinstance(k, str) for k in value):
        raise ValueError(f"{name} must be a dict with at least one entry, "
                         f"by name, got {value!r:.80}")  # fmt: skip
