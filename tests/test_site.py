"""What readers get besides the pages: the package, the notebooks online, the head of a page."""

import fnmatch
import json
import os
import re
import tomllib
from functools import partial
from pathlib import Path

import downloads
import light_pages
import print_book
import pytest
import site_extension
from docutils.core import publish_doctree
from sphinx.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


# --- an installed package works without the repository -------------------------------------------


def test_the_wheel_holds_every_file_that_the_package_reads():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["aecourse"]
    package = ROOT / "aecourse"
    files = [p for p in package.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")]
    names = [p.relative_to(package).as_posix() for p in files]
    left_out = [n for n in names if not any(fnmatch.fnmatch(n, pattern) for pattern in patterns)]
    assert len(names) > 10 and not left_out, left_out


def test_installing_the_package_replaces_nothing_that_is_there():
    """Colab brings its own PyTorch: a pin would download another one."""
    pinned = [d for d in PROJECT["project"]["dependencies"] if re.search(r"[=<~]", d)]
    assert not pinned, pinned


def test_binder_the_container_and_the_workflow_install_what_the_book_was_tested_with():
    for caller in (".binder/postBuild", ".devcontainer/devcontainer.json", "Makefile"):
        assert "install.py" in (ROOT / caller).read_text(encoding="utf-8"), caller
    assert os.access(ROOT / ".binder/postBuild", os.X_OK), "Binder runs it only if it may"
    json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    workflow = (ROOT / ".github/workflows/book.yml").read_text(encoding="utf-8")
    assert "make test" in workflow and "pip install" not in workflow


# --- addresses -----------------------------------------------------------------------------------


class Config:
    def __init__(self):
        self.html_theme_options = {}
        self.html_baseurl = "left from before"


@pytest.fixture
def configured(monkeypatch):
    for name in ("BOOK_URL", "READTHEDOCS_CANONICAL_URL", "BOOK_REPOSITORY", "BOOK_BRANCH"):
        monkeypatch.delenv(name, raising=False)

    def configure(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        config = Config()
        site_extension.use_addresses(None, config)
        return config

    return configure


def test_without_an_address_nothing_absolute_and_no_dead_button(configured):
    config = configured()
    assert config.html_baseurl == "" and config.html_theme_options == {}


def test_addresses_come_from_the_environment(configured):
    config = configured(BOOK_URL="https://host/book/", BOOK_REPOSITORY="https://github.com/a/b")
    assert config.html_baseurl == "https://host/book/"
    buttons = config.html_theme_options["launch_buttons"]
    assert set(buttons) == {"binderhub_url", "colab_url"}
    assert config.html_theme_options["repository_url"] == "https://github.com/a/b"


def test_colab_is_offered_only_for_what_it_can_open(configured):
    config = configured(BOOK_REPOSITORY="https://gitlab.com/a/b")
    assert set(config.html_theme_options["launch_buttons"]) == {"binderhub_url"}


@pytest.mark.parametrize("value", ["host/book", "ftp://host", "https://", "https://a b"])
def test_an_address_that_is_none_is_refused(configured, value):
    with pytest.raises(ConfigError, match="BOOK_URL must be an address"):
        configured(BOOK_URL=value)


# --- the head of a page --------------------------------------------------------------------------


def test_a_description_is_the_first_paragraph_without_glosses_and_not_too_long():
    tree = publish_doctree("Title\n=====\n\nA code (编码) is short. " + "It goes on. " * 30)
    about = site_extension.describe(tree)
    assert about.startswith("A code is short. It goes on.")
    assert len(about) <= site_extension.LONGEST and about.endswith(".")


def test_a_title_says_chapter_and_book():
    title = site_extension.title_of({"title": "<span>2. </span>The plane (平面)"})
    assert title == "2. The plane · Autoencoders, executed"
    front = site_extension.title_of({"title": "Autoencoders, executed"})
    assert front.count("executed") == 1


# --- lighter pages -------------------------------------------------------------------------------


def test_only_rules_of_classes_in_use_stay():
    css = (
        ".a, .b:hover { color: red } .gone { x: y } @media print { .gone { x: y } .b { c: d } }"
        ' p::after { content: "}" } :not(.gone) > .a { e: f } @font-face { font-family: g }'
    )
    kept = light_pages.trim(css, {"a", "b"})
    assert ".gone {" not in kept and ".gone{" not in kept
    for part in (".a, .b:hover{", "@media print{", '"}"', ":not(.gone) > .a{", "@font-face{"):
        assert part in kept, part


def test_a_picture_gets_its_size_and_waits(tmp_path):
    light_pages.Image.new("L", (40, 20)).save(tmp_path / "a.png")
    page = '<img alt="x" src="a.png" style="width: 20px;"/><img src="data:image/png;base64,AA">'
    done = light_pages.patient_pictures(page, tmp_path, {})
    assert 'width="20" height="10" loading="lazy"' in done and done.count("loading") == 1


# --- downloads -----------------------------------------------------------------------------------


def test_only_downloads_that_exist_are_linked_and_only_once(tmp_path, monkeypatch):
    (tmp_path / "html" / "chapters").mkdir(parents=True)
    first = tmp_path / "html" / "chapters" / "index.html"
    first.write_text('<section id="take-it-with-you">\n<h2>Take it</h2><p>x</p></section>')
    monkeypatch.setattr(downloads, "HTML", tmp_path / "html")
    downloads.main()
    assert "autoencoders.zip" in first.read_text() and ".pdf" not in first.read_text()
    (tmp_path / "autoencoders.pdf").write_bytes(b"%PDF")
    downloads.main()
    assert first.read_text().count("downloads") == 1
    assert all((tmp_path / "html" / f"autoencoders.{kind}").is_file() for kind in ("zip", "pdf"))


def test_links_between_pages_become_links_inside_the_pdf():
    pages = ["chapters/index", "chapters/02_linear"]
    inside = partial(print_book.local, page="chapters/index", pages=pages)
    assert inside("#top") == "#index--top"
    assert inside("02_linear.html#a") == "#02_linear--a"
    assert inside("02_linear.html") == "#02_linear"
    assert inside("../search.html") is None
