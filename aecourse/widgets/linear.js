// The k slider: PCA rebuilds a digit from k numbers; a matrix A mixes the code and nothing else.
import { linear, randomNumbers, tensor } from "./network.js";
import { button, h, row, slider, update } from "./controls.js";
import { chart, picture } from "./pictures.js";
import { loadPack } from "./weights.js";
import { widget } from "./widget.js";

const MOST = 100, COLUMNS = 4;

// Keeps the last result: most frames change one of the inputs only.
function remember(make) {
  let key, value;
  return (...inputs) => {
    if (inputs.join() !== key) [key, value] = [inputs.join(), make(...inputs)];
    return value;
  };
}

function identity(k) {
  const A = new Float64Array(k * k);
  for (let i = 0; i < k; i++) A[i * k + i] = 1;
  return tensor(A, [k, k]);
}

// Turn rows i and i + 1 of A by an angle.
function turn(A, k, i, angle) {
  const c = Math.cos(angle), s = Math.sin(angle);
  for (let p = i * k, q = p + k, end = q; p < end; p++, q++) {
    const a = A[p], b = A[q];
    A[p] = c * a - s * b;
    A[q] = s * a + c * b;
  }
}

// Turn neighbours from the first row down, stretch each row, turn neighbours from the last up.
function turnStretchTurn(k, first, stretch, last) {
  const A = identity(k);
  for (let i = 0; i + 1 < k; i++) turn(A, k, i, first[i]);
  for (let i = 0, p = 0; i < k; i++) for (let j = 0; j < k; j++, p++) A[p] *= stretch[i];
  for (let i = k - 2; i >= 0; i--) turn(A, k, i, last[i]);
  return A;
}

// A random A and its inverse, the same steps undone in reverse order. A is the identity at mix = 0;
// at 1 the first row is stretched by 2 and the others by 1/3 to 3, so its condition is at most 9.
function mixingMatrices(k, mix, seed) {
  const { uniform } = randomNumbers(seed), list = (draw) => Array.from({ length: MOST }, draw);
  const angle = () => mix * (uniform() < 0.5 ? -1 : 1) * Math.PI * (0.25 + 0.5 * uniform());
  const first = list(angle), last = list(angle), minus = (v) => -v;
  const stretch = list((_, i) => (i ? 3 ** (2 * uniform() - 1) : 2) ** mix);
  return { A: turnStretchTurn(k, first, stretch, last),
    back: turnStretchTurn(k, last.map(minus), stretch.map((v) => 1 / v), first.map(minus)) };
}

const largest = (values) => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
const size = (values) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));
const difference = (a, b) => a.map((v, i) => v - b[i]);
const percent = (v) => `${Math.round(100 * v)} %`;

// 0.00000023 -> 2 × 10⁻⁷
function power(value) {
  if (value === 0) return "0";
  const [digit, exponent] = value.toExponential(0).split("e-");
  return `${digit}\u00a0×\u00a010⁻${[...exponent].map((d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]).join("")}`;
}

