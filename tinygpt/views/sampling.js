// Sampling: what comes next, filters to drag and reorder, draws against theory, and a text that grows by clicks.
import { fitted } from "./cells.js";
import { drawn } from "./draws.js";
import { logShare, orderDiff, outcome, shares, traced } from "./filters.js";
import { FRAME_STYLE, framed, tableOf } from "./frame.js";
import { element, followTheme, live, onEscape, shell, toggle } from "./host.js";
import { asSelected, asState, decoded, keyOf, placesOf, rowsOf, tokenNamed, wentTo } from "./sampling_state.js";
import { barRows, costWords, diffWords, effectOf, factRows, testWords, verdictWords } from "./sampling_words.js";
import { STAGE_STYLE, stageList } from "./stage_list.js";
import { TEXT_STYLE, branchTree, textStrip } from "./text_tree.js";
import { BARS, BAR_STYLE, inPercent, spaced, tokenBars } from "./token_bars.js";

const SAMPLING_STYLE = FRAME_STYLE + STAGE_STYLE + BAR_STYLE + TEXT_STYLE + `
.cols>.knobs{flex:1 1 25em}
.cols>.next{flex:1.3 1 25em}
.diff{border-left:4px solid var(--key);background:var(--masked);padding:.3em .7em;margin:.6em 0;overflow-wrap:anywhere}
:is(.diff,.guess,.cover,.shown,dl,.key span)[hidden]{display:none}
dl{display:flex;flex-wrap:wrap;gap:.3em 1.6em;margin:.6em 0}
dt{color:var(--soft);font-size:.86em}
dd{margin:0;font-weight:650;font-variant-numeric:tabular-nums}
.guess{display:flex;flex-wrap:wrap;gap:.4em .8em;align-items:center;margin:.6em 0}
.guess input{font:inherit;color:inherit;background:var(--paper);border:1px solid var(--soft);border-radius:5px;padding:.1em .4em;width:8em}
.cover{background:var(--masked);border-radius:6px;padding:2.5em 1em;text-align:center}
.acts{display:flex;flex-wrap:wrap;gap:.4em;margin:.1em 0 .5em}
.test{font-variant-numeric:tabular-nums;margin:.3em 0;min-height:1.45em}
`;

