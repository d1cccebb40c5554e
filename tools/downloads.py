"""Put the downloads beside the built book and link them on its first page: `make offline`.

The zip is the built book itself (unpack it, open index.html); the PDF is linked if `make pdf` has
made one. A link is written only for a file that is there.
"""

import os
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HTML = Path(os.environ.get("BOOK_HTML", ROOT / "_build" / "html")).resolve()
NAME = "autoencoders"
KINDS = {"pdf": "the whole book as a PDF", "zip": "these pages as a zip"}
LINKS = re.compile(r'\n<p class="downloads">.*?</p>')
HEADING = re.compile(r'<section id="take-it-with-you">\s*<h2>.*?</h2>', re.S)


def link(page: str, files: list[Path]) -> str:
    """The first page with a line of links below its heading "Take it with you"."""
    items = [
        f'<a href="../{path.name}" download>{KINDS[path.suffix[1:]]}</a>'
        f" ({path.stat().st_size / 1e6:.0f} MB)"
        for path in files
    ]
    line = f'\n<p class="downloads">Download {" or ".join(items)}.</p>'
    page, found = HEADING.subn(lambda heading: heading[0] + line, LINKS.sub("", page))
    if found != 1:
        raise ValueError('the first page must have one heading "Take it with you"')
    return page


def main() -> None:
    """Zip, copy, link."""
    first = HTML / "chapters" / "index.html"
    for kind in KINDS:
        (HTML / f"{NAME}.{kind}").unlink(missing_ok=True)  # a zip does not hold an older one
    first.write_text(LINKS.sub("", first.read_text(encoding="utf-8")), encoding="utf-8")
    archive = Path(shutil.make_archive(str(HTML.parent / NAME), "zip", HTML))
    files = [path for path in (archive.with_suffix(".pdf"), archive) if path.is_file()]
    for path in files:
        shutil.copy(path, HTML / path.name)
    first.write_text(link(first.read_text(encoding="utf-8"), files), encoding="utf-8")
    for path in files:
        print(f"{path.relative_to(HTML.parent)}: {path.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
