"""What every widget keeps: its state, its HTML form, its scripts and its files of weights."""

import html
import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load
from torch import nn

from aecourse import widgets
from aecourse.autoencoder import Autoencoder, mlp
from aecourse.denoising import DenoisingAutoencoder
from aecourse.stochastic import GaussianEncoder
from aecourse.vae import VAE
from aecourse.vqvae import VQVAE
from aecourse.widgets import base
from aecourse.widgets.pack import pack, weight

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"
KINDS = [getattr(widgets, name) for name in widgets.__all__]
each_widget = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


# --- the family ----------------------------------------------------------------------------------


@each_widget
def test_html_form_is_short_and_the_same_twice(kind):
    first, second = kind().to_html(), kind().to_html()
    assert first == second
    assert len(first) < 2000


@each_widget
def test_html_form_holds_the_whole_state_and_a_caption(kind):
    made = kind()
    text = made.to_html()
    state = json.loads(html.unescape(re.search(r'data-state="([^"]*)"', text).group(1)))
    assert state == made.state()
    assert f'data-widget="{kind.script}"' in text
    assert len(kind.says) > 20 and html.escape(kind.says) in text


@each_widget
def test_a_notebook_stores_the_html_form_of_today(kind):
    stored = [
        "".join(output["data"]["text/html"])
        for path in CHAPTERS.glob("*.ipynb")
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        for output in cell.get("outputs", [])
        if f'data-widget="{kind.script}"' in "".join(output.get("data", {}).get("text/html", ""))
    ]
    assert stored == [kind().to_html()]


@each_widget
def test_repr_says_the_state_and_no_address(kind):
    assert re.fullmatch(rf"{kind.__name__}\(.*\)", repr(kind()), re.S)
    assert "0x" not in repr(kind())


@each_widget
def test_running_jupyter_gets_the_widget_and_a_page_gets_the_html(kind):
    made = kind()
    data, _ = made._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/html"] == made.to_html()
    assert set(made._packs) == set(kind.packs())


@each_widget
def test_a_trait_that_does_not_exist_is_refused_by_name(kind):
    with pytest.raises(ValueError, match="nonsense"):
        kind(nonsense=1)


WRONG_STATES = {  # for each trait some values outside its range
    "DrawDigit": {"drawing": [[0] * 783, [256] * 784, [0.5] * 784, None], "preset": ["shoe"],
                  "number": [10, 0.5]},
    "ComponentSlider": {"k": [101, -1, 2.5], "digit": [20], "mix": [1.1], "seed": [True]},
    "CodeMap": {"map": ["tsne"], "ends": [[1], [0, 300]], "t": [-0.1], "h": [[1.0], [0.0, 10001.0]],
                "over": [300]},
    "CodeSource": {"source": ["copies"], "seed": [-1, 0.5]},
    "SampleThenRescale": {"mu": [2.1, float("nan"), "1"], "logvar": [-2.5, None], "eps": [3],
                          "mode": ["score"], "seed": [0.5, -1, True]},
    "LatentPlane": {"z": [[0, 4], [0], "here", [float("nan"), 0]]},
    "BetaSlider": {"beta": [2, "1", None, True], "seed": [-1]},
    "WatchTheBound": {"mu": [-1.1], "s": [0, 1.6, "1"], "samples": [0, 1001, 2.5],
                      "estimate": ["score"], "seed": [10_000]},
    "LatentSize": {"size": [3, "10"], "seed": [10_000]},
    "EraseAndRestore": {"digit": [20], "mask": [[0] * 783, [2] * 784, [0.5] * 784],
                        "damage": ["salt"], "seed": [-1]},
    "TokenGrid": {"digit": [10, 1.5], "cell": [49, -1], "palette": ["best"], "seed": [-1],
                  "tokens": [[0] * 48, [512] * 49, [0.5] * 49]},
    "WordAndDigit": {"word": ["ten", "Seven", ""], "direction": ["both"], "shown": [50],
                     "temperature": [-0.1, float("nan")], "top_k": [0, 513], "seed": [1.5],
                     "drawing": [[0] * 783, [256] * 784], "example": [10]},
    "Quiz": {"n": [0], "seed": [1.5], "choice": [4], "chapters": [[1, 1]], "checked": [2, 1],
             "position": [-1]},
}  # fmt: skip


