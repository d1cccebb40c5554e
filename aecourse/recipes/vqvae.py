"""VQ-VAEs of digits and of two photographs."""

import torch
from jaxtyping import Float
from sklearn.datasets import load_sample_image
from torch import Tensor

from aecourse import data, train
from aecourse.autoencoder import psnr
from aecourse.denoising import random_shift
from aecourse.generation import DigitClassifier
from aecourse.recipes.training import DEVICE, SEED
from aecourse.trivial import squared_error
from aecourse.vqvae import VQVAE, codebook_usage, perplexity, vqvae_loss


def digit_vqvae() -> VQVAE:
    """7 x 7 tokens of 512 codes; dead codes are reset in the first 28 of 40 epochs."""
    model = VQVAE(512, reset_below=0.1).to(DEVICE)
    batches = data.batches(data.mnist("train").x.to(DEVICE), 256, seed=SEED)
    schedule = train.one_cycle(model, 40 * len(batches), lr=4e-3, weight_decay=0.0)

    def loss(model, x):
        return vqvae_loss(model, random_shift(x))

    train.fit(model, loss, batches, epochs=28, schedule=schedule)
    model.quantizer.reset_below = 0.0
    train.fit(model, loss, batches, epochs=12, schedule=schedule)
    return model.cpu()


@torch.no_grad()
def vqvae_metrics(model: VQVAE) -> dict[str, float]:
    """Squared error of test digits, use of the codebook, what a classifier still reads."""
    test = data.mnist("test")
    x_hat = model.detokenize(model.tokenize(test.x))
    usage = codebook_usage(model.tokenize(data.mnist("train").x), len(model.quantizer.codebook))
    kept = DigitClassifier.trained().predict(x_hat.clamp(0, 1)) == test.y
    return {
        "test_squared_error": round(squared_error(x_hat, test.x).mean().item(), 3),
        "codes_used": int((usage > 0).sum()),  # by the 60 000 training digits
        "perplexity": round(perplexity(usage), 1),
        "test_accuracy_of_classifier": round(kept.double().mean().item(), 4),
    }


def photo_vqvae() -> VQVAE:
    """Tokens of 4 x 4 colour pixels, learnt on the left halves of scikit-learn's two photos."""
    model = VQVAE(512, image=(3, 64, 64), reset_below=0.1).to(DEVICE)
    halves = [photo[:, :, :320].to(DEVICE) for photo in photos()]
    steps = torch.zeros(3200, 1)  # one row per step: its crops are drawn in the loss
    schedule = train.one_cycle(model, 4000, lr=2e-3, weight_decay=0.0)

    def loss(model, _):
        terms = vqvae_loss(model, _crops(halves, 64, 64))
        return {name: values.mean()[None] for name, values in terms.items()}

    train.fit(model, loss, data.batches(steps, 1, seed=SEED), epochs=1, schedule=schedule)
    model.quantizer.reset_below = 0.0
    train.fit(model, loss, data.batches(steps[:800], 1, seed=SEED), epochs=1, schedule=schedule)
    return model.cpu()


def _crops(photos, n, size):
    """n random squares of the photos, half of them mirrored, (n, 3 * size * size)."""
    crops = []
    for k in range(n):
        photo = photos[k % len(photos)]
        top, left = (torch.randint(side - size + 1, ()).item() for side in photo.shape[1:])
        crop = photo[:, top : top + size, left : left + size]
        crops.append(crop.flip(2) if k // len(photos) % 2 else crop)
    return torch.stack(crops).flatten(1)


def photo_metrics(model: VQVAE) -> dict[str, float]:
    """Peak signal-to-noise ratio of the right halves, in dB."""
    model.image, model.grid = (3, 424, 320), (106, 80)  # convolutions fit any size
    found = {}
    for name, photo in zip(("china", "flower"), photos(), strict=True):
        x = photo[:, :, 320:].flatten()[None]
        x_hat = model.detokenize(model.tokenize(x)).clamp(0, 1)
        found[f"psnr_{name}"] = round(psnr(x_hat, x), 2)
    return found


def photos() -> list[Float[Tensor, "3 424 640"]]:
    """scikit-learn's two photographs, pixels in [0, 1]."""
    photos = [load_sample_image(name)[:424] for name in ("china.jpg", "flower.jpg")]
    return [torch.tensor(photo).movedim(-1, 0) / 255 for photo in photos]
