"""Chapter 09: denoising autoencoders, few labels, and the score that a denoiser knows."""

from aecourse.denoising.corruption import (
    Masked,
    add_gaussian_noise,
    add_salt_and_pepper,
    mask_patches,
    mask_pixels,
)
from aecourse.denoising.few_labels import (
    Classifier,
    few_label_error,
    fine_tune,
    labelled_rows,
    linear_probe,
    random_shift,
)
from aecourse.denoising.model import ConvEncoder, DenoisingAutoencoder, denoising_loss
from aecourse.denoising.score import GaussianMixtureScore, iterate_denoiser

__all__ = [
    "Masked",
    "add_gaussian_noise",
    "add_salt_and_pepper",
    "mask_pixels",
    "mask_patches",
    "ConvEncoder",
    "DenoisingAutoencoder",
    "denoising_loss",
    "Classifier",
    "linear_probe",
    "fine_tune",
    "labelled_rows",
    "few_label_error",
    "random_shift",
    "GaussianMixtureScore",
    "iterate_denoiser",
]
