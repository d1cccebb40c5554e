"""Where the built book is, and a Chromium to open it with, without any traffic of its own."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HTML = Path(os.environ.get("BOOK_HTML", ROOT / "_build" / "html")).resolve()

# Sections far from the screen are laid out, too: what hides in them must be looked at.
ALL_SECTIONS = ".bd-article > section > section { content-visibility: visible !important }"

HINT = (
    "no Chromium found: install one (`playwright install chromium`, or your system's package), "
    "or name it with CHROMIUM=/path/to/chromium"
)
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find(playwright) -> str | None:
    """Path of $CHROMIUM, an installed Chromium or Chrome, or Playwright's own; None if none is."""
    named = os.environ.get("CHROMIUM")
    own = playwright.chromium.executable_path
    candidates = [named] if named else [*map(shutil.which, NAMES), own]
    return next((path for path in candidates if path and os.path.exists(path)), None)


def launch(playwright):
    """Start it headless; FileNotFoundError with a hint if there is none."""
    path = find(playwright)
    if path is None:
        raise FileNotFoundError(HINT)
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    flags = [*FLAGS, "--no-sandbox"] if root else FLAGS
    return playwright.chromium.launch(executable_path=path, args=flags)


def missing(reason: str):
    """Skip on a reader's machine; fail where everything must be checked."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
