// One transformer, both ways: it continues a word by a digit, and a digit by a word.
import { gelu, linear, network, randomNumbers } from "./network.js";
import { button, chart, choice, h, loadPack, picture, row, slider, update, widget } from "./base.js";
import { likeMnist, sheet } from "./drawing.js";

const SIDE = 7, CELLS = SIDE * SIDE;
const BUDGET = 2; // milliseconds of a frame for work that can wait; then the page has its turn

async function view(model, root, redraw) {
  const pack = await loadPack(model, "tokens"), vocabulary = vocabularyOf(pack);
  const transformer = transformerOf(pack), decode = decoderOf(pack);
  const writing = writingPane(model, transformer, vocabulary, decode);
  const reading = readingPane(model, transformer, vocabulary, pack, redraw);
  const panes = { "word to digit": writing, "digit to word": reading };
  root.append(choice(model, "direction", { label: "Direction",
    options: [["word to digit", "Word → digit"], ["digit to word", "Digit → word"]] }),
    writing.element, reading.element);
  const pane = () => panes[model.get("direction")];
  for (const task = transformer.next(vocabulary.prompt("")); !task.next().done;);
  decode(new Array(CELLS).fill(vocabulary.blank)); // the first run is slow: the browser compiles
  return {
    draw() {
      for (const each of [writing, reading]) each.element.hidden = each !== pane();
      return pane().draw();
    },
    describe: () => pane().describe(),
    probe: () => pane().probe(),
  };
}

// --- word to digit ---------------------------------------------------------------------------------

