// Rollouts: groups of answers to a prompt with their rewards, each token in the colour of its advantage.
import { colourBar, diverging, fitted, inkOn } from "./cells.js";
import { choice } from "./choice.js";
import { FRAME_STYLE, framed, tableOf } from "./frame.js";
import { ARROWS, cividis, clamp, element, followTheme, format, halves, live, onEscape, rest, rests, shell } from "./host.js";

export const KINDS_OF_TOKEN = { advantage: "advantage", logProb: "log-prob", ratio: "ratio" };

// Each answer's numbers by kind, token by token.
export function tokenValues({ rows, kinds, data }) {
  const total = rows.reduce((sum, { ids }) => sum + ids.length, 0);
  let start = 0;
  return rows.map(({ ids }) => {
    const own = Object.fromEntries(kinds.map((kind, k) => [kind, halves(data, k * total + start, ids.length)]));
    start += ids.length;
    return own;
  });
}

// The group's answers, by number: as they were drawn, or the best first, equal ones as drawn.
export function ordered(rows, group, size, sorted) {
  const numbers = Array.from({ length: size }, (_, i) => group * size + i);
  return sorted ? numbers.sort((a, b) => rows[b].reward - rows[a].reward || a - b) : numbers;
}

const COLOURS_OF_SURPRISE = cividis();
const between = (x, low, high) => low + x * (high - low);

// From a value to its place on the colour bar, from 0 to 1, the colour there, and the bar's marks. A ratio stands by its
// logarithm, so that halving and doubling are as far from the middle, where nothing changes.
export function tokenScale(kind, limit, dark) {
  const ends = (text) => [0, 0.5, 1].map((x) => [x, text(x)]);
  if (kind === "logProb") return { unit: (value) => clamp(1 + value / limit, 0, 1), at: (x) => COLOURS_OF_SURPRISE[Math.round(255 * x)], marks: ends((x) => format(between(x, -limit, 0), 1)) };
  const middle = (value) => 0.5 + value / limit / 2;
  const at = (x) => diverging(2 * x - 1, 1, dark);
  if (kind === "ratio") return { unit: (value) => middle(Math.log(value)), at, marks: ends((x) => format(Math.exp(between(x, -limit, limit)), 2)) };
  return { unit: middle, at, marks: ends((x) => signed(between(x, -limit, limit))) };
}

const signed = (value) => (value > 0 ? "+" : "") + format(value, 2);

const ROLLOUT_STYLE = FRAME_STYLE + `
.asked{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--masked);border-radius:5px;padding:.25em .6em;margin:.3em 0 .6em}
.answers{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.3em .9em;align-items:start;padding:3px}
.answers>div{padding:.15em .3em;border-left:4px solid transparent}
.answers>div.on{border-color:var(--key)}
.who{font-variant-numeric:tabular-nums;white-space:nowrap}
.drawn{line-height:1.75;overflow-wrap:anywhere}
.drawn span{white-space:pre-wrap;padding:.12em .1em;margin:0 1px;border-radius:3px;border-bottom:2px solid transparent;cursor:pointer;display:inline-block;min-width:.6em}
.drawn span.at{outline:3px solid var(--key);outline-offset:1px}
@media (max-width:600px){.answers{grid-template-columns:minmax(0,1fr)}}
`;

