"""Run the chapters in place and store outputs that do not change from run to run.

    python tools/execute_notebooks.py            all of chapters/*.ipynb   (make notebooks)
    python tools/execute_notebooks.py linear     those whose name contains a word

A notebook is written only if every cell ran, nothing was printed on stderr and no output
names this machine. Running the tool twice changes no byte.
"""

import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
VOLATILE = [
    (re.compile(r"\bat 0x[0-9a-fA-F]{6,}"), "a memory address"),
    (re.compile(re.escape(str(ROOT)) + r"|/home/\w|/Users/\w|/tmp/|ipykernel_\d"), "a path"),
    (re.compile(r"\d+%\|"), "a progress bar"),
]


class Refused(Exception):
    """The notebook ran, but what it would store does not belong in the book."""


def execute(path: Path) -> nbformat.NotebookNode:
    """Run every cell in a fresh kernel started in the notebook's own folder."""
    nb = nbformat.read(path, as_version=4)
    for cell in nb.cells:  # so that a cell that shows nothing keeps nothing
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    NotebookClient(
        nb,
        kernel_name="python3",
        timeout=900,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    return nb


def merge_streams(outputs: list) -> list:
    """Join neighbouring pieces of one stream: how a print is cut up depends on timing."""
    merged: list = []
    for out in outputs:
        last = merged[-1] if merged else None
        if last and out.output_type == last.output_type == "stream" and out.name == last.name:
            last.text += out.text
        else:
            merged.append(out)
    return merged


def text_of(out) -> str:
    """All of an output that a reader could read."""
    if out.output_type == "stream":
        return out.text
    return "\n".join(str(v) for k, v in out.get("data", {}).items() if k.startswith("text/"))


def check(cell, where: str) -> None:
    """Refuse outputs that nbval could not reproduce or that the page could not show."""
    if cell.source.rstrip().endswith(";"):
        raise Refused(f"{where} ends in ';', which nbval cannot run: use plt.show()")
    for out in cell.outputs:
        if out.output_type == "error" or out.get("name") == "stderr":
            raise Refused(f"{where} wrote to stderr:\n{out.get('text', '')}")
        for pattern, what in VOLATILE:
            if found := pattern.search(text_of(out)):
                raise Refused(f"{where} stores {what}: {found.group(0)!r}")
        if "image/png" in out.get("data", {}) and not out.metadata.get("aecourse", {}).get("alt"):
            raise Refused(f"{where} shows a picture without alt text: use aecourse.plots.show")
    shown = [out for out in cell.outputs if "data" in out]
    if len(shown) > 1 and any("aecourse" in out.metadata for out in shown):
        raise Refused(f"{where} shows a figure and something else: the caption would go to both")


def set_figure(cell, topic: str, number: int) -> bool:
    """Copy the caption and alt text from the output to the cell, where MyST-NB reads them."""
    cell.metadata.pop("mystnb", None)
    outputs = [out for out in cell.outputs if "aecourse" in out.get("metadata", {})]
    if not outputs:
        return False
    figure = outputs[0].metadata.aecourse  # check() has seen to it that there is only one
    width = outputs[0].metadata.get("image/png", {}).get("width")
    name = f"fig-{topic}-{figure.get('name') or number}"
    image = {"alt": figure.alt, "width": width and f"{width}px", "classes": figure.get("classes")}
    cell.metadata["mystnb"] = {
        "image": {key: value for key, value in image.items() if value},
        "figure": {"caption": figure.caption, "name": name},
    }
    return True


def normalise(nb: nbformat.NotebookNode, path: Path) -> nbformat.NotebookNode:
    """Make the stored form a function of the sources and their results alone."""
    topic = re.sub(r"^\d+_", "", path.stem)
    figures = 0
    for i, cell in enumerate(nb.cells):
        cell.id = f"{topic}-{i:03d}"
        cell.metadata.pop("execution", None)
        for noise in ("collapsed", "scrolled", "jupyter", "ExecuteTime"):
            cell.metadata.pop(noise, None)
        if cell.cell_type != "code":
            continue
        cell.outputs = merge_streams(cell.outputs)
        for out in cell.outputs:
            out.get("data", {}).pop(WIDGET_VIEW, None)
        check(cell, f"{path.name}, cell {i}")
        figures += set_figure(cell, topic, figures + 1)
    nb.metadata = nbformat.from_dict(METADATA)
    nb.nbformat, nb.nbformat_minor = 4, 5
    nbformat.validate(nb)
    return nb


def main(words: list[str]) -> int:
    """Run the chapters whose name contains one of `words` (all of them without words)."""
    os.environ["AECOURSE_QUIET"] = "1"  # kernels inherit it: no progress bars
    # One thread, as in the tests' workers: the same sums in the same order on any number of cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    every = sorted((ROOT / "chapters").glob("*.ipynb"))
    paths = [p for p in every if not words or any(Path(w).stem in p.stem for w in words)]
    if not paths:
        print(f"no notebook matches {words}; there are {[p.stem for p in every]}")
        return 1
    failed = 0
    for path in paths:
        start = time.perf_counter()
        try:
            text = nbformat.writes(normalise(execute(path), path)) + "\n"
        except Exception as error:  # one broken chapter must not hide the next one's errors
            failed += 1
            print(f"{path.name}: NOT written. {type(error).__name__}: {error}", flush=True)
            continue
        changed = text != path.read_text(encoding="utf-8")
        path.write_text(text, encoding="utf-8", newline="\n")
        seconds = time.perf_counter() - start
        print(f"{path.name}: {'updated' if changed else 'unchanged'}, {seconds:.0f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
