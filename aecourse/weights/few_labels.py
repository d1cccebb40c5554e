"""Few labels: `python -m aecourse.weights.few_labels [ENCODER ...]` measures `few_labels.json`.

Three ways to start an encoder (masked denoising, plain autoencoding, from scratch), each
fine-tuned on 100 and on 1000 labels with three seeds, for each kind of encoder. A seed draws the
labels, the new layer and the pre-training; the convolutional encoder is pre-trained once only.
"""

import json
import platform
import sys
import time
from functools import partial

import torch

from aecourse import data, train, validate
from aecourse.autoencoder import mlp
from aecourse.denoising import (
    ConvEncoder,
    DenoisingAutoencoder,
    denoising_loss,
    fine_tune,
    mask_patches,
    random_shift,
)
from aecourse.weights import FOLDER, few_label_errors

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ENCODERS = {
    "mlp_32": lambda: mlp([784, 32, 32, 128]),
    "mlp_128": lambda: mlp([784, 128, 128, 128]),
    "mlp_512": lambda: mlp([784, 512, 512, 128]),
    "conv": ConvEncoder,
}
STARTS = ("masked", "plain", "scratch")
EPOCHS = {100: 150, 1000: 37}  # of fine-tuning: 300 and 740 steps of 50 labels
SEEDS = range(3)
PRETRAINED_ONCE = ("conv",)  # an hour each on a CPU


def pretrain(encoder, start, *, seed=0, epochs=30):
    """A denoising autoencoder around `encoder`, trained on all 60 000 digits without labels."""
    model = DenoisingAutoencoder(encoder, mlp([128, 256, 784])).to(DEVICE)
    settings = {
        # half of the 7 x 7 patches hidden; only what is hidden counts
        "masked": {"corrupt": partial(mask_patches, amount=0.5, size=7), "pixels": "masked"},
        "plain": {"corrupt": lambda x: x},
    }[start]

    def loss(model, x):
        return denoising_loss(model, random_shift(x), **settings)

    batches = data.batches(data.mnist("train").x.to(DEVICE), 256, seed=seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 2e-3, total_steps=epochs * len(batches))  # fmt: skip
    train.fit(model, loss, batches, epochs=epochs, schedule=schedule)
    return model.eval()


def _start(name, start, seed):
    torch.manual_seed(seed)
    encoder = ENCODERS[name]().to(DEVICE)
    if start != "scratch":
        pretrain(encoder, start, seed=seed)
    return encoder.eval()


def labelled_rows(y, n, seed=0):
    """The rows of n labelled digits, n / 10 of each kind, drawn by seed.

    ValueError if n is no positive multiple of 10, or `y` has too few digits of a kind.
    """
    fewest = y.bincount(minlength=10).min().item()
    if validate.integer(n, "n", low=10) % 10 or n // 10 > fewest:
        raise ValueError(f"n must be a multiple of 10, at most {10 * fewest}, got {n}")
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    return torch.cat([order[y[order] == digit][: n // 10] for digit in range(10)])


def error(encoder, n, seed=0):
    """Test error in per cent after fine-tuning on n labels, on all 10 000 test digits."""
    (x, y), test = data.mnist("train"), data.mnist("test")
    rows = labelled_rows(y, n, seed)
    model = fine_tune(encoder, x[rows].to(DEVICE), y[rows].to(DEVICE), epochs=EPOCHS[n],
                      augment=random_shift, seed=seed)  # fmt: skip
    wrong = model.predict(test.x.to(DEVICE)).cpu() != test.y
    return round(100 * wrong.double().mean().item(), 2)


def measure(name):
    """Errors of one kind of encoder: {start: {number of labels: one value per seed}}."""
    errors = {start: {n: [] for n in EPOCHS} for start in STARTS}
    for start in STARTS:
        for seed in SEEDS:
            if seed == 0 or start == "scratch" or name not in PRETRAINED_ONCE:
                encoder = _start(name, start, seed)
            for n in EPOCHS:
                errors[start][n].append(error(encoder, n, seed))
            print(name, start, seed, errors[start], flush=True)
    return errors


def main(names):
    """Measure each named kind of encoder, all by default, and store what was found."""
    for name in names or ENCODERS:
        begin = time.perf_counter()
        errors = measure(name)
        device = torch.cuda.get_device_name() if DEVICE == "cuda" else f"CPU {platform.machine()}"
        entry = {
            "command": f"python -m aecourse.weights.few_labels {name}",
            "minutes": round((time.perf_counter() - begin) / 60, 1),
            "machine": f"{device}, torch {torch.__version__.split('+')[0]}",
            "errors": errors,
        }
        path = FOLDER / "few_labels.json"
        found = (few_label_errors() if path.is_file() else {}) | {name: entry}
        ordered = {kind: found[kind] for kind in ENCODERS if kind in found}  # by width
        path.write_text(json.dumps(ordered, indent=1) + "\n")
        print(json.dumps({name: entry}))


if __name__ == "__main__":
    main(sys.argv[1:])