// The curve of mean test errors with the present k on it.
function errorCurve(errors, kept, now) {
  const width = 300, height = 168, left = 32, bottom = 146, wide = 256, tall = 112;
  const X = (k) => left + k / MOST * wide, Y = (error) => bottom - error / 55 * tall;
  const line = (context, from, to) => {
    context.beginPath();
    for (let k = from; k <= to; k++) context.lineTo(X(k), Y(errors[k]));
  };
  return chart("", { width, height, paint(context, colour) {
    const k = now();
    context.fillStyle = colour.text;
    context.textAlign = "left";
    context.lineWidth = 1;
    context.fillText("mean error of the test digits", left, 15);
    context.fillStyle = context.strokeStyle = colour.muted;
    context.textAlign = "right";
    for (const v of [0, 25, 50]) context.fillText(v, left - 5, Y(v) + 4);
    context.textAlign = "center";
    for (const v of [0, 50, 100]) context.fillText(v ? v : "k = 0", X(v), bottom + 17);
    context.strokeRect(left + 0.5, bottom - tall - 0.5, wide, tall);
    context.lineWidth = 2.5;
    context.strokeStyle = colour.data;
    line(context, 0, MOST);
    context.stroke();
    context.lineWidth = 2;
    context.strokeStyle = colour.muted; // what is lost, from the curve down to zero
    context.setLineDash([4, 3]);
    context.beginPath();
    context.moveTo(X(k), bottom);
    context.lineTo(X(k), Y(errors[k]));
    context.stroke();
    context.setLineDash([]);
    context.fillStyle = colour.code;
    context.strokeStyle = colour.text;
    context.beginPath();
    for (const [dx, dy] of [[0, -7], [7, 0], [0, 7], [-7, 0]])
      context.lineTo(X(k) + dx, Y(errors[k]) + dy);
    context.closePath();
    context.fill();
    context.stroke();
    context.fillStyle = colour.text;
    context.textAlign = k > 60 ? "right" : "left";
    const x = X(k) + (k > 60 ? -4 : 12), y = Math.min(Y(errors[k]) - 14, bottom - 26);
    context.fillText(`${errors[k].toFixed(2)} lost`, x, Math.max(y - 8, bottom - tall + 18));
    context.fillText(`${percent(kept[k])} kept`, x, Math.max(y + 8, bottom - tall + 34));
  } });
}

// The code as bars: above as the encoder makes it, below as it is sent.
function codeBars(now) {
  const width = 300, height = 150, left = 34, tall = 27, wide = width - left;
  return chart("", { width, height, paint(context, colour) {
    const { code, mixed } = now(), step = wide / Math.max(code.length, 6);
    const limit = [2, 4, 8, 16, 32].find((v) => v >= Math.max(largest(code), largest(mixed))) ?? 64;
    for (const [name, values, middle] of [["h", code, 38], ["Ah", mixed, 114]]) {
      context.fillStyle = colour.muted;
      context.textAlign = "right";
      context.fillText(limit, left - 6, middle - tall + 8);
      context.fillText(`−${limit}`, left - 6, middle + tall + 2);
      context.fillRect(left, middle - tall, 1, 2 * tall);
      context.fillRect(left, middle, wide, 1);
      context.fillStyle = colour.text;
      context.fillText(name, left - 6, middle + 5);
      context.fillStyle = colour.code;
      values.forEach((v, i) => context.fillRect(left + 2 + (i + 0.1) * step, middle, 0.8 * step,
        -v / limit * tall));
    }
  } });
}

