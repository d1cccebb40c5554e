"""What every widget stands on: an anywidget that also runs in a page without a kernel."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from functools import cache
from html import escape
from importlib.resources import files
from numbers import Real
from typing import Any

import anywidget
import torch
import traitlets
from jaxtyping import Int64
from torch import Tensor, nn

from aecourse import validate, weights

FOLDER = files("aecourse") / "widgets"
NO_KERNEL = "This one shows a model of your own: it moves in a running notebook only."
Packs = dict[str, Callable[[], bytes]]  # what builds each pack, by the pack's name
IMPORT = re.compile(r'^import [^;]*? from "\./(\w+)\.js";\n', re.M)


# --- traits --------------------------------------------------------------------------------------


class Number(traitlets.TraitType):
    """A number in [low, high]; an int if `whole`."""

    def __init__(self, default: Real, low: Real, high: Real, *, whole: bool = False):
        super().__init__(default)
        self.low, self.high, self.whole = low, high, whole
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> Real:
        """The value as an int or a float."""
        ok = isinstance(value, (int, float)) and not isinstance(value, bool)
        ok = ok and self.low <= value <= self.high  # NaN fails
        if not ok or (self.whole and value != int(value)):
            kind = "an integer" if self.whole else "a number"
            raise ValueError(
                f"{self.name} must be {kind} in [{self.low}, {self.high}], got {value!r}"
            )
        return int(value) if self.whole else float(value)


class Numbers(traitlets.TraitType):
    """A list of numbers in [low, high], of one of some lengths."""

    def __init__(self, default: Sequence[Real], low: Real, high: Real, *, whole: bool = False,
                 lengths: tuple[int, ...] | None = None):  # fmt: skip
        super().__init__(list(default))
        self.low, self.high, self.whole = low, high, whole
        self.lengths = lengths or (len(default),)
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> list[Real]:
        """The values as a list of ints or floats."""
        kind = int if self.whole else float
        try:
            found = [kind(v) for v in value]
            ok = len(found) in self.lengths and all(self.low <= v <= self.high for v in found)
            ok = ok and found == list(value)  # "1" is no number, 0.5 no integer
            ok = ok and not any(isinstance(v, bool) for v in value)
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
    """One of a few values."""

    def __init__(self, default: Any, values: Iterable):
        super().__init__(default)
        self.values = tuple(values)
        self.tag(sync=True)

    def validate(self, obj: Any, value: Any) -> Any:
        """The value as it is."""
        known = [v for v in self.values if isinstance(v, bool) == isinstance(value, bool)]
        if value not in known:  # True is no 1
            raise ValueError(f"{self.name} must be one of {list(self.values)}, got {value!r}")
        return value


# --- the widget ----------------------------------------------------------------------------------


class Widget(anywidget.AnyWidget):
    """Base of all widgets: state in traits, weights in packs, one ES module per widget.

    A subclass names its script (`script`), says in one or two sentences what to do and what to
    see (`says`, the caption), and builds its weights (`packs`). Public traits are the whole
    state: Python reads and sets them, and a page without a kernel starts from them.

    Parameters
    ----------
    model
        Used in place of the shipped one, where the widget has one: of class `model_type` and of
        sizes that `check_sizes` accepts. A copy is kept, in eval mode. Such a widget moves in a
        running notebook only.
    **traits
        The state to start with.
    """

    script = says = ""
    model_type: type[nn.Module] | None = None
    _packs = traitlets.Dict().tag(sync=True)
    _says = traitlets.Unicode().tag(sync=True)

    def __init__(self, model: nn.Module | None = None, **traits: Any):
        known = self.state_names()
        if unknown := set(traits) - set(known):
            raise ValueError(f"traits must be among {known}, got {sorted(unknown)}")
        self._model = None if model is None else self.check(model)
        super().__init__(_says=self.says, **traits)

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "script" in cls.__dict__:  # not in the copies that anywidget derives
            cls._esm = module(cls.script)
            cls._css = (FOLDER / "widget.css").read_text(encoding="utf-8")

    @classmethod
    def check(cls, model: nn.Module) -> nn.Module:
        """A copy of the model in eval mode, if this widget can show it."""
        if cls.model_type is None:
            raise ValueError(f"model must be None: {cls.__name__} shows no other model")
        if not isinstance(model, cls.model_type):
            wanted = cls.model_type.__name__
            raise ValueError(f"model must be of class {wanted}, got {validate.describe(model)}")
        kinds = {str(p.dtype) for p in model.parameters()}
        if kinds != {"torch.float32"}:
            raise ValueError(f"model must have float32 parameters, got {sorted(kinds)}")
        kept = deepcopy(model).eval()
        cls.check_sizes(kept)
        return kept

    @classmethod
    def check_sizes(cls, model: nn.Module) -> None:
        """ValueError unless the sizes of a model of class `model_type` fit this widget."""

    @classmethod
    def packs(cls, model: nn.Module | None = None) -> Packs:
        """What builds each pack, by the pack's name; for `model` or the shipped one."""
        return {}

    @classmethod
    def state_names(cls) -> list[str]:
        """Names of the public traits, in alphabetical order."""
        return [name for name, t in cls.class_traits().items()
                if isinstance(t, (Number, Numbers, Choice))]  # fmt: skip

    def state(self) -> dict[str, Any]:
        """The public traits and their values."""
        return {name: getattr(self, name) for name in self.state_names()}

    def to_html(self) -> str:
        """What a page without a kernel shows: a marked place that its scripts bring to life."""
        caption = escape(self.says if self._model is None else f"{self.says} {NO_KERNEL}")
        state = escape(json.dumps(self.state()), quote=True)
        marks = f'data-widget="{self.script}"'
        if self._model is None:
            marks += f' data-state="{state}"'
        return (
            f'<figure class="aecourse-widget" {marks}><figcaption>{caption}</figcaption></figure>'
        )

    def __repr__(self) -> str:
        state = ", ".join(f"{name}={value!r}" for name, value in self.state().items())
        return f"{type(self).__name__}({state})"

    def _repr_mimebundle_(self, **kwargs):
        if not self._packs:  # built when first shown, not when made
            self._packs = {name: build() for name, build in self.packs(self._model).items()}
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, "text/plain": repr(self), "text/html": self.to_html()}, metadata


