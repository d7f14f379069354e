// What stands around a view: its name, its controls, a table and a larger size to switch on, a sentence that is read out.
import { CELL_STYLE } from "./cells.js";
import { CHOICE_STYLE } from "./choice.js";
import { element, toggle } from "./host.js";

export const FRAME_STYLE = CELL_STYLE + CHOICE_STYLE + `
h3{font-size:1em;font-weight:650;margin:.3em 0}
h3 span{font-weight:400}
.cols{display:flex;flex-wrap:wrap;gap:.6em 2em;align-items:flex-start}
.cols>div{min-width:0;max-width:100%}
`;

// `layout` draws all again; `tabulate` returns the tables' nodes, and is asked only while they are shown; without it there is no table.
export function framed(host, title, { controls = [], ends = [], layout, tabulate }) {
  let big = false;
  const table = element("div", { tabindex: "0", role: "group", "aria-label": "Table", class: "scroll" });
  table.hidden = true;
  const refresh = () => table.hidden || table.replaceChildren(...tabulate());
  const tableButton = tabulate ? [toggle("Table", (on) => { table.hidden = !on; refresh(); })] : [];
  const bigButton = toggle("Large text", (on) => { big = on; host.toggleAttribute("data-big", on); layout(); });
  const bar = element("div", { class: "bar" }, element("h2", {}, title), ...controls,
    element("span", { class: "ends" }, ...ends, ...tableButton, bigButton));
  const say = element("div", { class: "say", "aria-live": "polite" });
  return { bar, say, table, refresh, big: () => big };
}

export function tableOf(caption, columns, rows) {
  const line = (tag, cells) => element("tr", {}, ...cells.map((cell) => element(tag, tag === "th" ? { scope: "col" } : {}, String(cell))));
  return element("table", {}, element("caption", {}, caption),
    element("thead", {}, line("th", columns)), element("tbody", {}, ...rows.map((row) => line("td", row))));
}
