"""Chapter 07: the evidence lower bound, and how far it is from log p(x).

Every estimator takes a `vae.VAE`, or a `LinearGaussianModel`, where all is known exactly. It
computes without gradients, sums in float64 and returns float64, in nats per image.
"""

from aecourse.elbo.bounds import elbo, importance_weighted_bound, naive_log_evidence
from aecourse.elbo.linear_gaussian import LinearGaussianModel, Posterior
from aecourse.elbo.quadrature import (
    Estimate,
    quadrature_elbo,
    quadrature_gap,
    quadrature_log_evidence,
)

__all__ = [
    "elbo",
    "importance_weighted_bound",
    "naive_log_evidence",
    "Estimate",
    "quadrature_log_evidence",
    "quadrature_elbo",
    "quadrature_gap",
    "Posterior",
    "LinearGaussianModel",
]
