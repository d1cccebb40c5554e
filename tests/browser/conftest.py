"""What all browser tests share: the built book, served on a local port, and one browser."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from chromium import HTML, launch, missing
from living import DESK, PHONE, Desks, patient


class Server(ThreadingHTTPServer):
    """The book's folder on a free local port; remembers what it could not find."""

    def __init__(self):
        self.not_found: list[str] = []
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(HTML)))
        self.origin = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def send_error(self, code, *args, **kwargs):
        self.server.not_found.append(f"{code} {self.path}")
        super().send_error(code, *args, **kwargs)


@pytest.fixture(scope="session")
def built():
    if not (HTML / "index.html").exists():
        missing("the book is not built: run `make book` first")


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        try:
            started = launch(playwright)
        except FileNotFoundError as error:
            missing(str(error))
        yield started
        started.close()


@pytest.fixture(scope="session")
def server(built):
    running = Server()
    yield running
    running.shutdown()


@pytest.fixture
def tab(browser):
    """A fresh page at desktop size; a script's error fails the test that caused it."""
    page = patient(browser.new_page(**DESK))
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert not errors, errors


@pytest.fixture(scope="module")
def desks(browser, server):
    shared = Desks(browser, server.origin)
    yield shared
    shared.close()


@pytest.fixture
def desk(desks):
    """desk(script): a widget that has just started, at desktop size."""
    desks.errors.clear()
    yield partial(desks.open, settings=DESK)
    assert not desks.errors, desks.errors


@pytest.fixture
def phone(desks):
    """phone(script): a widget that has just started, on a narrow touch screen which it must fit."""
    opened = []

    def start(script):
        opened.append(desks.open(script, settings=PHONE))
        return opened[-1]

    desks.errors.clear()
    yield start
    assert not desks.errors, desks.errors
    assert all(living.fits() for living in opened), "it scrolls sideways"
