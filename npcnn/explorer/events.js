"use strict";

/*
 * What happens when someone points, draws, chooses or presses a key; at the end, the start of the page.
 */

const UNDO = 20; // steps that can be undone; each keeps a copy of all weights

// ------------------------------------------------------------------ pointing

function select(k, cell) {
  if (JSON.stringify(page.selected) === JSON.stringify({ k, cell })) return;
  page.selected = { k, cell };
  renderCell();
}

function letGo() {
  page.selected = null;
  page.held = false;
  renderCell();
}

const MOVES = {
  ArrowUp: ["row", -1],
  ArrowDown: ["row", 1],
  ArrowLeft: ["column", -1],
  ArrowRight: ["column", 1],
  PageUp: ["tile", -1],
  PageDown: ["tile", 1],
};
sections.forEach(({ canvas }, k) => {
  const cellUnder = (event) => {
    const { layout } = sections[k], scale = layout.width / canvas.clientWidth;
    return layout.cellAt(Math.floor(event.offsetX * scale), Math.floor(event.offsetY * scale));
  };
  canvas.addEventListener("pointermove", (event) => {
    const cell = cellUnder(event);
    if (cell && !page.held) select(k, cell);
  });
  canvas.addEventListener("pointerdown", (event) => {
    const cell = cellUnder(event);
    if (!cell || event.button !== 0) return;
    page.held = true;
    select(k, cell);
  });
  canvas.addEventListener("focus", () => {
    if (canvas.matches(":focus-visible") && page.selected?.k !== k) select(k, { tile: 0, row: 0, column: 0 });
  });
  canvas.addEventListener("keydown", (event) => {
    const [key, by] = MOVES[event.key] ?? [], { layout } = sections[k];
    if (!key) return;
    event.preventDefault();
    page.held = true;
    const { tile, row, column } = page.selected?.k === k ? page.selected.cell : { tile: 0, row: 0, column: 0 };
    const cell = { tile, row, column, [key]: { tile, row, column }[key] + by };
    if (layout.has(cell)) select(k, cell);
  });
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape") letGo();
});

// ------------------------------------------------------------------ the paper

const paper = element("paper"), ink = paper.getContext("2d", { willReadFrequently: true });
const pen = { x: 140, y: 140, down: false };

/** Show x, the digit on the paper as MNIST would have it, in the next frame. */
let waiting = false;
function readPaper() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    const red = ink.getImageData(0, 0, 280, 280).data.filter((_, k) => k % 4 === 0);
    page.x = Float32Array.from(prepareDigit(red, 280, 280), (value) => value / 255);
    page.labelChosen = false;
    element("digits").value = "";
    render();
  });
}

function drawTo(x, y) {
  Object.assign(ink, { lineWidth: 22, lineCap: "round", lineJoin: "round", strokeStyle: "#fff" });
  ink.beginPath();
  ink.moveTo(pen.x, pen.y);
  ink.lineTo(x, y);
  ink.stroke();
  movePen(x, y);
  readPaper();
}

function movePen(x, y) {
  Object.assign(pen, { x, y });
  Object.assign(element("pen").style, { left: `${x / 2.8}%`, top: `${y / 2.8}%` });
}

function placeOnPaper(event) {
  const scale = 280 / paper.clientWidth;
  return [event.offsetX * scale, event.offsetY * scale];
}

function clearPaper() {
  ink.fillStyle = "#000";
  ink.fillRect(0, 0, 280, 280);
}

paper.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  paper.setPointerCapture(event.pointerId);
  [pen.x, pen.y] = placeOnPaper(event);
  pen.down = true;
  drawTo(pen.x, pen.y);
});
paper.addEventListener("pointermove", (event) => {
  if (pen.down && paper.hasPointerCapture(event.pointerId)) drawTo(...placeOnPaper(event));
});
for (const end of ["pointerup", "pointercancel"]) paper.addEventListener(end, () => (pen.down = false));
paper.addEventListener("blur", () => {
  pen.down = false;
  say("pen-text", "");
});
paper.addEventListener("keydown", (event) => {
  const steps = { ArrowUp: [0, -10], ArrowDown: [0, 10], ArrowLeft: [-10, 0], ArrowRight: [10, 0], " ": [0, 0] };
  const by = steps[event.key];
  if (!by) return;
  event.preventDefault();
  if (event.key === " ") pen.down = !pen.down;
  const [x, y] = [pen.x + by[0], pen.y + by[1]].map((place) => Math.min(Math.max(place, 10), 270));
  if (pen.down) drawTo(x, y);
  else movePen(x, y);
  say("pen-text", `Pen ${pen.down ? "down" : "up"}, ${x} across, ${y} down of 280`);
});
element("clear").addEventListener("click", () => {
  clearPaper();
  readPaper();
});

