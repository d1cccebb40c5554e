// A sheet of 28 x 28 pixels to draw on, with a finger, a mouse, a pen or the keyboard.

import { button, h, keysInCaption, onDrag, row, update } from "./controls.js";
import { picture } from "./pictures.js";

const SHEET = 28;
// Pixels nearer than `reach` to the middle of a stroke get paint, less of it over the last `edge`.
const PENS = {
  ink: { full: 255, reach: 1.7, edge: 1, other: "Eraser" }, // wide and soft as a stroke of MNIST
  mask: { full: 1, reach: 2, edge: 0, other: "Uncover" },
};
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const PEN_KEYS = "Arrow keys move the pen, Space lowers or lifts it.";
const PEN_KEYS_SHORT = "arrows move, Space draws"; // as long as a caption: nothing jumps

// Paint from `from` to `to` (pixels, centres at halves) into 784 numbers 0...full; or take it away.
export function paintStroke(ink, from, to, { full, reach, edge }, away = false) {
  const [x, y] = from, [dx, dy] = [to[0] - x, to[1] - y], length = dx * dx + dy * dy;
  const [left, right] = paintSpan(x, to[0], reach), [top, bottom] = paintSpan(y, to[1], reach);
  for (let r = top; r <= bottom; r++) for (let c = left; c <= right; c++) {
    const px = c + 0.5 - x, py = r + 0.5 - y;
    const along = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
    const room = reach - Math.hypot(px - along * dx, py - along * dy);
    if (room <= 0) continue;
    const paint = Math.round(full * (edge ? Math.min(1, room / edge) : 1)), i = r * SHEET + c;
    ink[i] = away ? Math.min(ink[i], full - paint) : Math.max(ink[i], paint);
  }
}

const paintSpan = (a, b, reach) => [Math.max(0, Math.floor(Math.min(a, b) - reach)),
  Math.min(SHEET - 1, Math.floor(Math.max(a, b) + reach))];

