// A map of test digits by a code of two numbers: touch a digit, or decode what lies between.
import { network } from "./network.js";
import { button, choice, h, keysInCaption, onDrag, row, slider, update } from "./controls.js";
import { chart, picture } from "./pictures.js";
import { loadPack } from "./weights.js";
import { widget } from "./widget.js";

const SIZE = 320, EDGE = 16, NEAR = 14, NEIGHBOURS = 10;

// One map: its codes, their places on the screen and the way back. As in the chapter's figure,
// asinh opens the crowded middle.
function makeMap(pack, name) {
  const codes = pack.tensors[`${name} codes`], count = codes.shape[0];
  const { error, middle, spread } = JSON.parse(pack.meta[`${name} map`]);
  const open = (v, axis) => Math.asinh(4 * (v - middle[axis]) / spread[axis]);
  const close = (u, axis) => Math.sinh(u) * spread[axis] / 4 + middle[axis];
  const code = (i) => [codes[2 * i], codes[2 * i + 1]];
  const ranges = [0, 1].map((axis) => {
    const opened = Array.from({ length: count }, (_, i) => open(code(i)[axis], axis));
    return [Math.min(...opened), Math.max(...opened) + 1e-9]; // a model may give one code to all
  });
  const inside = SIZE - 2 * EDGE;
  const place = (c) => c.map((v, axis) => { // codes to the chart's units, upwards as in figures
    const [low, high] = ranges[axis], part = (open(v, axis) - low) / (high - low);
    return EDGE + inside * (axis ? 1 - part : part);
  });
  const back = (point) => point.map((v, axis) => {
    const part = Math.min(1.04, Math.max(-0.04, (v - EDGE) / inside)), [low, high] = ranges[axis];
    return close(low + (axis ? 1 - part : part) * (high - low), axis);
  });
  const places = Array.from({ length: count }, (_, i) => place(code(i)));
  return { error, code, place, back, places, decode: network(pack, name) };
}

function circle(context, colour, [x, y], radius, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.stroke();
}

function letter(context, colour, name, [x, y]) { // beside its digit
  const side = x > SIZE - 40 ? -22 : 22;
  context.fillStyle = colour;
  context.fillRect(x + side - 8, y - 8, 16, 16);
  context.fillStyle = "#000";
  context.fillText(name, x + side, y + 1);
}