/** Take test digit n, and put it on the paper, where one may go on drawing. */
function takeTestDigit(n) {
  const pixels = testDigits.subarray(n * 784, (n + 1) * 784), image = new ImageData(28, 28);
  pixels.forEach((value, k) => image.data.set([value, value, value, 255], 4 * k));
  const small = Object.assign(document.createElement("canvas"), { width: 28, height: 28 });
  small.getContext("2d").putImageData(image, 0, 0);
  ink.drawImage(small, 0, 0, 280, 280);
  page.x = Float32Array.from(pixels, (value) => value / 255);
  page.label = data.labels[n];
  page.labelChosen = true;
  render();
}

// ------------------------------------------------------------------ learning

function takeStep() {
  const { x, label, optimizer } = page, loss = network.loss(label), rate = element("rate").value;
  const copies = weights().map(({ w, b }) => [w.slice(), b.slice()]);
  page.past.push({ weights: copies, optimizer: optimizer.copy(), rate, loss, x, label });
  if (page.past.length > UNDO) page.past.shift();
  page.steps++;
  network.learn(x, label, optimizer, Number(rate));
  page.labelChosen = true; // else the right answer would follow what the network reads
  render();
  say("learned", `Loss before the step ${format(loss)}, after it ${format(network.loss(label))}.`);
}

function undo() {
  const { weights: before, optimizer, rate, x, label } = page.past.pop();
  weights().forEach((step, k) => ([step.w, step.b] = before[k]));
  page.optimizer = optimizer;
  page.steps--;
  element("optimizer").value = optimizer.constructor.name;
  element("rate").value = rate;
  showOptimizerSource();
  render();
  const again = x === page.x && label === page.label ? " again" : ""; // it was the loss of another digit, perhaps
  say("learned", `Undone: the loss is ${format(network.loss(page.label))}${again}.`);
}

function reset() {
  for (const step of weights()) Object.assign(step, { w: step.w0.slice(), b: step.b0.slice() });
  Object.assign(page, { steps: 0, past: [], optimizer: new OPTIMIZERS[element("optimizer").value]() });
  render();
  say("learned", "The weights are what they were when the page was opened.");
}

element("step").addEventListener("click", takeStep);
element("undo").addEventListener("click", undo);
element("reset").addEventListener("click", reset);
element("optimizer").addEventListener("change", (event) => {
  page.optimizer = new OPTIMIZERS[event.target.value]();
  element("rate").value = event.target.value === "SGD" ? "0.01" : "0.001";
  showOptimizerSource();
});

// ------------------------------------------------------------------ the rest, and the start

element("digits").addEventListener("change", (event) => {
  if (event.target.value) takeTestDigit(Number(event.target.value));
});
element("label").addEventListener("change", (event) => {
  page.label = Number(event.target.value);
  page.labelChosen = true;
  render();
});
element("show").addEventListener("change", (event) => {
  const weightsBefore = !["y", "dy"].includes(page.show);
  page.show = event.target.value;
  if (weightsBefore !== !["y", "dy"].includes(page.show)) letGo();
  render();
});
addEventListener("resize", render);
dark.addEventListener("change", render);

function start() {
  element("model").textContent = data.about;
  describeSource(element("loss-source"), data.loss.equations, data.loss.places);
  for (let k = 0; k < 10; k++) {
    const item = document.createElement("li");
    item.innerHTML = `<span>${k}</span><span class="bar"></span><span></span>`;
    element("probabilities").append(item);
    element("label").append(new Option(k, k));
  }
  for (const name of Object.keys(OPTIMIZERS)) element("optimizer").append(new Option(name));
  element("optimizer").value = "Adam";
  element("rate").value = "0.001";
  element("digits").append(new Option("choose", ""));
  for (const [title, wanted] of [["Read wrong", true], ["Read right", false]]) {
    const group = Object.assign(document.createElement("optgroup"), { label: title });
    data.labels.forEach((label, n) => {
      if ((data.read[n] !== label) !== wanted) return;
      const read = wanted ? `, read as ${data.read[n]}` : "";
      group.append(new Option(`${label}${read} (no. ${data.numbers[n]})`, n));
    });
    if (group.children.length) element("digits").append(group);
  }
  showOptimizerSource();
  clearPaper();
  element("digits").selectedIndex = 1;
  takeTestDigit(Number(element("digits").value));
}
start();
