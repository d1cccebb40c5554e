"""What the package offers: every public function, constructor and method, found by looking."""

import inspect
from importlib import import_module

TOPICS = ("trivial", "linear", "autoencoder", "generation", "stochastic", "vae", "elbo", "limits",
          "denoising", "vqvae", "tokens")  # fmt: skip
ROOMS = ("data", "train", "source", "weights", "plots", "diagrams", "review", *TOPICS, "exercises")


def functions_of(room):
    """(name, function) of all that a room offers; a class stands for its constructor."""
    for name, thing in vars(import_module(f"aecourse.{room}")).items():
        own = getattr(thing, "__module__", "").startswith(f"aecourse.{room}")
        if own and not name.startswith("_"):
            if inspect.isclass(thing):
                yield from _methods(name, thing)
            elif inspect.isfunction(inspect.unwrap(thing)):
                yield name, thing


def _methods(name, kind):
    for key, value in vars(kind).items():
        function = getattr(value, "__func__", value)  # of a class method or static method
        named = key in ("__init__", "__call__") or not key.startswith("_")
        if named and inspect.isfunction(function) and not _is_generated(kind, key):
            is_constructor = key == "__init__"
            yield (name, kind) if is_constructor else (f"{name}.{key}", getattr(kind, key))


def _is_generated(kind, key):
    """Constructors of named tuples, dataclasses and protocols, which take anything."""
    return key == "__init__" and (
        issubclass(kind, tuple)
        or hasattr(kind, "__dataclass_fields__")
        or getattr(kind, "_is_protocol", False)
    )


FUNCTIONS = {f"{room}.{name}": f for room in ROOMS for name, f in functions_of(room)}
