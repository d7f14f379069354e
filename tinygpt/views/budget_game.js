// The budget game: a market of runs, a chart of what was bought, and one bet that is revealed.
import { fitted } from "./cells.js";
import { FRAME_STYLE, framed, tableOf } from "./frame.js";
import { betRefusal, creditsOf, refusalOf, seenOf, targetOf, verdictOf } from "./game.js";
import { ARROWS, cividis, clamp, element, followTheme, format, inks, live, shell } from "./host.js";
import { axisOf, inFlops, prefixed } from "./laws.js";
import { plane } from "./plane.js";

const SHADES = cividis();
// The chart stands beside the market where it can be as wide as this.
const BESIDE = 360;

const GAME_STYLE = FRAME_STYLE + `
.purse{display:inline-flex;align-items:center;gap:.6em;font-variant-numeric:tabular-nums}
.purse i{display:block;width:9em;height:.9em;background:var(--masked);border-radius:4px;overflow:hidden}
.purse u{display:block;height:100%;background:var(--query)}
.rules{max-width:60em;margin:.2em 0 .6em}
.market{margin:0}
.market th,.market td{padding:.15em .2em;text-align:left;border:0;vertical-align:top}
.market tbody th{padding-right:.6em;white-space:nowrap;font-variant-numeric:tabular-nums}
.market button{width:7.2em;min-height:4.3em;text-align:left;line-height:1.25;padding:.25em .5em;white-space:normal;vertical-align:top;font-variant-numeric:tabular-nums}
.market button[aria-disabled=true]{border-style:dashed;color:var(--soft);cursor:default}
.market button.some{border-color:var(--query);border-width:2px}
.market button span{display:block;font-size:.9em}
.bet{display:flex;flex-wrap:wrap;gap:.4em .9em;align-items:center;margin:.5em 0}
input{font:inherit;color:inherit;background:var(--paper);border:1px solid var(--line);border-radius:5px;padding:.1em .3em;width:6.2em}
.say{border-left:4px solid var(--line);background:var(--masked);padding:.3em .7em;max-width:40em}
.say.over{border-color:var(--key)}
button.main{font-weight:650}
`;

