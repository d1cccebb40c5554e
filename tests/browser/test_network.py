"""Each layer of network.js against PyTorch's, in the browser; no built book is needed."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn
from torch.nn import functional as F

from aecourse.widgets.base import joined
from aecourse.widgets.pack import pack, weight

# A function of one JSON value: `body` sees the value as `given` and every name of network.js.
PAGE = """given => {{
  {source}
  const of = ({{data, shape}}) => tensor(Float32Array.from(data), shape);
  const back = x => ({{data: Array.from(x), shape: x.shape ?? [x.length]}});
  {body}
}}"""


@pytest.fixture(scope="module")
def run(browser):
    """Run JavaScript with network.js in scope: run(body, given) -> what it returns."""
    source, page = joined("network"), browser.new_page()
    yield lambda body, given=None: page.evaluate(PAGE.format(source=source, body=body), given)
    page.close()


@pytest.fixture(autouse=True)
def same_numbers():
    torch.manual_seed(0)


def sent(x):
    return {"data": x.flatten().tolist(), "shape": list(x.shape)}


def received(found):
    return torch.tensor(found["data"]).view(found["shape"])


def through(run, content, name, x):
    """What the packed network makes of x."""
    body = """const pack = readPack(Uint8Array.from(given.pack));
      return back(network(pack, given.name)(of(given.x)));"""
    return received(run(body, {"pack": list(content), "name": name, "x": sent(x)}))


@pytest.mark.parametrize("inputs, outputs, bias", [(7, 3, True), (8, 1, False), (1, 5, True)])
def test_a_linear_layer_is_pytorchs(run, inputs, outputs, bias):
    layer, x = nn.Linear(inputs, outputs, bias=bias), torch.randn(inputs)
    body = "return back(linear(of(given.x), of(given.w), given.b && of(given.b)))"
    given = {"x": sent(x), "w": sent(layer.weight), "b": sent(layer.bias) if bias else None}
    assert (received(run(body, given)) - layer(x)).abs().max() < 1e-5


def test_a_linear_layer_of_many_inputs_is_pytorchs_for_odd_rows_too(run):
    cases = [
        (nn.Linear(5, rows, bias=bias), torch.randn(inputs, 5))
        for rows in (1, 2, 3, 7, 8)
        for inputs in (1, 4, 6)
        for bias in (True, False)
    ]
    given = [
        {
            "x": x.tolist(),
            "w": layer.weight.flatten().tolist(),
            "rows": layer.out_features,
            "b": None if layer.bias is None else layer.bias.tolist(),
        }
        for layer, x in cases
    ]
    found = run("""
      return given.map(({x, w, rows, b}) =>
        linearAll(x, tensor(Float32Array.from(w), [rows, 5]), b).map(y => Array.from(y)));
    """, given)  # fmt: skip
    for (layer, x), y in zip(cases, found, strict=True):
        assert (torch.tensor(y) - layer(x)).abs().max() < 1e-5, (layer, len(x))


CONVOLUTIONS = [(1, 3, 4, 2, 1), (3, 1, 3, 1, 1), (5, 2, 1, 1, 0), (2, 7, 5, 3, 2), (4, 4, 2, 2, 0)]


@pytest.mark.parametrize("channels, outs, k, stride, padding", CONVOLUTIONS)
@pytest.mark.parametrize("transpose", [False, True])
def test_a_convolution_is_pytorchs_at_any_stride_and_padding(
    run, channels, outs, k, stride, padding, transpose
):
    kind, name = (nn.ConvTranspose2d, "convTranspose2d") if transpose else (nn.Conv2d, "conv2d")
    layer = kind(channels, outs, k, stride=stride, padding=padding)
    for x in (torch.randn(channels, 9, 6), torch.randn(channels, 5, 5)):
        given = {"x": sent(x), "w": sent(layer.weight), "b": sent(layer.bias)}
        settings = f"{stride}, {padding}"
        with_bias = run(f"return back({name}(of(given.x), of(given.w), of(given.b), {settings}))",
                        given)  # fmt: skip
        without = run(f"return back({name}(of(given.x), of(given.w), undefined, {settings}))",
                      given)  # fmt: skip
        expected = layer(x[None])[0]
        assert received(with_bias).shape == expected.shape
        assert (received(with_bias) - expected).abs().max() < 1e-5
        assert (received(without) + layer.bias[:, None, None] - expected).abs().max() < 1e-5


def test_a_deep_convolution_keeps_to_a_hundred_thousandth(run):
    layer, x = nn.Conv2d(64, 64, 3, padding=1), torch.randn(64, 7, 7)
    given = {"x": sent(x), "w": sent(layer.weight), "b": sent(layer.bias)}
    found = received(run("return back(conv2d(of(given.x), of(given.w), of(given.b), 1, 1))", given))
    error = (found - layer(x[None])[0]).abs().max().item()
    print(f"conv2d, 64 channels: at most {error:.1e} from PyTorch")
    assert error < 1e-5


def test_erf_and_gelu_are_pytorchs(run):
    x = torch.linspace(-8, 8, 4001)
    given = sent(x)
    erf = received(run("return back(of(given).map(erf))", given))
    gelu = received(run("return back(of(given).map(gelu))", given))
    assert (erf - torch.erf(x)).abs().max() < 3e-7
    assert (gelu - F.gelu(x)).abs().max() < 1e-6


@pytest.mark.parametrize("kind", [nn.GELU, nn.ReLU, nn.Tanh, nn.Sigmoid])
def test_an_activation_of_a_packed_network_is_pytorchs(run, kind):
    network = nn.Sequential(nn.Linear(4, 9), kind())
    rounded = nn.Sequential(nn.Linear(4, 9), kind())
    rounded.load_state_dict({"0.weight": network[0].weight.half().float(),
                             "0.bias": network[0].bias})  # fmt: skip
    x = 3 * torch.randn(4)
    found = through(run, pack({"f": network}), "f", x)
    assert (found - rounded(x)).abs().max() < 1e-6


def test_a_packed_convolutional_network_is_pytorchs(run):
    network = nn.Sequential(
        nn.Unflatten(1, (2, 4, 4)), nn.Conv2d(2, 3, 3, padding=1), nn.GELU(),
        nn.Sequential(nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1), nn.Dropout()),
        nn.Flatten(), nn.Linear(128, 5),
    ).eval()  # fmt: skip
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(p.half().float())
    x = torch.randn(32)
    found = through(run, pack({"f": network}), "f", x)
    assert (found - network(x[None])[0]).abs().max() < 1e-5


def test_every_half_is_read_as_numpy_reads_it(run):
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    found = run("""
      const {tensors} = readPack(Uint8Array.from(given)), {buffer} = tensors.x;
      return Array.from(new Uint32Array(buffer));""",
      list(save({"x": torch.from_numpy(halves)})))  # fmt: skip
    bits = np.array(found, dtype=np.uint32)
    expected = halves.astype(np.float32).view(np.uint32)
    numbers = ~np.isnan(halves)
    assert (bits[numbers] == expected[numbers]).all()  # infinities and both zeros, too
    assert np.isnan(bits.view(np.float32)[~numbers]).all()


def test_float16_is_read_exactly_and_int8_as_its_rows_scales_say(run):
    extremes = [0.0, -0.0, 2.0**-24, -(2.0**-14), 65504.0, -1 / 3, 1.0, 1e-5]
    half = torch.cat([torch.tensor(extremes), torch.randn(92)]).view(10, 10).half()
    whole = torch.randn(6, 2, 5)
    arrays = {"half": half, "u8": torch.arange(256, dtype=torch.uint8),
              "i32": torch.tensor([-(2**31), 2**31 - 1], dtype=torch.int32),
              **weight("whole", whole, "int8")}  # fmt: skip
    body = """const {tensors, meta} = readPack(Uint8Array.from(given));
      return {...Object.fromEntries(Object.entries(tensors).map(([k, v]) => [k, back(v)])), meta}"""
    found = run(body, list(pack(arrays=arrays, meta={"note": ["ü", 1]})))
    assert torch.equal(received(found["half"]), half.float())
    assert torch.equal(received(found["u8"]), torch.arange(256))
    assert found["i32"]["data"] == [-(2**31), 2**31 - 1]
    kept = weight("whole", whole, "int8")
    expected = kept["whole"].float() * kept["whole.scale"].view(6, 1, 1)
    assert torch.equal(received(found["whole"]), expected) and "whole.scale" not in found
    assert (expected - whole).abs().max() <= whole.abs().max() / 253
    assert json.loads(found["meta"]["note"]) == ["ü", 1]


def test_a_seed_gives_uniform_and_normal_numbers_and_always_the_same(run):
    body = """const {normals, uniform} = randomNumbers(given);
      return {normals: Array.from(normals(20000)),
              uniform: Array.from({length: 20000}, uniform)};"""
    one, again, other = run(body, 1), run(body, 1), run(body, 2)
    assert one == again and one["normals"][:5] != other["normals"][:5]
    normals, uniform = torch.tensor(one["normals"]), torch.tensor(one["uniform"])
    assert abs(normals.mean()) < 0.03 and abs(normals.std() - 1) < 0.03
    assert abs((normals < 1).double().mean() - 0.8413) < 0.01
    assert uniform.min() >= 0 and uniform.max() < 1 and abs(uniform.mean() - 0.5) < 0.01
    assert abs((normals[:-1] * normals[1:]).mean()) < 0.03  # neighbours are unrelated
