"""How every shipped weight and stored table was made: `python -m aecourse.recipes NAME ...`.

A recipe stands above all topics and imports them; no topic imports a recipe.
"""

from functools import partial

from aecourse.recipes.autoencoder import (
    deep_autoencoder,
    image_error,
    plane_autoencoder,
    small_autoencoder,
)
from aecourse.recipes.denoising import pretrained_mlp, restoration, restorer
from aecourse.recipes.few_labels import ENCODERS, measure
from aecourse.recipes.generation import accuracy, digit_classifier
from aecourse.recipes.tokens import token_metrics, token_transformer
from aecourse.recipes.training import Recipe
from aecourse.recipes.vae import burda_metrics, burda_vae, vae, vae_metrics
from aecourse.recipes.vqvae import digit_vqvae, photo_metrics, photo_vqvae, vqvae_metrics

WEIGHTS = {
    "digit_classifier": Recipe(digit_classifier, accuracy),
    "deep_autoencoder": Recipe(deep_autoencoder, image_error),
    "plane_autoencoder": Recipe(plane_autoencoder, image_error),
    "small_autoencoder": Recipe(small_autoencoder, image_error),
    **{f"vae_latent_{latent}": Recipe(partial(vae, latent), vae_metrics)
       for latent in (2, 5, 10, 20, 50, 100)},
    **{f"vae_beta_{beta:g}": Recipe(partial(vae, 50, beta), vae_metrics)
       for beta in (0.1, 0.3, 3.0, 10.0)},  # 1 is the model with 50 latents above
    "burda_vae": Recipe(burda_vae, burda_metrics),
    "restorer": Recipe(restorer, restoration),
    "masked_mlp": Recipe(partial(pretrained_mlp, "masked"), restoration),
    "plain_mlp": Recipe(partial(pretrained_mlp, "plain"), restoration),
    "digit_vqvae": Recipe(digit_vqvae, vqvae_metrics),
    "photo_vqvae": Recipe(photo_vqvae, photo_metrics),
    "token_transformer": Recipe(token_transformer, token_metrics),
}  # fmt: skip
TABLES = {f"few_labels_{encoder}": partial(measure, encoder) for encoder in ENCODERS}
