// What every widget stands on: state, weights, controls, pictures. The same code runs in live
// Jupyter, where `model` is an anywidget's, and in a page without a kernel, where it is a Model.

import { readPack } from "./network.js";

// What a page without a kernel has in place of an anywidget's model.
export class Model {
  constructor(state) { this.state = state; this.listeners = new Map(); }
  get(name) { return this.state[name]; }
  set(name, value) {
    if (Object.is(this.state[name], value)) return;
    this.state[name] = value;
    for (const event of [`change:${name}`, "change"]) this.listeners.get(event)?.forEach((f) => f());
  }
  on(event, listener) {
    if (!this.listeners.has(event)) this.listeners.set(event, new Set());
    this.listeners.get(event).add(listener);
  }
  off(event, listener) { this.listeners.get(event)?.delete(listener); }
  save_changes() {}
}

// Set several traits and tell Python.
export function update(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

// --- weights -------------------------------------------------------------------------------------

// The pack called `name`: sent by Python, or a script beside the page that is added when needed.
// (A script, because pages opened from the disk may not fetch.)
export async function loadPack(model, name) {
  const sent = model.get("_packs")?.[name];
  if (sent) return readPack(sent);
  const packs = globalThis.aecoursePacks ??= {};
  if (!packs[name]) await addScript(`${model.get("_folder")}/${name}.js`);
  if (!packs[name]) throw new Error(`The weights file ${name}.js holds no weights.`);
  return readPack(bytesOf(packs[name]));
}

// Base64 as bytes. (Uint8Array.from with a function would take ten times as long as the loop.)
function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

function addScript(src) {
  return new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src, onload: resolve });
    script.onerror = () => {
      script.remove();
      reject(new Error(`The weights file ${src.split("/").pop()} did not load.`));
    };
    document.head.append(script);
  });
}

// The packs of a sweep, each loaded when it is first asked for. `get(name)` is undefined while the
// pack is on its way; `note` says so, or that it failed; `redraw` is called when that changes.
export function packsOnDemand(model, redraw) {
  const packs = {}, errors = {}, asked = {}, note = h("div");
  const load = (name) => asked[name] ??= loadPack(model, name).then(
    (pack) => { packs[name] = pack; }, (error) => { errors[name] = error; }).then(redraw);
  const again = (name) => button("Try again", () => {
    delete errors[name];
    delete asked[name];
    redraw();
  });
  const get = (name) => {
    if (packs[name]) note.replaceChildren();
    else if (errors[name])
      note.replaceChildren(problem(errors[name].message), again(name));
    else {
      note.replaceChildren("Loading…");
      load(name);
    }
    return packs[name];
  };
  return { get, note, load: async (name) => {
    await load(name);
    if (errors[name]) throw errors[name];
    return packs[name];
  } };
}

// --- building the page ---------------------------------------------------------------------------

// h("label", {className: "x", onclick: f}, "text", child)
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role" || key === "for") element.setAttribute(key, value);
    else if (key === "style") element.style.cssText = value;
    else element[key] = value;
  }
  element.append(...children);
  return element;
}

// Counted on the page, not here: in a notebook each widget comes with a copy of this module.
const newId = (what) =>
  `aecourse-${what}-${globalThis.aecourseIds = (globalThis.aecourseIds ?? 0) + 1}`;
export const row = (...children) => h("div", { className: "ae-row" }, ...children);
export const button = (label, onclick) => h("button", { type: "button", onclick }, label);
const problem = (text) => h("p", { role: "alert", className: "ae-error" }, text);

// A labelled range input bound to a number trait, or to `index` of a list trait, or to a trait
// with one of the values in `stops`.
export function slider(model, trait,
  { label, stops, min = 0, max = stops?.length - 1, step = stops ? 1 : 0.01, index,
    format = (v) => v }) {
  const id = newId("slider"), shown = h("span", { className: "ae-value", "aria-hidden": "true" });
  const input = h("input", { type: "range", id, min, max, step });
  const read = () => index === undefined ? model.get(trait) : model.get(trait)[index];
  const show = () => {
    input.value = stops ? stops.indexOf(read()) : read();
    shown.textContent = format(read());
    input.setAttribute("aria-valuetext", shown.textContent);
  };
  input.addEventListener("input", () => {
    const value = stops ? stops[input.value] : Number(input.value);
    if (index === undefined) update(model, { [trait]: value });
    else update(model, { [trait]: model.get(trait).map((v, i) => i === index ? value : v) });
  });
  model.on(`change:${trait}`, show);
  show();
  return h("div", { className: "ae-slider" }, h("label", { for: id }, label), input, shown);
}

// One of a few values, as radio buttons; options are [value, text] pairs.
export function choice(model, trait, { label, options }) {
  const name = newId("choice");
  const inputs = options.map(([value]) => h("input", { type: "radio", name, value,
    onchange: () => update(model, { [trait]: value }) }));
  const show = () => inputs.forEach((input, i) => {
    input.checked = options[i][0] === model.get(trait);
  });
  model.on(`change:${trait}`, show);
  show();
  return h("fieldset", {}, h("legend", {}, label),
    ...options.map(([, text], i) => h("label", {}, inputs[i], text)));
}

