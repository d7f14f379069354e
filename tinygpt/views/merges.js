// Merges: byte-pair encoding learnt from a text, one merge at a time.
import { compile, learn, toBytes, toText, wordsOf } from "./bpe.js";
import { clamp, element, followTheme, format, live, redrawn, shell, toggle } from "./host.js";
import { PIECE_STYLE, SHOWN, hex, nameOf, paintPieces, treeOf } from "./pieces.js";
import { scrubber } from "./scrubber.js";

// Rows of the list of merges; the table holds them all.
const LATEST = 8;

const times = (count) => (count === 1 ? "once" : `${count} times`);

// Words with the given numbers of bytes, for a pattern that JavaScript cannot follow.
export function slices(bytes, lengths) {
  let at = 0;
  return lengths.map((length) => toText(bytes.subarray(at, (at += length))));
}

const MERGE_STYLE = PIECE_STYLE + `
textarea{font:1em/1.45 ui-monospace,Menlo,Consolas,monospace;width:100%;color:inherit;background:var(--paper);
border:1px solid var(--line);border-radius:6px;padding:.4em .6em;resize:vertical;unicode-bidi:plaintext}
textarea[readonly]{background:var(--masked)}
.note{margin:.35em 0;padding:.3em .7em;border-left:4px solid var(--line);background:var(--masked)}
.note:empty{display:none}
.say{min-height:3em;margin:.4em 0;font-weight:500;overflow-wrap:anywhere}
.pieces{max-height:19em;overflow:auto;border-top:1px solid var(--line);border-bottom:1px solid var(--line)}
.p{cursor:default}
.p.last{margin-right:.55em}
.p.new{border-color:var(--query);box-shadow:0 0 0 2px var(--query)}
.p.left,.p.right{border-color:var(--key);border-width:3px;padding-top:0;padding-bottom:0;font-weight:700}
.p.left{border-right-style:dotted;border-right-width:1px;margin-right:0;border-radius:5px 0 0 5px}
.p.right{border-left:0;margin-left:0;border-radius:0 5px 5px 0}
.cols{display:flex;flex-wrap:wrap;gap:.5em 3em;align-items:flex-start;margin-top:.6em}
.cols>div,.all{min-width:0;max-width:100%;overflow-x:auto}
h3{font-size:1em;font-weight:650;margin:.2em 0 .4em}
h3 span{font-weight:400}
.bars{display:grid;grid-template-columns:1.2em max-content max-content minmax(3em,11em) 3em;gap:.25em .5em;align-items:center;font-variant-numeric:tabular-nums}
.bars .mono{white-space:pre}
.bars .track{height:1.1em;background:var(--masked);border-radius:3px;overflow:hidden}
.bars .track i{display:block;height:100%;background:var(--query)}
.bars .won i{background:var(--key)}
.bars .tied i{background:repeating-linear-gradient(45deg,var(--key) 0 4px,var(--masked) 4px 8px)}
.bars output{text-align:right}
.tie{max-width:30em;min-height:3em;margin-top:.4em}
th:nth-child(3){text-align:left}
.latest td:first-child,.latest th:first-child{padding-left:0}
.latest table{margin:0}
td.mono{white-space:pre;text-align:left}
.tree{font-family:ui-monospace,Menlo,Consolas,monospace}
.grown{overflow-x:auto;max-width:100%;min-height:9em}
.key{display:inline-block;width:1.3em;height:.9em;border-radius:3px;vertical-align:-.1em;margin:0 .2em 0 .6em}
.key.a{border:3px solid var(--key)}
.key.b{border:2px solid var(--query)}
`;

