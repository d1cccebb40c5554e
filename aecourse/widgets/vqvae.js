// A digit as a grid of tokens: change one, and see what the decoder makes of it.
import { network, randomNumbers } from "./network.js";
import { button, choice, h, row, update } from "./controls.js";
import { context2d, picture } from "./pictures.js";
import { loadPack } from "./weights.js";
import { widget } from "./widget.js";

const SIDE = 7, CELLS = SIDE * SIDE, OFFERED = 24;
const LEVEL = 1 / 255; // a pixel counts as changed from one grey level on

async function view(model, root) {
  const pack = await loadPack(model, "vqvae"), book = codebook(pack);
  const own = () => Array.from(book.tokens.subarray(CELLS * model.get("digit"),
    CELLS * (model.get("digit") + 1)));
  const tokens = () => model.get("tokens").length ? model.get("tokens") : own();
  const put = (code) => update(model,
    { tokens: tokens().map((t, i) => i === model.get("cell") ? code : t) });
  const decoded = memo((grid) => book.decode(grid)), untouched = memo((grid) => book.decode(grid));

  // --- controls ---------------------------------------------------------------------------------
  const cells = tiles("The 49 tokens, row by row", CELLS, { columns: SIDE, follow: true,
    pick: (i) => update(model, { cell: i }) });
  const codes = tiles("24 codes to choose from", OFFERED, { columns: 6,
    pick: (i) => put(offered()[i]) });
  const pictures = codes.map((tile) => smallPicture(tile));
  const offered = () => book.offer(model.get("palette"), own()[model.get("cell")]);
  const number = codeNumber(put);
  const random = () => {
    const seed = model.get("seed"), code = Math.floor(512 * randomNumbers(seed).uniform());
    update(model, { seed: seed + 1 });
    put(code);
  };
  const same = () => update(model, { tokens: new Array(CELLS).fill(tokens()[model.get("cell")]) });
  const restore = () => update(model, { tokens: [] });
  const next = () => update(model, { digit: (model.get("digit") + 1) % 10, tokens: [] });

  const now = framed(picture("decoded", { size: 168 })), before = picture("digit", { size: 84 });
  const change = framed(picture("change", { size: 84 }));
  now.canvas.addEventListener("pointerdown", (event) => {
    const box = now.canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    const at = (v) => Math.min(SIDE - 1, Math.max(0, Math.floor(SIDE * v)));
    update(model, { cell: SIDE * at(y) + at(x) });
  });
  const numbers = h("p", { style: "margin: 0.4rem 0 0; white-space: pre-line" });
  const narrow = "display: grid; gap: 0.5rem; justify-items: center";
  root.append(
    row(h("div", { style: "flex: 1 1 17rem; max-width: 22rem" },
      h("p", { style: "margin: 0 0 0.3rem" }, h("b", {}, "1. "), "Choose a cell."), cells.group),
      h("div", { style: "flex: 1 1 16rem" },
        h("div", { style: "display: flex; gap: 0.8rem; flex-wrap: wrap" }, now,
          h("div", { style: narrow }, before, change)), numbers)),
    row(h("span", {}, h("b", {}, "2. "), "Choose its code."), number.label,
      choice(model, "palette", { label: "Offer:",
        options: [["nearest", "nearest"], ["farthest", "farthest"], ["most used", "most used"]] })),
    number.message, codes.group,
    row(button("Restore", restore), button("Random code here", random),
      button("All the same", same), button("Next digit", next)));

  // --- the state --------------------------------------------------------------------------------
  // The picture, how it differs from that of the digit's own tokens, and by how much.
  const state = memo((grid, digit) => {
    const original = Float32Array.from(book.digits.subarray(784 * digit, 784 * (digit + 1)),
      (v) => v / 255);
    const changed = own().map((t, i) => t !== grid[i]);
    const x = decoded(grid), y = untouched(own()), difference = new Float32Array(784);
    let moved = 0, inside = 0;
    for (let i = 0; i < 784; i++) {
      difference[i] = Math.abs(clip(x[i]) - clip(y[i]));
      if (difference[i] < LEVEL) continue;
      moved++;
      if (changed[SIDE * Math.floor(i / 112) + Math.floor(i % 28 / 4)]) inside++;
    }
    return { original, changed, difference, pixels: x.map(clip), moved, inside,
      edits: changed.filter(Boolean).length, error: squared(x, original),
      first: squared(y, original) };
  });
  const here = () => state(tokens(), model.get("digit"));
  const finding = ({ edits, moved, inside }) => edits === 0 ? "These are the digit's own tokens."
    : `${edits} ${edits === 1 ? "token" : "tokens"} changed: ${moved} pixels changed, `
      + `${inside} of them in ${edits === 1 ? "its 4 × 4 patch" : "their 4 × 4 patches"}.`;
  const place = (i) => `row ${Math.floor(i / SIDE) + 1}, column ${i % SIDE + 1}`;

  const drawCells = (grid, changed) => cells.forEach((tile, i) => {
    tile.set(String(grid[i]), changed[i], i === model.get("cell"),
      `${place(i)}: code ${grid[i]}${changed[i] ? ", changed" : ""}`);
  });
  const drawPalette = (chosen) => offered().forEach((code, i) => {
    pictures[i].show(book.patches, code);
    codes[i].set(String(code), false, code === chosen,
      `code ${code}, ${book.usage[code]} times in ${book.sample} test digits`);
  });

  book.decode(own()); // the first run is slow: the browser compiles
  return {
    draw() {
      const grid = tokens(), cell = model.get("cell"), found = here();
      drawCells(grid, found.changed);
      drawPalette(grid[cell]);
      number.show(grid[cell]);
      before.show(found.original, `The test digit, a ${model.get("digit")}`);
      now.show(found.pixels, `Decoded from the tokens; framed: ${place(cell)}`);
      change.show(found.difference, `What has changed: ${found.moved} pixels`);
      for (const figure of [now, change]) figure.frame(cell);
      numbers.textContent = `Changed: ${found.moved} pixels, ${found.inside} of them in the `
        + `${found.edits > 1 ? "changed cells" : "cell"}.\nSquared error: ${found.error.toFixed(1)}`
        + (found.edits ? ` (own tokens: ${found.first.toFixed(1)})` : "")
        + ".\nSize: 49 tokens × 9 bits = 441 bits.";
    },
    describe() {
      const cell = model.get("cell"), found = here();
      return `${finding(found)} The cell in ${place(cell)} holds code ${tokens()[cell]}; `
        + `squared error ${found.error.toFixed(1)}.`;
    },
    probe() {
      const { pixels, error, first, moved, inside } = here();
      return { inputs: tokens(), outputs: Array.from(pixels), error, first, moved, inside };
    },
  };
}

