// Tokens as coloured pieces: which bytes and which characters they hold, and how to show both.
import { toBytes, toText } from "./bpe.js";
import { element } from "./host.js";

const SIGNS = { " ": "·", "\n": "↵", "\t": "⇥", "\r": "␍", "\u00a0": "⍽" };
const UNSEEN = /[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/u;
const MARK = /^\p{M}/u;
const BYTE = /^[\udc80-\udcff]$/;
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join(" ");
export const codePoint = (character) => "U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");

// A character of its own as something that can be seen: a sign for white space, a mark on a dotted circle.
export function visible(character) {
  if (character in SIGNS) return SIGNS[character];
  if (BYTE.test(character)) return hex(toBytes(character));
  if (UNSEEN.test(character)) return `‹${codePoint(character).slice(2)}›`;
  return MARK.test(character) ? "◌" + character : character;
}

// A whole character: one of several code points shows itself.
const shown = (character) => (Array.from(character).length > 1 ? character : visible(character));

// What a reader takes for one character: an emoji of several code points, a letter with its marks. CR LF stays two.
export function graphemes(text) {
  if (!Intl.Segmenter) return Array.from(text);
  const parts = Array.from(new Intl.Segmenter("en", { granularity: "grapheme" }).segment(text), ({ segment }) => segment);
  return parts.flatMap((part) => (part === "\r\n" ? ["\r", "\n"] : [part]));
}

// Where each token starts and ends in the bytes of the text; −1 is a character that the tokenizer does not know.
export function spansOf(text, ids, bytesOf) {
  const bytes = toBytes(text);
  const spans = [];
  let at = 0;
  for (const id of ids) {
    const lead = bytes[at];
    const length = id >= 0 ? bytesOf(id).length : lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    spans.push({ id, start: at, end: at + length });
    at += length;
  }
  return spans;
}

// Each token's parts: text where it holds whole characters, code points or bytes in hex where a character is cut.
// `cut` is the number of that character in the text, else null.
export function partsOfTokens(text, spans) {
  const parts = spans.map(() => []);
  let at = 0;
  let first = 0;
  graphemes(text).forEach((character, number) => {
    const end = at + toBytes(character).length;
    while (first < spans.length && spans[first].end <= at) first++;
    if (first < spans.length && spans[first].start <= at && end <= spans[first].end) {
      const last = parts[first].at(-1);
      if (last && last.cut === null) last.text += shown(character);
      else parts[first].push({ text: shown(character), cut: null });
    } else {
      for (let i = first; i < spans.length && spans[i].start < end; i++) {
        parts[i].push({ text: cutOut(character, at, spans[i]), cut: number, whole: character });
      }
    }
    at = end;
  });
  return parts;
}

// What a token holds of one character that it does not hold whole.
function cutOut(character, at, { start, end }) {
  const kept = [];
  for (const point of character) {
    const bytes = toBytes(point);
    const [from, to] = [Math.max(start - at, 0), Math.min(end - at, bytes.length)];
    if (from < to) kept.push(to - from === bytes.length ? visible(point) : hex(bytes.slice(from, to)));
    at += bytes.length;
  }
  return kept.join(" ");
}

// Tokens that share a character stand in one group, at most `most` of them, with a bracket under each such character.
export function groupsOf(parts, most = 12) {
  const groups = [];
  parts.forEach((own, i) => {
    const before = i && parts[i - 1].at(-1);
    const linked = before && before.cut !== null && before.cut === own[0]?.cut && groups.at(-1).length < most;
    if (linked) groups.at(-1).push(i);
    else groups.push([i]);
  });
  return groups;
}

// One of five tints, always the same for the same bytes.
export const tint = (bytes) => bytes.reduce((sum, byte) => (sum * 31 + byte + 7) % 1009, 0) % 5;

// Tints in order; a neighbour that would look alike takes the next one.
export function tints(ids, bytesOf) {
  let last = -1;
  let before = null;
  return ids.map((id) => {
    const own = id < 0 ? 0 : tint(bytesOf(id));
    last = own === last && id !== before ? (own + 1) % 5 : own;
    before = id;
    return last;
  });
}

// The bytes of a token as one text, those that are no character as \xe4: what Python's `pieces` shows.
export function nameOf(bytes) {
  const name = (character) => (BYTE.test(character) ? "\\x" + hex(toBytes(character)).toLowerCase() : shown(character));
  return graphemes(toText(bytes)).map(name).join("");
}

