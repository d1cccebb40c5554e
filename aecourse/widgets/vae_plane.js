// Drag over a plane of codes; the decoder draws the digit that lies there.
import { network, sigmoid } from "./network.js";
import { h, onDrag, row, slider, update } from "./controls.js";
import { chart, picture } from "./pictures.js";
import { loadPack } from "./weights.js";
import { widget } from "./widget.js";

const LOW = -3, HIGH = 3, SIZE = 270, LEFT = 22, BELOW = 24; // the axes' numbers stand outside

async function view(model, root) {
  const pack = await loadPack(model, "vae_plane");
  const decoder = network(pack, "decoder"), { codes, labels } = pack.tensors;
  const decode = (z) => decoder(Float32Array.from(z)).map(sigmoid);

  const across = (v) => LEFT + (v - LOW) / (HIGH - LOW) * SIZE;
  const up = (v) => SIZE - (v - LOW) / (HIGH - LOW) * SIZE;
  const numerals = apart(Array.from(labels, (label, i) =>
    [label, across(codes[2 * i]), up(codes[2 * i + 1])])
    .filter(([, x, y]) => x > LEFT + 5 && x < LEFT + SIZE - 5 && y > 7 && y < SIZE - 7));
  const plane = chart("", { width: LEFT + SIZE + 1, height: SIZE + BELOW, paint(context, colour) {
    context.strokeStyle = colour.line;
    context.lineWidth = 1;
    context.strokeRect(LEFT + 0.5, 0.5, SIZE, SIZE - 1);
    context.textBaseline = "middle";
    context.fillStyle = colour.text;
    for (const v of [-2, 0, 2]) {
      const text = String(v).replace("-", "−");
      context.textAlign = "center";
      context.fillText(text, across(v), SIZE + 13);
      context.textAlign = "right";
      context.fillText(text, LEFT - 4, up(v));
    }
    context.fillText("z₂", LEFT - 4, up(2.8));
    context.textAlign = "center";
    context.fillText("z₁", across(2.8), SIZE + 13);
    context.fillStyle = colour.muted;
    for (const [label, x, y] of numerals) context.fillText(label, x, y);
    const [x, y] = model.get("z");
    context.strokeStyle = colour.code;
    context.lineWidth = 3.5;
    context.beginPath();
    context.arc(across(x), up(y), 10, 0, 2 * Math.PI);
    context.stroke();
  } });
  onDrag(plane.canvas, (event) => {
    const [x, y] = plane.at(event);
    const value = (share) => LOW + (HIGH - LOW) * Math.min(1, Math.max(0, share));
    const z = [value((x - LEFT) / SIZE), value(1 - y / SIZE)];
    update(model, { z: z.map((v) => Math.round(100 * v) / 100) });
  });

  const digit = picture("what the decoder draws there", { size: 168 });
  const options = { min: LOW, max: HIGH, step: 0.05, format: (v) => v.toFixed(2) };
  const sliders = ["z₁", "z₂"].map((label, index) =>
    slider(model, "z", { label, index, ...options }));
  for (const one of sliders) one.style.gridTemplateColumns = "1.5rem minmax(6rem, 1fr) 3.2rem";
  root.append(row(
    h("figure", { style: `margin: 0; width: ${LEFT + SIZE + 1}px; max-width: 100%` }, plane.canvas),
    h("div", { style: "flex: 1 1 15rem; max-width: 18rem" }, digit, ...sliders)));

  const where = () => model.get("z").map((v) => v.toFixed(2).replace("-", "−")).join(", ");
  return {
    draw() {
      plane.draw(`The plane of z₁ and z₂ with test digits as numerals; ring at (${where()})`);
      digit.show(decode(model.get("z")), `The digit decoded from z = (${where()})`);
    },
    describe() {
      const [x, y] = model.get("z");
      let best = 0, nearest = Infinity;
      for (let i = 0; i < labels.length; i++) {
        const far = (codes[2 * i] - x) ** 2 + (codes[2 * i + 1] - y) ** 2;
        if (far < nearest) [best, nearest] = [i, far];
      }
      const far = Math.sqrt(nearest);
      const empty = far > 0.5 ? "; the decoder draws something all the same" : "";
      return `z = (${where()}). The nearest of ${labels.length} test digits is a ${labels[best]}, `
        + `${far.toFixed(2)} away${empty}.`;
    },
    probe: () => ({ inputs: model.get("z"), outputs: Array.from(digit.canvas.pixels) }),
  };
}

// Of [label, x, y] that would cover each other, the first.
function apart(marks) {
  const kept = [];
  for (const mark of marks)
    if (!kept.some(([, x, y]) => Math.abs(x - mark[1]) < 9 && Math.abs(y - mark[2]) < 11))
      kept.push(mark);
  return kept;
}

export default widget(view);
