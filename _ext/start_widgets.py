"""A Sphinx extension: brings the widgets that a page holds to life, without a kernel.

Into each page with widgets it writes one inline script, a style sheet and the still pictures that
stand there until a widget runs; beside the pages, one script per file of weights.
"""

import base64
import re
from pathlib import Path

from aecourse import widgets
from aecourse.widgets import base

PLACE = re.compile(r'<figure class="aecourse-widget" data-widget="(\w+)"[^>]*>')
STILLS = Path(__file__).resolve().parent.parent / "_assets" / "stills"
CLASSES = {kind.script: kind for kind in map(widgets.__dict__.get, widgets.__all__)}


def bring_to_life(app, pagename, templatename, context, doctree):
    """Add the scripts of the widgets on this page, and their still pictures."""
    names = list(dict.fromkeys(PLACE.findall(context.get("body", ""))))
    if not names:
        return
    static = "../" * pagename.count("/") + "_static"
    style = (base.FOLDER / "widget.css").read_text(encoding="utf-8")
    script = base.page_script(names, f"{static}/packs")
    body = PLACE.sub(lambda place: place.group(0) + still(place.group(1), static), context["body"])
    context["body"] = f'<style>{style}</style>{body}<script type="module">{script}</script>'


def still(name, static):
    """The picture that stands in a widget's place in print, or without JavaScript."""
    if not (STILLS / f"{name}.png").is_file():
        return ""
    alt = CLASSES[name].says.replace('"', "&quot;")
    return (f'<img class="keep-colours" src="{static}/stills/{name}.png" alt="{alt}" '
            'loading="lazy">')  # fmt: skip


def write_packs(app, exception):
    """Write each file of weights as a script that assigns to one global."""
    if exception or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / "packs"
    folder.mkdir(parents=True, exist_ok=True)
    for kind in CLASSES.values():
        for name, build in kind.packs().items():
            (folder / f"{name}.js").write_text(pack_script(name, build()), encoding="ascii")


def pack_script(name, content):
    """A file of weights as a script, which a page opened from the disk may load."""
    text = base64.b64encode(content).decode()
    return f'(globalThis.aecoursePacks ??= {{}})["{name}"] = "{text}";\n'


def setup(app):
    app.connect("html-page-context", bring_to_life)
    app.connect("build-finished", write_packs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