export function mount(host, view, link, kept = {}) {
  const { prompt } = view;
  const places = kept.places ?? placesOf(view);
  const names = { ...view.names, ...kept.names };
  let state = kept.state ?? asState(view.selected);
  let { predict = view.predict, moved = null, draws = null, seed = 1 } = kept;
  let wanted = null;
  let peeked = null;
  let told = "";
  let picking = null;

  const nameOf = (id) => spaced(names[id] ?? `#${id}`);
  const quoted = (id) => `“${nameOf(id)}”`;
  const logitsAt = (path) => places.get(keyOf(path));
  const guessHere = () => state.guesses.find(([path]) => keyOf(path) === keyOf(state.path));
  const able = (path) => places.has(keyOf(path)) || Boolean(view.follow && link.ask);

  // ---- parts
  const box = shell(host, "Sampling: filters, what they cut, and a text that grows token by token", SAMPLING_STYLE);
  const predicting = toggle("Predict first", (on) => { predict = on; draw(); });
  predicting.setAttribute("aria-pressed", String(predict));
  const frame = framed(host, "Sampling", { controls: [predicting], layout: () => draw(), tabulate });
  const strip = textStrip(nameOf, follow);
  const list = stageList(state.stages, { changed: setStages, moved: moveStage, find, pick: (name) => { picking = name; told = name ? `Choose a bar: its token joins ${name}.` : ""; draw(); } });
  const diff = element("div", { class: "diff" });
  const [words, undo] = [element("div"), element("button", { type: "button" }, "Undo the move")];
  diff.append(words, undo);
  const facts = element("dl");
  const bars = tokenBars({ choose: (id) => (picking ? picked(id) : follow([...state.path, id])), peek: (row) => { peeked = row; say(); } });
  const acts = element("div", { class: "acts" }, ...[["Draw a token", drawOne], ["Draw 100", () => drawMany(100)], ["Draw 10,000", () => drawMany(10000)], ["Likeliest token", takeBest]].map(([text, act]) => {
    const button = element("button", { type: "button" }, text);
    button.onclick = act;
    return button;
  }));
  const marks = element("span", {}, element("i", { style: "width:3px;background:var(--ink)" }), "drawn vs expected");
  const swatch = (style, text) => element("span", {}, element("i", { style }), text);
  const key = element("div", { class: "key soft" }, swatch("background:var(--line)", "model"), swatch("background:var(--query)", "after the filters"),
    swatch("background:repeating-linear-gradient(135deg,var(--line) 0 4px,transparent 4px 8px);border:1px solid var(--line)", "cut"), swatch("height:2px;vertical-align:.3em;background:var(--key)", "running sum, 0 to 100 %"), marks);
  const test = element("div", { class: "test" });
  const shown = element("div", { class: "shown" }, acts, key, bars.node, test);
  const [token, share] = [element("input", { "aria-label": "The token that you expect", placeholder: "token" }), element("input", { "aria-label": "Its probability in percent", placeholder: "probability, %", inputmode: "decimal" })];
  const guess = element("form", { class: "guess" }, "What comes next?", token, share, element("button", { type: "submit" }, "Reveal"));
  const cover = element("div", { class: "cover soft" }, "Hidden until you have said what comes next: a token, the probability of it or of the likeliest one, or both.");
  const tree = branchTree(nameOf, follow);
  box.append(frame.bar, strip.node, element("div", { class: "cols" },
    element("div", { class: "knobs" }, element("h3", {}, "Filters ", element("span", { class: "soft" }, "from first to last")), list.node, diff, facts, tree.node),
    element("div", { class: "next" }, element("h3", {}, "What comes next"), guess, cover, shown)), frame.say, frame.table);

  // ---- what is computed
  const computed = (stages) => {
    const logits = logitsAt(state.path);
    const steps = traced(stages, logits, [...prompt, ...state.path]);
    return { steps, ...outcome(steps, logits) };
  };
  let now;
  let model;
  let changes = null;
  function compute() {
    model = shares(logitsAt(state.path));
    now = computed(state.stages);
    changes = moved && orderDiff(now, computed(moved.stages), model);
  }
  // ---- drawing
  function draw() {
    compute();
    box.classList.toggle("slim", host.clientWidth < (frame.big() ? 900 : 600));
    const hidden = predict && !guessHere();
    list.draw(state.stages, Object.fromEntries(now.steps.map((step) => [step.name, hidden ? "" : effectOf(step)])), nameOf, picking);
    guess.hidden = cover.hidden = !hidden;
    shown.hidden = hidden;
    facts.hidden = hidden;
    const logs = state.path.map((id, i) => (logitsAt(state.path.slice(0, i)) ? logShare(logitsAt(state.path.slice(0, i)), id) : null));
    strip.draw(prompt, state.path, logs, costWords(logs));
    drawDiff(hidden);
    drawFacts();
    drawBars();
    drawTest();
    tree.draw(state);
    say();
    frame.refresh();
  }

  function drawDiff(hidden) {
    diff.hidden = !changes || hidden;
    if (changes) words.textContent = diffWords(changes, moved, nameOf);
  }

  function drawFacts() {
    facts.replaceChildren(...factRows(model, now.odds).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  }

  let seenRows = [];
  function drawBars() {
    const ids = rowsOf(model, now.odds, BARS);
    seenRows = barRows(ids, { model, now, changes, draws, nameOf, able: (id) => picking !== null || able([...state.path, id]) });
    const nucleus = now.steps.find(({ name }) => name === "top_p");
    const summed = shares(nucleus ? nucleus.before : now.steps.at(-1)?.after ?? logitsAt(state.path));
    let sum = 0;
    bars.draw(seenRows, { sums: ids.map((id) => (sum += summed[id])), at: nucleus ? nucleus.value : null });
  }

  function drawTest() {
    marks.hidden = !draws;
    test.textContent = draws ? testWords(draws, now.odds) : "";
  }

  function say() {
    const mine = guessHere();
    const hidden = predict && !mine;
    const text = peeked && !hidden ? peeked.label : told || (mine ? verdictWords(mine, logitsAt(state.path), nameOf) : hidden ? "Say what comes next." : `After ${prompt.length + state.path.length} tokens: ${seenRows[0]?.label ?? ""}`);
    if (frame.say.textContent !== text) frame.say.textContent = text;
  }

  function tabulate() {
    if (predict && !guessHere()) return [];
    const rows = seenRows.map(({ name, was, is, cut, id }) => [name, inPercent(was), cut ? "–" : inPercent(is), cut ?? "", draws && id !== null ? draws.counts[id] : ""]);
    return [tableOf("What comes next", ["token", "model", "after the filters", "cut by", "drawn"], rows)];
  }

  // ---- acting
  const tell = () => link.send?.("selected", asSelected(state));
  function setStages(stages, done) {
    state = { ...state, stages };
    if (moved) moved = { ...moved, stages: moved.stages.map(([name]) => stages.find(([other]) => other === name)) };
    draws = null;
    told = "";
    draw();
    if (done) tell();
  }
  function moveStage(stages, name) {
    // Several moves of one filter are one, from where it stood first.
    const before = moved?.name === name ? moved.stages : state.stages;
    const back = before.every(([other], i) => other === stages[i][0]);
    moved = back ? null : { name, stages: before };
    state = { ...state, stages };
    draws = null;
    told = "";
    draw();
    tell();
  }
  undo.onclick = () => {
    state = { ...state, stages: moved.stages };
    moved = null;
    draws = null;
    draw();
    tell();
  };

  function find(text) {
    const id = tokenNamed(names, text);
    told = id < 0 ? noToken(text) : "";
    say();
    return id;
  }
  function picked(id) {
    const name = picking;
    picking = null;
    list.add(name, id);
  }
  const noToken = (text) => `No token of this vocabulary reads “${text}”. Many are parts of words; a space before it is added where needed.`;

  function follow(path) {
    if (places.has(keyOf(path))) return go(path);
    if (view.follow && link.ask) {
      wanted = keyOf(path);
      told = `Asking the kernel what comes after ${quoted(path.at(-1))}. While a cell runs, it answers when that has ended.`;
      link.ask({ path });
    } else told = `This page holds the likeliest continuations, those in bold, and ${quoted(path.at(-1))} leads to none of them. ${view.follow ? "Run the cell, and any token can be followed." : ""}`.trim();
    peeked = null;
    say();
  }
  function go(path) {
    state = wentTo(state, path);
    wanted = null;
    draws = null;
    told = "";
    peeked = null;
    token.value = share.value = "";
    draw();
    tell();
  }
  const nothingLeft = () => {
    if (now.odds.some((share) => share > 0)) return false;
    told = "No token is left to draw: the filters cut all of them.";
    say();
    return true;
  };
  function drawOne() {
    if (nothingLeft()) return;
    follow([...state.path, drawn(now.odds, 1, seed++).indexOf(1)]);
  }
  function takeBest() {
    if (nothingLeft()) return;
    follow([...state.path, now.odds.indexOf(Math.max(...now.odds))]);
  }
  function drawMany(n) {
    if (nothingLeft()) return;
    draws = { n, counts: drawn(now.odds, n, seed++) };
    draw();
  }

  guess.onsubmit = (event) => {
    event.preventDefault();
    const id = token.value ? tokenNamed(names, token.value) : null;
    const said = share.value.trim() ? Number(share.value.replace("%", "").replace(",", ".")) / 100 : null;
    told = "";
    if (id === null && said === null) told = "Name a token, a probability, or both.";
    else if (id === -1) told = noToken(token.value);
    else if (said !== null && !(said >= 0 && said <= 1)) told = "A probability is from 0 to 100 %.";
    if (told) return say();
    state = { ...state, guesses: [...state.guesses, [state.path, id, said]] };
    draw();
    tell();
  };
  for (const input of [token, share]) input.addEventListener("keydown", (event) => event.stopPropagation());
  onEscape(box, () => {
    if (!picking) return follow([]);
    picking = null;
    told = "";
    draw();
  });

  const forget = followTheme(host, draw);
  const unfit = fitted(host, draw);
  return {
    select: (selected) => {
      if (!places.has(keyOf(selected[0]))) return;
      state = asState(selected);
      draw();
    },
    answer: ({ path, low, step, names: more }, [codes]) => {
      Object.assign(names, more);
      places.set(keyOf(path), decoded(codes, 0, codes.length / 2, low, step));
      if (wanted === keyOf(path)) go(path);
    },
    leave: () => {
      forget();
      unfit();
      return { state, predict, moved, draws, seed, places, names };
    },
  };
}

export default live(mount);
