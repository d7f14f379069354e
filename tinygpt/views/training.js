// Training as it goes: the loss with its ruler, other curves, samples of what was learnt so far, a stop that keeps it.
import { fitted } from "./cells.js";
import { choice } from "./choice.js";
import { FRAME_STYLE, framed, tableOf } from "./frame.js";
import { ARROWS, clamp, element, followTheme, format, inks, LINES, live, onEscape, rest, rests, shell } from "./host.js";
import { plane } from "./plane.js";

const SILENT = 15000;

// The number of the last x that is no larger; the first where all are.
export function lastUpTo(xs, x) {
  let found = 0;
  xs.forEach((value, i) => { if (value <= x) found = i; });
  return found;
}

// The curves that share an axis with `kind`: the loss as it was and smoothed, and measurements of a loss.
export function curvesOf({ curves }, kind) {
  const loss = ([name]) => /loss/.test(name);
  if (kind === "loss") return Object.entries(curves).filter(loss);
  return Object.entries(curves).filter(([name]) => name === kind);
}

// A gap is null in JSON.
const number = (values) => values?.map((value) => value ?? NaN);
export const readState = (state) => ({ ...state, curves: Object.fromEntries(Object.entries(state.curves).map(([name, [xs, ys, smoothed]]) => [name, [xs, number(ys), number(smoothed)]])) });

const TRAINING_STYLE = FRAME_STYLE + `
.state{font-variant-numeric:tabular-nums}
.cols>.samples{flex:1 1 20em}
.samples ol{list-style:none;margin:0;padding:3px;max-height:19em;overflow-y:auto;position:relative}
.samples li{border-left:4px solid transparent;padding:.15em .6em;white-space:pre-wrap;overflow-wrap:anywhere}
.samples li.on{border-color:var(--key);background:var(--masked)}
.samples li b{font-weight:400;color:var(--soft);margin-right:.7em;font-variant-numeric:tabular-nums}
button.main{font-weight:650}
.chart{cursor:crosshair}
`;

