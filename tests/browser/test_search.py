"""The search page, from a server and from the disk: Chinese, English, excerpts."""

from urllib.parse import quote

import pytest
import search_chinese
from chromium import HTML

# What the page shows: of each hit its address, its title, its excerpt and the marked words.
HITS = """() => [...document.querySelectorAll('ul.search > li')].map(hit => ({
  page: hit.querySelector('a').getAttribute('href'), title: hit.querySelector('a').textContent,
  described: Boolean(hit.querySelector(':scope > span:not(.highlighted)')),
  excerpt: hit.querySelector('.context')?.textContent ?? '',
  marked: [...hit.querySelectorAll('.highlighted')].map(word => word.textContent.toLowerCase()),
}))"""
FINISHED = "document.querySelector('.search-summary')?.textContent"


@pytest.fixture(params=["server", "disk"])
def search(request, browser):
    """search(query) -> hits. Fails the test for an error, or for anything fetched from a page."""
    book = request.getfixturevalue("server").origin if request.param == "server" else HTML.as_uri()
    request.getfixturevalue("built")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    errors, requests = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: said.type in ("error", "warning") and errors.append(said.text))
    page.on("request", lambda sent: requests.append(sent.url))

    def ask(query):
        page.goto(f"{book}/search.html?q={quote(query)}")
        page.wait_for_function(FINISHED)
        return page.evaluate(HITS)

    ask.page, ask.book = page, book
    yield ask
    asked = [url for url in requests if not url.startswith("data:")]
    page.close()
    assert not errors, errors
    assert not [url for url in asked if not url.startswith(book)]


def pages(hits):
    return [hit["page"].removeprefix("chapters/").partition(".html")[0] for hit in hits]


QUERIES = [
    ("去噪", ["09_denoising"]),
    ("下界", ["07_elbo", "06_vae"]),
    ("证据下界", ["07_elbo", "06_vae"]),
    ("重参数化", ["05_stochastic"]),
    ("自编码器", ["02_linear", "03_autoencoder"]),
    ("去噪自编码器", ["09_denoising"]),
    ("KL 散度", ["06_vae", "07_elbo"]),
    ("VAE训练", ["06_vae"]),
    ("straight-through", ["10_vqvae"]),
    ("reparameterisation", ["05_stochastic"]),
]


@pytest.mark.parametrize("query, expected", QUERIES)
def test_a_query_finds_its_chapter_and_shows_the_place(search, query, expected):
    hits = search(query)
    assert set(expected) <= set(pages(hits)[: len(expected) + 1]), pages(hits)
    words = search.page.evaluate("query => splitQuery(query.toLowerCase())", query)
    stems = search.page.evaluate("words => words.map(w => new Stemmer().stemWord(w))", words)
    for hit in hits:
        shown = (hit["title"] + hit["excerpt"]).lower()
        assert hit["described"] or hit["excerpt"], hit
        assert any(stem in shown for stem in stems), hit
        assert {word for word in words if word in shown} <= set(hit["marked"]), hit
    fetched = search.page.evaluate("performance.getEntriesByType('resource').map(r => r.name)")
    assert not [url for url in fetched if "/chapters/" in url]


def test_every_chinese_word_of_a_query_must_be_on_the_page(search):
    assert not search("量子纠缠")
    assert not search("噪去")
    assert not search("去自编噪器")  # each of its signs is in the book
    assert not search("autoencoder 量子")
    both, one = pages(search("VAE 训练")), pages(search("VAE"))
    assert both and set(both) < set(one)
    assert search("熵")  # one sign is a word, too


def test_english_words_need_all_be_on_the_page(search):
    assert not search("autoencoder zyzzyva")
    assert search("ENCODINGS")  # by its stem


def test_the_browser_splits_a_query_as_python_splits_the_text(search):
    text = "VAE训练: KL 散度, straight-through x_1 = 2β; naïve 去噪自编码器autoencoder (下界)"
    search("code")
    words = search.page.evaluate("text => splitQuery(text)", text)
    chinese = [word for word in words if search.page.evaluate("w => /[㐀-鿿]/.test(w)", word)]
    assert chinese == ["训练", "散度", "去噪自编码器", "下界"]
    english = search_chinese.BesideChinese({}).split(text)
    assert [word for word in words if word not in chinese] == english


def test_a_hit_leads_to_the_marked_word(search):
    search("去噪")
    search.page.click("ul.search a")
    search.page.wait_for_selector("article .highlighted", state="attached")
    assert "09_denoising" in search.page.url
    search.page.goto(f"{search.book}/chapters/07_elbo.html?highlight={quote('下界')}")
    search.page.wait_for_selector("article .highlighted", state="attached")
    marked = search.page.locator("article .highlighted").all_text_contents()
    assert set(marked) == {"下界"}


def test_without_a_query_no_texts_are_loaded(search):
    search.page.goto(f"{search.book}/search.html", wait_until="networkidle")
    loaded = search.page.evaluate("performance.getEntriesByType('resource').map(r => r.name)")
    assert not [url for url in loaded if "search-texts" in url]


def test_a_text_is_no_html_and_a_lost_one_no_error(browser, server):
    page = browser.new_page()
    text = '"去噪 <img src=x onerror=document.title=0> autoencoder"'
    script = f'BOOK_TEXTS = {{"chapters/09_denoising": {{"x": {text}}}}}'
    page.route("**/search-texts.js", lambda route: route.fulfill(body=script))
    page.goto(f"{server.origin}/search.html?q=autoencoder")
    page.wait_for_function(FINISHED)
    assert page.locator("ul.search > li").count() > 1 and page.locator("ul.search img").count() == 0
    assert "<img" in page.inner_text("ul.search .context")
    page.close()


@pytest.mark.parametrize("query", ["去噪", "reparameterisation"])
def test_on_a_phone_nothing_is_wider_than_the_screen(search, query):
    search.page.set_viewport_size({"width": 390, "height": 844})
    assert search(query)
    assert search.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
