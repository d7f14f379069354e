// Scaling laws: a budget to drag, the best size and loss that it buys, the bill; runs, frontier, IsoFLOP curves.
import { fitted } from "./cells.js";
import { choice } from "./choice.js";
import { FRAME_STYLE, framed, tableOf } from "./frame.js";
import { axisOf, billOf, inEnergy, inFlops, inMoney, inTime, lawLoss, lawLowest, lawOptimal, middleOf, prefixed, rounded } from "./laws.js";
import { ARROWS, cividis, clamp, element, followTheme, format, inks, live, onEscape, shell } from "./host.js";
import { nearestPoint, plane } from "./plane.js";

const RAMP = cividis();
const SAMPLES = 60;
// How far the curves of a budget go to either side of their lowest point.
const APART = 12;
// More sizes than this have no names in the picture.
const NAMED = 9;

const geometric = (low, high, count) => Array.from({ length: count }, (_, i) => low * (high / low) ** (i / (count - 1)));

// Name, least and most of N, D and loss at a budget; the ends are those of the draws.
export function predicted({ law, draws, per, level }, C) {
  const [N, D] = lawOptimal(law, C, per.flops);
  const best = draws.map((draw) => lawOptimal(draw, C, per.flops));
  return { N, D, loss: lawLoss(law, N, D), spans: {
    N: middleOf(best.map(([n]) => n), level), D: middleOf(best.map(([, d]) => d), level),
    loss: middleOf(draws.map((draw, i) => lawLoss(draw, ...best[i])), level) } };
}

// The lowest loss of each budget, and its band.
export function frontierOf({ law, draws, per, level }, budgets) {
  const lowest = (one) => budgets.map((C) => lawLowest(one, C, per.flops));
  const drawn = draws.map(lowest);
  return { xs: budgets, ys: lowest(law), band: draws.length ? budgets.map((_, i) => middleOf(drawn.map((ys) => ys[i]), level)) : null };
}

// A parabola of log10 N, where its runs are.
export const parabolaAt = ([square, slope, height], N) => (square * Math.log10(N) + slope) * Math.log10(N) + height;

const groupsOf = (points, key) => [...new Set(points.map((point) => point[key]))].map((value) => points.filter((point) => point[key] === value));
export const pointsOf = ({ points, per }) => points.map(([N, D, loss, least, most, runs, profile]) => ({ N, D, C: per.flops * N * D, loss, least, most, runs, profile }));

const SCALING_STYLE = FRAME_STYLE + `
.drag{display:flex;flex-wrap:wrap;gap:.2em 1em;align-items:center;margin:.2em 0 .4em}
.drag input{flex:1 1 16em;min-width:0;accent-color:var(--key);margin:0}
dl{display:flex;flex-wrap:wrap;gap:.3em 1.8em;margin:.3em 0 .6em}
dl div{min-width:0}
dt{color:var(--soft);font-size:.86em}
dd{margin:0;font-weight:650;font-variant-numeric:tabular-nums}
dd span{font-weight:400;color:var(--soft)}
.chart{cursor:crosshair;touch-action:pan-y}
.note{margin:.2em 0;width:0;min-width:100%}
td{white-space:nowrap}
`;

