// Chat: the same prompt to several models side by side, or to one under a mixture of its adapters.
import { FRAME_STYLE, framed } from "./frame.js";
import { element, followTheme, format, live, onEscape, shell, toggle } from "./host.js";

// What is told when no word has come after so many milliseconds, and whether another prompt may be asked then.
const PATIENCE = [[1500, "Waiting for the kernel. While a cell runs, it answers when that has ended."],
  [20000, "Still no word. Is the kernel running? If it was restarted, run the cell again.", true]];

export const mixture = (mix) => Object.entries(mix).map(([name, share]) => `${name} ${format(share, 2)}`).join(", ");

const CHAT_STYLE = FRAME_STYLE + `
.log{padding:3px;max-height:32em;overflow-y:auto}
.turn{margin:0 0 .9em}
.you{background:var(--masked);border-left:4px solid var(--key);border-radius:5px;padding:.25em .7em;margin:0 0 .4em;white-space:pre-wrap;overflow-wrap:anywhere}
.you span{float:right;margin-left:1em}
.said{display:grid;gap:.5em;grid-template-columns:repeat(auto-fit,minmax(min(100%,15em),1fr))}
.said>div{border:1px solid var(--line);border-radius:5px;padding:.25em .7em;min-width:0}
.said>div[hidden]{display:none}
.said h3{font:inherit;font-weight:650;color:var(--query);margin:0}
.said p{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;min-height:1.45em}
.said .refused{color:var(--soft);font-style:italic}
.writing::after{content:"▁";color:var(--key)}
form{display:flex;gap:.6em;margin:.4em 0;align-items:flex-start}
form[hidden]{display:none}
textarea{font:inherit;flex:1;min-width:0;color:inherit;background:var(--paper);border:1px solid var(--soft);border-radius:6px;padding:.35em .6em;resize:vertical}
.mixer{display:flex;flex-wrap:wrap;gap:.2em 1.6em;margin:.3em 0;font-variant-numeric:tabular-nums}
.mixer label{display:flex;gap:.5em;align-items:center}
.mixer input{accent-color:var(--key);width:9em}
.say{min-height:1.5em;font-weight:400}
`;

export function mount(host, view, link, kept = {}) {
  const { models } = view;
  const box = shell(host, `Chat with ${models.join(", ")}`, CHAT_STYLE);
  const able = Boolean(link.ask);
  const hidden = kept.hidden ?? new Set();
  const mix = { ...view.mix };
  let turns = view.turns;
  let writing = -1;
  let timers = [];

  // ---- parts
  const shown = models.length < 2 ? [] : models.map((name) => {
    const button = toggle(name, (on) => { hidden[on ? "delete" : "add"](name); draw(); });
    button.setAttribute("aria-pressed", !hidden.has(name));
    return button;
  });
  const which = element("span", { class: "choice", role: "group", "aria-label": "Models that are shown" }, ...shown);
  const anew = element("button", { type: "button" }, "New conversation");
  anew.hidden = !able;
  const frame = framed(host, "Chat", { controls: [which], ends: [anew], layout: () => draw() });
  const log = element("div", { class: "log", role: "log", tabindex: "0", "aria-label": "Conversation" });
  const area = element("textarea", { rows: "2", "aria-label": "Your prompt. Enter asks, Shift and Enter breaks the line.", placeholder: "Ask, and press Enter" });
  const send = element("button", { type: "submit" }, "Ask");
  const form = element("form", {}, area, send);
  form.hidden = !able;
  // What was recorded says under each prompt which mixture answered.
  const sliders = (able ? Object.keys(mix) : []).map((name) => {
    const told = element("output", {}, format(mix[name], 2));
    const slider = element("input", { type: "range", min: "0", max: "1.5", step: "0.05", value: String(mix[name]), "aria-label": `Share of the adapter ${name}` });
    slider.oninput = () => {
      mix[name] = Number(slider.value);
      told.textContent = format(mix[name], 2);
    };
    return element("label", {}, name, slider, told);
  });
  box.append(frame.bar, log, element("div", { class: "mixer", role: "group", "aria-label": "Mixture of adapters" }, ...sliders), form, frame.say);
  frame.say.textContent = able ? "" : "Recorded when the cell ran. Run the cell to ask your own.";

  // ---- drawing
  function drawTurn({ prompt, mix, answers, refused }, number) {
    const under = Object.keys(mix).length ? [element("span", { class: "soft" }, mixture(mix))] : [];
    const cells = models.map((name) => {
      const kind = refused.includes(name) ? { class: "refused" } : number === writing && name === (Object.keys(answers).at(-1) ?? models[0]) ? { class: "writing" } : {};
      const cell = element("div", {}, element("h3", {}, name + (view.raw.includes(name) ? " (continues the text)" : "")), element("p", kind, answers[name] ?? ""));
      cell.hidden = hidden.has(name);
      return cell;
    });
    return element("div", { class: "turn" }, element("div", { class: "you" }, ...under, prompt), element("div", { class: "said" }, ...cells));
  }

  function draw() {
    log.replaceChildren(...turns.map(drawTurn));
    if (!turns.length) log.append(element("span", { class: "soft" }, "Nothing has been asked yet."));
    log.scrollTop = writing < 0 ? log.scrollTop : log.scrollHeight;
  }

  // ---- asking
  function wait(on) {
    timers.forEach(clearTimeout);
    timers = on ? PATIENCE.map(([after, text, over]) => setTimeout(() => {
      frame.say.textContent = text;
      if (over) writing = -1;
    }, after)) : [];
    if (!on) frame.say.textContent = "";
  }
  form.onsubmit = (event) => {
    event.preventDefault();
    const prompt = area.value.trim();
    if (!prompt || writing >= 0) return;
    writing = turns.length;
    turns = [...turns, { prompt, mix: { ...mix }, answers: {}, refused: [] }];
    area.value = "";
    draw();
    wait(true);
    link.ask({ ask: prompt, mix });
  };
  area.onkeydown = (event) => {
    event.stopPropagation();
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  };
  anew.onclick = () => {
    writing = -1;
    wait(false);
    link.ask({ forget: true });
  };
  onEscape(box, () => { area.value = ""; });

  // What the kernel says: all turns, one turn as far as it is written, or that it is written.
  function answer(message) {
    wait(false);
    if (message.turns) turns = message.turns;
    if (message.turn) turns = [...turns.slice(0, message.at), message.turn];
    if (message.turn) writing = message.at;
    if ("answered" in message) writing = -1;
    draw();
  }

  const forget = followTheme(host, () => {});
  draw();
  // A page that was reloaded gets what was said since the cell ran.
  link.ask?.({ now: true });
  return {
    answer,
    leave: () => {
      forget();
      wait(false);
      return { hidden };
    },
  };
}

export default live(mount);
