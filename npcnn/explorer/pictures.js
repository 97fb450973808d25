"use strict";

/*
 * Arrays as pictures. A picture is made of tiles, one for each map, filter or unit, side by side with a line between;
 * a cell of a tile is one number, and in the canvas one pixel, which CSS enlarges.
 */

/** Blue, through the colour of the page, to orange: a scale that common kinds of colour vision tell apart. */
const SCALES = {
  light: { zero: [255, 255, 255], plus: [213, 94, 0], minus: [0, 114, 178], line: [200, 200, 206] },
  dark: { zero: [16, 18, 22], plus: [255, 150, 60], minus: [86, 180, 255], line: [62, 66, 76] },
};

const GREYS = { zero: [0, 0, 0], plus: [255, 255, 255] }; // of the image, as on the paper

/** The width of a block of `count` numbers: all in a row if they are few, else wider than high. */
function blockWidth(count) {
  return count <= 16 ? count : 2 ** Math.ceil(Math.log2(Math.sqrt(2 * count)));
}

/** The tiles of an array: a map for each channel of (H, W, C), one block for a row of numbers. */
function tilesOfOutput(shape) {
  if (shape.length < 3) return block(1, shape[0], (tile, k) => k);
  const [rows, columns, C] = shape;
  return { count: C, rows, columns, at: (tile, row, column) => (row * columns + column) * C + tile };
}

/** The tiles of weights: a filter for each channel in and out of (KH, KW, C, F), a block for each unit of (C, U). */
function tilesOfWeights(shape) {
  if (shape.length < 4) return block(shape[1], shape[0], (unit, c) => c * shape[1] + unit);
  const [rows, columns, C, F] = shape;
  const at = (tile, row, column) => (row * columns + column) * C * F + tile;
  return { count: C * F, rows, columns, at };
}

/** Tiles of `length` numbers each, laid out in rows; at() is -1 behind the last. */
function block(count, length, at) {
  const columns = blockWidth(length), rows = Math.ceil(length / columns);
  const within = (tile, row, column) => (row * columns + column < length ? at(tile, row * columns + column) : -1);
  return { count, rows, columns, at: within };
}

/** How many tiles to put in a row so that the whole is at most `aspect` times as high as wide. */
function tilesInRow({ count, rows, columns }, aspect) {
  let inRow = 1;
  while (inRow < count && Math.ceil(count / inRow) * (rows + 1) > aspect * inRow * (columns + 1)) inRow *= 2;
  return Math.min(inRow, count);
}

/** Tiles with a place for each: where in the canvas a cell is, and which cell is at a place of the canvas. */
class Layout {
  constructor(tiles, aspect) {
    Object.assign(this, tiles, { inRow: tilesInRow(tiles, aspect) });
    this.width = this.inRow * (this.columns + 1) + 1;
    this.height = Math.ceil(this.count / this.inRow) * (this.rows + 1) + 1;
    this.numbers = new Int32Array(this.width * this.height).fill(-1); // for each pixel, which number it shows
    this.eachCell((cell, at) => {
      const { x, y } = this.place(cell);
      this.numbers[y * this.width + x] = at;
    });
  }

  /** The place of a cell in the canvas. */
  place({ tile, row, column }) {
    const x = (tile % this.inRow) * (this.columns + 1) + 1 + column;
    return { x, y: Math.floor(tile / this.inRow) * (this.rows + 1) + 1 + row };
  }

  /** The cell at a place in the canvas, or null on a line. */
  cellAt(x, y) {
    const right = this.columns + 1, down = this.rows + 1;
    const tile = Math.floor(y / down) * this.inRow + Math.floor(x / right);
    const cell = { tile, row: (y % down) - 1, column: (x % right) - 1 };
    return Math.floor(x / right) < this.inRow && this.has(cell) ? cell : null;
  }

  /** Whether there is such a cell. */
  has({ tile, row, column }) {
    const inside = (k, length) => k >= 0 && k < length;
    const isThere = inside(tile, this.count) && inside(row, this.rows) && inside(column, this.columns);
    return isThere && this.at(tile, row, column) >= 0;
  }

  /** Call see(cell, at) for every cell, with the place of its number in the array. */
  eachCell(see) {
    for (let tile = 0; tile < this.count; tile++)
      for (let row = 0; row < this.rows; row++)
        for (let column = 0; column < this.columns; column++) {
          const at = this.at(tile, row, column);
          if (at >= 0) see({ tile, row, column }, at);
        }
  }

  /** For each tile in which some of the numbers at `places` are, the smallest box around them, in the canvas. */
  boxes(places) {
    const wanted = new Set(places), boxes = new Map();
    this.numbers.forEach((at, pixel) => {
      if (!wanted.has(at)) return;
      const x = pixel % this.width, y = Math.floor(pixel / this.width), { tile } = this.cellAt(x, y);
      const box = boxes.get(tile) ?? { left: x, right: x, top: y, bottom: y };
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x + 1);
      box.top = Math.min(box.top, y);
      box.bottom = Math.max(box.bottom, y + 1);
      boxes.set(tile, box);
    });
    return [...boxes.values()];
  }
}

function largestMagnitude(values) {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return largest;
}

/** Draw values into a canvas: 0 in the colour of the page, `largest` in full orange, -largest in full blue. */
function drawPicture(canvas, layout, values, largest, scale) {
  const { width, height, numbers } = layout;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  const colours = Array.from({ length: 511 }, (_, k) => mixed(scale, (k - 255) / 255)), line = packed(scale.line);
  const pixels = new Uint32Array(image.data.buffer), steps = 255 / (largest || 1);
  for (let k = 0; k < pixels.length; k++)
    pixels[k] = numbers[k] < 0 ? line : colours[255 + Math.round(steps * values[numbers[k]])];
  context.putImageData(image, 0, 0);
}

/** The colour of a share from -1 to 1 of the largest value. */
function mixed(scale, share) {
  const end = share < 0 ? scale.minus : scale.plus;
  return packed(scale.zero.map((zero, k) => Math.round(zero + Math.abs(share) * (end[k] - zero))));
}

function packed([red, green, blue]) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
