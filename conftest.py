"""Settings shared by the unit tests and by the notebooks that ``--nbval`` runs."""

import os

import matplotlib

# Kernels inherit the environment: no progress bars in what is compared with the stored outputs.
os.environ["AECOURSE_QUIET"] = "1"

# This process only (a kernel keeps its inline backend): no unit test opens a window.
matplotlib.use("Agg")
