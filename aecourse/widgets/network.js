// The maths of the widgets: reads packed weights and runs small networks on the CPU.
// A tensor is a flat Float32Array in PyTorch's order, with its sizes in `.shape`.

export const tensor = (data, shape) => Object.assign(data, { shape });

const READERS = { F32: Float32Array, F16: Uint16Array, U8: Uint8Array, I8: Int8Array,
  I32: Int32Array };

// float16 (its bits) as float32, exactly and without a function for each number. Sign, exponent and
// fraction move to their places; float32 counts exponents from 112 further down, hence the factor.
function halvesToFloats(halves) {
  const bits = new Uint32Array(halves.length), floats = new Float32Array(bits.buffer);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i], endless = (half & 0x7c00) === 0x7c00; // infinite, or not a number
    bits[i] = (half & 0x8000) << 16 | (half & 0x7fff) << 13 | (endless ? 0x7f800000 : 0);
    floats[i] *= 2 ** 112;
  }
  return floats;
}

// Whole numbers times the scale of their row.
function scaled(whole, scale) {
  const row = whole.length / scale.length, floats = new Float32Array(whole.length);
  for (let r = 0, i = 0; r < scale.length; r++)
    for (const end = i + row; i < end; i++) floats[i] = whole[i] * scale[r];
  return floats;
}

// A safetensors file (ArrayBuffer or view) -> {tensors: {name: tensor}, meta}. Weights stored as
// int8 come with a float32 "name.scale", one number per row, and leave as float32.
export function readPack(source) {
  const bytes = source instanceof ArrayBuffer ? new Uint8Array(source)
    : new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const { __metadata__: meta = {}, ...entries } = header, tensors = {};
  for (const [name, { dtype, shape, data_offsets: [start, end] }] of Object.entries(entries)) {
    const raw = new READERS[dtype](bytes.slice(8 + length + start, 8 + length + end).buffer);
    tensors[name] = tensor(dtype === "F16" ? halvesToFloats(raw) : raw, shape);
  }
  for (const name of Object.keys(tensors).filter((key) => `${key}.scale` in tensors)) {
    const { shape } = tensors[name];
    tensors[name] = tensor(scaled(tensors[name], tensors[`${name}.scale`]), shape);
    delete tensors[`${name}.scale`];
  }
  return { tensors, meta };
}

// Abramowitz and Stegun 7.1.26 would be off by 1.5e-7; this series and fraction are not.
export function erf(x) {
  const t = Math.abs(x);
  if (t > 5) return Math.sign(x);
  let sum = 0;
  if (t < 2) {
    for (let n = 0, term = t; Math.abs(term) > 1e-17 && n < 60; n++, term *= -t * t / n)
      sum += term / (2 * n + 1);
    return Math.sign(x) * sum * 2 / Math.sqrt(Math.PI);
  }
  for (let n = 40; n > 0; n--) sum = n / 2 / (t + sum);
  return Math.sign(x) * (1 - Math.exp(-t * t) / Math.sqrt(Math.PI) / (t + sum));
}

// GELU runs thousands of times a frame: erf from a table, exact to 1e-7 between its points.
const STEP = 1 / 512, ERF = Float64Array.from({ length: 5 / STEP + 3 }, (_, i) => erf(i * STEP));
function erfFast(x) {
  const t = Math.abs(x) / STEP;
  if (t >= ERF.length - 3) return Math.sign(x);
  const i = Math.floor(t), u = t - i, a = ERF[i], b = ERF[i + 1], c = ERF[i + 2];
  return Math.sign(x) * (a + u * (b - a) + u * (u - 1) / 2 * (c - 2 * b + a));
}

export const gelu = (x) => 0.5 * x * (1 + erfFast(x * Math.SQRT1_2));
export const relu = (x) => Math.max(x, 0);
export const sigmoid = (x) => 1 / (1 + Math.exp(-x));

