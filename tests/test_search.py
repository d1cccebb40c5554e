"""What the search extension writes for the search page; the page itself is in tests/browser."""

import json
from types import SimpleNamespace

import pytest
import search_chinese
from sphinx.search.en import SearchEnglish

PAGE = """<nav>menu</nav><article>
  <section id="a"><h1>1. Codes (编码)<a class="headerlink">#</a></h1>
  <p>First
  words.</p><span id="b"></span>
  <details class="admonition hide above-input"><summary>Show</summary><pre>x = 1</pre></details>
  <details><summary>A hint</summary> for you</details>
  <section id="c"><h2>Inside &lt;b&gt;</h2><script>const hidden = 1</script>
    <section id="d"><h3>Deep</h3></section></section>
  <style>p { color: red }</style><p>Last words.</p></section></article>"""
TEXTS = {"a": "1. Codes (编码) First words. x = 1 A hint for you Last words.",
         "c": "Inside <b>", "d": "Deep"}  # fmt: skip


@pytest.fixture
def language():
    return search_chinese.BesideChinese({})


def test_the_index_gets_every_word_that_is_not_chinese(language):
    words = language.split("VAE训练 and KL 散度(去噪), x_1 = 2β")
    assert words == ["VAE", "and", "KL", "x_1", "2β"]


def test_english_is_split_and_stemmed_as_by_sphinx(language):
    english = SearchEnglish({})
    text = "The autoencoder's straight-through gradients; naïve Fréchet distances in R², 3.5 nats"
    assert language.split(text) == english.split(text)
    assert list(map(language.stem, text.split())) == list(map(english.stem, text.split()))
    assert language.stopwords == english.stopwords
    assert language.js_stemmer_code == english.js_stemmer_code


def test_a_section_has_its_own_text_only():
    texts = search_chinese.texts_of(PAGE)
    assert texts == TEXTS and list(texts) == ["a", "c", "d"]


def test_one_script_holds_the_texts_of_all_pages(tmp_path):
    (tmp_path / "_static").mkdir()
    (tmp_path / "page.html").write_text(PAGE, encoding="utf-8")
    builder = SimpleNamespace(name="html", get_outfilename=lambda page: tmp_path / f"{page}.html")
    env = SimpleNamespace(found_docs={"page"})
    app = SimpleNamespace(builder=builder, env=env, outdir=tmp_path)
    search_chinese.write_texts(app, ValueError("the build has failed"))
    assert not (tmp_path / search_chinese.TEXTS).exists()
    search_chinese.write_texts(app, None)
    script = (tmp_path / search_chinese.TEXTS).read_text(encoding="utf-8")
    assert json.loads(script.removeprefix("BOOK_TEXTS = ").rstrip(";\n")) == {"page": TEXTS}
