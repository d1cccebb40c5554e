"""Train shipped weights again: `python -m aecourse.weights [NAME ...]` (all by default)."""

import hashlib
import json
import platform
import sys
import time
from functools import partial

import torch
from safetensors.torch import save
from torch import nn

from aecourse import data, train, weights
from aecourse.autoencoder import Autoencoder, mlp
from aecourse.denoising import (
    DenoisingAutoencoder,
    add_gaussian_noise,
    denoising_loss,
    mask_patches,
    mask_pixels,
    random_shift,
)
from aecourse.generation import DigitClassifier
from aecourse.tokens import TokenTransformer, Vocabulary, sequences
from aecourse.trivial import reconstruction_loss
from aecourse.vae import VAE, vae_loss
from aecourse.vqvae import VQVAE, vqvae_loss
from aecourse.weights import FOLDER, manifest, metrics
from aecourse.weights.few_labels import DEVICE, ENCODERS, pretrain

SEED = metrics.SEED
LATENT_SIZES = (2, 5, 10, 20, 50, 100)
BETAS = (0.1, 0.3, 3.0, 10.0)  # 1 is the model with 50 latents above


def digit_classifier():
    """Cross-entropy on digits shifted by up to two pixels."""
    model = DigitClassifier()
    x, y = data.mnist("train")
    _fit(model, _classification_loss, data.batches(x, 128, y=y, seed=SEED), epochs=8, lr=4e-3)
    return model, metrics.accuracy


def deep_autoencoder():
    """784-1000-500-250-30 as Hinton and Salakhutdinov (2006), trained end to end."""
    model = Autoencoder([784, 1000, 500, 250, 30])
    _fit(model, reconstruction_loss, data.batches(data.mnist("train").x, 256, seed=SEED),
         epochs=60, lr=2e-3)  # fmt: skip
    return model, metrics.image_error


def plane_autoencoder():
    """784-256-64-2: a map of the digits, small enough for a web page."""
    return _small_autoencoder([784, 256, 64, 2])


def small_autoencoder():
    """784-128-10: ten numbers for a digit, small enough for a web page."""
    return _small_autoencoder([784, 128, 10])


def _small_autoencoder(sizes):
    model = Autoencoder(sizes)
    _fit(model, reconstruction_loss, data.batches(data.mnist("train").x, 256, seed=SEED),
         epochs=30, lr=3e-3)  # fmt: skip
    return model, metrics.image_error


def restorer():
    """784-160-160-784: clean digits from broken ones; small enough for a web page."""
    decoder = nn.Sequential(nn.GELU(), nn.Linear(160, 784))
    model = DenoisingAutoencoder(mlp([784, 160, 160]), decoder)
    loss = partial(denoising_loss, corrupt=_broken)
    _fit(model, loss, data.batches(data.mnist("train").x, 256, seed=SEED), epochs=40, lr=3e-3)
    return model, metrics.restoration


def vae(latent, beta=1.0):
    """784-256-L of the notes on digits binarised anew in each epoch."""
    model = VAE([784, 256], latent)
    _fit_vae(model, epochs=20, lr=5e-3, beta=beta)
    return model, metrics.vae_metrics


def burda_vae():
    """784-200-200-50 with tanh as Burda et al. (2015), Table 1, one stochastic layer."""
    model = VAE([784, 200, 200], 50, activation=nn.Tanh)
    _fit_vae(model, epochs=800, lr=4e-3)
    return model, metrics.burda_metrics


def pretrained(encoder, start):
    """An encoder of `few_labels`, with its decoder."""
    return pretrain(ENCODERS[encoder](), start, seed=SEED).cpu(), metrics.restoration


