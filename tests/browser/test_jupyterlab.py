"""Three widgets in a running JupyterLab: Python moves the page, and the page moves Python."""

import os
import socket
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
import pytest
from chromium import ROOT, missing
from nbformat.v4 import new_code_cell, new_notebook

CELLS = """from aecourse import widgets; w = widgets.{name}({state}); w
--
w.{trait} = {sent}
--
print("Python sees", w.{trait})
"""
CASES = [
    ("LatentPlane", "z=[0.5, -1]", "z", "[1.0, 2.0]", "z₁"),
    ("ComponentSlider", "k=3", "k", "40", "k numbers"),
    ("WatchTheBound", "mu=0.5", "mu", "2.0", "μ of q"),
]


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a JupyterLab of its own, with one notebook for each case."""
    pytest.importorskip("jupyterlab")
    folder, port = tmp_path_factory.mktemp("lab"), free_port()
    for name, state, trait, sent, _ in CASES:
        text = CELLS.format(name=name, state=state, trait=trait, sent=sent)
        cells = [new_code_cell(source.strip()) for source in text.split("--")]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        nbformat.write(new_notebook(cells=cells, metadata=kernel), folder / f"{name}.ipynb")
    homes = {key: str(folder / key) for key in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "HOME")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
               f"--ServerApp.port={port}", "--IdentityProvider.token=", "--ServerApp.ip=127.0.0.1",
               f"--ServerApp.root_dir={folder}", "--LabApp.check_for_updates_class="
               "jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None"]  # fmt: skip
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with open(folder / "lab.log", "w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder,
                                  env={**os.environ, **homes, "PYTHONPATH": path})  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, server, folder / "lab.log")
        yield address
    finally:
        server.terminate()
        server.wait(20)


def wait_for(address, server, log, seconds=90):
    for _ in range(2 * seconds):
        if server.poll() is not None:
            break
        try:
            urlopen(f"{address}/api", timeout=2).close()
            return
        except (URLError, OSError):
            time.sleep(0.5)
    missing(f"JupyterLab did not start:\n{log.read_text()[-1500:]}")


@pytest.mark.parametrize(("name", "state", "trait", "sent", "label"), CASES)
def test_python_and_the_page_move_each_other(browser, lab, name, state, trait, sent, label):
    tab = browser.new_page(viewport={"width": 1280, "height": 1400})
    tab.goto(f"{lab}/lab/tree/{name}.ipynb?reset")
    cells = tab.locator(".jp-Notebook .jp-CodeCell")
    cells.first.wait_for(timeout=60_000)
    run(tab, cells.nth(0))
    slider = tab.get_by_label(label, exact=True)
    slider.wait_for(timeout=60_000)
    before = slider.input_value()

    run(tab, cells.nth(1))  # Python sets the trait ...
    tab.wait_for_function(
        "([slider, before]) => slider.value !== before", arg=[slider.element_handle(), before]
    )
    assert tab.locator(".ae-said").inner_text()

    slider.focus()  # ... and the page sets it again
    tab.keyboard.press("ArrowLeft")
    moved = slider.input_value()
    run(tab, cells.nth(2))
    printed = cells.nth(2).locator(".jp-OutputArea-output")
    printed.wait_for(timeout=30_000)
    assert f"{float(moved):g}" in printed.inner_text()
    tab.close()


def run(tab, cell):
    """Run a cell; again, if the notebook was not ready for the keys."""
    prompt = cell.locator(".jp-InputPrompt")
    for _ in range(30):
        cell.locator(".cm-content").click()
        tab.keyboard.press("Control+Enter")
        tab.wait_for_timeout(1000)
        if prompt.inner_text().strip() != "[ ]:":
            return
    raise AssertionError("JupyterLab does not run the cell")