const clip = (v) => Math.min(1, Math.max(0, v));
const squared = (x, y) => x.reduce((sum, v, i) => sum + (v - y[i]) ** 2, 0);

// f, but not run again for equal arguments.
function memo(f) {
  let key = "", value;
  return (...given) => {
    const asked = given.join();
    if (asked !== key) [key, value] = [asked, f(...given)];
    return value;
  };
}

// The codes: how to decode a grid of them, and which to offer.
function codebook(pack) {
  const { codebook: vectors, digits, tokens, patches, usage } = pack.tensors;
  const [count, dim] = vectors.shape, decoder = network(pack, "decoder");
  const z = Object.assign(new Float32Array(dim * CELLS), { shape: [dim, SIDE, SIDE] });
  const decode = (grid) => {
    for (let d = 0; d < dim; d++)
      for (let i = 0; i < CELLS; i++) z[d * CELLS + i] = vectors[grid[i] * dim + d];
    return decoder(z);
  };
  const far = (a, b) => {
    let sum = 0;
    for (let d = 0; d < dim; d++) sum += (vectors[a * dim + d] - vectors[b * dim + d]) ** 2;
    return sum;
  };
  const offer = memo((order, code) => {
    const worth = Array.from({ length: count }, (_, k) => order === "most used" ? -usage[k]
      : order === "nearest" ? far(k, code) : -far(k, code));
    return worth.map((_, k) => k).sort((a, b) => worth[a] - worth[b]).slice(0, OFFERED);
  });
  return { decode, offer, digits, tokens, patches, usage, sample: JSON.parse(pack.meta.sample) };
}

