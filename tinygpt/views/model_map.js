// The model map: boxes along the residual stream, each with its shape and its share of the whole.
import { CHOICE_STYLE, choice } from "./choice.js";
import { clamp, element, followTheme, live, onEscape, shell, toggle } from "./host.js";

export const METRICS = ["parameters", "flops", "memory"];
const UNITS = ["", "FLOPs", "B"];
// A stack of more blocks than this shows its first two and its last, and one box for all between.
const MOST_BLOCKS = 12;

// 7,087,872 as "7.09 M".
export function brief(value, unit) {
  const rounded = Number(value.toPrecision(3));
  const power = rounded < 1000 ? 0 : Math.min(5, Math.floor(Math.log10(rounded) / 3 + 1e-9));
  const scaled = value / 1000 ** power;
  const digits = power === 0 ? 0 : scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0;
  return `${scaled.toFixed(digits)} ${["", "k", "M", "G", "T", "P"][power]}${unit}`.trim();
}

export const grouped = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ",");

// The letters of a shape as their sizes: "D × H·K" to "64 × 4·16".
export const inNumbers = (shape, letters) => shape.replace(/[A-Z]/g, (letter) => letters[letter] ?? letter);

export const share = (part, whole) => (whole ? ((part / whole) * 100).toFixed(1) + " %" : "–");

// The boxes of a stack, top to bottom: blocks, those between as one where there are many, the last norm.
export function boxesOf({ name, path, count, block, norm }) {
  const one = (i) => ({ ...block, name: `block ${i}`, path: `${path}blocks.${i}`, times: 1 });
  const last = { ...norm, path: path + norm.path, times: 1 };
  if (count <= MOST_BLOCKS) return [...Array.from({ length: count }, (_, i) => one(i)), last];
  const times = count - 3;
  const between = { ...block, name: `blocks 2 to ${count - 2}`, path: "", times, children: [], note: `${times} blocks like block 0` };
  return [one(0), one(1), between, one(count - 1), last];
}

const MAP_STYLE = CHOICE_STYLE + `
:host{--embedding:#b97f00;--positions:#8f8300;--attention:#0072b2;--cross:#c46c9b;--feed_forward:#009e73;--norms:#7d858e;--head:#d55e00;--block:#57606a}
:host([data-dark]){--attention:#56b4e9;--head:#ff9a4d;--block:#a6b0ba}
.letters{display:flex;flex-wrap:wrap;gap:.1em 1.1em;margin:.2em 0 .5em}
.letters b{font-weight:700}
.whole{display:flex;height:1.5em;border-radius:4px;overflow:hidden;gap:1px}
.whole i,.chip i{display:block;background:var(--kind);min-width:1px}
.chips{display:flex;flex-wrap:wrap;gap:.1em 1.2em;margin:.25em 0 .4em}
.chip{display:inline-flex;gap:.4em;align-items:center;font-variant-numeric:tabular-nums}
.chip i{width:.9em;height:.9em;border-radius:2px}
.say{min-height:4.4em;margin:.3em 0;overflow-wrap:anywhere}
.say b{font-weight:650}
.sides{display:flex;flex-wrap:wrap;gap:.3em 1.4em}
.sides>div{flex:1 1 24em;min-width:0}
h3{font-size:1em;font-weight:650;margin:.3em 0 0}
h3 span{font-weight:400}
.stream{border-left:4px solid var(--line);margin-left:.5em;padding:.15em 0 .15em 1em}
.box{position:relative;border:1px solid var(--line);border-left:6px solid var(--kind);border-radius:5px;margin:.28em 0}
.stream>.box::before{content:"";position:absolute;left:calc(-1em - 6px);width:1em;top:.85em;border-top:3px solid var(--line)}
.box .inside{padding:0 0 .15em 1.3em}
.inside .box{border-right:0;border-radius:5px 0 0 5px}
.row{display:flex;gap:.7em;align-items:center;padding:.12em .5em;cursor:pointer;border-radius:4px;min-height:1.75em}
.row.at{background:var(--masked)}
.row .name{flex:0 0 auto;white-space:nowrap}
.row .name::before{content:"";display:inline-block;width:1.1em}
.row[aria-expanded=false] .name::before{content:"▸"}
.row[aria-expanded=true] .name::before{content:"▾"}
.row .shape{flex:1 1 0;min-width:0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;color:var(--soft)}
.row .track{flex:0 0 clamp(4em,13cqi,16em);height:.95em;background:var(--masked);border-radius:2px}
.row.at .track{background:var(--paper)}
.row .track i{display:block;height:100%;background:var(--kind);border-radius:2px}
.row output{flex:0 0 5.4em;text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.row .track i.many{background:repeating-linear-gradient(90deg,var(--kind) 0 6px,transparent 6px 8px)}
[role=tree]{container-type:inline-size}
@container (max-width:30em){.row{gap:.4em}.row .shape{display:none}.row .track{flex-basis:2.5em;margin-left:auto}.row output{flex-basis:auto}}
.scroll{overflow-x:auto}
`;

