/* Fetch MathJax after the first paint and typeset a few formulas at a time, those on the screen
   first: the page is there early and answers while it works. MathJax.startup.promise holds when
   all formulas are done. */
(() => {
  // Milliseconds of work between two chances for the reader (a printer asks for all at once).
  const SLICE = document.currentScript.dataset.slice ?? 5;
  const BLOCKS = '.bd-article > section > *';  // mostly sections
  const pause = () => new Promise(done => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;
    channel.port2.postMessage(0);
  });

  // From the block on the screen to the end of the page, then from its start.
  function inReadingOrder() {
    const formulas = [...document.querySelectorAll('.math')];
    const below = formulas.findIndex(formula => {
      const block = formula.closest(BLOCKS);
      return block?.getBoundingClientRect().bottom > 0;
    });
    return [...formulas.slice(Math.max(0, below)), ...formulas.slice(0, Math.max(0, below))];
  }

  async function typesetAll() {
    const formulas = inReadingOrder(), page = MathJax.startup.document;
    let speed = 20;  // letters of TeX per millisecond, a cautious first guess
    while (formulas.length) {
      await pause();
      const start = performance.now(), batch = [];
      let letters = 0;
      do letters += 20 + formulas[0].textContent.length, batch.push(formulas.shift());
      while (formulas.length && letters + formulas[0].textContent.length < SLICE * speed);
      page.clear();  // forget the formulas that are done
      await MathJax.typesetPromise(batch);
      batch.at(-1).getBoundingClientRect();  // lay its block out, too
      speed = (speed + letters / (performance.now() - start)) / 2;
    }
    await settle();
  }

  // MathJax measures the font around every formula, and each time the whole page is laid out.
  // The book has one text font, so once is enough: sizes are relative to the text anyway.
  let measured;
  function measure(page) {
    if (!measured) {
      page.getMetrics();
      measured = [...page.math][0]?.metrics;
      return;
    }
    const {em, ex, containerWidth, lineWidth, scale} = measured;
    for (const formula of page.math) {
      formula.setMetrics(em, ex, containerWidth, lineWidth, scale);
      formula.state(110);
    }
  }

  // Lay out one block after the other, also those far from the screen, and let wide formulas be
  // reached by keyboard. Whoever asks for the layout of the whole page next, as the theme does to
  // let code and tables be reached, has it at once, and the reader never waits for all of it.
  async function settle() {
    for (const block of document.querySelectorAll(BLOCKS)) {
      await pause();
      block.lastElementChild?.getBoundingClientRect();
      const formulas = [...block.querySelectorAll('div.math')];
      const wide = formulas.map(box => box.scrollWidth > box.clientWidth + 1);
      formulas.forEach((box, i) => box.tabIndex = wide[i] ? 0 : -1);
    }
  }
  let waiting;
  addEventListener('resize', () => {
    clearTimeout(waiting);
    waiting = setTimeout(settle, 200);
  });
  // What a box hid until it was opened may be wide, too: the theme looks when the size changes.
  addEventListener('toggle', () => dispatchEvent(new Event('resize')), true);

  // The theme looks at the page when all is loaded; after that, formulas may change it.
  const loaded = new Promise(done => addEventListener('load', done));
  const ready = Promise.all([new Promise(requestAnimationFrame).then(settle), loaded]);
  const config = window.MathJax ??= {}, script = document.createElement('script');
  config.chtml = {...config.chtml, adaptiveCSS: false};  // it would restyle all with each formula
  config.loader = {load: ['core', 'input/tex', 'output/chtml', 'a11y/assistive-mml']};
  config.options = {...config.options, renderActions: {metrics: [110, measure, '', false]}};
  config.startup = {};
  config.startup.promise = new Promise((done, failed) => {
    config.startup.pageReady = () => ready.then(typesetAll).then(done, failed);
    script.onerror = failed;
  });
  script.src = new URL('mathjax/startup.js', document.currentScript.src);
  document.head.append(script);
})();
