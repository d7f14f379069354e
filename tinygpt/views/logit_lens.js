// The logit lens: what the head would say at every depth and position, and how some tokens rise and fall.
import { CELL_STYLE, cellGrid, colourBar, fitted } from "./cells.js";
import { lineChart } from "./chart.js";
import { CHOICE_STYLE, choice } from "./choice.js";
import { LINES, cividis, clamp, element, followTheme, format, halves, inks, live, onEscape, shell, toggle } from "./host.js";

// `count` whole numbers from `start` of an array stored as all its lowest bytes, then the next ones.
export function wholes(bytes, width, start, count) {
  const size = bytes.length / width;
  return Uint32Array.from({ length: count }, (_, i) =>
    Array.from({ length: width }, (_, byte) => bytes[byte * size + start + i] * 256 ** byte).reduce((a, b) => a + b));
}

// The payload's arrays, by name: ranks, odds and top are lists of one array per token or place, each depth by depth.
export function readings({ rows, tokens, followed, top, data }) {
  const cells = rows.length * tokens.length;
  const [lines, fractions] = [1 + followed.length, 1 + followed.length + 2 + top];
  const [from, to] = [4 * lines * cells, 4 * lines * cells + 2 * fractions * cells];
  const list = (count, get) => Array.from({ length: count }, (_, i) => get(i));
  const fraction = (i) => halves(data.subarray(from, to), i * cells, cells);
  return {
    ranks: list(lines, (i) => wholes(data.subarray(0, from), 4, i * cells, cells)),
    odds: list(lines, fraction),
    entropy: fraction(lines),
    kl: fraction(lines + 1),
    topOdds: list(top, (i) => fraction(lines + 2 + i)),
    top: list(top, (i) => wholes(data.subarray(to), 3, i * cells, cells)),
  };
}

// A probability as a reader wants it, however small.
export const percentage = (value) => (value > 0 && value < 0.0005 ? "<0.001" : format(value));

// Marks 0, 1, 3, 10, 30 … up to the largest rank.
export function rankMarks(most) {
  const marks = [0];
  for (let mark = 1; mark <= most; mark = String(mark)[0] === "1" ? mark * 3 : (mark / 3) * 10) marks.push(mark);
  return marks;
}

// Every statistic: its name, its cells' words, their brightness from 0 to 1, and the marks of the colour bar.
function statistics(read, names) {
  const largest = (values) => values.reduce((a, b) => Math.max(a, b), 1e-6);
  const most = Math.max(1, largest(read.ranks[0]));
  const rankUnit = (rank) => 1 - Math.log1p(rank) / Math.log1p(most);
  const odds = { unit: Math.sqrt, marks: [0, 0.05, 0.25, 0.5, 1].map((p) => [Math.sqrt(p), String(p)]) };
  const falling = (values) => {
    const top = largest(values);
    return { unit: (value) => 1 - value / top, marks: [0, 0.5, 1].map((x) => [x, format(top * (1 - x), 1)]) };
  };
  return {
    rank: { title: "rank of the right token (0: first)", values: read.ranks[0], words: String, unit: rankUnit, most,
      marks: rankMarks(most).filter((m) => m < 2 || rankUnit(m) < 0.75).filter((m, i, all) => all.length < 6 || i % 2 === 0).map((m) => [rankUnit(m), String(m)]) },
    probability: { title: "probability of the right token", values: read.odds[0], words: (p) => format(p, 2), ...odds },
    entropy: { title: "entropy (nats)", values: read.entropy, words: (h) => format(h, 2), ...falling(read.entropy) },
    top: { title: "probability of the first choice", values: read.topOdds[0], words: (p, cell) => names[read.top[0][cell]], cut: true, ...odds },
    kl: { title: "KL to the final answer (nats)", values: read.kl, words: (d) => format(d, 2), ...falling(read.kl) },
  };
}

