// The residual stream: how long it is after every part, and how much and which way each part adds.
import { CELL_STYLE, cellGrid, colourBar, diverging, fitted } from "./cells.js";
import { lineChart } from "./chart.js";
import { CHOICE_STYLE, choice } from "./choice.js";
import { LINES, cividis, clamp, element, followTheme, format, inks, lettering, live, onEscape, roundStep, shell, sized, ticks, toggle } from "./host.js";

export const FIELDS = ["stream", "added", "along", "towards"];
// A span of norms wider than this opens on a logarithmic scale.
const STEEP = 100;

export const meanOf = (values) => {
  const finite = Array.from(values).filter(Number.isFinite);
  return finite.length ? finite.reduce((a, b) => a + b, 0) / finite.length : NaN;
};

// A norm with as many digits as were shipped, about four.
export const figures = (value) => format(value, clamp(3 - Math.floor(Math.log10(Math.abs(value) || 1)), 0, 3));

// Each model's fields, as rows of [mean, position 0, position 1, …].
export function measured({ models, tokens, answered, data }) {
  const numbers = new Float32Array(data.slice().buffer);
  const fields = FIELDS.slice(0, answered ? 4 : 3);
  let end = 0;
  const row = () => {
    const values = numbers.subarray(end, (end += tokens.length));
    return [meanOf(values), ...values];
  };
  return models.map(({ parts }) => Object.fromEntries(fields.map((field) => [field, parts.map(row)])));
}

// From a norm to a height from 0 to 1, and the marks of its axis.
export function normScale(values, log) {
  const finite = values.filter((value) => Number.isFinite(value) && value > 0);
  const top = Math.max(...finite, 1e-9);
  if (!log) {
    const step = roundStep(top, 4);
    return { unit: (value) => (value > 0 ? Math.min(value / top, 1) : 0), marks: ticks(0, top, step).map((mark) => [mark, String(mark)]) };
  }
  const low = Math.floor(Math.log10(Math.min(...finite, top)));
  const span = Math.max(Math.log10(top) - low, 0.1);
  const powers = ticks(low, Math.log10(top), Math.ceil(span / 5));
  return { unit: (value) => (value > 0 ? clamp((Math.log10(value) - low) / span, 0, 1) : 0), marks: powers.map((power) => [10 ** power, power < -3 || power > 4 ? `1e${power}` : String(10 ** power)]) };
}

const RESIDUAL_STYLE = CELL_STYLE + CHOICE_STYLE + `
.panels{display:flex;flex-wrap:wrap;gap:.6em 1.5em}
.panels>div{flex:none}
.panel{display:flex;align-items:flex-start}
.panel>canvas{margin-top:3px}
h3{font-size:1em;font-weight:650;margin:.2em 0}
h3 span{font-weight:400}
`;

const KINDS_OF_STREAM = { stream: "norm of stream", added: "norm of what is added", along: "cosine with stream", towards: "cosine with answer" };
const COLOURS_OF_NORMS = cividis();

function nameBars(pen, ink, text, y) {
  let x = 6;
  for (const [name, colour, alpha] of [["stream", ink.query, 0.45], ["added", ink.key, 1]]) {
    pen.globalAlpha = alpha;
    pen.fillStyle = colour;
    pen.fillRect(x, y - text * 0.75, text * 0.8, text * 0.8);
    pen.globalAlpha = 1;
    pen.fillStyle = ink.soft;
    pen.fillText(name, x + text * 1.1, y);
    x += text * 5.2;
  }
}

