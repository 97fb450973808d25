"use strict";

/*
 * Where one number comes from: the sum of products behind it, or what won a window.
 *
 * EXPLAIN has, for each kind of layer, a function for a number of its y, of its dx, of its dw. s is the number of the
 * step, whose x is ys[s] and whose y is ys[s + 1]; `at` is where the number stands in its array. Each returns
 *
 *   value     the number
 *   text      the equation with its numbers
 *   seen      { layer, show, at }: which numbers of which picture it was made of; or nothing
 *   pictures  [{ title, values, rows, columns, marked }]: small pictures, all tiles of rows x columns in one list
 *   products  [[name of one factor, it, name of the other, it], ...], if it is a sum
 */
const EXPLAIN = {
  Conv2D: {
    y(network, s, at) {
      const step = network.steps[s], x = network.ys[s], [i, j, f] = unravel(step.output, at);
      const terms = tapsOfFilters(step, step.input[2], (kh, kw, c) => {
        const aAt = inImage(step, i, j, kh, kw, c), bAt = ravel(step.wShape, [kh, kw, c, f]);
        return { a: aAt < 0 ? 0 : x[aAt], b: step.w[bAt], aAt, bAt };
      });
      return sumOfProducts(nameOf("y", step.output, at), network.ys[s + 1][at], "x", "w", step, terms, {
        bias: step.b[f], seen: { layer: s, show: "y" },
      });
    },
    dx(network, s, at) {
      const step = network.steps[s], dy = network.dys[s + 1], [, , c] = unravel(step.input, at);
      const terms = tapsOfFilters(step, step.output[2], (kh, kw, f) => {
        const seer = whoSees(step, at, kh, kw);
        if (!seer) return null;
        const aAt = ravel(step.output, [...seer, f]), bAt = ravel(step.wShape, [kh, kw, c, f]);
        return { a: dy[aAt], b: step.w[bAt], aAt, bAt };
      });
      return sumOfProducts(nameOf("dx", step.input, at), network.dys[s][at], "dy", "w", step, terms, {
        seen: { layer: s + 1, show: "dy" },
      });
    },
    dw(network, s, at) {
      const step = network.steps[s], x = network.ys[s], dy = network.dys[s + 1], [OH, OW] = step.output;
      const [kh, kw, c, f] = unravel(step.wShape, at);
      const list = Array.from({ length: OH * OW }, (_, k) => {
        const [i, j] = unravel([OH, OW], k), aAt = inImage(step, i, j, kh, kw, c), bAt = ravel(step.output, [i, j, f]);
        return aAt < 0 ? null : { a: x[aAt], b: dy[bAt], aAt, bAt };
      });
      const terms = { rows: OH, columns: OW, list };
      return sumOfProducts(nameOf("dw", step.wShape, at), step.dw[at], "x", "dy", step, terms);
    },
  },
  Dense: {
    y(network, s, u) {
      const step = network.steps[s], U = step.b.length;
      const terms = inRows(network.ys[s], (a, c) => ({ a, b: step.w[c * U + u], aAt: c, bAt: c * U + u }));
      return sumOfProducts(`y[${u}]`, network.ys[s + 1][u], "x", "w", step, terms, {
        bias: step.b[u], seen: { layer: s, show: "y" },
      });
    },
    dx(network, s, c) {
      const step = network.steps[s], U = step.b.length;
      const terms = inRows(network.dys[s + 1], (a, u) => ({ a, b: step.w[c * U + u], aAt: u, bAt: c * U + u }));
      return sumOfProducts(`dx[${c}]`, network.dys[s][c], "dy", "w", step, terms, {
        seen: { layer: s + 1, show: "dy" },
      });
    },
    dw(network, s, at) {
      const step = network.steps[s], [c, u] = unravel(step.wShape, at), dy = network.dys[s + 1];
      const terms = inRows([network.ys[s][c]], (a) => ({ a, b: dy[u], aAt: c, bAt: u }));
      return sumOfProducts(nameOf("dw", step.wShape, at), step.dw[at], "x", "dy", step, terms);
    },
  },
  MaxPool2D: {
    y(network, s, at) {
      const step = network.steps[s], x = network.ys[s], value = network.ys[s + 1][at], won = winners(step, x)[at];
      const window = inWindow(step, at), numbers = window.map((k) => format(x[k])).join(", ");
      const text = `= max(${numbers}) = ${format(value)}; ${nameOf("x", step.input, won)} won`;
      const pictures = [windowPicture("x", step, x, window, won)], seen = { layer: s, show: "y", at: window };
      return { ...alone(nameOf("y", step.output, at), value, text, seen), pictures };
    },
    dx(network, s, at) {
      const step = network.steps[s], x = network.ys[s], dx = network.dys[s], [, , c] = unravel(step.input, at), won = winners(step, x);
      const seers = tapsOfFilters(step, 1, (kh, kw) => whoSees(step, at, kh, kw)).list.filter((seer) => seer);
      const outputs = seers.map((seer) => ravel(step.output, [...seer, c]));
      const parts = outputs.map((k) => {
        const window = `the window of ${nameOf("y", step.output, k)}`, dy = format(network.dys[s + 1][k]);
        if (won[k] === at) return `won ${window} and takes its dy, ${dy}`;
        return `lost ${window} to ${nameOf("x", step.input, won[k])}, which takes all of its dy, ${dy}`;
      });
      const pictures = outputs.slice(0, 1).flatMap((k) => {
        const window = inWindow(step, k);
        return [windowPicture("x", step, x, window, won[k]), windowPicture("dx", step, dx, window, won[k])];
      });
      const text = `= ${format(dx[at])}: x ${parts.join("; ") || "is in no window"}`;
      const seen = { layer: s + 1, show: "dy", at: outputs };
      return { ...alone(nameOf("dx", step.input, at), dx[at], text, seen), pictures };
    },
  },
  ReLU: {
    y(network, s, at) {
      const x = network.ys[s][at], value = network.ys[s + 1][at];
      const text = `= max(x, 0) = max(${format(x)}, 0) = ${format(value)}`;
      return alone(nameOf("y", network.steps[s].output, at), value, text, { layer: s, show: "y", at: [at] });
    },
    dx(network, s, at) {
      const x = network.ys[s][at], value = network.dys[s][at], dy = x > 0 ? "= dy " : "";
      const text = `${dy}= ${format(value)}, because x = ${format(x)} is ${x > 0 ? "" : "not "}above 0`;
      return alone(nameOf("dx", network.steps[s].input, at), value, text, { layer: s + 1, show: "dy", at: [at] });
    },
  },
  Flatten: {
    y(network, s, at) {
      const { input, output } = network.steps[s], value = network.ys[s + 1][at];
      const text = `= ${nameOf("x", input, at)} = ${format(value)}, the same number`;
      return alone(nameOf("y", output, at), value, text, { layer: s, show: "y", at: [at] });
    },
    dx(network, s, at) {
      const { input, output } = network.steps[s], value = network.dys[s][at];
      const text = `= ${nameOf("dy", output, at)} = ${format(value)}, the same number`;
      return alone(nameOf("dx", input, at), value, text, { layer: s + 1, show: "dy", at: [at] });
    },
  },
  Softmax: {
    y(network, s, k) {
      const z = network.ys[s], value = network.ys[s + 1][k], total = z.reduce((sum, each) => sum + Math.exp(each), 0);
      const text = `= exp(x[${k}]) / sum of all exp(x) = exp(${format(z[k])}) / ${format(total)} = ${format(value)}`;
      return alone(`y[${k}]`, value, text, { layer: s, show: "y", at: Array.from(z.keys()) });
    },
    dx(network, s, k, label) {
      const p = network.ys[s + 1][k], value = network.dys[s][k], one = k === label ? 1 : 0;
      const why = `${one}, because this is ${one ? "" : "not "}the right class, is taken from its probability`;
      return alone(`dx[${k}]`, value, `= p[${k}] − ${one} = ${format(p)} − ${one} = ${format(value)}: ${why}`);
    },
  },
};
EXPLAIN.Dropout = EXPLAIN.Flatten; // in prediction