const LENS_STYLE = CELL_STYLE + CHOICE_STYLE + `
.cols{display:flex;flex-wrap:wrap;gap:10px 34px;align-items:flex-start;margin-top:.5em}
h3{font-size:1em;font-weight:650;margin:0 .6em .4em 0;display:inline-block}
h3 span{font-weight:400}
.next{display:grid;grid-template-columns:max-content 9em 4em;gap:.15em .6em;align-items:center}
.next .mono{white-space:pre;max-width:12em;overflow:hidden;text-overflow:ellipsis}
.track{height:1em;background:var(--masked)}
.track i{display:block;height:100%;background:var(--query)}
.next output{font-variant-numeric:tabular-nums;text-align:right}
`;

const KINDS = { rank: "rank", probability: "probability", entropy: "entropy", top: "first choice", kl: "KL to final" };
const REASONS = { next: "the next token", given: "the answer", own: "the model's own choice" };
const COLOURS_OF_LENS = cividis();

export function mount(host, view, link, kept = {}) {
  const { rows, tokens, names, right, why, followed } = view;
  const T = tokens.length;
  const read = readings(view);
  const kinds = statistics(read, names);
  const box = shell(host, `Logit lens: ${rows.length} depths, ${T} tokens`, LENS_STYLE);
  let kind = kept.kind ?? view.statistic;
  let measure = kind === "probability" ? "probability" : "rank";
  let lock = kept.lock ?? view.selected;
  let peek = null;
  let big = false;
  const opened = view.selected;

  // ---- parts
  const legend = element("canvas", { role: "img" });
  const table = element("div", { tabindex: "0", role: "group", "aria-label": "Table", class: "scroll" });
  table.hidden = true;
  const tableButton = toggle("Table", (on) => { table.hidden = !on; draw(); });
  const bigButton = toggle("Large text", (on) => { big = on; host.toggleAttribute("data-big", on); layout(); });
  const bar = element("div", { class: "bar" }, element("h2", {}, "Logit lens"),
    choice("What the cells show", KINDS, kind, (key) => { kind = key; layout(); }),
    element("span", { class: "ends" }, legend, tableButton, bigButton));
  const grid = cellGrid(host, "Depth down, position across. Arrow keys move, Escape goes back.", {
    peek: (found) => { peek = found; draw(); },
    lock: (found) => set(found),
  });
  const say = element("div", { class: "say", "aria-live": "polite" });
  const heading = element("h3");
  const next = element("div", { class: "next" });
  const places = Array.from({ length: view.top }, () => {
    const parts = { name: element("span", { class: "mono" }), fill: element("i"), number: element("output") };
    next.append(parts.name, element("span", { class: "track" }, parts.fill), parts.number);
    return parts;
  });
  const chart = element("canvas", { role: "img" });
  const chartName = element("h3");
  const chartKind = choice("What the lines show", { rank: "rank", probability: "probability" }, measure, (key) => { measure = key; draw(); });
  box.append(bar, grid.node, say, element("div", { class: "cols" },
    element("div", {}, heading, next),
    element("div", {}, chartName, chartKind, chart)), table);

  // ---- drawing
  const shade = (unit) => COLOURS_OF_LENS[Math.round(255 * clamp(unit, 0, 1))];
  function layout() {
    const { title, values, words, unit, marks, cut } = kinds[kind];
    const paint = (row, column) => {
      const cell = row * T + column;
      return { colour: shade(unit(values[cell])), text: words(values[cell], cell), cut };
    };
    grid.at(lock);
    grid.show({ rows, columns: tokens, paint, letters: cut ? 5 : 0 }, host.clientWidth - 16, big);
    colourBar(legend, host, { colourAt: shade, marks, title, big });
    draw();
  }

  function draw() {
    const at = peek ?? lock;
    grid.draw(at);
    grid.at(lock);
    drawNext(at);
    drawChart(at);
    say.textContent = sentence(at);
    if (!table.hidden) drawTable(at[1]);
  }

  const quote = (number) => `“${names[number]}”`;
  const depth = (row) => (row ? `after ${rows[row]}` : "in the embedding");
  const above = (column) => `${column} “${tokens[column]}”`;
  function sentence([row, column]) {
    const cell = row * T + column;
    const rank = read.ranks[0][cell];
    return `${depth(row)}, at ${above(column)}: ${quote(right[column])} (${REASONS[why[column]]}) has rank ${rank}, probability ${percentage(read.odds[0][cell])}; `
      + `first choice ${quote(read.top[0][cell])} ${percentage(read.topOdds[0][cell])}; entropy ${format(read.entropy[cell], 2)} nats, KL to final ${format(read.kl[cell], 2)} nats`;
  }

  function drawNext([row, column]) {
    const cell = row * T + column;
    heading.replaceChildren("Top tokens ", element("span", { class: "soft" }, `${depth(row)}, at ${above(column)}`));
    places.forEach(({ name, fill, number }, i) => {
      const [token, odds] = [read.top[i][cell], read.topOdds[i][cell]];
      name.textContent = names[token] + (token === right[column] ? " ✓" : "");
      fill.style.width = `${100 * odds}%`;
      number.textContent = percentage(odds);
    });
  }

  // The lines at a position: the right token, then those that are followed everywhere.
  function lines(column) {
    const source = measure === "rank" ? read.ranks : read.odds;
    const path = (i) => rows.map((_, row) => source[i][row * T + column]);
    const others = followed.map((token, i) => ({ token, i })).filter(({ token }) => token !== right[column]);
    return [{ name: names[right[column]] + " ✓", values: path(0), colour: inks(host).key, thick: true },
      ...others.map(({ token, i }) => ({ name: names[token], values: path(i + 1), colour: LINES[i % LINES.length], dash: i < LINES.length ? [7, 4] : [2, 3] }))];
  }

  function drawChart([row, column]) {
    const series = lines(column);
    const most = Math.max(1, ...series.flatMap(({ values }) => values));
    const text = big ? 17 : 12;
    const scale = measure === "rank"
      ? { unit: (rank) => 1 - Math.log1p(rank) / Math.log1p(most), marks: rankMarks(most).map((m) => [m, String(m)]) }
      : { unit: (odds) => odds, marks: [0, 0.25, 0.5, 0.75, 1].map((p) => [p, String(p)]) };
    const room = host.clientWidth - (big ? 470 : 330);
    const width = room < 300 ? clamp(host.clientWidth - 16, 240, 560) : Math.min(room, big ? 760 : 620);
    lineChart(chart, host, { names: rows.map((name) => name.replace("embedding", "emb")), series, ...scale, at: row, width, text, tall: text * 12 });
    chartName.replaceChildren("By depth ", element("span", { class: "soft" }, `at ${above(column)}`));
    chart.setAttribute("aria-label", `${measure} by depth: ${series.map(({ name, values }) => `${name} ${format(values[0])} to ${format(values.at(-1))}`).join("; ")}`);
  }

  function drawTable(column) {
    const others = followed.map((token, i) => [token, i + 1]);
    const line = (tag, cells) => element("tr", {}, ...cells.map((cell) => element(tag, tag === "th" ? { scope: "col" } : {}, String(cell))));
    const both = (i, cell) => [read.ranks[i][cell], percentage(read.odds[i][cell])];
    const row = (name, r) => {
      const cell = r * T + column;
      return line("td", [name, names[read.top[0][cell]], ...both(0, cell), format(read.entropy[cell]), format(read.kl[cell]), ...others.flatMap(([, i]) => both(i, cell))]);
    };
    const columns = ["depth", "first choice", "rank", "probability", "entropy (nats)", "KL to final (nats)", ...others.flatMap(([token]) => [`rank of ${quote(token)}`, "probability"])];
    table.replaceChildren(element("table", {},
      element("caption", {}, `At ${above(column)}; right is ${quote(right[column])}, ${REASONS[why[column]]}`),
      element("thead", {}, line("th", columns)), element("tbody", {}, ...rows.map(row))));
  }

  // ---- choosing
  function set(found, quiet = false) {
    lock = found;
    peek = null;
    draw();
    if (!quiet) link.send?.("selected", lock);
  }
  onEscape(box, () => set(opened));

  const forget = followTheme(host, layout);
  const unfit = fitted(host, layout);
  return {
    select: (found) => set(found, true),
    leave: () => {
      forget();
      unfit();
      return { kind, lock };
    },
  };
}

export default live(mount);
