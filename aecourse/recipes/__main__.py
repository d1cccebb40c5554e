"""Make shipped weights and tables again: `python -m aecourse.recipes NAME ...`."""

import hashlib
import json
import platform
import sys
import time

import torch
from safetensors.torch import save

from aecourse.recipes import TABLES, WEIGHTS
from aecourse.recipes.training import DEVICE, SEED
from aecourse.weights import FOLDER


def make_weights(name: str) -> None:
    """Train a model; write its weights, as float16, and its entry in the manifest."""
    torch.manual_seed(SEED)
    start, start_cpu = time.perf_counter(), time.process_time()
    model = WEIGHTS[name].train()
    cpu_minutes = (time.process_time() - start_cpu) / 60
    entry = _entry(name, start) | {"seed": SEED, "cpu_minutes": round(cpu_minutes, 1)}
    half = {key: t.half() if t.is_floating_point() else t for key, t in model.state_dict().items()}
    content = save(half)
    model.load_state_dict(half)  # measured as shipped
    metrics = WEIGHTS[name].metrics(model.eval())
    (FOLDER / f"{name}.safetensors").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    _store("manifest.json", name, entry | {"metrics": metrics, "sha256": sha256})


def make_table(name: str) -> None:
    """Measure one row of the table of few labels and store it."""
    start = time.perf_counter()
    errors = TABLES[name]()
    entry = _entry(name, start) | {"errors": errors}
    _store("few_labels.json", name.removeprefix("few_labels_"), entry)


def _entry(name, start):
    """What every entry says: how it was made, for how long, and on what machine."""
    device = torch.cuda.get_device_name() if DEVICE == "cuda" else f"CPU ({platform.machine()})"
    threads = "" if DEVICE == "cuda" else f", {torch.get_num_threads()} threads"
    return {
        "command": f"python -m aecourse.recipes {name}",
        "minutes": round((time.perf_counter() - start) / 60, 1),
        "machine": f"{device}{threads}, torch {torch.__version__.split('+')[0]}",
    }


def _store(filename, key, entry):
    path = FOLDER / filename
    entries = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_text(json.dumps(entries | {key: entry}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({key: entry}))


def main(names: list[str]) -> None:
    """Make what is named; without a name say what there is."""
    known = [*WEIGHTS, *TABLES]
    if not names or set(names) - set(known):
        raise SystemExit(f"name one or more of {' '.join(known)}; got {' '.join(names) or 'none'}")
    for name in names:
        make_weights(name) if name in WEIGHTS else make_table(name)


if __name__ == "__main__":
    main(sys.argv[1:])