/** Where the number at `at` comes from, in the picture of layer k (0 is the image) when `show` is shown. */
function explain(network, k, show, at, label) {
  const step = network.steps[k - 1], next = network.steps[k];
  if (show === "dy") return next ? EXPLAIN[next.kind].dx(network, k, at, label) : null;
  if (show === "dw") return EXPLAIN[step.kind].dw(network, k - 1, at);
  if (show === "y" && step) return EXPLAIN[step.kind].y(network, k - 1, at);
  if (show === "y") {
    const value = network.ys[0][at], text = `= ${format(value)}, a pixel: ${Math.round(value * 255)} of 255`;
    return alone(nameOf("x", network.steps[0].input, at), value, text);
  }
  const now = step.w[at], was = step.w0[at];
  const text = `= ${format(now)}; when the page was opened ${format(was)}, so it changed by ${format(now - was)}`;
  return alone(nameOf("w", step.wShape, at), now, text);
}

/** A number that is no sum. */
function alone(name, value, text, seen) {
  return { value, text: `${name} ${text}`, pictures: [], seen };
}

/** A number that is a sum of products a * b; left and right are the letters of the arrays that a and b are from. */
function sumOfProducts(name, value, left, right, step, { rows, columns, list }, { bias, seen } = {}) {
  const there = list.filter((term) => term), total = there.reduce((sum, { a, b }) => sum + a * b, 0);
  const shapes = { x: step.input, dy: step.output, w: step.wShape };
  const nameIn = (letter, at) => (at < 0 ? "padding" : nameOf(letter, shapes[letter], at));
  const picture = (title, read) => ({ title, values: list.map((term) => (term ? read(term) : 0)), rows, columns });
  const count = `${there.length} product${there.length === 1 ? "" : "s"} ${left} · ${right}`;
  const sum = bias === undefined ? `sum of ${count}` : `b ${format(bias)} + sum of ${count} ${format(total)}`;
  return {
    value,
    text: `${name} = ${sum} = ${format(value)}`,
    seen: seen && { ...seen, at: there.map(({ aAt }) => aAt).filter((k) => k >= 0) },
    pictures: [
      picture(left, ({ a }) => a),
      picture(right, ({ b }) => b),
      picture(`${left} · ${right}`, ({ a, b }) => a * b),
    ],
    products: there.map(({ a, b, aAt, bAt }) => [nameIn(left, aAt), a, nameIn(right, bAt), b]),
  };
}

