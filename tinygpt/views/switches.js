// Switches: turn heads off, and see the loss and the next token's probabilities at once.
import { fitted } from "./cells.js";
import { ARROWS, element, followTheme, format, halves, inks, lettering, live, onEscape, roundStep, shell, sized, ticks, toggle } from "./host.js";

// Bit i of a combination is set where head i is off, so that 0 is the whole model.
export const flip = (off, head) => off ^ (1 << head);
export const listOff = (off, heads) => heads.filter((_, i) => (off >> i) & 1);

const SWITCH_STYLE = `
.cols{display:flex;flex-wrap:wrap;gap:18px 34px;align-items:flex-start}
.cols>div{flex:none}
@media (max-width:600px){.cols>div{max-width:100%;overflow-x:auto;padding:5px}}
h3{font-size:1em;font-weight:650;margin:0 0 .4em}
h3 span{font-weight:400;white-space:pre}
.tables{display:flex;flex-wrap:wrap;gap:0 3em;align-items:flex-start}
.tables[hidden]{display:none}
.heads{display:grid;gap:.45em;grid-auto-columns:1fr;margin-bottom:1.2em}
.heads button{padding:.35em .2em .3em;min-width:5.4em;line-height:1.25;border-width:2px}
.heads button span{display:block;font-size:.82em;font-variant-numeric:tabular-nums}
.heads button[aria-checked=false]{background:repeating-linear-gradient(45deg,var(--masked) 0 5px,transparent 5px 10px);
color:var(--soft);border-style:dashed}
.heads button[aria-checked=false] b{text-decoration:line-through}
.say{min-height:1.6em;margin:.5em 0;font-weight:500}
.prompt{white-space:pre-wrap;max-width:28em;background:var(--masked);border-radius:5px;padding:.2em .5em;margin:0 0 .5em}
.prompt::after{content:"▁";color:var(--key)}
.next{display:grid;grid-template-columns:max-content 1fr 4.2em;gap:.22em .6em;align-items:center;width:28em;max-width:100%}
.next .mono{white-space:pre;text-align:right}
.next .track{position:relative;height:1.15em;background:var(--masked);border-radius:3px;overflow:hidden}
.next .track i{position:absolute;inset:0 auto 0 0;background:var(--query)}
.next .track u{position:absolute;top:0;bottom:0;width:3px;margin-left:-1.5px;background:var(--ink)}
.next output{font-variant-numeric:tabular-nums}
@media (prefers-reduced-motion:no-preference){.grow{transition:width .15s}}
`;

