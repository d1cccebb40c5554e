"""Valid calls of `aecourse.vae`."""

import torch

from aecourse.vae import VAE


def model():
    return VAE([4, 3], 2)


def generator():
    return torch.Generator()


IMAGES, LATENTS = torch.full((2, 4), 0.5), torch.zeros(2, 2)

CALLS = {
    "gaussian_kl": lambda: {"mu": LATENTS, "logvar": LATENTS},
    "gaussian_log_prob": lambda: {"x": IMAGES, "mu": IMAGES, "logvar": IMAGES},
    "bernoulli_nll": lambda: {"logits": IMAGES, "x": IMAGES},
    "binarize": lambda: {"x": IMAGES, "generator": generator()},
    "VAE": lambda: {"self": model(), "sizes": [4, 3], "latent": 2},
    "VAE.encode": lambda: {"self": model(), "x": IMAGES},
    "VAE.decode": lambda: {"self": model(), "z": LATENTS},
    "VAE.forward": lambda: {"self": model(), "x": IMAGES, "generator": generator()},
    "VAE.log_likelihood": lambda: {"self": model(), "x": IMAGES, "z": LATENTS},
    "VAE.pairwise_log_likelihood": lambda: {"self": model(), "x": IMAGES, "z": LATENTS},
    "VAE.pixels": lambda: {"self": model(), "z": LATENTS},
    "VAE.reconstruct": lambda: {"self": model(), "x": IMAGES},
    "VAE.sample": lambda: {"self": model(), "n": 2, "generator": generator()},
    "vae_loss": lambda: {"model": model(), "x": IMAGES, "beta": 2.0, "generator": generator()},
}
