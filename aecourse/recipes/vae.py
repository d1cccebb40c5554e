"""The VAE of the notes for several latent sizes and betas, and that of Burda et al. (2015)."""

import torch
from torch import nn

from aecourse import data
from aecourse.elbo import importance_weighted_bound
from aecourse.generation import DigitClassifier, extract_features, frechet_distance
from aecourse.limits import active_units
from aecourse.recipes.training import SEED, run
from aecourse.vae import VAE, binarize, vae_loss


def vae(latent: int, beta: float = 1.0) -> VAE:
    """784-256-L of the notes on digits binarised anew in each epoch."""
    return _fitted(VAE([784, 256], latent), epochs=20, lr=5e-3, beta=beta)


def burda_vae() -> VAE:
    """784-200-200-50 with tanh as Burda et al. (2015), Table 1, one stochastic layer."""
    return _fitted(VAE([784, 200, 200], 50, activation=nn.Tanh), epochs=800, lr=4e-3)


def _fitted(model, epochs, lr, beta=1.0):
    def loss(model, x):
        return vae_loss(model, torch.bernoulli(x), beta=beta)

    digits = data.batches(data.mnist("train").x, 128, seed=SEED)
    return run(model, loss, digits, epochs=epochs, lr=lr, weight_decay=0.0)


@torch.no_grad()
def vae_metrics(model: VAE) -> dict[str, float]:
    """On all test digits, binarised with a fixed seed; in nats per image."""
    torch.manual_seed(SEED)
    test, x = data.mnist("test").x, _binary_test_digits()
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


def burda_metrics(model: VAE) -> dict[str, float]:
    """Those of a VAE, and its importance-weighted bound with 1000 samples, in nats."""
    found = vae_metrics(model)
    torch.manual_seed(SEED)
    bound = importance_weighted_bound(model, _binary_test_digits(), num_samples=1000)
    return found | {"test_bound_1000": round(bound.mean().item(), 2)}


def _binary_test_digits():
    return binarize(data.mnist("test").x, generator=torch.Generator().manual_seed(SEED))
