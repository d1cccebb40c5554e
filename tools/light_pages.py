"""Make the built pages light: what a phone on a slow network would wait for and never use.

The theme sends 11 style sheets, 1.5 MB of icon code for a dozen icons, a search index that only
the search page reads, and all pictures at once. `lighten` puts the style sheets into one, keeps
the icons in use, lets scripts wait for the text and pictures for the reader. No page looks or
works differently; the browser tests see to that.
"""

import base64
import hashlib
import html
import io
import re
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from PIL import Image

STYLE = re.compile(r'[ \t]*<link\b[^>]*\bhref="([^"?]+\.css)[^"]*"[^>]*>\n?')
SCRIPT = re.compile(r'<script\b([^>]*)\bsrc="([^"?]+)([^"]*)"([^>]*)></script>')
PICTURE = re.compile(r"<img\b[^>]*>")
ICON_FONT = re.compile(r"@font-face\{[^}]*fontawesome[^}]*\}")
LANDMARK = '<div role="region" aria-label="Book" id="pst-primary-sidebar"'
NOT_HERE = ("fontawesome.js", "searchtools.js", "language_data.js", "searchindex.js")


def words_in_use(texts: list[str]) -> set[str]:
    """Every word of the pages and their scripts: a class that is not among them is on no page."""
    return {word for text in texts for word in re.findall(r"[A-Za-z_][\w-]*", text)}


def rules(css: str):
    """(selector, body) of each rule; the body of @media and the like is CSS again."""
    depth, begin, opened, quote = 0, 0, 0, ""
    for i, letter in enumerate(css):
        if quote:
            quote = "" if letter == quote and css[i - 1] != "\\" else quote
        elif letter in "\"'":
            quote = letter
        elif letter == "{":
            depth += 1
            opened = i if depth == 1 else opened
        elif letter == "}":
            depth -= 1
            if depth == 0:
                yield css[begin:opened].strip(), css[opened + 1 : i]
                begin = i + 1
        elif letter == ";" and depth == 0:  # @import, @charset
            begin = i + 1


def trim(css: str, used: set[str]) -> str:
    """Only the rules that can apply: each class and id that they name is in use."""
    kept = []
    for selector, body in rules(css):
        if selector.startswith(("@media", "@supports", "@layer")):
            body = trim(body, used)
        elif not selector.startswith("@"):
            alternatives = re.split(r",(?![^(]*\))", selector)
            plain = [re.sub(r":(?:not|is|where)\([^)]*\)|\[[^]]*\]", "", a) for a in alternatives]
            named = [set(re.findall(r"[.#]([A-Za-z_][\w-]*)", a)) for a in plain]
            selector = ",".join(a for a, names in zip(alternatives, named) if names <= used)
        if selector and body.strip():
            kept.append(f"{selector}{{{body}}}")
    return "\n".join(kept)


def icon_font(css: str, path: Path) -> str:
    """The theme's icon font with the characters that `css` still uses, as part of the CSS."""
    points = {int(code, 16) for code in re.findall(r'content:"\\(f[0-9a-f]{3})"', css)}
    font = TTFont(path)
    cutter = subset.Subsetter(subset.Options(layout_features=[], notdef_outline=False))
    cutter.populate(unicodes=points)
    cutter.subset(font)
    font.flavor, out = "woff", io.BytesIO()
    font.save(out, reorderTables=False)
    data = base64.b64encode(out.getvalue()).decode()
    return (
        '@font-face{font-family:"Font Awesome 6 Free";font-style:normal;font-weight:900;'
        f'font-display:block;src:url("data:font/woff;base64,{data}") format("woff")}}'
    )


def bundle(static: Path, hrefs: list[str], used: set[str]) -> str:
    """Write these style sheets as one; return its path below the book's root."""
    parts = []
    for href in hrefs:
        css = (static / href).read_text(encoding="utf-8")
        for other in re.findall(r"@import\s+(?:url\()?[\"']?([^\"')]+)", css):
            parts.append(re.sub(r"/\*.*?\*/", "", (static / href).parent.joinpath(other)
                                .read_text(encoding="utf-8"), flags=re.S))  # fmt: skip
        css = re.sub(r"/\*.*?\*/", "", css, flags=re.S)
        up = Path(href).parent.as_posix()
        parts.append(re.sub(r"url\((?!['\"]?(?:data:|#|/))(['\"]?)", rf"url(\g<1>{up}/", css))
    text = ICON_FONT.sub("", trim("\n".join(parts), used))
    text += icon_font(text, static / "vendor/fontawesome/webfonts/fa-solid-900.ttf")
    text = re.sub(r"\s*\n\s*", "\n", text)
    name = f"book-{hashlib.sha256(text.encode()).hexdigest()[:12]}.css"
    (static / name).write_text(text, encoding="utf-8")
    return f"_static/{name}"