export function mount(host, view, link, kept = {}) {
  const { rows, size, prompts, names, truths, limits } = view;
  const groups = prompts.length;
  const values = tokenValues(view);
  const box = shell(host, `Rollouts: ${groups} prompts, ${size} answers each`, ROLLOUT_STYLE);
  const opened = { row: view.selected[0], token: view.selected[1] };
  let { lock = opened, kind = "advantage", sorted = false } = kept;
  let peek = null;
  let nodes = [];

  // ---- parts
  const legend = element("canvas", { role: "img" });
  const step = (by, text, label) => {
    const button = element("button", { type: "button", "aria-label": label }, text);
    button.onclick = () => rests(button) || open(group() + by);
    return button;
  };
  const [before, after] = [step(-1, "◀", "Prompt before"), step(1, "▶", "Next prompt")];
  const where = element("span", { class: "soft" });
  const order = choice("Order of answers", { drawn: "as drawn", reward: "best first" }, sorted ? "reward" : "drawn", (key) => {
    sorted = key === "reward";
    layout();
  });
  const colours = choice("Colour of tokens", Object.fromEntries(view.kinds.map((key) => [key, KINDS_OF_TOKEN[key]])), kind, (key) => {
    kind = key;
    layout();
  });
  const frame = framed(host, "Rollouts", { controls: [before, where, after, order, colours], ends: [legend], layout: () => layout(), tabulate });
  const asked = element("div", { class: "asked mono" });
  const list = element("div", { class: "answers", tabindex: "0", role: "application",
    "aria-label": "Answers. Left and right move by token, up and down by answer, Page Up and Page Down by prompt, Escape goes back." });
  const heads = element("div", { class: "soft" }, "reward, mean advantage and length of each answer, then its tokens");
  box.append(frame.bar, asked, heads, list, frame.say, frame.table);

  // ---- drawing
  const textOf = (ids) => ids.map((id) => names[id]).join("");
  const group = () => Math.floor(lock.row / size);
  const shown = () => ordered(rows, group(), size, sorted);
  function layout() {
    const g = group();
    const scale = tokenScale(kind, limits[kind], host.hasAttribute("data-dark"));
    where.textContent = `prompt ${g + 1} of ${groups}`;
    rest(before, g === 0);
    rest(after, g === groups - 1);
    asked.replaceChildren(textOf(prompts[g]),
      ...(truths ? [element("span", { class: "soft" }, `   right: ${truths[g]}`)] : []));
    nodes = [];
    list.replaceChildren(...shown().flatMap((row) => answer(row, scale)));
    colourBar(legend, host, { colourAt: scale.at, marks: scale.marks, title: KINDS_OF_TOKEN[kind], big: frame.big() });
    draw();
  }

  function answer(row, scale) {
    const { reward, ids, finished } = rows[row];
    const spans = ids.map((id, token) => {
      const colour = scale.at(clamp(scale.unit(values[row][kind][token]), 0, 1));
      const span = element("span", { style: `background:rgb(${colour});color:${inkOn(colour)}` }, names[id]);
      span.place = { row, token };
      return span;
    });
    const who = element("div", { class: "who" }, element("b", {}, format(reward, 2)), element("span", { class: "soft" },
      ` ${signed(mean(values[row].advantage))}, ${ids.length} token${ids.length > 1 ? "s" : ""}${ending(finished)}`));
    const drawn = element("div", { class: "drawn mono" }, ...spans);
    nodes[row] = { who, drawn, spans };
    return [who, drawn];
  }
  // Batches that are learnt from do not say whether an answer ended by itself.
  const ending = (finished) => (finished === false ? ", cut off" : "");
  const mean = (numbers) => (numbers.length ? numbers.reduce((a, b) => a + b, 0) / numbers.length : NaN);

  let marked = [];
  function draw() {
    const at = peek ?? lock;
    for (const node of marked) node.classList.remove("at", "on");
    const { who, spans } = nodes[at.row];
    marked = [who, ...(spans[at.token] ? [spans[at.token]] : [])];
    who.classList.add("on");
    spans[at.token]?.classList.add("at");
    frame.say.textContent = sentence(at);
    if (!peek) frame.refresh();
  }

  function sentence({ row, token }) {
    const { reward, ids, finished } = rows[row];
    const own = values[row];
    const answered = `Answer ${(row % size) + 1} of ${size}: reward ${format(reward, 2)}, mean advantage ${signed(mean(own.advantage))}, ${ids.length} tokens${ending(finished)}`;
    if (token < 0) return answered;
    const ratio = own.ratio ? `, now ${format(own.ratio[token], 2)} times as likely` : "";
    return `${answered}. Token ${token + 1} “${names[ids[token]]}”: log-prob ${format(own.logProb[token], 2)} (probability ${format(Math.exp(own.logProb[token]), 3)})${ratio}, advantage ${signed(own.advantage[token])}`;
  }

  function tabulate() {
    const { row } = lock;
    const { ids } = rows[row];
    const body = ids.map((id, i) => [i + 1, names[id], ...view.kinds.map((key) => (key === "advantage" ? signed : (v) => format(v, 2))(values[row][key][i]))]);
    return [
      tableOf(`Prompt ${group() + 1}: answers`, ["answer", "text", "reward", "mean advantage", "tokens"],
        shown().map((r) => [(r % size) + 1, textOf(rows[r].ids), format(rows[r].reward, 2), signed(mean(values[r].advantage)), rows[r].ids.length])),
      tableOf(`Answer ${(row % size) + 1}: tokens`, ["place", "token", ...view.kinds.map((key) => KINDS_OF_TOKEN[key])], body)];
  }

  // ---- choosing
  function set(found, quiet = false) {
    const moved = Math.floor(found.row / size) !== group();
    lock = found;
    peek = null;
    if (moved) layout();
    else draw();
    if (!quiet) link.send?.("selected", [lock.row, lock.token]);
  }
  // Another prompt opens on its first answer in the order shown.
  function open(g) {
    if (g < 0 || g >= groups) return;
    set({ row: ordered(rows, g, size, sorted)[0], token: -1 });
  }
  list.onpointermove = (event) => {
    const found = event.target.place ?? null;
    if (found === peek) return;
    peek = found;
    draw();
  };
  list.onpointerleave = () => {
    peek = null;
    draw();
  };
  list.onclick = (event) => event.target.place && set(event.target.place);
  list.onkeydown = (event) => {
    const pages = { PageUp: -1, PageDown: 1 }[event.key];
    const [down, right] = ARROWS[event.key] ?? [0, 0];
    if (!(pages || down || right)) return;
    event.preventDefault();
    event.stopPropagation();
    if (pages) return open(group() + pages);
    const order = shown();
    const row = order[clamp(order.indexOf(lock.row) + down, 0, size - 1)];
    set({ row, token: Math.min(clamp(lock.token + right, right ? 0 : -1, rows[lock.row].ids.length - 1), rows[row].ids.length - 1) });
    (nodes[row].spans[lock.token] ?? nodes[row].who).scrollIntoView?.({ block: "nearest" });
  };
  onEscape(box, () => set(opened));

  const forget = followTheme(host, layout);
  const unfit = fitted(host, layout);
  return {
    select: ([row, token]) => set({ row, token }, true),
    leave: () => {
      forget();
      unfit();
      return { lock, kind, sorted };
    },
  };
}

export default live(mount);
