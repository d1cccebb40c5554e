"""What the manifest says of each shipped model: measured on the test set, weights rounded."""

import torch
from sklearn.datasets import load_sample_image

from aecourse import data, weights
from aecourse.autoencoder import psnr
from aecourse.denoising import mask_patches
from aecourse.elbo import importance_weighted_bound
from aecourse.generation import DigitClassifier, extract_features, frechet_distance
from aecourse.limits import active_units
from aecourse.tokens import WORDS, Bilingual
from aecourse.trivial import squared_error
from aecourse.vae import binarize, vae_loss
from aecourse.vqvae import VQVAE, codebook_usage, perplexity

SEED = 0


def accuracy(model):
    """Share of the test digits that a classifier gets right."""
    test = data.mnist("test")
    right = (model.eval().predict(test.x) == test.y).double().mean().item()
    return {"test_accuracy": round(right, 4)}


@torch.no_grad()
def image_error(model):
    """Squared error per test digit, summed over pixels."""
    test = data.mnist("test").x
    return {"test_squared_error": round(squared_error(model(test), test).mean().item(), 3)}


@torch.no_grad()
def vae_metrics(model):
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


def burda_metrics(model):
    """Those of a VAE, and its importance-weighted bound with 1000 samples, in nats."""
    found = vae_metrics(model)
    x = binarize(data.mnist("test").x, torch.Generator().manual_seed(SEED))
    torch.manual_seed(SEED)
    bound = importance_weighted_bound(model, x, num_samples=1000).mean().item()
    return found | {"test_bound_1000": round(bound, 2)}


@torch.no_grad()
def restoration(model):
    """Squared error of whole test digits, and of what is hidden when half of the patches are."""
    test = data.mnist("test").x
    x_tilde, mask = mask_patches(test, 0.5, torch.Generator().manual_seed(SEED), size=7)
    hidden = squared_error(model.eval()(x_tilde) * mask, test * mask).mean().item()
    return image_error(model) | {"test_squared_error_hidden": round(hidden, 3)}


@torch.no_grad()
def vqvae_metrics(model):
    """Squared error of test digits, use of the codebook, what a classifier still reads."""
    model.eval()
    test = data.mnist("test")
    x_hat = model.detokenize(model.tokenize(test.x))
    usage = codebook_usage(model.tokenize(data.mnist("train").x), len(model.quantizer.codebook))
    kept = DigitClassifier.trained().predict(x_hat.clamp(0, 1)) == test.y
    return {
        "test_squared_error": round(squared_error(x_hat, test.x).mean().item(), 3),
        "codes_used": int((usage > 0).sum()),  # by the 60 000 training digits
        "perplexity": round(perplexity(usage), 1),
        "test_accuracy_of_classifier": round(kept.double().mean().item(), 4),
    }


def photo_metrics(model):
    """Peak signal-to-noise ratio of the right halves, in dB."""
    model.eval()
    model.image, model.grid = (3, 424, 320), (106, 80)  # convolutions fit any size
    found = {}
    for name, photo in zip(("china", "flower"), photos(), strict=True):
        x = photo[:, :, 320:].flatten()[None]
        x_hat = model.detokenize(model.tokenize(x)).clamp(0, 1)
        found[f"psnr_{name}"] = round(psnr(x_hat, x), 2)
    return found


def photos():
    """scikit-learn's two photographs, (3, 424, 640) each, pixels in [0, 1]."""
    photos = [load_sample_image(name)[:424] for name in ("china.jpg", "flower.jpg")]
    return [torch.tensor(photo).movedim(-1, 0) / 255 for photo in photos]


def token_metrics(model):
    """Reading all test digits, and 1000 drawings as the classifier sees them."""
    both = Bilingual(model.eval(), weights.load(VQVAE(512), "digit_vqvae").eval())
    test, digits = data.mnist("test"), torch.arange(10).repeat(100)
    read = [word == WORDS[y] for word, y in zip(both.read(test.x), test.y.tolist(), strict=True)]
    drawn = both.draw([WORDS[d] for d in digits.tolist()],
                      generator=torch.Generator().manual_seed(SEED))  # fmt: skip
    agree = DigitClassifier.trained().predict(drawn) == digits
    return {
        "read_accuracy": round(sum(read) / len(read), 4),
        "draw_agreement": round(agree.double().mean().item(), 4),
    }
