// Filters in their order: each with a switch, a slider, what it did, and a handle to move it by pointer or by arrow keys.
import { clamp, element } from "./host.js";
import { reordered } from "./sampling_state.js";
import { TOKEN_FILTERS, TOKEN_STYLE, tokenStage } from "./token_stage.js";

// Least, most and step of each slider.
const KNOBS = {
  repetition_penalty: [0.5, 2, 0.05], presence_penalty: [-2, 2, 0.1], frequency_penalty: [-2, 2, 0.1], no_repeat_ngram: [1, 6, 1],
  temperature: [0.05, 3, 0.05], top_k: [1, 60, 1], top_p: [0.01, 1, 0.01], min_p: [0, 1, 0.01], typical: [0.01, 1, 0.01], top_n_sigma: [0.1, 5, 0.1],
};

export const STAGE_STYLE = `
.stages{list-style:none;margin:0;padding:0}
.stages li{display:grid;grid-template-columns:2em 11em minmax(3.5em,1fr) 2.6em 6.2em;gap:.5em;align-items:center;border-top:3px solid transparent;min-height:1.9em}
.slim .stages li{grid-template:"handle name effect" auto "handle slider value" auto / 2em minmax(4em,1fr) 6.2em}
.slim .stages li>*{grid-area:handle}
.slim .stages label{grid-area:name}
.slim .stages li>input{grid-area:slider}
.slim .stages output{grid-area:value}
.slim .stages .effect{grid-area:effect}
.stages li.over{border-top-color:var(--key)}
.stages li.held{opacity:.5}
.stages li:not(.on) :is(output,.effect){color:var(--soft)}
.stages button{cursor:grab;padding:.05em .4em;touch-action:none;text-align:center}
.stages label{display:flex;gap:.45em;align-items:center;white-space:nowrap}
.stages input{accent-color:var(--query);margin:0;min-width:0;width:100%}
.stages input[type=checkbox]{width:auto}
.stages output,.effect{font-variant-numeric:tabular-nums;white-space:nowrap}
.effect{font-size:.88em}
` + TOKEN_STYLE;

// `act.changed(stages, done)` hears of numbers and switches, where `done` is false while a slider moves; `act.moved(stages, name)` of moves;
// `act.find(text)` and `act.pick(name)` serve the filters of single tokens.
export function stageList(stages, act) {
  const list = element("ol", { class: "stages", "aria-label": "Filters, from first to last" });
  let shown = stages;
  const parts = Object.fromEntries(stages.map(([name]) => [name, stageRow(name)]));

  function stageRow(name) {
    const tokens = name in TOKEN_FILTERS;
    const [min, max, step] = KNOBS[name] ?? [0, 1, 1];
    const handle = element("button", { type: "button", title: "Drag, or press an arrow key, to move this filter" }, "⠿");
    const check = element("input", { type: "checkbox" });
    const slider = element("input", { type: "range", min, max, step, "aria-label": name });
    const [value, effect] = [element("output"), element("span", { class: "effect" })];
    const picks = tokens ? tokenStage(name, { set: (list, done) => set(list, true, done), find: act.find, pick: act.pick }) : null;
    const row = element("li", {}, handle, element("label", {}, check, name), ...(tokens ? [picks.node] : [slider, value]), effect);
    const set = (number, on, done) => act.changed(shown.map((stage) => (stage[0] === name ? [name, number ?? stage[1], on] : stage)), done);
    check.onchange = () => set(null, check.checked, true);
    slider.oninput = () => set(Number(slider.value), true, false);
    slider.onchange = () => set(Number(slider.value), true, true);
    drag(handle, name);
    return { row, handle, check, slider, value, effect, picks };
  }

  const place = (name) => shown.findIndex(([other]) => other === name);
  function move(name, to) {
    const from = place(name);
    const target = clamp(to, 0, shown.length - 1);
    if (target !== from) act.moved(reordered(shown, from, target), name);
    parts[name].handle.focus();
  }

  function drag(handle, name) {
    const under = (event) => shown.findIndex(([other]) => event.clientY < parts[other].row.getBoundingClientRect().bottom);
    const mark = (at) => shown.forEach(([other], i) => parts[other].row.classList.toggle("over", i === at));
    handle.onpointerdown = (event) => {
      handle.setPointerCapture(event.pointerId);
      parts[name].row.classList.add("held");
    };
    handle.onpointermove = (event) => handle.hasPointerCapture(event.pointerId) && mark(under(event));
    handle.onlostpointercapture = () => {
      parts[name].row.classList.remove("held");
      mark(-1);
    };
    handle.onpointerup = (event) => {
      const at = under(event);
      move(name, at < 0 ? shown.length - 1 : at);
    };
    handle.onkeydown = (event) => {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopPropagation();
      move(name, place(name) + by);
    };
  }

  // `effects` says for each filter that is on what it did; `picking` is the filter that waits for a bar.
  function draw(given, effects, nameOf, picking) {
    if (given.some(([name], i) => list.children[i] !== parts[name].row)) list.replaceChildren(...given.map(([name]) => parts[name].row));
    shown = given;
    given.forEach(([name, number, on], i) => {
      const { row, handle, check, slider, value, effect, picks } = parts[name];
      row.classList.toggle("on", on);
      check.checked = on;
      if (picks) picks.draw(number, nameOf, picking);
      else {
        slider.value = number;
        value.textContent = String(number).replace("-", "−");
      }
      effect.textContent = on ? effects[name] : "off";
      handle.setAttribute("aria-label", `${name}, ${i + 1} of ${given.length}. Arrow keys move it.`);
    });
  }
  return { node: list, draw, add: (name, id) => parts[name].picks.add(id) };
}
