// Tokens as a list of bars, to look at and to choose from: before and after the filters, who cut which, draws, the running sum.
import { clamp, element } from "./host.js";

export const BARS = 25;
const SVG = "http://www.w3.org/2000/svg";
const SPACES = { " ": "·", "\n": "↵", "\t": "⇥" };
export const spaced = (text) => text.replace(/[ \n\t]/g, (one) => SPACES[one]) || "∅";

export function inPercent(share) {
  if (share > 0 && share < 5e-5) return "<0.01 %";
  return `${(100 * share).toFixed(share >= 0.1 || !share ? 1 : 2)} %`;
}

export const BAR_STYLE = `
.bars{position:relative;--name:9em;--side:15em}
.slim .bars{--name:6.4em;--side:11.9em}
.bars button{display:grid;grid-template-columns:var(--name) minmax(0,1fr) var(--side);width:100%;height:1.72em;padding:0;border:0;border-radius:0;background:none;align-items:center;text-align:left;font-size:1em;position:relative}
.bars button:hover,.bars button.at{background:var(--masked)}
.bars button[aria-disabled=true]{cursor:default}
.bars .name{font-family:ui-monospace,Menlo,Consolas,monospace;overflow:hidden;text-overflow:ellipsis;white-space:pre;padding-right:.5em;text-align:right}
.bars.some .open .name{font-weight:700}
.bars .track{position:relative;align-self:stretch;border-left:1px solid var(--soft)}
.bars .track span{position:absolute;left:0}
.bars .was{top:.12em;bottom:.12em;background:var(--line)}
.bars .is{top:.42em;bottom:.42em;background:var(--query)}
.bars .seen{top:0;bottom:0;width:3px;margin-left:-1.5px;background:var(--ink)}
.bars .side{display:grid;grid-template-columns:4.4em 1fr;gap:.5em;padding-left:.5em;font-variant-numeric:tabular-nums;overflow:hidden;white-space:nowrap}
.bars .side span:first-child{text-align:right}
.bars .cut .name,.bars .cut .side{color:var(--soft)}
.bars .cut .name{text-decoration:line-through}
.bars .cut .was{background:repeating-linear-gradient(135deg,var(--line) 0 4px,transparent 4px 8px)}
.bars .differ .name::before{content:"◆ ";color:var(--key)}
.bars .edge{border-bottom:2px dashed var(--key)}
.bars svg{position:absolute;left:var(--name);width:calc(100% - var(--name) - var(--side));top:0;overflow:visible;pointer-events:none}
.bars polyline{fill:none;stroke:var(--key);stroke-width:2;vector-effect:non-scaling-stroke}
.bars line{stroke:var(--key);stroke-width:1.5;stroke-dasharray:3 4;vector-effect:non-scaling-stroke}
.key{display:flex;flex-wrap:wrap;gap:.2em 1.1em;font-size:.88em;margin:.1em 0 .4em}
.key i{display:inline-block;width:1.1em;height:.75em;margin-right:.35em;vertical-align:-.05em}
`;

// `act.choose(id)` hears of clicks, `act.peek(row)` of the row under the pointer or in focus, null for none.
export function tokenBars(act) {
  const rows = Array.from({ length: BARS + 1 }, (_, i) => tokenRow(i));
  const curve = document.createElementNS(SVG, "svg");
  const [path, limit] = ["polyline", "line"].map((tag) => curve.appendChild(document.createElementNS(SVG, tag)));
  curve.setAttribute("preserveAspectRatio", "none");
  const node = element("div", { class: "bars", role: "group", "aria-label": "Tokens, likeliest first. Arrow keys move, Enter chooses." }, ...rows.map(({ button }) => button), curve);
  let given = [];
  let focus = 0;

  function tokenRow(i) {
    const [name, was, is, seen, number, note] = ["name", "was", "is", "seen", "number", "note"].map((kind) => element("span", { class: kind }));
    const button = element("button", { type: "button", tabindex: "-1" }, name, element("span", { class: "track" }, was, is, seen), element("span", { class: "side" }, number, note));
    button.onclick = () => given[i].id !== null && act.choose(given[i].id);
    button.onpointerenter = button.onfocus = () => act.peek(given[i]);
    button.onpointerleave = button.onblur = () => act.peek(null);
    return { button, name, was, is, seen, number, note };
  }

  node.onkeydown = (event) => {
    const last = given.length - 1;
    const to = { ArrowUp: focus - 1, ArrowDown: focus + 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    focus = clamp(to, 0, last);
    rover();
    rows[focus].button.focus();
  };
  const rover = () => rows.forEach(({ button }, i) => button.setAttribute("tabindex", i === focus ? "0" : "-1"));

  // Each row: { id, name, was, is, seen, cut, note, open, differ, edge, label }; `sums` are running sums and `at` a limit for them.
  function draw(wanted, { sums, at }) {
    given = wanted;
    // Where not all lead on, those that do are in bold.
    node.classList.toggle("some", wanted.some(({ id, open }) => id !== null && !open));
    const most = Math.max(...wanted.filter(({ id }) => id !== null).flatMap(({ was, is, seen }) => [was, is, seen ?? 0]), 1e-9);
    rows.forEach((row, i) => {
      row.button.hidden = i >= wanted.length;
      if (i < wanted.length) drawRow(row, wanted[i], (share) => `${100 * Math.min(1, share / most)}%`);
    });
    focus = clamp(focus, 0, wanted.length - 1);
    rover();
    curve.setAttribute("viewBox", `0 0 1 ${sums.length}`);
    curve.style.height = `${1.72 * sums.length}em`;
    path.setAttribute("points", sums.map((sum, i) => `${sum},${i + 0.5}`).join(" "));
    for (const [name, value] of Object.entries({ x1: at ?? 0, x2: at ?? 0, y1: 0, y2: at === null ? 0 : sums.length })) limit.setAttribute(name, value);
  }

  function drawRow({ button, name, was, is, seen, number, note }, row, wide) {
    name.textContent = row.name;
    was.style.width = wide(row.was);
    is.style.width = wide(row.is);
    seen.hidden = row.seen === null;
    seen.style.left = row.seen === null ? "0" : wide(row.seen);
    number.textContent = inPercent(row.cut ? row.was : row.is);
    note.textContent = row.note;
    for (const kind of ["cut", "open", "differ", "edge"]) button.classList.toggle(kind, Boolean(row[kind]));
    button.setAttribute("aria-label", row.label);
    button.setAttribute("aria-disabled", String(!row.open));
  }
  return { node, draw };
}
