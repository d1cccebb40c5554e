"""Settings shared by the unit tests and by the notebooks that ``--nbval`` runs."""

import os

import matplotlib

# Kernels inherit the environment: no progress bars in what is compared with the stored outputs.
os.environ["AECOURSE_QUIET"] = "1"

# Parallel workers (-n) share the cores: with more threads than cores, threads that wait for each
# other make everything ten times slower.
workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if workers > 1:
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, os.cpu_count() // workers)))

# This process only (a kernel keeps its inline backend): no unit test opens a window.
matplotlib.use("Agg")
