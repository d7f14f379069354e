// The KV cache: what it holds while text is generated, what it costs beside the weights, and the norms of real keys.
import { cacheBytes, headChoices, keptOf, switched, totalOf, weightBytes, windowChoices } from "./cache_sizes.js";
import { cellGrid, colourBar, fitted } from "./cells.js";
import { choice } from "./choice.js";
import { FRAME_STYLE, framed, tableOf } from "./frame.js";
import { ARROWS, cividis, clamp, element, followTheme, format, halves, inks, live, onEscape, shell } from "./host.js";
import { lanes } from "./lanes.js";
import { axisOf, prefixed, rounded } from "./laws.js";
import { plane } from "./plane.js";

const SHADES_OF_NORMS = cividis();
const OF_NUMBERS = { 4: "float32", 2: "bfloat16", 1: "int8", 0.5: "int4" };
const FIELDS = ["model", "prompt", "fresh", "batch", "heads", "window", "number"];

const CACHE_STYLE = FRAME_STYLE + `
.knobs{display:grid;grid-template-columns:repeat(auto-fit,minmax(19em,1fr));gap:.15em 1.6em;margin:.3em 0}
.knobs label{display:grid;grid-template-columns:9.2em 1fr 5.4em;gap:.6em;align-items:center;min-width:0}
.knobs input{accent-color:var(--key);margin:0;min-width:0;width:100%}
.knobs output{font-variant-numeric:tabular-nums;white-space:nowrap}
select{font:inherit;color:inherit;background:var(--paper);border:1px solid var(--line);border-radius:6px;padding:.1em .3em}
dl{display:flex;flex-wrap:wrap;gap:.3em 1.8em;margin:.5em 0}
dl div{min-width:0}
dt{color:var(--soft);font-size:.86em}
dd{margin:0;font-weight:650;font-variant-numeric:tabular-nums}
.note{margin:.2em 0;width:0;min-width:100%}
.lanes{cursor:crosshair}
td,th{white-space:nowrap}
.norms[hidden]{display:none}
`;

const inBytes = (value) => (value < 1000 ? `${value} B` : prefixed(value, "B"));
const counted = (value) => value.toLocaleString("en");

