// A fixed cloud of noise, moved and stretched: each point keeps its identity, so it has a slope.
import { randomNumbers } from "./network.js";
import { button, choice, h, row, slider, update } from "./controls.js";
import { chart } from "./pictures.js";
import { widget } from "./widget.js";

async function view(model, root) {
  const COUNT = 40, WIDE = 312, EDGE = 6.2, NOISE_ROW = 74, CODE_ROW = 150, TALL = 74;
  const get = (name) => model.get(name), two = (v) => v.toFixed(2).replace("-", "−");
  const direct = () => get("mode") === "direct";

  // --- the numbers -------------------------------------------------------------------------------

  let noiseSeed = null, others = [];
  function noise() { // the first value is the reader's
    if (noiseSeed !== get("seed")) {
      noiseSeed = get("seed");
      const { normal } = randomNumbers(noiseSeed);
      others = Array.from({ length: COUNT - 1 }, normal);
    }
    return [get("eps"), ...others];
  }
  // Nothing but μ, σ and the dice: another μ or σ is another throw.
  function thrown(mu, sigma) {
    const throwSeed = 7919 * get("seed") + 104729 * Math.round(100 * mu)
      + 1299709 * Math.round(100 * get("logvar"));
    const { normal } = randomNumbers(throwSeed);
    return Array.from({ length: COUNT }, () => mu + sigma * normal());
  }
  // Mean and its standard error.
  function average(values) {
    const mean = values.reduce((a, b) => a + b, 0) / COUNT;
    const squares = values.reduce((a, v) => a + (v - mean) ** 2, 0);
    return { mean, error: Math.sqrt(squares / (COUNT - 1) / COUNT) };
  }
  function numbers() {
    const mu = get("mu"), sigma = Math.exp(get("logvar") / 2), exact = [2 * mu, 2 * sigma];
    if (direct()) {
      const z = thrown(mu, sigma);
      return { mu, sigma, eps: null, z, slope: 2 * z[0], one: null, estimate: null, exact };
    }
    const eps = noise(), z = eps.map((e) => mu + sigma * e), slope = 2 * z[0];
    return { mu, sigma, eps, z, slope, exact,
      one: [slope, slope * eps[0]], // through ∂z/∂μ = 1 and ∂z/∂σ = ε
      estimate: [average(z.map((v) => 2 * v)), average(z.map((v, i) => 2 * v * eps[i]))] };
  }
  let now = numbers();

  // --- the cloud ---------------------------------------------------------------------------------

  const place = (v) => (v + EDGE) / (2 * EDGE) * WIDE;
  const bell = (u) => Math.exp(-u * u / 2) / Math.sqrt(2 * Math.PI);

  // Histogram and density of N(mean, scale²) on a row, upwards (-1) or downwards (1).
  function hump(context, values, mean, scale, level, way, bars, curve) {
    const bins = new Map(), width = scale / 2;
    for (const v of values) {
      const bin = Math.floor((v - mean) / width);
      bins.set(bin, (bins.get(bin) ?? 0) + 1);
    }
    context.globalAlpha = 0.3;
    context.fillStyle = bars;
    for (const [bin, count] of bins) {
      const left = place(mean + bin * width), right = place(mean + (bin + 1) * width);
      const tall = way * TALL * count / COUNT / width;
      context.fillRect(left + 0.25, level, right - left - 0.5, tall);
    }
    context.globalAlpha = 1;
    context.strokeStyle = curve;
    context.lineWidth = 2;
    context.beginPath();
    for (let u = -3.5; u <= 3.5; u += 0.1)
      context.lineTo(place(mean + scale * u), level + way * TALL * bell(u) / scale);
    context.stroke();
  }
  function segment(context, x0, y0, x1, y1, colour, width = 1, dash = []) {
    Object.assign(context, { strokeStyle: colour, lineWidth: width });
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
    context.stroke();
    context.setLineDash([]);
  }
  function dots(context, values, level, fill, ring) {
    values.forEach((v, i) => {
      context.beginPath();
      context.arc(place(v), level, i ? 3.5 : 5, 0, 2 * Math.PI);
      context.fillStyle = fill;
      context.fill();
      if (i) return;
      Object.assign(context, { strokeStyle: ring, lineWidth: 2 });
      context.stroke();
    });
  }
  function text(context, what, x, y, align = "left", weight = "") {
    context.font = `${weight} 13.5px system-ui, sans-serif`;
    context.textAlign = align;
    context.fillText(what, x, y);
  }
  function axes(context, colour) {
    context.fillStyle = colour.muted;
    for (const tick of [-4, -2, 0, 2, 4]) {
      segment(context, place(tick), 26, place(tick), 272, colour.line, 0.5);
      text(context, `${tick}`.replace("-", "−"), place(tick), 288, "center");
    }
    for (const level of now.eps ? [NOISE_ROW, CODE_ROW] : [CODE_ROW])
      segment(context, 0, level, WIDE, level, colour.muted);
  }
  const cloud = chart("", { width: WIDE, height: 292, paint(context, colour) {
    const { mu, sigma, eps, z } = now, deep = TALL * bell(1) / sigma;
    axes(context, colour);
    hump(context, z, mu, sigma, CODE_ROW, 1, colour.code, colour.encoder);
    if (eps) {
      hump(context, eps, 0, 1, NOISE_ROW, -1, colour.noise, colour.noise);
      for (let i = COUNT - 1; i >= 0; i--)
        segment(context, place(eps[i]), NOISE_ROW, place(z[i]), CODE_ROW,
          i ? colour.muted : colour.text, i ? 0.6 : 2);
      dots(context, eps, NOISE_ROW, colour.noise, colour.text);
    }
    // μ, and one σ to its right, where the density has its inflection
    segment(context, place(mu), CODE_ROW, place(mu), CODE_ROW + deep, colour.encoder, 1.5, [4, 3]);
    segment(context, place(mu), CODE_ROW + deep, place(mu + sigma), CODE_ROW + deep,
      colour.encoder, 2);
    dots(context, z, CODE_ROW, colour.code, colour.text);
    context.fillStyle = colour.text;
    text(context, "σ", place(mu + sigma) + 5, CODE_ROW + deep + 5);
    text(context, "μ", place(mu) - 12, CODE_ROW + 22);
    text(context, eps ? "ε ~ N(0, 1), fixed" : "no ε: z is drawn directly", 4, 16);
    const [side, align] = mu > 0 ? [4, "left"] : [WIDE - 4, "right"];
    text(context, eps ? "z = μ + σε" : "z drawn anew", side, CODE_ROW + 22, align);
    text(context, "N(μ, σ²)", side, CODE_ROW + 42, align);
  } });

  // --- the graph ---------------------------------------------------------------------------------

  const at = { mu: [34, 76], sigma: [34, 186], z: [170, 131], f: [282, 131], eps: [170, 34] };
  const RADIUS = 18;
  function node(context, [x, y], label, ink, colour) {
    context.beginPath();
    context.arc(x, y, RADIUS, 0, 2 * Math.PI);
    Object.assign(context, { fillStyle: colour.paper, strokeStyle: ink, lineWidth: 3 });
    context.fill();
    context.stroke();
    context.fillStyle = colour.text;
    text(context, label, x, y + 5, "center", "bold");
  }
  // From node to node, moved `aside` to the left of its direction.
  function arrow(context, [x0, y0], [x1, y1], ink, { aside = 0, dash = [], width = 1.5 } = {}) {
    const far = Math.hypot(x1 - x0, y1 - y0), dx = (x1 - x0) / far, dy = (y1 - y0) / far;
    const skip = RADIUS + 4, [sx, sy] = [aside * dy, -aside * dx];
    const [ax, ay] = [x0 + skip * dx + sx, y0 + skip * dy + sy];
    const [bx, by] = [x1 - skip * dx + sx, y1 - skip * dy + sy];
    segment(context, ax, ay, bx, by, ink, width, dash);
    context.beginPath();
    context.moveTo(bx - 7 * dx - 4 * dy, by - 7 * dy + 4 * dx);
    context.lineTo(bx, by);
    context.lineTo(bx - 7 * dx + 4 * dy, by - 7 * dy - 4 * dx);
    context.stroke();
  }
  function forward(context, colour) {
    for (const from of now.eps ? ["mu", "sigma", "eps"] : ["mu", "sigma"])
      arrow(context, at[from], at.z, colour.muted, now.eps ? { aside: 4 } : { dash: [2, 4] });
    arrow(context, at.z, at.f, colour.muted, { aside: 4 });
    node(context, at.mu, "μ", colour.encoder, colour);
    node(context, at.sigma, "σ", colour.encoder, colour);
    node(context, at.z, "z", colour.code, colour);
    node(context, at.f, "z²", colour.data, colour);
    if (now.eps) node(context, at.eps, "ε", colour.noise, colour);
  }
  const graph = chart("", { width: WIDE, height: 236, paint(context, colour) {
    const { slope, one, eps } = now, back = { aside: 4, dash: [6, 4], width: 3 };
    forward(context, colour);
    arrow(context, at.f, at.z, colour.gradient, back);
    context.fillStyle = colour.text;
    text(context, "∂z²/∂z", 226, 92, "center");
    text(context, `= 2z = ${two(slope)}`, 232, 110, "center");
    if (eps) {
      for (const to of ["mu", "sigma"]) arrow(context, at.z, at[to], colour.gradient, back);
      text(context, "∂z/∂μ = 1", 84, 88);
      text(context, `∂z/∂σ = ε = ${two(eps[0])}`, 84, 194);
      text(context, "a source,", 196, 30);
      text(context, "no parameter", 196, 47);
    } else {
      text(context, "no path", 84, 84);
      text(context, "no path", 84, 190);
      segment(context, at.z[0] - 28, at.z[1] - 24, at.z[0] - 28, at.z[1] + 24, colour.gradient, 4);
    }
    text(context, `∂z²/∂μ ${one ? `= ${two(one[0])}` : "= none"}`, 4, 44, "left", "bold");
    text(context, `∂z²/∂σ ${one ? `= ${two(one[1])}` : "= none"}`, 4, 226, "left", "bold");
    text(context, "For the ringed point:", 4, 16);
  } });

  // --- the page ----------------------------------------------------------------------------------

  const cells = [0, 1].map(() => [h("b"), h("span")]);
  const table = h("div", { style: "display: grid; grid-template-columns: auto auto auto; "
    + "gap: 0.1rem 1.2rem; font-variant-numeric: tabular-nums; white-space: nowrap" },
  ...["gradient", `mean of ${COUNT}`, "exact", "∂E[z²]/∂μ"].map((what) => h("span", {}, what)),
  ...cells[0], h("span", {}, "∂E[z²]/∂σ"), ...cells[1]);
  const sliders = [
    slider(model, "mu", { label: "μ", min: -2, max: 2, format: two }),
    slider(model, "logvar", { label: "log σ²", min: -2, max: 1,
      format: (v) => `${two(v)}, σ ${two(Math.exp(v / 2))}` }),
    slider(model, "eps", { label: "ringed ε", min: -2.5, max: 2.5, format: two }),
  ];
  for (const line of sliders) line.style.gridTemplateColumns = "4.6rem minmax(4rem, 1fr) 7.2rem";
  root.append(
    choice(model, "mode", { label: "Draw", options: [["rescale", "ε first: z = μ + σε"],
      ["direct", "z ~ N(μ, σ²) directly"]] }),
    row(cloud.canvas, graph.canvas), ...sliders,
    row(table, button("New noise", () => update(model, { seed: (get("seed") + 1) % 10000 }))));

  const state = () => `μ = ${two(now.mu)}, σ = ${two(now.sigma)}`;
  function finding() {
    const [mu, sigma] = now.exact.map(two);
    if (!now.eps) return `At ${state()} all ${COUNT} points are drawn anew at each change, so none `
      + `has a slope: the gradient stops at z, and none reaches μ or σ. The exact one exists: `
      + `${mu} and ${sigma}.`;
    return `At ${state()} the ringed point, ε = ${two(now.eps[0])}, lies at z = ${two(now.z[0])}; `
      + `∂z/∂μ = 1, ∂z/∂σ = ε. The cloud's mean gradient of z² is `
      + `${now.estimate.map(({ mean }) => two(mean)).join(" and ")}; exact: ${mu} and ${sigma}.`;
  }
  return {
    draw() {
      now = numbers();
      sliders[2].querySelector("input").disabled = direct();
      cells.forEach(([mean, exact], i) => {
        const found = now.estimate?.[i];
        mean.textContent = found ? `${two(found.mean)} ± ${two(found.error)}` : "none";
        exact.textContent = `2${"μσ"[i]} = ${two(now.exact[i])}`;
      });
      cloud.draw(now.eps ? `${COUNT} fixed noise values, each joined to its point z; ${state()}`
        : `${COUNT} points drawn directly; ${state()}`);
      graph.draw(now.eps ? "μ, σ and ε lead to z, z to z²; the gradient flows back to μ and σ"
        : "μ and σ lead to z, z to z²; the gradient flows back to z and stops there");
    },
    describe: finding,
    probe() {
      const { mu, sigma, eps, z, slope, one, estimate, exact } = now;
      return { inputs: { mu, logvar: get("logvar"), mode: get("mode"), eps },
        outputs: { sigma, z, slope, one, exact, mean: estimate?.map((e) => e.mean) ?? null,
          error: estimate?.map((e) => e.error) ?? null } };
    },
  };
}

export default widget(view);
