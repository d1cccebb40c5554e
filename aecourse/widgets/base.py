"""What every widget stands on: an anywidget that also runs in a page without a kernel."""

import json
import re
from html import escape
from importlib.resources import files

import anywidget
import torch
import traitlets

from aecourse import weights

FOLDER = files("aecourse") / "widgets"
NO_KERNEL = "This one shows a model of your own: it moves in a running notebook only."


class Number(traitlets.TraitType):
    """A number in [low, high], checked with a ValueError; an int if `whole`."""

    def __init__(self, default, low, high, *, whole=False, help=""):
        super().__init__(default, help=help)
        self.low, self.high, self.whole = low, high, whole
        self.tag(sync=True)

    def validate(self, obj, value):
        ok = isinstance(value, (int, float)) and not isinstance(value, bool)
        ok = ok and self.low <= value <= self.high  # NaN fails
        if not ok or (self.whole and value != int(value)):
            kind = "an integer" if self.whole else "a number"
            raise ValueError(
                f"{self.name} must be {kind} in [{self.low}, {self.high}], got {value!r}"
            )
        return int(value) if self.whole else float(value)


class Numbers(traitlets.TraitType):
    """A list of numbers in [low, high], checked with a ValueError."""

    def __init__(self, default, low, high, *, whole=False, lengths=None, help=""):
        super().__init__(list(default), help=help)
        self.low, self.high, self.whole = low, high, whole
        self.lengths = lengths or (len(default),)
        self.tag(sync=True)

    def validate(self, obj, value):
        kind = int if self.whole else float
        try:
            found = [kind(v) for v in value]
            ok = len(found) in self.lengths and all(self.low <= v <= self.high for v in found)
            ok = ok and found == [float(v) for v in value]
        except (TypeError, ValueError):
            ok = False
        if not ok:
            size = " or ".join(map(str, self.lengths))
            raise ValueError(
                f"{self.name} must be {size} {'integers' if self.whole else 'numbers'} "
                f"in [{self.low}, {self.high}], got {str(value)[:60]}"
            )
        return found


class Choice(traitlets.TraitType):
    """One of a few values, checked with a ValueError."""

    def __init__(self, default, values, help=""):
        super().__init__(default, help=help)
        self.values = tuple(values)
        self.tag(sync=True)

    def validate(self, obj, value):
        if value not in self.values:
            raise ValueError(f"{self.name} must be one of {list(self.values)}, got {value!r}")
        return value


class Widget(anywidget.AnyWidget):
    """Base of all widgets: state in traits, weights in packs, one ES module per widget.

    A subclass names its module (`script`), says in one or two sentences what to do and what to
    see (`says`, the caption), and builds its weights (`packs`). Public traits are the whole
    state: Python reads and sets them, and a page without a kernel starts from them.

    Parameters
    ----------
    model : nn.Module, optional
        Used in place of the shipped one, where the widget has one. Such a widget moves in a
        running notebook only.
    **traits
        The state to start with. ValueError for a value outside its range.
    """

    script = says = ""
    _packs = traitlets.Dict().tag(sync=True)
    _says = traitlets.Unicode().tag(sync=True)

    def __init__(self, model=None, **traits):
        unknown = set(traits) - set(self.state_names())
        if unknown:
            known = self.state_names()
            raise ValueError(f"traits must be among {known}, got {sorted(unknown)}")
        self._model = None if model is None else self.check(model)
        super().__init__(_says=self.says, **traits)

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "script" in cls.__dict__:  # not in the copies that anywidget derives
            cls._esm = module(cls.script)
            cls._css = (FOLDER / "widget.css").read_text(encoding="utf-8")

    @classmethod
    def check(cls, model):
        """The model in eval mode, if this widget can show it; ValueError says what it accepts."""
        raise ValueError(f"model must be None: {cls.__name__} shows no other model")

    @classmethod
    def packs(cls, model=None):
        """Name -> function without arguments that builds the pack; for `model` or the shipped."""
        return {}

    @classmethod
    def state_names(cls):
        """Names of the public traits, in alphabetical order."""
        return [name for name, t in cls.class_traits().items()
                if isinstance(t, (Number, Numbers, Choice))]  # fmt: skip

    def state(self):
        """The public traits and their values."""
        return {name: getattr(self, name) for name in self.state_names()}

    def to_html(self):
        """What a page without a kernel shows: a marked place that its scripts bring to life."""
        caption = escape(self.says if self._model is None else f"{self.says} {NO_KERNEL}")
        state = escape(json.dumps(self.state()), quote=True)
        marks = f'data-widget="{self.script}"'
        if self._model is None:
            marks += f' data-state="{state}"'
        return (
            f'<figure class="aecourse-widget" {marks}><figcaption>{caption}</figcaption></figure>'
        )

    def __repr__(self):
        state = ", ".join(f"{name}={value!r}" for name, value in self.state().items())
        return f"{type(self).__name__}({state})"

    def _repr_mimebundle_(self, **kwargs):
        if not self._packs:  # built when first shown, not when made
            self._packs = {name: build() for name, build in self.packs(self._model).items()}
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, "text/plain": repr(self), "text/html": self.to_html()}, metadata


def shipped(model, name):
    """Shipped weights in `model`, ready to use."""
    return weights.load(model, name).eval().requires_grad_(False)


def check_network(network, name, inputs, outputs):
    """ValueError unless `network` maps (B, inputs) to (B, outputs) in finite float32."""
    kinds = {str(p.dtype) for p in network.parameters()}
    if kinds != {"torch.float32"}:
        raise ValueError(f"model must have float32 parameters, its {name} has {sorted(kinds)}")
    try:
        found = tuple(network(torch.zeros(1, inputs)).shape)
    except RuntimeError as error:
        raise ValueError(f"model must have {inputs} inputs at its {name}, got: {error}") from None
    if found != (1, outputs):
        raise ValueError(f"model must have {outputs} outputs at its {name}, got shape {found}")


SHARED = ("network", "base", "drawing")


def module(script):
    """One ES module for anywidget: the shared ones, then the widget's own."""
    return "\n".join([*map(joined, SHARED), f"export default {scoped(script)};"])


def page_script(scripts, folder):
    """One inline ES module for a page without a kernel that holds these widgets.

    A page opened from the disk cannot import a module, but it runs one that stands in it.
    `folder` leads from the page to the packs.
    """
    views = ", ".join(f"{json.dumps(script)}: {scoped(script)}" for script in scripts)
    return "\n".join([*map(joined, SHARED), f"boot({{{views}}}, {json.dumps(folder)});"])


def scoped(script):
    """What a widget's module exports, as an expression: a function keeps its names to itself."""
    body = joined(script).replace("export default", "return")
    return f"(() => {{\n{body}\n}})()"


def joined(script):
    """The source of one module without its imports and named exports, to stand beside others."""
    source = (FOLDER / f"{script}.js").read_text(encoding="utf-8")
    source = re.sub(r'^import [^;]*? from "\./\w+\.js";\n', "", source, flags=re.M)
    return re.sub(r"^export (?!default)", "", source, flags=re.M)
