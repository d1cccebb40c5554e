"""A Sphinx extension: a search that finds Chinese words, and that works from the disk.

Sphinx looks words up in an index, and a run of Chinese, which has no spaces, is one word to it:
去噪 is not found in 去噪自编码器. So only the other words go into the index; Chinese is looked up
in the texts of the pages. They also hold the excerpts, for which Sphinx would fetch every page
that it found: a page on the disk may not. The other half is `_assets/search.js`.
"""

import json
import re
from pathlib import Path

from bs4 import BeautifulSoup, SoupStrainer
from sphinx.search.en import SearchEnglish

CHINESE = "㐀-鿿"  # as in `search.js`
TEXTS = "_static/search-texts.js"
NO_TEXT = ".headerlink, .admonition.hide > summary, script, style"  # signs, buttons, programs


class BesideChinese(SearchEnglish):
    """English search: what is not Chinese is split and stemmed as it always was."""

    lang = "en-zh"  # for `html_search_language`

    def split(self, text):
        return re.findall(rf"[^\W{CHINESE}]+", text)


def texts_of(page: str) -> dict[str, str]:
    """{section's id: its text without that of its subsections} of a page, in reading order."""
    soup = BeautifulSoup(page, "html.parser", parse_only=SoupStrainer("article"))
    for node in soup.select(NO_TEXT):
        node.decompose()
    inner_first = reversed(soup.select("section[id]"))
    texts = {node["id"]: " ".join(node.extract().get_text().split()) for node in inner_first}
    return dict(reversed(texts.items()))


def write_texts(app, error):
    """One script with the texts of all pages, which the search page loads for a query."""
    if error is None and app.builder.name == "html":
        files = {page: Path(app.builder.get_outfilename(page)) for page in app.env.found_docs}
        texts = {page: texts_of(files[page].read_text(encoding="utf-8")) for page in sorted(files)}
        script = f"BOOK_TEXTS = {json.dumps(texts, ensure_ascii=False)};\n"
        Path(app.outdir, TEXTS).write_text(script, encoding="utf-8")


def add_script(app, pagename, templatename, context, doctree):
    """Deferred: after Sphinx's own scripts, and before they answer the query."""
    if pagename == "search":
        app.add_js_file("search.js", loading_method="defer")


def setup(app):
    app.add_search_language(BesideChinese)
    app.connect("html-page-context", add_script)
    app.connect("build-finished", write_texts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
