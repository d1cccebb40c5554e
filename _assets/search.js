/* The search page, on top of Sphinx's searchtools.js. English is looked up in Sphinx's index,
   Chinese in the texts of the pages: a page is found if it holds every word of both. The excerpts
   are cut from the same texts, so no page is fetched. See _ext/search_chinese.py. */
(() => {
  const CHINESE = /[㐀-鿿]+/g;
  const isChinese = word => word.search(CHINESE) === 0;  // `splitQuery` sees to the rest of it
  const split = splitQuery;
  splitQuery = query => split(query.replace(CHINESE, ' $& '));

  // BOOK_TEXTS: {page: {section's id: text}}. A place without a section has the page's text.
  window.BOOK_TEXTS = {};
  const textOf = (page, anchor = '') => BOOK_TEXTS[page]?.[anchor.slice(1)]
    ?? Object.values(BOOK_TEXTS[page] ?? {}).join(' ');

  const lookUp = Search.performTermsSearch;
  Search.performTermsSearch = (terms, excluded) => {
    const chinese = [...terms].filter(isChinese);
    if (!chinese.length) return lookUp(terms, excluded);
    const others = new Set([...terms].filter(word => !isChinese(word)));
    const {docnames, titles, filenames} = Search._index;
    const pages = others.size ? lookUp(others, excluded)
      : docnames.map((page, i) => [page, titles[i], '', null, 0, filenames[i]]);
    return pages.filter(([page]) => chinese.every(word => textOf(page).includes(word)))
      .map(([page, title, anchor, about, score, file]) => {
        const best = chinese.some(word => title.includes(word)) ? Scorer.title : Scorer.term;
        return [page, title, anchor, about, Math.max(score, best), file];
      });
  };

  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;  // Sphinx's own, for which it fetches
  Search.htmlToText = textOf;

  function answer(query) {
    const parsed = Search._parseQuery(query), [, terms, , words] = parsed;
    const found = Search._performSearch(...parsed), count = found.length;
    while (found.length) {  // the best is the last
      const hit = found.pop(), [page, , anchor, about] = hit;
      _displayItem(hit, terms, words);
      if (about) continue;
      const item = Search.output.lastChild;
      const wanted = [...terms, ...words, query.trim()];  // the last one in the text is shown
      const excerpt = Search.makeSearchSummary(page, wanted, anchor);
      if (excerpt) item.append(excerpt);
      words.forEach(word => _highlightText(item, word, 'highlighted'));
    }
    _finishSearch(count);
  }

  Search.query = query => {
    const script = document.createElement('script');
    script.src = `${document.documentElement.dataset.content_root}_static/search-texts.js`;
    script.onload = script.onerror = () => answer(query);
    document.head.append(script);
  };
})();
