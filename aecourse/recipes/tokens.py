"""The transformer over words and image tokens."""

import torch
from torch.nn import functional as F

from aecourse import data, weights
from aecourse.denoising import random_shift
from aecourse.generation import DigitClassifier
from aecourse.recipes.training import DEVICE, SEED, run
from aecourse.tokens import WORDS, Bilingual, TokenTransformer, Vocabulary, sequences
from aecourse.vqvae import VQVAE


def token_transformer() -> TokenTransformer:
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
        nll = F.cross_entropy(logits.mT, target[:, 1:], reduction="none")
        weight = torch.where(target[:, 1:] < vocabulary.codes.start, 3.0, 1.0)
        return {"loss": (weight * nll).sum(dim=1)}

    x, y = (t.to(DEVICE) for t in data.mnist("train"))
    batches = data.batches(x, 512, y=y, seed=SEED)
    return run(model, loss, batches, epochs=20, lr=3e-3, weight_decay=0.05)


def _scrambled(tokens, codes, noise):
    """Replace image tokens by random ones, each row at a rate drawn from [0, noise]."""
    rate = noise * torch.rand(len(tokens), 1, device=tokens.device)
    hit = (torch.rand(tokens.shape, device=tokens.device) < rate) & (tokens >= codes.start)
    return torch.where(hit, torch.randint_like(tokens, codes.start, codes.stop), tokens)


def token_metrics(model: TokenTransformer) -> dict[str, float]:
    """Reading all test digits, and 1000 drawings as the classifier sees them."""
    both = Bilingual(model, weights.load(VQVAE(512), "digit_vqvae").eval())
    test, digits = data.mnist("test"), torch.arange(10).repeat(100)
    read = [word == WORDS[y] for word, y in zip(both.read(test.x), test.y.tolist(), strict=True)]
    drawn = both.draw([WORDS[d] for d in digits.tolist()],
                      generator=torch.Generator().manual_seed(SEED))  # fmt: skip
    agree = DigitClassifier.trained().predict(drawn) == digits
    return {
        "read_accuracy": round(sum(read) / len(read), 4),
        "draw_agreement": round(agree.double().mean().item(), 4),
    }
