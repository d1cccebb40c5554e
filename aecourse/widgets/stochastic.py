"""Widget of chapter 05: noise first, mean and scale after."""

from aecourse.widgets.base import Choice, Number, Widget


class SampleThenRescale(Widget):
    """Move mean and scale under a fixed cloud of noise; see where the gradient of z² can flow.

    Traits
    ------
    mu : number in [-2, 2]
        The mean μ.
    logvar : number in [-2, 1]
        The log-variance log σ².
    eps : number in [-2.5, 2.5]
        The noise ε of the ringed point; the other 39 are drawn from `seed`.
    mode : {"rescale", "direct"}
        z = μ + σε, or z drawn from N(μ, σ²) directly: then it is drawn anew at each change.
    seed : integer in [0, 9999]
        Of the draws.
    """

    script = "stochastic"
    says = (
        "Above: 40 noise values. Below: the points they become. With z = μ + σε each keeps its own "
        "ε; the graph shows which gradients of z² arrive."
    )
    mu = Number(1.0, -2, 2)
    logvar = Number(0.0, -2, 1)
    eps = Number(1.2, -2.5, 2.5)
    mode = Choice("rescale", ("rescale", "direct"))
    seed = Number(0, 0, 9999, whole=True)