const MEANING = { B: "batch", T: "tokens", S: "tokens looked at", D: "width", H: "heads", G: "key/value heads", K: "head width", F: "feed-forward width", V: "vocabulary" };

export function mount(host, view, link, kept = {}) {
  const { letters, kinds } = view;
  const box = shell(host, `Model map: ${view.title}`, MAP_STYLE);
  const totals = METRICS.map((_, i) => Object.values(kinds).reduce((sum, numbers) => sum + numbers[i], 0));
  const largest = METRICS.map((_, i) => Math.max(...[...view.before, ...view.after, ...view.stacks.map(({ block }) => block)].map(({ numbers }) => numbers[i])));
  const title = (kind) => view.titles[kind];
  let metric = METRICS.indexOf(kept.metric ?? view.metric);
  let rows = [];
  let lock = null;
  let peek = null;

  // ---- parts
  const table = element("div", { tabindex: "0", role: "group", "aria-label": "Table", class: "scroll" });
  table.hidden = true;
  const tableButton = toggle("Table", (on) => { table.hidden = !on; drawTable(); });
  const bigButton = toggle("Large text", (on) => host.toggleAttribute("data-big", on));
  const names = { parameters: "parameters", flops: "FLOPs", memory: "memory" };
  const count = view.stacks[0].count;
  const bar = element("div", { class: "bar" }, element("h2", {}, "Model map"),
    element("span", { class: "soft" }, `${view.title}, ${count} block${count > 1 ? "s" : ""}${view.stacks.length > 1 ? " a side" : ""}`),
    choice("What the bars show", names, METRICS[metric], (key) => { metric = METRICS.indexOf(key); draw(); }),
    element("span", { class: "push" }), tableButton, bigButton);
  const used = Object.entries(MEANING).filter(([letter]) => letters[letter] !== 0);
  const key = element("div", { class: "letters soft" }, ...used.map(([letter, meaning]) =>
    element("span", {}, element("b", { class: "mono" }, letter), ` ${meaning} ${letters[letter] ? grouped(letters[letter]) : ""}`)));
  const whole = element("div", { class: "whole", role: "img" });
  const chips = element("div", { class: "chips" });
  const say = element("div", { class: "say", "aria-live": "polite" });
  const tree = element("div", { role: "tree", "aria-label": "Parts. Up and down move, right opens, left closes, Escape closes all." });
  box.append(bar, key, whole, chips, say, tree, table);

  // ---- the tree
  function boxOf(part, level, parent) {
    const row = element("div", { role: "treeitem", class: "row", "aria-level": level, tabindex: "-1" });
    const fill = element("i", part.times > 1 ? { class: "many" } : {});
    const number = element("output");
    const tied = part.weights && !part.numbers[0] ? ", tied" : "";
    const shape = part.weights ? part.weights + tied : part.children.length ? "" : part.kind === "block" ? part.note : part.gives;
    row.append(element("span", { class: "name" }, part.name), element("span", { class: "shape mono" }, shape), element("span", { class: "track" }, fill), number);
    const inside = element("div", { class: "inside", role: "group" });
    const node = element("div", { class: "box", style: `--kind:var(--${part.kind})`, role: "none" }, row, inside);
    inside.hidden = true;
    Object.assign(row, { box: part, parent, level, fill, number, inside });
    if (part.children.length) row.setAttribute("aria-expanded", "false");
    rows.push(row);
    return node;
  }

  // Children are made when first seen: closed boxes cost nothing.
  function open(row, on) {
    const { box: part, inside, level } = row;
    if (!part.children.length) return;
    if (on && level === 1) rows.filter((other) => other !== row && other.level === 1 && other.side === row.side).forEach((other) => open(other, false));
    row.setAttribute("aria-expanded", on);
    inside.hidden = !on;
    if (on && !inside.childElementCount) {
      const behind = rows.splice(rows.indexOf(row) + 1);
      inside.append(...part.children.map((child) => boxOf({ ...child, path: `${part.path}.${child.path}`, times: part.times }, level + 1, row)));
      rows.push(...behind);
    }
    if (!on) {
      rows = rows.filter((other) => !inside.contains(other));
      inside.replaceChildren();
    }
  }

  function build() {
    rows = [];
    const stream = (boxes, side) => {
      const first = rows.length;
      const node = element("div", { class: "stream", role: "none" }, ...boxes.map((part) => boxOf({ times: 1, ...part }, 1, null)));
      rows.slice(first).forEach((row) => (row.side = side));
      return node;
    };
    const sides = view.stacks.map((stack, side) => element("div", { role: "none" }, ...(stack.name ? [element("h3", {}, stack.name, side ? element("span", { class: "soft" }, ": cross-attention reads what the encoder gives") : "")] : []), stream(boxesOf(stack), side)));
    const [before, after] = [stream(view.before, "before"), stream(view.after, "after")];
    const order = rows.filter(({ side }) => side === "before");
    rows = [...order, ...rows.filter(({ side }) => side !== "before")];
    tree.replaceChildren(before, element("div", { class: "sides", role: "none" }, ...sides), after);
    view.stacks.forEach((_, side) => open(rows.find((row) => row.side === side), true));
    lock = peek = null;
    rows[0].tabIndex = 0;
  }

  // ---- drawing
  const numberOf = (part) => part.numbers[metric] * (part.times ?? 1);
  function draw() {
    const total = totals[metric];
    whole.replaceChildren(...Object.entries(kinds).map(([kind, numbers]) => element("i", { style: `--kind:var(--${kind});flex:${numbers[metric]} 0 0;min-width:${numbers[metric] ? 1 : 0}px` })));
    whole.setAttribute("aria-label", Object.entries(kinds).map(([kind, numbers]) => `${title(kind)} ${share(numbers[metric], total)}`).join(", "));
    chips.replaceChildren(element("b", {}, `${brief(total, UNITS[metric])}${metric ? "" : " parameters"}:`),
      ...Object.entries(kinds).filter(([, numbers]) => numbers[metric]).map(([kind, numbers]) =>
        element("span", { class: "chip", style: `--kind:var(--${kind})` }, element("i"), `${title(kind)} ${share(numbers[metric], total)}`)));
    rows.forEach(drawRow);
    drawSay();
    drawTable();
  }

  function drawRow({ box: part, fill, number }) {
    const value = numberOf(part);
    fill.style.width = `${clamp((value / largest[metric]) * 100, 0, 100)}%`;
    fill.style.minWidth = value ? "2px" : "0";
    number.textContent = value ? brief(value, UNITS[metric]) : "–";
  }

  let marked = null;
  function drawSay() {
    const row = peek ?? lock;
    marked?.classList.remove("at");
    marked = row;
    row?.classList.add("at");
    if (!row) say.replaceChildren(explainMetric());
    else say.replaceChildren(element("b", {}, trail(row)), element("span", {}, ": " + sentence(row.box)), element("div", { class: "soft mono" }, row.box.path));
  }
  const trail = (row) => (row.parent ? trail(row.parent) + " › " : row.side >= 0 && view.stacks[row.side].name ? view.stacks[row.side].name + " › " : "") + row.box.name;

  function explainMetric() {
    const tokens = grouped(letters.T);
    return ["Bars show weights. Point at a box for its shape and numbers; a block opens by a click.",
      `Bars show the FLOPs of one forward pass over T = ${tokens} tokens; a multiply-add is 2.`,
      `Bars show bytes: ${view.bytes} for each weight and, where the model generates, for each number in the KV cache of T = ${tokens} tokens.`][metric];
  }

  function sentence(part) {
    const [parameters, flops, memory] = part.numbers.map((value) => value * (part.times ?? 1));
    const shape = part.weights ? `weights ${part.weights} = ${inNumbers(part.weights, letters)}` : part.kind === "block" || part.children.length ? "" : "no weights";
    const passes = part.kind === "block" ? "adds to the stream, B T D" : `${part.reads} → ${part.gives}`;
    const own = parameters ? `${grouped(parameters)} parameters (${share(parameters, totals[0])} of all)` : "";
    const work = flops ? `${brief(flops, "FLOPs")} for T tokens (${share(flops, totals[1])})` : "";
    const space = memory ? `${brief(memory, "B")}${part.cached ? ` with ${brief(part.cached * (part.times ?? 1) * view.bytes, "B")} of KV cache` : ""}` : "";
    return [shape, passes, own, work, space, part.note].filter(Boolean).join("; ");
  }

  function drawTable() {
    if (table.hidden) return;
    const line = (tag, cells) => element("tr", {}, ...cells.map((cell) => element(tag, tag === "th" ? { scope: "col" } : {}, String(cell))));
    const list = (part, before, times) => part.children.length
      ? part.children.flatMap((child) => list(child, before + (part.kind === "block" ? "" : part.name + " "), times))
      : [[before + part.name, part.weights || "–", times, ...part.numbers.map(grouped)]];
    const stacks = view.stacks.flatMap(({ name, block, norm, count: times }) => [...list(block, name ? name + " " : "", times), ...list(norm, name ? name + " " : "", 1)]);
    const body = [...view.before.flatMap((part) => list(part, "", 1)), ...stacks, ...view.after.flatMap((part) => list(part, "", 1))];
    table.replaceChildren(element("table", {}, element("caption", {}, `All parts; in all ${totals.map((total, i) => `${grouped(total)} ${["parameters", "FLOPs", "bytes"][i]}`).join(", ")}`),
      element("thead", {}, line("th", ["part", "weights", "times", "parameters of one", "FLOPs of one", "bytes of one"])),
      element("tbody", {}, ...body.map((cells) => line("td", cells)))));
  }

  // ---- choosing
  function set(row, quiet = false) {
    for (const other of rows) other.tabIndex = other === row ? 0 : -1;
    lock = row;
    peek = null;
    drawSay();
    if (!quiet) link.send?.("selected", [row?.box.path ?? ""]);
  }
  function turn(row, on) {
    open(row, on);
    rows.forEach(drawRow);
  }
  const rowOf = (event) => event.target.closest?.(".row");
  tree.onpointermove = (event) => {
    const row = rowOf(event) ?? null;
    if (row === peek) return;
    peek = row;
    drawSay();
  };
  tree.onpointerleave = () => {
    peek = null;
    drawSay();
  };
  tree.onclick = (event) => {
    const row = rowOf(event);
    if (!row) return;
    turn(row, row.getAttribute("aria-expanded") !== "true");
    set(row);
  };
  const expanded = (row) => row.getAttribute("aria-expanded");
  const moves = {
    ArrowDown: (i) => rows[Math.min(i + 1, rows.length - 1)],
    ArrowUp: (i) => rows[Math.max(i - 1, 0)],
    Home: () => rows[0],
    End: () => rows.at(-1),
    ArrowRight: (i) => (expanded(rows[i]) === "false" ? void turn(rows[i], true) : expanded(rows[i]) ? rows[i + 1] : null) ?? rows[i],
    ArrowLeft: (i) => (expanded(rows[i]) === "true" ? void turn(rows[i], false) : rows[i].parent) ?? rows[i],
  };
  moves.Enter = moves[" "] = (i) => {
    turn(rows[i], expanded(rows[i]) !== "true");
    return rows[i];
  };
  tree.onkeydown = (event) => {
    const i = rows.indexOf(rowOf(event));
    if (i < 0 || !(event.key in moves)) return;
    event.preventDefault();
    event.stopPropagation();
    const row = moves[event.key](i);
    set(row);
    row.focus();
  };
  onEscape(box, () => {
    build();
    draw();
    rows[0].focus();
  });

  const forget = followTheme(host, () => {});
  build();
  draw();
  return {
    leave: () => {
      forget();
      return { metric: METRICS[metric] };
    },
  };
}

export default live(mount);
