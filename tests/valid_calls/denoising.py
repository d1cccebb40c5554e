"""Valid calls of `aecourse.denoising`."""

import torch
from torch import nn

from aecourse.denoising import Classifier, ConvEncoder, DenoisingAutoencoder, GaussianMixtureScore

X = torch.linspace(0, 1, 64).view(4, 16)
DIGITS = torch.linspace(0, 1, 3 * 784).view(3, 784)
LABELS = torch.tensor([0, 1, 0, 1])
HALF, PLACES = torch.tensor([0.5, 0.5]), torch.tensor([[-1.0, 0.0], [1.0, 0.0]])


def fresh(kind):
    """An object whose constructor has not run."""
    return kind.__new__(kind)


def autoencoder():
    return DenoisingAutoencoder(nn.Linear(16, 3), nn.Linear(3, 16))


def classifier():
    return Classifier(nn.Linear(16, 3), nn.Linear(3, 2))


def mixture():
    return GaussianMixtureScore(HALF, PLACES, HALF)


CALLS = {
    "add_gaussian_noise": lambda: {"x": X, "sigma": 0.5},
    "add_salt_and_pepper": lambda: {"x": X, "share": 0.5},
    "mask_pixels": lambda: {"x": X, "share": 0.5},
    "mask_patches": lambda: {"x": X, "share": 0.5},
    "ConvEncoder": lambda: {"self": fresh(ConvEncoder), "width": 2, "code": 3},
    "ConvEncoder.forward": lambda: {"self": ConvEncoder(2, 3), "x": DIGITS},
    "DenoisingAutoencoder": lambda: {"self": fresh(DenoisingAutoencoder),
                                     "encoder": nn.Linear(4, 2), "decoder": nn.Linear(2, 4)},
    "DenoisingAutoencoder.forward": lambda: {"self": autoencoder(), "x_tilde": X},
    "DenoisingAutoencoder.reconstruct": lambda: {"self": autoencoder(), "x": X},
    "denoising_loss": lambda: {"model": autoencoder(), "x": X, "corrupt": nn.Identity()},
    "Classifier": lambda: {"self": fresh(Classifier),
                           "encoder": nn.Linear(4, 2), "head": nn.Linear(2, 2)},
    "Classifier.forward": lambda: {"self": classifier(), "x": X},
    "Classifier.predict": lambda: {"self": classifier(), "x": X},
    "linear_probe": lambda: {"encoder": nn.Identity(), "x": X, "y": LABELS},
    "fine_tune": lambda: {"encoder": nn.Linear(16, 3), "x": X, "y": LABELS, "epochs": 1},
    "labelled_rows": lambda: {"y": torch.arange(20) % 10, "n": 10},
    "few_label_error": lambda: {"encoder": nn.Linear(784, 2), "n": 100},
    "random_shift": lambda: {"x": DIGITS},
    "GaussianMixtureScore": lambda: {"self": fresh(GaussianMixtureScore),
                                     "weights": HALF, "means": PLACES, "sigmas": HALF},
    "GaussianMixtureScore.sample": lambda: {"self": mixture(), "n": 3},
    "GaussianMixtureScore.log_density": lambda: {"self": mixture(), "x": PLACES},
    "GaussianMixtureScore.score": lambda: {"self": mixture(), "x": PLACES},
    "GaussianMixtureScore.denoise": lambda: {"self": mixture(), "x_tilde": PLACES, "sigma": 1.0},
    "iterate_denoiser": lambda: {"denoise": mixture().denoise, "x": PLACES,
                                 "sigmas": [1.0, 0.0]},
}  # fmt: skip
