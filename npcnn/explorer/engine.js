"use strict";

/*
 * The network, for one image at a time: forward, backward, and a step of SGD or Adam.
 *
 * The letters are those of npcnn/layers/__init__.py. An array is a flat Float32Array in row-major order: number
 * [h, v, c] of an image x (H, W, C) is x[(h * W + v) * C + c]. (The column is v here, because w are the weights.)
 */

/** Where in x the number at place (kh, kw) of the window of output (i, j) is, in channel c; -1 in the padding. */
function inImage({ input: [H, W, C], strides: [SH, SW], dilation: [DH, DW], pads: [top, left] }, i, j, kh, kw, c = 0) {
  const h = i * SH + kh * DH - top, v = j * SW + kw * DW - left;
  return h < 0 || h >= H || v < 0 || v >= W ? -1 : (h * W + v) * C + c;
}

/**
 * Visit each place (kh, kw) of the window at each output (i, j), where that place is inside the image. `see` is told
 * where in x the C numbers under it begin, which place it is, kh KW + kw, and where in y the numbers of (i, j) begin.
 */
function eachPlace(step, see) {
  const [OH, OW, F] = step.output, [KH, KW] = step.window;
  for (let i = 0; i < OH; i++)
    for (let j = 0; j < OW; j++)
      for (let kh = 0; kh < KH; kh++)
        for (let kw = 0; kw < KW; kw++) {
          const xAt = inImage(step, i, j, kh, kw);
          if (xAt >= 0) see(xAt, kh * KW + kw, (i * OW + j) * F);
        }
}

/** Where in x each output of a max pool was: the first of the largest in its window, or the first NaN. */
function winners(step, x) {
  const C = step.input[2], won = new Int32Array(size(step.output)).fill(-1);
  eachPlace(step, (xAt, place, yAt) => {
    for (let c = 0; c < C; c++) {
      const value = x[xAt + c], best = x[won[yAt + c]];
      const beats = value > best || (Number.isNaN(value) && !Number.isNaN(best));
      if (won[yAt + c] < 0 || beats) won[yAt + c] = xAt + c;
    }
  });
  return won;
}

/** What each kind of layer does: forward(step, x) -> y, and backward(step, x, y, dy) -> { dx, dw, db }. */
const LAYERS = {
  Conv2D: {
    // y[i, j, f] = b[f] + sum over kh, kw, c of x[i SH + kh DH, j SW + kw DW, c] * w[kh, kw, c, f]
    forward(step, x) {
      const { w, b } = step, C = step.input[2], F = step.output[2];
      const y = new Float32Array(size(step.output)).map((_, at) => b[at % F]);
      eachPlace(step, (xAt, place, yAt) => {
        for (let c = 0; c < C; c++) {
          const value = x[xAt + c], wAt = (place * C + c) * F;
          if (value === 0) continue; // most of a digit's picture is black
          for (let f = 0; f < F; f++) y[yAt + f] += value * w[wAt + f];
        }
      });
      return y;
    },
    // Each product above has two factors; the gradient of one collects dy times the other.
    backward(step, x, y, dy) {
      const { w } = step, C = step.input[2], F = step.output[2];
      const dx = new Float32Array(x.length), dw = new Float32Array(w.length), db = new Float32Array(F);
      dy.forEach((g, at) => (db[at % F] += g));
      eachPlace(step, (xAt, place, yAt) => {
        for (let c = 0; c < C; c++) {
          const value = x[xAt + c], wAt = (place * C + c) * F;
          let total = 0;
          for (let f = 0; f < F; f++) {
            dw[wAt + f] += value * dy[yAt + f];
            total += w[wAt + f] * dy[yAt + f];
          }
          dx[xAt + c] += total;
        }
      });
      return { dx, dw, db };
    },
  },
  MaxPool2D: {
    // y[i, j, c] = max over kh, kw of x[i SH + kh, j SW + kw, c]
    forward: (step, x) => Float32Array.from(winners(step, x), (at) => x[at]),
    // dx[winner(i, j, c)] += dy[i, j, c]
    backward(step, x, y, dy) {
      const dx = new Float32Array(x.length);
      winners(step, x).forEach((at, k) => (dx[at] += dy[k]));
      return { dx };
    },
  },
  Dense: {
    // y[u] = b[u] + sum over c of x[c] * w[c, u]
    forward(step, x) {
      const { w, b } = step, U = b.length, y = b.slice();
      for (let c = 0; c < x.length; c++) for (let u = 0; u < U; u++) y[u] += x[c] * w[c * U + u];
      return y;
    },
    // dw[c, u] = x[c] * dy[u],   dx[c] = sum over u of dy[u] * w[c, u],   db = dy
    backward(step, x, y, dy) {
      const { w } = step, U = dy.length, dx = new Float32Array(x.length), dw = new Float32Array(w.length);
      for (let c = 0; c < x.length; c++) {
        let total = 0;
        for (let u = 0; u < U; u++) {
          dw[c * U + u] = x[c] * dy[u];
          total += dy[u] * w[c * U + u];
        }
        dx[c] = total;
      }
      return { dx, dw, db: dy };
    },
  },
  ReLU: {
    forward: (step, x) => x.map((value) => (value <= 0 ? 0 : value)),
    backward: (step, x, y, dy) => ({ dx: dy.map((g, at) => (y[at] > 0 ? g : 0)) }),
  },
  // The same numbers in another shape; and what does nothing where a model predicts.
  Flatten: { forward: (step, x) => x, backward: (step, x, y, dy) => ({ dx: dy }) },
  Dropout: { forward: (step, x) => x, backward: (step, x, y, dy) => ({ dx: dy }) },
  // y[k] = exp(x[k]) / sum over k' of exp(x[k']). Backward it is joined with the loss: see Network.backward.
  Softmax: {
    forward(step, x) {
      const largest = Math.max(...x), exponentials = Array.from(x, (z) => Math.exp(z - largest));
      const total = exponentials.reduce((a, b) => a + b);
      return Float32Array.from(exponentials, (e) => e / total);
    },
  },
};