async function view(model, root) {
  const pack = await loadPack(model, "autoencoder");
  const { digits, labels } = pack.tensors, D = digits.shape[1];
  const maps = { autoencoder: makeMap(pack, "autoencoder"), pca: makeMap(pack, "pca") };
  const get = (name) => model.get(name), map = () => maps[get("map")];
  const pixelsOf = (i) => Float32Array.from(digits.subarray(i * D, (i + 1) * D), (v) => v / 255);

  const onLine = (t) => {
    const [a, b] = get("ends").map(map().code);
    return a.map((v, axis) => (1 - t) * v + t * b[axis]);
  };
  const ring = () => get("h").length ? get("h") : onLine(get("t"));
  // Digits by their distance on the screen.
  const distances = ([x, y]) => map().places.map(([u, v]) => Math.hypot(u - x, v - y));
  const nearest = (point) => {
    const far = distances(point), least = Math.min(...far);
    return { digit: far.indexOf(least), far: least };
  };
  // What is shown: a test digit and its code, or a place with the digit nearest to it.
  function shownNow() {
    const [a, b] = get("ends"), t = get("t"), off = get("h").length > 0;
    const at = get("over") >= 0 ? get("over") : off ? -1 : t === 0 ? a : t === 1 ? b : -1;
    if (at >= 0) return { exact: true, digit: at, code: map().code(at) };
    return { exact: false, digit: nearest(map().place(ring())).digit, code: ring() };
  }
  const choose = (digit) => update(model, { ends: [get("ends")[1], digit], t: 1, h: [] });
  const move = (point) => update(model, { over: -1,
    h: map().back(point).map((v) => Math.round(1000 * v) / 1000) });

  // --- the map
  const plane = chart("", { width: SIZE, height: SIZE, paint });
  plane.canvas.classList.add("ae-frame");
  function paint(context, colour) {
    const { digit, exact } = shownNow(), kind = labels[digit], { places, place } = map();
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillStyle = colour.muted;
    places.forEach(([x, y], i) => { if (labels[i] !== kind) context.fillText(labels[i], x, y); });
    context.fillStyle = colour.text;
    context.font = "bold 14px system-ui, sans-serif"; // the kind that is shown stands out
    places.forEach(([x, y], i) => { if (labels[i] === kind) context.fillText(labels[i], x, y); });
    context.strokeStyle = colour.code;
    context.lineWidth = 2;
    context.setLineDash([5, 4]);
    context.beginPath(); // a straight line of codes, bent by the scale of the map
    for (let i = 0; i <= 40; i++) context.lineTo(...place(onLine(i / 40)));
    context.stroke();
    context.setLineDash([]);
    get("ends").forEach((end, i) => letter(context, colour.code, "AB"[i], places[end]));
    circle(context, colour.code, place(ring()), 10, 4);
    if (exact) circle(context, colour.text, places[digit], 13, 1.5);
  }

  // --- pointers: hovering shows, a tap chooses, dragging decodes any place
  let start = [0, 0], dragged = false;
  onDrag(plane.canvas, (event) => {
    const point = plane.at(event);
    if (event.type === "pointerdown") [start, dragged] = [point, false];
    dragged ||= Math.hypot(point[0] - start[0], point[1] - start[1]) > 5;
    if (dragged) move(point);
  });
  plane.canvas.addEventListener("click", (event) => {
    if (dragged) return;
    const { digit, far } = nearest(plane.at(event));
    if (far <= NEAR) choose(digit);
    else move(plane.at(event));
  });
  const hover = (over) => { if (over !== get("over")) update(model, { over }); };
  plane.canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse" || event.buttons) return;
    const { digit, far } = nearest(plane.at(event));
    hover(far <= NEAR ? digit : -1);
  });
  plane.canvas.addEventListener("pointerleave", () => hover(-1));

  // --- keys: arrows move the ring, Enter chooses the digit nearest to it
  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  plane.canvas.tabIndex = 0;
  plane.canvas.setAttribute("role", "application");
  const hint = h("figcaption", {}, "tap a digit, or drag over the map");
  keysInCaption(plane.canvas, hint, "arrows move the ring, Enter takes a digit");
  plane.canvas.addEventListener("keydown", (event) => {
    const point = map().place(ring()), step = STEPS[event.key];
    if (step) move(point.map((v, axis) => v + step[axis] * (event.shiftKey ? 24 : 6)));
    else if (event.key === "Enter" || event.key === " ") choose(nearest(point).digit);
    else return;
    event.preventDefault(); // the page must not scroll
  });

  // --- the controls
  const option = (name, text) => [name, `${text} (${maps[name].error.toFixed(1)})`];
  const line = slider(model, "t", { label: "from A to B", min: 0, max: 1,
    format: (t) => t.toFixed(2) });
  root.addEventListener("input", () => { // another t or map: back to the line
    if (get("h").length) update(model, { h: [] });
  });
  const original = picture("", { size: 132 }), decoded = picture("", { size: 132 });
  const maker = choice(model, "map", { label: "Map (mean test error):", options: [
    option("autoencoder", "autoencoder"), option("pca", "PCA")] });
  root.append(
    row(h("figure", { className: "ae-map", style: `width: ${SIZE}px` }, plane.canvas, hint),
      h("div", { style: "flex: 1 1 280px" }, row(original, decoded), maker)),
    row(line, button("Next digit", () => choose((get("ends")[1] + 1) % labels.length))));

  // --- what is shown
  function state() {
    const now = shownNow(), x = pixelsOf(now.digit);
    const pixels = map().decode(Float32Array.from(now.code));
    const error = x.reduce((sum, v, i) => sum + (v - pixels[i]) ** 2, 0);
    return { ...now, x, pixels, error, kind: labels[now.digit] };
  }
  const said = ([x, y]) => `(${x.toFixed(2)}, ${y.toFixed(2)})`.replaceAll("-", "−");
  function sentence({ exact, digit, kind, code, error }) {
    if (exact) return `Test digit ${digit}, a ${kind}: its code ${said(code)} gives it back with `
      + `squared error ${error.toFixed(1)}. `;
    const [a, b] = get("ends").map((i) => labels[i]);
    const where = get("h").length ? "Off the digits" : `Between A, a ${a}, and B, a ${b}`;
    return `${where}, at h = ${said(code)}: the nearest test digit is a ${kind}. `;
  }
  const alike = (i) => { // how many of a digit's nearest neighbours are of its kind
    const far = distances(map().places[i]);
    const order = far.map((_, j) => j).filter((j) => j !== i).sort((a, b) => far[a] - far[b]);
    return order.slice(0, NEIGHBOURS).filter((j) => labels[j] === labels[i]).length;
  };
  return {
    draw() {
      const now = state(), { exact, kind, x, pixels, error } = now;
      original.caption.textContent = `${exact ? "test digit" : "nearest digit"}, a ${kind}`;
      original.show(x, original.caption.textContent);
      decoded.caption.textContent = exact ? `rebuilt, error ${error.toFixed(1)}` : "decoded here";
      decoded.show(pixels, exact ? `Rebuilt from its two numbers, squared error ${error.toFixed(1)}`
        : `The picture decoded from h = ${said(now.code)}`);
      plane.draw(`Map of ${labels.length} test digits. Arrow keys move the ring, Enter chooses the `
        + `digit nearest to it. ${sentence(now)}`);
    },
    describe() {
      const now = state();
      return sentence(now) + (now.exact ? `On this map ${alike(now.digit)} of its ${NEIGHBOURS} `
        + `nearest neighbours are of its kind.` : "");
    },
    probe() {
      const { code, pixels, digit, error } = state();
      const place = map().place(ring()).map((v) => v / SIZE); // of the ring, as a part of the map
      return { inputs: Array.from(code), outputs: Array.from(pixels), digit, error, place };
    },
  };
}

export default widget(view);
