"""Valid calls of `aecourse.limits`."""

import torch

from aecourse.generation import gaussian_sampler
from aecourse.limits import HierarchicalVAE
from aecourse.vae import VAE

X = torch.linspace(0, 1, 24).view(6, 4)


def one():
    return {"model": VAE([4, 3], 2), "x": X}


def two():
    return {"model": HierarchicalVAE([4, 3], (3, 2)), "x": X}


def method(**arguments):
    return lambda: {"self": HierarchicalVAE([4, 3], (3, 2)), **arguments}


CALLS = {
    "HierarchicalVAE": lambda: {"self": HierarchicalVAE.__new__(HierarchicalVAE),
                                "sizes": [4, 3], "latents": (3, 2)},
    "HierarchicalVAE.encode": method(x=X),
    "HierarchicalVAE.encode_top": method(z1=torch.ones(5, 3)),
    "HierarchicalVAE.decode_top": method(z2=torch.ones(5, 2)),
    "HierarchicalVAE.decode": method(z1=torch.ones(5, 3)),
    "HierarchicalVAE.forward": method(x=X),
    "HierarchicalVAE.reconstruct": method(x=X),
    "HierarchicalVAE.sample": method(n=3),
    "hierarchical_loss": two,
    "unit_variances": one,
    "active_units": two,
    "annealed_importance_sampling": lambda: one() | {"num_chains": 1, "num_steps": 1,
                                                     "posterior_z": torch.zeros(6, 2)},
    "fit_prior": lambda: one() | {"num_components": 1},
    "prior_elbo": lambda: one() | {"prior": gaussian_sampler(torch.randn(9, 2))},
}  # fmt: skip
