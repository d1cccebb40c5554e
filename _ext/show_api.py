"""A Sphinx extension: the API page as one reads it best.

Signatures are shown as they are written, each object leads to its lines in the repository (if
BOOK_REPOSITORY says where that is), and one table lists the weights that the package ships.
"""

import inspect
import json
import os
from importlib import import_module
from operator import attrgetter
from pathlib import Path

from docutils import nodes
from fill_head import address
from sphinx.addnodes import desc_sig_literal_string

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = ROOT / "aecourse" / "weights"


def skip_tuple_fields(app, what, name, obj, skip, options):
    """Leave out the generated "Alias for field number 0": the class's docstring explains it."""
    generated = (getattr(obj, "__doc__", None) or "").startswith("Alias for field number")
    return True if generated else None


def accept_described_types(app, env, node, contnode):
    """Show a type such as "Tensor of shape (N, 784)" as it is written, without looking it up.

    Signatures and type fields hold types of other packages, which have no page here, and words.
    References that an author wrote (they carry `refwarn`) are still checked.
    """
    described = node.get("refdomain") == "py" and "refwarn" not in node
    return contnode if described else None


def quote_twice(app, doctree):
    """Float[Tensor, "B L"], as in the code."""
    for text in doctree.findall(desc_sig_literal_string):
        text[:] = [nodes.Text(text.astext().replace("'", '"'))]


def lines_of(domain, info) -> str | None:
    """The address of an object's lines in the repository; None for what has none."""
    try:
        found = attrgetter(info["fullname"])(import_module(info["module"]))
        found = inspect.unwrap(getattr(found, "fget", found))
        path = Path(inspect.getsourcefile(found)).relative_to(ROOT)
        lines, first = inspect.getsourcelines(found)
    except (AttributeError, TypeError, OSError, ValueError):  # a trait, a field, a constant
        return None
    branch = os.environ.get("BOOK_BRANCH", "main")
    place = f"{path.as_posix()}#L{first}-L{first + len(lines) - 1}"
    return f"{address('BOOK_REPOSITORY')}/blob/{branch}/{place}"


def weights_table() -> str:
    """The manifest of the shipped weights in Markdown."""
    rows = ["| name | what they reach | minutes | kB |", "|---|---|--:|--:|"]
    for name, made in json.loads((WEIGHTS / "manifest.json").read_text(encoding="utf-8")).items():
        size = (WEIGHTS / f"{name}.safetensors").stat().st_size / 1000
        reached = ", ".join(f"{what} {value}" for what, value in made["metrics"].items())
        reached = reached.replace("_", " ").replace("-", "−")
        rows.append(f"| `{name}` | {reached} | {made['minutes']} | {size:.0f} |")
    return "\n".join(rows)


def prepare(app, config):
    """Links to the source if they can lead somewhere; the table for the page to put in."""
    config.myst_substitutions = config.myst_substitutions | {"weights": weights_table()}
    if address("BOOK_REPOSITORY"):
        app.setup_extension("sphinx.ext.linkcode")
        config.linkcode_resolve = lines_of


def setup(app):
    app.connect("config-inited", prepare)
    app.connect("autodoc-skip-member", skip_tuple_fields)
    app.connect("missing-reference", accept_described_types)
    app.connect("doctree-read", quote_twice)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
