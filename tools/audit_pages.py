"""Lighthouse on every page of the built book; the figures go to benchmarks/pages.json.

    python tools/audit_pages.py [word ...]     all pages, or those whose name contains a word

Needs `make book`, a Chromium, and Lighthouse (`npm install --global lighthouse`, or
LIGHTHOUSE=/path/to/it). The pages are served compressed, as a real host would, and Lighthouse
throttles as it does by default: a mid-range phone on slow 4G.
"""

import gzip
import json
import mimetypes
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "browser"))
import chromium  # noqa: E402  (the tests' own way of finding a browser)

HTML = Path(os.environ.get("BOOK_HTML", ROOT / "_build" / "html")).resolve()
RESULTS = ROOT / "benchmarks" / "pages.json"
GOALS = {"performance": 90, "accessibility": 100, "best-practices": 100, "seo": 100}
RUNS = 3  # of each page; the one in the middle counts, as a busy machine slows one or the other
TIMES = {"largest-contentful-paint": "largest paint, s", "total-blocking-time": "blocked, s"}


class Compressed(SimpleHTTPRequestHandler):
    """Sends text compressed and lets the browser keep what has a version in its address."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path /= "index.html"
        if not path.is_file():
            self.send_error(404)
            return
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        body = path.read_bytes()
        text = kind.startswith("text/") or "javascript" in kind or "svg" in kind or "json" in kind
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if text else kind)
        self.send_header("Cache-Control", "max-age=31536000")
        if text:
            body = gzip.compress(body, mtime=0)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def serve() -> str:
    """Serve the book on a free local port until this program ends; return its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Compressed, directory=str(HTML)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def lighthouse(program: str, browser: str, url: str) -> dict:
    """Lighthouse's report on one page."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.json"
        command = [program, url, "--quiet", "--output=json", f"--output-path={out}"]
        command += [f"--only-categories={','.join(GOALS)}"]
        command += ["--chrome-flags=--headless=new --no-sandbox --disable-gpu"]
        subprocess.run(command, check=True, env={**os.environ, "CHROME_PATH": browser})
        return json.loads(out.read_text(encoding="utf-8"))


def summary(report: dict) -> dict:
    """Scores from 0 to 100, times in seconds, and what was sent in kilobytes."""
    audits, scores = report["audits"], report["categories"]
    row = {name: round(100 * scores[name]["score"]) for name in GOALS}
    row |= {what: round(audits[key]["numericValue"] / 1000, 2) for key, what in TIMES.items()}
    row["layout shift"] = round(audits["cumulative-layout-shift"]["numericValue"], 3)
    row["sent, kB"] = round(audits["total-byte-weight"]["numericValue"] / 1000)
    return row


def failures(report: dict) -> list[str]:
    """The audits that cost points."""
    refs = [ref for kind in report["categories"].values() for ref in kind["auditRefs"]]
    audits = (report["audits"][name] for name in sorted({r["id"] for r in refs if r["weight"]}))
    return [a["id"] for a in audits if a["score"] is not None and a["score"] < 0.9]


def main(words: list[str]) -> int:
    """Audit, print, store; 1 if a page misses a goal."""
    program = os.environ.get("LIGHTHOUSE") or shutil.which("lighthouse")
    if not program:
        sys.exit("no Lighthouse: npm install --global lighthouse, or LIGHTHOUSE=/path/to/it")
    pages = sorted((HTML / "chapters").glob("*.html"))
    pages = [p for p in pages if not words or any(w in p.stem for w in words)]
    with sync_playwright() as playwright:
        browser = chromium.find(playwright)
    home, rows, missed = serve(), {}, 0
    for page in pages:
        url = f"{home}/chapters/{page.name}"
        reports = [lighthouse(program, browser, url) for _ in range(RUNS)]
        report = sorted(reports, key=lambda r: r["categories"]["performance"]["score"])[RUNS // 2]
        rows[page.stem] = row = summary(report)
        missed += any(row[name] < goal for name, goal in GOALS.items())
        print(page.stem, row, *failures(report), flush=True)
        version, agent = report["lighthouseVersion"], report["environment"]["hostUserAgent"]
    if not words:
        machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
        stored = {"machine": machine, "lighthouse": version, "browser": agent.split()[-2]}
        RESULTS.write_text(json.dumps(stored | {"pages": rows}, indent=1) + "\n", encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
