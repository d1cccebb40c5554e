"""All widgets in one notebook of a running JupyterLab: Python moves the page, the page Python."""

import json
import os
import socket
import subprocess
import sys
import time
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
import pytest
from chromium import ROOT, missing
from nbformat.v4 import new_code_cell, new_notebook
from readings import BLUE, COLOURED, GREEN, ORANGE, PURPLE, RED

from aecourse import widgets

PATIENCE = 240_000  # ms, for a machine with much other work; nothing waits longer than it must


class Case(NamedTuple):
    """What a widget is asked to do."""

    sent: dict  # traits that Python sets ...
    shown: str  # ... and what the page then says
    control: tuple  # role and name of what is pressed then: a slider to the left, others once
    trait: str  # what that changes
    colours: tuple = ()  # of roles, in its pictures


CASES = {
    "DrawDigit": Case({"preset": "digit", "number": 3}, "Test digit 3",
                      ("button", "Next"), "number"),
    "ComponentSlider": Case({"k": 40}, "40 numbers keep", ("slider", "k numbers"), "k", (ORANGE,)),
    "CodeMap": Case({"ends": [10, 20]}, "Test digit 20, a 9",
                    ("slider", "from A to B"), "t", (ORANGE,)),
    "CodeSource": Case({"source": "mixture"}, "Codes from fitted mixture",
                       ("button", "New samples"), "seed", (ORANGE,)),
    "SampleThenRescale": Case({"mu": -1.5}, "At μ = −1.50",
                              ("slider", "μ"), "mu", (BLUE, ORANGE, RED, PURPLE)),
    "LatentPlane": Case({"z": [1.0, 2.0]}, "z = (1.00, 2.00)", ("slider", "z₁"), "z", (ORANGE,)),
    "BetaSlider": Case({"beta": 3}, "β = 3: KL", ("slider", "weight β"), "beta", (ORANGE, GREEN)),
    "WatchTheBound": Case({"mu": 2.0}, "q = N(2.00", ("slider", "μ of q"), "mu",
                          (BLUE, ORANGE, RED)),
    "LatentSize": Case({"size": 20}, "20 of 20 latents", ("slider", "latents"), "size", (ORANGE,)),
    "EraseAndRestore": Case({"damage": "noise"}, "under noise", ("button", "Next digit"), "digit"),
    "TokenGrid": Case({"cell": 26}, "The cell in row 4, column 6",
                      ("button", "Next digit"), "digit"),
    "WordAndDigit": Case({"direction": "digit to word"}, "The drawing is read as seven",
                         ("button", "Test digit"), "example", (ORANGE,)),
    "Quiz": Case({"position": 1}, "Question 2 of 10", ("button", "New draw"), "seed"),
}  # fmt: skip
START = "from aecourse import widgets; {name} = widgets.{name}(); {name}"
SEND = "for widget, state in ({pairs}):\n    for trait, value in state.items():\n" \
       "        setattr(widget, trait, value)"  # fmt: skip
READ = "import json; print(json.dumps({{{states}}}))"


