"""Shipped weights: small safetensors files, each with the command that made it.

`python -m aecourse.weights NAME` trains NAME again and rewrites its file and its entry in
`manifest.json`. Loading never unpickles.
"""

import hashlib
import json
from importlib.resources import files

from safetensors.torch import load as parse

FOLDER = files("aecourse") / "weights"


def manifest():
    """The entries of all shipped weights: command, seed, time, metrics and SHA-256, by name.

    Metrics are those before rounding to float16.
    """
    return json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))


def few_label_errors():
    """Test errors after fine-tuning on few labels, in per cent (see `few_labels.py`).

    By kind of encoder, then ``["errors"][start][number of labels]``, one value per seed.
    OSError if the file is missing: names it and the command that rebuilds it.
    """
    path = FOLDER / "few_labels.json"
    if not path.is_file():
        raise OSError(f"{path} is missing; rebuild it with `python -m aecourse.weights.few_labels`")
    return json.loads(path.read_text(encoding="utf-8"))


def load(model, name):
    """Load shipped weights into `model`, in place, and return it.

    Parameters
    ----------
    model : nn.Module
        Of the class, sizes and activation that the recipe in ``aecourse/weights/__main__.py``
        builds; only the names and shapes of its tensors are checked.
    name : str
        An entry of the manifest.

    Raises
    ------
    ValueError
        If there is no such entry, or `model` has other parameters than the file.
    OSError
        If the file is missing or damaged: names the file and the command that rebuilds it.
    """
    entries = manifest()
    if name not in entries:
        raise ValueError(f"name must be one of {sorted(entries)}, got {name!r}")
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