export function mount(host, view, link, kept = {}) {
  const { heads, places, tokens, losses } = view;
  const probs = halves(view.data, 0, losses.length * tokens.length);
  const odds = (off, i) => probs[off * tokens.length + i];
  const signed = (change) => (change >= 0 ? "+" : "") + format(change);
  const box = shell(host, `Switches for ${heads.length} heads`, SWITCH_STYLE);
  const maskOf = (names) => names.reduce((mask, name) => mask | (1 << heads.indexOf(name)), 0);
  let off = kept.off ?? maskOf(view.selected);
  let big = false;

  // ---- parts
  const all = element("button", { type: "button" }, "All on");
  const tableButton = toggle("Table", (on) => { table.hidden = !on; draw(); });
  const bigButton = toggle("Large text", (on) => { big = on; host.toggleAttribute("data-big", on); draw(); });
  const bar = element("div", { class: "bar" }, element("h2", {}, "Switch heads off"),
    element("span", { class: "soft" }, "below each head: the change in loss if you flip it now"),
    element("span", { class: "push" }), all, tableButton, bigButton);
  const group = element("div", { class: "heads", role: "group", "aria-label": "Heads. Arrow keys move, Space switches." });
  const effects = heads.map(() => element("span"));
  const buttons = heads.map((name, i) => {
    const button = element("button", { type: "button", role: "switch" }, element("b", {}, name), effects[i]);
    button.style.gridArea = `${places[i][0] + 1} / ${places[i][1] + 1}`;
    button.onclick = () => set(flip(off, i));
    return button;
  });
  group.append(...buttons);
  const say = element("div", { class: "say", "aria-live": "polite" });
  const lossBar = element("canvas", { role: "img" });
  const next = element("div", { class: "next" });
  const tick = (i) => (i === view.answer ? " ✓" : "");
  const rows = tokens.map((token, i) => {
    const parts = { fill: element("i", { class: "grow" }), mark: element("u"), number: element("output") };
    next.append(element("span", { class: "mono" }, token + tick(i)), element("span", { class: "track" }, parts.fill, parts.mark), parts.number);
    return parts;
  });
  const prompt = view.prompt === null ? [] : [element("div", { class: "prompt mono" }, view.prompt)];
  const table = element("div", { class: "tables" });
  table.hidden = true;
  box.append(bar, say, element("div", { class: "cols" },
    element("div", {}, element("h3", {}, "Heads"), group, element("h3", {}, "Loss"), lossBar),
    element("div", {}, element("h3", {}, "Next token", element("span", { class: "soft" }, "  ▏= whole model")), ...prompt, next)),
    table);

  // ---- drawing
  function draw() {
    const change = losses[off] - losses[0];
    const names = listOff(off, heads);
    const right = view.answer === null ? "" : `; right next token “${tokens[view.answer]}” ${format(odds(off, view.answer))}`;
    say.textContent = (names.length
      ? `${names.join(", ")} off: loss ${format(losses[off])} nats, ${signed(change)} against the whole model`
      : `All heads on: loss ${format(losses[0])} nats`) + right;
    heads.forEach((name, i) => {
      const on = !((off >> i) & 1);
      const effect = signed(losses[flip(off, i)] - losses[off]);
      buttons[i].setAttribute("aria-checked", on);
      buttons[i].setAttribute("aria-label", `head ${name}; flipping it changes the loss by ${effect} nats`);
      effects[i].textContent = effect;
    });
    rows.forEach(({ fill, mark, number }, i) => {
      fill.style.width = `${odds(off, i) * 100}%`;
      mark.style.left = `${odds(0, i) * 100}%`;
      number.textContent = format(odds(off, i));
    });
    drawLoss();
    if (!table.hidden) drawTable();
  }

  function drawLoss() {
    const ink = inks(host);
    const text = big ? 18 : 12;
    const width = Math.min(big ? 640 : 420, host.clientWidth - 20);
    const tall = text * 1.6;
    // From right to left, so that no label meets the line of another.
    const marks = [["whole model", losses[0]], ...Object.entries(view.ruler)].sort((a, b) => b[1] - a[1]);
    const most = Math.max(...losses, ...marks.map(([, nats]) => nats)) * 1.03;
    const left = 2;
    const toX = (nats) => left + (nats / most) * (width - left - text * 2);
    const pen = sized(lossBar, width, tall * (marks.length + 2) + text * 1.6);
    lossBar.setAttribute("aria-label", `Loss ${format(losses[off])} nats; ${marks.map(([name, nats]) => `${name} ${format(nats)}`).join(", ")}`);
    lettering(pen, `${text}px system-ui,sans-serif`);
    pen.fillStyle = ink.masked;
    pen.fillRect(left, 0, toX(most) - left, tall);
    pen.fillStyle = ink.key;
    pen.fillRect(left, 0, toX(losses[off]) - left, tall);
    marks.forEach(([name, nats], i) => {
      const y = tall * (i + 1.35) + text * 0.5;
      const label = `${name} ${format(nats, 2)}`;
      const flipped = toX(nats) + 6 + pen.measureText(label).width > width;
      pen.strokeStyle = pen.fillStyle = name === "whole model" ? ink.ink : ink.soft;
      pen.lineWidth = 1.5;
      pen.beginPath();
      pen.moveTo(toX(nats), 0);
      pen.lineTo(toX(nats), y + text * 0.2);
      pen.stroke();
      pen.textAlign = flipped ? "right" : "left";
      pen.fillText(label, toX(nats) + (flipped ? -5 : 5), y + text * 0.2);
    });
    drawAxis(pen, ink, { text, toX, most, y: tall * (marks.length + 1) + text });
  }

  function drawAxis(pen, ink, { text, toX, most, y }) {
    pen.fillStyle = ink.soft;
    pen.textAlign = "center";
    const marks = ticks(0, most, roundStep(most, 5));
    marks.forEach((nats, i) => pen.fillText(nats + (i === marks.length - 1 ? " nats" : ""), Math.max(toX(nats), 5), y + text));
  }

  function drawTable() {
    const line = (tag, cells) => element("tr", {}, ...cells.map((cell) => element(tag, tag === "th" ? { scope: "col" } : {}, cell)));
    const effect = heads.map((name, i) => [name, (off >> i) & 1 ? "off" : "on", format(losses[off]), format(losses[flip(off, i)])]);
    const guess = tokens.map((token, i) => [token + tick(i) + (tick(i) && " right"), String(i + 1), format(odds(off, i)), format(odds(0, i))]);
    const make = (caption, header, body) => element("table", {}, element("caption", {}, caption),
      element("thead", {}, line("th", header)), element("tbody", {}, ...body.map((cells) => line("td", cells))));
    table.replaceChildren(
      make("Heads", ["head", "now", "loss now (nats)", "loss if flipped (nats)"], effect),
      make("Next token", ["token", "row", "probability now", "whole model"], guess));
  }

  // ---- choosing
  function set(mask, quiet = false) {
    off = mask;
    draw();
    if (!quiet) link.send?.("selected", listOff(off, heads));
  }
  all.onclick = () => set(0);

  // The nearest head in the direction of an arrow.
  function neighbour(i, [down, right]) {
    const [row, column] = places[i];
    const distance = ([r, c]) => {
      const [ahead, aside] = down ? [(r - row) * down, Math.abs(c - column)] : [(c - column) * right, Math.abs(r - row)];
      return ahead > 0 ? ahead + 100 * aside : Infinity;
    };
    return places.reduce((best, place, j) => (distance(place) < distance(places[best]) ? j : best), i);
  }
  group.onkeydown = (event) => {
    const i = buttons.indexOf(event.target);
    if (i < 0 || !(event.key in ARROWS)) return;
    event.preventDefault();
    event.stopPropagation();
    buttons[neighbour(i, ARROWS[event.key])].focus();
  };
  onEscape(box, () => set(0));

  const forget = followTheme(host, draw);
  const unfit = fitted(host, draw);
  return {
    select: (names) => set(maskOf(names), true),
    leave: () => {
      forget();
      unfit();
      return {};
    },
  };
}

export default live(mount);
