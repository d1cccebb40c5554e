// VAEs that differ in the length of their latent: samples, and what each unit carries.
import { network, randomNumbers, sigmoid } from "./network.js";
import { button, h, row, slider, update } from "./controls.js";
import { chart, picture, tiles } from "./pictures.js";
import { packsOnDemand } from "./weights.js";
import { widget } from "./widget.js";

const SIZES = [2, 5, 10, 20, 50, 100], COUNT = 16, WIDE = 292, TALL = 230, MOST = 3.4;

async function view(model, root, redraw) {
  const packs = packsOnDemand(model, redraw), nameOf = (size) => `limits_${size}`;
  const scores = JSON.parse((await packs.load(nameOf(model.get("size")))).meta.scores);

  const made = new Map(); // what this seed gave for each size
  let drawn = -1, latents = [], images = [], kl = [], used = 0;
  // Half of the samples in this frame, half in the next: all at once would take too long for one.
  const run = (pack) => {
    const size = model.get("size"), seed = model.get("seed");
    if (seed !== drawn) made.clear();
    drawn = seed;
    if (!made.has(size)) {
      const { normals } = randomNumbers(seed);
      const z = Array.from({ length: COUNT }, () => normals(size));
      made.set(size, { latents: z, images: [] });
    }
    const one = made.get(size), from = one.images.length;
    if (from < COUNT) one.images.push(...network(pack, "decoder")
      .all(one.latents.slice(from, from + COUNT / 2)).map((image) => image.map(sigmoid)));
    ({ latents, images } = made.get(size));
    [kl, used] = [pack.tensors.kl, scores[size].active_units];
    return images.length === COUNT;
  };

  const bars = chart("", { width: WIDE, height: TALL, paint(context, colour) {
    const left = 30, bottom = TALL - 22, step = (WIDE - left - 8) / 100;
    const up = (nats) => bottom - nats / MOST * (bottom - 8);
    context.fillStyle = colour.line; // the units that this model has
    context.globalAlpha = 0.35;
    context.fillRect(left, 8, kl.length * step, bottom - 8);
    context.globalAlpha = 1;
    context.fillStyle = colour.code;
    for (let j = 0; j < kl.length; j++)
      context.fillRect(left + j * step, up(kl[j]), Math.max(1, step - 0.6), bottom - up(kl[j]));
    context.strokeStyle = context.fillStyle = colour.text;
    context.lineWidth = 1;
    context.strokeRect(left, 8, 100 * step, bottom - 8);
    for (const nats of [0, 1, 2, 3]) context.fillText(nats, left - 14, up(nats) + 5);
    context.textAlign = "right";
    for (const unit of [20, 50, 100]) context.fillText(unit, left + unit * step, bottom + 16);
    const x = left + used * step, right = x + 8 + 120 < WIDE; // where the units in use end
    context.textAlign = right ? "left" : "right";
    context.fillText(`${used} in use`, x + 6, 26);
    context.textAlign = "left";
    context.setLineDash([4, 3]);
    context.beginPath();
    context.moveTo(x, 8);
    context.lineTo(x, bottom);
    context.stroke();
    context.setLineDash([]);
  } });

  const line = (title, value) => h("tr", {}, h("th", { scope: "row" }, title),
    ...SIZES.map((size) => h("td", {}, value(size))));
  const table = h("table", {},
    line("latents", (size) => size),
    line("in use", (size) => scores[size].active_units),
    line("ELBO", (size) => scores[size].test_elbo.toFixed(0).replace("-", "−")),
    line("Fréchet", (size) => scores[size].sample_frechet.toFixed(0)));

  const grid = picture("16 samples", { side: 112, size: WIDE });
  const body = row(grid, h("figure",
    { className: "ae-picture", style: `width: ${WIDE}px; max-width: 100%` }, bars.canvas,
    h("figcaption", {}, "KL of each unit in nats, sorted; grey: all units")));
  root.append(slider(model, "size", { label: "latents", stops: SIZES }), packs.note, body,
    button("New samples", () => update(model, { seed: (model.get("seed") + 1) % 10000 })), table);

  const found = (size, inUse) => size > inUse
    ? `The other ${size - inUse} carry nothing: more latents change neither bound nor samples.`
    : size < 20 ? "All are in use, and the bound still rises with more." : "All are still in use.";
  return {
    draw() {
      const size = model.get("size"), pack = packs.get(nameOf(size));
      body.style.opacity = pack ? 1 : 0.3;
      for (const tr of table.rows) [...tr.cells].forEach((cell, i) =>
        cell.classList.toggle("ae-now", SIZES[i - 1] === size));
      if (!pack) return;
      const done = run(pack);
      if (done) grid.show(tiles(images, 4),
        `16 samples of the VAE with ${size} latents, draw ${model.get("seed")}`);
      bars.draw(`KL of each of ${size} units, sorted: ${used} are in use`);
      return !done;
    },
    describe() {
      const size = model.get("size"), { active_units: inUse, test_elbo: bound } = scores[size];
      return `${inUse} of ${size} latents in use, ELBO ${bound.toFixed(0).replace("-", "−")} `
        + `nats. ${found(size, inUse)}`;
    },
    async probe() {
      const pack = await packs.load(nameOf(model.get("size")));
      while (!run(pack));
      const plain = (rows) => rows.map((one) => Array.from(one));
      return { inputs: plain(latents), outputs: plain(images), kl: Array.from(kl) };
    },
  };
}

export default widget(view);
