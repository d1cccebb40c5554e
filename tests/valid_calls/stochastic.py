"""Valid calls of `aecourse.stochastic`."""

import torch

from aecourse.stochastic import ConvGaussianEncoder, GaussianEncoder

B3 = torch.zeros(2, 3)
ENCODER, CONVOLUTIONAL = GaussianEncoder([4, 6]), ConvGaussianEncoder(2, (3,))


def estimate():
    """Arguments of an estimator of a gradient."""
    return {"f": lambda z: z.sum(dim=1), "mu": torch.zeros(3), "sigma": torch.ones(3),
            "num_samples": 4, "generator": torch.Generator()}  # fmt: skip


CALLS = {
    "reparameterize": lambda: {"mu": B3, "logvar": B3, "eps": B3, "generator": torch.Generator()},
    "GaussianEncoder": lambda: {"self": GaussianEncoder([4, 6]), "sizes": [4, 6]},
    "GaussianEncoder.forward": lambda: {"self": ENCODER, "x": torch.zeros(2, 4)},
    "ConvGaussianEncoder": lambda: {"self": ConvGaussianEncoder(), "latent": 2, "channels": (3,)},
    "ConvGaussianEncoder.forward": lambda: {"self": CONVOLUTIONAL, "x": torch.zeros(2, 784)},
    "score_function_gradient": estimate,
    "reparameterized_gradient": estimate,
    "moment_gradient": lambda: {"power": 2, "mu": torch.zeros(3), "sigma": torch.ones(3)},
    "gradient_ownership": lambda: {
        "losses": {"loss": torch.ones(3, requires_grad=True)},
        "modules": {"encoder": ENCODER},
    },
}
