"use strict";

/*
 * Where one number comes from: the sum of products behind it, or what won a window.
 *
 * Each function below returns
 *   name      of the number, as "y[3, 4, 5]"
 *   value     the number
 *   text      the equation with its numbers
 *   seen      { layer, show, at }: which numbers of which picture it was made of
 *   pictures  [{ title, values, rows, columns, marked }]: small pictures, all tiles of rows x columns in one list
 *   products  [[name of one factor, it, name of the other, it], ...], if it is a sum
 */

/** The indices of the number that stands at `at` in an array of this shape: [i, j, f]. */
function unravel(shape, at) {
  const indices = [];
  for (const length of [...shape].reverse()) {
    indices.unshift(at % length);
    at = Math.floor(at / length);
  }
  return indices;
}

function nameOf(letter, shape, at) {
  return `${letter}[${unravel(shape, at).join(", ")}]`;
}

/** A number, short: four digits that count, with a true minus. */
function format(value) {
  if (Number.isInteger(value)) return String(value).replace("-", "−");
  const size = Math.abs(value);
  const text = size < 1e-3 || size >= 1e4 ? value.toExponential(2) : value.toPrecision(4);
  return text.replace(/-/g, "−");
}

/**
 * A sum of products a * b, arranged in tiles of rows x columns.
 * @param {Array<{a: number, b: number, aAt: number, bAt: number} | null>} terms tile by tile, row by row; null is none
 */
function sumOfProducts({ name, value, left, right, rows, columns, terms, bias, seen }) {
  const there = terms.filter((term) => term), total = there.reduce((sum, { a, b }) => sum + a * b, 0);
  const numbers = (read) => terms.map((term) => (term ? read(term) : 0));
  const count = `${there.length} product${there.length === 1 ? "" : "s"} ${left.letter} · ${right.letter}`;
  const first = bias === undefined ? "" : `b ${format(bias)} + `;
  const picture = (title, read) => ({ title, values: numbers(read), rows, columns });
  return {
    name,
    value,
    seen,
    text: `${name} = ${first}sum of ${count} ${format(total)} = ${format(value)}`,
    pictures: [
      picture(left.letter, (term) => term.a),
      picture(right.letter, (term) => term.b),
      picture(`${left.letter} · ${right.letter}`, (term) => term.a * term.b),
    ],
    products: there.map(({ a, b, aAt, bAt }) => [
      aAt < 0 ? "padding" : nameOf(left.letter, left.shape, aAt), a, nameOf(right.letter, right.shape, bAt), b,
    ]),
  };
}

