"""Valid calls of `aecourse.autoencoder`."""

import torch

from aecourse.autoencoder import Autoencoder

X = torch.tensor([[0.0, 0.5, 1.0], [1.0, 0.25, 0.0]])


def model():
    return {"self": Autoencoder([3, 3])}


CALLS = {
    "Autoencoder": lambda: {"sizes": [4, 3, 2], "activation": torch.nn.Tanh},
    "Autoencoder.encode": lambda: model() | {"x": X},
    "Autoencoder.decode": lambda: model() | {"h": X},
    "Autoencoder.forward": lambda: model() | {"x": X},
    "Autoencoder.reconstruct": lambda: model() | {"x": X},
    "mlp": lambda: {"sizes": [4, 3, 2], "activation": torch.nn.Tanh},
    "code_range": lambda: {"h": X, "tail": 0.1},
    "quantize_code": lambda: {"h": X, "bits": 2, "low": 0.0, "high": torch.ones(3)},
    "bits_per_image": lambda: {"k": 30, "bits": 4},
    "psnr": lambda: {"x_hat": X.flip(0), "x": X},
}