def digit_vqvae():
    """7 x 7 tokens of 512 codes; dead codes are reset in the first 28 of 40 epochs."""
    model = VQVAE(512, reset_below=0.1).to(DEVICE)
    batches = data.batches(data.mnist("train").x.to(DEVICE), 256, seed=SEED)
    schedule = _one_cycle(model, 40 * len(batches), lr=4e-3, weight_decay=0.0)

    def loss(model, x):
        return vqvae_loss(model, random_shift(x))

    train.fit(model, loss, batches, epochs=28, schedule=schedule)
    model.quantizer.reset_below = 0.0
    train.fit(model, loss, batches, epochs=12, schedule=schedule)
    return model.cpu(), metrics.vqvae_metrics


def photo_vqvae():
    """Tokens of 4 x 4 colour pixels, learnt on the left halves of scikit-learn's two photos."""
    model = VQVAE(512, image=(3, 64, 64), reset_below=0.1).to(DEVICE)
    halves = [photo[:, :, :320].to(DEVICE) for photo in metrics.photos()]
    steps = torch.zeros(3200, 1)  # one row per step: its crops are drawn in the loss
    schedule = _one_cycle(model, 4000, lr=2e-3, weight_decay=0.0)

    def loss(model, _):
        terms = vqvae_loss(model, _crops(halves, 64, 64))
        return {name: values.mean()[None] for name, values in terms.items()}

    train.fit(model, loss, data.batches(steps, 1, seed=SEED), epochs=1, schedule=schedule)
    model.quantizer.reset_below = 0.0
    train.fit(model, loss, data.batches(steps[:800], 1, seed=SEED), epochs=1, schedule=schedule)
    return model.cpu(), metrics.photo_metrics


def token_transformer():
    """Half of each batch draws from a word, half reads the word of a shifted picture.

    Image tokens in the input are scrambled now and then, and letters count three times.
    """
    vqvae = weights.load(VQVAE(512), "digit_vqvae").eval().to(DEVICE)
    vocabulary = Vocabulary(512)
    model = TokenTransformer(len(vocabulary), 56)

    def loss(model, batch):
        (x, y), half = batch, len(batch[0]) // 2
        draw, _ = sequences(vocabulary, vqvae.tokenize(x[:half]), y[:half])
        _, read = sequences(vocabulary, vqvae.tokenize(random_shift(x[half:])), y[half:])
        target = torch.cat([draw, read])
        logits = model(_scrambled(target, vocabulary.codes, noise=0.5)[:, :-1])
        nll = nn.functional.cross_entropy(logits.mT, target[:, 1:], reduction="none")
        weight = torch.where(target[:, 1:] < vocabulary.codes.start, 3.0, 1.0)
        return {"loss": (weight * nll).sum(dim=1)}

    x, y = (t.to(DEVICE) for t in data.mnist("train"))
    batches = data.batches(x, 512, y=y, seed=SEED)
    _fit(model, loss, batches, epochs=20, lr=3e-3, weight_decay=0.05)
    return model, metrics.token_metrics


RECIPES = {recipe.__name__: recipe for recipe in (
    digit_classifier, deep_autoencoder, plane_autoencoder, small_autoencoder, restorer, burda_vae,
    digit_vqvae, photo_vqvae, token_transformer,
)}  # fmt: skip
RECIPES |= {
    "masked_mlp": partial(pretrained, "mlp_512", "masked"),
    "plain_mlp": partial(pretrained, "mlp_512", "plain"),
    "masked_conv": partial(pretrained, "conv", "masked"),
}
RECIPES |= {f"vae_latent_{latent}": partial(vae, latent) for latent in LATENT_SIZES}
RECIPES |= {f"vae_beta_{beta:g}": partial(vae, 50, beta) for beta in BETAS}


def _fit_vae(model, *, epochs, lr, beta=1.0):
    def loss(model, x):
        return vae_loss(model, torch.bernoulli(x), beta=beta)

    batches = data.batches(data.mnist("train").x, 128, seed=SEED)
    return _fit(model, loss, batches, epochs=epochs, lr=lr, weight_decay=0.0)


