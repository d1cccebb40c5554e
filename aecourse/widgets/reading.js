// From a digit to a word: the digit becomes 49 codes, which the transformer continues by letters.

import { button, h, row, update } from "./controls.js";
import { chart } from "./pictures.js";
import { loadPack } from "./weights.js";
import { likeMnist, sheet } from "./drawing.js";
import { BUDGET, softmax, work } from "./bilingual.js";

export function readingPane(model, { vocabulary, transformer, encoderOf }, sequence, redraw) {
  const page = sheet(model, "drawing", { caption: "Draw a digit", size: 196 });
  const example = button("Test digit", () => update(model,
    { example: (model.get("example") + 1) % 10, drawing: [] }));
  const left = h("div", { style: "flex: 0 1 17rem" }, page, row(example));
  const answer = h("p", { style: "margin: 0; font-size: 1.1em" });
  const wait = h("p", {}, "Loading the encoder…");
  let found = { codes: [], letters: [], words: [] };
  const bars = chart("", { width: 300, height: 236, paint(context, colour) {
    vocabulary.words.forEach((word, i) => {
      const p = found.words[i] ?? 0, y = 24 * i;
      context.fillStyle = colour.text;
      context.fillText(word, 0, y + 15);
      context.fillText(found.words.length ? p.toFixed(2) : "", 265, y + 15);
      context.fillStyle = colour.code;
      context.fillRect(55, y + 3, 200 * p, 15);
      context.strokeStyle = colour.line;
      context.strokeRect(55, y + 3, 200, 15);
    });
  } });
  const body = h("div", { hidden: true },
    row(left, h("div", { style: "flex: 1 1 15rem" }, answer, bars.canvas)), sequence.element);
  const element = h("div", {}, wait, body);

  let encoder = null, asked = null;
  const load = () => asked ??= loadPack(model, "tokens_encoder").then((more) => {
    encoder = encoderOf(more);
    encoder.codes(new Float32Array(784)); // the first run is slow: the browser compiles
    wait.hidden = true;
    body.hidden = false;
    redraw();
  }, (error) => {
    asked = null; // another try when this direction is chosen again
    wait.setAttribute("role", "alert");
    wait.textContent = `${error.message} Reading needs it; the other direction works without.`;
  });

  // A drawing is brought to the size and place of MNIST's; a test digit has them.
  const given = () => model.get("drawing").length
    ? likeMnist(Float32Array.from(model.get("drawing"), (v) => v / 255))
    : encoder.digit(model.get("example"));
  const empty = () => model.get("drawing").length && !model.get("drawing").some(Boolean);

  let seen = null, sample = -1, task = null, painted = null;
  const renewed = () => {
    if (seen === model.get("drawing") && sample === model.get("example")) return false;
    [seen, sample] = [model.get("drawing"), model.get("example")];
    page.show(seen.length ? Float32Array.from(seen, (v) => v / 255) : encoder.digit(sample),
      seen.length ? "Your drawing" : `Test digit, a ${sample}`);
    const next = { codes: [], letters: [], words: [], done: false };
    task = empty() ? [][Symbol.iterator]() : read(transformer, vocabulary, encoder, given, next);
    task.found = next;
    return true;
  };
  const word = () => found.letters.map(({ letter }) => letter).join("").trim();
  const sayAnswer = () => {
    if (painted === found && !empty()) return;
    painted = found;
    const other = 1 - found.words.reduce((sum, p) => sum + p, 0);
    answer.replaceChildren(...empty() ? ["Nothing is drawn yet."] : ["It reads ",
      h("b", {}, word()), `, letter by letter. p(word | picture) of each of the ten words, and ${
        Math.max(0, other).toFixed(2)} for anything else:`]);
    bars.draw(empty() ? "No drawing, no word" : "Probabilities of the ten words: "
      + vocabulary.words.map((each, i) => `${each} ${found.words[i].toFixed(2)}`).join(", "));
    const letters = found.letters.map(
      ({ letter, p }) => `${letter === " " ? "␣" : letter} (${p.toFixed(2)})`);
    sequence.show(empty() ? []
      : ["<picture>", ...found.codes.map(String), "<word>", ...letters]);
  };
  return {
    element,
    draw() {
      if (!encoder) { load(); return false; }
      if (renewed()) return true; // while the pen moves, the drawing comes first
      const done = work(task, BUDGET);
      if (!found.words.length) answer.textContent = "Reading …";
      if (done) {
        found = empty() ? { codes: [], letters: [], words: [] } : task.found;
        sayAnswer();
        bars.draw(bars.canvas.getAttribute("aria-label"));
      }
      return !done;
    },
    describe() {
      if (!encoder) return wait.textContent;
      if (empty()) return "Nothing is drawn yet.";
      if (found !== task?.found) return "Reading …";
      const best = Math.max(...found.words), i = found.words.indexOf(best);
      return `The drawing is read as ${word()}. Of the ten words ${vocabulary.words[i]} is the `
        + `most probable, with ${best.toFixed(2)}.`;
    },
    async probe() {
      await load();
      renewed();
      work(task, Infinity);
      found = task.found;
      return { inputs: Array.from(given()), outputs: found.words, codes: found.codes, word: word(),
        letters: found.letters.map(({ p }) => p) };
    },
  };
}

// Continue <picture> t1 ... t49 <word>: by the likeliest letters, and by each of the ten words.
function* read(transformer, vocabulary, encoder, given, found) {
  found.codes = encoder.codes(given());
  yield;
  const { letters, words, wordLength, wordMark, pictureMark, first } = vocabulary;
  const prompt = [pictureMark, ...found.codes.map((code) => first + code), wordMark];
  const tokens = [...prompt];
  for (let i = 0; i < wordLength; i++) {
    const logits = (yield* transformer.next(tokens)).slice(0, letters.length);
    const best = logits.indexOf(Math.max(...logits));
    found.letters.push({ letter: letters[best], p: softmax(logits)[best] });
    tokens.push(best);
  }
  const p = {};
  for (const word of [...words].sort()) { // neighbours share letters, which are read once
    p[word] = 1;
    const spelled = vocabulary.spell(word);
    for (let i = 0; i < wordLength; i++)
      p[word] *= softmax(yield* transformer.next([...prompt, ...spelled.slice(0, i)]))[spelled[i]];
  }
  found.words = words.map((word) => p[word]);
}