// y = W x + b; W is (out, in), x holds one row.
export function linear(x, weight, bias) {
  const [rows, columns] = weight.shape, y = new Float32Array(rows);
  for (let r = 0, w = 0; r < rows; r++) {
    let a = 0, b = 0, c = 0, d = 0, j = 0; // four sums: the processor adds them side by side
    for (; j + 3 < columns; j += 4, w += 4) {
      a += weight[w] * x[j];
      b += weight[w + 1] * x[j + 1];
      c += weight[w + 2] * x[j + 2];
      d += weight[w + 3] * x[j + 3];
    }
    for (; j < columns; j++, w++) a += weight[w] * x[j];
    y[r] = a + b + c + d + (bias ? bias[r] : 0);
  }
  return tensor(y, [rows]);
}

// Every row of `a` (m, n) with every row of `b` (p, n): (m, p). Two rows by four at a time, so that
// eight products cost six numbers read.
function crossProducts(a, b, m, p, n) {
  const y = new Float32Array(m * p);
  for (let i = 0; i < m; i += 2) {
    const top = i * n, low = i + 1 < m ? top + n : top; // the last row of an odd number, twice
    for (let j = 0; j < p; j += 4) {
      const b0 = j * n, b1 = Math.min(j + 1, p - 1) * n;
      const b2 = Math.min(j + 2, p - 1) * n, b3 = Math.min(j + 3, p - 1) * n;
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
      for (let q = 0; q < n; q++) {
        const u = a[top + q], v = a[low + q];
        const w0 = b[b0 + q], w1 = b[b1 + q], w2 = b[b2 + q], w3 = b[b3 + q];
        s0 += u * w0; s1 += u * w1; s2 += u * w2; s3 += u * w3;
        t0 += v * w0; t1 += v * w1; t2 += v * w2; t3 += v * w3;
      }
      const s = [s0, s1, s2, s3], t = [t0, t1, t2, t3];
      for (let r = 0; r < 4 && j + r < p; r++) {
        y[i * p + j + r] = s[r];
        if (i + 1 < m) y[(i + 1) * p + j + r] = t[r];
      }
    }
  }
  return y;
}

function transposed(a, rows, columns) {
  const y = new Float32Array(a.length);
  for (let i = 0, at = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) y[j * rows + i] = a[at++];
  return y;
}

// Visit each pixel (c, y, x) that a window of k x k covers, for all tall x wide windows, as
// visit(pixel, its place in (window, c, i, j)); what lies in the margin is left out.
function eachInWindow([channels, height, width], k, stride, padding, tall, wide, visit) {
  const size = channels * k * k;
  for (let row = 0; row < tall; row++) for (let col = 0; col < wide; col++) {
    const window = (row * wide + col) * size, x0 = col * stride - padding;
    const first = Math.max(0, -x0), last = Math.min(k, width - x0);
    for (let i = 0; i < k; i++) {
      const y = row * stride - padding + i;
      if (y < 0 || y >= height) continue;
      for (let c = 0; c < channels; c++) {
        const pixel = (c * height + y) * width + x0, place = window + (c * k + i) * k;
        for (let j = first; j < last; j++) visit(pixel + j, place + j);
      }
    }
  }
}

// The same for many inputs, three times as fast as one by one: a weight that was read serves four
// inputs, an input two rows.
export function linearAll(xs, weight, bias) {
  const [rows, columns] = weight.shape;
  const ys = xs.map(() => tensor(new Float32Array(rows), [rows]));
  let k = 0;
  for (; k + 3 < xs.length; k += 4) {
    const [p, q, s, t] = xs.slice(k, k + 4), [yp, yq, ys4, yt] = ys.slice(k, k + 4);
    for (let r = 0; r < rows; r += 2) {
      const low = Math.min(r + 1, rows - 1); // the last row of an odd number, twice
      let a = bias ? bias[r] : 0, b = a, c = a, d = a;
      let e = bias ? bias[low] : 0, f = e, g = e, h = e;
      for (let j = 0, v = r * columns, w = low * columns; j < columns; j++, v++, w++) {
        const one = weight[v], two = weight[w], pj = p[j], qj = q[j], sj = s[j], tj = t[j];
        a += one * pj; b += one * qj; c += one * sj; d += one * tj;
        e += two * pj; f += two * qj; g += two * sj; h += two * tj;
      }
      yp[r] = a; yq[r] = b; ys4[r] = c; yt[r] = d;
      yp[low] = e; yq[low] = f; ys4[low] = g; yt[low] = h;
    }
  }
  for (; k < xs.length; k++) ys[k] = linear(xs[k], weight, bias);
  return ys;
}

