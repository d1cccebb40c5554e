"""`VectorQuantizer` against vector-quantize-pytorch's `VectorQuantize`, forward and backward.

The peer is optional: `pip install vector-quantize-pytorch`. Without it only ours is timed.
"""

import statistics
import time

import torch

from aecourse.vqvae import VectorQuantizer

try:
    from vector_quantize_pytorch import VectorQuantize
except ImportError:
    VectorQuantize = None

N, K, D = 50_000, 512, 64
DECAY = 0.99


def ours(update):
    """One step of training with our quantiser, as a function of z_e (N, D)."""
    quantizer = VectorQuantizer(K, D, update, decay=DECAY)

    def step(z_e):
        z_st, _, losses = quantizer(z_e)
        loss = z_st.square().mean() + 0.25 * losses["commitment"].mean()
        if update == "loss":
            loss = loss + losses["codebook"].mean()
        loss.backward()

    return step


def peer(update):
    """The same with the peer's; plain straight-through, no resets, as ours."""
    quantizer = VectorQuantize(
        D, codebook_size=K, decay=DECAY, commitment_weight=0.25, rotation_trick=False,
        threshold_ema_dead_code=0, ema_update=update == "ema", learnable_codebook=update == "loss",
    )  # fmt: skip

    def step(z_e):
        z_st, _, loss = quantizer(z_e)
        (z_st.square().mean() + loss.sum()).backward()

    return step


def run(rounds=15):
    """Medians of alternating steps in one process, in both update modes.

    Returns
    -------
    dict
        Milliseconds per step and, where the peer is installed, their ratio (above 1: ours is
        faster).
    """
    z_e = torch.randn(N, D, generator=torch.Generator().manual_seed(0))
    found = {"vectors, codes, dimension": [N, K, D], "threads": torch.get_num_threads()}
    for update in ("ema", "loss"):
        steps = {"ours": ours(update)} | ({"peer": peer(update)} if VectorQuantize else {})
        seconds = {name: [] for name in steps}
        for turn in range(rounds + 1):
            for name, step in steps.items():
                leaf = z_e.clone().requires_grad_()
                start = time.perf_counter()
                step(leaf)
                if turn:  # the first warms up
                    seconds[name].append(time.perf_counter() - start)
        medians = {name: statistics.median(times) for name, times in seconds.items()}
        found |= {f"{update}: ms, {name}": round(1e3 * t, 1) for name, t in medians.items()}
        if VectorQuantize:
            found[f"{update}: speedup"] = round(medians["peer"] / medians["ours"], 2)
    return found


if __name__ == "__main__":
    print(run())