def one_style_sheet(page: str, root: str, static: Path, used: set[str], made: dict) -> str:
    """Replace the links to style sheets by one link to all of them."""
    hrefs = [href.partition("_static/")[2] for href in STYLE.findall(page)]
    key = tuple(hrefs)
    if not key:
        return page
    if key not in made:
        made[key] = bundle(static, hrefs, used)
    first = True

    def put(_):
        nonlocal first
        link = f'  <link rel="stylesheet" href="{root}{made[key]}">\n' if first else ""
        first = False
        return link

    return STYLE.sub(put, page)


def later_scripts(page: str, static: Path) -> str:
    """Scripts of the head wait for the text; those that only the search page uses stay there."""
    head, end, body = page.partition("</head>")
    searching = "Search.setIndex" in page or 'id="search-results"' in body

    def put(script):
        before, src, version, after = script.groups()
        name = src.rpartition("/")[2]
        if name == "documentation_options.js":  # tiny, and inline scripts rely on it
            return f"<script>{(static / name).read_text(encoding='utf-8').strip()}</script>"
        if name == "tex-chtml.js":
            return mathjax(src.removesuffix(name))
        if name == "fontawesome.js" or (name in NOT_HERE and not searching):
            return ""
        if "defer" in before + after or "module" in before + after or searching:
            return script[0]
        return f'<script defer{before} src="{src}{version}"{after}></script>'

    head = re.sub(r'<link rel="preload" as="script"[^>]*>\n?', "", head)
    return SCRIPT.sub(put, head) + end + body


def mathjax(folder: str) -> str:
    """MathJax comes after the first paint (`typeset.js`), and without its menu and speech."""
    own = folder.removesuffix("mathjax/") + "typeset.js"
    return f'<script defer src="{own}" data-mathjax="{folder}startup.js"></script>'


def patient_pictures(page: str, folder: Path, sizes: dict) -> str:
    """Give every picture its size, so that nothing jumps, and load it when it comes near."""

    def put(found):
        img = found[0]
        source = re.search(r'\bsrc="([^":]+\.(?:png|jpe?g|gif|webp))"', img)
        path = source and (folder / html.unescape(source[1])).resolve()
        if not path or not path.is_file() or re.search(r'\s(?:width|height)="', img):
            return img
        if path not in sizes:
            with Image.open(path) as picture:
                sizes[path] = picture.size
        width, height = sizes[path]
        wish = re.search(r"\bwidth: *(\d+)px", img)
        if wish:
            width, height = int(wish[1]), round(int(wish[1]) * height / width)
        more = f' width="{width}" height="{height}"'
        more += "" if " loading=" in img else ' loading="lazy" decoding="async"'
        return img.replace("<img", f"<img{more}", 1)

    return PICTURE.sub(put, page)


def patient_theme(script: Path) -> None:
    """The theme looks for boxes that scroll: only in sections that are laid out anyway."""
    text = script.read_text(encoding="utf-8")
    hasty = ".forEach(e=>{"
    patient = hasty + "if(e.checkVisibility({contentVisibilityAuto:!0}))"
    text = text.replace(hasty + "e.tabIndex=", patient + "e.tabIndex=")
    script.write_text(text, encoding="utf-8")


def lighten(out: Path) -> None:
    """Rewrite every page below `out`, a folder that Sphinx has just built."""
    static = out / "_static"
    found = (p for p in sorted(out.rglob("*.html")) if static not in p.parents)
    pages = {p: p.read_text(encoding="utf-8") for p in found}
    pages = {p: text for p, text in pages.items() if "_static/styles/" in text}
    scripts = [p for p in static.rglob("*.js") if "mathjax" not in p.parts]
    scripts = [p.read_text(encoding="utf-8") for p in scripts if p.name not in NOT_HERE[:1]]
    used = words_in_use([*pages.values(), *scripts])
    patient_theme(static / "scripts" / "pydata-sphinx-theme.js")
    made: dict[tuple, str] = {}
    sizes: dict[Path, tuple] = {}
    for path, page in pages.items():
        root = re.search(r'data-content_root="([^"]*)"', page)[1]
        title = re.search(r'<meta name="book:title" content="([^"]*)">', page)
        if title:
            page = page.replace(title[0], "")
            page = re.sub(r"<title>.*?</title>", f"<title>{title[1]}</title>", page, flags=re.S)
        first, viewport, rest = page.partition('<meta name="viewport"')  # the theme says it thrice
        page = first + viewport + re.sub(r'\s*<meta name="viewport"[^>]*>', "", rest)
        page = one_style_sheet(page, root, static, used, made)
        if "tex-chtml.js" in page:  # `typeset.js` will be there to look after hidden sections
            page = page.replace("<html ", '<html data-formulas="" ', 1)
        page = later_scripts(page, static)
        page = page.replace('<div id="pst-primary-sidebar"', LANDMARK, 1)
        page = page.replace('<th class="head"><p></p></th>', "<td></td>")  # it heads nothing
        page = page.replace(' role="doc-biblioentry"', "")  # which a list item may have, no div
        page = page.replace(' role="list" class="citation-list"', ' class="citation-list"')
        page = patient_pictures(page, path.parent, sizes)
        path.write_text(page, encoding="utf-8")