export function mount(host, view, link, kept = {}) {
  const points = pointsOf(view);
  const [floor] = view.law;
  const [low, high] = view.range;
  const opened = view.selected[0];
  const whole = frontierOf(view, geometric(low, high, SAMPLES));
  let { lock = opened, axes = "log", above = "loss", chip = view.paid.chip } = kept;
  let peek = null;
  let shown = [];
  let scale;

  // ---- parts
  const box = shell(host, "Scaling laws: a budget, its best size, its loss and its bill", SCALING_STYLE);
  const frame = framed(host, "Scaling", {
    controls: [choice("Axes", { log: "log axes", linear: "linear axes" }, axes, (key) => { axes = key; draw(); }),
      choice("Height", { loss: "loss", above: "loss above E" }, above, (key) => { above = key; draw(); }),
      choice("Chip", Object.fromEntries(Object.keys(view.chips).map((name) => [name, name])), chip, (key) => { chip = key; tell(); })],
    layout: () => draw(), tabulate });
  const slider = element("input", { type: "range", min: Math.log10(low), max: Math.log10(high), step: "0.01", "aria-label": "Budget in FLOPs, on a logarithmic scale" });
  const where = element("output", { class: "mono" });
  const facts = element("dl");
  const left = element("canvas", { class: "chart", tabindex: "0", role: "application" });
  const right = element("canvas", { role: "img" });
  const note = element("p", { class: "note soft" });
  box.append(frame.bar, element("div", { class: "drag" }, element("span", {}, "Budget"), slider, where), facts,
    element("div", { class: "cols" }, element("div", {}, element("h3", {}, "What a budget buys"), left, note),
      element("div", {}, element("h3", {}, "One budget, many sizes ", element("span", { class: "soft" }, "line: law, dashed: parabola")), right)),
    frame.say, frame.table);

  // ---- words
  const band = (span, write) => (span ? ` (${write(span[0])} to ${write(span[1])})` : "");
  function tell() {
    const found = predicted(view, lock);
    const paid = billOf(found.N, found.D, view.chips[chip], view.paid, view.per);
    const { utilisation, dollars_per_hour: price } = view.paid;
    const rows = [["best size N", prefixed(found.N), band(found.spans.N, prefixed)], ["best data D, tokens", prefixed(found.D), band(found.spans.D, prefixed)],
      ["tokens per parameter", (found.D / found.N).toPrecision(3), ""], ["loss, nats per token", format(found.loss), band(found.spans.loss, format)],
      [`time on ${paid.chips} × ${chip}`, inTime(paid.seconds), ` at ${Math.round(100 * utilisation)} % of peak`], ["energy", inEnergy(paid.joules), ""],
      ["money", inMoney(paid.dollars), ` at $${price} an hour`]];
    facts.replaceChildren(...rows.map(([name, value, more]) => element("div", {}, element("dt", {}, name), element("dd", {}, value, element("span", {}, more)))));
    slider.value = Math.log10(lock);
    where.textContent = `${inFlops(lock)} FLOPs`;
    slider.setAttribute("aria-valuetext", where.textContent);
    frame.say.textContent = peek ? described(peek) : `${where.textContent}: ${rows.slice(0, 2).map(([name, value]) => `${name} ${value}`).join(", ")}, loss ${format(found.loss)}${band(found.spans.loss, format)}; ${inTime(paid.seconds)} on ${paid.chips} × ${chip}`;
  }
  const described = ({ N, D, C, loss, least, most, runs }) => `${runs} ${runs > 1 ? "runs" : "run"} of N ${prefixed(N)}, D ${prefixed(D)}, ${inFlops(C)} FLOPs: loss ${format(loss)}${runs > 1 ? ` (${format(least)} to ${format(most)})` : ""}; the law says ${format(lawLoss(view.law, N, D))}`;

  // ---- drawing
  const lift = (loss) => (above === "loss" ? loss : loss - floor);
  const lifted = (line) => ({ ...line, ys: line.ys.map(lift), spans: line.spans?.map((span) => span.map(lift)), band: line.band?.map((span) => span.map(lift)) });
  // Neither end of the scale can be seen on both papers.
  const tint = (share) => `rgb(${RAMP[Math.round(255 * (host.hasAttribute("data-dark") ? 0.3 + 0.7 * share : 0.85 * share))]})`;
  const dotted = (group) => ({ ys: group.map(({ loss }) => loss), spans: group.map(({ least, most }) => [least, most]), dots: true });
  const mark = (x, loss) => ({ name: "", xs: [x], ys: [loss], colour: inks(host).key, dots: true, shape: 0 });
  const heightAxis = (lines, text) => {
    const values = lines.flatMap(({ ys, spans = [], band: ends = [] }) => [...ys, ...spans.flat(), ...(ends ?? []).flat()]).filter((value) => value > 0);
    const [least, most] = [Math.min(...values), Math.max(...values)];
    const room = axes === "log" ? [least / (most / least) ** 0.05, most * (most / least) ** 0.05] : [above === "loss" ? least - 0.06 * (most - least) : 0, most + 0.06 * (most - least)];
    return axisOf(above === "loss" ? "loss (nats per token)" : "loss above E (nats per token)", room, axes === "log", text > 14 ? 5 : 6);
  };

  function draw() {
    tell();
    drawCharts();
    frame.refresh();
  }

  function drawCharts() {
    const text = frame.big() ? 17 : 12;
    const room = host.clientWidth - 16;
    const width = room > (frame.big() ? 1150 : 800) ? clamp((room - 32) / 2, 240, 700) : Math.max(room, 240);
    drawLeft(width, text);
    drawRight(width, text);
    note.textContent = axes === "linear" && above === "loss" ? "On linear axes it looks like a wall: each further step down costs many times the budget. It is the same law." : "";
  }

  function drawLeft(width, text) {
    const most = axes === "log" ? high : 1.05 * Math.max(lock, ...points.map(({ C }) => C));
    const sizes = groupsOf(points, "N").sort((a, b) => a[0].N - b[0].N);
    shown = sizes.map((group) => group.sort((a, b) => a.C - b.C));
    const frontier = most === high ? whole : frontierOf(view, geometric(low, most, SAMPLES));
    const lines = [...shown.map((group, i) => ({ name: sizes.length > NAMED ? "" : `N ${prefixed(group[0].N)}`, xs: group.map(({ C }) => C), ...dotted(group), colour: tint(sizes.length > 1 ? i / (sizes.length - 1) : 0.5), shape: i, width: 1, alpha: 0.6 })),
      { name: "frontier", ...frontier, colour: inks(host).query, width: 2.6 },
      mark(lock, lawLowest(view.law, lock, view.per.flops))].map(lifted);
    const rulers = view.entropy === null || lift(view.entropy) <= 0 ? [] : [["entropy", lift(view.entropy)]];
    const heights = [...lines, ...(axes === "log" && above === "above" ? [] : [{ ys: rulers.map(([, value]) => value) }])];
    scale = plane(left, host, { series: lines, rulers: rulers.filter(([, value]) => value >= 0), width, tall: text * 20, text, at: [lines.length - 1, 0],
      x: axisOf("FLOPs", axes === "log" ? [low, high] : [0, most], axes === "log", clamp(width / text / 8, 2, 7)), y: heightAxis(heights, text) });
    left.setAttribute("aria-label", `Loss against FLOPs: runs of ${sizes.length} sizes, the frontier${frontier.band ? " with its band" : ""}${rulers.length ? ", the entropy" : ""}; ${axes} axes. Arrow keys go from run to run. The slider moves the budget.`);
  }

  function drawRight(width, text) {
    const budgets = groupsOf(points, "profile");
    const [first, last] = [low, Math.max(lock, ...points.map(({ C }) => C))].map((C) => lawOptimal(view.law, C, view.per.flops)[0]);
    const span = [Math.min(first, ...points.map(({ N }) => N)) / 1.5, Math.max(last * 3, ...points.map(({ N }) => N * 1.5))];
    const curve = (C) => {
      const best = lawOptimal(view.law, C, view.per.flops)[0];
      const xs = geometric(Math.max(span[0], best / APART), Math.min(span[1], best * APART), SAMPLES);
      return { xs, ys: xs.map((N) => lawLoss(view.law, N, C / view.per.flops / N)) };
    };
    const colours = budgets.map((_, i) => tint(budgets.length > 1 ? i / (budgets.length - 1) : 0.5));
    const lines = budgets.flatMap((group, i) => [{ name: inFlops(group[0].C), ...curve(group[0].C), colour: colours[i], width: 1.6 },
      { name: "", xs: group.map(({ N }) => N), ...dotted(group), colour: colours[i], shape: i, alpha: 0 }]);
    const bowls = view.profiles.map(([C, best, loss, ...parabola]) => {
      const group = budgets.find(([{ C: other }]) => Math.abs(Math.log(other / C)) < 0.01);
      const Ns = group.map(({ N }) => N);
      const xs = geometric(Math.min(...Ns), Math.max(...Ns), 30);
      return { name: "", xs, ys: xs.map((N) => parabolaAt(parabola, N)), colour: colours[budgets.indexOf(group)], dash: [4, 4], width: 1.6, lowest: [best, loss] };
    });
    const stars = bowls.map(({ lowest: [N, loss] }) => ({ ...mark(N, loss), colour: inks(host).ink, shape: 3 }));
    const best = predicted({ ...view, draws: [] }, lock);
    const all = [...lines, ...bowls, ...stars, { name: "yours", ...curve(lock), colour: inks(host).query, width: 2.8 }, mark(best.N, best.loss)].map(lifted);
    plane(right, host, { series: all, width, tall: text * 20, text, at: [all.length - 1, 0],
      x: axisOf("parameters N", span, true, clamp(width / text / 8, 2, 7), rounded), y: heightAxis(all, text) });
    right.setAttribute("aria-label", `Loss against parameters for ${budgets.length} budgets and yours, whose lowest point is at N ${prefixed(best.N)}.`);
  }

  function tabulate() {
    const rows = points.map(({ N, D, C, loss, least, most, runs }) => [prefixed(N), prefixed(D), inFlops(C), runs, format(loss), `${format(least)} to ${format(most)}`, format(lawLoss(view.law, N, D))]);
    const lowest = view.profiles.map(([C, N, loss]) => [inFlops(C), prefixed(N), format(loss), prefixed(lawOptimal(view.law, C, view.per.flops)[0]), format(lawLowest(view.law, C, view.per.flops))]);
    return [tableOf("Runs", ["N", "D", "FLOPs", "runs", "mean loss", "least to largest", "law"], rows),
      tableOf("Best size of each budget", ["FLOPs", "N by parabola", "its loss", "N by law", "its loss"], lowest)];
  }

  // ---- choosing
  function set(C, quiet = false) {
    lock = clamp(C, low, high);
    peek = null;
    tell();
    drawCharts();
    if (!quiet) link.send?.("selected", [lock]);
  }
  slider.oninput = () => set(10 ** Number(slider.value));
  const budgetAt = (event) => scale.fromX(event.clientX - left.getBoundingClientRect().left);
  const pointAt = (event) => {
    const edge = left.getBoundingClientRect();
    const series = shown.map((group) => ({ xs: group.map(({ C }) => C), ys: group.map(({ loss }) => lift(loss)) }));
    const found = nearestPoint(series, scale, event.clientX - edge.left, event.clientY - edge.top, 14);
    return found && shown[found[0]][found[1]];
  };
  left.onpointerdown = left.onpointermove = (event) => {
    if (event.buttons === 1) return set(budgetAt(event));
    const found = pointAt(event);
    if (found === peek) return;
    peek = found;
    tell();
  };
  left.onpointerleave = left.onblur = () => { peek = null; tell(); };
  left.onkeydown = (event) => {
    const step = ARROWS[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const runs = shown.flat();
    peek = runs[clamp(runs.indexOf(peek) + step[0] + step[1], 0, runs.length - 1)];
    tell();
  };
  onEscape(box, () => set(opened));

  const forget = followTheme(host, draw);
  const unfit = fitted(host, draw);
  return {
    select: ([C]) => set(C, true),
    leave: () => {
      forget();
      unfit();
      return { lock, axes, above, chip };
    },
  };
}

export default live(mount);