export function mount(host, view, link, kept = {}) {
  const { models, tokens, answered } = view;
  const data = measured(view);
  const several = models.length > 1;
  const columns = ["mean", ...tokens];
  const everything = (field) => data.flatMap((model) => model[field].flat());
  const means = (field) => data.flatMap((model) => model[field].map(([mean]) => mean)).filter((value) => value > 0);
  const box = shell(host, `Residual stream: ${models.map(({ name, parts }) => `${name} ${parts.length} parts`).join(", ")}`, RESIDUAL_STYLE);
  const opened = [view.selected[0], view.selected[1] + 1];
  let lock = kept.lock ?? opened;
  let kind = kept.kind ?? view.statistic;
  let log = kept.log ?? Math.max(...means("stream")) > STEEP * Math.min(...means("stream"));
  let current = 0;
  let peek = null;
  let big = false;

  // ---- parts
  const legend = element("canvas", { role: "img" });
  const table = element("div", { tabindex: "0", role: "group", "aria-label": "Table", class: "scroll" });
  table.hidden = true;
  const tableButton = toggle("Table", (on) => { table.hidden = !on; draw(); });
  const bigButton = toggle("Large text", (on) => { big = on; host.toggleAttribute("data-big", on); layout(); });
  const logButton = toggle("Log scale", (on) => { log = on; layout(); });
  logButton.setAttribute("aria-pressed", log);
  const kinds = Object.fromEntries(Object.entries(KINDS_OF_STREAM).filter(([field]) => answered || field !== "towards"));
  const bar = element("div", { class: "bar" }, element("h2", {}, "Residual stream"),
    choice("What is shown", kinds, kind, (key) => { kind = key; layout(); }), logButton,
    element("span", { class: "ends" }, legend, tableButton, bigButton));
  const panels = models.map(({ name }, m) => {
    const grid = cellGrid(host, `${name ? name + ": p" : "P"}arts down, positions across. Arrow keys move, Escape goes back.`, {
      peek: (found) => { if (found) current = m; peek = found; draw(); },
      lock: (found) => { current = m; set(found); },
    });
    const bars = element("canvas", { role: "img" });
    return { grid, bars, node: element("div", {}, element("h3", {}, name), element("div", { class: "panel" }, grid.node, bars)) };
  });
  const say = element("div", { class: "say", "aria-live": "polite" });
  const chart = element("canvas", { role: "img" });
  chart.hidden = !several;
  const chartName = element("h3");
  chartName.hidden = !several;
  box.append(bar, element("div", { class: "panels" }, ...panels.map(({ node }) => node)), say, chartName, chart, table);

  // ---- scales
  let scale;
  // What is added has the stream's scale, so that the bars of both can be compared.
  const norms = () => normScale([...everything("stream"), ...means("added")], log);
  function rescale() {
    const dark = host.hasAttribute("data-dark");
    if (kind === "stream" || kind === "added") {
      const { unit, marks } = norms();
      const at = (x) => COLOURS_OF_NORMS[Math.round(255 * x)];
      scale = { norm: true, unit, at, colour: (value) => at(unit(value)), bar: marks.map(([value, mark]) => [unit(value), mark]) };
    } else {
      const limit = Math.max(0.01, ...everything(kind).filter(Number.isFinite).map(Math.abs));
      const colour = (value) => diverging(value, limit, dark);
      const bar = [-1, 0, 1].map((end) => [(end + 1) / 2, format(end * limit, 2)]);
      scale = { norm: false, unit: (value) => value / limit, at: (x) => colour((2 * x - 1) * limit), colour, bar };
    }
  }

  // ---- drawing
  let wide;
  function layout() {
    rescale();
    logButton.hidden = !scale.norm;
    const full = host.clientWidth - 12;
    wide = big ? 210 : 150;
    // Two panels side by side, as long as their cells stay wide enough to hit.
    const half = Math.floor((full - 24) / 2);
    const room = several && half > wide + 100 + columns.length * (big ? 24 : 10) ? half : full;
    const paint = (m) => (row, column) => {
      const value = data[m][kind][row][column];
      return Number.isFinite(value) ? { colour: scale.colour(value), text: format(value, Math.abs(value) >= 10 ? (Math.abs(value) >= 100 ? 0 : 1) : 2) } : { text: "–" };
    };
    panels.forEach(({ grid, node }, m) => {
      grid.show({ rows: models[m].parts, columns, paint: paint(m) }, room - wide - 8, big, big ? 100 : 64);
      node.style.maxWidth = full + "px";
      grid.node.style.maxWidth = `${Math.max(room - wide, 160)}px`;
    });
    colourBar(legend, host, { colourAt: scale.at, marks: scale.bar, title: KINDS_OF_STREAM[kind], big });
    draw();
  }

  const within = ([row, column], m) => [Math.min(row, models[m].parts.length - 1), column];
  function draw() {
    const at = peek ?? lock;
    panels.forEach(({ grid, bars }, m) => {
      grid.draw(within(at, m));
      grid.at(within(lock, m));
      drawBars(bars, m, within(at, m));
    });
    if (several) drawChart(at);
    say.textContent = sentence(within(at, current), current);
    if (!table.hidden) drawTable(at[1]);
  }

  const where = (column) => (column ? `at ${column - 1} “${tokens[column - 1]}”` : "on average over positions");

  // Beside the grid's rows: norms as stream and, within, what is added; cosines to both sides of a line.
  function drawBars(canvas, m, [chosen, column]) {
    const text = big ? 18 : 12;
    const { top: head, down } = Object.fromEntries(Object.entries(panels[m].grid.node.firstChild.dataset).map(([name, value]) => [name, Number(value)]));
    const tall = down * models[m].parts.length;
    const pen = sized(canvas, wide, head + tall + 3);
    const ink = inks(host);
    const [zero, reach] = scale.norm ? [6, wide - 12] : [wide / 2, wide / 2 - 6];
    pen.fillStyle = ink.masked;
    pen.fillRect(0, head + chosen * down, wide, down);
    lettering(pen, `${text}px system-ui,sans-serif`);
    const bar = (row, value, colour, share, alpha = 1) => {
      const length = scale.unit(value) * reach;
      const high = Math.max(down * share, 2);
      pen.globalAlpha = alpha;
      pen.fillStyle = colour;
      if (Number.isFinite(length)) pen.fillRect(Math.min(zero, zero + length), head + (row + 0.5) * down - high / 2, Math.max(Math.abs(length), 1), high);
      pen.globalAlpha = 1;
    };
    models[m].parts.forEach((_, row) => {
      const value = data[m][kind][row][column];
      if (!scale.norm) return bar(row, value, value < 0 ? ink.query : ink.key, 0.6);
      bar(row, data[m].stream[row][column], ink.query, 0.76, 0.45);
      bar(row, data[m].added[row][column], ink.key, 0.36);
    });
    pen.fillStyle = ink.soft;
    pen.fillRect(zero - 0.5, head, 1, tall);
    if (scale.norm) nameBars(pen, ink, text, head - 6);
    canvas.setAttribute("aria-label", scale.norm ? "Bars: norm of the stream, and within it of what the part adds" : `Bars: ${KINDS_OF_STREAM[kind]}`);
  }

  function sentence([row, column], m) {
    const { stream, added, along, towards } = data[m];
    const value = (field) => figures(field[row][column]);
    const [name, part] = [models[m].name ? models[m].name + ", " : "", models[m].parts[row]];
    if (!row) return `${name}embedding ${where(column)}: the stream begins with norm ${value(stream)}${towards ? `; cosine with the answer's direction ${value(towards)}` : ""}`;
    return `${name}${part} ${where(column)}: adds a vector of norm ${value(added)}; the stream goes from norm ${figures(stream[row - 1][column])} to ${value(stream)}; `
      + `cosine with the stream ${value(along)}${towards ? `, with the answer's direction ${value(towards)}` : ""}`;
  }

  function drawChart([row, column]) {
    const longest = data.reduce((best, _, m) => (models[m].parts.length > models[best].parts.length ? m : best), 0);
    const field = scale.norm ? kind : "stream";
    const { unit, marks } = norms();
    const colours = [inks(host).query, inks(host).key, ...LINES];
    const series = models.map(({ name }, m) => ({ name, values: data[m][field].map((values) => values[column]), colour: colours[m % colours.length], dash: [[], [8, 4], [2, 3]][m % 3], thick: m === current }));
    const text = big ? 17 : 12;
    chartName.replaceChildren("By part ", element("span", { class: "soft" }, `${KINDS_OF_STREAM[field]} ${where(column)}${log ? ", logarithmic" : ""}`));
    chart.setAttribute("aria-label", `${KINDS_OF_STREAM[field]} by part: ${series.map(({ name, values }) => `${name} ${figures(values[0])} to ${figures(values.at(-1))}`).join("; ")}`);
    lineChart(chart, host, { names: models[longest].parts.map((part) => part.replace("embedding", "emb")), series, unit, marks, at: row, width: clamp(host.clientWidth - 16, 260, big ? 1200 : 860), text, tall: text * 11 });
  }

  function drawTable(column) {
    const fields = FIELDS.slice(0, answered ? 4 : 3);
    const line = (tag, cells) => element("tr", {}, ...cells.map((cell) => element(tag, tag === "th" ? { scope: "col" } : {}, cell)));
    const body = ({ name, parts }, m) => element("table", {}, element("caption", {}, [name, where(column)].filter(Boolean).join(", ")),
      element("thead", {}, line("th", ["part", ...fields.map((field) => KINDS_OF_STREAM[field])])),
      element("tbody", {}, ...parts.map((part, row) => line("td", [part, ...fields.map((field) => (Number.isNaN(data[m][field][row][column]) ? "–" : figures(data[m][field][row][column])))]))));
    table.replaceChildren(...models.map(body));
  }

  // ---- choosing
  function set(found, quiet = false) {
    lock = found;
    peek = null;
    draw();
    if (!quiet) link.send?.("selected", [lock[0], lock[1] - 1]);
  }
  onEscape(box, () => set(opened));

  const forget = followTheme(host, layout);
  const unfit = fitted(host, layout);
  return {
    select: ([row, position]) => set([row, position + 1], true),
    leave: () => {
      forget();
      unfit();
      return { lock, kind, log };
    },
  };
}

export default live(mount);
