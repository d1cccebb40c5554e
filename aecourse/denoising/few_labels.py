"""What an encoder is worth when labels are few."""

from collections import OrderedDict
from collections.abc import Callable
from copy import deepcopy
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from aecourse import data, validate
from aecourse.denoising.model import weights_dtype
from aecourse.train import evaluating, fit, one_cycle

_EPOCHS = {100: 150, 1000: 37}  # of fine-tuning, by labels: 300 and 740 steps of 50


class Classifier(nn.Sequential):
    """An encoder (B, D) -> (B, k) and one linear layer on its features, which gives the logits.

    Examples
    --------
    >>> classifier = Classifier(nn.Identity(), nn.Linear(2, 2))
    >>> same = {"weight": torch.eye(2), "bias": torch.zeros(2)}
    >>> loaded = classifier.head.load_state_dict(same)
    >>> classifier.predict(torch.tensor([[3.0, 1.0], [0.0, 1.0]]))
    tensor([0, 1])
    """

    def __init__(self, encoder: nn.Module, head: nn.Linear):
        validate.model(encoder, "encoder", "forward")
        validate.model(head, "head", "forward", "weight")
        super().__init__(OrderedDict(encoder=encoder, head=head))

    def forward(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B C"]:
        """Logits of the C classes."""
        return super().forward(validate.matrix(x, "x", dtype=self.head.weight.dtype))

    def predict(self, x: Float[Tensor, "N D"]) -> Int[Tensor, "N"]:
        """The most likely class of each row."""
        validate.matrix(x, "x", dtype=self.head.weight.dtype)
        return _in_parts(self, x).argmax(dim=1)


@torch.no_grad()
def _in_parts(module, x):
    """What a module makes of x in evaluation mode, a thousand rows at a time."""
    with evaluating(module):
        return torch.cat([module(part) for part in x.split(1000)])


def linear_probe(
    encoder: nn.Module,
    x: Float[Tensor, "N D"],
    y: Int[Tensor, "N"],
    *,
    C: float = 1.0,
) -> Classifier:
    """Logistic regression on the features of a frozen encoder: how much of y lies open in them.

    With features h, standardised, it minimises ``|W|^2 / 2 - C sum_n log softmax(W h_n + b)[y_n]``.

    Parameters
    ----------
    encoder
        From (B, D) to (B, k). It is not changed.
    y
        Labels 0 ... classes - 1, each at least once.

    Returns
    -------
    Classifier
        With scikit-learn's solution as its head, which takes the features as they are.

    Examples
    --------
    >>> x, y = torch.arange(4.0)[:, None], torch.tensor([0, 0, 1, 1])
    >>> probe = linear_probe(nn.Identity(), x, y)
    >>> probe.predict(torch.tensor([[1.4], [1.6]]))
    tensor([0, 1])
    """
    from sklearn.linear_model import LogisticRegression  # here, for it takes a second to import

    validate.model(encoder, "encoder", "forward")
    classes = _labels(x, y, weights_dtype(encoder))
    validate.positive(C, "C")
    h = _in_parts(encoder, x)  # (N, k)
    scale = h.std(dim=0, correction=0).clamp(min=1e-6)  # a constant feature: no division by zero
    z = ((h - h.mean(dim=0)) / scale).double().numpy(force=True)
    solution = LogisticRegression(C=C, max_iter=1000).fit(z, y.numpy(force=True))
    W, b = (torch.from_numpy(array).to(h) for array in (solution.coef_, solution.intercept_))
    if classes == 2:  # scikit-learn stores one logit for two classes
        W, b = torch.cat([-W, W]) / 2, torch.cat([-b, b]) / 2
    head = nn.Linear(h.shape[1], classes).to(h)
    with torch.no_grad():  # undo the standardisation, so that the head takes plain features
        head.weight.copy_(W / scale)
        head.bias.copy_(b - (W / scale) @ h.mean(dim=0))
    return Classifier(encoder, head)


def fine_tune(
    encoder: nn.Module,
    x: Float[Tensor, "N D"],
    y: Int[Tensor, "N"],
    *,
    epochs: int = 100,
    lr: float = 1e-3,
    batch_size: int = 50,
    augment: Callable[[Tensor], Tensor] | None = None,
    seed: int = 0,
) -> Classifier:
    """Put a new linear layer on a copy of the encoder, and train both on few labels.

    It minimises the mean of ``-log softmax(W g(x_n) + b)[y_n]`` over W, b and all weights of g.

    Parameters
    ----------
    encoder
        From (B, D) to (B, k), pre-trained or fresh. It is not changed.
    y
        Labels 0 ... classes - 1, each at least once.
    lr
        The highest learning rate of a one-cycle schedule.
    augment
        Changes each batch in a way that keeps the labels, for example `random_shift`.
    seed
        Of the new layer, the batches and the augmentation.

    Returns
    -------
    Classifier
        In evaluation mode.

    Examples
    --------
    >>> x, y = torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1])
    >>> fine_tune(nn.Linear(1, 8), x, y, lr=0.1).predict(x)
    tensor([0, 1])
    """
    validate.model(encoder, "encoder", "forward")
    classes = _labels(x, y, weights_dtype(encoder))
    validate.integer(epochs, "epochs")
    validate.positive(lr, "lr")
    if augment is not None:
        validate.function(augment, "augment")
    batches = data.batches(x, batch_size, y=y, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = deepcopy(encoder)
        k = _in_parts(encoder, x[:1]).shape[1]
        model = Classifier(encoder, nn.Linear(k, classes).to(x))
        steps = epochs * len(batches)
        schedule = one_cycle(model, steps, lr=lr, weight_decay=0.05)
        loss = partial(_cross_entropy, augment=augment)
        fit(model, loss, batches, epochs=epochs, schedule=schedule)
    return model.eval()


def labelled_rows(y: Int[Tensor, "N"], n: int, seed: int = 0) -> Int[Tensor, "M"]:
    """The rows of n labelled digits, n / 10 of each kind, drawn by seed.

    Examples
    --------
    >>> y = torch.arange(100) % 10
    >>> y[labelled_rows(y, 20)]
    tensor([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9])
    """
    fewest = validate.whole_numbers(y, "y", ("N",), 0, 9).bincount(minlength=10).min().item()
    if validate.integer(n, "n", low=10) % 10 or n // 10 > fewest:
        raise ValueError(f"n must be a multiple of 10, at most {10 * fewest}, got {n}")
    generator = torch.Generator().manual_seed(validate.integer(seed, "seed", low=0))
    order = torch.randperm(len(y), generator=generator)
    return torch.cat([order[y[order] == digit][: n // 10] for digit in range(10)])


def few_label_error(encoder: nn.Module, n: int, seed: int = 0) -> float:
    """Test error in per cent after fine-tuning on n labels, on all 10 000 test digits.

    Parameters
    ----------
    n
        100 or 1000.
    """
    validate.model(encoder, "encoder", "parameters")
    epochs = _EPOCHS[validate.choice(n, "n", tuple(_EPOCHS))]
    (x, y), test = data.mnist("train"), data.mnist("test")
    device = next(encoder.parameters(), x).device
    rows = labelled_rows(y, n, seed)
    few_x, few_y = x[rows].to(device), y[rows].to(device)
    model = fine_tune(encoder, few_x, few_y, epochs=epochs, augment=random_shift, seed=seed)
    wrong = model.predict(test.x.to(device)).cpu() != test.y
    return round(100 * wrong.double().mean().item(), 2)


def random_shift(
    x: Float[Tensor, "B 784"],
    most: int = 2,
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "B 784"]:
    """Move all images of a batch by the same random number of pixels, up to `most` each way.

    What leaves on one side comes back on the other; seven digits in eight have no ink within two
    pixels of the edge.

    Examples
    --------
    >>> x = torch.rand(5, 784)
    >>> moved = random_shift(x)
    >>> torch.allclose(moved.sum(dim=1), x.sum(dim=1))  # no ink is lost
    True
    """
    validate.matrix(x, "x", columns=784)
    validate.integer(most, "most", low=0, high=27)
    validate.generator(generator)
    device = "cpu" if generator is None else generator.device
    moves = torch.randint(-most, most + 1, (2,), generator=generator, device=device)
    down, right = moves.tolist()
    return x.view(-1, 28, 28).roll((down, right), dims=(1, 2)).flatten(1)


def _cross_entropy(model, batch, augment):
    x, y = batch
    x = x if augment is None else augment(x)
    return {"loss": F.cross_entropy(model(x), y, reduction="none")}


def _labels(x, y, dtype):
    """Check rows and labels; return the number of classes."""
    validate.matrix(x, "x", dtype=dtype)
    validate.whole_numbers(y, "y", (len(x),), 0, len(x) - 1)
    seen = y.unique()
    if not torch.equal(seen, torch.arange(len(seen), device=y.device)) or len(seen) < 2:
        raise ValueError(
            f"y must hold every label from 0 to its largest, at least two, got {seen.tolist()}"
        )
    return len(seen)
