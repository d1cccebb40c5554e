"""The built book in a real browser: every page, over http and from the disk.

Each page is opened once per way of reading it (`visits`); each test then states one claim
about all of them and names the pages that break it.
"""

import re
from urllib.parse import unquote, urldefrag

import pytest
from chromium import HTML, ROOT
from living import patient
from visits import PHONES, THEMES, Visit, axe_core, follow, pages

FIRST_VIEW = 1.5e6  # bytes, compressed, without a widget's weights


@pytest.fixture(scope="module")
def visits(browser, server) -> list[Visit]:
    """Every page opened over http and from the disk."""
    made, axe = [], axe_core()
    for way, root in (("http", server.origin), ("file", HTML.as_uri())):
        tab = patient(browser.new_page(reduced_motion="reduce"))
        for page in pages():
            visit = Visit(way, page, root)
            follow(tab, visit, axe)
            made.append(visit)
        tab.close()
    return made


def report(visits, pick) -> str:
    """One line per offence: way, page, what."""
    return "\n".join(f"{v.way} {v.page}: {what}" for v in visits for what in pick(v))


def chapters(visits):
    return [v for v in visits if v.page.startswith("chapters/")]


def test_every_page_of_the_table_of_contents_was_built_and_opened(visits):
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    wanted = set(re.findall(r"(?:root|file):\s*(\S+)", toc))
    for way in ("http", "file"):
        opened = {v.page.removesuffix(".html") for v in visits if v.way == way}
        assert wanted <= opened, f"{way}: not built: {sorted(wanted - opened)}"


def test_the_front_door_leads_to_the_first_page(browser, server):
    for root in (server.origin, HTML.as_uri()):
        tab = browser.new_page()
        tab.goto(f"{root}/index.html", wait_until="commit")
        tab.wait_for_url("**/chapters/index.html", wait_until="commit")
        tab.close()


def test_no_page_raises_an_error_in_the_console(visits):
    assert not (bad := report(visits, lambda v: v.errors)), bad


def test_no_page_asks_anything_from_another_origin(visits, server):
    home = {"http": server.origin + "/", "file": HTML.as_uri() + "/"}

    def strangers(v):
        return [u for u in v.requests if not u.startswith((home[v.way], "data:", "blob:"))]

    assert not (bad := report(visits, strangers)), bad


def test_no_page_names_a_remote_script_style_font_or_picture(built):
    remote = re.compile(
        r"<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?"
        r"\b(?:src|data|srcset)\s*=\s*[\"']?(?:https?:)?//[^\"'>]*"
        r"|<link\b(?![^>]*rel=[\"']?canonical)[^>]*href\s*=\s*[\"']?(?:https?:)?//[^\"'>]*"
        r"|(?:@import\s+|url\()\s*[\"']?(?:https?:)?//[^)\"']*"
    )
    files = [*map(HTML.joinpath, pages()), *HTML.glob("_static/**/*.css")]
    bad = [
        f"{path.relative_to(HTML)}: {found.group(0)[:120]}"
        for path in files
        for found in remote.finditer(path.read_text(encoding="utf-8", errors="ignore"))
    ]
    assert not bad, "\n".join(bad)


def test_everything_a_page_asks_for_arrives(visits, server):
    assert not (bad := report(visits, lambda v: v.failed + v.facts["unloaded"])), bad
    assert not server.not_found, server.not_found


def test_every_internal_link_leads_to_a_page_and_to_a_place_on_it(visits, server):
    for way, root in (("http", server.origin), ("file", HTML.as_uri())):
        ids = {v.page: {*v.facts["ids"], ""} for v in visits if v.way == way}
        ids["index.html"] = {""}

        def broken(v, root=root, ids=ids):
            for link in set(v.facts["links"]):
                url, anchor = urldefrag(link)
                if not url.startswith(root + "/"):
                    if url.startswith(("file:", "http://127.")):
                        yield f"{link} leaves the book"
                    continue
                page = unquote(url.removeprefix(root + "/").partition("?")[0])
                if not (HTML / page).is_file():
                    yield f"{link}: no such file"
                elif page in ids and unquote(anchor) not in ids[page]:
                    yield f"{link}: no such place on the page"

        bad = report([v for v in visits if v.way == way], broken)
        assert not bad, bad


def test_all_mathematics_is_typeset(visits):
    assert any(v.facts["formulas"] for v in visits), "no page holds a formula"
    assert not (bad := report(visits, lambda v: v.facts["raw"] + v.facts["wrong"])), bad


def test_every_picture_has_alternative_text(visits):
    assert any("_images" in u for v in visits for u in v.requests), "no page shows a figure"
    assert not (bad := report(visits, lambda v: v.facts["noAlt"])), bad


def test_every_picture_a_cell_draws_is_a_figure_with_a_caption(visits):
    assert not (bad := report(visits, lambda v: v.facts["uncaptioned"])), bad


@pytest.mark.parametrize("width", PHONES)
def test_no_page_moves_sideways_on_a_phone_and_nothing_is_cut_off(visits, width):
    bad = report(chapters(visits), lambda v: v.sideways.get(width, []))
    assert not bad, f"at {width} px:\n{bad}"


@pytest.mark.parametrize("theme", THEMES)
def test_text_has_enough_contrast(visits, theme):
    assert not (bad := report(chapters(visits), lambda v: v.faint.get(theme, []))), bad


def test_axe_finds_nothing_on_any_page_in_light_and_dark(visits):
    assert not (bad := report(visits, lambda v: v.audit)), bad


def test_the_first_view_of_every_page_is_light(visits):
    weight = {v.page: v.weight for v in visits if v.way == "http"}
    name, most = max(weight.items(), key=lambda item: item[1])
    print(f"\nheaviest first view: {name}, {most / 1e6:.2f} MB compressed")
    assert most <= FIRST_VIEW, {page: b for page, b in weight.items() if b > FIRST_VIEW}
