"""Shipped weights: small safetensors files, each with the command that made it.

`python -m aecourse.recipes NAME` trains NAME again and rewrites its file and its entry in
`manifest.json`. Loading never unpickles.
"""

import hashlib
import json
from importlib.resources import files
from typing import Any, TypeVar

from safetensors.torch import load as parse
from torch.nn import Module

from aecourse import validate

M = TypeVar("M", bound=Module)
FOLDER = files("aecourse") / "weights"


def manifest() -> dict[str, dict[str, Any]]:
    """The entries of all shipped weights: command, seed, time, metrics and SHA-256, by name.

    Examples
    --------
    >>> manifest()["digit_classifier"]["metrics"]
    {'test_accuracy': 0.9954}
    """
    return json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))


def few_label_errors() -> dict[str, dict[str, Any]]:
    """Test errors after fine-tuning on few labels, in per cent (see `recipes/few_labels.py`).

    By kind of encoder, then ``["errors"][start][number of labels]``, one value per seed.

    Raises
    ------
    OSError
        If the file is missing: names it and the command that rebuilds it.

    Examples
    --------
    >>> few_label_errors()["mlp_512"]["errors"]["masked"]["1000"]
    [3.79, 3.65, 3.43]
    """
    path = FOLDER / "few_labels.json"
    if not path.is_file():
        names = [f"few_labels_{encoder}" for encoder in ("mlp_32", "mlp_128", "mlp_512", "conv")]
        command = f"python -m aecourse.recipes {' '.join(names)}"
        raise OSError(f"{path} is missing; rebuild it with `{command}`")
    return json.loads(path.read_text(encoding="utf-8"))


def load(model: M, name: str) -> M:
    """Load shipped weights into `model`, in place, and return it.

    Parameters
    ----------
    model
        Of the class, sizes and activation that the recipe in ``aecourse/recipes/`` builds; only
        the names and shapes of its tensors are checked.
    name
        An entry of the manifest.

    Raises
    ------
    OSError
        If the file is missing or damaged: names the file and the command that rebuilds it.
    """
    validate.model(model, "model", "state_dict", "load_state_dict")
    entries = manifest()
    validate.choice(name, "name", sorted(entries))
    tensors = parse(_read_checked(FOLDER / f"{name}.safetensors", entries[name]))
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    wanted = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    if shapes != wanted:  # checked first: load_state_dict would load what fits, then stop
        odd = sorted(shapes.items() ^ wanted.items())
        raise ValueError(f"model must fit the weights {name!r}, got a difference in {odd[0]}")
    model.load_state_dict(tensors)  # copies into the model's own dtype
    return model


def _read_checked(path, entry):
    rebuild = f"rebuild it with `{entry['command']}`"
    if not path.is_file():
        raise OSError(f"{path} is missing; {rebuild}")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != entry["sha256"]:
        raise OSError(
            f"{path} is damaged: expected SHA-256 {entry['sha256']}, found {found}; {rebuild}"
        )
    return content
