// log p(x) = ELBO + gap where all three are known exactly, and what samples make of them.
import { randomNumbers } from "./network.js";
import { button, choice, h, row, slider, update } from "./controls.js";
import { chart } from "./pictures.js";
import { widget } from "./widget.js";

async function view(model, root) {
  const WIDE = 312, MOST = 1000, X = 2, HALF_LOG_2PI = Math.log(2 * Math.PI) / 2;
  const POST_MEAN = 1, POST_VARIANCE = 0.5, POST_S = Math.sqrt(POST_VARIANCE);
  const get = (name) => model.get(name);
  const signed = (text) => text.replace(/^-0\.0+$/, (zero) => zero.slice(1)).replace("-", "−");
  const two = (v) => signed(v.toFixed(2)), four = (v) => signed(v.toFixed(4));
  const atPosterior = () => Math.abs(get("mu") - POST_MEAN) < 1e-6
    && Math.abs(get("s") - POST_S) < 1e-6;

  // --- the numbers, in nats ----------------------------------------------------------------------

  const LOG_P = -0.5 * Math.log(4 * Math.PI) - X * X / 4; // of N(0, 2) at x = 2

  let noiseSeed = null, eps = [];
  const z = new Float64Array(MOST), logW = new Float64Array(MOST);
  function draw1000() { // more samples keep the first ones
    if (noiseSeed === get("seed")) return;
    noiseSeed = get("seed");
    const { normal } = randomNumbers(noiseSeed);
    eps = Array.from({ length: MOST }, normal);
  }
  // Each part by its own formula: a gap computed as the difference would prove nothing.
  function exactParts(mu, s) {
    const reconstruction = -HALF_LOG_2PI - ((X - mu) ** 2 + s * s) / 2;
    const kl = (mu * mu + s * s - 1) / 2 - Math.log(s);
    const ratio = s * s / POST_VARIANCE;
    const gap = (ratio - 1 - Math.log(ratio) + (mu - POST_MEAN) ** 2 / POST_VARIANCE) / 2;
    return { reconstruction, kl, elbo: reconstruction - kl, gap };
  }
  function numbers() {
    draw1000();
    const [mu, s, n] = [get("mu"), get("s"), get("samples")];
    let sum = 0, top = -Infinity;
    for (let i = 0; i < n; i++) {
      z[i] = mu + s * eps[i];
      logW[i] = -HALF_LOG_2PI - z[i] ** 2 / 2 - (X - z[i]) ** 2 / 2
        + Math.log(s) + eps[i] ** 2 / 2; // log p(z) + log p(x|z) − log q(z)
      sum += logW[i];
      top = Math.max(top, logW[i]);
    }
    const mean = sum / n;
    let squares = 0, scaled = 0;
    for (let i = 0; i < n; i++) {
      squares += (logW[i] - mean) ** 2;
      scaled += Math.exp(logW[i] - top);
    }
    const error = n > 1 ? Math.sqrt(squares / (n - 1) / n) : null;
    return { mu, s, n, ...exactParts(mu, s), mean, error, weighted: top + Math.log(scaled / n) };
  }
  let now = numbers();

  // --- the curves --------------------------------------------------------------------------------

  const LEFT = -4, RIGHT = 6, FLOOR = 168, TALL = 100;
  const place = (v) => (v - LEFT) / (RIGHT - LEFT) * WIDE;
  function write(context, what, x, y, align = "left", weight = "") {
    context.font = `${weight} 13.5px system-ui, sans-serif`;
    context.textAlign = align;
    context.fillText(what, x, y);
  }
  function line(context, points, ink, width = 1.5, dash = []) {
    Object.assign(context, { strokeStyle: ink, lineWidth: width });
    context.setLineDash(dash);
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x, y);
    context.stroke();
    context.setLineDash([]);
  }
  function bell(mean, s) {
    const points = [];
    for (let x = 0; x <= WIDE; x += 2) {
      const u = (LEFT + x / WIDE * (RIGHT - LEFT) - mean) / s;
      points.push([x, FLOOR - TALL * Math.exp(-u * u / 2 - HALF_LOG_2PI) / s]);
    }
    return points;
  }
  // One tick a sample; where many fall together they add up to a dark one.
  function ticks(context, values, position, level, ink) {
    const wide = now.n > 50 ? 1 : 2;
    context.fillStyle = ink;
    context.globalAlpha = Math.max(0.2, Math.min(1, 50 / now.n));
    for (let i = 0; i < now.n; i++)
      context.fillRect(position(values[i]) - wide / 2, level, wide, 14);
    context.globalAlpha = 1;
  }
  const PRIOR = bell(0, 1), POSTERIOR = bell(POST_MEAN, POST_S);
  const curves = chart("", { width: WIDE, height: 208, paint(context, colour) {
    context.fillStyle = colour.muted;
    for (const tick of [-4, -2, 0, 2, 4, 6])
      write(context, signed(`${tick}`), Math.min(WIDE - 8, Math.max(10, place(tick))), 202,
        "center");
    context.fillStyle = colour.line;
    context.globalAlpha = 0.6;
    context.fill(new Path2D(`M${POSTERIOR.join("L")}L${WIDE} ${FLOOR}L0 ${FLOOR}`));
    context.globalAlpha = 1;
    line(context, [[0, FLOOR], [WIDE, FLOOR]], colour.muted, 1);
    line(context, PRIOR, colour.noise, 2, [2, 3]);
    line(context, POSTERIOR, colour.data, 1.5);
    line(context, bell(now.mu, now.s), colour.encoder, 2.5, [7, 3]);
    ticks(context, z, place, FLOOR + 3, colour.code);
    const legend = [["q(z|x)", colour.encoder, 2.5, [7, 3]], ["posterior p(z|x)", colour.data, 1.5],
      ["p(z)", colour.noise, 2, [2, 3]]];
    [[0, 36], [92, 128], [240, 276]].forEach(([from, to], i) => {
      const [what, ...style] = legend[i];
      line(context, [[from, 11], [to - 8, 11]], ...style);
      context.fillStyle = colour.text;
      write(context, what, to - 4, 16);
    });
  } });

  // --- the bars ----------------------------------------------------------------------------------

  const LOW = -7.6, HIGH = -0.8;
  const nats = (v) => (Math.min(HIGH, Math.max(LOW, v)) - LOW) / (HIGH - LOW) * WIDE;
  function hatch(context, x0, x1, top, bottom, ink) {
    context.save();
    context.beginPath();
    context.rect(x0, top, x1 - x0, bottom - top);
    context.clip();
    for (let x = x0 - (bottom - top); x < x1; x += 7)
      line(context, [[x, bottom], [x + bottom - top, top]], ink, 2);
    context.restore();
  }
  function levels(context, colour) {
    const from = nats(now.elbo), to = nats(LOG_P);
    context.globalAlpha = 0.25;
    context.fillStyle = colour.encoder;
    context.fillRect(0, 34, from, 40);
    context.globalAlpha = 1;
    hatch(context, from, to, 34, 74, colour.noise);
    line(context, [[from, 34], [from, 74]], colour.encoder, 3);
    context.fillStyle = colour.text;
    write(context, "ELBO", Math.max(4, from - 44), 59, "left", "bold");
    if (to - from > 34) label(context, "gap", (from + to) / 2 - 12, 59, colour, "bold");
    write(context, `log p(x) = ${four(LOG_P)}`, WIDE, 16, "right", "bold");
  }
  // On hatching and across lines a word needs paper behind it.
  function label(context, what, x, y, colour, weight = "") {
    context.font = `${weight} 13.5px system-ui, sans-serif`;
    const wide = context.measureText(what).width;
    context.fillStyle = colour.paper;
    context.fillRect(x - 3, y - 13, wide + 6, 18);
    context.fillStyle = colour.text;
    write(context, what, x, y, "left", weight);
  }
  function estimated(context, colour) {
    const weighted = get("estimate") === "weighted", found = weighted ? now.weighted : now.mean;
    label(context, weighted ? "log of mean w" : "mean of log w", 4, 143, colour);
    if (!weighted && now.error !== null) {
      const [a, b] = [nats(found - now.error), nats(found + now.error)];
      line(context, [[a, 158], [b, 158]], colour.text, 2);
      for (const end of [a, b]) line(context, [[end, 153], [end, 163]], colour.text, 2);
    }
    Object.assign(context, { fillStyle: colour.code, strokeStyle: colour.text, lineWidth: 1.5 });
    context.beginPath();
    context.arc(Math.max(7, Math.min(WIDE - 7, nats(found))), 158, 6, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  }
  const bars = chart("", { width: WIDE, height: 208, paint(context, colour) {
    context.fillStyle = colour.muted;
    for (let tick = -7; tick <= -1; tick++)
      write(context, signed(`${tick}`), nats(tick), 202, "center");
    line(context, [[0, 184], [WIDE, 184]], colour.muted, 1);
    levels(context, colour);
    line(context, [[nats(now.elbo), 74], [nats(now.elbo), 184]], colour.encoder, 1, [2, 3]);
    line(context, [[nats(LOG_P), 22], [nats(LOG_P), 184]], colour.data, 1.5, [5, 3]);
    label(context, `log w of ${now.n} sample${now.n > 1 ? "s" : ""}`, 4, 98, colour);
    ticks(context, logW, nats, 104, colour.code);
    estimated(context, colour);
  } });

  // --- the page ----------------------------------------------------------------------------------

  // The slider is logarithmic: half of its way is a factor of about 30.
  function countSlider() {
    const input = h("input", { type: "range", min: 0, max: 3, step: 0.05,
      "aria-label": "samples", oninput: () => {
        update(model, { samples: Math.round(10 ** Number(input.value)) });
      } });
    const shown = h("span", { className: "ae-value", "aria-hidden": "true" });
    const show = () => {
      const n = get("samples");
      if (Math.round(10 ** Number(input.value)) !== n) input.value = Math.log10(n);
      shown.textContent = n;
      input.setAttribute("aria-valuetext", `${n}`);
    };
    model.on("change:samples", show);
    show();
    return h("div", { className: "ae-slider" }, h("span", {}, "samples"), input, shown);
  }
  const [bound, gap, total, split, guess] = [0, 1, 2, 3, 4].map(() => h("span"));
  const sliders = [slider(model, "mu", { label: "μ of q", min: -1, max: 3, format: two }),
    slider(model, "s", { label: "s of q", min: 0.3, max: 1.5, format: two }), countSlider()];
  for (const each of sliders) each.style.gridTemplateColumns = "4.6rem minmax(5rem, 1fr) 3.6rem";
  const sum = h("b", { style: "display: flex; flex-wrap: wrap; gap: 0 0.4rem" }, bound, gap, total);
  const numbersBox = h("div", { style: "font-variant-numeric: tabular-nums; margin: 0.4rem 0" },
    sum, h("div", {}, split), h("div", {}, guess));
  root.append(row(curves.canvas, bars.canvas), numbersBox, ...sliders,
    row(button("Make q the posterior", () => update(model, { mu: POST_MEAN, s: POST_S })),
      button("New samples", () => update(model, { seed: (get("seed") + 1) % 10000 }))),
    choice(model, "estimate", { label: "Estimate", options: [["elbo", "mean of log w (ELBO)"],
      ["weighted", "log of mean w (weighted bound)"]] }));

  function estimateText() {
    if (get("estimate") === "weighted") return `log of mean w = ${four(now.weighted)}`;
    const error = now.error === null ? "" : ` ± ${four(now.error)}`;
    return `mean of log w = ${four(now.mean)}${error}`;
  }
  return {
    draw() {
      now = numbers();
      bound.textContent = `ELBO ${four(now.elbo)}`;
      gap.textContent = `+ gap ${four(now.gap)}`;
      total.textContent = `= log p(x) ${four(LOG_P)}`;
      split.textContent = `ELBO = reconstruction ${four(now.reconstruction)} − KL to the prior `
        + four(now.kl);
      guess.textContent = `From ${now.n} sample${now.n > 1 ? "s" : ""}: ${estimateText()}`;
      curves.draw(`Prior, posterior, and q with mean ${two(now.mu)} and width ${two(now.s)}; `
        + `${now.n} samples from q`);
      bars.draw(`ELBO ${two(now.elbo)}, gap ${two(now.gap)}, log p(x) ${two(LOG_P)} nats; `
        + estimateText());
    },
    describe() {
      if (atPosterior()) return `q is the posterior. The gap is 0, and every sample gives `
        + `log w = ${four(LOG_P)}: the estimate has no error, whatever the samples.`;
      return `q = N(${two(now.mu)}, ${two(now.s)}²): ELBO ${two(now.elbo)} + gap ${two(now.gap)} = `
        + `log p(x) ${two(LOG_P)} nats. The gap is above 0. From ${now.n} `
        + `sample${now.n > 1 ? "s" : ""}: ${estimateText()}.`;
    },
    probe() {
      const { mu, s, n, reconstruction, kl, elbo, gap, mean, error, weighted } = now;
      return { inputs: { mu, s, x: X, eps: eps.slice(0, n) },
        outputs: { logP: LOG_P, reconstruction, kl, elbo, gap, mean, error, weighted,
          z: Array.from(z.subarray(0, n)), logW: Array.from(logW.subarray(0, n)) } };
    },
  };
}

export default widget(view);
