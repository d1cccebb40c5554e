"""One line of set-up on every system: `python3 install.py`, on Windows `py install.py`.

Makes the virtual environment .venv beside this file and installs requirements.txt into it; `make`
calls it. With `--here` it installs into the Python that runs it (Binder, a container). Environment
variables: VENV names another folder, TORCH_INDEX another address for PyTorch's CPU build, and pip
reads its own (PIP_INDEX_URL, PIP_FIND_LINKS, ...).
"""

import os
import platform
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, os.environ.get("VENV", ".venv"))
TORCH_INDEX = os.environ.get("TORCH_INDEX", "https://download.pytorch.org/whl/cpu")
SECONDS = 20  # at most, to find out whether that address answers


def python_of(venv):
    """Path of the interpreter in a virtual environment."""
    windows = platform.system() == "Windows"
    return os.path.join(venv, *(["Scripts", "python.exe"] if windows else ["bin", "python"]))


def works(python, *arguments):
    """Whether this Python exists, runs to its end in time and says that all is well."""
    try:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.call([python, *arguments], timeout=SECONDS, **quiet) == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def make_venv():
    """Make .venv, or make it again if its Python or pip does not run; return its Python."""
    if works(python_of(VENV), "-m", "pip", "--version"):
        return python_of(VENV)
    if os.path.exists(VENV):
        if os.listdir(VENV) and not os.path.exists(os.path.join(VENV, "pyvenv.cfg")):
            sys.exit(f"{VENV} exists and is no virtual environment: move it away.")
        print(f"{VENV} is not usable (half made, or its Python is gone): made again.")
    try:
        import ensurepip  # noqa: F401, Debian keeps it in a package of its own
        import venv
    except ImportError:
        sys.exit("This Python has no venv module. On Debian or Ubuntu: apt install python3-venv")
    venv.create(VENV, clear=True, with_pip=True, symlinks=os.name != "nt")  # as `-m venv` does
    return python_of(VENV)


def install_torch(python):
    """Fetch PyTorch's CPU build first: on Linux the ordinary one brings gigabytes for a GPU."""
    with open(os.path.join(ROOT, "requirements.txt"), encoding="utf-8") as file:
        pin = re.search(r"^torch==(\S+)", file.read(), re.MULTILINE).group(1)
    has_it = f"import importlib.metadata as m; assert m.version('torch').startswith({pin!r})"
    if platform.system() != "Linux" or shutil.which("nvidia-smi") or works(python, "-c", has_it):
        return
    pip, at = [python, "-m", "pip"], ["--index-url", TORCH_INDEX, "--retries", "0"]
    answers = works(*pip, "index", "versions", "torch", "--timeout", "10", *at)
    wheel = ["install", "--no-deps", "--timeout", "15", f"torch=={pin}"]
    if not answers or subprocess.call([*pip, *wheel, *at]) != 0:
        print(f"No PyTorch for the CPU at {TORCH_INDEX}: the ordinary build follows, which on "
              "Linux is large.", flush=True)  # fmt: skip


def main(arguments):
    """Install everything; the exit status is pip's."""
    if sys.version_info < (3, 11):  # noqa: UP036, whoever runs this may have any Python
        sys.exit(f"This book needs Python 3.11 or newer; {sys.executable} is "
                 f"{platform.python_version()}. Install a newer one, or name it: "
                 "make PYTHON=python3.11 book")  # fmt: skip
    if arguments not in ([], ["--here"]):
        sys.exit(f"install.py takes --here or nothing, got {' '.join(arguments)}")
    python = sys.executable if arguments else make_venv()
    install_torch(python)
    command = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    return subprocess.call([*command, "-r", "requirements.txt"], cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
