// Beam search: the tree of all tokens that it looked at, step by step, and what a length penalty makes of the texts that ended.
import { drawBox, drawBranch } from "./beam_boxes.js";
import { asked, byStep, endedBy, lineOf, nodesOf, verdictOn } from "./beam_tree.js";
import { nodeWords, stepWords } from "./beam_words.js";
import { fitted } from "./cells.js";
import { FRAME_STYLE, framed, tableOf } from "./frame.js";
import { clamp, element, followTheme, format, inks, lettering, live, onEscape, redrawn, rest, shell, sized, toggle } from "./host.js";
import { scrubber } from "./scrubber.js";

const MANY_ENDED = 10;

const BEAMS_STYLE = FRAME_STYLE + `
.stay input{flex:1 1 10em;width:auto!important;margin:0!important}
.stage{cursor:pointer;touch-action:pan-y}
.marks{display:flex;flex-wrap:wrap;gap:.2em 1.4em;font-size:.9em;margin:.3em 0}
.marks b{font-family:ui-monospace,Menlo,Consolas,monospace}
.ask{display:flex;flex-wrap:wrap;gap:.4em .9em;align-items:center;margin:.3em 0;border-left:4px solid var(--key);background:var(--masked);padding:.3em .7em}
.ask[hidden]{display:none}
.pen{display:flex;flex-wrap:wrap;gap:.2em .8em;align-items:center}
.pen input{accent-color:var(--key);margin:0;width:14em}
.texts{list-style:none;margin:.4em 0;padding:0}
.texts button{display:grid;grid-template-columns:2em 9.5em 15em 1fr;gap:.6em;width:100%;text-align:left;white-space:normal;border-color:transparent;border-radius:4px;font-variant-numeric:tabular-nums;padding:.1em .3em}
.texts button.best{border-color:var(--key)}
.texts button[aria-pressed=true] .soft{color:inherit}
.texts .mono{overflow-wrap:anywhere}
.slim .texts button{grid-template-columns:2em 1fr}
.slim .texts .mono{grid-column:2}
.note{margin:.2em 0;max-width:60em}
`;