def _fit(model, loss_fn, batches, *, epochs, lr, weight_decay=0.01):
    model.to(DEVICE)
    schedule = _one_cycle(model, epochs * len(batches), lr=lr, weight_decay=weight_decay)
    history = train.fit(model, loss_fn, batches, epochs=epochs, schedule=schedule)
    model.cpu()
    return history


def _one_cycle(model, steps, *, lr, weight_decay):
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay, fused=True)
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)


def _crops(photos, n, size):
    """n random squares of the photos, half of them mirrored, (n, 3 * size * size)."""
    crops = []
    for k in range(n):
        photo = photos[k % len(photos)]
        top, left = (torch.randint(side - size + 1, ()).item() for side in photo.shape[1:])
        crop = photo[:, top : top + size, left : left + size]
        crops.append(crop.flip(2) if k // len(photos) % 2 else crop)
    return torch.stack(crops).flatten(1)


def _broken(x):
    """A fifth each: small and large patches hidden, pixels, one side of a line, Gaussian noise."""
    small, large, pixels, sides, noise = x.chunk(5)
    return torch.cat([
        mask_patches(small, 0.5)[0], mask_patches(large, 0.5, size=7)[0],
        mask_pixels(pixels, 0.5)[0], _cut(sides), add_gaussian_noise(noise, 0.5),
    ])  # fmt: skip


def _cut(x):
    """Hide what lies on one side of a random line that passes within 8 pixels of the middle."""
    row, column = torch.meshgrid(*[torch.arange(28, device=x.device) - 13.5] * 2, indexing="ij")
    angle, offset = torch.rand(2, len(x), 1, 1, device=x.device)
    angle = 2 * torch.pi * angle
    beyond = angle.cos() * column + angle.sin() * row > 16 * offset - 8
    return x.masked_fill(beyond.flatten(1), 0.0)


def _scrambled(tokens, codes, noise):
    """Replace image tokens by random ones, each row at a rate drawn from [0, noise]."""
    rate = noise * torch.rand(len(tokens), 1, device=tokens.device)
    hit = (torch.rand(tokens.shape, device=tokens.device) < rate) & (tokens >= codes.start)
    return torch.where(hit, torch.randint_like(tokens, codes.start, codes.stop), tokens)


def _classification_loss(model, batch):
    x, y = batch
    return {"loss": torch.nn.functional.cross_entropy(model(random_shift(x)), y, reduction="none",
                                                      label_smoothing=0.05)}  # fmt: skip


def _device():
    if DEVICE == "cuda":
        return torch.cuda.get_device_name()
    return f"CPU ({platform.machine()}), {torch.get_num_threads()} threads"


def main(names):
    """Train each named recipe, write its weights as float16 and its entry in the manifest."""
    unknown = set(names) - set(RECIPES)
    if unknown:
        raise SystemExit(f"unknown weights {sorted(unknown)}; known: {sorted(RECIPES)}")
    for name in names or RECIPES:
        torch.manual_seed(SEED)
        start, start_cpu = time.perf_counter(), time.process_time()
        model, measure = RECIPES[name]()
        minutes, cpu_minutes = time.perf_counter() - start, time.process_time() - start_cpu
        half = {key: t.half() if t.is_floating_point() else t
                for key, t in model.state_dict().items()}  # fmt: skip
        model.load_state_dict(half)  # measured as shipped
        content = save(half)
        entry = {
            "command": f"python -m aecourse.weights {name}",
            "seed": SEED,
            "minutes": round(minutes / 60, 1),
            "cpu_minutes": round(cpu_minutes / 60, 1),
            "machine": f"{_device()}, torch {torch.__version__.split('+')[0]}",
            "metrics": measure(model),
            "sha256": hashlib.sha256(content).hexdigest(),
        }  # fmt: skip
        (FOLDER / f"{name}.safetensors").write_bytes(content)
        entries = manifest() | {name: entry}
        (FOLDER / "manifest.json").write_text(json.dumps(entries, indent=1) + "\n")
        print(json.dumps({name: entry}))


if __name__ == "__main__":
    main(sys.argv[1:])
