"""Chapter 08: what limits a VAE, and the instruments that measure it."""

from aecourse.limits.annealing import annealed_importance_sampling
from aecourse.limits.hierarchy import (
    HierarchicalVAE,
    Layers,
    TwoLayers,
    active_units,
    hierarchical_loss,
    unit_variances,
)
from aecourse.limits.prior import fit_prior, prior_elbo

__all__ = [
    "Layers",
    "unit_variances",
    "active_units",
    "TwoLayers",
    "HierarchicalVAE",
    "hierarchical_loss",
    "annealed_importance_sampling",
    "fit_prior",
    "prior_elbo",
]
