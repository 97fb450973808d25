"use strict";

/*
 * The page: what is shown, and what happens when someone draws, points, chooses or presses a key.
 *
 * `page` holds what can change; every event changes something in it and then calls render().
 */

const data = JSON.parse(document.getElementById("data").textContent);
const network = readNetwork(data.steps);
const testDigits = decode(data.digits, Uint8Array);
const dark = matchMedia("(prefers-color-scheme: dark)");
const element = (id) => document.getElementById(id);

const page = {
  x: new Float32Array(28 * 28),
  label: 0, // the right answer
  labelChosen: false, // by the user or with a test digit; else it is what the network reads
  show: "y",
  selected: null, // { k, cell }: a cell in the picture of layer k, which is 0 for the image
  held: false, // whether the mouse leaves the selected cell as it is
  optimizer: new OPTIMIZERS.Adam(),
  past: [], // what undo goes back to, a step each: { weights, optimizer, loss, x, label }
};
const SHOWN = {
  y: () => "y: what each layer returns, which is the x of the next.",
  dy: () => `dy: how much the loss, with right answer ${page.label}, changes per unit of y: dx of the next layer.`,
  w: () => "w: the filters of a convolution, one tile for each channel in and out; of a dense layer, one tile a unit.",
  dw: () => `dw: how much the loss, with right answer ${page.label}, changes per unit of w.`,
  change: () => "w − w₀: how far the steps taken in this page have moved the weights.",
};
const UNDO = 20; // steps; each keeps a copy of all weights

// ------------------------------------------------------------------ the layers, made once

/** One section for the image and one for each step. */
const sections = [null, ...network.steps].map((step, k) => {
  const section = element("layer").content.firstElementChild.cloneNode(true);
  const find = (query) => section.querySelector(query);
  find("h3").textContent = `${step ? `${step.name}: ${step.kind}, y` : "The image: x"} (${shapeOf(k).join(", ")})`;
  if (step) describeSource(find("details"), step.equations, step.places);
  find(".source").textContent = step ? inShort(step) : "The input of the first layer; black is 0, white is 1.";
  find("details").hidden = !step;
  element("layers").append(section);
  const [picture, legend, note] = [".picture", ".legend", ".note"].map(find);
  return { canvas: find("canvas"), overlay: find("svg"), picture, legend, note };
});

/** What forward and backward compute, each with the line of the source that defines it. */
function inShort({ forward, backward, places }) {
  const parts = [[forward, "forward"], [backward, "backward"]];
  const lines = parts.map(([equation, way]) => [equation, `  ${way}: ${places[way].at(-1).place}`]);
  return lines.flat().filter(Boolean).join("\n");
}

/** Fill a <details> with equations as the source has them, and every place that computes them. */
function describeSource(details, equations, places) {
  const summary = document.createElement("summary"), pre = document.createElement("pre");
  summary.textContent = "Equations and source";
  const line = (way) => places[way].map(({ place, name }) => `${way}: ${place} ${name}`);
  pre.textContent = [equations, ...Object.keys(places).flatMap(line)].join("\n");
  details.replaceChildren(summary, pre);
}

/** The numbers that the picture of layer k shows, with its tiles, or a sentence that says why there are none. */
function content(k) {
  const step = network.steps[k - 1], isLast = k === network.steps.length;
  if (page.show === "y") {
    const note = step?.kind === "Dropout" ? "In this page, as wherever a model predicts, it does nothing: y = x." : "";
    return { values: network.ys[k], tiles: tilesOfOutput(shapeOf(k)), unit: "", note };
  }
  if (page.show === "dy") {
    if (isLast) return { note: "Softmax and loss are differentiated together; the result is the layer before's dy." };
    return { values: network.dys[k], tiles: tilesOfOutput(shapeOf(k)), unit: `loss per unit of ${k ? "y" : "x"}` };
  }
  if (!step?.w) return { note: "This layer has no weights." };
  const tiles = tilesOfWeights(step.wShape);
  if (page.show === "w") return { values: step.w, tiles, unit: "" };
  if (page.show === "dw") return { values: step.dw, tiles, unit: "loss per unit of w" };
  return { values: step.w.map((w, at) => w - step.w0[at]), tiles, unit: "" };
}

function shapeOf(k) {
  return k ? network.steps[k - 1].output : network.steps[0].input;
}

// ------------------------------------------------------------------ render: the page as it is now

function render() {
  const room = element("layers").clientWidth - 26; // asked once: each answer costs the browser a layout of the page
  const p = network.forward(page.x), best = p.indexOf(Math.max(...p));
  if (!page.labelChosen) page.label = Math.max(best, 0);
  if (page.show.startsWith("d")) network.backward(page.label);
  renderAnswer(p, best);
  element("shown").textContent = SHOWN[page.show]();
  sections.forEach((layer, k) => renderLayer(layer, k, room));
  renderCell();
  renderLosses();
  element("undo").disabled = page.past.length === 0;
  element("reset").disabled = !weights().some((step) => step.w.some((w, at) => w !== step.w0[at]));
}

