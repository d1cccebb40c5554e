// Where do codes live? Draw codes from one of four sources, decode them, and see where they fall.
import { network, randomNumbers, sigmoid } from "./network.js";
import { button, choice, h, row, update } from "./controls.js";
import { chart, picture, tiles } from "./pictures.js";
import { loadPack } from "./weights.js";
import { widget } from "./widget.js";

const SHOWN = 16, DRAWN = 200, WIDE = 292;
const SOURCES = [["noise", "noise N(0, I)"], ["gaussian", "fitted Gaussian"],
  ["mixture", "fitted mixture"], ["vae", "noise, into a VAE"]];
const FOUND = {
  noise: "The noise stays in the middle of the map, far from most digits, and the decoder draws "
    + "what it never learnt.",
  gaussian: "Mean and covariance are right, but many samples fall between the codes of digits.",
  mixture: "The mixture follows the codes; its samples score nearly as well as rebuilt digits.",
  vae: "This model, twice as wide, was trained to have its codes where the noise falls.",
};

// n codes from a mixture of Gaussians: pick a component, then mean + L eps. Without a fit: eps.
function drawCodes(n, size, fit, seed) {
  const { uniform, normals } = randomNumbers(seed);
  return Array.from({ length: n }, () => {
    const u = uniform(), eps = normals(size);
    if (!fit) return eps;
    const { weights, means, roots } = fit;
    let c = 0;
    for (let sum = weights[0]; sum < u && c < weights.length - 1; sum += weights[c]) c++;
    return eps.map((_, i) => {
      let value = means[c * size + i];
      for (let j = 0; j <= i; j++) value += roots[(c * size + i) * size + j] * eps[j];
      return value;
    });
  });
}

// Smallest and largest value of one column of two, with a margin.
function range(places, column) {
  const values = Array.from(places).filter((_, i) => i % 2 === column);
  const [low, high] = [Math.min(...values), Math.max(...values)], margin = 0.06 * (high - low);
  return [low - margin, high + margin];
}

async function view(model, root) {
  const pack = await loadPack(model, "generation"), { tensors } = pack;
  const [sampled, rebuilt] = ["sampled", "rebuilt"].map((key) => JSON.parse(pack.meta[key]));
  const part = (name, key) => tensors[`${name}.${key}`];
  const spaces = Object.fromEntries(["ae", "vae"].map((name) => {
    const run = network(pack, name), digits = part(name, "digits");
    const squash = name === "vae" ? sigmoid : (v) => Math.min(1, Math.max(0, v));
    const decode = (all) => run.all(all).map((image) => image.map(squash));
    return [name, { decode, digits, rebuilt: rebuilt[name],
      center: part(name, "center"), axes: part(name, "axes"),
      across: range(digits, 0), up: range(digits, 1) }];
  }));
  const fits = Object.fromEntries(["gaussian", "mixture"].map((name) => [name,
    { weights: part(name, "weights"), means: part(name, "means"), roots: part(name, "roots") }]));
  const space = () => spaces[model.get("source") === "vae" ? "vae" : "ae"];

  let done = "", codes = [], images = [], pixels = [];
  const sample = () => {
    const source = model.get("source"), state = `${source} ${model.get("seed")}`;
    if (state === done) return;
    const { center, decode } = space();
    codes = drawCodes(DRAWN, center.length, fits[source], model.get("seed"));
    images = decode(codes.slice(0, SHOWN));
    pixels = tiles(images, 4);
    done = state;
  };

  const map = chart("", { width: WIDE, height: WIDE, paint: paintMap });
  function paintMap(context, colour) {
    const { digits, center, axes, across, up } = space(), { labels } = tensors;
    const share = (v, [low, high]) => (v - low) / (high - low);
    const place = (u, v) => [WIDE * share(u, across), WIDE * (1 - share(v, up))];
    const along = (code, a) => code.reduce((sum, v, j) =>
      sum + (v - center[j]) * axes[a * center.length + j], 0);
    const places = codes.map((code) => place(along(code, 0), along(code, 1)));
    context.fillStyle = context.strokeStyle = colour.code;
    context.beginPath();
    for (const [x, y] of places.slice(SHOWN)) context.rect(x - 2.5, y - 2.5, 5, 5);
    context.fill();
    context.fillStyle = colour.text;
    context.textAlign = "center";
    context.textBaseline = "middle";
    const taken = []; // of numerals that would cover each other, the first stays
    for (let i = 0; i < labels.length; i++) {
      const [x, y] = place(digits[2 * i], digits[2 * i + 1]);
      if (taken.some(([a, b]) => Math.abs(a - x) < 9 && Math.abs(b - y) < 11)) continue;
      taken.push([x, y]);
      context.fillText(labels[i], x, y);
    }
    context.lineWidth = 2.5;
    context.beginPath();
    for (const [x, y] of places.slice(0, SHOWN)) {
      context.moveTo(x + 6, y);
      context.arc(x, y, 6, 0, 2 * Math.PI);
    }
    context.stroke();
  }
  map.canvas.classList.add("ae-frame");

  const grid = picture(`${SHOWN} samples, decoded (the rings)`, { side: 112, size: WIDE });
  const score = h("strong"), best = h("span");
  root.append(
    choice(model, "source", { label: "Codes from", options: SOURCES }),
    row(button("New samples", () => update(model, { seed: (model.get("seed") + 1) % 10000 })),
      h("span", {}, "Fréchet distance of such samples: ", score, best)),
    row(h("figure", { className: "ae-picture", style: `width: ${WIDE}px; max-width: 100%` },
      map.canvas, h("figcaption", {}, "orange: samples; numerals: test digits")), grid));

  const from = () => SOURCES.find(([name]) => name === model.get("source"))[1];
  return {
    draw() {
      sample();
      map.draw(`Codes in the plane where they spread most: test digits as numerals, and ${DRAWN} `
        + `samples from ${from()}`);
      grid.show(pixels, `${SHOWN} decoded samples from ${from()}, draw ${model.get("seed")}`);
      score.textContent = sampled[model.get("source")].toFixed(0);
      best.textContent = `, of rebuilt digits: ${space().rebuilt.toFixed(0)}`;
    },
    describe: () => `Codes from ${from()}: Fréchet distance `
      + `${sampled[model.get("source")].toFixed(0)}, lower is better. `
      + FOUND[model.get("source")],
    probe() {
      sample();
      const plain = (rows) => rows.map((one) => Array.from(one));
      return { inputs: plain(codes.slice(0, SHOWN)), outputs: plain(images), codes: plain(codes) };
    },
  };
}

export default widget(view);