// Convolution of one image (C, H, W), as one product of matrices; weight is (out, C, k, k).
export function conv2d(x, weight, bias, stride, padding) {
  const [channels, height, width] = x.shape, [outs, , k] = weight.shape;
  const tall = Math.floor((height + 2 * padding - k) / stride) + 1;
  const wide = Math.floor((width + 2 * padding - k) / stride) + 1;
  const size = channels * k * k, places = tall * wide, windows = new Float32Array(places * size);
  eachInWindow(x.shape, k, stride, padding, tall, wide, (pixel, at) => { windows[at] = x[pixel]; });
  const y = crossProducts(weight, windows, outs, places, size);
  if (bias) for (let i = 0; i < y.length; i++) y[i] += bias[Math.floor(i / places)];
  return tensor(y, [outs, tall, wide]);
}

// Its transpose: each input pixel adds a window to the output; weight is (C, out, k, k).
export function convTranspose2d(x, weight, bias, stride, padding) {
  const [channels, height, width] = x.shape, [, outs, k] = weight.shape;
  const [tall, wide] = [height, width].map((size) => (size - 1) * stride - 2 * padding + k);
  const places = height * width, size = outs * k * k, y = new Float32Array(outs * tall * wide);
  if (bias) for (let i = 0; i < y.length; i++) y[i] = bias[Math.floor(i / (tall * wide))];
  const windows = crossProducts(transposed(x, channels, places),
    transposed(weight, channels, size), places, size, channels);
  eachInWindow([outs, tall, wide], k, stride, padding, height, width,
    (pixel, at) => { y[pixel] += windows[at]; });
  return tensor(y, [outs, tall, wide]);
}

const LAYERS = {
  linear: (x, t, l) => linear(x, t[l.weight], t[l.bias]),
  conv2d: (x, t, l) => conv2d(x, t[l.weight], t[l.bias], l.stride, l.padding),
  conv_transpose2d: (x, t, l) => convTranspose2d(x, t[l.weight], t[l.bias], l.stride, l.padding),
  gelu: (x) => tensor(x.map(gelu), x.shape),
  relu: (x) => tensor(x.map(relu), x.shape),
  tanh: (x) => tensor(x.map(Math.tanh), x.shape),
  sigmoid: (x) => tensor(x.map(sigmoid), x.shape),
  reshape: (x, t, l) => tensor(x, l.shape),
};

// The network that Python packed under `name`: a function from one input to one output, with
// `.all` from a list of inputs to one of outputs.
export function network(pack, name) {
  const layers = JSON.parse(pack.meta[name]), { tensors } = pack;
  const run = (x) => layers.reduce((h, layer) => LAYERS[layer.op](h, tensors, layer), x);
  run.all = (xs) => layers.reduce((hs, layer) => {
    const { op, weight, bias } = layer;
    if (op === "linear") return linearAll(hs, tensors[weight], tensors[bias]);
    return hs.map((h) => LAYERS[op](h, tensors, layer));
  }, xs);
  return run;
}

// Uniform and normal numbers from a 32-bit seed (mulberry32, Box and Muller).
export function randomNumbers(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal, normals: (n) => Float32Array.from({ length: n }, normal) };
}
