// Rub out a part of a digit; the denoiser fills it in.

import { network, randomNumbers } from "./network.js";
import { button, h, row, update } from "./controls.js";
import { picture } from "./pictures.js";
import { loadPack } from "./weights.js";
import { sheet } from "./drawing.js";
import { widget } from "./widget.js";

const DAMAGES = [["left half", "Left half"], ["patches", "Patches"], ["pixels", "Pixels"],
  ["noise", "Noise"]];

async function view(model, root) {
  const pack = await loadPack(model, "denoising"), { digits, labels } = pack.tensors;
  const denoise = network(pack, "denoiser"), count = labels.length;

  // --- what the damage hides: 784 times 0 or 1 --------------------------------------------------
  const isPainted = () => model.get("mask").length > 0;
  const isNoise = () => !isPainted() && model.get("damage") === "noise";
  const hiddenPixels = () => {
    if (isPainted()) return model.get("mask");
    const { uniform } = randomNumbers(model.get("seed"));
    const each = (hide) => Array.from({ length: 784 }, (_, i) => Number(hide(i)));
    const patches = Array.from({ length: 49 }, (_, i) => [uniform(), i]).sort((a, b) => a[0] - b[0])
      .slice(0, 24).map(([, i]) => i); // half of them, as mask_patches rounds it
    return {
      "left half": () => each((i) => i % 28 < 14),
      patches: () => each((i) =>
        patches.includes(7 * Math.floor(i / 112) + Math.floor(i % 28 / 4))),
      pixels: () => each(() => uniform() < 0.5),
      noise: () => each(() => false),
    }[model.get("damage")]();
  };

  // --- what the model sees and restores, computed once per state --------------------------------
  const NAMES = ["digit", "mask", "damage", "seed"];
  let last = {};
  const answer = () => {
    const state = NAMES.map((name) => model.get(name));
    if (last.state?.every((value, i) => value === state[i])) return last;
    const truth = Float32Array.from(digits.subarray(784 * state[0], 784 * state[0] + 784),
      (v) => v / 255);
    const mask = hiddenPixels(), { normal } = randomNumbers(model.get("seed"));
    const seen = truth.map((v, i) => isNoise() ? v + 0.5 * normal() : mask[i] ? 0 : v);
    const output = denoise(seen);
    const restored = isNoise() ? output : output.map((v, i) => mask[i] ? v : seen[i]);
    const far = (image) => image.reduce((sum, v, i) => sum + (v - truth[i]) ** 2, 0);
    const hidden = mask.reduce((sum, v) => sum + v, 0);
    return last = { state, truth, mask, seen, restored, hidden, before: far(seen),
      after: far(restored) };
  };

  // --- controls ---------------------------------------------------------------------------------
  const paper = sheet(model, "mask", { caption: "Rub out here", size: 196, pen: "mask",
    start: hiddenPixels });
  const made = picture("restored", { size: 160 }), clean = picture("truth", { size: 160 });
  const before = h("b", { className: "ae-number" });
  const after = h("b", { className: "ae-number" });
  paper.caption.after(before);
  made.append(after);
  const damages = DAMAGES.map(([damage, text]) => button(text, () => {
    const seed = damage === "left half" ? model.get("seed") : (model.get("seed") + 1) % 10000;
    update(model, { mask: [], damage, seed });
  }));
  const next = button("Next digit", () =>
    update(model, { digit: (model.get("digit") + 1) % count }));
  root.append(row(paper, h("div", { className: "ae-results" }, made, clean)),
    h("div", { className: "ae-row", role: "group", "aria-label": "Damage" },
      h("span", { className: "ae-lead" }, "Or take"), ...damages, next));

  const told = (error) => error.toFixed(error && error < 10 ? 1 : 0);
  const where = () => isNoise() ? "" : " on hidden pixels";
  return {
    draw() {
      const { seen, mask, restored, truth, hidden, before: b, after: a } = answer();
      const label = labels[model.get("digit")];
      // A fine weave, not a colour, marks what is hidden; the network receives 0 there.
      const woven = seen.map((v, i) => mask[i] ? (i + Math.floor(i / 28)) % 2 ? 0.5 : 0.2 : v);
      paper.show(woven, isNoise() ? `A ${label} under noise`
        : `A ${label}, ${hidden} of 784 pixels hidden`);
      made.show(restored, `What the denoiser makes of it, squared error ${told(a)}${where()}`);
      clean.show(truth, `The test digit as it was, a ${label}`);
      before.textContent = isNoise() ? `error ${told(b)}` : `left empty: error ${told(b)}`;
      after.textContent = `error ${told(a)}`;
      damages.forEach((one, i) => one.setAttribute("aria-pressed",
        !isPainted() && DAMAGES[i][0] === model.get("damage")));
    },
    describe() {
      const { hidden, before: b, after: a } = answer(), label = labels[model.get("digit")];
      if (isNoise())
        return `A ${label} under noise. Squared error: ${told(b)}, restored ${told(a)}.`;
      if (!hidden) return `A ${label}, nothing hidden yet: rub out a part of it.`;
      return `A ${label}, ${hidden} of 784 pixels hidden. Squared error on them: `
        + `${told(b)} if left empty, ${told(a)} restored.`;
    },
    probe() {
      const { seen, mask, restored } = answer();
      return { inputs: Array.from(seen), mask: Array.from(mask), outputs: Array.from(restored) };
    },
  };
}

export default widget(view);