export function mount(host, view, link, kept = {}) {
  const pattern = compile(view.pattern);
  const bytes = view.data.subarray(0, view.size);
  const given = slices(bytes, view.words);
  const box = shell(host, "Merges of byte-pair encoding", MERGE_STYLE);
  // What this browser cuts must be what Python cut; else only the given text is shown.
  const cut = pattern ? wordsOf(toText(bytes), pattern) : [];
  const able = cut.length === given.length && cut.every((word, i) => word === given[i]);
  let text = able && "text" in kept ? kept.text : toText(bytes);
  let big = false;
  let words;
  let index;
  let steps;
  let merges;
  let at;
  let scrub = null;

  // ---- parts
  const area = element("textarea", { spellcheck: "false", autocapitalize: "off", autocomplete: "off", maxlength: "20000", "aria-label": "Text to learn from" });
  area.value = text;
  area.rows = clamp(text.split("\n").length, 2, 5);
  area.readOnly = !able;
  const facts = element("span", { class: "soft" });
  const tableButton = toggle("Table", (on) => { table.hidden = !on; draw(); });
  const bigButton = toggle("Large text", (on) => { big = on; host.toggleAttribute("data-big", on); draw(); });
  const bar = element("div", { class: "bar" }, element("h2", {}, "Merges"), facts, element("span", { class: "push" }), tableButton, bigButton);
  const note = element("div", { class: "note" }, able ? "" : view.stuck);
  const rail = element("div");
  const say = element("div", { class: "say", "aria-live": "polite" });
  const strip = element("div", { class: "pieces", tabindex: "0", role: "region", "aria-label": "The text as tokens" });
  const bars = element("div", { class: "bars" });
  const tie = element("div", { class: "soft tie" });
  const latest = element("div", { class: "latest" });
  const grown = element("div", { class: "grown" });
  const table = element("div", { class: "all" });
  table.hidden = true;
  box.append(bar, area, note, rail, say, strip,
    element("div", { class: "soft" }, element("span", { class: "key a" }), "merges next", element("span", { class: "key b" }), "just merged"),
    element("div", { class: "cols" },
      element("div", {}, element("h3", {}, "Pairs", element("span", { class: "soft" }, " and how often each comes")), bars, tie),
      element("div", {}, element("h3", {}, "Merges so far"), latest),
      element("div", {}, element("h3", {}, "The newest token"), grown)),
    table);

  // ---- vocabulary
  const made = new Map();
  const partsOf = (id) => (id < 256 ? null : merges[id - 256]);
  function bytesOf(id) {
    if (id < 256) return [id];
    if (!made.has(id)) made.set(id, partsOf(id).flatMap(bytesOf));
    return made.get(id);
  }
  const piece = (id) => `“${nameOf(bytesOf(id))}”`;

  // ---- learning
  function read(step) {
    words = text === toText(bytes) ? given : wordsOf(text, pattern);
    ({ index, steps } = learn(words, view.most));
    merges = steps.slice(0, -1).map(({ top }) => top[0][0]);
    made.clear();
    const size = toBytes(text).length;
    facts.textContent = `${size} bytes, ${merges.length} merges` + (merges.length < view.most ? `: then every word is one token` : "");
    const frames = steps.map((_, k) => ({ x: k, label: `after ${k} of ${merges.length} merges` }));
    const across = steps.map((_, k) => k);
    const curves = { "bytes per token": [across, steps.map(({ tokens }) => size / (tokens || 1))] };
    at = clamp(step, 0, merges.length);
    scrub?.stop();
    scrub = scrubber({ frames, curves, opened: at, x_label: "merges" }, host, (frame) => { at = frame; draw(); });
    const move = (label, by) => {
      const button = element("button", { type: "button" }, label);
      button.onclick = () => {
        scrub.stop();
        at = clamp(at + by, 0, merges.length);
        draw();
      };
      return button;
    };
    const where = scrub.node.querySelector("output");
    where.before(move("◀ Back", -1), move("Step ▶", 1));
    redrawn(rail, () => rail.replaceChildren(scrub.node));
    draw();
  }

  // ---- drawing
  function draw() {
    scrub.draw(at, big);
    const step = steps[at];
    const next = at < merges.length ? merges[at] : null;
    say.textContent = sentence(step, next);
    paint(step, next);
    drawBars(step);
    drawLatest();
    grown.replaceChildren(...(at ? [element("div", { class: "tree" }, treeOf(255 + at, { bytesOf, partsOf }))] : [element("span", { class: "soft" }, "none yet: every byte is a token")]));
    if (!table.hidden) drawTable();
  }

  function sentence({ tokens, top, tied }, next) {
    const now = `After ${at} merge${at === 1 ? "" : "s"}: ${tokens} tokens, ${format(toBytes(text).length / (tokens || 1), 2)} bytes per token. `;
    if (!next) return now + (top.length ? "These were all the merges asked for." : "No pair is left: every word is one token.");
    const [left, right] = next;
    return now + `Next, merge ${at}: ${piece(left)} ${left} + ${piece(right)} ${right} come ${times(top[0][1])}${tied > 1 ? ` (so do ${tied - 1} more)` : ""} and become ${256 + at}.`;
  }

  function paint(step, next) {
    const spans = [];
    const marks = [];
    let start = 0;
    for (const word of words) {
      if (spans.length > SHOWN) break;
      const ids = step.ids[index.get(word)];
      const from = spans.length;
      for (const id of ids) {
        const end = start + bytesOf(id).length;
        spans.push({ id, start, end });
        marks.push(id === 255 + at && at ? ["new"] : []);
        start = end;
      }
      marks.at(-1).push("last");
      for (let i = 0; next && i + 1 < ids.length; i++) {
        if (ids[i] !== next[0] || ids[i + 1] !== next[1]) continue;
        marks[from + i].push("left");
        marks[from + i + 1].push("right");
        i++;
      }
    }
    const shown = toText(toBytes(text).slice(0, start));
    paintPieces(strip, shown, spans, { bytesOf });
    strip.nodes.forEach((node, i) => node.classList.add(...marks[i]));
  }

  function drawBars({ top, tied, pairs }) {
    const most = top.length ? top[0][1] : 1;
    const rows = top.flatMap(([[left, right], count], i) => {
      const fill = element("i", { style: `width:${(count / most) * 100}%` });
      const kind = i === 0 ? "won" : i < tied ? "tied" : "";
      return [element("span", {}, i === 0 ? "▸" : i < tied ? "=" : ""), element("span", { class: "mono" }, `${piece(left)} ${piece(right)}`),
        element("span", { class: "soft" }, `${left}, ${right}`), element("span", { class: `track ${kind}` }, fill), element("output", {}, String(count))];
    });
    bars.replaceChildren(...rows);
    const rest = pairs > top.length ? ` ${pairs - top.length} more ${pairs === top.length + 1 ? "pair is" : "pairs are"} not shown.` : "";
    tie.textContent = (tied > 1 && top.length > 1
      ? `A tie: ${tied} pairs come ${times(most)}. The smaller ids go first: (${top[0][0].join(", ")}) before (${top[1][0].join(", ")}).` : "") + rest;
  }

  const line = (tag, cells) => element("tr", {}, ...cells.map((cell, c) => element(tag, tag === "td" && (c === 1 || c === 2) ? { class: "mono" } : tag === "th" ? { scope: "col" } : {}, String(cell))));
  const row = (k) => [k, merges[k].map(piece).join(" + "), piece(256 + k), 256 + k, steps[k].top[0][1]];
  const make = (caption, header, rows) => element("table", {}, ...(caption ? [element("caption", {}, caption)] : []), element("thead", {}, line("th", header)), element("tbody", {}, ...rows.map((cells) => line("td", cells))));
  const ranks = (from) => Array.from({ length: at - from }, (_, i) => row(from + i));

  function drawLatest() {
    const from = Math.max(0, at - LATEST);
    latest.replaceChildren(at ? make("", ["rank", "pair", "token", "id", "count"], ranks(from).reverse()) : element("span", { class: "soft" }, "none yet"),
      ...(from ? [element("div", { class: "soft" }, `and ${from} before: see the table`)] : []));
  }
  function drawTable() {
    table.replaceChildren(make(`All ${at} merges so far`, ["rank", "pair", "token", "id", "count", "tokens then", "bytes in hex"],
      ranks(0).map((cells, k) => [...cells, steps[k + 1].tokens, hex(bytesOf(256 + k))])));
  }

  let timer;
  area.oninput = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      text = area.value;
      read(0);
    }, 150);
  };
  const forget = followTheme(host, () => draw());
  let wide = host.clientWidth;
  const fit = new ResizeObserver(() => {
    if (!host.clientWidth || Math.abs(host.clientWidth - wide) < 8) return;
    wide = host.clientWidth;
    draw();
  });
  fit.observe(host);
  read(kept.at ?? view.at);
  return {
    leave: () => {
      forget();
      fit.disconnect();
      scrub.stop();
      return { text, at };
    },
  };
}

export default live(mount);
