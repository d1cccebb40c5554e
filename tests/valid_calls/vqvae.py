"""Valid calls of `aecourse.vqvae`."""

import torch

from aecourse.vqvae import VQVAE, VectorQuantizer

VECTORS = torch.linspace(-1, 1, 15).view(5, 3)
IMAGES = torch.linspace(0, 1, 32).view(2, 16)


def quantizer():
    return VectorQuantizer(4, 3)


def model():
    """2 x 2 tokens of 4 codes for images of 4 x 4 pixels."""
    return VQVAE(4, 3, channels=(2,), image=(1, 4, 4))


def indices():
    return torch.tensor([[[0, 3], [1, 2]]])


CALLS = {
    "straight_through": lambda: {"z_e": VECTORS, "z_d": VECTORS + 1},
    "VectorQuantizer": lambda: {"num_codes": 4, "dim": 3},
    "VectorQuantizer.forward": lambda: {"self": quantizer(), "z_e": VECTORS},
    "VectorQuantizer.nearest": lambda: {"self": quantizer(), "z_e": VECTORS},
    "VectorQuantizer.look_up": lambda: {"self": quantizer(), "indices": indices()},
    "codebook_usage": lambda: {"indices": indices(), "num_codes": 4},
    "perplexity": lambda: {"usage": torch.tensor([0.25, 0.0, 0.75])},
    "VQVAE": lambda: {"num_codes": 4, "channels": (2,), "image": (1, 4, 4)},
    "VQVAE.encode": lambda: {"self": model(), "x": IMAGES},
    "VQVAE.decode": lambda: {"self": model(), "z": torch.zeros(1, 2, 2, 3)},
    "VQVAE.forward": lambda: {"self": model(), "x": IMAGES},
    "VQVAE.tokenize": lambda: {"self": model(), "x": IMAGES},
    "VQVAE.detokenize": lambda: {"self": model(), "indices": indices()},
    "VQVAE.reconstruct": lambda: {"self": model(), "x": IMAGES},
    "vqvae_loss": lambda: {"model": model(), "x": IMAGES},
}