async function view(model, root) {
  const pack = await loadPack(model, "linear");
  const { components, mean, digits, errors, kept } = pack.tensors, D = mean.length;
  const get = (name) => model.get(name);

  const original = remember((digit) =>
    Float32Array.from(digits.subarray(digit * D, (digit + 1) * D), (ink) => ink / 255));
  const fullCode = remember((digit) => linear(difference(original(digit), mean), components));
  const mixer = remember(mixingMatrices);
  // Mean image plus a sum of components.
  const decode = (code) => {
    const y = Float64Array.from(mean);
    for (let i = 0, c = 0; i < code.length; i++)
      for (let j = 0; j < D; j++, c++) y[j] += code[i] * components[c];
    return Float32Array.from(y);
  };
  const results = remember((digit, k, mix, seed) => {
    const x = original(digit), code = fullCode(digit).slice(0, k);
    const { A, back } = mixer(k, mix, seed);
    const mixed = linear(code, A); // the code that is sent: A h
    const pixels = decode(linear(mixed, back)); // V A⁻¹ takes it back
    return { code, mixed, pixels, x, error: size(difference(x, pixels)) ** 2,
      change: largest(difference(pixels, decode(code))),
      moved: k ? size(difference(mixed, code)) / size(code) : 0 };
  });
  const now = () => results(get("digit"), get("k"), get("mix"), get("seed"));
  // The first columns of V A⁻¹, each scaled to its own largest entry; grey is zero.
  const columns = remember((k, mix, seed) => {
    const { back } = mixer(k, mix, seed), count = Math.min(k, COLUMNS);
    return Array.from({ length: count }, (_, j) => {
      const y = new Float32Array(D);
      for (let i = 0; i < k; i++)
        for (let p = 0; p < D; p++) y[p] += back[i * k + j] * components[i * D + p];
      return y;
    });
  });

  const shown = picture("x, a test digit", { size: 132 }), rebuilt = picture("", { size: 132 });
  const curve = errorCurve(errors, kept, () => get("k")), bars = codeBars(now);
  const small = Array.from({ length: COLUMNS }, (_, j) => picture(`${j + 1}`, { size: 56 }));
  const verdict = h("p", { style: "margin: 0.4rem 0" });
  root.append(row(shown, rebuilt, curve.canvas),
    row(slider(model, "k", { label: "k numbers", min: 0, max: MOST, step: 1 }),
      button("Next digit", () => update(model, { digit: (get("digit") + 1) % 20 }))),
    h("hr", { style: "margin: 0.7rem 0; border: 0; border-top: 1px solid var(--ae-line)" }),
    row(slider(model, "mix", { label: "mix h by A", min: 0, max: 1, format: percent }),
      button("Another A", () => update(model, { seed: (get("seed") + 1) % 10000,
        mix: get("mix") || 1 }))),
    verdict,
    row(bars.canvas, h("div", {}, h("div", {}, "Columns of the decoder VA⁻¹:"), row(...small))));

  function drawColumns() {
    const found = columns(get("k"), get("mix"), get("seed"));
    small.forEach((figure, j) => {
      figure.style.visibility = found[j] ? "visible" : "hidden";
      if (!found[j]) return;
      const most = largest(found[j]);
      figure.show(found[j].map((v) => 0.5 + v / most / 2), `Column ${j + 1} of the decoder`);
    });
  }
  const compare = () => {
    if (!get("k")) return "With k = 0 there is no code: every picture is the mean image.";
    if (!get("mix")) return "Nothing is mixed yet: A is the identity.";
    const { moved, change } = now();
    return `The code moves by ${percent(moved)} of its length, no pixel by more than `
      + `${power(change)}.`;
  };
  return {
    draw() {
      const { x, pixels, error } = now(), k = get("k"), kind = get("digit") % 10;
      shown.show(x, `Test digit, a ${kind}`);
      rebuilt.caption.textContent = `x̂, error ${error.toFixed(2)}`;
      rebuilt.show(pixels, `Rebuilt from ${k} numbers, squared error ${error.toFixed(2)}`);
      curve.draw(`Mean squared error of the test digits, falling with k; at k = ${k} it is `
        + `${errors[k].toFixed(2)}`);
      bars.draw(`The ${k} numbers of the code as bars, before and after mixing. ${compare()}`);
      drawColumns();
      if (verdict.textContent !== compare()) verdict.textContent = compare();
    },
    describe() {
      const k = get("k"), { error } = now();
      return `${k} numbers keep ${percent(kept[k])} of the variance. This ${get("digit") % 10} has `
        + `squared error ${error.toFixed(2)}, all test digits ${errors[k].toFixed(2)} on average.`
        + (k && get("mix") ? " The mixed code gives the same picture." : "");
    },
    probe(matrices = false) { // they are large
      const { x, pixels, code, mixed, error, change } = now();
      const found = { inputs: Array.from(x), outputs: Array.from(pixels), error, change,
        code: Array.from(code), mixed: Array.from(mixed) };
      if (!matrices) return found;
      const how = [get("k"), get("mix"), get("seed")];
      return { ...found, A: Array.from(mixer(...how).A),
        columns: columns(...how).map((y) => Array.from(y)) };
    },
  };
}

export default widget(view);
