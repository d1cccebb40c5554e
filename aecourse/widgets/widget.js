// A widget from its first drawing to its last. The same code runs in live Jupyter, where `model` is
// an anywidget's, and in a page without a kernel, where it is a Model.

import { button, h, problem } from "./controls.js";
import { forgetColours } from "./pictures.js";

// A view is `async (model, root) => ({draw, describe, probe})`: it fills `root` with controls
// that set traits, and returns how to draw the state (called at most once a frame), how to say it
// in one sentence, and for tests and the curious the numbers {inputs, outputs} behind the picture.
// A third argument, `redraw()`, is for what arrives later. If `draw` returns true it is called
// again in the next frame: for work that takes several. What must be heard at once, the view says
// itself; then `live: "off"` keeps the sentence, which a screen reader hears otherwise, silent.
export const widget = (view) => ({
  async render({ model, el }) {
    const root = h("div", { className: "ae-widget" });
    const caption = el.querySelector("figcaption") ?? h("figcaption", {}, model.get("_says"));
    el.replaceChildren(root, caption);
    root.addEventListener("focusin", ({ target }) => { // or JupyterLab would take the arrow keys
      target.setAttribute("data-lm-suppress-shortcuts", "");
    });
    let stop = () => {};
    const fail = (error) => {
      console.error(error);
      stop();
      root.replaceChildren(problem(`${error.message} The rest of the page works without it.`),
        button("Try again", attempt));
    };
    async function attempt() {
      root.replaceChildren(h("p", { className: "ae-wait" }, "Loading…"));
      try {
        const body = h("div");
        const shown = await view(model, body, () => root.aecourse?.redraw());
        stop = start(model, root, body, shown, fail);
        el.aecourse = root.aecourse;
      } catch (error) { fail(error); }
    }
    await attempt();
    return () => stop();
  },
});

function start(model, root, body, { draw, describe, probe, live = "polite" }, fail) {
  const said = h("p", { className: "ae-said", "aria-live": live });
  root.replaceChildren(body, said);
  let frame = 0, silence = 0;
  const say = () => {
    const text = describe();
    if (said.textContent !== text) said.textContent = text; // or it would be read out again
  };
  const sayLater = () => { // a screen reader hears the state once it rests
    clearTimeout(silence);
    silence = setTimeout(say, 400);
  };
  const now = () => {
    const before = performance.now();
    cancelAnimationFrame(frame);
    frame = 0;
    if (draw() === true) soon();
    else sayLater();
    performance.measure("aecourse-draw", { start: before });
  };
  const redraw = () => { try { now(); } catch (error) { fail(error); } };
  const soon = () => { frame ||= requestAnimationFrame(redraw); };
  const changed = () => { // work that takes many frames is not at rest, but soon says what it does
    sayLater();
    soon();
  };
  now();
  say();
  model.on("change", changed);
  const watch = new ResizeObserver(soon), theme = new MutationObserver(() => {
    forgetColours();
    soon();
  });
  watch.observe(root);
  theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  theme.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
  root.aecourse = { model, probe, describe, redraw };
  return () => {
    cancelAnimationFrame(frame);
    clearTimeout(silence);
    model.off("change", changed);
    watch.disconnect();
    theme.disconnect();
  };
}

// --- in a page without a kernel ------------------------------------------------------------------

// What a page without a kernel has in place of an anywidget's model.
export class Model {
  constructor(state) { this.state = state; this.listeners = new Map(); }
  get(name) { return this.state[name]; }
  set(name, value) {
    if (Object.is(this.state[name], value)) return;
    this.state[name] = value;
    for (const event of [`change:${name}`, "change"])
      this.listeners.get(event)?.forEach((f) => f());
  }
  on(event, listener) {
    if (!this.listeners.has(event)) this.listeners.set(event, new Set());
    this.listeners.get(event).add(listener);
  }
  off(event, listener) { this.listeners.get(event)?.delete(listener); }
  save_changes() {}
}

// In a page without a kernel: give every place marked for a widget its widget, once it is near.
export function boot(views, folder) {
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target: el } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(el);
      const state = { ...JSON.parse(el.dataset.state), _folder: folder };
      views[el.dataset.widget].render({ model: new Model(state), el });
    }
  }, { rootMargin: "200px" });
  document.querySelectorAll(".aecourse-widget[data-state]").forEach((el) => near.observe(el));
}
