"use strict";

/*
 * What the page shows. `page` holds what can change; whatever happens (see events.js) changes something in it and then
 * calls render().
 */

const data = JSON.parse(document.getElementById("data").textContent);
const network = readNetwork(data.steps);
const testDigits = decode(data.digits, Uint8Array);
const dark = matchMedia("(prefers-color-scheme: dark)");
const element = (id) => document.getElementById(id);
const weights = () => network.steps.filter((step) => step.w); // the steps that have them

const page = {
  x: new Float32Array(28 * 28),
  label: 0, // the right answer
  labelChosen: false, // by the user or with a test digit; else it is what the network reads
  show: "y",
  selected: null, // { k, cell }: a cell in the picture of layer k, which is 0 for the image
  held: false, // whether the mouse leaves the selected cell as it is
  optimizer: new OPTIMIZERS.Adam(),
  steps: 0, // of learning, that were taken and not undone
  past: [], // what undo goes back to, a step each: { weights, optimizer, rate, loss, x, label }
};
const SHOWN = {
  y: () => "y: what each layer returns, which is the x of the next.",
  dy: () => `dy: how much the loss, with right answer ${page.label}, changes per unit of y: dx of the next layer.`,
  w: () => "w: the filters of a convolution, one tile for each channel in and out; of a dense layer, one tile a unit.",
  dw: () => `dw: how much the loss, with right answer ${page.label}, changes per unit of w.`,
  change: () => "w − w₀: how far the steps taken in this page have moved the weights.",
};

// ------------------------------------------------------------------ the layers, made once

/** One section for the image and one for each step. */
const sections = [null, ...network.steps].map((step, k) => {
  const section = element("layer").content.firstElementChild.cloneNode(true);
  const find = (query) => section.querySelector(query);
  find("h3").textContent = `${step ? `${step.name}: ${step.kind}, y` : "The image: x"} (${shapeOf(k).join(", ")})`;
  if (step) describeSource(find("details"), step.equations, step.places);
  find(".source").textContent = step ? inShort(step) : "The input of the first layer: 0 is background, 1 is ink.";
  find("details").hidden = !step;
  element("layers").append(section);
  const [picture, legend, note] = [".picture", ".legend", ".note"].map(find);
  return { canvas: find("canvas"), overlay: find("svg"), picture, legend, note };
});

/** What a layer computes, each with the line of the source that does it. */
function inShort({ kind, w, places: { forward, backward } }) {
  const gradients = w ? "dx, dw, db" : kind === "Softmax" ? "dx, joined with the loss" : "dx";
  return `y: ${forward.at(-1).place}\n${gradients}: ${backward.at(-1).place}`;
}

/** Fill a <details> with equations as the source has them, and every place that computes them. */
function describeSource(details, equations, places) {
  const summary = document.createElement("summary"), pre = document.createElement("pre");
  summary.textContent = "Equations and source";
  const line = (way) => places[way].map(({ place, name }) => `${way}: ${place} ${name}`);
  pre.textContent = [equations, ...Object.keys(places).flatMap(line)].join("\n");
  details.replaceChildren(summary, pre);
}

function showOptimizerSource() {
  const { equations, places } = data.optimizers[element("optimizer").value];
  describeSource(element("optimizer-source"), equations, places);
}

/** The numbers that the picture of layer k shows, with its tiles, or a sentence that says why there are none. */
function content(k) {
  const step = network.steps[k - 1], isLast = k === network.steps.length;
  if (page.show === "y") {
    const note = step?.kind === "Dropout" ? "In this page, as wherever a model predicts, it does nothing: y = x." : "";
    return { values: network.ys[k], tiles: tilesOfOutput(shapeOf(k)), unit: "", note, isImage: !step };
  }
  if (page.show === "dy") {
    if (isLast) return { note: "Softmax and loss are differentiated together; the result is the layer before's dy." };
    return { values: network.dys[k], tiles: tilesOfOutput(shapeOf(k)), unit: `loss per unit of ${k ? "y" : "x"}` };
  }
  if (!step?.w) return { note: `${step ? "This layer" : "The image"} has no weights.` };
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
  element("reset").disabled = page.steps === 0;
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
  const { values, tiles, unit, note, isImage } = content(k);
  layer.note.textContent = note ?? "";
  layer.picture.hidden = layer.legend.hidden = !values;
  if (!values) return;
  const arrangement = `${page.show} ${room}`;
  if (layer.arrangement !== arrangement) arrange(layer, k, tiles, room);
  layer.arrangement = arrangement;
  const largest = isImage ? 1 : largestMagnitude(values);
  const [least, most] = !largest ? ["all are 0", ""] : [`−${format(largest)}`, `+${format(largest)} ${unit}`];
  drawPicture(layer.canvas, layer.layout, values, largest, isImage ? { ...scale(), ...GREYS } : scale());
  layer.legend.firstElementChild.textContent = isImage ? "0" : least;
  layer.legend.lastElementChild.textContent = isImage ? "1" : most;
  layer.legend.classList.toggle("greys", Boolean(isImage));
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

/** Draw the loss of this digit before each of the last steps, and as it is now. */
function renderLosses() {
  const onThisDigit = page.past.filter(({ x, label }) => x === page.x && label === page.label);
  const losses = [...onThisDigit.map(({ loss }) => loss), network.loss(page.label)], largest = Math.max(...losses);
  element("losses").toggleAttribute("hidden", losses.length < 2 || !losses.every(Number.isFinite));
  if (element("losses").hasAttribute("hidden")) return;
  element("losses").ariaLabel = `Loss before each step, and now: ${losses.map(format).join(", ")}`;
  const points = losses.map((loss, k) => `${(200 * k) / (losses.length - 1)},${38 - (36 * loss) / (largest || 1)}`);
  element("losses").firstElementChild.setAttribute("points", points.join(" "));
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
  const places = placesOf(k);
  return { ...found, source: places ? places.at(-1).place : "" };
}

/** The places in the source that compute what the picture of layer k shows. */
function placesOf(k) {
  const step = network.steps[k - 1], next = network.steps[k];
  if (page.show === "dy") return next.places.backward;
  return step?.places[page.show === "dw" ? "backward" : "forward"];
}

function smallPicture({ title, values, rows, columns, marked }) {
  const figure = document.createElement("figure"), canvas = document.createElement("canvas");
  const tiles = { count: values.length / (rows * columns), rows, columns };
  tiles.at = (tile, row, column) => (tile * rows + row) * columns + column;
  const layout = new Layout(tiles, 1.2), largest = largestMagnitude(values);
  enlarge(canvas, layout, Math.min((values.length > 36 ? 148 : 96) / layout.width, 24));
  drawPicture(canvas, layout, values, largest, scale());
  const caption = document.createElement("figcaption");
  caption.textContent = `${title}, ±${format(largest)}`;
  const holder = document.createElement("div");
  holder.className = "picture";
  holder.ariaHidden = "true"; // the text and the table say it too
  holder.innerHTML = `<svg viewBox="0 0 ${layout.width} ${layout.height}"></svg>`;
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
