// What a reader looks at: pictures and charts, in the colours of the page.

import { h } from "./controls.js";

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
export const forgetColours = () => { palettes = new WeakMap(); };

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
