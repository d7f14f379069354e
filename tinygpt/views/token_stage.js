// A filter of single tokens: its tokens to type or to pick from the bars, each with a bias where the filter has one.
import { element } from "./host.js";

const BIASES = [-10, 10, 0.1];
export const TOKEN_FILTERS = { logit_bias: true, banned: false };

export const TOKEN_STYLE = `
.picks{grid-column:3/5;display:flex;flex-wrap:wrap;gap:.25em .35em;align-items:center;min-width:0;padding:.15em 0}
.slim .stages li>.picks{grid-area:slider/slider/value/value}
.stages .picks button{cursor:pointer;padding:0 .35em;touch-action:auto;font-size:.86em}
.picks .chip{font-size:.86em;font-family:ui-monospace,Menlo,Consolas,monospace;white-space:pre}
.stages .picks input{font:inherit;font-size:.9em;color:inherit;background:var(--paper);border:1px solid var(--line);border-radius:5px;padding:.05em .35em;width:6.4em}
.stages .picks input[type=range]{padding:0;border:0;flex:1 1 5em;width:5em}
.picks input[hidden]{display:none}
`;

const signed = (bias) => `${bias > 0 ? "+" : bias < 0 ? "−" : "±"}${Math.abs(bias).toFixed(1)}`;

// A value is a list of [id, bias], or of ids. `act.set(value, done)`, `act.find(text)` gives an id or −1, `act.pick(name)` waits for a bar.
export function tokenStage(name, act) {
  const biased = TOKEN_FILTERS[name];
  const chips = element("span", { class: "picks" });
  const field = element("input", { type: "text", placeholder: "add token", "aria-label": `${name}: add a token` });
  const pick = element("button", { type: "button", "aria-pressed": "false", title: "Then choose a bar" }, "pick");
  const [least, most, step] = BIASES;
  const slider = element("input", { type: "range", min: least, max: most, step, "aria-label": `${name} of the token in hand` });
  let value = [];
  let held = null;
  const idOf = (entry) => (biased ? entry[0] : entry);
  const has = (id) => value.some((entry) => idOf(entry) === id);

  function add(id) {
    held = id;
    if (has(id)) return act.set(value, true);
    act.set([...value, biased ? [id, 2] : id], true);
  }
  function drop(id) {
    act.set(value.filter((entry) => idOf(entry) !== id), true);
  }
  field.onkeydown = (event) => {
    event.stopPropagation();
    if (event.key !== "Enter" || !field.value) return;
    const id = act.find(field.value);
    if (id < 0) return;
    field.value = "";
    add(id);
  };
  pick.onclick = () => act.pick(pick.getAttribute("aria-pressed") === "true" ? null : name);
  const bias = (done) => act.set(value.map((entry) => (entry[0] === held ? [held, Number(slider.value)] : entry)), done);
  slider.oninput = () => bias(false);
  slider.onchange = () => bias(true);

  function chip(entry, nameOf) {
    const id = idOf(entry);
    const text = biased ? `${nameOf(id)} ${signed(entry[1])}` : nameOf(id);
    const away = element("button", { type: "button", "aria-label": `${name}: remove ${nameOf(id)}` }, "×");
    away.onclick = () => drop(id);
    if (!biased) return [element("span", { class: "chip" }, text), away];
    const choose = element("button", { type: "button", class: "chip", "aria-pressed": String(id === held) }, text);
    choose.onclick = () => { held = id; act.set(value, true); };
    return [choose, away];
  }

  function draw(given, nameOf, picking) {
    value = given;
    if (!has(held)) held = value.length ? idOf(value.at(-1)) : null;
    const focused = chips.contains(chips.getRootNode().activeElement) ? chips.getRootNode().activeElement : null;
    slider.hidden = !biased || held === null;
    if (biased && held !== null) slider.value = value.find(([id]) => id === held)[1];
    pick.setAttribute("aria-pressed", String(picking === name));
    // The slider that is being dragged stays where it is.
    for (const node of [...chips.children]) if (![field, pick, slider].includes(node)) node.remove();
    if (!field.isConnected || field.parentNode !== chips) chips.append(field, pick, slider);
    chips.prepend(...value.flatMap((entry) => chip(entry, nameOf)));
    if (focused?.isConnected) focused.focus();
  }
  return { node: chips, draw, add };
}
