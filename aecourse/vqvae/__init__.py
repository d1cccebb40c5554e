"""Chapter 10: vector quantisation, an image as a grid of tokens."""

from aecourse.vqvae.model import VQVAE, VQVAEOutput, vqvae_loss
from aecourse.vqvae.quantizer import (
    Quantized,
    VectorQuantizer,
    codebook_usage,
    perplexity,
    straight_through,
)

__all__ = [
    "straight_through",
    "Quantized",
    "VectorQuantizer",
    "codebook_usage",
    "perplexity",
    "VQVAEOutput",
    "VQVAE",
    "vqvae_loss",
]
