"""The classifier whose features samples are scored with."""

from torch.nn import Module
from torch.nn import functional as F

from aecourse import data
from aecourse.denoising import random_shift
from aecourse.generation import DigitClassifier
from aecourse.recipes.training import SEED, run


def digit_classifier() -> Module:
    """Cross-entropy on digits shifted by up to two pixels."""
    x, y = data.mnist("train")
    digits = data.batches(x, 128, y=y, seed=SEED)
    return run(DigitClassifier(), _classification_loss, digits, epochs=8, lr=4e-3)


def _classification_loss(model, batch):
    x, y = batch
    logits = model(random_shift(x))
    return {"loss": F.cross_entropy(logits, y, reduction="none", label_smoothing=0.05)}


def accuracy(model: Module) -> dict[str, float]:
    """Share of the test digits that a classifier gets right."""
    test = data.mnist("test")
    right = (model.predict(test.x) == test.y).double().mean().item()
    return {"test_accuracy": round(right, 4)}
