// Attention: every head as a tile, one large head, the tokens, and how a single weight came about.
import { ARROWS, cividis, clamp, element, followTheme, format, halves, inks, lettering, live, onEscape, shell, sized, toggle } from "./host.js";
import { scrubber } from "./scrubber.js";

const COLOURS = cividis();
// The same as little-endian pixels.
const PIXELS = Uint32Array.from(COLOURS, ([red, green, blue]) => (255 << 24) | (blue << 16) | (green << 8) | red);
// Weights are coloured by their square root, so that 1/32 can still be told from 0; the colour bar says so.
const shade = (weight) => PIXELS[Math.round(255 * Math.sqrt(Math.min(weight, 1)))];

// Packed squares: rows of a causal head hold the keys up to the query, other heads hold every key.
export const cells = (T, causal) => (causal ? (T * (T + 1)) / 2 : T * T);
export const rowStart = (query, T, causal) => (causal ? (query * (query + 1)) / 2 : query * T);
export const rowLength = (query, T, causal) => (causal ? query + 1 : T);

// One query's masked scores to the parts of its softmax.
export function softmax(scores) {
  const max = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  // A query that may look at nothing, such as padding.
  if (max === -Infinity) return { max, shares: scores.map(() => 0), sum: 0, weights: scores.map(() => 0) };
  const shares = scores.map((score) => Math.exp(score - max));
  const sum = shares.reduce((a, b) => a + b, 0);
  return { max, shares, sum, weights: shares.map((share) => share / sum) };
}

// One head of one frame, packed: its weights and, where the scores were shipped or fetched, its scores.
export function readHead(view, frame, row, head) {
  const T = view.tokens.length;
  const size = cells(T, view.causal);
  const start = ((frame * view.layers.length + row) * view.heads + head) * size;
  const fetched = view.fetched?.get(start);
  const kind = fetched?.kind ?? view.kind;
  const [bytes, from] = fetched ? [fetched.bytes, 0] : [view.data, start];
  if (kind === "rounded") return { start, weights: Float32Array.from(bytes.subarray(from, from + size), (b) => b / 255) };
  const values = halves(bytes, from, size);
  if (kind === "weights") return { start, weights: values };
  const weights = new Float32Array(size);
  for (let q = 0; q < T; q++) {
    const at = rowStart(q, T, view.causal);
    weights.set(softmax(values.subarray(at, at + rowLength(q, T, view.causal))).weights, at);
  }
  return { start, weights, scores: values };
}

// What made the weight of `key` for `query`: score, largest score, e^(score − largest), their sum, weight.
export function explain(view, { weights, scores }, query, key) {
  const T = view.tokens.length;
  const at = rowStart(query, T, view.causal);
  const count = rowLength(query, T, view.causal);
  if (key >= count) return { masked: true, weight: 0 };
  if (!scores) return { masked: false, weight: weights[at + key] };
  const { max, shares, sum } = softmax(scores.subarray(at, at + count));
  const score = scores[at + key];
  return { masked: score === -Infinity, score, max, share: shares[key], sum, count, weight: shares[key] / (sum || 1) };
}

const STYLE = `
.cols{display:flex;flex-wrap:wrap;gap:14px 26px;align-items:flex-start}
.left,.stage{flex:none}
@media (max-width:600px){.left,.stage{max-width:100%;overflow-x:auto;padding:5px}}
h3{font-size:1em;font-weight:650;margin:0 0 .25em}
h3 span{font-weight:400}
.strip{display:flex;flex-wrap:wrap;gap:.25em .15em;margin:.6em 0 .2em;max-width:100%}
.strip span{font-family:ui-monospace,Menlo,Consolas,monospace;white-space:pre;padding:.12em .28em;border-radius:4px;
border:2px solid transparent;cursor:pointer;background:linear-gradient(var(--fill),var(--fill)) bottom/100% 0 no-repeat var(--masked)}
.strip .off{color:var(--soft);background-color:transparent}
.strip .query{border-color:var(--query)}
.strip .key{border-color:var(--key)}
.say{height:1.6em;margin-bottom:.4em;font-weight:500;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;contain:strict}
.left .how{margin-top:12px}
.how ol{min-height:7.4em;margin:.3em 0 0;padding:0;list-style:none;font-variant-numeric:tabular-nums}
.how li{display:flex;gap:.6em;align-items:baseline;min-height:1.45em}
.how b{font-weight:500;color:var(--soft);flex:0 0 3.6em}
.how strong{font-size:1.1em}
i.q,i.k{font-style:normal;font-weight:700;border-bottom:3px solid var(--query)}
i.k{border-color:var(--key)}
`;

