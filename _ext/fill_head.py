"""A Sphinx extension: gives each page's head a title and a description of its own.

With the site's address in BOOK_URL (Read the Docs sets READTHEDOCS_CANONICAL_URL) also what must
be absolute: canonical address, social card, sitemap, the page for addresses that do not exist.
With the repository's address in BOOK_REPOSITORY: the buttons that open a notebook on Binder or
Colab. What is not known is left out, never guessed. The tags stand in `templates/layout.html`.
"""

import os
import re
from html import escape, unescape
from textwrap import shorten

from docutils import nodes
from sphinx.errors import ConfigError

NAME = "Autoencoders, executed"
SUBTITLE = "from the identity function to image tokens"
LONGEST = 160  # characters of a description that search engines show
CHINESE = re.compile(r"\s*[(（][^()（）]*[\u4e00-\u9fff][^()（）]*[)）]")
ABSOLUTE = {  # extensions for a site whose address is known, and their settings
    "sphinx_sitemap": {
        "sitemap_url_scheme": "{link}",
        "sitemap_excludes": ["404.html", "genindex.html", "p*-*.html", "search.html"],
    },
    "sphinxext.opengraph": {
        "ogp_site_name": NAME,
        "ogp_type": "article",
        "ogp_image": "_static/card.png",
        "ogp_image_alt": "A digit passes an encoder, a narrow code and a decoder, and comes back.",
        "ogp_enable_meta_description": False,
        "ogp_custom_meta_tags": ['<meta name="twitter:card" content="summary_large_image">'],
    },
}


def address(*variables: str) -> str:
    """The first of these environment variables that is set, checked; "" if none is."""
    named = next((name for name in variables if os.environ.get(name)), None)
    value = os.environ[named].strip().rstrip("/") if named else ""
    if value and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", value):
        raise ConfigError(f"{named} must be an address such as https://host/book, got {value!r}")
    return value


def use_addresses(app, config):
    """Tell Sphinx and the theme where the book and its repository are, if that is known."""
    base = address("BOOK_URL", "READTHEDOCS_CANONICAL_URL")
    config.html_baseurl = config.ogp_site_url = f"{base}/" if base else ""
    if base:
        config.html_additional_pages["404"] = "404.html"
        for extension, settings in ABSOLUTE.items():
            vars(config).update(settings)
            app.setup_extension(extension)
    if repository := address("BOOK_REPOSITORY"):
        launch = config.html_theme_options.setdefault("launch_buttons", {})
        launch["binderhub_url"] = "https://mybinder.org"
        if repository.startswith("https://github.com/"):  # the only ones that Colab opens
            launch["colab_url"] = "https://colab.research.google.com"
        config.html_theme_options["repository_url"] = repository
        config.html_theme_options["repository_branch"] = os.environ.get("BOOK_BRANCH", "main")


def words_of(node) -> str:
    """A node as plain text, without Chinese glosses; "" if it holds more than simple letters."""
    formulas = [formula.astext() for formula in node.findall(nodes.math)]
    if not all(re.fullmatch(r"[\w\s=+\-,.()]+", formula) for formula in formulas):
        return ""
    return CHINESE.sub("", node.astext()).replace("★", "").strip().rstrip(".;:,")


def describe(doctree) -> str:
    """The learning goals of a chapter; of another page its first two paragraphs."""
    boxes = doctree.findall(nodes.Admonition)
    if goals := next((box for box in boxes if "Learning goals" in box[0].astext()), None):
        words = filter(None, map(words_of, goals.findall(nodes.list_item)))
        text = f"You learn to {'; '.join(words)}."
    else:
        paragraphs = [p for p in doctree.findall(nodes.paragraph) if words_of(p)]
        outside = [p for p in paragraphs if not isinstance(p.parent, nodes.list_item)]
        text = " ".join(f"{words_of(p)}." for p in outside[:2])
    return shorten(text, LONGEST, placeholder=" …")


def title_of(context) -> str:
    """ "2. The linear autoencoder is PCA · Autoencoders, executed"."""
    own = unescape(re.sub(r"<[^>]+>", "", context.get("title") or ""))
    own = CHINESE.sub("", own).strip()
    return f"{own} · {NAME}" if own and own != NAME else f"{NAME}: {SUBTITLE}"


def fill_head(app, page, template, context, doctree):
    """Tell the templates, and whoever draws social cards, what a page is and says."""
    title = title_of(context)
    about = describe(doctree) if doctree else f"{title}: the page made from all others."
    context |= {"whole_title": escape(title), "description": escape(about), "own": bool(doctree)}
    card = {"og:title": escape(title.partition(" · ")[0]), "og:description": escape(about)}
    context["meta"] = (context.get("meta") or {}) | card


def setup(app):
    app.connect("config-inited", use_addresses)
    app.connect("html-page-context", fill_head)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