export function mount(host, view, link, kept = {}) {
  const { cells, rows, columns, level } = view;
  const box = shell(host, "Budget game: buy runs, then bet on one ten times larger", GAME_STYLE);
  const asState = ([round, bought, bet]) => ({ round, bought, bet });
  let state = kept.state ?? asState(view.selected);
  let typed = kept.typed ?? ["", "", ""];
  let floor = kept.floor ?? "0";
  let told = "";

  // ---- parts
  const purse = element("span", { class: "purse" });
  const again = element("button", { type: "button" }, "New game");
  const frame = framed(host, "Budget game", { controls: [purse, again], layout: () => draw(), tabulate });
  const rules = element("p", { class: "rules" });
  const market = element("table", { class: "market", "aria-label": "Runs for sale. Arrow keys move, Enter buys." });
  const buttons = cells.map((cell, i) => {
    const button = element("button", { type: "button" });
    button.onclick = () => buy(i);
    return button;
  });
  market.append(element("thead", {}, element("tr", {}, element("th", {}, "N"), ...columns.map((C, i) => element("th", { scope: "col" }, inFlops(C) + (i ? "" : " FLOPs"))))),
    element("tbody", {}, ...rows.map((N, row) => element("tr", {}, element("th", { scope: "row" }, prefixed(N)),
      ...columns.map((_, column) => element("td", {}, ...buttons.filter((_, i) => cells[i].row === row && cells[i].column === column)))))));
  const chart = element("canvas", { role: "img" });
  const field = (label, i) => {
    const input = element("input", { type: "number", step: "0.001", "aria-label": `Bet: ${label}` });
    input.oninput = () => { typed[i] = input.value; drawChart(); };
    return input;
  };
  const fields = ["loss", "low", "high"].map(field);
  const reveal = element("button", { type: "button", class: "main" }, "Bet and reveal");
  const bet = element("div", { class: "bet" }, ...["I bet on", "90 % from", "to"].map((words, i) => element("label", {}, words + " ", fields[i])), reveal);
  const base = element("input", { type: "number", step: "0.01", min: "0", "aria-label": "Draw the loss above this floor, on a logarithmic axis" });
  base.oninput = () => { floor = base.value; drawChart(); };
  const side = element("div", {}, element("h3", {}, "What you bought, and your bet"), chart,
    element("label", { class: "soft" }, "draw the loss above ", base, " nats, to see which floor makes it straight"), bet, frame.say);
  box.append(frame.bar, rules, element("div", { class: "cols" }, element("div", { class: "scroll" }, market), side), frame.table);

  // ---- drawing
  function draw() {
    const left = creditsOf(view, state);
    const target = targetOf(view, state);
    const fill = element("u");
    fill.style.width = `${(100 * left) / view.credits}%`;
    purse.replaceChildren(element("b", {}, String(left)), `of ${view.credits} credits left`, element("i", {}, fill));
    const times = target.price / Math.max(...cells.map(({ price }) => price));
    rules.textContent = `Buy runs, one seed at a time. Then bet, once, on N ${prefixed(target.N)} and D ${prefixed(target.D)}, which would cost ${target.price} credits, ${Number(times.toPrecision(2))} times the dearest`
      + `${state.round < view.targets.length ? "" : " (you have seen it before)"}. Penalty: |bet − measured|, plus the width of your interval, plus ${Math.round(2 / (1 - level))} times what falls outside: the mean over its ${target.losses.length} runs. The lower wins.`;
    cells.forEach(drawCell);
    const over = state.bet.length > 0;
    fields.forEach((input, i) => {
      input.value = over ? state.bet[i] : typed[i];
      input.disabled = over;
    });
    base.value = floor;
    reveal.hidden = over;
    const end = verdictOf(view, state);
    frame.say.classList.toggle("over", over);
    frame.say.textContent = end ? ending(end) : told || `${left} of ${view.credits} credits left, ${state.bought.length} runs bought`;
    drawChart();
    frame.refresh();
  }

  function drawCell({ N, D, price, losses }, i) {
    const seen = seenOf(view, state, i);
    const texts = seen.map((loss) => format(loss));
    const button = buttons[i];
    button.replaceChildren(element("b", {}, `${price} cr`), ` ${"●".repeat(seen.length)}${"○".repeat(losses.length - seen.length)}`, element("span", { class: "soft" }, `D ${prefixed(D)}`), element("span", {}, texts.join(" ")));
    button.classList.toggle("some", seen.length > 0);
    button.setAttribute("aria-disabled", refusalOf(view, state, i) !== "");
    button.setAttribute("aria-label", `N ${prefixed(N)}, D ${prefixed(D)}: ${price} credits, ${losses.length - seen.length} left${seen.length ? "; losses " + texts.join(", ") : ""}`);
  }

  const small = (value) => format(value, 4);
  function ending({ loss, inside, runs, penalty, baseline }) {
    const [mine, low, high] = state.bet;
    const end = penalty < baseline ? "You win." : "The baseline wins.";
    return `You said ${small(mine)}, ${small(low)} to ${small(high)}; it is ${small(loss)}, with ${inside} of ${runs} runs inside. `
      + `Penalty: ${format(1000 * penalty, 1)} thousandths of a nat; the baseline's, which bought one run of each kind and trusted the fitted law, ${format(1000 * baseline, 1)}. ${end}`;
  }

  const tint = (share) => `rgb(${SHADES[Math.round(255 * (host.hasAttribute("data-dark") ? 0.3 + 0.7 * share : 0.85 * share))]})`;
  function boughtLines() {
    return rows.map((N, row) => {
      const own = cells.map((cell, i) => ({ ...cell, seen: seenOf(view, state, i) })).filter((cell) => cell.row === row && cell.seen.length).sort((a, b) => a.D - b.D);
      return { name: `N ${prefixed(N)}`, xs: own.map(({ D }) => view.flops * N * D), ys: own.map(({ seen }) => seen.reduce((a, b) => a + b) / seen.length),
        spans: own.map(({ seen }) => [Math.min(...seen), Math.max(...seen)]), colour: tint(rows.length > 1 ? row / (rows.length - 1) : 0.5), shape: row, dots: true, width: 1.2, alpha: 0.7 };
    });
  }

  function betLines() {
    const { N, D, losses, baseline } = targetOf(view, state);
    const C = view.flops * N * D;
    const line = (name, ys, x, colour, more = {}) => ({ name, xs: ys.map(() => x), ys, colour, dots: true, alpha: 0, ...more });
    const whole = (name, [loss, low, high], x, colour) => line(name, [loss], x, colour, { spans: [[low, high]], shape: 3 });
    const mine = state.bet.length ? state.bet : typed.map((text) => (text === "" ? NaN : Number(text)));
    const shown = betRefusal(mine) ? [] : [whole("your bet", mine, C, inks(host).key)];
    if (!state.bet.length) return shown;
    return [...shown, whole("baseline", baseline, C * 1.35, inks(host).soft), line("measured", losses, C, inks(host).ink, { shape: 0 })];
  }

  function drawChart() {
    const text = frame.big() ? 17 : 12;
    const under = Number(floor) || 0;
    const lift = (loss) => loss - under;
    const lines = [...boughtLines(), ...betLines()].map((line) => ({ ...line, ys: line.ys.map(lift), spans: line.spans?.map((span) => span.map(lift)) }));
    const heights = lines.flatMap(({ ys, spans = [] }) => [...ys, ...spans.flat()]).filter((value) => value > 0);
    const target = targetOf(view, state);
    const C = view.flops * target.N * target.D;
    const [least, most] = heights.length ? [Math.min(...heights), Math.max(...heights)] : [1, 2];
    const margin = Math.max((most / least) ** 0.06, 1.004);
    const span = [least / margin, most * margin];
    const height = axisOf(under ? `loss above ${under} (nats per token)` : "loss (nats per token)", span, true, 6);
    const goal = { name: heights.length ? "" : "to bet on", xs: [C, C], ys: span, colour: inks(host).key, dash: [2, 4], width: 1.2 };
    const room = host.clientWidth - 16;
    const beside = room - market.offsetWidth - 48;
    const width = clamp(beside < BESIDE ? room : beside, 240, frame.big() ? 800 : 560);
    side.style.width = width + "px";
    plane(chart, host, { series: [goal, ...lines], width, tall: text * 19, text,
      x: axisOf("FLOPs", [0.6 * Math.min(...columns), 8 * C], true, clamp(width / text / 9, 2, 5)), y: heights.length ? height : { ...height, marks: [] } });
    chart.setAttribute("aria-label", `Loss against FLOPs of ${state.bought.length} runs that you bought; the bet is on ${inFlops(C)} FLOPs.`);
  }

  function tabulate() {
    const bought = cells.flatMap(({ N, D, price }, i) => seenOf(view, state, i).map((loss, seed) => [prefixed(N), prefixed(D), price, seed + 1, small(loss)]));
    const end = verdictOf(view, state);
    const { losses, baseline } = targetOf(view, state);
    const bets = end ? [["you", ...state.bet.map(small), format(1000 * end.penalty, 1)], ["baseline", ...baseline.map(small), format(1000 * end.baseline, 1)]] : [];
    return [tableOf("Bought", ["N", "D", "credits", "run", "loss"], bought),
      ...(end ? [tableOf("Bets", ["who", "loss", "low", "high", "penalty, thousandths"], bets), tableOf("Measured", ["run", "loss"], losses.map((loss, i) => [i + 1, small(loss)]))] : [])];
  }

  // ---- playing
  function go(next, words = "") {
    state = next;
    told = words;
    draw();
    link.send?.("selected", [state.round, state.bought, state.bet]);
  }
  const refuse = (words) => { frame.say.textContent = words; };
  function buy(cell) {
    const refusal = refusalOf(view, state, cell);
    if (refusal) return refuse(refusal);
    const next = { ...state, bought: [...state.bought, cell] };
    const { N, D } = cells[cell];
    go(next, `N ${prefixed(N)}, D ${prefixed(D)}: loss ${small(seenOf(view, next, cell).at(-1))}; ${creditsOf(view, next)} credits left`);
  }
  reveal.onclick = () => {
    const numbers = typed.map((text) => (text === "" ? NaN : Number(text)));
    const refusal = betRefusal(numbers);
    if (refusal) return refuse(refusal);
    go({ ...state, bet: numbers });
    again.focus();
  };
  again.onclick = () => {
    typed = ["", "", ""];
    go({ round: state.round + 1, bought: [], bet: [] });
  };
  market.onkeydown = (event) => {
    const at = buttons.indexOf(event.target);
    if (at < 0 || !(event.key in ARROWS)) return;
    event.preventDefault();
    event.stopPropagation();
    const [down, right] = ARROWS[event.key];
    const ahead = ({ row, column }) => (down ? down * (row - cells[at].row) : right * (column - cells[at].column));
    const aside = ({ row, column }) => Math.abs(down ? column - cells[at].column : row - cells[at].row);
    const found = cells.map((cell, i) => i).filter((i) => ahead(cells[i]) > 0).sort((a, b) => aside(cells[a]) - aside(cells[b]) || ahead(cells[a]) - ahead(cells[b]));
    if (found.length) buttons[found[0]].focus();
  };

  const forget = followTheme(host, draw);
  const unfit = fitted(host, draw);
  return {
    select: (found) => {
      state = asState(found);
      draw();
    },
    leave: () => {
      forget();
      unfit();
      return { state, typed, floor };
    },
  };
}

export default live(mount);
