// The pair of chapter 11 as it runs in the page: a transformer, its vocabulary, and the VQ-VAE
// whose codes it reads and writes.

import { gelu, linear, network } from "./network.js";

export const SIDE = 7, CELLS = SIDE * SIDE; // codes of a picture
export const BUDGET = 2; // milliseconds of a frame for work that can wait

// Run a task for some milliseconds, one step at least, or until `enough()`; true once it is done.
export function work(task, milliseconds, enough = () => false) {
  const end = performance.now() + milliseconds;
  do if (task.next().done) return true; while (performance.now() < end && !enough());
  return false;
}

export function bilingualOf(pack) {
  const vocabulary = vocabularyOf(pack), transformer = transformerOf(pack);
  const decode = decoderOf(pack), { codebook } = pack.tensors;
  return { vocabulary, transformer, decode,
    encoderOf: (more) => encoderOf(more, codebook),
    rehearse() { // the first run is slow: the browser compiles
      work(transformer.next(vocabulary.prompt("")), Infinity);
      decode(new Array(CELLS).fill(vocabulary.blank));
    } };
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

export function softmax(logits) {
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

// From the grid of codes to the pixels.
function decoderOf(pack) {
  const decoder = network(pack, "decoder"), { codebook } = pack.tensors, [, dim] = codebook.shape;
  const z = Object.assign(new Float32Array(dim * CELLS), { shape: [dim, SIDE, SIDE] });
  return (grid) => {
    for (let d = 0; d < dim; d++)
      for (let i = 0; i < CELLS; i++) z[d * CELLS + i] = codebook[grid[i] * dim + d];
    return decoder(z);
  };
}

// From 784 pixels to 49 codes: of each place, the nearest in the codebook.
function encoderOf(pack, codebook) {
  const encoder = network(pack, "encoder"), { digits } = pack.tensors;
  const [count, dim] = codebook.shape;
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