// A picture to draw on. `trait` is a list of 784 integers, 0...255 for ink and 0 or 1 for a mask;
// [] means that nothing has been drawn yet: the first stroke goes on top of `start(away)`, by
// default what the picture shows. `show(pixels, label)` takes values in [0, 1] as a picture does.
// The buttons lie in `.tools`, which may be moved. `guide` marks where MNIST's digits lie.
export function sheet(model, trait, { caption, size = 168, pen = "ink", start, guide = false }) {
  const figure = picture(caption, { side: SHEET, size });
  const { canvas, paper, show, caption: below } = figure;
  const brush = PENS[pen], undone = [];
  start ??= () => Array.from(canvas.pixels, (v) => brush.full * v);
  let ink = null, label = caption;
  let away = false, down = false, place = [14.5, 14.5], last = null;

  // --- the trait: set at most once a frame, sent to Python at most six times a second -----------
  let frame = 0, late = false, mine = null, sent = 0;
  const set = () => { model.set(trait, mine = Array.from(ink)); };
  const send = () => { set(); update(model, {}); sent = performance.now(); };
  const soon = () => {
    if (frame) { late = true; return; }
    if (performance.now() - sent > 160) send(); else set();
    frame = requestAnimationFrame(() => { frame = 0; if (late) { late = false; set(); } });
  };
  const remember = (drawn) => {
    undone.push(drawn);
    if (undone.length > 30) undone.shift();
    undo.disabled = false;
  };
  const take = (drawn) => { ink = Uint8ClampedArray.from(drawn.length ? drawn : start(away)); };
  const begin = () => { remember(model.get(trait)); take(model.get(trait)); };
  const put = (drawn) => update(model, { [trait]: mine = drawn });
  let held = model.get(trait);
  model.on(`change:${trait}`, () => {
    const drawn = model.get(trait);
    if (drawn !== mine && (drawn.length || held.length)) { // Python, a preset, another view
      remember(held);
      if (last || down) take(drawn);
    }
    held = drawn;
  });

  // --- finger, mouse and pen ------------------------------------------------------------------
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * SHEET,
      (event.clientY - box.top) / box.height * SHEET];
  };
  onDrag(canvas, (event) => {
    if (event.type === "pointerdown") {
      if (last || event.button !== 0) return; // a second finger, another button
      begin();
      last = { id: event.pointerId, at: at(event) };
    }
    if (last?.id !== event.pointerId) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const one of passed.length ? passed : [event]) {
      const to = at(one);
      paintStroke(ink, last.at, to, brush, away);
      last.at = to;
    }
    soon();
  });
  canvas.addEventListener("lostpointercapture", (event) => {
    if (last?.id !== event.pointerId) return;
    last = null;
    send();
  });

  // --- keyboard -------------------------------------------------------------------------------
  const cursor = h("span", { className: "ae-pen", "aria-hidden": "true" });
  const point = () => {
    cursor.style.left = `${place[0] / SHEET * 100}%`;
    cursor.style.top = `${place[1] / SHEET * 100}%`;
    cursor.classList.toggle("ae-down", down);
    if (canvas.pixels) figure.show(canvas.pixels, label);
  };
  point();
  const lift = () => { if (down) { down = false; send(); } };
  canvas.addEventListener("keydown", (event) => {
    const step = STEPS[event.key], space = event.key === " " || event.key === "Enter";
    if (event.ctrlKey || event.metaKey || event.altKey || !(step || space)) return;
    event.preventDefault();
    const from = place;
    if (step) place = place.map((v, i) => Math.min(27.5, Math.max(0.5, v + step[i])));
    else if (down) lift();
    else { begin(); down = true; }
    if (down) { paintStroke(ink, from, place, brush, away); soon(); }
    point();
  });
  keysInCaption(canvas, below, PEN_KEYS_SHORT);
  canvas.addEventListener("blur", () => { lift(); point(); });

  // --- buttons --------------------------------------------------------------------------------
  const other = button(brush.other, () => {
    away = !away;
    other.setAttribute("aria-pressed", away);
  });
  other.setAttribute("aria-pressed", "false");
  const undo = button("Undo", () => {
    put(undone.pop());
    undo.disabled = !undone.length;
  });
  undo.disabled = true;
  const clear = button("Clear", () => {
    remember(model.get(trait));
    put(new Array(SHEET * SHEET).fill(0));
  });
  const tools = row(other, undo, clear);

  // --- the figure -----------------------------------------------------------------------------
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application"); // so that screen readers pass the arrow keys on
  paper.classList.add("ae-sheet");
  paper.append(cursor);
  if (guide) paper.append(h("span", { className: "ae-guide", "aria-hidden": "true" }));
  tools.classList.add("ae-tools");
  figure.append(tools);
  figure.show = (pixels, said = caption) => {
    label = said;
    const [x, y] = place.map((v) => Math.ceil(v));
    const pose = `Pen ${down ? "down" : "up"} at column ${x}, row ${y} of ${SHEET}.`;
    show(pixels, `${label}. ${pose} ${PEN_KEYS}`);
  };
  return Object.assign(figure, { tools, clear, undo, other });
}

// The drawing as a digit of MNIST: its ink scaled to fit 20 x 20 pixels, then its centre of mass
// in the middle of 28 x 28. Takes and gives 784 numbers; a sheet without ink stays as it is.
export function likeMnist(pixels) {
  let [left, right, top, bottom] = [SHEET, -1, SHEET, -1];
  for (let i = 0; i < pixels.length; i++) if (pixels[i] > 0) {
    const c = i % SHEET, r = Math.floor(i / SHEET);
    [left, right] = [Math.min(left, c), Math.max(right, c)];
    [top, bottom] = [Math.min(top, r), Math.max(bottom, r)];
  }
  if (right < 0) return Float32Array.from(pixels);
  const scale = Math.max(right - left + 1, bottom - top + 1) / 20;
  let [sum, cx, cy] = [0, 0, 0];
  pixels.forEach((v, i) => {
    sum += v;
    cx += v * (i % SHEET);
    cy += v * Math.floor(i / SHEET);
  });
  return Float32Array.from({ length: SHEET * SHEET }, (_, i) => betweenPixels(pixels,
    cx / sum + scale * (i % SHEET - 13.5), cy / sum + scale * (Math.floor(i / SHEET) - 13.5)));
}

// The value at column x, row y, which need not be whole: the mean of the four around it.
function betweenPixels(pixels, x, y) {
  const c = Math.floor(x), r = Math.floor(y), u = x - c, v = y - r;
  const at = (row, column) => row < 0 || column < 0 || row >= SHEET || column >= SHEET ? 0
    : pixels[row * SHEET + column];
  return (1 - v) * ((1 - u) * at(r, c) + u * at(r, c + 1))
    + v * ((1 - u) * at(r + 1, c) + u * at(r + 1, c + 1));
}
