"""Networks and arrays as one small safetensors file that a web page can read and run.

Weights are kept as float16, as they are shipped, or rounded to int8 with one scale per row: half
the size, but pictures then differ by up to 25 grey levels. The file's metadata lists the layers
of each network, so that `network.js` can run them.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Shaped, UInt8
from safetensors.torch import save
from torch import Tensor, nn

from aecourse import validate

Storage = Literal["float16", "int8"]
ACTIVATIONS = {nn.GELU: "gelu", nn.ReLU: "relu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid"}
CONVOLUTIONS = {nn.Conv2d: "conv2d", nn.ConvTranspose2d: "conv_transpose2d"}
# What `network.js` takes for granted: settings of a layer, each with the only value that it runs.
PLAIN = {"dilation": (1, 1), "groups": 1, "padding_mode": "zeros", "output_padding": (0, 0)}
ONLY = {nn.Conv2d: PLAIN, nn.ConvTranspose2d: PLAIN,
        nn.Flatten: {"start_dim": 1, "end_dim": -1}, nn.Unflatten: {"dim": 1}}  # fmt: skip


def pack(networks: Mapping[str, nn.Module] | None = None, *,
         arrays: Mapping[str, Shaped[Tensor, "..."]] | None = None,
         meta: Mapping[str, Any] | None = None, dtype: Storage = "float16") -> bytes:  # fmt: skip
    """Pack networks, arrays and notes into the bytes of one safetensors file.

    Parameters
    ----------
    networks
        Of finite linear layers, convolutions, activations and reshapes, with settings that
        `network.js` knows; nested ones are flattened.
    arrays
        Of float32, int8, uint8 or int32, kept as they are.
    meta
        Anything that JSON can hold.
    dtype
        How weights of two and more axes are stored. int8: one scale per row (first axis), an
        error of at most half a step, max|row| / 254. Biases stay float32. Rounding is the only
        loss: `network.js` keeps float32 between layers.
    """
    validate.choice(dtype, "dtype", get_args(Storage))
    tensors, notes = dict(arrays or {}), {key: json.dumps(v) for key, v in (meta or {}).items()}
    for name, network in (networks or {}).items():
        layers = [_layer(f"{name}.{i}", part) for i, part in enumerate(_flat(network))]
        notes[name] = json.dumps([layer for layer, _ in layers])
        for _, parameters in layers:
            for key, value in parameters.items():
                tensors |= weight(key, value, dtype)
    return _sorted(save({k: t.detach().cpu().contiguous() for k, t in tensors.items()}, notes))


def _sorted(content):
    """The same file with its header in alphabetical order: the order of notes is random."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:start]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)  # the format aligns what follows
    return len(header).to_bytes(8, "little") + header + content[start:]


def grey_levels(x: Float[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    """Pixels in [0, 1] as whole numbers in [0, 255]."""
    return (255 * x).round().to(torch.uint8)


def weight(name: str, value: Float[Tensor, "*shape"], dtype: Storage = "float16",
           ) -> dict[str, Shaped[Tensor, "..."]]:  # fmt: skip
    """One finite weight as the tensors that store it: {name: …}, with {name.scale: …} if int8."""
    if not value.is_floating_point() or not value.isfinite().all():
        raise ValueError(f"{name} must be finite floating-point numbers, got {value.dtype}")
    value = value.detach().float()
    if value.ndim < 2:
        return {name: value}
    if dtype == "float16":
        return {name: value.half()}
    scale = (value.flatten(1).abs().amax(dim=1) / 127).clamp_min(1e-12)
    rows = scale.view(-1, *[1] * (value.ndim - 1))
    return {name: (value / rows).round().to(torch.int8), f"{name}.scale": scale}


def _flat(network):
    """The layers in order, without dropout and other identities."""
    if isinstance(network, nn.Sequential):
        return [layer for part in network for layer in _flat(part)]
    return [] if isinstance(network, (nn.Dropout, nn.Identity)) else [network]


def _layer(name, part):
    """(how `network.js` runs the layer, its parameters by name)."""
    kind = type(part)
    if kind in ACTIVATIONS and getattr(part, "approximate", "none") == "none":
        return {"op": ACTIVATIONS[kind]}, {}
    _check_settings(name, part)
    if kind in (nn.Flatten, nn.Unflatten):
        shape = [-1] if kind is nn.Flatten else list(part.unflattened_size)
        return {"op": "reshape", "shape": shape}, {}
    layer = {"weight": f"{name}.weight", "bias": f"{name}.bias"}
    if kind is nn.Linear:
        return {"op": "linear"} | layer, _parameters(name, part)
    if kind in CONVOLUTIONS:
        step = {"stride": part.stride[0], "padding": part.padding[0]}
        return {"op": CONVOLUTIONS[kind]} | layer | step, _parameters(name, part)
    raise ValueError(f"{name} must be a layer that network.js knows, got {part}")


def _check_settings(name, part):
    """ValueError for a setting that `network.js` would ignore."""
    for setting, only in ONLY.get(type(part), {}).items():
        given = getattr(part, setting)
        if given != only:
            raise ValueError(f"{name} must have {setting} {only!r}, got {given!r} in {part}")
    for setting in ("kernel_size", "stride", "padding") if type(part) in CONVOLUTIONS else ():
        given = getattr(part, setting)
        if isinstance(given, str) or given[0] != given[1]:
            accepted = f"one number as {setting}, for both directions"
            raise ValueError(f"{name} must have {accepted}, got {given!r} in {part}")


def _parameters(name, part):
    return {f"{name}.{key}": value for key, value in part.named_parameters()}
