// From a word to a digit: 49 codes are drawn, one after the other, and decoded as they come.

import { randomNumbers } from "./network.js";
import { button, choice, h, row, slider, update } from "./controls.js";
import { picture } from "./pictures.js";
import { BUDGET, CELLS, SIDE, softmax, work } from "./bilingual.js";

export function writingPane(model, { vocabulary, transformer, decode }, sequence) {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const asked = () => ["word", "temperature", "top_k", "seed"].map((name) => model.get(name));
  const field = wordField(model, vocabulary);
  const figure = covered(picture("", { size: 196 }));
  const numbers = h("p", { style: "margin: 0.4rem 0 0; white-space: pre-line" });
  const again = button("Draw again", () => update(model,
    { seed: (model.get("seed") + 1) % 2 ** 31, shown: CELLS }));
  const turn = button("Let it read this", () => update(model, { direction: "digit to word",
    drawing: Array.from(pixelsOf(CELLS), (v) => Math.round(255 * v)) }));
  const element = h("div", {}, row(field.label, again), field.message,
    row(figure, h("div", { style: "flex: 1 1 17rem" },
      slider(model, "temperature", { label: "Temperature τ", min: 0, max: 2, step: 0.05,
        format: (v) => v.toFixed(2) }),
      choice(model, "top_k", { label: "Draw from the best",
        options: [[1, "1"], [10, "10"], [50, "50"], [512, "all"]] }),
      slider(model, "shown", { label: "First tokens", min: 0, max: CELLS, step: 1 }),
      numbers, row(turn))),
    sequence.element);

  let key = "", task = null, found = { codes: [], bits: 0 };
  const restart = () => {
    key = asked().join();
    found = { codes: [], bits: 0 };
    task = write(transformer, vocabulary, asked(), found);
  };
  const finish = () => {
    if (key !== asked().join()) restart();
    while (!task.next().done);
  };
  const count = () => Math.min(found.codes.length, model.get("shown"));
  const grid = (n) => Array.from({ length: CELLS },
    (_, i) => i < n ? found.codes[i] : vocabulary.blank);
  const pixelsOf = (n) => decode(grid(n)).map((v) => Math.min(1, Math.max(0, v)));

  let drawn = "";
  const paint = () => {
    const n = count(), word = model.get("word");
    if (drawn === `${key}/${n}`) return;
    drawn = `${key}/${n}`;
    figure.show(pixelsOf(n), `The drawing of ${word}, ${n} of 49 tokens`);
    figure.cover(n);
    figure.caption.textContent = `${word}, drawing ${model.get("seed") + 1}`;
    sequence.show([...vocabulary.prompt(word).map(vocabulary.name),
      ...found.codes.slice(0, n).map(String)]);
  };
  const sayNumbers = () => {
    turn.disabled = found.codes.length < CELLS;
    numbers.textContent = found.codes.length < CELLS ? `Token ${found.codes.length} of 49 …`
      : `These 49 tokens: ${found.bits.toFixed(0)} bits under the model.\n`
        + "Were all codes equally likely: 441 bits.";
  };
  return {
    element,
    // A token or two, then a frame to show them: one sees them come, and no frame is long. Those
    // who want no motion see the finished drawing only.
    draw() {
      if (key !== asked().join()) restart();
      field.show();
      const behind = () => drawn !== `${key}/${count()}`, before = found.codes.length;
      if (behind() && !still.matches) paint();
      else if (work(task, BUDGET, () => found.codes.length > before + 1) && still.matches) paint();
      sayNumbers();
      return found.codes.length < CELLS || behind();
    },
    describe() {
      const [word, temperature, most] = asked();
      if (found.codes.length < CELLS) return `Drawing ${word} …`;
      const from = { 1: "the best one only", 512: "all" }[most] ?? `the best ${most}`;
      return `A drawing of ${word} at temperature ${temperature.toFixed(2)}, each code from `
        + `${from}: ${found.bits.toFixed(0)} bits under the model, 441 if all codes were equally `
        + `likely. ${count()} of 49 tokens are shown.`;
    },
    probe() {
      finish();
      paint();
      return { inputs: grid(count()), outputs: Array.from(figure.canvas.pixels), bits: found.bits,
        prompt: vocabulary.prompt(model.get("word")) };
    },
  };
}