export function mount(host, view, link, kept = {}) {
  let state = readState(view);
  const box = shell(host, "Training", TRAINING_STYLE);
  const able = Boolean(link.ask);
  let kind = kept.kind ?? "loss";
  // The step in hand; null follows the run.
  let lock = kept.lock ?? null;
  let peek = null;
  let scale = null;
  let asked = "";
  let silence;

  // ---- parts
  const button = element("button", { type: "button", class: "main" });
  button.hidden = !able;
  const curves = element("span");
  const told = element("span", { class: "state" });
  const frame = framed(host, "Training", { controls: [button, curves, told], layout: () => draw(), tabulate });
  const chart = element("canvas", { class: "chart", tabindex: "0", role: "application" });
  const list = element("ol", { tabindex: "0", "aria-label": "Samples, newest first" });
  const samples = element("div", { class: "samples" }, element("h3", {}, "Samples as it learns"), list);
  box.append(frame.bar, element("div", { class: "cols" }, element("div", {}, chart), samples), frame.say, frame.table);

  // ---- drawing
  const steps = () => curvesOf(state, kind)[0]?.[1][0] ?? [];
  function draw() {
    told.textContent = state.headline;
    button.textContent = state.status === "running" ? "■ Stop" : "▶ Resume";
    rest(button, (state.status !== "running" && state.over) || asked === state.status);
    const names = ["loss", ...Object.keys(state.curves).filter((name) => !/loss/.test(name))];
    if (curves.dataset.names !== names.join()) {
      curves.dataset.names = names.join();
      curves.replaceChildren(choice("Which curve", Object.fromEntries(names.map((name) => [name, name])), kind, (key) => { kind = key; draw(); }));
    }
    drawChart();
    drawSamples();
    frame.say.textContent = sentence();
    frame.refresh();
  }

  function drawChart() {
    const ink = inks(host);
    const text = frame.big() ? 17 : 12;
    const colours = [ink.query, ...LINES];
    const shown = curvesOf(state, kind);
    const series = shown.flatMap(([name, [xs, ys, smoothed]], i) => [
      ...(smoothed ? [{ name: "", xs, ys, colour: ink.soft, width: 1, alpha: 0.45 }] : []),
      { name, xs, ys: smoothed ?? ys, colour: colours[i % colours.length], width: 2.5, dash: [[], [8, 4], [2, 3]][i % 3], dots: !smoothed && xs.length < 40 }]);
    const room = clamp(host.clientWidth - 16, 240, frame.big() ? 900 : 640);
    const at = peek ?? lock;
    const first = series.findIndex(({ name, xs }) => name && xs.length);
    scale = plane(chart, host, {
      series, rulers: kind === "loss" ? Object.entries(state.ruler) : [], width: room, tall: text * 16, text,
      x: { label: "step", range: [0, Math.max(state.total, state.done, 1)] }, y: { label: kind === "loss" ? "loss (nats)" : kind },
      at: at === null || first < 0 ? null : [first, lastUpTo(series[first].xs, at)] });
    const ends = shown.map(([name, [, ys, smoothed]]) => `${name} ${format((smoothed ?? ys).at(-1) ?? NaN)}`);
    const compared = kind === "loss" ? Object.entries(state.ruler).map(([name, nats]) => `${name} ${format(nats, 2)}`) : [];
    chart.setAttribute("aria-label", `${kind} by step, now ${[...ends, ...compared].join(", ")}. Arrow keys move through the steps, Escape follows the run.`);
  }

  function drawSamples() {
    samples.hidden = !state.samples.length;
    const at = peek ?? lock ?? Infinity;
    const on = lastUpTo(state.samples.map(([step]) => step), at);
    list.replaceChildren(...state.samples.map(([step, text], i) => element("li", i === on ? { class: "on" } : {}, element("b", {}, `step ${step}`), text)).reverse());
    // Within the list only: the page stays where it is.
    const node = list.querySelector(".on");
    if (node) list.scrollTop = clamp(list.scrollTop, node.offsetTop + node.offsetHeight - list.clientHeight, node.offsetTop);
  }

  function sentence() {
    if (state.error) return state.error;
    const at = peek ?? lock;
    const parts = Object.entries(state.curves).filter(([, [xs]]) => xs.length).map(([name, [xs, ys, smoothed]]) => {
      const i = at === null ? xs.length - 1 : lastUpTo(xs, at);
      return `${name} ${format((smoothed ?? ys)[i] ?? NaN)}${smoothed ? " (smoothed)" : ""}`;
    });
    const where = at === null ? `Step ${state.done} of ${state.total}` : `Step ${steps()[lastUpTo(steps(), at)] ?? 0}`;
    const recorded = able ? "" : state.status === "running" ? ". Recorded while it ran; run the cell to go on" : ". Recorded when the cell ran";
    return `${where}: ${parts.join(", ") || "no step yet"}${recorded}`;
  }

  function tabulate() {
    const rows = Object.entries(state.curves).flatMap(([name, [xs, ys]]) => {
      const every = Math.max(1, Math.ceil(xs.length / 12));
      return xs.flatMap((x, i) => (i % every === 0 || i === xs.length - 1 ? [[name, x, format(ys[i] ?? NaN)]] : []));
    });
    return [tableOf("Ruler", ["compared with", "nats"], Object.entries(state.ruler).map(([name, nats]) => [name, format(nats)])),
      tableOf("Curves", ["curve", "step", "value"], rows)];
  }

  // ---- choosing
  const stepAt = (event) => {
    const edge = chart.getBoundingClientRect();
    const x = event.clientX - edge.left;
    const xs = steps();
    return xs.length ? xs.reduce((best, value) => (Math.abs(scale.toX(value) - x) < Math.abs(scale.toX(best) - x) ? value : best)) : null;
  };
  const look = (step) => {
    if (step === peek) return;
    peek = step;
    drawChart();
    drawSamples();
    frame.say.textContent = sentence();
  };
  chart.onpointermove = (event) => look(stepAt(event));
  chart.onpointerleave = () => look(null);
  const set = (step) => {
    lock = step;
    peek = null;
    draw();
  };
  chart.onclick = (event) => set(stepAt(event));
  chart.onkeydown = (event) => {
    const xs = steps();
    const ends = { Home: 0, End: xs.length - 1 };
    const [down, right] = ARROWS[event.key] ?? [0, 0];
    if (!xs.length || !(event.key in ARROWS || event.key in ends)) return;
    event.preventDefault();
    event.stopPropagation();
    const now = lastUpTo(xs, lock ?? Infinity);
    set(xs[ends[event.key] ?? clamp(now + right + 10 * down, 0, xs.length - 1)]);
  };
  onEscape(box, () => set(null));
  button.onclick = () => {
    if (rests(button)) return;
    asked = state.status;
    draw();
    link.ask({ press: state.status === "running" ? "stop" : "resume" });
  };

  // What the kernel says; each message holds the whole state, so none can be missed for good.
  function answer(message) {
    if (message.status !== state.status) asked = "";
    state = readState(message);
    draw();
    clearTimeout(silence);
    if (state.status === "running") silence = setTimeout(() => { frame.say.textContent = "No news for 15 s: a long step, or the kernel is gone."; }, SILENT);
  }

  const forget = followTheme(host, draw);
  const unfit = fitted(host, draw);
  link.ask?.({ now: true });
  return {
    answer,
    leave: () => {
      forget();
      unfit();
      clearTimeout(silence);
      return { kind, lock };
    },
  };
}

export default live(mount);