export function mount(host, view, link, kept = {}) {
  const { shapes, pieces } = view;
  const asState = (values) => Object.fromEntries(FIELDS.map((field, i) => [field, values[i]]));
  const opened = asState(view.selected);
  let now = kept.now ?? opened;
  let kind = kept.kind ?? "keys";
  let at = kept.at ?? [0, 0];
  let peek = "";
  let timer = null;
  let scale;
  const norms = view.norms && halves(view.data, 0, view.norms.reduce((a, b) => a * b));
  const shapeOf = () => shapes[now.model];

  // ---- parts
  const box = shell(host, "KV cache: what it holds, by layer, head and token, and what it costs", CACHE_STYLE);
  const picker = element("select", { "aria-label": "Model" }, ...Object.keys(shapes).map((name) => element("option", { value: name }, name)));
  picker.onchange = () => set(switched(now, picker.value, shapeOf(), shapes[picker.value]));
  const play = element("button", { type: "button" }, "▶ Generate");
  const frame = framed(host, "KV cache", { controls: [picker, play], layout: () => draw(), tabulate });
  const knobs = element("div", { class: "knobs" });
  const knob = (field, words, read, write) => {
    const input = element("input", { type: "range", step: "1", "aria-label": words });
    const output = element("output");
    input.oninput = () => { stop(); set(read(Number(input.value))); };
    knobs.append(element("label", {}, words, input, output));
    return { input, output, field, write };
  };
  const options = { batch: () => view.batches, heads: () => headChoices(shapeOf().n_heads), number: () => view.numbers, window: () => windowChoices(shapeOf().context, shapeOf().window, now.window) };
  const listed = (field, words, write) => knob(field, words, (i) => ({ ...now, [field]: options[field]()[i] }), write);
  const list = [
    knob("prompt", "prompt tokens", (count) => ({ ...now, prompt: count, fresh: Math.min(now.fresh, shapeOf().context - count) }), counted),
    knob("fresh", "generated tokens", (count) => ({ ...now, fresh: count }), counted),
    listed("batch", "batch", counted), listed("heads", "key/value heads", (count) => `${count} of ${shapeOf().n_heads}`),
    listed("window", "window, tokens", (size) => (size ? counted(size) : "all")), listed("number", "bytes per number", (size) => `${size} ${OF_NUMBERS[size] ?? ""}`)];
  const facts = element("dl");
  const held = element("canvas", { class: "lanes", tabindex: "0", role: "application" });
  const curve = element("canvas", { role: "img" });
  const source = element("p", { class: "note soft" });
  const grid = cellGrid(host, "Norms: layers and heads down, tokens across. Arrow keys move.", { peek: (found) => { told(found); }, lock: (found) => { at = found; grid.draw(at); told(found); } });
  const legend = element("canvas", { role: "img" });
  const heat = element("div", { class: "norms" }, element("h3", {}, "Real vectors of the model that was given ", element("span", { class: "soft" }, "norm by layer and head, token by token")),
    element("div", { class: "bar" }, choice("Which vectors", { keys: "keys", values: "values" }, kind, (key) => { kind = key; drawHeat(); }), legend), grid.node);
  heat.hidden = !norms;
  box.append(frame.bar, knobs, facts, element("div", { class: "cols" },
    element("div", {}, element("h3", {}, "What is held ", element("span", { class: "soft" }, "a band per layer, a lane per head; dark: key, light: value")), held),
    element("div", {}, element("h3", {}, "Growth"), curve, source)), frame.say, heat, frame.table);

  // ---- drawing
  function draw() {
    drawKnobs();
    drawFacts();
    drawCharts();
    if (norms) drawHeat();
    say();
    frame.refresh();
  }
  function update() {
    drawKnobs();
    drawFacts();
    drawCharts();
    say();
    frame.refresh();
  }

  function drawKnobs() {
    picker.value = now.model;
    const { context } = shapeOf();
    for (const { input, output, field, write } of list) {
      const among = options[field]?.();
      const [low, high] = among ? [0, among.length - 1] : field === "prompt" ? [1, context] : [0, context - now.prompt];
      for (const [name, value] of [["min", low], ["max", high]]) input.setAttribute(name, value);
      input.value = among ? among.indexOf(now[field]) : now[field];
      input.disabled = low === high;
      output.textContent = write(now[field]);
      input.setAttribute("aria-valuetext", output.textContent);
    }
  }

  const bytesAt = (tokens, changes = {}) => cacheBytes(shapeOf(), { ...now, ...changes }, tokens);
  function drawFacts() {
    const shape = shapeOf();
    const [size, weights] = [bytesAt(totalOf(now)), weightBytes(shape)];
    const whole = bytesAt(totalOf(now), { heads: shape.n_heads, window: 0 });
    const each = bytesAt(1, { batch: 1 });
    const even = weights / bytesAt(1);
    const rows = [["cache now", inBytes(size)], ["one token of one sequence", inBytes(each)], [`weights, ${shape.weight_bytes} bytes each`, inBytes(weights)], ["cache / weights", `${format(size / weights, size < weights / 10 ? 3 : 2)} ×`],
      ["as large as the weights", even > shape.context || (now.window && even > now.window) ? "not in its context" : `at ${counted(Math.ceil(even))} tokens`], ["read by each step, weights and cache", inBytes(size + weights)]];
    if (whole > size) rows.push(["against every head, no window", `${format(size / whole, 3)} ×`]);
    facts.replaceChildren(...rows.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  }

  function drawCharts() {
    const text = frame.big() ? 17 : 12;
    const room = host.clientWidth - 16;
    const beside = room > (frame.big() ? 1150 : 800);
    const wide = beside ? clamp((room - 48) * 0.56, 240, 820) : Math.max(room, 240);
    const shape = shapeOf();
    scale = lanes(held, host, { shape, now, width: wide, text });
    held.setAttribute("aria-label", `${shape.n_layers} layers with ${now.heads} of ${shape.n_heads} lanes: ${counted(now.prompt)} tokens of the prompt and ${counted(now.fresh)} generated, of ${counted(shape.context)}; ${counted(keptOf(totalOf(now), now.window))} are held. Arrow keys move.`);
    drawGrowth(beside ? clamp((room - 48) * 0.44, 240, 640) : Math.max(room, 240), text);
  }

  function drawGrowth(width, text) {
    const shape = shapeOf();
    const [context, weights] = [shape.context, weightBytes(shape)];
    const changes = { heads: shape.n_heads, window: 0 };
    const most = Math.max(weights, bytesAt(context));
    const power = Math.floor(Math.log10(most) / 3);
    const unit = 1000 ** power;
    const xs = Array.from({ length: 121 }, (_, i) => (i / 120) * context);
    const all = [...new Set([...xs, now.prompt, totalOf(now), ...(now.window ? [now.window] : [])])].sort((a, b) => a - b);
    const line = (name, points, colour, more = {}) => ({ name, xs: points, ys: points.map((count) => bytesAt(count, more.changes) / unit), colour, width: 2.6, ...more });
    const ink = inks(host);
    const full = line("all heads", all, ink.soft, { changes, dash: [6, 4], width: 1.4 });
    const limit = 1.08 * Math.max(most, Math.min(bytesAt(context, changes), 3 * most)) / unit;
    full.xs = full.xs.filter((_, i) => full.ys[i] <= limit);
    full.ys = full.ys.slice(0, full.xs.length);
    const total = totalOf(now);
    const series = [...(now.heads === shape.n_heads && !now.window ? [] : [full]), line("", all.filter((count) => count <= now.prompt), ink.query), line("", all.filter((count) => count >= now.prompt && count <= total), "#b97f00"),
      line("cache", all.filter((count) => count >= total), ink.soft, { dash: [2, 3], width: 1.8 }), line("", [total], ink.key, { dots: true, shape: 0 })];
    plane(curve, host, { series, rulers: [["weights", weights / unit]], width, tall: text * 20, text, at: [series.length - 1, 0],
      x: axisOf("tokens of each sequence", [0, context], false, clamp(width / text / 9, 2, 6), (count) => (count ? rounded(count) : "0")), y: { label: ["bytes", "kB", "MB", "GB", "TB"][power], range: [0, limit] } });
    curve.setAttribute("aria-label", `Bytes against tokens, from 0 to ${inBytes(bytesAt(context))} at ${counted(context)}; now ${inBytes(bytesAt(total))}; the weights have ${inBytes(weights)}.`);
    source.textContent = shape.source ? `${now.model}: ${prefixed(shape.parameters)} parameters, ${shape.n_layers} layers, ${shape.n_kv_heads} of ${shape.n_heads} heads with keys and values, of width ${shape.d_head}, context ${counted(context)}${shape.window ? `, window ${counted(shape.window)}` : ""}. Source: ${shape.source}.` : "";
  }

  const shade = (unit) => SHADES_OF_NORMS[Math.round(255 * clamp(unit, 0, 1))];
  const normAt = (row, column) => norms[((kind === "keys" ? 0 : 1) * view.norms[1] * view.norms[2] + row) * view.norms[3] + column];
  function drawHeat() {
    const [, L, G, T] = view.norms;
    const half = norms.length / 2;
    const most = norms.subarray(kind === "keys" ? 0 : half, kind === "keys" ? half : 2 * half).reduce((a, b) => Math.max(a, b), 1e-6);
    const rows = Array.from({ length: L * G }, (_, row) => `L${Math.floor(row / G)} KV${row % G}`);
    grid.at(at);
    grid.show({ rows, columns: pieces, paint: (row, column) => ({ colour: shade(normAt(row, column) / most), text: T > 40 ? "" : format(normAt(row, column), 1) }) }, host.clientWidth - 16, frame.big());
    grid.draw(at);
    colourBar(legend, host, { colourAt: shade, marks: [0, 0.5, 1].map((x) => [x, format(x * most, 1)]), title: `norm of the ${kind}`, big: frame.big() });
  }
  function told(found) {
    peek = "";
    if (found) {
      const [row, column] = found;
      peek = `L${Math.floor(row / view.norms[2])}, key/value head ${row % view.norms[2]}, token ${column} “${pieces[column]}”: norm of its ${kind === "keys" ? "key" : "value"} ${format(normAt(row, column))}`;
    }
    say();
  }

  // ---- words
  function say() {
    const shape = shapeOf();
    const formula = `2 × ${shape.n_layers} layers × ${counted(now.batch)} × ${now.heads} heads × ${counted(keptOf(totalOf(now), now.window))} tokens × ${shape.d_head} × ${now.number} bytes = ${inBytes(bytesAt(totalOf(now)))}`;
    const text = peek || formula;
    if (frame.say.textContent !== text) frame.say.textContent = text;
  }
  function pointed({ layer, head, token }) {
    const shape = shapeOf();
    const total = totalOf(now);
    const group = shape.n_heads / now.heads;
    const shared = group > 1 ? ` for query heads ${head * group} to ${head * group + group - 1}` : "";
    const fate = token >= total ? "not used yet" : token < total - keptOf(total, now.window) ? "dropped: no token to come sees it" : token < now.prompt ? "written in the prefill, with all of the prompt" : `written by decode step ${counted(token - now.prompt + 1)}`;
    return `Layer ${layer}, key/value head ${head}${shared}, token ${counted(token)}: ${fate}; a key and a value of ${shape.d_head} numbers in each of ${counted(now.batch)} sequence${now.batch > 1 ? "s" : ""}`;
  }
  held.onpointermove = (event) => {
    const edge = held.getBoundingClientRect();
    const found = scale.find(event.clientX - edge.left, event.clientY - edge.top);
    peek = found ? pointed(found) : "";
    say();
  };
  held.onpointerleave = held.onblur = () => { peek = ""; say(); };
  // By the arrow keys up and down over the lanes, left and right over the tokens.
  let walked = { lane: 0, token: 0 };
  held.onkeydown = (event) => {
    const [down, right] = ARROWS[event.key] ?? [];
    if (down === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const { n_layers, context } = shapeOf();
    walked = { lane: clamp(walked.lane + down, 0, n_layers * now.heads - 1), token: clamp(walked.token + right, 0, context - 1) };
    peek = pointed({ layer: Math.floor(walked.lane / now.heads), head: walked.lane % now.heads, token: walked.token });
    say();
  };

  function tabulate() {
    const rows = Object.entries(shapes).map(([name, shape]) => {
      const own = { batch: 1, heads: shape.n_kv_heads, window: shape.window ?? 0, number: 2 };
      return [name, shape.n_layers, `${shape.n_kv_heads} of ${shape.n_heads}`, shape.d_head, shape.window ? counted(shape.window) : "all", inBytes(cacheBytes(shape, own, 1)), counted(shape.context), inBytes(cacheBytes(shape, own, shape.context)), inBytes(weightBytes(shape))];
    });
    return [tableOf("Caches in 2 bytes per number, one sequence", ["model", "layers", "key/value heads", "width", "window", "a token", "context", "all of it", "weights"], rows)];
  }

  // ---- choosing
  function set(next, quiet = false) {
    now = next;
    peek = "";
    update();
    if (!quiet) link.send?.("selected", FIELDS.map((field) => now[field]));
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "▶ Generate";
  }
  function advance() {
    const { context } = shapeOf();
    const fresh = Math.min(now.fresh + Math.max(1, Math.round(context / 128)), context - now.prompt);
    if (!box.isConnected || fresh === now.fresh) return stop();
    set({ ...now, fresh });
  }
  play.onclick = () => {
    if (timer) return stop();
    if (totalOf(now) >= shapeOf().context) set({ ...now, fresh: 0 });
    timer = setInterval(advance, matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 160);
    play.textContent = "❚❚ Pause";
  };
  onEscape(box, () => { stop(); set(opened); });

  const forget = followTheme(host, draw);
  const unfit = fitted(host, draw);
  return {
    select: (values) => set(asState(values), true),
    leave: () => {
      stop();
      forget();
      unfit();
      return { now, kind, at };
    },
  };
}

export default live(mount);
