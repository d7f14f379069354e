// Patching: what comes back with each single activation of the clean run, layer by position or by head.
import { CELL_STYLE, cellGrid, colourBar, diverging, fitted } from "./cells.js";
import { CHOICE_STYLE, choice } from "./choice.js";
import { element, followTheme, format, live, onEscape, shell, toggle } from "./host.js";

// Each grid's values, row after row.
export function gridValues({ grids, data }) {
  const numbers = new Float32Array(data.slice().buffer);
  let end = 0;
  return grids.map(({ rows, columns }) => numbers.subarray(end, (end += rows.length * columns.length)));
}

// The places in which two prompts differ.
export const differing = ([clean, corrupt]) => new Set(corrupt ? clean.flatMap((token, i) => (token === corrupt[i] ? [] : [i])) : []);

const PATCH_STYLE = CELL_STYLE + CHOICE_STYLE + `
.prompts{display:flex;flex-wrap:wrap;gap:.3em 1px;margin:.3em 0 .6em}
.prompts>div{display:flex;flex-direction:column;padding:.1em .15em;border:2px solid transparent;border-radius:5px}
.prompts>div.at{border-color:var(--key)}
.prompts span{font-family:ui-monospace,Menlo,Consolas,monospace;white-space:pre;padding:.05em .25em;min-height:1.5em}
.prompts .who span{font-family:inherit;color:var(--soft)}
.prompts .differ span{font-weight:700;background:var(--masked);box-shadow:inset 0 -3px var(--query)}
.prompts .differ span+span{box-shadow:inset 0 -3px var(--key)}
`;

export function mount(host, view, link, kept = {}) {
  const { grids, prompts, limit, measures } = view;
  const values = gridValues(view);
  const marked = differing(prompts);
  const box = shell(host, `${view.title}: ${grids.map(({ name }) => name).join(", ")}`, PATCH_STYLE);
  const [point, ...place] = view.selected;
  const numberOf = (name) => Math.max(0, grids.findIndex((grid) => grid.name === name));
  const opened = { shown: numberOf(point), at: place };
  let { shown, at: lock } = grids[kept.shown] ? kept : opened;
  let peek = null;
  let big = false;

  // ---- parts
  const legend = element("canvas", { role: "img" });
  const table = element("div", { tabindex: "0", role: "group", "aria-label": "Table", class: "scroll" });
  table.hidden = true;
  const tableButton = toggle("Table", (on) => { table.hidden = !on; draw(); });
  const bigButton = toggle("Large text", (on) => { big = on; host.toggleAttribute("data-big", on); layout(); });
  const names = Object.fromEntries(grids.map(({ name }, i) => [i, name || "grid"]));
  const points = choice("Where the clean activation is put", names, String(shown), (key) => open(Number(key)));
  const bar = element("div", { class: "bar" }, element("h2", {}, view.title), points, element("span", { class: "ends" }, legend, tableButton, bigButton));
  const pairs = (prompts[0] ?? []).map((_, i) => element("div", marked.has(i) ? { class: "differ" } : {}, ...prompts.map((prompt) => element("span", {}, prompt[i]))));
  const who = element("div", { class: "who" }, ...prompts.map((_, i) => element("span", {}, ["clean", "corrupted"][i])));
  const strip = element("div", { class: "prompts" }, ...(pairs.length ? [who, ...pairs] : []));
  const grid = cellGrid(host, "Layers down, positions or heads across. Arrow keys move, Escape goes back.", {
    peek: (found) => { peek = found; draw(); },
    lock: (found) => set(found),
  });
  const say = element("div", { class: "say", "aria-live": "polite" });
  box.append(bar, strip, grid.node, say, table);

  // ---- drawing
  const valueAt = ([row, column]) => values[shown][row * grids[shown].columns.length + column];
  function layout() {
    const dark = host.hasAttribute("data-dark");
    const { rows, columns, positions } = grids[shown];
    const paint = (row, column) => {
      const value = valueAt([row, column]);
      return Number.isFinite(value) ? { colour: diverging(value, limit, dark), text: format(value, 2) } : { text: "–" };
    };
    grid.at(lock);
    grid.show({ rows, columns, marked: positions ? marked : null, paint }, host.clientWidth - 16, big);
    const marks = [-1, 0, 1].map((end) => [(end + 1) / 2, format(end * limit, limit < 0.1 ? 3 : 2)]);
    colourBar(legend, host, { colourAt: (x) => diverging((2 * x - 1) * limit, limit, dark), marks, title: measures, big });
    draw();
  }

  let pointed = null;
  function draw() {
    const at = peek ?? lock;
    grid.draw(at);
    grid.at(lock);
    pointed?.classList.remove("at");
    pointed = grids[shown].positions ? pairs[at[1]] : null;
    pointed?.classList.add("at");
    say.textContent = sentence(at);
    if (!table.hidden) drawTable();
  }

  function sentence([row, column]) {
    const { name, rows, columns, positions } = grids[shown];
    const other = positions && marked.has(column) ? ` in place of “${prompts[1][column]}”` : "";
    const where = positions ? `at ${column} “${columns[column]}”${other}` : columns[column];
    return `${name ? name + ", " : ""}${rows[row]} ${where}: ${format(valueAt([row, column]))} (${measures})`;
  }

  function drawTable() {
    const { name, rows, columns } = grids[shown];
    const line = (first, cells, tag) => element("tr", {}, element("th", { scope: "row" }, first), ...cells.map((cell) => element(tag, {}, cell)));
    const body = rows.map((title, row) => line(title, columns.map((_, column) => format(valueAt([row, column]))), "td"));
    table.replaceChildren(element("table", {}, element("caption", {}, [name, measures].filter(Boolean).join(": ")),
      element("thead", {}, line("layer", columns, "th")), element("tbody", {}, ...body)));
  }

  // ---- choosing
  function set(found, quiet = false) {
    lock = found;
    peek = null;
    draw();
    if (!quiet) link.send?.("selected", [grids[shown].name, ...lock]);
  }
  // Another grid keeps the layer, and the column where it has one of that kind.
  function open(number) {
    const before = grids[shown];
    shown = number;
    const { rows, columns, positions } = grids[shown];
    const column = positions === before.positions ? Math.min(lock[1], columns.length - 1) : 0;
    lock = [Math.min(lock[0], rows.length - 1), column];
    peek = null;
    layout();
    link.send?.("selected", [grids[shown].name, ...lock]);
  }
  onEscape(box, () => set(shown === opened.shown ? opened.at : [0, 0]));

  const forget = followTheme(host, layout);
  const unfit = fitted(host, layout);
  return {
    select: ([name, ...found]) => numberOf(name) === shown && set(found, true),
    leave: () => {
      forget();
      unfit();
      return { shown, at: lock };
    },
  };
}

export default live(mount);
