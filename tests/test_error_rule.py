"""The error rule, for every public function: a bad argument is a ValueError that names it.

Never another error, and never a result. Which values are bad follows from the annotation of a
parameter; `valid_calls` makes all the other arguments right.
"""

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from math import inf, nan

import numpy as np
import pytest
import torch
from beartype.door import is_bearable
from jaxtyping import AbstractArray, Float, Int
from public import FUNCTIONS, ROOMS
from torch import Tensor

ANYTHING = (typing.Any, object)
EVERY_FUNCTION = pytest.mark.parametrize("path", FUNCTIONS)


def valid_call(path):
    """Fresh arguments by name; a constructor needs no self."""
    room, _, name = path.partition(".")
    arguments = import_module(f"valid_calls.{room}").CALLS[name]()
    return {key: a for key, a in arguments.items() if key != "self" or "." in name}


# --- bad values ----------------------------------------------------------------------------------


def bad_values(annotation, good):
    """(what, value) of all that a parameter of this annotation must refuse."""
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    parts = typing.get_args(annotation) if union else (annotation,)
    if not any(part in (None, types.NoneType, *ANYTHING) for part in parts):
        yield "None", None
    for part in parts:
        others = [other for other in parts if other is not part]
        for what, value in bad_for(part, good):
            if not any(is_bearable(value, other) for other in others):
                yield what, value


def bad_for(kind, good):
    origin = typing.get_origin(kind) or kind
    if kind is types.NoneType or kind in ANYTHING:
        return ()
    if inspect.isclass(kind) and issubclass(kind, AbstractArray):
        return bad_tensors(kind, good)
    if origin in (Sequence, Iterable, Mapping, list, tuple, dict, Callable, type):
        return ("a number", 3), ("an object", object())
    if isinstance(kind, typing.TypeVar):
        return bad_for(kind.__bound__, good)
    if kind is str:
        return ("a number", 3), ("a list", ["x"])
    if origin is typing.Literal:
        return ("a number", 3), ("a list", ["x"]), ("another text", "nonsense")
    if kind is bool:
        return ("a text", "yes"), ("a number", 2)
    if kind in (int, float):
        numbers = [("NaN", nan), ("infinity", inf)] + [("a fraction", 1.5)] * (kind is int)
        return ("a text", "3"), ("a list", [3]), ("a bool", True), *numbers
    assert inspect.isclass(kind), f"say here what is bad for a parameter of type {kind}"
    return ("a text", "model"), ("a number", 0), ("a class", int)


def bad_tensors(annotation, good):
    """Everything but a tensor, tensors that the annotation excludes, and what none can exclude."""
    plain = good.detach() if isinstance(good, Tensor) else torch.zeros(2, 3)
    yield from (("a text", "x"), ("a NumPy array", plain.numpy()), ("a list", plain.tolist()))
    others = {
        "of float64": plain.double(), "of int64": plain.long(), "of bool": plain.bool(),
        "with an axis more": plain[None], "of one number": plain.flatten()[0],
    }  # fmt: skip
    yield from (pair for pair in others.items() if not isinstance(pair[1], annotation))
    if plain.ndim:
        yield "without rows", plain[:0]
    if annotation.dtype is Int:
        yield "of int32", plain.int()
    if annotation.dtype is Float:
        yield "of float16", plain.half()
        yield "of NaN", torch.full_like(plain, torch.nan)
        yield "of infinity", torch.full_like(plain, torch.inf)


# --- the rule ------------------------------------------------------------------------------------


def violations(function, arguments):
    """What the function does with bad arguments instead of raising a ValueError that names them.

    `arguments` makes those of a valid call.
    """
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        named = parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if name != "self" and named:
            for what, bad in bad_values(parameter.annotation, arguments().get(name)):
                does = reaction(function, arguments() | {name: bad}, name)
                found += [f"{name} = {what}: {does}"] if does else []
    return found


def reaction(function, arguments, name):
    """None if the function refuses these arguments as the rule asks, because of `name`."""
    try:
        function(**arguments)
    except ValueError as error:
        named = re.search(rf"\b{name}\b", str(error))
        return None if named else f"a message without its name: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error):.200}"
    return "accepted"


@EVERY_FUNCTION
def test_a_bad_argument_is_a_value_error_that_names_it(path):
    assert violations(FUNCTIONS[path], partial(valid_call, path)) == []


HOLES = {
    "NaN": lambda x: torch.is_tensor(x) and x.isnan().any(),
    "infinity": lambda x: torch.is_tensor(x) and x.isinf().any(),
    "no rows": lambda x: torch.is_tensor(x) and len(x) == 0,
    "half precision": lambda x: torch.is_tensor(x) and x.dtype == torch.float16,
    "whole numbers": lambda x: torch.is_tensor(x) and x.dtype == torch.int64,
    "NumPy arrays": lambda x: isinstance(x, np.ndarray),
    "None": lambda x: x is None,
}


@pytest.mark.parametrize("hole", HOLES)
def test_a_function_that_accepts_one_kind_of_bad_argument_is_found_out(hole):
    def careless(x: Float[Tensor, "..."]):
        if not HOLES[hole](x):
            raise ValueError("x must be right")

    assert [v.endswith("accepted") for v in violations(careless, lambda: {"x": torch.ones(2, 3)})]


@pytest.mark.parametrize("error", [TypeError("x"), ValueError("a message without its name")])
def test_another_error_or_a_message_without_the_name_is_found_out(error):
    def careless(x: int):
        raise error

    assert violations(careless, lambda: {"x": 1})


@EVERY_FUNCTION
def test_a_valid_call_returns(path):
    FUNCTIONS[path](**valid_call(path))


@EVERY_FUNCTION
def test_every_parameter_and_result_is_annotated(path):
    signature = inspect.signature(FUNCTIONS[path])
    bare = [p.name for p in signature.parameters.values()
            if p.annotation is p.empty and p.name not in ("self", "cls")]  # fmt: skip
    assert not bare
    assert inspect.isclass(FUNCTIONS[path]) or signature.return_annotation is not signature.empty


@pytest.mark.parametrize("room", ROOMS)
def test_valid_calls_are_those_of_the_functions_that_there_are(room):
    calls = import_module(f"valid_calls.{room}").CALLS
    offered = {path for path in FUNCTIONS if path.startswith(f"{room}.")}
    assert {f"{room}.{name}" for name in calls} == offered
