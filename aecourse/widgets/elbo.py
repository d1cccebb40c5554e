"""Widget of chapter 07: the bound, the gap and the exact log p(x) of a model with one latent."""

from aecourse.widgets.base import Choice, Number, Widget


class WatchTheBound(Widget):
    """Move q(z|x) = N(μ, s²) and watch ELBO + gap = log p(x), and an estimate from samples.

    The model is the chapter's, by hand: p(z) = N(0, 1), p(x|z) = N(z, 1), x = 2. Its posterior is
    N(1, ½), its log p(x) is −2.2655 nats.

    Traits
    ------
    mu : number in [-1, 3]
        The mean μ of q.
    s : number in [0.3, 1.5]
        The standard deviation of q.
    samples : integer in [1, 1000]
        How many z are drawn from q.
    estimate : {"elbo", "weighted"}
        What is made of the weights w = p(x, z) / q(z|x): the mean of log w, which estimates the
        ELBO, or the logarithm of the mean of w, the importance-weighted bound.
    seed : integer in [0, 9999]
        Of the draws.
    """

    script = "elbo"
    says = (
        "One latent, one pixel: p(z) = N(0, 1), p(x|z) = N(z, 1), x = 2; each sample from "
        "q(z|x) = N(μ, s²) has the weight w = p(x, z) / q(z|x). Moving q changes ELBO and gap, "
        "never their sum, log p(x)."
    )
    mu = Number(-0.5, -1, 3)
    s = Number(0.5, 0.3, 1.5)
    samples = Number(20, 1, 1000, whole=True)
    estimate = Choice("elbo", ("elbo", "weighted"))
    seed = Number(0, 0, 9999, whole=True)
