// A sheet to draw on; the identity, a bottleneck and a denoiser answer each stroke.

import { network, randomNumbers } from "./network.js";
import { button, h, row, update } from "./controls.js";
import { picture } from "./pictures.js";
import { loadPack } from "./weights.js";
import { sheet } from "./drawing.js";
import { widget } from "./widget.js";

const PRESETS = ["digit", "clothing", "noise", "checkerboard"];
const SQUARES = [7, 4, 2, 14, 1];

async function view(model, root) {
  const pack = await loadPack(model, "trivial"), { digits, clothes } = pack.tensors;
  const k = JSON.parse(pack.meta.k), names = JSON.parse(pack.meta.names);
  const run = (...parts) => parts.map((name) => network(pack, name))
    .reduce((f, g) => (x) => g(f(x)));
  const networks = [(x) => x, run("encoder", "decoder"), run("hide", "restore")];
  const titles = ["identity", "bottleneck", "denoiser"];
  const kinds = ["k = d", `k = ${k}`, "ch. 09"];

  // --- what lies on the sheet: 784 integers 0...255 ---------------------------------------------
  const isDrawn = () => model.get("drawing").length > 0;
  const presetPixels = () => {
    const n = model.get("number"), { uniform } = randomNumbers(n + 1);
    const size = SQUARES[n % SQUARES.length];
    return {
      digit: () => Array.from(digits.subarray(784 * n, 784 * n + 784)),
      clothing: () => Array.from(clothes.subarray(784 * n, 784 * n + 784)),
      noise: () => Array.from({ length: 784 }, () => Math.floor(256 * uniform())),
      checkerboard: () => Array.from({ length: 784 }, (_, i) =>
        255 * ((Math.floor(i / 28 / size) + Math.floor(i % 28 / size)) % 2)),
    }[model.get("preset")]();
  };
  const what = () => isDrawn() ? "Your drawing" : {
    digit: `Test digit ${model.get("number")}`,
    clothing: `Clothing: ${names[model.get("number")]}`,
    noise: "Noise",
    checkerboard: "Checkerboard",
  }[model.get("preset")];

  // --- what the three networks answer, computed once per state ----------------------------------
  let last = {};
  const answer = () => {
    const state = [model.get("drawing"), model.get("preset"), model.get("number")];
    if (last.state?.every((value, i) => value === state[i])) return last;
    const x = Float32Array.from(isDrawn() ? state[0] : presetPixels(), (v) => v / 255);
    const outputs = networks.map((f) => f(x));
    const errors = outputs.map((y) => y.reduce((sum, v, i) => sum + (v - x[i]) ** 2, 0));
    return last = { state, x, outputs, errors };
  };

  // --- controls ---------------------------------------------------------------------------------
  const paper = sheet(model, "drawing", { caption: "Draw here", size: 196, guide: true,
    start: (away) => away ? presetPixels() : new Array(784).fill(0) }); // a new drawing
  const pictures = titles.map((title) => picture(title, { size: 128 }));
  const shown = pictures.map((figure, i) => {
    const number = h("b", { className: "ae-number" });
    figure.append(h("figcaption", {}, kinds[i]), number);
    return number;
  });
  const presets = PRESETS.map((preset) => button(preset[0].toUpperCase() + preset.slice(1), () => {
    const again = !isDrawn() && model.get("preset") === preset;
    const number = again ? (model.get("number") + 1) % 10 : model.get("number");
    update(model, { drawing: [], preset, number });
  }));
  const next = button("Next", () =>
    update(model, { drawing: [], number: (model.get("number") + 1) % 10 }));
  root.append(row(paper, h("div", { className: "ae-results" }, ...pictures)),
    h("div", { className: "ae-row", role: "group", "aria-label": "Pictures to try" },
      h("span", { className: "ae-lead" }, "Or take"), ...presets, next));

  const said = (error) => error.toFixed(error && error < 10 ? 1 : 0);
  return {
    draw() {
      const { x, outputs, errors } = answer();
      paper.show(x, what());
      pictures.forEach((figure, i) => {
        figure.show(outputs[i], `${titles[i]}: its answer, squared error ${said(errors[i])}`);
        shown[i].textContent = `error ${said(errors[i])}`;
      });
      presets.forEach((one, i) => one.setAttribute("aria-pressed",
        !isDrawn() && PRESETS[i] === model.get("preset")));
    },
    describe() {
      const [, narrow, denoised] = answer().errors.map(said);
      return `${what()}. Squared error: identity 0, it copies anything; bottleneck ${narrow}; `
        + `denoiser ${denoised}.`;
    },
    probe() {
      const { x, outputs } = answer();
      return { inputs: Array.from(x), outputs: outputs.map((y) => Array.from(y)) };
    },
  };
}

export default widget(view);
