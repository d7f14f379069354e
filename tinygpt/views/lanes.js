// A KV cache as bands: one for each layer, in it a lane for each key/value head, along it the tokens.
import { clamp, inks, lettering, roundStep, sized, ticks } from "./host.js";
import { partsOf } from "./cache_sizes.js";

const DECODE_COLOUR = "#b97f00";
// A lane as high as this shows keys above values, and the outlines of lanes that are saved.
const DOUBLE = 7;

// Returns what takes a place on the canvas to { layer, head, token }.
export function lanes(canvas, host, { shape, now, width, text }) {
  const ink = inks(host);
  const { n_layers: L, n_heads: H, context } = shape;
  const left = text * 3.2;
  const top = text * 2.8;
  const each = clamp((text * 26) / L, 2.6, text * 6);
  const gap = each > 8 ? Math.min(4, each * 0.12) : 0.4;
  const slot = (each - gap) / H;
  const toX = (token) => left + (token / context) * (width - left - text);
  const pen = sized(canvas, width, top + L * each + text * 3);
  const parts = partsOf(now, context);
  for (let layer = 0; layer < L; layer++) {
    const y = top + layer * each;
    pen.fillStyle = ink.masked;
    pen.fillRect(toX(0), y, toX(context) - toX(0), each - gap);
    for (const part of parts) fillPart(pen, ink, part, { y, toX, slot, H, heads: now.heads });
  }
  outline(pen, ink, { L, top, each, slot, H, heads: now.heads, from: toX(0), to: toX(context) });
  nameParts(pen, ink, parts, { toX, text, top, now });
  nameAxes(pen, ink, { L, toX, text, left, top, each, context });
  const find = (px, py) => {
    const layer = Math.floor((py - top) / each);
    const token = Math.floor(((px - left) / (width - left - text)) * context);
    const head = Math.floor((py - top - layer * each) / (slot * (H / now.heads)));
    return layer >= 0 && layer < L && token >= 0 && token < context && px >= left ? { layer, token, head: Math.min(head, now.heads - 1) } : null;
  };
  return { find, left, top, each };
}

// The lanes of a band are as many as its query heads: each key/value head fills the first of those that share it.
function fillPart(pen, ink, [kind, from, to], { y, toX, slot, H, heads }) {
  if (kind === "empty") return;
  const [x, wide] = [toX(from), toX(to) - toX(from)];
  const apart = slot * (H / heads) >= 3;
  for (let head = 0; head < (apart ? heads : 1); head++) {
    const [at, tall] = apart ? [y + head * slot * (H / heads), Math.max(slot - (slot > 4 ? 1 : 0), 1)] : [y, slot * heads];
    if (kind === "gone") stripes(pen, ink, x, at, wide, tall);
    else tokensOf(pen, ink, kind, { x, at, wide, tall, count: to - from });
  }
}

function tokensOf(pen, ink, kind, { x, at, wide, tall, count }) {
  pen.fillStyle = kind === "prefill" ? ink.query : DECODE_COLOUR;
  pen.fillRect(x, at, wide, tall);
  if (tall >= DOUBLE) {
    pen.globalAlpha = 0.45;
    pen.fillStyle = ink.paper;
    pen.fillRect(x, at + tall / 2, wide, tall / 2);
    pen.globalAlpha = 1;
  }
  if (kind === "prefill") return;
  // Each step writes a column of its own; where they are too narrow, every few share a stripe.
  const step = Math.max(wide / count, 4);
  pen.fillStyle = ink.paper;
  for (let place = x; place < x + wide - 1; place += step) pen.fillRect(place, at, 1.2, tall);
}

function stripes(pen, ink, x, at, wide, tall) {
  pen.save();
  pen.beginPath();
  pen.rect(x, at, wide, tall);
  pen.clip();
  pen.strokeStyle = ink.soft;
  pen.lineWidth = 0.8;
  pen.beginPath();
  for (let place = x - tall; place < x + wide; place += 7) {
    pen.moveTo(place, at + tall);
    pen.lineTo(place + tall, at);
  }
  pen.stroke();
  pen.restore();
}

// Lanes that grouped queries save.
function outline(pen, ink, { L, top, each, slot, H, heads, from, to }) {
  if (slot < DOUBLE || heads === H) return;
  pen.strokeStyle = ink.line;
  pen.lineWidth = 1;
  pen.setLineDash([3, 3]);
  for (let layer = 0; layer < L; layer++) for (let head = 0; head < H; head++) if (head % (H / heads)) pen.strokeRect(from, top + layer * each + head * slot, to - from, slot - 1);
  pen.setLineDash([]);
}

const NAMES_OF_PARTS = { gone: "dropped", prefill: "prefill, one pass", decode: "decode, one each", empty: "not used yet" };
function nameParts(pen, ink, parts, { toX, text, top }) {
  lettering(pen, `${text}px system-ui,sans-serif`);
  let free = 0;
  for (const [kind, from, to] of parts) {
    const words = `${NAMES_OF_PARTS[kind]}: ${(to - from).toLocaleString("en")}`;
    const [x, wide] = [Math.max(toX(from), free), pen.measureText(words).width];
    pen.strokeStyle = ink.soft;
    pen.lineWidth = 1.2;
    pen.beginPath();
    for (const point of [[toX(from) + 1, top - 4], [toX(from) + 1, top - text * 0.7], [toX(to) - 1, top - text * 0.7], [toX(to) - 1, top - 4]]) pen.lineTo(...point);
    pen.stroke();
    if (x + wide > toX(Infinity === to ? 0 : parts.at(-1)[2]) + text) continue;
    pen.fillStyle = kind === "empty" || kind === "gone" ? ink.soft : ink.ink;
    pen.textAlign = "left";
    pen.fillText(words, x, text * 1.1);
    free = x + wide + text;
  }
}

function nameAxes(pen, ink, { L, toX, text, left, top, each, context }) {
  pen.fillStyle = ink.soft;
  pen.textAlign = "right";
  const every = Math.max(1, Math.ceil((text * 1.3) / each));
  for (let layer = 0; layer < L; layer += every) pen.fillText(`L${layer}`, left - 6, top + (layer + 0.5) * each + text * 0.35);
  pen.textAlign = "center";
  for (const tick of ticks(0, context, roundStep(context, 6))) pen.fillText(tick.toLocaleString("en"), toX(tick), top + L * each + text * 1.2);
  pen.textAlign = "right";
  pen.fillText("token of the sequence", toX(context), top + L * each + text * 2.5);
}