@each_widget
def test_a_value_outside_its_range_is_refused_by_name(kind):
    wrong, made = WRONG_STATES[kind.__name__], kind()
    assert set(wrong) == set(kind.state_names())
    for trait, values in wrong.items():
        for value in values:
            with pytest.raises(ValueError, match=f"^{trait} must be"):
                kind(**{trait: value})
            with pytest.raises(ValueError, match=f"^{trait} must be"):
                setattr(made, trait, value)
    assert made.state() == kind().state()


@each_widget
def test_a_model_of_the_wrong_kind_is_refused(kind):
    wanted = "be None" if kind.model_type is None else f"be of class {kind.model_type.__name__}"
    with pytest.raises(ValueError, match=f"^model must {wanted}"):
        kind(model=nn.Linear(3, 3))


FITTING = {  # by the widget that shows them
    "DrawDigit": lambda: Autoencoder([784, 4, 2]),
    "CodeMap": lambda: Autoencoder([784, 8, 2]),
    "LatentPlane": lambda: VAE([784, 8], 2),
    "EraseAndRestore": lambda: DenoisingAutoencoder(mlp([784, 10]), mlp([10, 784])),
    "TokenGrid": lambda: VQVAE(512, 4, channels=(8, 8)),
}
OTHER_SIZES = {
    "DrawDigit": lambda: [Autoencoder([100, 2])],
    "CodeMap": lambda: [Autoencoder([784, 3]), Autoencoder([100, 2])],
    "LatentPlane": lambda: [VAE([784, 8], 3), VAE([100, 8], 2),
                            VAE([784, 8], 2, likelihood="gaussian"),
                            VAE([784, 8], 2, encoder=GaussianEncoder([100, 4]))],
    "EraseAndRestore": lambda: [DenoisingAutoencoder(mlp([100, 10]), mlp([10, 100]))],
    "TokenGrid": lambda: [VQVAE(64), VQVAE(512, image=(3, 28, 28)), VQVAE(512, channels=(8,))],
}  # fmt: skip


@pytest.mark.parametrize("name", FITTING)
def test_a_model_that_does_not_fit_is_refused(name):
    for model in (FITTING[name]().double(), *OTHER_SIZES[name]()):
        with pytest.raises(ValueError, match="^model must"):
            getattr(widgets, name)(model)


@pytest.mark.parametrize("name", FITTING)
def test_a_model_of_ones_own_is_copied_and_moves_in_a_running_notebook_only(name):
    model = FITTING[name]().train()
    made = getattr(widgets, name)(model)
    assert model.training and not made._model.training
    assert "data-state" not in made.to_html() and "running notebook" in made.to_html()
    for build in made.packs(made._model).values():
        assert load(build())


@each_widget
def test_the_first_pack_is_the_same_each_time(kind):
    for build in [*kind.packs().values()][:1]:
        assert build() == build()


def test_no_two_widgets_share_a_script():
    assert len({kind.script for kind in KINDS}) == len(KINDS)


def test_no_name_of_a_pack_stands_for_two_contents():
    built = {}
    for kind in KINDS:
        for name, build in kind.packs().items():
            content = build()
            assert built.setdefault(name, content) == content, name


# --- traits --------------------------------------------------------------------------------------


class Sample(base.Widget):
    script, says = "vae_plane", "For these tests."
    level = base.Number(1, 0, 5, whole=True)
    share = base.Number(0.5, 0, 1)
    place = base.Numbers([0, 0], -1, 1)
    way = base.Choice("left", ["left", "right"])


@pytest.mark.parametrize(
    ("trait", "value"),
    [
        ("level", 6), ("level", 1.5), ("level", "2"), ("level", True), ("share", float("nan")),
        ("share", None), ("place", [0]), ("place", [0, 2]), ("place", 3), ("place", ["a", 0]),
        ("place", [0, float("nan")]), ("place", "00"), ("place", ["1", 0]), ("place", [True, 0]),
        ("way", "up"), ("way", 0),
    ],
)  # fmt: skip
def test_a_value_outside_its_range_is_refused_with_its_name(trait, value):
    made = Sample()
    with pytest.raises(ValueError, match=trait):
        setattr(made, trait, value)
    assert made.state() == Sample().state()


def test_the_state_in_the_page_is_the_state_in_python():
    made = Sample(level=3, share=0.25, place=[1, -1], way="right")
    state = json.loads(html.unescape(re.search(r'data-state="([^"]*)"', made.to_html())[1]))
    assert state == {"level": 3, "share": 0.25, "place": [1.0, -1.0], "way": "right"}


