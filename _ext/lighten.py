"""A Sphinx extension: a page that a phone on a slow network need not wait for.

The theme sends 13 style sheets with rules for everything that a page might hold, and scripts
before the text. Here the pages share one style sheet with the rules and icons in use, scripts wait
for the text, and pictures for the reader. `templates/layout.html` leaves out the theme's icon
code and search index, and `typeset.js` lets MathJax wait.
"""

import re
from itertools import groupby
from pathlib import Path

import tinycss2
from docutils import nodes
from fontTools import subset
from PIL import Image
from sphinx.builders.html._assets import _JavaScript as JavaScript
from sphinx.writers.html5 import HTML5Translator

THEME = ["_static/basic.css", "_static/styles/theme.css", "_static/styles/pydata-sphinx-theme.css"]
ICONS = "vendor/fontawesome/webfonts/fa-solid-900"


def visit_image(self, node):
    """A picture comes when it is near, into a place of its size, so that nothing jumps."""
    path = Path(self.builder.srcdir, node["uri"])
    HTML5Translator.visit_image(self, node)
    if path.suffix == ".png" and path.is_file():
        with Image.open(path) as picture:
            width, height = picture.size
        more = f'<img width="{width}" height="{height}" loading="lazy" decoding="async" '
        self.body[-1] = self.body[-1].replace("<img ", more, 1)


def later(script: JavaScript, out: Path) -> JavaScript:
    """A script that runs after the text; the options that inline scripts need go inline, too."""
    name, options = str(script.filename), script.attributes | {"priority": script.priority}
    if name.endswith("documentation_options.js"):
        return JavaScript("", **options, body=(out / name).read_text(encoding="utf-8"))
    return JavaScript(name, **options | {"defer": "defer"}) if name.endswith(".js") else script


def lighten_head(app, page, template, context, doctree):
    """No script before the text, but on the search page, whose scripts expect one another."""
    app.style_sheets = [sheet.filename for sheet in context["css_files"]]  # the same on all pages
    scripts = context["script_files"]
    context["formulas"] = any(script.filename == "_static/typeset.js" for script in scripts)
    if page != "search":
        context["script_files"] = [later(script, Path(app.outdir)) for script in scripts]


# --- one style sheet -----------------------------------------------------------------------------


def named(selector: list) -> set[str]:
    """The classes and ids that an element must have; what stands inside :not() is left out."""
    pairs = zip([None, *selector], selector)
    return {t.value for dot, t in pairs if t.type == "hash" or t.type == "ident" and dot == "."}


def trim(css, used: set[str]) -> str:
    """The rules that can apply: each class and id that they name is in use."""
    kept = []
    for rule in tinycss2.parse_rule_list(css, skip_comments=True, skip_whitespace=True):
        if rule.type == "at-rule":
            head = f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}"
        else:
            parts = (list(part) for _, part in groupby(rule.prelude, lambda token: token == ","))
            alternatives = [part for part in parts if part[0] != "," and named(part) <= used]
            head = ",".join(map(tinycss2.serialize, alternatives))
        grouped = rule.type == "at-rule" and rule.at_keyword in ("media", "supports")
        body = trim(rule.content, used) if grouped else tinycss2.serialize(rule.content or [])
        if head and body.strip():
            kept.append(f"{head}{{{body}}}")
    return "\n".join(kept)


def write_sheet(app, error):
    """All style sheets of the pages as one, when the pages are there to say what they use."""
    if error or app.builder.name != "html":
        return
    out, static = Path(app.outdir), Path(app.outdir, "_static")
    files = map(out.joinpath, THEME + app.style_sheets)
    css = "\n".join(file.read_text(encoding="utf-8") for file in files)
    users = [*out.rglob("*.html"), *static.glob("*.js"), *static.glob("scripts/*.js")]
    texts = [path.read_text(encoding="utf-8") for path in users if path.stem != "fontawesome"]
    used = {word for text in texts for word in re.findall(r"[A-Za-z_][\w-]*", text)}
    sheet, icons = static / "styles/book.css", static / "styles/icons.woff"
    css = trim(css, used).replace(f'../{ICONS}.woff2) format("woff2")', f"{icons.name})")
    sheet.write_text(css, encoding="utf-8")
    subset.main([f"{static / ICONS}.ttf", f"--text-file={sheet}", "--flavor=woff",
                 f"--output-file={icons}"])  # fmt: skip


def setup(app):
    app.config.mathjax_path = "typeset.js"
    app.add_node(nodes.image, override=True, html=(visit_image, HTML5Translator.depart_image))
    app.connect("html-page-context", lighten_head, priority=900)
    app.connect("build-finished", write_sheet, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