/** A term for each place (kh, kw) of a filter and each channel: a tile for each channel. */
function tapsOfFilters({ window: [KH, KW] }, channels, termOf) {
  const list = Array.from({ length: channels * KH * KW }, (_, k) => {
    const [channel, kh, kw] = unravel([channels, KH, KW], k);
    return termOf(kh, kw, channel);
  });
  return { rows: KH, columns: KW, list };
}

/** A term for each number of an array that has no rows and columns of its own, in a block. */
function inRows(values, termOf) {
  const columns = blockWidth(values.length), rows = Math.ceil(values.length / columns);
  const list = Array.from({ length: rows * columns }, (_, k) => (k < values.length ? termOf(values[k], k) : null));
  return { rows, columns, list };
}

/** The output (i, j) that has the number `at` of x at place (kh, kw) of its window, or null. */
function whoSees(step, at, kh, kw) {
  const [OH, OW] = step.output, first = at - (at % step.input[2]); // of its channels
  for (let i = 0; i < OH; i++)
    for (let j = 0; j < OW; j++) if (inImage(step, i, j, kh, kw) === first) return [i, j];
  return null;
}

/** Where in x the numbers under the window of output `at` are, row by row. */
function inWindow(step, at) {
  const [i, j, c] = unravel(step.output, at);
  return tapsOfFilters(step, 1, (kh, kw) => inImage(step, i, j, kh, kw, c)).list.filter((place) => place >= 0);
}

/** The numbers under a window as a picture, which at an edge may be smaller than elsewhere; the winner is marked. */
function windowPicture(title, step, array, window, won) {
  const columns = new Set(window.map((at) => unravel(step.input, at)[1])).size, rows = window.length / columns;
  return { title, values: window.map((at) => array[at]), rows, columns, marked: window.indexOf(won) };
}

/** The indices of the number that stands at `at` in an array of this shape: [i, j, f]. */
function unravel(shape, at) {
  const indices = [];
  for (const length of [...shape].reverse()) {
    indices.unshift(at % length);
    at = Math.floor(at / length);
  }
  return indices;
}

/** Where in an array of this shape the number with these indices stands. */
function ravel(shape, indices) {
  return indices.reduce((at, index, k) => at * shape[k] + index, 0);
}

function nameOf(letter, shape, at) {
  return `${letter}[${unravel(shape, at).join(", ")}]`;
}

/** A number, short: four digits that count, with a true minus. */
function format(value) {
  const small = Math.abs(value) < 1e-3 || Math.abs(value) >= 1e4;
  const text = Number.isInteger(value) ? String(value) : small ? value.toExponential(2) : value.toPrecision(4);
  return text.replace(/-/g, "−");
}
