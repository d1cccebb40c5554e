"""Chapter 05: a code that is a random variable, and gradients through sampling."""

from aecourse.stochastic.encoder import (
    ConvGaussianEncoder,
    DiagonalGaussian,
    GaussianEncoder,
    reparameterize,
)
from aecourse.stochastic.estimators import (
    GradientSamples,
    MomentGradient,
    moment_gradient,
    reparameterized_gradient,
    score_function_gradient,
)
from aecourse.stochastic.ownership import GradientTable, gradient_ownership

__all__ = [
    "reparameterize",
    "DiagonalGaussian",
    "GaussianEncoder",
    "ConvGaussianEncoder",
    "score_function_gradient",
    "reparameterized_gradient",
    "GradientSamples",
    "moment_gradient",
    "MomentGradient",
    "GradientTable",
    "gradient_ownership",
]