// --- drawing -------------------------------------------------------------------------------------

export function context2d(canvas) {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser offers no canvas to draw on.");
  return context;
}

// The colours of the page as it is now, light or dark; roles are those of the whole book. They are
// read once for each theme: reading a style makes the browser lay the page out, which takes longer
// than drawing. What is not on the page yet has no style, and is drawn again once it is there.
let palettes = new WeakMap();
const ROLES = ["text", "muted", "paper", "line", "data", "encoder", "code", "decoder", "noise",
  "gradient"];
export function colours(element) {
  const root = element.closest(".ae-widget") ?? element;
  if (palettes.has(root)) return palettes.get(root);
  const style = getComputedStyle(root);
  const palette = Object.fromEntries(
    ROLES.map((name) => [name, style.getPropertyValue(`--ae-${name}`).trim()]));
  if (root.isConnected) palettes.set(root, palette);
  return palette;
}

// Equal pictures beside each other, `columns` in a row, as the pixels of one.
export function tiles(pictures, columns, side = 28) {
  const wide = columns * side;
  const pixels = new Float32Array(Math.ceil(pictures.length / columns) * side * wide);
  pictures.forEach((one, k) => {
    const start = Math.floor(k / columns) * side * wide + k % columns * side;
    for (let i = 0; i < one.length; i++)
      pixels[start + Math.floor(i / side) * wide + i % side] = one[i];
  });
  return pixels;
}

// A small grey picture above its caption. `show(pixels, label)` draws values in [0, 1], ink on
// paper, and keeps them in `.pixels`; the label is what a reader hears who does not see it. In the
// dark the canvas is inverted, so border and focus ring belong to the `.paper` that it lies on.
export function picture(caption, { side = 28, tall = side, size = 112 } = {}) {
  const canvas = h("canvas", { width: side, height: tall, role: "img", "aria-label": caption });
  const paper = h("div", { className: "ae-paper", style: `width: ${size}px` }, canvas);
  const context = context2d(canvas), image = context.createImageData(side, tall);
  const show = (pixels, label = caption) => {
    const { data } = image;
    for (let i = 0; i < pixels.length; i++) {
      const grey = Math.round(255 * (1 - Math.min(1, Math.max(0, pixels[i]))));
      const k = 4 * i; // one by one: thousands of small arrays would take milliseconds
      data[k] = data[k + 1] = data[k + 2] = grey;
      data[k + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    canvas.pixels = pixels;
    if (canvas.getAttribute("aria-label") !== label) canvas.setAttribute("aria-label", label);
  };
  const below = h("figcaption", {}, caption);
  return Object.assign(h("figure", { className: "ae-picture" }, paper, below),
    { canvas, paper, show, caption: below }); // not `title`: an element has one, a string
}

// A drawing surface of `width` x `height` units that fills the column and stays sharp:
// `paint(context, colours)` draws in these units and is called again when the size changes.
export function chart(label, { width = 320, height = 200, paint }) {
  const canvas = h("canvas", { role: "img", "aria-label": label, className: "ae-chart",
    style: `max-width: ${width}px; aspect-ratio: ${width} / ${height}` });
  const context = context2d(canvas);
  let across = 0, last = label; // its width on the page, told by the browser: asking is slow
  new ResizeObserver(([{ contentRect }]) => {
    if (Math.abs(contentRect.width - across) < 0.5 || !contentRect.width) return;
    across = contentRect.width;
    draw(last);
  }).observe(canvas);
  const draw = (said = label) => {
    last = said;
    const scale = (across || width) * (globalThis.devicePixelRatio || 1) / width;
    const [wide, tall] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== wide || canvas.height !== tall)
      Object.assign(canvas, { width: wide, height: tall });
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "13px system-ui, sans-serif";
    paint(context, colours(canvas));
    if (canvas.getAttribute("aria-label") !== said) canvas.setAttribute("aria-label", said);
  };
  // Where a pointer is, in the chart's units.
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * width,
      (event.clientY - box.top) / box.height * height];
  };
  return { canvas, draw, at };
}

// Call `move(event)` for a press and for every move until it is released; touch does not scroll.
export function onDrag(element, move) {
  element.style.touchAction = "none";
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    move(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) move(event);
  });
}

// While the keyboard works on `element`, `caption` says which keys there are.
export function keysInCaption(element, caption, keys) {
  const text = caption.textContent;
  element.addEventListener("focus", () => {
    caption.textContent = element.matches(":focus-visible") ? keys : text;
  });
  element.addEventListener("blur", () => { caption.textContent = text; });
}

// --- the frame around a widget -------------------------------------------------------------------

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
    palettes = new WeakMap();
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