function writingPane(model, transformer, vocabulary, decode) {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const asked = () => ["word", "temperature", "top_k", "seed"].map((name) => model.get(name));
  const field = wordField(model, vocabulary);
  const figure = covered(picture("", { size: 196 }));
  const numbers = h("p", { style: "margin: 0.4rem 0 0; white-space: pre-line" });
  const sequence = sequenceLine();
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
      return `A drawing of ${word} at temperature ${temperature.toFixed(2)}, each code from `
        + `${most === 1 ? "the best one only" : most === 512 ? "all" : `the best ${most}`}: ${found.bits.toFixed(0)} bits under the model, 441 if all codes were `
        + `equally likely. ${count()} of 49 tokens are shown.`;
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
    if (strange && strange !== strange.toLowerCase()) return "Small letters only, please: the vocabulary has no capitals.";
    if (strange) return `“${strange}” has no token: a word is spelled with the letters a … z.`;
    if (text.length > wordLength) return `A word has at most ${wordLength} letters.`;
    return `“${text}” is none of the ten words that the transformer was trained on, zero to nine. `
      + "It would draw something all the same: it cannot say that it does not know. So it is not asked.";
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

// --- digit to word ---------------------------------------------------------------------------------

function readingPane(model, transformer, vocabulary, pack, redraw) {
  const page = sheet(model, "drawing", { caption: "Draw a digit", size: 196 });
  const example = button("Test digit", () => update(model,
    { example: (model.get("example") + 1) % 10, drawing: [] }));
  const left = h("div", { style: "flex: 0 1 17rem" }, page, row(example));
  const answer = h("p", { style: "margin: 0; font-size: 1.1em" }), sequence = sequenceLine();
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
    encoder = encoderOf(more, pack.tensors.codebook);
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
    sequence.show(empty() ? [] : ["<picture>", ...found.codes.map(String), "<word>",
      ...found.letters.map(({ letter, p }) => `${letter === " " ? "␣" : letter} (${p.toFixed(2)})`)]);
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
      return `The drawing is read as ${word()}. Of the ten words ${vocabulary.words[i]} is the most `
        + `probable, with ${best.toFixed(2)}.`;
    },
    async probe() {
      await load();
      renewed();
      while (!work(task, Infinity));
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

// --- the models ------------------------------------------------------------------------------------

// Run a task for some milliseconds, one step at least, or until `enough()`; true once it is done.
function work(task, milliseconds, enough = () => false) {
  const end = performance.now() + milliseconds;
  do if (task.next().done) return true; while (performance.now() < end && !enough());
  return false;
}

function vocabularyOf({ meta }) {
  const note = (name) => JSON.parse(meta[name]), letters = note("letters"), words = note("words");
  const wordLength = note("word_length"), wordMark = note("word_mark");
  const pictureMark = note("picture_mark"), first = note("first_code"), blank = note("blank");
  const spell = (word) => [...word.padEnd(wordLength)].map((letter) => letters.indexOf(letter));
  const prompt = (word) => [wordMark, ...spell(word), pictureMark];
  const name = (token) => token === wordMark ? "<word>" : token === pictureMark ? "<picture>"
    : letters[token] === " " ? "␣" : letters[token] ?? String(token - first);
  return { letters, words, wordLength, wordMark, pictureMark, first, blank, spell, prompt, name };
}

// The TokenTransformer with its keys and values kept. `next(tokens)` gives the logits of the token
// that follows; it reads only what differs from the last call, and yields after each token.
function transformerOf({ tensors: t, meta }) {
  const heads = JSON.parse(meta.heads), [length, width] = t["position.weight"].shape;
  const blocks = Array.from({ length: JSON.parse(meta.blocks) }, (_, i) => ({
    name: `blocks.${i}`, keys: new Float32Array(length * width),
    values: new Float32Array(length * width) }));
  const through = (name, x) => linear(x, t[`${name}.weight`], t[`${name}.bias`]);
  const norm = (name, x) => layerNorm(x, t[`${name}.weight`], t[`${name}.bias`]);
  const add = (a, b) => { for (let i = 0; i < width; i++) a[i] += b[i]; };
  const seen = [];
  let last = null; // the output of the last token in `seen`

  const readToken = (token, place) => {
    const table = t["token.weight"], x = new Float32Array(width);
    for (let i = 0; i < width; i++)
      x[i] = table[token * width + i] + t["position.weight"][place * width + i];
    for (const { name, keys, values } of blocks) {
      const qkv = through(`${name}.qkv`, norm(`${name}.norm_1`, x));
      keys.set(qkv.subarray(width, 2 * width), place * width);
      values.set(qkv.subarray(2 * width), place * width);
      add(x, through(`${name}.out`, attend(qkv, keys, values, place + 1, heads, width)));
      const hidden = through(`${name}.mlp.0`, norm(`${name}.norm_2`, x));
      for (let i = 0; i < hidden.length; i++) hidden[i] = gelu(hidden[i]);
      add(x, through(`${name}.mlp.2`, hidden));
    }
    return norm("norm", x);
  };
  return { * next(tokens) {
    let same = 0;
    while (same < seen.length && seen[same] === tokens[same]) same++;
    if (same === tokens.length && seen.length > same) same--; // its output is not kept
    seen.length = same;
    while (seen.length < tokens.length) {
      last = readToken(tokens[seen.length], seen.length);
      seen.push(tokens[seen.length]);
      yield;
    }
    return linear(last, t["token.weight"]);
  } };
}

// What the last of `count` tokens gathers from all of them: for each head, a mean of the values.
function attend(q, keys, values, count, heads, width) {
  const size = width / heads, y = new Float32Array(width), scores = new Float32Array(count);
  for (let from = 0; from < width; from += size) {
    for (let s = 0; s < count; s++) {
      let sum = 0;
      for (let i = from; i < from + size; i++) sum += q[i] * keys[s * width + i];
      scores[s] = sum / Math.sqrt(size);
    }
    const p = softmax(scores);
    for (let s = 0; s < count; s++)
      for (let i = from; i < from + size; i++) y[i] += p[s] * values[s * width + i];
  }
  return y;
}

function softmax(logits) {
  let most = -Infinity, sum = 0;
  for (const v of logits) most = Math.max(most, v);
  const p = Float64Array.from(logits, (v) => Math.exp(v - most));
  for (const v of p) sum += v;
  return p.map((v) => v / sum);
}

function layerNorm(x, weight, bias) {
  let mean = 0, variance = 0;
  for (const v of x) mean += v / x.length;
  for (const v of x) variance += (v - mean) ** 2 / x.length;
  const scale = 1 / Math.sqrt(variance + 1e-5);
  return x.map((v, i) => (v - mean) * scale * weight[i] + bias[i]);
}

function decoderOf(pack) {
  const decoder = network(pack, "decoder"), { codebook } = pack.tensors, [, dim] = codebook.shape;
  const z = Object.assign(new Float32Array(dim * CELLS), { shape: [dim, SIDE, SIDE] });
  return (grid) => {
    for (let d = 0; d < dim; d++)
      for (let i = 0; i < CELLS; i++) z[d * CELLS + i] = codebook[grid[i] * dim + d];
    return decoder(z);
  };
}

function encoderOf(pack, codebook) {
  const encoder = network(pack, "encoder"), { digits } = pack.tensors, [count, dim] = codebook.shape;
  const norms = Float64Array.from({ length: count }, (_, k) => codebook
    .subarray(k * dim, (k + 1) * dim).reduce((sum, v) => sum + v * v, 0));
  const nearest = (z, i) => {
    let best = 0, least = Infinity;
    for (let k = 0; k < count; k++) {
      let far = norms[k];
      for (let d = 0; d < dim; d++) far -= 2 * z[d * CELLS + i] * codebook[k * dim + d];
      if (far < least) [best, least] = [k, far];
    }
    return best;
  };
  return {
    codes(pixels) {
      const z = encoder(Object.assign(Float32Array.from(pixels), { shape: [1, 28, 28] }));
      return Array.from({ length: CELLS }, (_, i) => nearest(z, i));
    },
    digit: (i) => Float32Array.from(digits.subarray(784 * i, 784 * (i + 1)), (v) => v / 255),
  };
}

// --- what both panes show --------------------------------------------------------------------------

// The one sequence that the transformer sees: marks, letters and codes.
function sequenceLine() {
  const element = h("p", { role: "group", "aria-label": "The sequence of tokens",
    style: "margin: 0.5rem 0 0; font: 0.8rem/1.5 ui-monospace, monospace" });
  return { element, show: (symbols) => { element.textContent = symbols.join(" "); } };
}

// A picture with a veil over the cells that have no token yet, and a frame around the last one.
function covered(figure) {
  const box = (style) => h("div", { "aria-hidden": "true", style: `position: absolute; ${style}` });
  const veil = "background: repeating-linear-gradient(45deg, var(--ae-line) 0 2px, var(--ae-paper) 2px 8px)";
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

export default widget(view);