// Continue <word> s e v e n <picture> by 49 codes into `found`; yields after each pass.
function* write(transformer, vocabulary, [word, temperature, most, seed], found) {
  const { uniform } = randomNumbers(seed), tokens = vocabulary.prompt(word);
  while (found.codes.length < CELLS) {
    const logits = yield* transformer.next(tokens);
    const code = draw(logits.subarray(vocabulary.first), temperature, most, uniform);
    found.bits -= Math.log2(softmax(logits)[vocabulary.first + code]);
    found.codes.push(code);
    tokens.push(vocabulary.first + code);
  }
}

// One number, drawn from the softmax of the `most` largest of the logits over the temperature.
function draw(logits, temperature, most, uniform) {
  const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a]);
  if (temperature === 0) return order[0];
  const kept = order.slice(0, most);
  const p = kept.map((i) => Math.exp((logits[i] - logits[order[0]]) / temperature));
  let left = uniform() * p.reduce((sum, v) => sum + v, 0);
  for (let i = 0; i < kept.length; i++) if ((left -= p[i]) < 0) return kept[i];
  return kept.at(-1);
}

// A field for the ten words. Another text changes nothing, and the reason is said.
function wordField(model, vocabulary) {
  const { words, letters, wordLength } = vocabulary;
  const message = h("p", { className: "ae-error", role: "alert", hidden: true });
  const input = h("input", { type: "text", size: 8, maxLength: 20, autocomplete: "off",
    spellcheck: false, autocapitalize: "off", style: "margin-left: 0.4rem; cursor: text" });
  const problem = (text) => {
    const strange = [...text].find((letter) => letter === " " || !letters.includes(letter));
    if (text === "") return `Type one of ${words.join(", ")}.`;
    if (strange && strange !== strange.toLowerCase())
      return "Small letters only, please: the vocabulary has no capitals.";
    if (strange) return `“${strange}” has no token: a word is spelled with the letters a … z.`;
    if (text.length > wordLength) return `A word has at most ${wordLength} letters.`;
    return `“${text}” is none of the ten words that the transformer was trained on, zero to nine. `
      + "It would draw something all the same: it cannot say that it does not know. "
      + "So it is not asked.";
  };
  const complain = (text = "") => {
    message.textContent = text;
    message.hidden = !text;
    input.setAttribute("aria-invalid", Boolean(text));
  };
  const judge = (finished) => {
    const text = input.value.trim();
    if (words.includes(text)) {
      complain();
      if (text !== model.get("word")) update(model, { word: text, shown: CELLS });
    } else if (!finished && words.some((word) => word.startsWith(text))) complain();
    else complain(problem(text));
  };
  input.addEventListener("input", () => judge(false));
  input.addEventListener("change", () => judge(true));
  let known = "";
  return { message, label: h("label", {}, "Word:", input), show() {
    if (model.get("word") === known) return;
    known = model.get("word");
    if (input.value.trim() !== known) { input.value = known; complain(); }
  } };
}

// A picture with a veil over the cells that have no token yet, and a frame around the last one.
function covered(figure) {
  const box = (style) => h("div", { "aria-hidden": "true", style: `position: absolute; ${style}` });
  const veil = "background: repeating-linear-gradient("
    + "45deg, var(--ae-line) 0 2px, var(--ae-paper) 2px 8px)";
  const [rest, below, frame] = [box(veil), box(veil), box("border: 2px solid var(--ae-code)")];
  figure.paper.append(rest, below, frame);
  const put = (element, top, left, height, width) => Object.assign(element.style, {
    top: `${100 * top / SIDE}%`, left: `${100 * left / SIDE}%`,
    height: `${100 * height / SIDE}%`, width: `${100 * width / SIDE}%` });
  return Object.assign(figure, { cover(count) {
    const r = Math.floor(count / SIDE), c = count % SIDE, at = count - 1;
    put(rest, r, c, c ? 1 : 0, SIDE - c);
    put(below, c ? r + 1 : r, 0, SIDE - (c ? r + 1 : r), SIDE);
    put(frame, Math.floor(at / SIDE), at % SIDE, 1, 1);
    frame.hidden = count === 0 || count === CELLS;
  } });
}
