"""Valid calls of `aecourse.generation`."""

import torch
from torch import nn

from aecourse.generation import CodeSampler, DigitClassifier

CLASSIFIER = DigitClassifier().eval()
X = torch.rand(2, 784)
H = torch.tensor([[0.0, 1.0], [2.0, 5.0], [3.0, 0.0]])


def mixture():
    """Arguments of a mixture with two components in three dimensions."""
    roots = torch.eye(3, dtype=torch.float64).expand(2, 3, 3)
    return {"weights": torch.tensor([0.5, 0.5], dtype=torch.float64),
            "means": torch.zeros(2, 3, dtype=torch.float64), "roots": roots,
            "like": torch.zeros(1)}  # fmt: skip


SAMPLER = CodeSampler(**mixture())

CALLS = {
    "DigitClassifier": lambda: {"self": DigitClassifier()},
    "DigitClassifier.trained": dict,
    "DigitClassifier.features": lambda: {"self": CLASSIFIER, "x": X},
    "DigitClassifier.forward": lambda: {"self": CLASSIFIER, "x": X},
    "DigitClassifier.predict": lambda: {"self": CLASSIFIER, "x": X},
    "conv_block": lambda: {"before": 1, "after": 2, "stride": 2, "activation": nn.GELU},
    "extract_features": lambda: {"classifier": CLASSIFIER, "x": X},
    "frechet_distance": lambda: {"features_a": H, "features_b": H},
    "CodeSampler": lambda: {"self": CodeSampler(**mixture())} | mixture(),
    "CodeSampler.__call__": lambda: {"self": SAMPLER, "n": 3, "generator": torch.Generator()},
    "CodeSampler.log_density": lambda: {"self": SAMPLER, "h": torch.zeros(4, 3)},
    "gaussian_sampler": lambda: {"h": H},
    "mixture_sampler": lambda: {"h": H, "num_components": 2, "seed": 1},
}