export function mount(host, view, link, kept = {}) {
  const { layers, heads, tokens, causal } = view;
  const T = tokens.length;
  const several = view.frames.length > 1;
  view.fetched = new Map();
  const box = shell(host, `Attention: ${layers.length} layers, ${heads} heads, ${T} tokens`, STYLE);

  const rest = { row: layers.indexOf(view.selected[0]), head: view.selected[1], query: T - 1, key: null };
  const lock = { ...rest, frame: view.opened };
  if (kept.row < layers.length && kept.head < heads) Object.assign(lock, kept);
  let peek = {};
  let big = false;
  const state = () => ({ ...lock, ...peek });
  const name = (s) => `L${layers[s.row]}H${s.head}`;
  const piece = (i) => `“${tokens[i]}”`;

  // ---- parts
  const legend = element("canvas", { role: "img", "aria-label": "Colour bar: attention weight from 0, dark blue, to 1, yellow" });
  const tableButton = toggle("Table", (on) => { table.hidden = !on; draw(); });
  const bigButton = toggle("Large text", (on) => { big = on; host.toggleAttribute("data-big", on); layout(); });
  const title = element("h2", {}, "Attention");
  const facts = element("span", { class: "soft" }, `${layers.length} × ${heads} heads, ${T} tokens`);
  const bar = element("div", { class: "bar" }, title, facts, element("span", { class: "push" }), legend, tableButton, bigButton);

  const region = (label) => ({ tabindex: "0", role: "application", "aria-label": label });
  const grid = element("canvas", region("All heads. Arrow keys choose a head, Escape goes back."));
  const stage = element("canvas", region("One head: queries down, keys across. Arrow keys move, Escape clears."));
  const strip = element("div", { class: "strip", ...region("Tokens. Left and right choose the query.") });
  const spans = tokens.map((text) => element("span", {}, text));
  strip.append(...spans);
  const say = element("div", { class: "say", "aria-live": "polite" });
  const headName = element("b");
  const bars = element("canvas", { role: "img", "aria-label": "Scores, exponentials and weights of this query" });
  const steps = element("ol");
  // Without scores, here or with a kernel, there is nothing to unfold.
  const bare = view.kind === "rounded" && !(view.explained && link.ask);
  const how = element("div", { class: "how" }, ...(bare ? [element("span", { class: "soft" }, view.hint)] : [element("h3", {}, "How this weight is made"), bars, steps]));
  const left = element("div", { class: "left" }, element("h3", {}, "All heads"), grid);
  const table = element("div", { tabindex: "-1" });
  table.hidden = true;
  const scrub = several ? scrubber(view, host, (frame) => { lock.frame = frame; repaint(); }) : null;
  const columns = element("div", { class: "cols" }, left,
    element("div", { class: "stage" }, element("h3", {}, headName, element("span", { class: "soft" }, " query ↓  key →")), stage));
  box.append(bar, ...(scrub ? [scrub.node] : []), strip, say, columns, table);

  // ---- sizes, in CSS pixels
  let size;
  let above = 0;
  function measure(big) {
    const text = big ? 19 : 12;
    const longest = tokens.reduce((a, b) => Math.max(a, short(b).length), 1);
    const gap = 5;
    const tile = clamp(Math.floor((big ? 480 : 330) / heads) - gap, 24, big ? 132 : 92);
    const full = tile >= text * 2.6;
    const step = [tile + gap, tile + gap + (full ? text + 4 : 0)];
    const side = full ? 4 : text * 2.4;
    const width = Math.max(side + heads * step[0], big ? 480 : 320);
    // The large head takes the room that the window leaves it; with large text no less than without, below the rest
    // where it must, and enough for the numbers of a dozen tokens.
    const names = longest * text * 0.61;
    const least = big ? Math.max(measure(false).cell, T > 12 ? 0 : 46) * T : 300;
    const beside = host.clientWidth - width - 52;
    // All of it stays in sight: what stands above, the name of the head, a margin; and where the tiles leave no room
    // below them for how a weight is made, there is room beside the head.
    const high = innerHeight - above - 70;
    const aside = layers.length * step[1] + 240 > high && beside - 270 >= least + names ? 270 : 0;
    const room = beside < least + names && big ? host.clientWidth - 30 : beside - aside;
    const square = clamp(Math.min(room, innerHeight * 0.72, high) - names, least, Math.max(least, big ? 900 : 620));
    const cell = square >= T ? Math.floor(Math.min(square / T, big ? 64 : 46)) : square / T;
    const named = cell >= text * 0.85;
    const margin = named ? Math.round(names) + 10 : text + 10;
    return { text, cell, named, margin, tile, full, step, side, width, top: full ? text + 4 : 0, head: full ? 0 : text + 6 };
  }
  function layout() {
    paintTop();
    if (!big) above = columns.getBoundingClientRect().top - host.getBoundingClientRect().top;
    size = measure(big);
    const { cell, margin, step, side, width } = size;
    left.style.width = width + "px";
    // Beside the large head where it leaves room, else below the tiles.
    const aside = host.clientWidth - width - margin - cell * T - 64;
    (aside >= 240 ? columns : left).append(how);
    size.row = aside >= 240 ? Math.min(aside, width) : width;
    how.style.width = size.row + "px";
    // Where the cells and tiles are, for whoever drives the page from outside.
    Object.assign(stage.dataset, { cell, margin });
    Object.assign(grid.dataset, { across: step[0], down: step[1], left: side, top: size.head });
    repaint();
  }
  const short = (text) => (text.length > 9 ? text.slice(0, 8) + "…" : text);

  // ---- painting
  let ink;
  let gridBase;
  let stageBase;
  let current;
  const offscreen = () => document.createElement("canvas");

  // One head as an image of at most `limit` pixels a side; where several cells share a pixel the largest shows.
  function picture(weights, limit) {
    const n = Math.max(1, Math.min(T, limit));
    const largest = new Float32Array(n * n).fill(-1);
    for (let q = 0; q < T; q++) {
      const at = rowStart(q, T, causal);
      const y = Math.floor((q * n) / T) * n;
      for (let k = 0; k < rowLength(q, T, causal); k++) {
        const pixel = y + Math.floor((k * n) / T);
        if (weights[at + k] > largest[pixel]) largest[pixel] = weights[at + k];
      }
    }
    const canvas = offscreen();
    canvas.width = canvas.height = n;
    const image = new ImageData(n, n);
    const pixels = new Uint32Array(image.data.buffer);
    for (let i = 0; i < n * n; i++) if (largest[i] >= 0) pixels[i] = shade(largest[i]);
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  function tileAt(row, head) {
    return [size.side + head * size.step[0], size.head + row * size.step[1] + size.top];
  }

  function paintGrid() {
    gridBase = offscreen();
    const tall = size.head + layers.length * size.step[1];
    const pen = sized(gridBase, size.width, tall);
    pen.imageSmoothingEnabled = false;
    lettering(pen, `${size.text}px system-ui,sans-serif`);
    layers.forEach((layer, row) => {
      pen.fillStyle = ink.soft;
      if (!size.full) pen.fillText("L" + layer, 0, tileAt(row, 0)[1] + size.tile * 0.5 + size.text * 0.35);
      for (let head = 0; head < heads; head++) {
        const [x, y] = tileAt(row, head);
        pen.fillStyle = ink.soft;
        if (size.full) pen.fillText(`L${layer}H${head}`, x, y - 4);
        else if (row === 0) pen.fillText("H" + head, x + 1, y - 4);
        pen.fillStyle = ink.masked;
        pen.fillRect(x, y, size.tile, size.tile);
        const limit = Math.round(size.tile * (window.devicePixelRatio || 1));
        const { weights } = headOf({ frame: lock.frame, row, head });
        pen.drawImage(picture(weights, limit), x, y, size.tile, size.tile);
      }
    });
    sized(grid, size.width, tall);
  }

  function paintStage(s) {
    const { cell, margin, text, named } = size;
    stageBase = offscreen();
    const edge = margin + cell * T + 2;
    stageBase.of = current;
    const pen = sized(stageBase, edge, edge);
    pen.imageSmoothingEnabled = false;
    pen.fillStyle = ink.masked;
    pen.fillRect(margin, margin, cell * T, cell * T);
    pen.drawImage(picture(current.weights, Math.round(cell * T * (window.devicePixelRatio || 1))), margin, margin, cell * T, cell * T);
    if (cell >= 29) paintNumbers(pen);
    lettering(pen, `${text}px ui-monospace,Menlo,Consolas,monospace`);
    for (let i = 0; named && i < T; i++) label(pen, i, ink.soft);
    lettering(pen, `${text}px system-ui,sans-serif`);
    pen.fillStyle = ink.soft;
    if (!named) {
      pen.fillText("key →", margin, margin - 6);
      pen.save();
      pen.translate(margin - 6, margin);
      pen.rotate(-Math.PI / 2);
      pen.textAlign = "right";
      pen.fillText("← query", 0, 0);
      pen.restore();
    }
    sized(stage, edge, edge);
  }

  function paintNumbers(pen) {
    const { cell, margin, text } = size;
    lettering(pen, `${Math.min(text, cell * 0.36)}px system-ui,sans-serif`);
    pen.textAlign = "center";
    for (let q = 0; q < T; q++) {
      for (let k = 0; k < rowLength(q, T, causal); k++) {
        const weight = current.weights[rowStart(q, T, causal) + k];
        pen.fillStyle = weight > 0.2 ? "#000" : "#dfe6ee";
        const shown = weight >= 0.995 ? "1" : weight >= 0.005 ? weight.toFixed(2).slice(1) : weight || view.tiny ? "<.01" : "0";
        pen.fillText(shown, margin + (k + 0.5) * cell, margin + (q + 0.5) * cell + text * 0.33);
      }
    }
    pen.textAlign = "left";
  }

  function label(pen, i, colour, down = true, across = true) {
    const { cell, margin, text } = size;
    pen.fillStyle = colour;
    const middle = margin + (i + 0.5) * cell;
    if (down) {
      pen.textAlign = "right";
      pen.fillText(short(tokens[i]), margin - 5, middle + text * 0.35);
    }
    pen.textAlign = "left";
    if (!across) return;
    pen.save();
    pen.translate(middle + text * 0.35, margin - 5);
    pen.rotate(-Math.PI / 2);
    pen.fillText(short(tokens[i]), 0, 0);
    pen.restore();
  }

  function blit(canvas, base) {
    const [width, height] = [parseFloat(canvas.style.width), parseFloat(canvas.style.height)];
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    pen.drawImage(base, 0, 0, width, height);
    return pen;
  }

  // A frame that shows on every colour beneath it.
  function ring(pen, colour, x, y, width, height, thick = 2.5) {
    for (const [line, style] of [[thick + 2.5, ink.paper], [thick, colour]]) {
      pen.lineWidth = line;
      pen.strokeStyle = style;
      pen.strokeRect(x - thick / 2, y - thick / 2, width + thick, height + thick);
    }
  }

  // What stands above the heads, whose room depends on its height.
  function paintTop() {
    ink = inks(host);
    paintLegend();
    scrub?.draw(lock.frame, big);
  }

  function repaint() {
    paintTop();
    paintGrid();
    stageBase = null;
    draw();
  }

  function draw() {
    const s = state();
    current = headOf(s);
    const pen = blit(grid, gridBase);
    const [x, y] = tileAt(s.row, s.head);
    ring(pen, ink.key, x, y, size.tile, size.tile, 3);
    if (stageBase?.of !== current) paintStage(s);
    // Canvases first: writing text on one makes the browser lay out whatever changed on the page before.
    drawStage(s);
    if (!bare) drawBars(s);
    if (!bare) drawSteps(s);
    drawStrip(s);
    headName.textContent = name(s);
    say.textContent = sentence(s);
    if (!table.hidden) drawTable(s);
  }

  const recent = new Map();
  function headOf(s) {
    const id = `${s.frame} ${s.row} ${s.head}`;
    if (!recent.has(id)) {
      if (recent.size * T * T > 1e6) recent.clear();
      recent.set(id, readHead(view, s.frame, s.row, s.head));
    }
    return recent.get(id);
  }

  function drawStage(s) {
    const { cell, margin, text, named } = size;
    const pen = blit(stage, stageBase);
    if (named) {
      lettering(pen, `700 ${text}px ui-monospace,Menlo,Consolas,monospace`);
      pen.clearRect(0, margin + s.query * cell, margin - 2, cell);
      label(pen, s.query, ink.query, true, false);
      if (s.key !== null) {
        pen.clearRect(margin + s.key * cell, 0, cell, margin - 2);
        label(pen, s.key, ink.key, false, true);
      }
    }
    ring(pen, ink.query, margin, margin + s.query * cell, rowLength(s.query, T, causal) * cell, cell);
    if (s.key !== null) ring(pen, ink.key, margin + s.key * cell, margin + s.query * cell, cell, cell);
  }

  function drawStrip(s) {
    const at = rowStart(s.query, T, causal);
    const count = rowLength(s.query, T, causal);
    spans.forEach((span, i) => {
      const size = `100% ${i < count ? (current.weights[at + i] * 100).toFixed(1) : 0}%`;
      const kind = (i >= count ? "off " : "") + (i === s.query ? "query " : "") + (i === s.key ? "key" : "");
      if (span.shown !== size) span.style.backgroundSize = span.shown = size;
      if (span.className !== kind) span.className = kind;
    });
  }

  function sentence(s) {
    const where = `${name(s)}${several ? ` at ${view.frames[s.frame].label}` : ""}, query ${s.query} ${piece(s.query)}`;
    if (s.key !== null) {
      const { masked, weight } = explain(view, current, s.query, s.key);
      return `${where} → key ${s.key} ${piece(s.key)}: ${masked ? "masked, weight 0" : `weight ${format(weight)}`}`;
    }
    const at = rowStart(s.query, T, causal);
    const row = Array.from(current.weights.subarray(at, at + rowLength(s.query, T, causal)), (w, k) => [w, k]);
    const best = row.sort((a, b) => b[0] - a[0]).slice(0, 3).filter(([w]) => w >= 0.01);
    return `${where} looks at ${best.map(([w, k]) => `${piece(k)} at ${k} (${format(w, 2)})`).join(", ")}`;
  }

  function drawSteps(s) {
    const line = (label, ...what) => element("li", {}, element("b", {}, label), element("span", {}, ...what));
    const bold = (text) => element("strong", {}, text);
    if (s.key === null) {
      if (!steps.dataset.idle) steps.replaceChildren(line("", "Click a cell, or move there with the arrow keys."));
      steps.dataset.idle = "yes";
      return;
    }
    delete steps.dataset.idle;
    const e = explain(view, current, s.query, s.key);
    const pair = line("pair", element("i", { class: "q" }, tokens[s.query]), ` (${s.query}) → `, element("i", { class: "k" }, tokens[s.key]), ` (${s.key})`);
    if (e.masked) {
      const why = s.key > s.query && causal ? `key ${s.key} comes after query ${s.query}: score := −∞` : "this key is masked: score := −∞";
      steps.replaceChildren(pair, line("mask", why), line("exp", "e^−∞ = 0"), line("weight", bold("0")));
      return;
    }
    if (e.score === undefined) {
      steps.replaceChildren(pair, line("weight", bold(format(e.weight))), line("", view.hint));
      return;
    }
    const root = Math.sqrt(view.width);
    const dot = view.width ? `${format(e.score * root, 2)} ÷ √${view.width} = ` : "";
    steps.replaceChildren(pair,
      line("score", view.score && `${view.score} = `, dot, bold(format(e.score, 2))),
      line("mask", causal ? `key ${s.key} is not after query ${s.query}: kept` : "kept"),
      line("exp", `e^(${format(e.score, 2)} − largest ${format(e.max, 2)}) = `, bold(format(e.share))),
      line("weight", `${format(e.share)} ÷ ${format(e.sum)} (sum over ${e.count}) = `, bold(format(e.weight))));
  }

  // The query's whole row, stage by stage: scores, their exponentials, the weights.
  function drawBars(s) {
    const { text, row: width } = size;
    const at = rowStart(s.query, T, causal);
    const count = rowLength(s.query, T, causal);
    const scores = current.scores?.subarray(at, at + count);
    const soft = scores && softmax(scores);
    const finite = scores ? Array.from(scores).filter(Number.isFinite) : [];
    const span = [Math.min(0, ...finite), Math.max(0, ...finite)];
    const rows = scores ? [["score", scores, span], ["exp", soft.shares, [0, 1]]] : [];
    rows.push(["weight", current.weights.subarray(at, at + count), [0, 1]]);
    const tall = big ? 48 : 34;
    const pen = sized(bars, width, rows.length * (tall + 8));
    const left = text * 4.2;
    const step = (width - left) / T;
    lettering(pen, `${text}px system-ui,sans-serif`);
    rows.forEach(([label, values, [low, high]], i) => {
      const top = i * (tall + 8) + 4;
      const y = (value) => top + tall * (1 - (value - low) / (high - low || 1));
      pen.fillStyle = ink.soft;
      pen.fillText(label, 0, top + tall / 2 + text * 0.35);
      pen.fillStyle = ink.masked;
      pen.fillRect(left, top, step * T, tall);
      const column = (k) => {
        const [from, to] = [y(values[k]), y(0)];
        pen.rect(left + k * step, Math.min(from, to), Math.max(step - 1, 0.7), Math.max(Math.abs(to - from), 1));
      };
      pen.fillStyle = ink.query;
      pen.beginPath();
      for (let k = 0; k < count; k++) if (Number.isFinite(values[k]) && k !== s.key) column(k);
      pen.fill();
      if (s.key === null || s.key >= count || !Number.isFinite(values[s.key])) return;
      pen.fillStyle = ink.key;
      pen.beginPath();
      column(s.key);
      pen.fill();
    });
  }

  function drawTable(s) {
    const at = rowStart(s.query, T, causal);
    const count = rowLength(s.query, T, causal);
    const columns = current.scores ? ["score", "e^(score − largest)", "weight"] : ["weight"];
    const row = (k) => {
      const e = explain(view, current, s.query, k);
      const numbers = current.scores ? [format(e.score, 2), format(e.share), format(e.weight)] : [format(e.weight)];
      const on = k === s.key ? { class: "on" } : {};
      return element("tr", on, ...[k, tokens[k], ...numbers].map((text) => element("td", {}, String(text))));
    };
    const header = element("tr", {}, ...["key", "token", ...columns].map((text) => element("th", { scope: "col" }, text)));
    table.replaceChildren(element("table", {},
      element("caption", {}, `${name(s)}: where query ${s.query} ${piece(s.query)} looks`),
      element("thead", {}, header),
      element("tbody", {}, ...Array.from({ length: count }, (_, k) => row(k)))));
  }

  function paintLegend() {
    const wide = big ? 260 : 170;
    const text = big ? 18 : 11;
    const pen = sized(legend, wide + 64 * (text / 11), text * 2.4);
    for (let x = 0; x < wide; x++) {
      pen.fillStyle = `rgb(${COLOURS[Math.round((x / wide) * 255)]})`;
      pen.fillRect(x + 6, 0, 1.5, text);
    }
    pen.fillStyle = ink.soft;
    lettering(pen, `${text}px system-ui,sans-serif`);
    pen.textAlign = "center";
    for (const weight of [0, 0.05, 0.25, 0.5, 1]) pen.fillText(String(weight), 6 + Math.sqrt(weight) * wide, text * 2.1);
    pen.textAlign = "left";
    pen.fillText("weight", wide + 14, text * 0.9);
  }

  // ---- choosing
  function set(change, quiet = false) {
    const moved = "row" in change && (change.row !== lock.row || change.head !== lock.head);
    Object.assign(lock, change);
    peek = {};
    draw();
    if (moved && !quiet) link.send?.("selected", [layers[lock.row], lock.head]);
    fetch(current.start);
  }
  // Rounded weights become exact on demand, as long as a kernel is there to ask.
  function fetch(start) {
    if (view.kind !== "rounded" || !link.ask || view.fetched.has(start)) return;
    link.ask({ frame: lock.frame, row: lock.row, head: lock.head, start });
  }
  function hover(change) {
    const same = Object.keys(change).length === Object.keys(peek).length && Object.keys(change).every((k) => change[k] === peek[k]);
    if (same) return;
    peek = change;
    draw();
  }
  const back = () => set(rest);

  const spot = (event, canvas) => {
    const edge = canvas.getBoundingClientRect();
    return [event.clientX - edge.left, event.clientY - edge.top];
  };
  function gridSpot(event) {
    const [x, y] = spot(event, grid);
    const head = Math.floor((x - size.side) / size.step[0]);
    const row = Math.floor((y - size.head) / size.step[1]);
    return head >= 0 && head < heads && row >= 0 && row < layers.length ? { row, head } : null;
  }
  function stageSpot(event) {
    const [key, query] = spot(event, stage).map((at) => Math.floor((at - size.margin) / size.cell));
    return key >= 0 && key < T && query >= 0 && query < T ? { query, key } : null;
  }
  const stripSpot = (event) => {
    const query = spans.indexOf(event.target);
    return query < 0 ? null : { query, key: null };
  };
  for (const [node, find] of [[grid, gridSpot], [stage, stageSpot], [strip, stripSpot]]) {
    node.onpointermove = (event) => hover(find(event) ?? {});
    node.onpointerleave = () => hover({});
    node.onclick = (event) => {
      const found = find(event);
      if (found) set(found);
    };
  }

  // The first arrow lands on the strongest key, further ones move from there.
  function step(query, right) {
    if (lock.key !== null) return { query, key: clamp(lock.key + right, 0, T - 1) };
    const row = current.weights.subarray(rowStart(query, T, causal)).subarray(0, rowLength(query, T, causal));
    return { query, key: row.indexOf(Math.max(...row)) };
  }
  const moves = new Map([
    [grid, ([down, right]) => ({ row: clamp(lock.row + down, 0, layers.length - 1), head: clamp(lock.head + right, 0, heads - 1) })],
    [stage, ([down, right]) => step(clamp(lock.query + down, 0, T - 1), right)],
    [strip, ([down, right]) => ({ query: clamp(lock.query + down + right, 0, T - 1), key: null })],
  ]);
  for (const [node, move] of moves) {
    node.onkeydown = (event) => {
      if (event.key in ARROWS) set(move(ARROWS[event.key]));
      else if (event.key === "Enter" || event.key === " ") set({ ...state() });
      else return;
      event.preventDefault();
      event.stopPropagation();
    };
  }
  onEscape(box, () => back());

  const forget = followTheme(host, repaint);
  let wide = 0;
  const fit = new ResizeObserver(() => {
    if (!host.clientWidth || Math.abs(host.clientWidth - wide) < 8) return;
    wide = host.clientWidth;
    layout();
  });
  fit.observe(host);
  wide = host.clientWidth;
  layout();
  return {
    select: ([layer, head]) => layers.includes(layer) && set({ row: layers.indexOf(layer), head }, true),
    answer: (message, [bytes]) => {
      view.fetched.set(message.start, { kind: message.kind, bytes });
      recent.clear();
      draw();
    },
    leave: () => {
      forget();
      fit.disconnect();
      scrub?.stop();
      const { row, head } = lock;
      return { row, head };
    },
  };
}

export default live(mount);