function renderAnswer(p, best) {
  const isBlank = page.x.every((value) => value === 0), lost = "The weights have become too large; undo or reset";
  say("answer", isBlank ? "Nothing drawn yet" : best < 0 ? lost : `It reads ${best}, ${percent(p[best])}`);
  [...element("probabilities").children].forEach((item, k) => {
    item.querySelector(".bar").style.transform = `scaleX(${p[k]})`;
    item.lastElementChild.textContent = percent(p[k]);
    item.classList.toggle("first", k === best);
  });
  element("label").value = page.label;
  element("loss").textContent = format(network.loss(page.label));
}

function percent(p) {
  return `${(100 * p).toFixed(1)} %`;
}

/** Set a text that screen readers announce, only if it is new. */
function say(id, text) {
  if (element(id).textContent !== text) element(id).textContent = text;
}

function renderLayer(layer, k, room) {
  const { values, tiles, unit, note } = content(k);
  layer.note.textContent = note ?? "";
  layer.picture.hidden = layer.legend.hidden = !values;
  if (!values) return;
  const arrangement = `${page.show} ${room}`;
  if (layer.arrangement !== arrangement) arrange(layer, k, tiles, room);
  layer.arrangement = arrangement;
  const largest = largestMagnitude(values);
  drawPicture(layer.canvas, layer.layout, values, largest, scale());
  layer.legend.firstElementChild.textContent = largest ? `−${format(largest)}` : "all are 0";
  layer.legend.lastElementChild.textContent = largest ? `+${format(largest)} ${unit}` : "";
}

/** Lay out the picture of layer k for a section with so much room. */
function arrange(layer, k, tiles, room) {
  const layout = (layer.layout = new Layout(tiles, room < 500 ? 2.1 : 0.6));
  enlarge(layer.canvas, layout, Math.min(room / layout.width, tiles.rows === 1 ? 20 : 8));
  layer.overlay.setAttribute("viewBox", `0 0 ${layout.width} ${layout.height}`);
  const name = k ? network.steps[k - 1].name : "the image", letter = page.show === "change" ? "w − w₀" : page.show;
  const size = `${tiles.count} tile${tiles.count > 1 ? "s" : ""} of ${tiles.rows} by ${tiles.columns}`;
  layer.canvas.setAttribute("aria-label", `${letter} of ${name}: ${size}`);
}

/** Give the canvas a pixel for each cell, and show it so many times as large. */
function enlarge(canvas, layout, by) {
  Object.assign(canvas, { width: layout.width, height: layout.height });
  Object.assign(canvas.style, { width: `${layout.width * by}px`, height: `${layout.height * by}px` });
}

function scale() {
  return dark.matches ? SCALES.dark : SCALES.light;
}

/** Draw a frame around each of the boxes, with a halo so that it is seen on any colour. */
function frame(layer, boxes) {
  const rects = boxes.map(({ left, right, top, bottom }) => {
    const place = `x="${left}" y="${top}" width="${right - left}" height="${bottom - top}"`;
    return `<rect class="halo" ${place} /><rect ${place} />`;
  });
  layer.overlay.innerHTML = rects.join("");
}

// ------------------------------------------------------------------ the selected cell

function renderCell() {
  const { selected } = page, layer = selected && sections[selected.k];
  sections.forEach((each) => each.overlay.replaceChildren());
  const found = layer && !layer.picture.hidden && explainSelected();
  element("cell-hint").hidden = Boolean(found);
  say("cell-text", found ? found.text : "");
  element("cell-source").textContent = found ? found.source : "";
  element("cell-pictures").replaceChildren(...(found ? found.pictures.map(smallPicture) : []));
  renderProducts(found?.products);
  if (!found) return;
  const { x, y } = layer.layout.place(selected.cell);
  frame(layer, [{ left: x, right: x + 1, top: y, bottom: y + 1 }]);
  const { seen } = found;
  if (seen && seen.show === page.show) frame(sections[seen.layer], sections[seen.layer].layout.boxes(seen.at));
}

/** Where the number in the selected cell comes from, and the place in the source that computes it. */
function explainSelected() {
  const { k, cell } = page.selected, { layout } = sections[k];
  const found = explain(network, k, page.show, layout.at(cell.tile, cell.row, cell.column), page.label);
  if (!found) return null;
  const [step, way] = page.show === "dy" ? [network.steps[k], "backward"] : [network.steps[k - 1], "forward"];
  const places = page.show === "dw" ? step.places.backward : page.show === "dy" && step.kind === "Softmax"
    ? data.loss.places.backward : step?.places[way];
  return { ...found, source: places ? `${step.name}: ${places.at(-1).place}` : "" };
}