def shipped(model: nn.Module, name: str) -> nn.Module:
    """Shipped weights in `model`, ready to use."""
    return weights.load(model, name).eval().requires_grad_(False)


def of_each_class(y: Int64[Tensor, "N"], n: int = 0) -> Int64[Tensor, "10"]:
    """Where each of the ten classes stands for the (n + 1)-th time among the labels."""
    return torch.stack([(y == c).nonzero()[n, 0] for c in range(10)])


def check_network(network: Callable[[Tensor], Tensor], name: str, inputs: int,
                  outputs: int) -> None:  # fmt: skip
    """ValueError unless `network` maps (B, inputs) to (B, outputs)."""
    try:
        found = tuple(network(torch.zeros(1, inputs)).shape)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"model must have {inputs} inputs at its {name}, got: {error}") from None
    if found != (1, outputs):
        raise ValueError(f"model must have {outputs} outputs at its {name}, got shape {found}")


# --- its scripts ---------------------------------------------------------------------------------


def module(script: str) -> str:
    """One ES module for anywidget: all that a widget's script imports, then the script itself."""
    return "\n".join([*parts([script]), f"export default {scoped(script)};"])


def page_script(scripts: Sequence[str], folder: str) -> str:
    """One inline ES module for a page without a kernel that holds the widgets of these scripts.

    A page opened from the disk cannot import a module, but it runs one that stands in it.
    `folder` leads from the page to the packs.
    """
    views = ", ".join(f"{json.dumps(script)}: {scoped(script)}" for script in scripts)
    return "\n".join([*parts(scripts), f"boot({{{views}}}, {json.dumps(folder)});"])


def parts(scripts: Sequence[str]) -> list[str]:
    """The sources of all modules that these scripts import, to stand beside each other."""
    return [joined(name) for name in in_order(scripts) if name not in scripts]


def in_order(scripts: Sequence[str]) -> list[str]:
    """Names of these modules and of all that they import, each after those that it imports.

    >>> in_order(["drawing"])
    ['controls', 'pictures', 'drawing']
    """
    found = [name for script in scripts for name in (*in_order(imports(script)), script)]
    return list(dict.fromkeys(found))


def imports(script: str) -> list[str]:
    """Names of the modules that a module imports itself."""
    return IMPORT.findall(source(script))


def scoped(script: str) -> str:
    """What a widget's module exports, as an expression: a function keeps its names to itself."""
    body = joined(script).replace("export default", "return")
    return f"(() => {{\n{body}\n}})()"


def joined(script: str) -> str:
    """The source of one module without its imports and named exports, to stand beside others."""
    return re.sub(r"^export (?!default)", "", IMPORT.sub("", source(script)), flags=re.M)


@cache
def source(script: str) -> str:
    """The source of one module."""
    return (FOLDER / f"{script}.js").read_text(encoding="utf-8")
