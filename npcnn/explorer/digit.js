"use strict";

/*
 * A drawing, prepared as MNIST was, so that a network trained on MNIST knows what it sees: what it holds is scaled to
 * fit a 20 x 20 box and placed in 28 x 28 with its centre of mass at pixel (14, 14). See npcnn/digit_image.py, which
 * also has to tell ink from paper; here they are known.
 */

/**
 * @param {ArrayLike<number>} ink how much ink is on each pixel, from 0 to 255, height x width
 * @returns {Uint8Array} 28 x 28, 0 for black; all black if there is no ink
 */
function prepareDigit(ink, height, width) {
  const prepared = new Uint8Array(28 * 28), box = boundingBox(ink, height, width);
  if (!box) return prepared;
  const longest = Math.max(box.bottom - box.top, box.right - box.left), scale = 20 / longest;
  const rows = Math.max(1, Math.round(scale * (box.bottom - box.top)));
  const columns = Math.max(1, Math.round(scale * (box.right - box.left)));
  const digit = shrink(ink, width, box, rows, columns), largest = Math.max(...digit);
  let mass = 0, down = 0, across = 0;
  digit.forEach((value, at) => {
    mass += value;
    down += value * Math.floor(at / columns);
    across += value * (at % columns);
  });
  const place = (sum, length) => Math.min(Math.max(Math.round(14 - sum / mass), 0), 28 - length);
  const top = place(down, rows), left = place(across, columns);
  digit.forEach((value, at) => {
    const row = top + Math.floor(at / columns), column = left + (at % columns);
    prepared[row * 28 + column] = Math.round((value * 255) / largest);
  });
  return prepared;
}

/** The smallest box with all ink in it, or null. */
function boundingBox(ink, height, width) {
  let top = height, bottom = 0, left = width, right = 0;
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++)
      if (ink[row * width + column] > 0) {
        top = Math.min(top, row);
        bottom = Math.max(bottom, row + 1);
        left = Math.min(left, column);
        right = Math.max(right, column + 1);
      }
  return bottom > top ? { top, bottom, left, right } : null;
}

/** What is in the box as rows x columns numbers, each the mean of the area it covers. */
function shrink(ink, width, box, rows, columns) {
  const down = (box.bottom - box.top) / rows, across = (box.right - box.left) / columns;
  const digit = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const y = box.top + row * down, x = box.left + column * across;
      for (let i = Math.floor(y); i < y + down && i < box.bottom; i++)
        for (let j = Math.floor(x); j < x + across && j < box.right; j++) {
          const share = overlap(i, y, y + down) * overlap(j, x, x + across);
          digit[row * columns + column] += (share * ink[i * width + j]) / (down * across);
        }
    }
  return digit;
}

/** How much of [i, i + 1] lies between start and end. */
function overlap(i, start, end) {
  return Math.max(0, Math.min(i + 1, end) - Math.max(i, start));
}
