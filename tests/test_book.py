"""The book's structure: what every chapter holds, and what no file may hold."""

import json
import re
import subprocess
from pathlib import Path

import execute_notebooks
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from aecourse import exercises

ROOT = Path(__file__).resolve().parent.parent
TOC = re.findall(r"(?:root|file):\s*(\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
NOTEBOOKS = [ROOT / f"{entry}.ipynb" for entry in TOC if re.match(r"chapters/\d\d_", entry)]
SYLLABUS = {  # the rows of each chapter; the review at the end has none of its own
    "T": range(1, 6), "L": range(1, 6), "A": range(1, 7), "G": range(1, 4),
    "S": range(1, 5), "V": range(1, 4), "E": range(8), "X": range(1, 5),
    "D": range(1, 7), "Q": range(1, 8), "K": range(1, 3),
}  # fmt: skip


def topic_of(path):
    return path.stem.partition("_")[2]


each_chapter = pytest.mark.parametrize("path", NOTEBOOKS, ids=topic_of)


def code_cells(path):
    """(index, cell) of every code cell with something in it."""
    cells = enumerate(nbformat.read(path, as_version=4).cells)
    return [(i, c) for i, c in cells if c.cell_type == "code" and c.source.strip()]


def text_of(path):
    """All prose of a notebook."""
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(c.source for c in cells if c.cell_type == "markdown")


def tracked_texts():
    """(name, text) of every text file that belongs to the repository, committed or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: nothing says which files belong to it")
    for name in sorted(set(listed.stdout.splitlines())):
        path = ROOT / name
        if path.is_file() and path.suffix not in (".npz", ".safetensors", ".png", ".ico"):
            yield name, path.read_text(encoding="utf-8", errors="ignore")


# --- one word per room ---------------------------------------------------------------------------


def test_every_page_is_in_the_table_of_contents_and_exists():
    pages = [p for p in (ROOT / "chapters").iterdir() if p.suffix in (".md", ".ipynb")]
    assert sorted(p.relative_to(ROOT).with_suffix("").as_posix() for p in pages) == sorted(TOC)


@each_chapter
def test_one_word_names_notebook_module_and_test(path):
    topic = topic_of(path)
    module, package = ROOT / "aecourse" / f"{topic}.py", ROOT / "aecourse" / topic / "__init__.py"
    assert module.is_file() != package.is_file(), "a topic is a module or a package"
    assert (ROOT / "tests" / f"test_{topic}.py").is_file()
    assert re.search(rf"\baecourse(\.{topic}\b| import [^\n]*\b{topic}\b)", path.read_text("utf-8"))


# --- what a chapter holds ------------------------------------------------------------------------


@each_chapter
def test_chapter_says_what_it_teaches_how_long_it_takes_and_what_remains(path):
    text = text_of(path)
    assert re.match(r"# \S", text), "the first cell is not a title"
    start = text[:2500].lower()
    assert "learning goals" in start, "no learning goals at the top"
    assert re.search(r"\b\d+ minutes\b", start), "no reading time in minutes at the top"
    assert re.search(r"^##+ .*summary", text, re.M | re.I), "no summary"
    assert re.search(r"^##+ .*further reading", text, re.M | re.I), "no further reading"


@each_chapter
def test_chapter_has_three_exercises_each_with_a_checker_and_a_solution(path):
    text, topic = text_of(path), topic_of(path)
    posed = re.findall(r"\{exercise(?:-start)?\}[^\n]*\n(?::[^\n]*\n)*?:label: *(\S+)", text)
    solved = re.findall(r"\{solution(?:-start)?\} *(\S+)", text)
    assert len(posed) >= 3
    assert posed == [f"{topic}-{i}" for i in range(1, len(posed) + 1)]
    assert sorted(posed) == sorted(solved)
    assert set(posed) <= set(exercises.exercises())
    source = "\n".join(c.source for _, c in code_cells(path))
    assert {f'"{label}"' for label in posed} <= set(re.findall(r'check\(("[^"]+")', source))


@pytest.mark.parametrize("path", NOTEBOOKS[: len(SYLLABUS)], ids=topic_of)
def test_every_row_of_the_syllabus_points_to_a_section_of_its_chapter(path):
    letter, numbers = list(SYLLABUS.items())[int(path.stem[:2]) - 1]
    labels = set(re.findall(r"^\(([^()\s]+)\)=$", text_of(path), re.M))
    page = (ROOT / "chapters" / "lecture-notes.md").read_text(encoding="utf-8")
    for row in (f"{letter}{number}" for number in numbers):
        line = next((x for x in page.splitlines() if re.search(rf"\b{row}\b", x)), None)
        assert line, f"{row} is not on the page of the lecture notes"
        linked = re.findall(r"\]\([\w./]*#([^)]+)\)|\{(?:num)?ref\}`(?:[^`<]*<)?([^`>]+)", line)
        assert labels & {a or b for a, b in linked}, f"{row} links to no section of {path.name}"


# --- stored outputs are the book -----------------------------------------------------------------


@each_chapter
def test_every_cell_was_run_once_in_order_and_complained_of_nothing(path):
    cells = code_cells(path)
    assert [c.execution_count for _, c in cells] == list(range(1, len(cells) + 1))
    for i, cell in cells:
        for out in cell.outputs:
            assert out.output_type != "error" and out.get("name") != "stderr", f"cell {i}"


@each_chapter
def test_stored_form_is_the_one_that_make_notebooks_writes(path):
    """So that running `make notebooks` again shows only what really changed."""
    stored = path.read_text(encoding="utf-8")
    nb = execute_notebooks.normalise(nbformat.reads(stored, as_version=4), path)
    assert nbformat.writes(nb) + "\n" == stored, "run `make notebooks`"


@each_chapter
def test_cells_are_short_and_notebooks_small(path):
    long = [i for i, c in code_cells(path) if len(c.source.splitlines()) > 20]
    assert not long, f"cells of more than 20 lines: {long}"
    assert not [i for i, c in code_cells(path) if c.source.rstrip().endswith(";")]
    assert path.stat().st_size <= 1.5e6


@each_chapter
def test_every_picture_has_a_caption_and_alternative_text(path):
    pictures = 0
    for i, cell in code_cells(path):
        for out in cell.outputs:
            if "image/png" not in out.get("data", {}):
                continue
            pictures += 1
            said, page = out.metadata["aecourse"], cell.metadata["mystnb"]
            assert said["alt"].strip() and said["caption"].strip(), f"cell {i}"
            assert page["image"]["alt"] == said["alt"], f"cell {i}"
            assert page["figure"]["caption"] == said["caption"], f"cell {i}"
    assert pictures, "a chapter without a picture"


@each_chapter
def test_a_cell_that_nbval_does_not_compare_says_why(path):
    for i, cell in code_cells(path):
        marked = "nbval-ignore-output" in cell.metadata.get("tags", [])
        marked |= "NBVAL_IGNORE_OUTPUT" in cell.source
        if marked:
            assert re.search(r"#\s*\w.{10,}", cell.source), f"cell {i} gives no reason"


# --- numbers on the page -------------------------------------------------------------------------

HIDDEN = {"remove-cell", "remove-input", "hide-cell", "hide-input"}
COLUMNS = 76  # a longer line of code is cut off on the page
TRUTH_VALUES = {}  # id of a cell whose answer *is* a truth value: the question; at most 10


def tags(cell):
    return set(cell.metadata.get("tags", []))


def printed(cell):
    """What a cell printed or returned as text; sources and widgets, which are HTML, left out."""
    for out in cell.outputs:
        data = out.get("data", {})
        if "text/html" not in data and "image/png" not in data:
            yield out.get("text", "") + data.get("text/plain", "") + data.get("text/markdown", "")


@each_chapter
def test_a_cell_prints_its_numbers_not_whether_they_are_large_enough(path):
    cells = [c for _, c in code_cells(path) if re.search(r"\b(True|False)\b", "".join(printed(c)))]
    assert not [c.id for c in cells if c.id not in TRUTH_VALUES]
    assert len(TRUTH_VALUES) <= 10


@each_chapter
def test_no_line_of_code_is_cut_off_on_the_page(path):
    long = []
    for i, cell in code_cells(path):
        shown = "" if tags(cell) & HIDDEN else cell.source
        for out in cell.outputs:  # the source of a class or function
            if "highlight" in out.get("data", {}).get("text/html", ""):
                shown += "\n" + out.data["text/plain"]
        long += [(i, line) for line in shown.splitlines() if len(line) > COLUMNS]
    assert not long


def test_no_line_of_code_is_cut_off_on_the_pages_between_the_chapters():
    long = []
    for path in sorted((ROOT / "chapters").glob("*.md")):
        fence = ""  # the line that opened a block: a directive's holds prose
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("```"):
                fence = "" if fence else line
            elif fence and not fence.startswith("```{") and len(line) > COLUMNS:
                long.append((path.name, line))
    assert not long


@each_chapter
def test_a_cell_whose_numbers_may_differ_a_little_asserts_what_they_show(path):
    cells = [(i, c) for i, c in code_cells(path) if "approx" in tags(c)]
    assert not [i for i, c in cells if not re.search(r"^\s*assert\b", c.source, re.M)]


@each_chapter
def test_cells_that_import_are_hidden(path):
    visible = [(i, c) for i, c in code_cells(path) if not tags(c) & HIDDEN]
    assert not [i for i, c in visible if re.search(r"^(import|from) ", c.source, re.M)]


# --- what the tool refuses -----------------------------------------------------------------------


def notebook(source="x", *outputs):
    return new_notebook(cells=[new_code_cell(source, outputs=list(outputs))])


def figure(caption="What to see.", **more):
    metadata = {"aecourse": {"alt": "The finding.", "caption": caption, **more}}
    return new_output("display_data", {"image/png": "iVBORw0KGgo="}, metadata=metadata)


@pytest.mark.parametrize(
    ("nb", "reason"),
    [
        (notebook("x;"), "ends in ';'"),
        (notebook("x", new_output("stream", name="stderr", text="oops")), "stderr"),
        (notebook("x", new_output("stream", text="<A object at 0x7f3a5c2b>")), "memory address"),
        (notebook("x", new_output("stream", text=f"{ROOT}/aecourse")), "path"),
        (notebook("x", new_output("stream", text=" 42%|####  | 3/7")), "progress bar"),
        (notebook("x", new_output("display_data", {"image/png": "iVBOR"})), "without alt text"),
        (notebook("x", figure(), figure()), "something else"),
    ],
)
def test_outputs_that_do_not_belong_in_the_book_are_refused(nb, reason):
    with pytest.raises(execute_notebooks.Refused, match=reason):
        execute_notebooks.normalise(nb, Path("05_dummy.ipynb"))


def test_normalising_forgets_time_and_place_and_names_the_figures():
    nb = notebook("x", new_output("stream", text="a"), new_output("stream", text="b"), figure())
    nb.cells[0].metadata["execution"] = {"iopub.status.busy": "2024-01-01T00:00:00Z"}
    nb.metadata["language_info"] = {"name": "python", "version": "3.12.1"}
    once = nbformat.writes(execute_notebooks.normalise(nb, Path("05_dummy.ipynb")))
    again = nbformat.reads(once, as_version=4)
    assert nbformat.writes(execute_notebooks.normalise(again, Path("05_dummy.ipynb"))) == once
    assert "2024" not in once and "3.12" not in once
    (cell,) = json.loads(once)["cells"]
    assert cell["id"] == "dummy-000"
    assert cell["outputs"][0]["text"] == ["ab"]
    assert cell["metadata"]["mystnb"]["figure"]["name"] == "fig-dummy-1"
    assert cell["metadata"]["mystnb"]["image"]["alt"] == "The finding."


# --- what no file holds --------------------------------------------------------------------------

FORBIDDEN = {  # written in pieces, so that this file passes its own test
    "an unfinished note": r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b",
    "a path of somebody's machine": r"(?<![\w.])/(wo" r"rk|tm" r"p|ro" r"ot|ho" r"me|Us" r"ers)/\w",
    "a folder outside the repository": r"\.\./sha" r"red",
    "a package registry": r"\b(py" r"pi\.org|python" r"hosted\.org|registry\.np" r"mjs)",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what):
    pattern, found = re.compile(FORBIDDEN[what]), []
    for name, text in tracked_texts():
        text = re.sub(r'"image/png": "[^"]*"', "", text)
        found += [f"{name}: {m.group(0)}" for m in pattern.finditer(text)]
    assert not found, "\n".join(found[:20])