export function mount(host, view, link, kept = {}) {
  const nodes = nodesOf(view);
  const columns = byStep(nodes);
  const last = columns.length;
  const rows = Math.max(1, ...nodes.map(({ row }) => row + 1));
  const asState = ([step, node, penalty, guesses]) => ({ step, node, penalty, guesses });
  let state = kept.state ?? asState(view.selected);
  let { predict = view.predict, chosen = [], told = "" } = kept;
  let peek = -1;
  let cursor = 0;
  let size;

  const nameOf = (node) => view.names[node.token];
  const textOf = (i) => lineOf(nodes, i).map(nameOf).join("");
  const asking = () => predict && state.step < last;
  const known = () => ({ nodes, columns, nameOf, textOf, step: state.step, penalty: state.penalty, asking: asking() });
  // Tokens of the step that is asked about, with their rows.
  const askedHere = () => (asking() ? asked(nodes, columns[state.step]).map((node, row) => ({ ...node, row })) : []);

  // ---- parts
  const box = shell(host, `Beam search: ${nodes.length} tokens in ${last} steps`, BEAMS_STYLE);
  const predicting = toggle("Predict first", (on) => { predict = on; chosen = []; told = ""; draw(); });
  predicting.setAttribute("aria-pressed", String(predict));
  const frame = framed(host, "Beam search", { controls: [predicting], layout: () => draw(), tabulate });
  const frames = Array.from({ length: last + 1 }, (_, x) => ({ x, label: x ? `step ${x} of ${last}` : "the prompt" }));
  const scrub = scrubber({ frames, curves: {}, opened: state.step, x_label: "step" }, host, (step) => go({ step }));
  const stage = element("canvas", { class: "stage", tabindex: "0", role: "application", "aria-label": "Tree. Arrow keys move along it, and grow it at its end; Enter marks a token that you predict; Escape lets go." });
  const [question, reveal] = [element("span"), element("button", { type: "button" }, "Reveal")];
  const ask = element("div", { class: "ask" }, question, reveal);
  const marks = element("div", { class: "marks soft" }, ...[["token", "log p | score so far"], ["→ solid, round", "goes on"], ["■ double", "ends a text"], ["× dashed", "pruned"], ["━ thick", "the best text that has ended"]]
    .map(([sign, words]) => element("span", {}, element("b", {}, sign), " " + words)));
  const slider = element("input", { type: "range", min: "-1", max: "3", step: "0.05", "aria-label": "Length penalty" });
  const value = element("output", { class: "mono" });
  const back = element("button", { type: "button" }, "As searched");
  const list = element("ol", { class: "texts", "aria-label": "Texts that ended, best first" });
  const note = element("p", { class: "note soft" });
  box.append(frame.bar, scrub.node, ask, stage, marks, frame.say,
    element("h3", {}, "Texts that have ended ", element("span", { class: "soft" }, "score = sum of log p / tokens ^ length penalty")),
    element("div", { class: "pen" }, "length penalty", slider, value, back), list, note, frame.table);

  // ---- drawing
  function draw() {
    box.classList.toggle("slim", host.clientWidth < (frame.big() ? 1000 : 640));
    scrub.draw(state.step, frame.big());
    const open = asking();
    ask.hidden = !open;
    if (open) question.textContent = `Step ${state.step + 1}: which of these survive? Add log p to the score of what stands before it. Mark them, by click or Enter; ${chosen.length} marked.`;
    drawTree();
    drawTexts();
    say();
    frame.refresh();
  }

  function measure() {
    const text = frame.big() ? 18 : 12;
    const room = host.clientWidth - 12;
    const root = text * 6.5;
    const across = clamp((room - root) / Math.max(last, 1), text * 10.2, text * 14);
    const fits = Math.max(1, Math.floor((room - root) / across));
    const open = state.step + (asking() ? 1 : 0);
    const at = peek >= 0 ? size.first : clamp(open - fits, 0, Math.max(0, last - fits));
    const locked = state.node >= 0 ? nodes[state.node].step : open;
    const first = peek >= 0 ? at : clamp(at, Math.max(0, locked - fits), Math.max(0, locked - 1));
    return { text, room, root, across, fits, first, wide: across - text * 2.4, down: text * 3.3, top: text * 1.9 };
  }
  const middle = (row) => size.top + (row + 0.5) * size.down;
  // Left edge of the boxes of a step; the prompt is step 0, which stays in sight.
  const edgeOf = (step) => (step ? size.root + (step - 1 - size.first) * size.across + size.text * 1.6 : 2);
  const inSight = (step) => step > size.first && step <= size.first + size.fits;

  function drawTree() {
    size = measure();
    const pen = sized(stage, Math.min(size.room, size.root + last * size.across), size.top + rows * size.down + 4);
    const ink = inks(host);
    const best = new Set(endedBy(nodes, state.penalty, state.step).slice(0, 1).flatMap(({ node }) => lineOf(nodes, node.i).map(({ i }) => i)));
    const held = new Set(lineOf(nodes, peek >= 0 ? peek : state.node).map(({ i }) => i));
    const shown = [...nodes.filter(({ step }) => step <= state.step), ...askedHere()].filter(({ step }) => inSight(step));
    const rank = (node) => (held.has(node.i) ? 2 : best.has(node.i) ? 1 : 0);
    const ordered = shown.map((node) => ({ node, at: rank(node) })).sort((a, b) => a.at - b.at);
    const look = (node) => ({ best: best.has(node.i), held: held.has(node.i), hidden: node.step > state.step, marked: chosen.includes(node.i) });
    for (const { node } of ordered) drawEdge(pen, ink, node, look(node));
    drawRoot(pen, ink);
    for (const { node } of ordered) {
      drawBox(pen, ink, node, nameOf(node), look(node), { x: edgeOf(node.step), y: middle(node.row) - size.down * 0.41, wide: size.wide, tall: size.down * 0.82, text: size.text });
    }
    lettering(pen, `${size.text}px system-ui,sans-serif`);
    pen.fillStyle = ink.soft;
    pen.textAlign = "center";
    for (let step = size.first + 1; step <= Math.min(last, size.first + size.fits); step++) pen.fillText(`step ${step}`, edgeOf(step) + size.wide / 2, size.text);
    // Where the boxes are, for whoever drives the page from outside.
    Object.assign(stage.dataset, { left: edgeOf(size.first + 1), top: size.top, across: size.across, down: size.down, first: size.first, fits: size.fits });
  }

  function drawEdge(pen, ink, node, look) {
    const cut = node.parent >= 0 && !inSight(node.step - 1);
    const from = node.parent < 0 ? [size.root - size.text * 0.6, middle(0)] : [cut ? size.root - size.text * 0.6 : edgeOf(node.step - 1) + size.wide, middle(nodes[node.parent].row)];
    drawBranch(pen, ink, node, look, from, [edgeOf(node.step), middle(node.row)]);
  }

  function drawRoot(pen, ink) {
    const prompt = view.prompt.map((token) => view.names[token]).join("") || "prompt";
    lettering(pen, `600 ${size.text}px ui-monospace,Menlo,Consolas,monospace`);
    pen.fillStyle = ink.ink;
    pen.textAlign = "right";
    const most = 9;
    const characters = Array.from(prompt);
    const end = characters.length > most ? "…" + characters.slice(1 - most).join("") : prompt;
    if (!size.first) pen.fillText(end, size.root - size.text, middle(0) + size.text * 0.35);
    else pen.fillText(`${size.first} before`, size.root - size.text, size.text);
  }

  function drawTexts() {
    const ended = endedBy(nodes, state.penalty, state.step);
    slider.value = state.penalty;
    value.textContent = format(state.penalty, 2);
    slider.setAttribute("aria-valuetext", value.textContent);
    rest(back, state.penalty === view.penalty);
    redrawn(list, () => list.replaceChildren(...ended.slice(0, MANY_ENDED).map(({ node, score }, i) => {
      const button = element("button", { type: "button", class: i ? "" : "best", "aria-pressed": String(node.i === state.node) }, element("span", {}, `${i + 1}.`), element("b", {}, `score ${format(score)}`),
        element("span", { class: "soft" }, `= ${format(node.score)} / ${node.step}^${format(state.penalty, 2)}`), element("span", { class: "mono" }, textOf(node.i)));
      button.onclick = () => go({ node: node.i });
      return element("li", {}, button);
    })));
    const more = ended.length > MANY_ENDED ? `${ended.length - MANY_ENDED} more ended. ` : "";
    const other = `The search itself went by ${format(view.penalty, 2)}. Within a step all texts are equally long, so the penalty prunes nothing; but by another one the search might have stopped elsewhere, and found other texts.`;
    note.textContent = more + (ended.length ? (state.penalty === view.penalty ? "" : other) : "No text has ended yet.");
  }

  // ---- words
  function say() {
    const node = nodes[peek >= 0 ? peek : state.node];
    const text = node ? nodeWords(known(), node) : [told, stepWords(known())].filter(Boolean).join(" ");
    if (frame.say.textContent !== text) frame.say.textContent = text;
  }
  function tabulate() {
    const shown = nodes.filter(({ step }) => step <= state.step);
    return [tableOf("Tokens that were looked at", ["step", "token", "rank", "log p", "score", "fate", "text"],
      shown.map((node) => [node.step, nameOf(node), node.rank + 1, format(node.logProb), format(node.score), node.fate, textOf(node.i)]))];
  }

  // ---- moving
  function go(change, quiet = false) {
    if ("step" in change && change.step !== state.step) {
      chosen = [];
      told = "";
      cursor = 0;
      if (state.node >= 0 && nodes[state.node].step > change.step) change.node = -1;
    }
    // To follow a node that is not grown yet would tell what is to be predicted.
    state = { ...state, ...change };
    peek = -1;
    draw();
    if (!quiet) link.send?.("selected", [state.step, state.node, state.penalty, state.guesses]);
  }
  reveal.onclick = () => {
    const step = state.step + 1;
    const guess = [...chosen].sort((a, b) => a - b);
    const { named, right, survived } = verdictOn(columns[state.step], guess);
    go({ step, node: -1, guesses: [...state.guesses.filter(([other]) => other !== step), [step, guess]] }, true);
    told = `You marked ${named}: ${right} of the ${survived} that survived.`;
    go({});
  };
  const mark = (i) => {
    chosen = chosen.includes(i) ? chosen.filter((other) => other !== i) : [...chosen, i];
    draw();
  };
  slider.oninput = () => go({ penalty: Number(slider.value) });
  back.onclick = () => go({ penalty: view.penalty });

  // ---- pointing
  function under(event) {
    const edge = stage.getBoundingClientRect();
    const [x, y] = [event.clientX - edge.left, event.clientY - edge.top];
    const step = Math.floor((x - edgeOf(size.first + 1)) / size.across) + size.first + 1;
    const row = Math.floor((y - size.top) / size.down);
    if (!inSight(step) || x - edgeOf(step) > size.wide || x < edgeOf(step)) return -1;
    const column = step <= state.step ? columns[step - 1] : step === state.step + 1 ? askedHere() : [];
    return column.find((node) => node.row === row)?.i ?? -1;
  }
  stage.onpointermove = (event) => {
    const found = under(event);
    if (found === peek) return;
    peek = found;
    drawTree();
    say();
  };
  stage.onpointerleave = () => { peek = -1; drawTree(); say(); };
  stage.onclick = (event) => {
    const found = under(event);
    if (found < 0) return;
    if (nodes[found].step > state.step) return mark(found);
    scrub.stop();
    go({ node: found });
  };
  const ways = {
    ArrowLeft: () => (state.node >= 0 ? go({ node: nodes[state.node].parent }) : go({ step: Math.max(0, state.step - 1) })),
    ArrowRight: () => {
      const next = nodes.find(({ parent, step }) => parent === state.node && state.node >= 0 && step <= state.step);
      if (next) return go({ node: next.i });
      if (state.step < last && !asking()) go({ step: state.step + 1 });
    },
    Home: () => go({ step: 0 }),
    End: () => go({ step: asking() ? state.step : last }),
  };
  function along(by) {
    const column = asking() && state.node < 0 ? askedHere() : columns[Math.max(0, (state.node >= 0 ? nodes[state.node].step : state.step) - 1)];
    if (!column?.length || (!state.step && !asking())) return;
    if (asking() && state.node < 0) {
      cursor = peek >= 0 ? clamp(column.findIndex(({ i }) => i === peek) + by, 0, column.length - 1) : clamp(cursor, 0, column.length - 1);
      peek = column[cursor].i;
      drawTree();
      return say();
    }
    const at = column.findIndex(({ i }) => i === state.node);
    go({ node: column[clamp(at < 0 ? 0 : at + by, 0, column.length - 1)].i });
  }
  stage.onkeydown = (event) => {
    const act = ways[event.key] ?? { ArrowUp: () => along(-1), ArrowDown: () => along(1), Enter: choose, " ": choose }[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    scrub.stop();
    act();
  };
  function choose() {
    if (peek < 0) return;
    const i = peek;
    if (nodes[i].step > state.step) mark(i);
    else go({ node: i });
  }
  onEscape(box, () => { told = ""; go({ node: -1 }); });

  const forget = followTheme(host, draw);
  const unfit = fitted(host, draw);
  return {
    select: (selected) => {
      state = asState(selected);
      draw();
    },
    leave: () => {
      scrub.stop();
      forget();
      unfit();
      return { state, predict, chosen, told };
    },
  };
}

export default live(mount);