/** For each kind of layer: where a number of its y, its dx, its dw comes from. s is the number of the step. */
const EXPLAIN = {
  Conv2D: {
    y(network, s, at) {
      const step = network.steps[s], x = network.ys[s], [H, W, C] = step.input, [KH, KW] = step.window;
      const [i, j, f] = unravel(step.output, at), F = step.output[2], terms = [];
      for (let c = 0; c < C; c++)
        for (let kh = 0; kh < KH; kh++)
          for (let kw = 0; kw < KW; kw++) {
            const h = i * step.strides[0] + kh * step.dilation[0] - step.pads[0];
            const v = j * step.strides[1] + kw * step.dilation[1] - step.pads[1];
            const aAt = h < 0 || h >= H || v < 0 || v >= W ? -1 : (h * W + v) * C + c;
            const bAt = ((kh * KW + kw) * C + c) * F + f;
            terms.push({ a: aAt < 0 ? 0 : x[aAt], b: step.w[bAt], aAt, bAt });
          }
      return sumOfProducts({
        name: nameOf("y", step.output, at), value: network.ys[s + 1][at], rows: KH, columns: KW, terms, bias: step.b[f],
        left: { letter: "x", shape: step.input }, right: { letter: "w", shape: step.wShape },
        seen: { layer: s, show: "y", at: terms.map((term) => term.aAt).filter((k) => k >= 0) },
      });
    },
    dx(network, s, at) {
      const step = network.steps[s], dy = network.dys[s + 1], [OH, OW, F] = step.output, [KH, KW] = step.window;
      const [h, v, c] = unravel(step.input, at), C = step.input[2], terms = [];
      for (let f = 0; f < F; f++)
        for (let kh = 0; kh < KH; kh++)
          for (let kw = 0; kw < KW; kw++) {
            const i = (h + step.pads[0] - kh * step.dilation[0]) / step.strides[0];
            const j = (v + step.pads[1] - kw * step.dilation[1]) / step.strides[1];
            const saw = Number.isInteger(i) && Number.isInteger(j) && i >= 0 && i < OH && j >= 0 && j < OW;
            const aAt = (i * OW + j) * F + f, bAt = ((kh * KW + kw) * C + c) * F + f;
            terms.push(saw ? { a: dy[aAt], b: step.w[bAt], aAt, bAt } : null);
          }
      return sumOfProducts({
        name: nameOf("dx", step.input, at), value: network.dys[s][at], rows: KH, columns: KW, terms,
        left: { letter: "dy", shape: step.output }, right: { letter: "w", shape: step.wShape },
        seen: { layer: s + 1, show: "dy", at: terms.filter((term) => term).map((term) => term.aAt) },
      });
    },
    dw(network, s, at) {
      const step = network.steps[s], x = network.ys[s], dy = network.dys[s + 1], [H, W, C] = step.input;
      const [OH, OW, F] = step.output, [kh, kw, c, f] = unravel(step.wShape, at), terms = [];
      for (let i = 0; i < OH; i++)
        for (let j = 0; j < OW; j++) {
          const h = i * step.strides[0] + kh * step.dilation[0] - step.pads[0];
          const v = j * step.strides[1] + kw * step.dilation[1] - step.pads[1];
          const aAt = (h * W + v) * C + c, bAt = (i * OW + j) * F + f;
          terms.push(h < 0 || h >= H || v < 0 || v >= W ? null : { a: x[aAt], b: dy[bAt], aAt, bAt });
        }
      return sumOfProducts({
        name: nameOf("dw", step.wShape, at), value: step.dw[at], rows: OH, columns: OW, terms,
        left: { letter: "x", shape: step.input }, right: { letter: "dy", shape: step.output },
        seen: null,
      });
    },
  },
  Dense: {
    y(network, s, at) {
      const step = network.steps[s], x = network.ys[s], U = step.b.length;
      const terms = Array.from(x, (a, c) => ({ a, b: step.w[c * U + at], aAt: c, bAt: c * U + at }));
      return sumOfProducts({
        name: `y[${at}]`, value: network.ys[s + 1][at], ...inRows(terms), bias: step.b[at],
        left: { letter: "x", shape: step.input }, right: { letter: "w", shape: step.wShape },
        seen: { layer: s, show: "y", at: terms.map((term) => term.aAt) },
      });
    },
    dx(network, s, at) {
      const step = network.steps[s], U = step.b.length;
      const terms = Array.from(network.dys[s + 1], (a, u) => ({ a, b: step.w[at * U + u], aAt: u, bAt: at * U + u }));
      return sumOfProducts({
        name: `dx[${at}]`, value: network.dys[s][at], ...inRows(terms),
        left: { letter: "dy", shape: step.output }, right: { letter: "w", shape: step.wShape },
        seen: { layer: s + 1, show: "dy", at: terms.map((term) => term.aAt) },
      });
    },
    dw(network, s, at) {
      const step = network.steps[s], [c, u] = unravel(step.wShape, at);
      const terms = [{ a: network.ys[s][c], b: network.dys[s + 1][u], aAt: c, bAt: u }];
      return sumOfProducts({
        name: nameOf("dw", step.wShape, at), value: step.dw[at], ...inRows(terms), seen: null,
        left: { letter: "x", shape: step.input }, right: { letter: "dy", shape: step.output },
      });
    },
  },
  MaxPool2D: {
    y(network, s, at) {
      const step = network.steps[s], x = network.ys[s], won = step.winner[at], value = network.ys[s + 1][at];
      const window = inWindow(step, at), name = nameOf("y", step.output, at);
      const text = `${name} = max(${window.map((k) => format(x[k])).join(", ")}) = ${format(value)}; `
        + `${nameOf("x", step.input, won)} won`;
      const pictures = [{ title: "x", ...windowPicture(step, window, (k) => x[k]), marked: window.indexOf(won) }];
      return { name, value, text, pictures, seen: { layer: s, show: "y", at: window } };
    },
    dx(network, s, at) {
      const step = network.steps[s], x = network.ys[s], dx = network.dys[s], name = nameOf("dx", step.input, at);
      const outputs = Array.from(step.winner.keys()).filter((k) => inWindow(step, k).includes(at));
      const parts = outputs.map((k) => step.winner[k] === at
        ? `won the window of ${nameOf("y", step.output, k)} and takes its dy, ${format(network.dys[s + 1][k])}`
        : `lost the window of ${nameOf("y", step.output, k)} to ${nameOf("x", step.input, step.winner[k])}, `
          + `which takes all of its dy, ${format(network.dys[s + 1][k])}`);
      const pictures = outputs.slice(0, 1).flatMap((k) => {
        const window = inWindow(step, k), marked = window.indexOf(step.winner[k]);
        return [
          { title: "x", ...windowPicture(step, window, (p) => x[p]), marked },
          { title: "dx", ...windowPicture(step, window, (p) => dx[p]), marked },
        ];
      });
      const text = `${name} = ${format(dx[at])}: x ${parts.join("; ") || "is in no window"}`;
      return { name, value: dx[at], text, pictures, seen: { layer: s + 1, show: "dy", at: outputs } };
    },
  },
  ReLU: {
    y(network, s, at) {
      const x = network.ys[s][at], name = nameOf("y", network.steps[s].output, at), value = network.ys[s + 1][at];
      return alone(name, value, `= max(x, 0) = max(${format(x)}, 0) = ${format(value)}`, s, "y", at);
    },
    dx(network, s, at) {
      const x = network.ys[s][at], name = nameOf("dx", network.steps[s].input, at), value = network.dys[s][at];
      const dy = x > 0 ? "= dy" : "";
      const text = `${dy} = ${format(value)}, because x = ${format(x)} is ${x > 0 ? "" : "not "}above 0`;
      return alone(name, value, text.trim(), s + 1, "dy", at);
    },
  },
  Flatten: {
    y(network, s, at) {
      const { input, output } = network.steps[s], value = network.ys[s + 1][at];
      const text = `= ${nameOf("x", input, at)} = ${format(value)}, the same number`;
      return alone(nameOf("y", output, at), value, text, s, "y", at);
    },
    dx(network, s, at) {
      const { input, output } = network.steps[s], value = network.dys[s][at];
      const text = `= ${nameOf("dy", output, at)} = ${format(value)}, the same number`;
      return alone(nameOf("dx", input, at), value, text, s + 1, "dy", at);
    },
  },
  Softmax: {
    y(network, s, at) {
      const z = network.ys[s], value = network.ys[s + 1][at], total = z.reduce((sum, each) => sum + Math.exp(each), 0);
      const text = `= exp(x[${at}]) / sum of all exp(x) = exp(${format(z[at])}) / ${format(total)} = ${format(value)}`;
      const seen = { layer: s, show: "y", at: Array.from(z.keys()) };
      return { ...alone(`y[${at}]`, value, text, s, "y", at), seen };
    },
    dx(network, s, at, label) {
      const p = network.ys[s + 1][at], value = network.dys[s][at], one = at === label ? 1 : 0;
      const why = `p − ${one} = ${format(p)} − ${one} = ${format(value)}`;
      const text = `= ${why}: ${one}, because this is ${one ? "" : "not "}the right class (p is the probability)`;
      return { ...alone(`dx[${at}]`, value, text), seen: null };
    },
  },
};
EXPLAIN.Dropout = EXPLAIN.Flatten;