/** Layers in a row, of which the last is Softmax; the loss is cross-entropy. */
class Network {
  constructor(steps) {
    this.steps = steps;
  }

  /** Compute ys: the image, then the output of each step. Return the last, the probabilities. */
  forward(x) {
    this.ys = [x];
    for (const step of this.steps) this.ys.push(LAYERS[step.kind].forward(step, this.ys.at(-1)));
    return this.ys.at(-1);
  }

  /** L = -log(p[label]) = log(sum over k of exp(z[k])) - z[label], where z went into the softmax. */
  loss(label) {
    const z = this.ys.at(-2), largest = Math.max(...z);
    return Math.log(z.reduce((sum, value) => sum + Math.exp(value - largest), 0)) + largest - z[label];
  }

  /** Compute dys, the gradient of the loss with respect to each of ys, and in each step with weights dw and db. */
  backward(label) {
    const last = this.steps.length - 1, p = this.ys.at(-1);
    this.dys = new Array(last + 2).fill(null);
    // Of z, softmax and loss together: p[k] - (1 if k = label else 0). The other probabilities add up to 1 - p[label],
    // and their sum keeps the digits that the difference would lose where p[label] is almost 1.
    const others = p.reduce((sum, value, k) => (k === label ? sum : sum + value), 0);
    this.dys[last] = p.map((value, k) => (k === label ? -others : value));
    for (let s = last - 1; s >= 0; s--) {
      const step = this.steps[s];
      const { dx, dw, db } = LAYERS[step.kind].backward(step, this.ys[s], this.ys[s + 1], this.dys[s + 1]);
      Object.assign(step, { dw, db });
      this.dys[s] = dx; // dL/dx of this step is dL/dy of the one before
    }
  }

  /** The weights that training moves, each with its gradient: [[w, dw], [b, db], ...]. */
  get trained() {
    const steps = this.steps.filter((step) => step.w && step.trainable);
    return steps.flatMap((step) => (step.useBias ? [[step.w, step.dw], [step.b, step.db]] : [[step.w, step.dw]]));
  }

  /** Take one step on the image x: forward, backward, update. */
  learn(x, label, optimizer, learningRate) {
    this.forward(x);
    this.backward(label);
    optimizer.update(this.trained, learningRate);
  }
}

/** Change every w in place, given g = dL/dw; what is remembered from step to step can be copied for an undo. */
const OPTIMIZERS = {
  SGD: class {
    // w = w - lr g
    update(pairs, lr) {
      for (const [w, g] of pairs) for (let i = 0; i < w.length; i++) w[i] -= lr * g[i];
    }
    copy() {
      return new OPTIMIZERS.SGD();
    }
  },
  Adam: class {
    constructor(t = 0, slots = []) {
      this.t = t;
      this.slots = slots;
    }
    // m = m + (g - m) (1 - beta_1),  v = v + (g^2 - v) (1 - beta_2),  w = w - alpha m / (sqrt(v) + epsilon)
    update(pairs, lr, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7) {
      this.t++;
      const alpha = (lr * Math.sqrt(1 - beta2 ** this.t)) / (1 - beta1 ** this.t);
      pairs.forEach(([w, g], k) => {
        const [m, v] = (this.slots[k] ??= [new Float32Array(w.length), new Float32Array(w.length)]);
        for (let i = 0; i < w.length; i++) {
          m[i] += (g[i] - m[i]) * (1 - beta1);
          v[i] += (g[i] * g[i] - v[i]) * (1 - beta2);
          w[i] -= (alpha * m[i]) / (Math.sqrt(v[i]) + epsilon);
        }
      });
    }
    copy() {
      return new OPTIMIZERS.Adam(this.t, this.slots.map(([m, v]) => [m.slice(), v.slice()]));
    }
  },
};

/** How many numbers an array of this shape has. */
function size(shape) {
  return shape.reduce((product, length) => product * length, 1);
}

/** The numbers that Python wrote as base64. */
function decode(text, Type) {
  return new Type(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer);
}

/** The network as Python describes it, its weights decoded; w0 and b0 keep what they were. */
function readNetwork(steps) {
  for (const step of steps.filter((step) => step.w)) {
    const w = decode(step.w, Float32Array), b = decode(step.b, Float32Array);
    Object.assign(step, { w, b, w0: w.slice(), b0: b.slice() });
  }
  return new Network(steps);
}