def test_python_reads_and_observes_what_it_sets():
    made, seen = Sample(share=0.25), []
    made.observe(lambda change: seen.append(change["new"]), names="place")
    made.place = (1, -0.5)
    assert made.place == [1.0, -0.5] and seen == [[1.0, -0.5]]
    assert made.share == 0.25


# --- scripts -------------------------------------------------------------------------------------


@each_widget
def test_a_joined_module_has_no_import_left_and_one_export(kind):
    text = base.module(kind.script)
    assert not re.search(r"^\s*import\b", text, re.M)
    assert re.findall(r"^ *export\b.*", text, re.M) == ["export default (() => {"]


def test_a_module_that_two_widgets_import_stands_once_in_their_page():
    shared = base.in_order(["trivial", "denoising"])
    assert len(set(shared)) == len(shared) and shared.index("controls") < shared.index("drawing")
    text = base.page_script(["trivial", "denoising"], "packs")
    assert text.count("function paintStroke(") == 1


def test_a_page_script_starts_every_widget_of_the_page():
    text = base.page_script(["vae_plane", "vae_beta"], "../_static/packs")
    assert "export" not in re.sub(r"//.*", "", text)
    started = re.findall(r'"(\w+)": \(\(\) => \{$', text[text.rindex("\nboot({") :], re.M)
    assert started == ["vae_plane", "vae_beta"]
    assert text.endswith('}, "../_static/packs");') and "</script" not in text


# --- files of weights ----------------------------------------------------------------------------


def test_float16_keeps_shipped_weights_exactly():
    network = nn.Sequential(nn.Linear(5, 3), nn.GELU(), nn.Linear(3, 2)).half().float()
    found = load(pack({"net": network}))
    assert torch.equal(found["net.0.weight"].float(), network[0].weight)
    assert torch.equal(found["net.2.bias"], network[2].bias)


def test_int8_is_off_by_at_most_half_a_step_of_its_row():
    torch.manual_seed(0)
    value = torch.randn(4, 50) * torch.tensor([[1.0], [10.0], [0.01], [0.0]])
    stored = weight("w", value, "int8")
    rebuilt = stored["w"].float() * stored["w.scale"][:, None]
    assert ((rebuilt - value).abs() <= value.abs().amax(1, keepdim=True) / 254 + 1e-9).all()


def broken():
    """A layer whose training diverged."""
    layer = nn.Linear(2, 2)
    nn.init.constant_(layer.weight, float("nan"))
    return layer


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (nn.Softplus(), "layer that network.js knows"),
        (nn.MaxPool2d(2), "layer that network.js knows"),
        (nn.GELU(approximate="tanh"), "layer that network.js knows"),
        (nn.Conv2d(4, 4, 3, groups=2), "groups 1, got 2"),
        (nn.Conv2d(1, 1, 3, dilation=2), "dilation .1, 1., got .2, 2."),
        (nn.Conv2d(1, 1, 3, padding_mode="circular"), "padding_mode 'zeros', got 'circular'"),
        (nn.Conv2d(1, 1, (3, 5)), "one number as kernel_size.*got .3, 5."),
        (nn.Conv2d(1, 1, 3, stride=(1, 2)), "one number as stride.*got .1, 2."),
        (nn.Conv2d(1, 1, 3, padding=(1, 0)), "one number as padding.*got .1, 0."),
        (nn.Conv2d(1, 1, 3, padding="same"), "one number as padding.*got 'same'"),
        (nn.ConvTranspose2d(1, 1, 3, 2, output_padding=1), "output_padding .0, 0., got .1, 1."),
        (nn.Flatten(2), "start_dim 1, got 2"),
        (nn.Unflatten(2, (2, 2)), "dim 1, got 2"),
        (broken(), "finite"),
    ],
)
def test_what_the_page_could_not_run_is_refused_by_name(layer, reason):
    with pytest.raises(ValueError, match=f"net.1.*{reason}"):
        pack({"net": nn.Sequential(nn.GELU(), layer)})


def test_an_unknown_kind_of_storage_is_refused():
    with pytest.raises(ValueError, match="dtype"):
        pack({"net": nn.Sequential(nn.Linear(2, 2))}, dtype="int4")
