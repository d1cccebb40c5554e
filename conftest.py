"""Settings shared by the unit tests, the browser tests and the notebooks that ``--nbval`` runs."""

import os

import matplotlib
import pytest
from jaxtyping import install_import_hook

install_import_hook("aecourse", "shapes.on_return")  # signatures are checked: see tests/shapes.py

pytest_plugins = ["nbval_approx"]

# Kernels inherit the environment: no progress bars in what is compared with the stored outputs.
os.environ["AECOURSE_QUIET"] = "1"

# Parallel workers (-n) get one thread each: threads of which one has to wait for a core keep all
# the others waiting, and everything takes ten times as long.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# This process only (a kernel keeps its inline backend): no unit test opens a window.
matplotlib.use("Agg")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Workers for `-n auto`: one a core, and at most four, since each may need two gigabytes."""
    return min(4, os.cpu_count() or 1)


def pytest_collection_modifyitems(items):
    """The files that take longest first, so that no worker is left with one when others are done.

    Whole files go to workers (`--dist loadfile`): notebooks, then browser tests, then the rest.
    """
    items.sort(key=lambda item: (item.path.suffix != ".ipynb", "browser" not in item.path.parts))
