"""Train shipped weights again: `python -m aecourse.weights [NAME ...]` (all by default)."""

import hashlib
import json
import platform
import sys
import time
from functools import partial

import torch
from safetensors.torch import save
from torch import nn

from aecourse import data, train
from aecourse.autoencoder import Autoencoder
from aecourse.elbo import importance_weighted_bound
from aecourse.generation import DigitClassifier, extract_features, frechet_distance
from aecourse.limits import active_units
from aecourse.trivial import reconstruction_loss, squared_error
from aecourse.vae import VAE, binarize, vae_loss
from aecourse.weights import FOLDER, manifest

SEED = 0
LATENT_SIZES = (2, 5, 10, 20, 50, 100)
BETAS = (0.1, 0.3, 3.0, 10.0)  # 1 is the model with 50 latents above


def digit_classifier():
    """Cross-entropy on digits shifted by up to two pixels."""
    model = DigitClassifier()
    x, y = data.mnist("train")
    _fit(model, _classification_loss, data.batches(x, 128, y=y, seed=SEED), epochs=8, lr=4e-3)
    return model, _accuracy


def deep_autoencoder():
    """784-1000-500-250-30 as Hinton and Salakhutdinov (2006), trained end to end."""
    model = Autoencoder([784, 1000, 500, 250, 30])
    _fit(model, reconstruction_loss, data.batches(data.mnist("train").x, 256, seed=SEED),
         epochs=60, lr=2e-3)  # fmt: skip
    return model, _squared_error


def vae(latent, beta=1.0):
    """784-256-L of the notes on digits binarised anew in each epoch."""
    model = VAE([784, 256], latent)
    _fit_vae(model, epochs=20, lr=5e-3, beta=beta)
    return model, _vae_metrics


def burda_vae():
    """784-200-200-50 with tanh as Burda et al. (2015), Table 1, one stochastic layer."""
    model = VAE([784, 200, 200], 50, activation=nn.Tanh)
    _fit_vae(model, epochs=800, lr=4e-3)
    return model, _burda_metrics


RECIPES = {recipe.__name__: recipe for recipe in (digit_classifier, deep_autoencoder, burda_vae)}
RECIPES |= {f"vae_latent_{latent}": partial(vae, latent) for latent in LATENT_SIZES}
RECIPES |= {f"vae_beta_{beta:g}": partial(vae, 50, beta) for beta in BETAS}


def _fit_vae(model, *, epochs, lr, beta=1.0):
    def loss(model, x):
        return vae_loss(model, torch.bernoulli(x), beta=beta)

    batches = data.batches(data.mnist("train").x, 128, seed=SEED)
    return _fit(model, loss, batches, epochs=epochs, lr=lr, weight_decay=0.0)


def _accuracy(model):
    test = data.mnist("test")
    accuracy = (model.eval().predict(test.x) == test.y).double().mean().item()
    return {"test_accuracy": round(accuracy, 4)}


@torch.no_grad()
def _squared_error(model):
    test = data.mnist("test").x
    return {"test_squared_error": round(squared_error(model(test), test).mean().item(), 3)}


@torch.no_grad()
def _vae_metrics(model):
    """On all test digits, binarised with a fixed seed; in nats per image."""
    torch.manual_seed(SEED)
    test = data.mnist("test").x
    x = binarize(test, torch.Generator().manual_seed(SEED))
    terms = [{key: value.mean().item() for key, value in vae_loss(model, x).items()}
             for _ in range(10)]  # fmt: skip
    means = {key: sum(term[key] for term in terms) / len(terms) for key in terms[0]}
    classifier = DigitClassifier.trained()
    samples = extract_features(classifier, model.sample(len(test)))
    distance = frechet_distance(samples, extract_features(classifier, test))
    return {
        "test_elbo": round(-means["reconstruction"] - means["kl"], 2),
        "test_reconstruction": round(means["reconstruction"], 2),
        "test_kl": round(means["kl"], 2),
        "active_units": active_units(model, test),
        "sample_frechet": round(distance, 1),
    }


def _burda_metrics(model):
    metrics = _vae_metrics(model)
    x = binarize(data.mnist("test").x, torch.Generator().manual_seed(SEED))
    torch.manual_seed(SEED)
    bound = importance_weighted_bound(model, x, num_samples=1000).mean().item()
    return metrics | {"test_bound_1000": round(bound, 2)}


def _fit(model, loss_fn, batches, *, epochs, lr, weight_decay=0.01):
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay, fused=True)
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
    unknown = set(names) - set(RECIPES)
    if unknown:
        raise SystemExit(f"unknown weights {sorted(unknown)}; known: {sorted(RECIPES)}")
    for name in names or RECIPES:
        torch.manual_seed(SEED)
        start, start_cpu = time.perf_counter(), time.process_time()
        model, measure = RECIPES[name]()
        minutes, cpu_minutes = time.perf_counter() - start, time.process_time() - start_cpu
        half = {key: t.half() if t.is_floating_point() else t
                for key, t in model.state_dict().items()}  # fmt: skip
        model.load_state_dict(half)  # measured as shipped
        content = save(half)
        entry = {
            "command": f"python -m aecourse.weights {name}",
            "seed": SEED,
            "minutes": round(minutes / 60, 1),
            "cpu_minutes": round(cpu_minutes / 60, 1),
            "machine": f"CPU ({platform.machine()}), {torch.get_num_threads()} threads, "
                       f"torch {torch.__version__.split('+')[0]}",
            "metrics": measure(model),
            "sha256": hashlib.sha256(content).hexdigest(),
        }  # fmt: skip
        (FOLDER / f"{name}.safetensors").write_bytes(content)
        entries = manifest() | {name: entry}
        (FOLDER / "manifest.json").write_text(json.dumps(entries, indent=1) + "\n")
        print(name, entry["metrics"])


if __name__ == "__main__":
    main(sys.argv[1:])
