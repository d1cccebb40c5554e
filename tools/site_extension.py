"""A Sphinx extension: what search engines, social cards and slow phones need of each page.

Head of the page: a title of its own, a description from its own text, social card, icons. With
the site's address in BOOK_URL (Read the Docs sets READTHEDOCS_CANONICAL_URL) also what must be
absolute: canonical address, card picture, sitemap, the page for addresses that do not exist.
With the repository's address in BOOK_REPOSITORY: the buttons that open a notebook on Binder or
Colab. What is not known is left out, never guessed.

Weight of the page, after the build: `lighten` (in `light_pages.py`).
"""

import html
import os
import re
from pathlib import Path
from xml.sax.saxutils import escape

from docutils import nodes
from light_pages import lighten
from sphinx.errors import ConfigError

NAME = "Autoencoders, executed"
SUBTITLE = "from the identity function to image tokens"
CARD = "_static/card.png"
CARD_ALT = "A handwritten digit passes an encoder, a narrow code and a decoder, and comes back."
LONGEST = 160  # characters of a description that search engines show
CHINESE = re.compile(r"\s*[(（][^()（）]*[\u4e00-\u9fff][^()（）]*[)）]")
NOT_FOUND = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Page not found · {name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<style>body {{ font: 1.1rem/1.6 system-ui, sans-serif; margin: 15vh auto; max-width: 32rem;
  padding: 0 1rem; }} :root {{ color-scheme: light dark; }}</style></head>
<body><main><h1>There is no page at this address</h1>
<p><a href="{base}chapters/index.html">To the first page of the book</a></p></main></body></html>
"""


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
    config.html_baseurl = f"{base}/" if base else ""
    if repository := address("BOOK_REPOSITORY"):
        launch = config.html_theme_options.setdefault("launch_buttons", {})
        launch["binderhub_url"] = "https://mybinder.org"
        if repository.startswith("https://github.com/"):  # the only ones that Colab opens
            launch["colab_url"] = "https://colab.research.google.com"
        config.html_theme_options["repository_url"] = repository
        config.html_theme_options["repository_branch"] = os.environ.get("BOOK_BRANCH", "main")


# --- the head of a page --------------------------------------------------------------------------


def words_of(node) -> str:
    """A node as plain text, without Chinese glosses; "" if it holds more than simple letters."""
    for formula in node.findall(nodes.math):
        if not re.fullmatch(r"[\w\s=+\-,.()]+", formula.astext()):
            return ""
    text = CHINESE.sub("", node.astext()).replace("★", "")
    return " ".join(text.split()).rstrip(".;:,")


def shorten(text: str) -> str:
    """Whole sentences if they fit, else whole words."""
    if len(text) <= LONGEST:
        return text
    sentences = text[: LONGEST + 1].rpartition(". ")[0]
    if len(sentences) > LONGEST // 2:
        return sentences + "."
    return text[:LONGEST].rpartition(" ")[0].rstrip(".;:,") + "…"


def describe(doctree) -> str:
    """The learning goals of a chapter; of another page its first paragraph."""
    for box in doctree.findall(nodes.Admonition):
        if "Learning goals" in box[0].astext():
            goals = [goal for item in box.findall(nodes.list_item) if (goal := words_of(item))]
            text = f"You learn to {goals[0]}"
            for goal in goals[1:]:
                if len(text) + len(goal) + 3 <= LONGEST:
                    text += f"; {goal}"
            return shorten(text + ".")
    paragraphs = doctree.findall(lambda n: isinstance(n, nodes.paragraph) and words_of(n))
    texts = [words_of(n) + "." for n in paragraphs if not isinstance(n.parent, nodes.list_item)]
    text = " ".join(texts[:1] if texts and len(texts[0]) >= 25 else texts[:2])
    return shorten(text)


def tag(name: str, content: str, key: str = "property") -> str:
    return f'<meta {key}="{name}" content="{html.escape(content)}">'


def title_of(context) -> str:
    """ "2. The linear autoencoder is PCA · Autoencoders, executed"."""
    own = html.unescape(re.sub(r"<[^>]+>", "", context.get("title") or ""))
    own = CHINESE.sub("", own).strip()
    return f"{own} · {NAME}" if own and own != NAME else f"{NAME}: {SUBTITLE}"


def fill_head(app, page, template, context, doctree):
    """Add title, description, card and icons to what goes into the page's head."""
    title, base = title_of(context), app.config.html_baseurl
    about = describe(doctree) if doctree else f"{title}: the page made from all others."
    at = context["pathto"]
    tags = [
        tag("description", about, "name"),
        tag("og:title", title.partition(" · ")[0]),
        tag("og:type", "website" if page.endswith("/index") else "article"),
        tag("og:site_name", NAME),
        tag("og:description", about),
        tag("twitter:card", "summary_large_image" if base else "summary", "name"),
        '<meta name="theme-color" content="#ffffff" media="(prefers-color-scheme: light)">',
        '<meta name="theme-color" content="#14181e" media="(prefers-color-scheme: dark)">',
        f'<link rel="icon" href="{at("_static/favicon.ico", 1)}" sizes="32x32">',
        f'<link rel="apple-touch-icon" href="{at("_static/apple-touch-icon.png", 1)}">',
    ]
    if base:
        tags += [
            tag("og:url", base + app.builder.get_target_uri(page)),
            tag("og:image", base + CARD),
            tag("og:image:width", "1200"),
            tag("og:image:height", "630"),
            tag("og:image:alt", CARD_ALT),
        ]
    if doctree is None:
        tags.append('<meta name="robots" content="noindex">')
    tags.append(tag("book:title", title, "name"))  # `lighten` makes it the page's title
    context["metatags"] = context.get("metatags", "") + "\n    " + "\n    ".join(tags)


# --- files beside the pages ----------------------------------------------------------------------


def write_site_files(app) -> None:
    """robots.txt; with a known address also sitemap.xml and 404.html."""
    out, base = Path(app.outdir), app.config.html_baseurl
    robots = "User-agent: *\nAllow: /\n"
    if base:
        robots += f"Sitemap: {base}sitemap.xml\n"
        pages = sorted(app.env.found_docs)
        places = [escape(base + app.builder.get_target_uri(page)) for page in pages]
        urls = "".join(f"<url><loc>{place}</loc></url>\n" for place in places)
        space = "http://www.sitemaps.org/schemas/sitemap/0.9"
        text = f'<urlset xmlns="{space}">\n{urls}</urlset>\n'
        head = '<?xml version="1.0" encoding="utf-8"?>\n'
        (out / "sitemap.xml").write_text(head + text, encoding="utf-8")
        page = NOT_FOUND.format(name=NAME, base=html.escape(base))
        (out / "404.html").write_text(page, encoding="utf-8")
    (out / "robots.txt").write_text(robots, encoding="utf-8")


def finish(app, error):
    """After a build without an error: the files beside the pages, then lighter pages."""
    if error is None and app.builder.format == "html":
        write_site_files(app)
        lighten(Path(app.outdir))


def setup(app):
    app.connect("config-inited", use_addresses)
    app.connect("html-page-context", fill_head, priority=900)
    app.connect("build-finished", finish, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