// Buttons in rows that arrow keys lead through; `pick(i)` on a press, or at once if they `follow`.
function tiles(label, count, { columns, pick, follow = false }) {
  let at = 0;
  const group = h("div", { className: "ae-tiles", role: "group", "aria-label": label,
    style: follow ? `grid-template-columns: repeat(${columns}, 1fr)` : "" });
  const across = () => follow ? columns
    : list.findIndex((tile, i) => i && tile.offsetTop > list[0].offsetTop) || columns;
  const go = (i) => {
    [list[at].tabIndex, list[i].tabIndex, at] = [-1, 0, i];
    list[i].focus();
    if (follow) pick(i);
  };
  const list = Array.from({ length: count }, (_, i) => {
    const tile = h("button", { type: "button", tabIndex: i ? -1 : 0, onclick: () => {
      [list[at].tabIndex, tile.tabIndex, at] = [-1, 0, i];
      pick(i);
    } });
    const text = h("span");
    tile.append(text);
    tile.set = (shown, changed, chosen, said) => {
      if (tile.said === `${said} ${chosen}`) return; // nothing new: leave the page alone
      tile.said = `${said} ${chosen}`;
      text.textContent = shown;
      tile.classList.toggle("ae-changed", changed);
      tile.setAttribute("aria-pressed", chosen);
      tile.setAttribute("aria-label", said);
      if (follow && chosen) [list[at].tabIndex, tile.tabIndex, at] = [-1, 0, i];
    };
    return tile;
  });
  group.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across(), ArrowDown: across() };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    if (list[at + step]) go(at + step);
  });
  group.append(...list);
  return Object.assign(list, { group });
}

// What a code draws, above its number.
function smallPicture(tile) {
  const canvas = h("canvas", { width: 8, height: 8, "aria-hidden": "true" });
  const context = context2d(canvas), image = context.createImageData(8, 8);
  let shown = -1;
  tile.prepend(canvas);
  return { show(patches, code) {
    if (code === shown) return;
    shown = code;
    for (let i = 0; i < 64; i++) {
      const grey = 255 - patches[64 * code + i];
      image.data.set([grey, grey, grey, 255], 4 * i);
    }
    context.putImageData(image, 0, 0);
  } };
}

// A number field for any code; what is no code is said, and changes nothing.
function codeNumber(put) {
  const message = h("p", { className: "ae-error", role: "alert", hidden: true },
    "A code is a whole number from 0 to 511.");
  const input = h("input", { type: "number", min: 0, max: 511, step: 1,
    style: "width: 5rem; margin-left: 0.4rem" });
  input.addEventListener("input", () => {
    const code = input.value === "" ? NaN : Number(input.value);
    const ok = Number.isInteger(code) && code >= 0 && code < 512;
    message.hidden = ok;
    input.setAttribute("aria-invalid", !ok);
    if (ok) put(code);
  });
  return { label: h("label", {}, "By number:", input), message, show(code) {
    if (Number(input.value) === code && input.value !== "") return;
    if (input === input.getRootNode().activeElement && !message.hidden) return; // still typing
    input.value = code;
    message.hidden = true;
    input.setAttribute("aria-invalid", false);
  } };
}

// A picture with a frame around the patch of a cell, and a dashed one around all it can change:
// 3 x 3 cells, then two transposed convolutions, make 18 x 18 pixels.
function framed(figure) {
  const box = (kind) => h("div", { "aria-hidden": "true", style: "position: absolute; "
    + `pointer-events: none; border: 2px ${kind} var(--ae-code)` });
  const [solid, dashed] = [box("solid"), box("dashed")];
  figure.paper.append(dashed, solid);
  const put = (element, top, left, size) => {
    const [a, b] = [Math.max(0, top), Math.max(0, left)];
    const [c, d] = [Math.min(28, top + size), Math.min(28, left + size)];
    Object.assign(element.style, { top: `${a / 0.28}%`, left: `${b / 0.28}%`,
      height: `${(c - a) / 0.28}%`, width: `${(d - b) / 0.28}%` });
  };
  return Object.assign(figure, { frame(cell) {
    const [y, x] = [4 * Math.floor(cell / SIDE), 4 * (cell % SIDE)];
    put(solid, y, x, 4);
    put(dashed, y - 7, x - 7, 18);
  } });
}

export default widget(view);
