"""Valid calls of `aecourse.elbo`."""

import torch

from aecourse.elbo import LinearGaussianModel

IMAGES, LATENTS = torch.full((2, 3), 0.5), torch.zeros(2, 2)


def model():
    return LinearGaussianModel(torch.ones(3, 2), torch.zeros(3), 1.0)


def of_model(**arguments):
    return lambda: {"model": model(), "x": IMAGES, **arguments}


def of_self(**arguments):
    return lambda: {"self": model(), **arguments}


CALLS = {
    "elbo": of_model(num_samples=2),
    "importance_weighted_bound": of_model(num_samples=2, chunk=3),
    "naive_log_evidence": of_model(num_samples=2),
    "quadrature_log_evidence": of_model(num_nodes=5, radius=3.0),
    "quadrature_elbo": of_model(num_nodes=2),
    "quadrature_gap": of_model(num_nodes=16, radius=3.0),
    "LinearGaussianModel": of_self(W=torch.ones(3, 2), b=torch.zeros(3), sigma=1.0),
    "LinearGaussianModel.precision": of_self(),
    "LinearGaussianModel.posterior": of_self(x=IMAGES),
    "LinearGaussianModel.log_evidence": of_self(x=IMAGES),
    "LinearGaussianModel.elbo": of_self(x=IMAGES, mu=LATENTS, logvar=LATENTS),
    "LinearGaussianModel.gap": of_self(x=IMAGES, mu=LATENTS, logvar=LATENTS),
    "LinearGaussianModel.encode": of_self(x=IMAGES),
    "LinearGaussianModel.decode": of_self(z=LATENTS),
    "LinearGaussianModel.reconstruct": of_self(x=IMAGES),
    "LinearGaussianModel.log_likelihood": of_self(x=IMAGES, z=LATENTS),
    "LinearGaussianModel.pairwise_log_likelihood": of_self(x=IMAGES, z=LATENTS),
    "LinearGaussianModel.sample": of_self(n=2),
}