function smallPicture({ title, values, rows, columns, marked }) {
  const figure = document.createElement("figure"), canvas = document.createElement("canvas");
  const tiles = { count: values.length / (rows * columns), rows, columns };
  tiles.at = (tile, row, column) => (tile * rows + row) * columns + column;
  const layout = new Layout(tiles, 1.2), largest = largestMagnitude(values);
  enlarge(canvas, layout, Math.min((tiles.count > 4 ? 148 : 96) / layout.width, 24));
  drawPicture(canvas, layout, values, largest, scale());
  const caption = document.createElement("figcaption");
  caption.textContent = `${title}, ±${format(largest)}`;
  const holder = document.createElement("div");
  holder.className = "picture";
  holder.innerHTML = `<svg aria-hidden="true" viewBox="0 0 ${layout.width} ${layout.height}"></svg>`;
  holder.prepend(canvas);
  if (marked >= 0) frame({ overlay: holder.querySelector("svg") }, layout.boxes([marked]));
  figure.append(caption, holder);
  return figure;
}

/** A table of the products behind a sum: all of a few, else the largest. */
function renderProducts(products) {
  const table = element("cell-products"), MOST = 9;
  table.hidden = !products;
  if (!products) return;
  const product = ([, a, , b]) => a * b;
  const largest = [...products].sort((one, other) => Math.abs(product(other)) - Math.abs(product(one))).slice(0, MOST);
  const shown = products.length <= MOST ? products : largest, rest = products.length - shown.length;
  const sum = (list) => list.reduce((total, each) => total + product(each), 0);
  const rows = shown.map(([left, a, right, b]) => [`${left} = ${format(a)}`, `${right} = ${format(b)}`, format(a * b)]);
  if (rest) rows.push([`${rest} others`, "", format(sum(products) - sum(shown))]);
  rows.push(["sum", "", format(sum(products))]);
  table.caption.textContent = rest ? `The ${MOST} largest of ${products.length} products` : "The products";
  table.tBodies[0].replaceChildren(...rows.map((row) => {
    const line = document.createElement("tr");
    line.append(...row.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
    return line;
  }));
}

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
  ...{ ArrowUp: ["row", -1], ArrowDown: ["row", 1], ArrowLeft: ["column", -1], ArrowRight: ["column", 1] },
  ...{ PageUp: ["tile", -1], PageDown: ["tile", 1] },
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
    if (!cell) return;
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
  Object.assign(pen, { x, y });
  readPaper();
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
paper.addEventListener("keydown", (event) => {
  const steps = { ArrowUp: [0, -10], ArrowDown: [0, 10], ArrowLeft: [-10, 0], ArrowRight: [10, 0], " ": [0, 0] };
  const by = steps[event.key];
  if (!by) return;
  event.preventDefault();
  if (event.key === " ") pen.down = !pen.down;
  const [x, y] = [pen.x + by[0], pen.y + by[1]].map((place) => Math.min(Math.max(place, 10), 270));
  if (pen.down) drawTo(x, y);
  Object.assign(pen, { x, y });
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

const weights = () => network.steps.filter((step) => step.w);

function takeStep() {
  const { x, label, optimizer } = page, loss = network.loss(label);
  const copies = weights().map(({ w, b }) => [w.slice(), b.slice()]);
  page.past.push({ weights: copies, optimizer: optimizer.copy(), loss, x, label });
  if (page.past.length > UNDO) page.past.shift();
  network.learn(x, label, optimizer, Number(element("rate").value));
  page.labelChosen = true; // else the right answer would follow what the network reads
  render();
  say("learned", `Loss before the step ${format(loss)}, after it ${format(network.loss(label))}.`);
}

function undo() {
  const { weights: before, optimizer } = page.past.pop();
  weights().forEach((step, k) => ([step.w, step.b] = before[k]));
  page.optimizer = optimizer;
  render();
  say("learned", `Undone: the loss is ${format(network.loss(page.label))} again.`);
}

function reset() {
  for (const step of weights()) Object.assign(step, { w: step.w0.slice(), b: step.b0.slice() });
  Object.assign(page, { past: [], optimizer: new OPTIMIZERS[element("optimizer").value]() });
  render();
  say("learned", "The weights are what they were when the page was opened.");
}

/** Draw the loss of this digit before each of the last steps, and as it is now. */
function renderLosses() {
  const onThisDigit = page.past.filter(({ x, label }) => x === page.x && label === page.label);
  const losses = [...onThisDigit.map(({ loss }) => loss), network.loss(page.label)], largest = Math.max(...losses);
  element("losses").toggleAttribute("hidden", losses.length < 2 || !losses.every(Number.isFinite));
  if (element("losses").hasAttribute("hidden")) return;
  const points = losses.map((loss, k) => `${(200 * k) / (losses.length - 1)},${38 - (36 * loss) / (largest || 1)}`);
  element("losses").firstElementChild.setAttribute("points", points.join(" "));
}

element("step").addEventListener("click", takeStep);
element("undo").addEventListener("click", undo);
element("reset").addEventListener("click", reset);
element("optimizer").addEventListener("change", (event) => {
  page.optimizer = new OPTIMIZERS[event.target.value]();
  element("rate").value = event.target.value === "SGD" ? "0.01" : "0.001";
  showOptimizerSource();
});

function showOptimizerSource() {
  const { equations, places } = data.optimizers[element("optimizer").value];
  describeSource(element("optimizer-source"), equations, places);
}

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