# --- JupyterLab ----------------------------------------------------------------------------------


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def notebook():
    """A cell that shows each widget, one that sets them all and one that prints what they hold."""
    cells = [START.format(name=name) for name in CASES]
    cells.append(SEND.format(pairs=", ".join(f"({n}, {c.sent})" for n, c in CASES.items())))
    cells.append(READ.format(states=", ".join(f"'{name}': {name}.state()" for name in CASES)))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    return new_notebook(cells=[new_code_cell(cell) for cell in cells], metadata=kernel)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a JupyterLab of its own that holds the notebook."""
    pytest.importorskip("jupyterlab")
    folder, port = tmp_path_factory.mktemp("lab"), free_port()
    nbformat.write(notebook(), folder / "widgets.ipynb")
    quiet(folder / "JUPYTER_CONFIG_DIR")
    homes = {key: str(folder / key) for key in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "HOME")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
               "--expose-app-in-browser", f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1",
               "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]  # fmt: skip
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with open(folder / "lab.log", "w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder,
                                  env={**os.environ, **homes, "PYTHONPATH": path})  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, server, folder / "lab.log")
        yield f"{address}/lab/tree/widgets.ipynb?reset"
    finally:
        server.terminate()
        server.wait(20)


def quiet(config):
    """Ask for no news: the question would lie over the notebook."""
    settings = config / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')


def wait_for(address, server, log):
    end = time.monotonic() + PATIENCE / 1000
    while server.poll() is None and time.monotonic() < end:
        try:
            urlopen(f"{address}/api", timeout=2).close()
            return
        except (URLError, OSError):
            time.sleep(0.2)
    missing(f"JupyterLab did not start:\n{log.read_text()[-1500:]}")


# --- the notebook on the page --------------------------------------------------------------------

# Run cells, one after the other; what the last one printed.
RUN = """async ([indices, patience]) => {
  const {content, sessionContext} = jupyterapp.shell.currentWidget;
  const late = new Promise((_, fail) =>
    setTimeout(() => fail(new Error('the kernel does not answer')), patience));
  await Promise.race([late, sessionContext.ready]);
  for (const index of indices) {
    content.activeCellIndex = index;
    await Promise.race([late, jupyterapp.commands.execute('notebook:run-cell')]);
  }
  return content.activeCell.model.outputs.toJSON().map(output => output.text ?? '').join('');
}"""
OPEN = "count => globalThis.jupyterapp?.shell.currentWidget?.content?.widgets?.length === count"
STARTED = """cell => cell.querySelector('.ae-said')?.textContent || cell.querySelector(
  '.ae-widget > .ae-error') || /javascript error/i.test(cell.textContent)"""
PICTURE = """cell => [...cell.querySelectorAll('canvas')].map(canvas => canvas.toDataURL()).join()
  || cell.textContent"""
FOLLOWED = f"([cell, shown, old]) => cell.textContent.includes(shown) && ({PICTURE})(cell) !== old"
HELD = """(cell, traits) => traits.map(
  trait => [trait, cell.querySelector('.ae-widget').aecourse.model.get(trait)])"""


def test_every_widget_starts_follows_python_and_moves_python(browser, lab):
    tab = browser.new_page(viewport={"width": 1280, "height": 1400})
    tab.set_default_timeout(PATIENCE)
    tab.goto(lab)
    tab.wait_for_function(OPEN, arg=len(CASES) + 2)
    run(tab, *range(len(CASES)))
    cells = dict(zip(CASES, tab.locator(".jp-CodeCell").all()))
    pictures = {name: picture_once_started(tab, cell, name) for name, cell in cells.items()}
    alone_checked(tab)
    run(tab, len(CASES))  # Python sets traits ...
    for name, cell in cells.items():
        follows(tab, cell, CASES[name], pictures[name])
        moves(cell, CASES[name], getattr(widgets, name).state_names())
    python_agrees(tab, cells)  # ... and holds in the end what the page holds
    tab.close()


def run(tab, *indices):
    return tab.evaluate(RUN, [indices, PATIENCE])


def picture_once_started(tab, cell, name):
    tab.wait_for_function(STARTED, arg=cell.element_handle())
    assert cell.locator(".ae-said").count(), f"{name}: {cell.inner_text()}"
    return cell.evaluate(PICTURE)


def alone_checked(tab):
    """No id or name of one widget is another's: each group of radio buttons keeps its choice."""
    ids = tab.locator(".ae-widget [id]").evaluate_all("all => all.map(e => e.id)")
    assert len(set(ids)) == len(ids)
    choices = "all => all.map(e => e.querySelectorAll('input[type=radio]:checked').length)"
    groups = tab.locator(".ae-widget fieldset:not(.ae-quiz):has(input[type=radio])")
    assert set(groups.evaluate_all(choices)) == {1}


def follows(tab, cell, case, before):
    cell.scroll_into_view_if_needed()
    tab.wait_for_function(FOLLOWED, arg=[cell.element_handle(), case.shown, before])
    tab.wait_for_function(COLOURED, arg=[cell.element_handle(), case.colours])


def moves(cell, case, traits):
    """A control that is used changes the widget's state."""
    (role, name), before = case.control, held(cell, traits)
    control = cell.get_by_role(role, name=name, exact=True)
    if role == "slider":
        control.press("ArrowLeft")
    else:
        control.click()
    after = held(cell, traits)
    assert after[case.trait] != before[case.trait], case


def held(cell, traits):
    return dict(cell.evaluate(HELD, traits))


def python_agrees(tab, cells):
    """Messages travel for a while: ask until the whole state of all widgets is the same."""
    end = time.monotonic() + PATIENCE / 1000
    while True:
        told = json.loads(run(tab, len(CASES) + 1))
        page = {name: held(cell, list(told[name])) for name, cell in cells.items()}
        if told == page or time.monotonic() > end:
            break
    assert told == page