export const PIECE_STYLE = `
:host{--c0:#fde3b5;--c1:#cfe7f8;--c2:#c3ead9;--c3:#f6f1b3;--c4:#f3d6e6;--edge:#6a737d}
:host([data-dark]){--c0:#5c420c;--c1:#174a66;--c2:#0f5140;--c3:#565010;--c4:#5e384e;--edge:#9aa4ae}
.pieces{line-height:2;font-family:ui-monospace,Menlo,Consolas,monospace;direction:ltr;overflow-wrap:anywhere;padding:.2em 0}
.p{display:inline-block;white-space:pre-wrap;line-height:1.3;padding:.08em .18em;margin:0 1px;border:1px solid var(--edge);
border-radius:4px;unicode-bidi:isolate;max-width:100%;cursor:pointer;vertical-align:top;min-width:.9em;text-align:center}
.c0{background-color:var(--c0)}
.c1{background-color:var(--c1)}
.c2{background-color:var(--c2)}
.c3{background-color:var(--c3)}
.c4{background-color:var(--c4)}
.p.cut,.p i{font-size:.82em;font-style:normal;font-variant-numeric:tabular-nums}
.p.cut{padding:.2em .22em}
.p i{border:1px dotted var(--edge);border-radius:3px;padding:0 .15em;margin:0 .1em}
.p.special{background:var(--ink);color:var(--paper);border:3px double var(--paper);font-weight:600}
.p.unknown{background:repeating-linear-gradient(45deg,var(--masked) 0 4px,var(--paper) 4px 8px);border-style:dashed}
.g{display:inline-grid;vertical-align:top;max-width:100%}
.g .p{grid-row:1}
.g b{grid-row:2;margin:2px 2px 0;text-align:center;line-height:1.3;font-size:.95em;font-weight:400;white-space:nowrap}
.g b::before{content:"";display:block;border:2px solid var(--soft);border-top:0;border-radius:0 0 4px 4px;height:5px}
.tree{display:inline-flex;gap:.3em;align-items:flex-start}
.tree>span{display:flex;flex-direction:column;align-items:center}
.tree .tree{border-top:2px solid var(--line);margin-top:.25em;padding-top:.25em}
`;

// More pieces than this are counted but not shown.
export const SHOWN = 2000;

// The tokens of a text as pieces in `strip`, those that share a character in brackets; the pieces become strip.nodes.
export function paintPieces(strip, text, spans, { bytesOf, special }) {
  const few = spans.slice(0, SHOWN);
  const parts = partsOfTokens(few.length < spans.length ? toText(toBytes(text).slice(0, few.at(-1).end)) : text, few);
  const colours = tints(few.map(({ id }) => id), bytesOf);
  const nodes = few.map(({ id }, i) => pieceOf(parts[i], id < 0 ? "unknown" : special?.has(id) ? "special" : `c${colours[i]}`, i));
  const all = [];
  for (const group of groupsOf(parts)) {
    all.push(group.length > 1 ? bracketed(group, parts, nodes) : nodes[group[0]]);
    if (parts[group.at(-1)].some((part) => part.text.includes("↵"))) all.push(element("br"));
  }
  if (few.length < spans.length) all.push(element("span", { class: "soft" }, ` … and ${spans.length - few.length} more tokens, counted but not shown`));
  strip.replaceChildren(...all);
  strip.nodes = nodes;
}

function pieceOf(parts, kind, i) {
  const node = element("span", { class: `p ${kind}` });
  node.index = i;
  if (parts.length === 1 && parts[0].cut !== null) node.classList.add("cut");
  const mixed = parts.length > 1;
  node.append(...parts.map((part) => (mixed && part.cut !== null ? element("i", {}, part.text) : part.text)));
  return node;
}

// One column per part, so that each bracket spans just what belongs to its character.
function bracketed(group, parts, nodes) {
  const node = element("span", { class: "g" });
  const brackets = new Map();
  let column = 1;
  for (const i of group) {
    nodes[i].style.gridColumn = `${column} / ${column + parts[i].length}`;
    node.append(nodes[i]);
    for (const { cut, whole } of parts[i]) {
      if (cut !== null) brackets.set(cut, { whole, from: brackets.get(cut)?.from ?? column, to: column + 1 });
      column++;
    }
  }
  for (const { whole, from, to } of brackets.values()) node.append(element("b", { style: `grid-column:${from} / ${to}` }, whole));
  return node;
}

// How a token came to be, as a tree of pieces down to single bytes.
export function treeOf(id, { bytesOf, partsOf }, chosen, depth = 12) {
  const parts = partsOf(id);
  const bytes = bytesOf(id);
  const piece = element("span", { class: `p c${tint(bytes)}`, title: `id ${id}: ${hex(bytes)}` }, nameOf(bytes));
  if (chosen) piece.onclick = () => chosen(id);
  const node = element("span", {}, piece);
  if (parts && depth) node.append(element("span", { class: "tree" }, ...parts.map((part) => treeOf(part, { bytesOf, partsOf }, chosen, depth - 1))));
  return node;
}
