/* Fetch MathJax after the first paint and typeset a few formulas at a time, those on the screen
   first: the page is there early and answers while it works. MathJax.startup.promise holds when
   all formulas are done. */
(() => {
  // Milliseconds of work between two chances for the reader (a printer asks for all at once).
  const SLICE = document.currentScript.dataset.slice ?? 5;
  const pause = () => new Promise(done => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;
    channel.port2.postMessage(0);
  });

  // From the section on the screen to the end of the page, then from its start.
  function inReadingOrder() {
    const formulas = [...document.querySelectorAll('.math')];
    const below = formulas.findIndex(formula => {
      const section = formula.closest('.bd-article > section > section');
      return section?.getBoundingClientRect().bottom > 0;
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
      speed = (speed + letters / (performance.now() - start)) / 2;
    }
    reachAll();
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

  // What scrolls sideways can be reached by keyboard: looked for in the sections that are laid
  // out, when one comes near and when all formulas are done.
  const SCROLLING = 'pre, .cell_output > .output, .pst-scrollable-table-container, .math';
  function reach(root) {
    for (const box of root.querySelectorAll(SCROLLING)) {
      if (!box.checkVisibility({contentVisibilityAuto: true})) continue;
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else box.removeAttribute('tabindex');
    }
  }
  let waiting;
  const reachAll = () => { clearTimeout(waiting); waiting = setTimeout(reach, 300, document); };
  addEventListener('resize', reachAll);
  document.addEventListener('contentvisibilityautostatechange', ({target, skipped}) => {
    if (!skipped) setTimeout(reach, 0, target);
  });

  const config = window.MathJax ??= {}, script = document.createElement('script');
  config.loader = {load: ['core', 'input/tex', 'output/chtml', 'a11y/assistive-mml']};
  config.options = {...config.options, renderActions: {metrics: [110, measure, '', false]}};
  config.startup = {};
  config.startup.promise = new Promise((done, failed) => {
    config.startup.pageReady = () => typesetAll().then(done, failed);
    script.onerror = failed;
  });
  script.src = document.currentScript.dataset.mathjax;
  requestAnimationFrame(() => setTimeout(() => document.head.append(script)));
})();
