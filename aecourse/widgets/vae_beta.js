// Five VAEs that differ in the weight of the KL: what they rebuild, what they sample, the costs.
import { network, randomNumbers, sigmoid } from "./network.js";
import { button, h, row, slider, update } from "./controls.js";
import { chart, picture, tiles } from "./pictures.js";
import { packsOnDemand } from "./weights.js";
import { widget } from "./widget.js";

const BETAS = [0.1, 0.3, 1, 3, 10], SAMPLES = 12, WIDE = 300, STEP = 30;

async function view(model, root, redraw) {
  const packs = packsOnDemand(model, redraw), nameOf = (beta) => `vae_beta_${beta}`;
  const first = await packs.load(nameOf(model.get("beta")));
  const scores = JSON.parse(first.meta.scores), { digits } = first.tensors;
  const score = (beta = model.get("beta")) => {
    const { test_kl: kl, test_reconstruction: rest, active_units: used } = scores[beta];
    return { kl, rest, used, sum: kl + rest };
  };
  const originals = rowsOf(digits).map((digit) => digit.map((v) => v / 255));

  const made = new Map(); // what this seed gave for each β
  let drawn = -1, latents = [], images = [];
  // The digits first, the samples in the next frame: both at once would take too long for one.
  const run = (pack) => {
    const beta = model.get("beta"), seed = model.get("seed");
    if (seed !== drawn) made.clear();
    drawn = seed;
    if (!made.has(beta))
      made.set(beta, { latents: latentsOf(pack.tensors.means, seed), images: [] });
    const one = made.get(beta), next = one.images.length ? [6, SAMPLES + 6] : [0, 6];
    if (one.images.length < one.latents.length) one.images.push(...network(pack, "decoder")
      .all(one.latents.slice(...next)).map((image) => image.map(sigmoid)));
    ({ latents, images } = one);
    return images.length === latents.length;
  };

  const bars = chart("", { width: WIDE, height: BETAS.length * STEP + 30, paint: paintBars });
  function paintBars(context, colour) {
    const left = 62, scale = (WIDE - left - 36) / Math.max(...BETAS.map((b) => score(b).sum));
    BETAS.forEach((beta, i) => {
      const { kl, rest, sum } = score(beta), y = i * STEP, now = beta === model.get("beta");
      context.globalAlpha = now ? 1 : 0.4;
      context.fillStyle = colour.code;
      context.fillRect(left, y + 5, kl * scale, STEP - 10);
      context.fillStyle = colour.decoder;
      context.fillRect(left + kl * scale + 1, y + 5, rest * scale, STEP - 10);
      context.globalAlpha = 1;
      context.fillStyle = colour.text;
      context.font = `${now ? "bold " : ""}13px system-ui, sans-serif`;
      context.fillText(`${now ? "▸ " : ""}β = ${beta}`, now ? 0 : 13, y + STEP / 2 + 5);
      context.fillText(sum.toFixed(0), left + sum * scale + 6, y + STEP / 2 + 5);
    });
    context.font = "13px system-ui, sans-serif";
    const y = BETAS.length * STEP + 18;
    context.fillStyle = colour.code;
    context.fillRect(left, y - 10, 11, 11);
    context.fillStyle = colour.decoder;
    context.fillRect(left + 52, y - 10, 11, 11);
    context.fillStyle = colour.text;
    context.fillText("KL", left + 16, y);
    context.fillText("reconstruction (nats)", left + 68, y);
  }

  const size = { side: 168, tall: 56, size: WIDE };
  const rebuilt = picture("test digits; below: rebuilt", size);
  const sampled = picture("samples: decoded noise", size);
  const pictures = h("div", {}, rebuilt, h("div", { style: "height: 0.6rem" }), sampled);
  root.append(
    slider(model, "beta", { label: "weight β", stops: BETAS }), packs.note,
    row(pictures, bars.canvas),
    button("New samples", () => update(model, { seed: (model.get("seed") + 1) % 10000 })));

  const found = (beta) => beta < 1 ? "Digits are rebuilt well, but most samples are broken strokes."
    : beta > 1 ? "Few nats reach the decoder, and its pictures blur."
      : "Digits are rebuilt well, many samples can be read, and the sum is the least of the five.";
  return {
    draw() {
      const beta = model.get("beta"), pack = packs.get(nameOf(beta));
      pictures.style.opacity = pack ? 1 : 0.3;
      const { kl, rest, sum } = score();
      bars.draw(`Bars for five β. At β = ${beta}: KL ${kl.toFixed(1)} nats, reconstruction `
        + `${rest.toFixed(1)}, sum ${sum.toFixed(1)}; the least sum is at β = 1`);
      if (!pack) return;
      const done = run(pack);
      rebuilt.show(tiles([...originals, ...images.slice(0, 6)], 6),
        `Six test digits, and below them as the model with β = ${beta} rebuilds them`);
      if (done) sampled.show(tiles(images.slice(6), 6),
        `Twelve samples of the model with β = ${beta}, draw ${model.get("seed")}`);
      return !done;
    },
    describe() {
      const beta = model.get("beta"), { kl, rest, used } = score();
      return `β = ${beta}: KL ${kl.toFixed(1)} nats, reconstruction ${rest.toFixed(1)} nats, `
        + `${used} of 50 latents in use. ${found(beta)}`;
    },
    async probe() {
      const pack = await packs.load(nameOf(model.get("beta")));
      while (!run(pack));
      const plain = (rows) => rows.map((one) => Array.from(one));
      return { inputs: plain(latents), outputs: plain(images) };
    },
  };
}

// The means of the test digits' posteriors, then noise.
function latentsOf(means, seed) {
  const { normals } = randomNumbers(seed);
  return [...rowsOf(means), ...Array.from({ length: SAMPLES }, () => normals(means.shape[1]))];
}

// The rows of a matrix.
const rowsOf = (matrix) => Array.from({ length: matrix.shape[0] }, (_, i) =>
  Float32Array.from(matrix.subarray(i * matrix.shape[1], (i + 1) * matrix.shape[1])));

export default widget(view);
