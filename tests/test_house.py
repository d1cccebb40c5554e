"""The house: which room stands on which floor, and how large a room may be, read from the code."""

import ast
import inspect
import re
import statistics
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from public import FUNCTIONS, TOPICS

import aecourse

ROOT = Path(aecourse.__path__[0])
GUIDE = (ROOT.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
DRAWING = re.search(r"## The house.*?```\n(.*?)```", GUIDE, re.S)[1].splitlines()
PICTURES = re.compile(r"plots|diagrams|widgets|matplotlib|anywidget|IPython")


def floors():
    """From the ground, as CONTRIBUTING draws them: {room: its files, or ()}."""
    for line in reversed(DRAWING):
        for floor in line.split(" < "):
            rooms = re.findall(r"(\w+)(?: \(([^)]*)\))?", floor)
            yield {room: tuple(files.split(", ")) if files else () for room, files in rooms}


FLOORS = [{"": ()}, *floors()]  # "" is the package itself, whose __init__ imports nothing
FILES = {
    path.relative_to(ROOT).with_suffix("").as_posix().removesuffix("__init__").strip("/"): path
    for path in sorted(ROOT.rglob("*.py"))
}  # "elbo/bounds": its path; "elbo" and "" are the __init__ of a package
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}


def test_the_house_is_drawn_in_ten_lines_with_the_topics_in_order():
    assert len(DRAWING) == 10
    assert [room for floor in FLOORS for room in floor if room in TOPICS] == list(TOPICS)


def test_the_drawing_names_the_files_of_each_topic():
    for floor in FLOORS:
        for room in {*floor} & {*TOPICS}:
            found = {name.partition("/")[2] for name in FILES if name.startswith(f"{room}/")}
            assert found == {*floor[room]}, room


def floor_of(name):
    (floor,) = [i for i, rooms in enumerate(FLOORS) if name.partition("/")[0] in rooms]
    return floor


def imports_of(name):
    """The files of the package that this file imports, also inside functions."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write imports from the package's root"
            dotted = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (file_of(d) for d in dotted if d.partition(".")[0] == "aecourse")


def file_of(dotted):
    """aecourse.elbo.bounds.elbo -> elbo/bounds: the longest part that is a file."""
    parts = dotted.split(".")[1:]
    candidates = ("/".join(parts[:n]) for n in range(len(parts), -1, -1))
    return next(name for name in candidates if name in FILES)


@pytest.mark.parametrize("name", FILES)
def test_no_import_runs_up_and_no_topic_imports_a_later_one(name):
    for other in imports_of(name):
        same_room = name.partition("/")[0] == other.partition("/")[0]
        assert same_room or floor_of(other) <= floor_of(name), f"{name} imports {other}"


def test_no_file_imports_itself_by_a_detour():
    TopologicalSorter({name: {*imports_of(name)} - {name} for name in FILES}).prepare()


def test_every_room_has_its_floor_and_every_floor_its_rooms():
    assert {name.partition("/")[0] for name in FILES} == set().union(*FLOORS)


@pytest.mark.parametrize("name", [n for n in FILES if n.partition("/")[0] in TOPICS])
def test_topics_neither_draw_nor_hold_widgets(name):
    nodes = [n for n in ast.walk(TREES[name]) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert not [ast.unparse(node) for node in nodes if PICTURES.search(ast.unparse(node))]


# --- sizes ---------------------------------------------------------------------------------------


def test_files_are_short():
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in FILES.items()}
    assert max(lines.values()) <= 300, max(lines, key=lines.get)
    assert statistics.median(lines.values()) <= 150


def docstrings():
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                yield inspect.cleandoc(ast.get_docstring(node) or "").splitlines()


def lines_of_raises(doc):
    """From the heading "Raises" to the next heading."""
    headings = [i for i, line in enumerate(doc) if line and set(line) == {"-"}]  # their underlines
    for i, end in zip(headings, [*(j - 1 for j in headings[1:]), len(doc)]):
        if doc[i - 1] == "Raises":
            return end - i + 1
    return 0


def test_raises_takes_at_most_4_per_cent_of_the_docstrings():
    docs = [*docstrings()]
    assert sum(map(lines_of_raises, docs)) <= 0.04 * sum(map(len, docs))


def test_examples_are_as_narrow_as_the_page():
    lines = [line for doc in docstrings() for line in doc if line.startswith((">>> ", "... "))]
    assert not [line for line in lines if len(line) > 76]


def test_at_least_one_public_function_in_two_has_an_example():
    shown = ["Examples\n" in (inspect.getdoc(function) or "") for function in FUNCTIONS.values()]
    assert sum(shown) >= len(shown) / 2


# --- the door ------------------------------------------------------------------------------------


def test_a_room_is_imported_when_it_is_first_asked_for():
    code = """
import sys
import aecourse
assert "torch" not in sys.modules, "import aecourse alone is fast"
assert {"vae", "weights", "elbo"} <= set(dir(aecourse))
assert aecourse.weights is sys.modules["aecourse.weights"] and "torch" in sys.modules
assert "aecourse.vae" not in sys.modules and aecourse.vae.VAE
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT.parent)


def test_a_room_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'aecourse' has no attribute 'gan'"):
        aecourse.gan  # noqa: B018
