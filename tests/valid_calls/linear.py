"""Valid calls of `aecourse.linear`."""

import torch

from aecourse.linear import LinearAutoencoder, pca

X = torch.tensor([[0.0, 0, 1], [1, 2, 0], [3, 1, 2], [2, 2, 2]])


def fitted():
    return {"self": pca(X, 2)}


def model():
    return {"self": LinearAutoencoder.closed_form(X, 2)}


CALLS = {
    "PCA.encode": lambda: fitted() | {"x": X},
    "PCA.decode": lambda: fitted() | {"h": X[:, :2]},
    "PCA.reconstruct": lambda: fitted() | {"x": X},
    "pca": lambda: {"x": X, "k": 2},
    "LinearAutoencoder": lambda: {"d": 3, "k": 2, "mean": X[1]},
    "LinearAutoencoder.closed_form": lambda: {"x": X, "k": 2},
    "LinearAutoencoder.reparameterized": lambda: model() | {"A": 2 * torch.eye(2)},
    "LinearAutoencoder.set_weights": lambda: model() | {"U": X[:2], "V": X[:3, :2]},
    "LinearAutoencoder.encode": lambda: model() | {"x": X},
    "LinearAutoencoder.decode": lambda: model() | {"h": X[:, :2]},
    "LinearAutoencoder.forward": lambda: model() | {"x": X},
    "LinearAutoencoder.reconstruct": lambda: model() | {"x": X},
    "principal_angles": lambda: {"A": X[:2], "B": X[2:]},
}
