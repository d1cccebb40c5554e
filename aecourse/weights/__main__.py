"""Train shipped weights again: `python -m aecourse.weights [NAME ...]` (all by default)."""

import hashlib
import json
import platform
import sys
import time

import torch
from safetensors.torch import save

from aecourse import data, train
from aecourse.autoencoder import Autoencoder
from aecourse.generation import DigitClassifier
from aecourse.trivial import reconstruction_loss, squared_error
from aecourse.weights import FOLDER, manifest

SEED = 0


def digit_classifier():
    """Cross-entropy on digits shifted by up to two pixels."""
    model = DigitClassifier()
    x, y = data.mnist("train")
    _fit(model, _classification_loss, data.batches(x, 128, y=y, seed=SEED), epochs=8, lr=4e-3)
    test = data.mnist("test")
    model.eval()
    accuracy = (model.predict(test.x) == test.y).double().mean().item()
    return model, {"test_accuracy": round(accuracy, 4)}


def deep_autoencoder():
    """784-1000-500-250-30 as Hinton and Salakhutdinov (2006), trained end to end."""
    model = Autoencoder([784, 1000, 500, 250, 30])
    _fit(model, reconstruction_loss, data.batches(data.mnist("train").x, 256, seed=SEED),
         epochs=60, lr=2e-3)  # fmt: skip
    test = data.mnist("test").x
    with torch.no_grad():
        error = squared_error(model(test), test).mean().item()
    return model, {"test_squared_error": round(error, 3)}


def _fit(model, loss_fn, batches, *, epochs, lr):
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    steps = epochs * len(batches)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    return train.fit(model, loss_fn, batches, epochs=epochs, schedule=schedule)


def _classification_loss(model, batch):
    x, y = batch
    down, right = torch.randint(-2, 3, (2,)).tolist()  # one shift per batch
    x = x.view(-1, 28, 28).roll((down, right), dims=(1, 2)).flatten(1)
    return {"loss": torch.nn.functional.cross_entropy(model(x), y, reduction="none",
                                                      label_smoothing=0.05)}  # fmt: skip


def main(names):
    """Train each named recipe, write its weights as float16 and its entry in the manifest."""
    recipes = {f.__name__: f for f in (digit_classifier, deep_autoencoder)}
    unknown = set(names) - set(recipes)
    if unknown:
        raise SystemExit(f"unknown weights {sorted(unknown)}; known: {sorted(recipes)}")
    for name in names or recipes:
        torch.manual_seed(SEED)
        start = time.perf_counter()
        model, metrics = recipes[name]()
        half = {key: t.half() if t.is_floating_point() else t
                for key, t in model.state_dict().items()}  # fmt: skip
        content = save(half)
        (FOLDER / f"{name}.safetensors").write_bytes(content)
        entries = manifest()
        entries[name] = {
            "command": f"python -m aecourse.weights {name}",
            "seed": SEED,
            "minutes": round((time.perf_counter() - start) / 60, 1),
            "machine": f"CPU ({platform.machine()}), {torch.get_num_threads()} threads, "
                       f"torch {torch.__version__.split('+')[0]}",
            "metrics": metrics,
            "sha256": hashlib.sha256(content).hexdigest(),
        }  # fmt: skip
        (FOLDER / "manifest.json").write_text(json.dumps(entries, indent=1) + "\n")
        print(name, metrics)


if __name__ == "__main__":
    main(sys.argv[1:])