/** A number that no sum has made, but one number alone: the one at `at` in the picture of `layer`. */
function alone(name, value, text, layer, show, at) {
  return { name, value, text: `${name} ${text}`, pictures: [], seen: { layer, show, at: [at] } };
}

/** Terms of a dense layer, which have no rows and columns of their own, in a block. */
function inRows(terms) {
  const columns = blockWidth(terms.length), rows = Math.ceil(terms.length / columns);
  return { rows, columns, terms: [...terms, ...new Array(rows * columns - terms.length).fill(null)] };
}

/** Where in x the numbers under the window of output `at` are, row by row. */
function inWindow(step, at) {
  const [H, W, C] = step.input, [i, j, c] = unravel(step.output, at), found = [];
  for (let kh = 0; kh < step.window[0]; kh++)
    for (let kw = 0; kw < step.window[1]; kw++) {
      const h = i * step.strides[0] + kh - step.pads[0], v = j * step.strides[1] + kw - step.pads[1];
      if (h >= 0 && h < H && v >= 0 && v < W) found.push((h * W + v) * C + c);
    }
  return found;
}

/** A window as a picture; at an edge it may be smaller than elsewhere. */
function windowPicture(step, window, read) {
  const columns = new Set(window.map((at) => unravel(step.input, at)[1])).size;
  return { values: window.map(read), rows: window.length / columns, columns };
}

/** Where the number at `at` comes from, in the picture of layer k (0 is the image) when `show` is shown. */
function explain(network, k, show, at, label) {
  const step = network.steps[k - 1], next = network.steps[k];
  if (show === "dy") return next ? EXPLAIN[next.kind].dx(network, k, at, label) : null;
  if (show === "dw") return EXPLAIN[step.kind].dw(network, k - 1, at);
  if (show === "y" && step) return EXPLAIN[step.kind].y(network, k - 1, at);
  if (show === "y") {
    const value = network.ys[0][at], name = nameOf("x", network.steps[0].input, at);
    return { ...alone(name, value, `= ${format(value)}, a pixel: ${Math.round(value * 255)} of 255`), seen: null };
  }
  const now = step.w[at], was = step.w0[at], name = nameOf("w", step.wShape, at);
  const text = `= ${format(now)}; when the page was opened ${format(was)}, so it changed by ${format(now - was)}`;
  return { ...alone(name, now, text), seen: null };
}
