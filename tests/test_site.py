"""What readers get besides the pages: the package, the notebooks online, the head of a page."""

import fnmatch
import json
import os
import re
import tomllib
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import downloads
import fill_head
import lighten
import print_book
import pytest
import show_api
from docutils.core import publish_doctree
from sphinx.builders.html._assets import _JavaScript as JavaScript
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
    pinned = [d for d in PROJECT["project"]["dependencies"] if re.search(r"==|<|~=|!=", d)]
    assert not pinned, pinned


def test_binder_the_container_and_the_workflow_install_what_the_book_was_tested_with():
    for caller in (".binder/postBuild", ".devcontainer/devcontainer.json", "Makefile"):
        assert "install.py" in (ROOT / caller).read_text(encoding="utf-8"), caller
    assert os.access(ROOT / ".binder/postBuild", os.X_OK), "Binder runs it only if it may"
    json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    workflow = (ROOT / ".github/workflows/book.yml").read_text(encoding="utf-8")
    assert "make test" in workflow and "pip install" not in workflow


# --- addresses -----------------------------------------------------------------------------------


@pytest.fixture
def configured(monkeypatch):
    for name in ("BOOK_URL", "READTHEDOCS_CANONICAL_URL", "BOOK_REPOSITORY", "BOOK_BRANCH"):
        monkeypatch.delenv(name, raising=False)

    def configure(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        config = SimpleNamespace(html_theme_options={}, html_additional_pages={}, extensions=[])
        app = SimpleNamespace(setup_extension=config.extensions.append)
        fill_head.use_addresses(app, config)
        return config

    return configure


def test_without_an_address_nothing_absolute_and_no_dead_button(configured):
    config = configured()
    assert config.html_baseurl == "" and config.html_theme_options == {}
    assert not config.extensions and not config.html_additional_pages


def test_addresses_come_from_the_environment(configured):
    config = configured(BOOK_URL="https://host/book/", BOOK_REPOSITORY="https://github.com/a/b")
    assert config.html_baseurl == config.ogp_site_url == "https://host/book/"
    assert set(config.extensions) == {"sphinx_sitemap", "sphinxext.opengraph"}
    assert config.ogp_image and "404" in config.html_additional_pages
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


def test_a_description_is_the_first_words_without_glosses_and_not_too_long():
    tree = publish_doctree("Title\n=====\n\nA code (编码) is short. " + "It goes on. " * 30)
    about = fill_head.describe(tree)
    assert about.startswith("A code is short. It goes on.")
    assert len(about) <= fill_head.LONGEST and about.endswith("…")


def test_a_chapters_description_is_what_one_learns_in_it():
    box = "   Learning goals\n\n   - say :math:`x \\in X`;\n   - say when.\n   - see (见) it."
    tree = publish_doctree(f"Title\n=====\n\nText.\n\n.. admonition::\n{box}\n")
    assert fill_head.describe(tree) == "You learn to say when; see it."


def test_a_title_says_chapter_and_book():
    title = fill_head.title_of({"title": "<span>2. </span>The plane (平面)"})
    assert title == "2. The plane · Autoencoders, executed"
    front = fill_head.title_of({"title": "Autoencoders, executed"})
    assert front.count("executed") == 1


# --- lighter pages -------------------------------------------------------------------------------


def test_only_rules_of_classes_in_use_stay():
    css = (
        ".a, .b:hover { color: red } .gone { x: y } @media print { .gone { x: y } .b { c: d } }"
        ' p::after { content: "}" } :not(.gone) > .a { e: f } @font-face { font-family: g }'
        " @keyframes move { from { h: i } to { j: k }} p:is(.gone, .a) { l: m } @import 'n.css';"
        " @media (width > 9px) { #gone { o: p } }"
    )
    kept = lighten.trim(css, {"a", "b"})
    parts = [".a, .b:hover {", '"}"', ":not(.gone) > .a {", "@font-face {", "p:is(.gone, .a) {"]
    for part in [*parts, "@media print {.b { c: d }}", "{ from { h: i } to { j: k }}"]:
        assert part in kept, part
    assert ".gone {" not in kept and "#gone" not in kept and "@import" not in kept


def test_scripts_wait_and_the_options_of_inline_ones_come_inline(tmp_path):
    (tmp_path / "documentation_options.js").write_text("const OPTIONS = {}", encoding="utf-8")
    scripts = [JavaScript("documentation_options.js"), JavaScript("", body="go()"),
               JavaScript("a.js", priority=7, id="b")]  # fmt: skip
    app, context = SimpleNamespace(outdir=tmp_path), {"css_files": [], "script_files": scripts}
    lighten.lighten_head(app, "search", "", context, None)
    assert context["script_files"] is scripts
    lighten.lighten_head(app, "chapters/index", "", context, None)
    options, inline, later = context["script_files"]
    assert options == JavaScript("", body="const OPTIONS = {}") and inline == scripts[1]
    assert later == JavaScript("a.js", priority=7, id="b", defer="defer")


def test_a_picture_gets_its_size_and_waits(tmp_path):
    lighten.Image.new("L", (40, 20)).save(tmp_path / "a.png")
    writer = SimpleNamespace(builder=SimpleNamespace(srcdir=tmp_path), body=["before <img >"])
    base = "sphinx.writers.html5.HTML5Translator.visit_image"
    with mock.patch(base, lambda self, node: self.body.append('<img alt="x" src="y"/>')):
        lighten.visit_image(writer, {"uri": "a.png"})
        lighten.visit_image(writer, {"uri": "a.svg"})
    first, sized, other = writer.body
    assert 'width="40" height="20" loading="lazy"' in sized
    assert first == "before <img >" and "width" not in other


# --- the API page --------------------------------------------------------------------------------


def test_an_object_of_the_api_leads_to_its_lines(monkeypatch):
    monkeypatch.setenv("BOOK_REPOSITORY", "https://host/a/b/")
    monkeypatch.setenv("BOOK_BRANCH", "next")
    address = show_api.lines_of("py", {"module": "aecourse.vae", "fullname": "VAE.encode"})
    found = re.fullmatch(r"https://host/a/b/blob/next/(.*)#L(\d+)-L(\d+)", address)
    path, first, last = found.groups()
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()[int(first) - 1 : int(last)]
    assert path == "aecourse/vae.py" and lines[0].strip().startswith("def encode(")
    assert lines[-1].strip().startswith("return ")
    for nothing in ("VAE.no_such_thing", "log", "pi"):  # missing, built in, a number
        assert show_api.lines_of("py", {"module": "aecourse.vae", "fullname": nothing}) is None


def test_the_api_page_lists_every_shipped_file_of_weights():
    table = show_api.weights_table().splitlines()
    shipped = sorted(path.stem for path in show_api.WEIGHTS.glob("*.safetensors"))
    assert sorted(re.findall(r"`(.+?)`", "\n".join(table))) == shipped
    assert len({row.count("|") for row in table}) == 1


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
