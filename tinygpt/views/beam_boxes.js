// A token of a beam search as a box, and the line that leads to it: what became of it shows in colour, line, corners and sign.
import { shorten } from "./cells.js";
import { format, lettering } from "./host.js";

const ENDED_COLOUR = "#009e73";
const SIGNS = { kept: "→", ended: "■", pruned: "×" };
const brief = (value) => format(value, Math.abs(value) < 9.995 ? 2 : 1);

// `look`: { best, held, hidden, marked }, where what is hidden does not show its fate.
function tones(ink, { fate }, { best, held, hidden }) {
  const own = hidden ? ink.soft : { kept: ink.query, ended: ENDED_COLOUR, pruned: ink.soft }[fate];
  return { line: held ? ink.ink : best ? ink.key : own, wide: held || best ? 3.4 : fate === "pruned" || hidden ? 1 : 1.7, dash: !hidden && fate === "pruned" ? [3, 3] : [] };
}

export function drawBranch(pen, ink, node, look, from, to) {
  const { line, wide, dash } = tones(ink, node, look);
  pen.strokeStyle = line;
  pen.lineWidth = wide;
  pen.setLineDash(dash);
  const bend = (to[0] - from[0]) / 2;
  pen.beginPath();
  pen.moveTo(...from);
  pen.bezierCurveTo(from[0] + bend, from[1], to[0] - bend, to[1], ...to);
  pen.stroke();
  pen.setLineDash([]);
}

// `at`: { x, y, wide, tall, text }.
export function drawBox(pen, ink, node, name, look, at) {
  const { x, y, wide, tall, text } = at;
  const { line, wide: thick, dash } = tones(ink, node, look);
  const fate = look.hidden ? "asked" : node.fate;
  pen.beginPath();
  if (fate === "kept") pen.roundRect(x, y, wide, tall, text * 0.8);
  else pen.rect(x, y, wide, tall);
  pen.fillStyle = ink.paper;
  pen.fill();
  if (fate === "kept" || fate === "ended") {
    pen.globalAlpha = 0.16;
    pen.fillStyle = fate === "ended" ? ENDED_COLOUR : ink.query;
    pen.fill();
    pen.globalAlpha = 1;
  }
  pen.strokeStyle = line;
  pen.lineWidth = thick;
  pen.setLineDash(dash);
  pen.stroke();
  pen.setLineDash([]);
  if (fate === "ended") {
    pen.lineWidth = 1;
    pen.strokeRect(x + 3.5, y + 3.5, wide - 7, tall - 7);
  }
  pen.fillStyle = fate === "pruned" ? ink.soft : ink.ink;
  writeBox(pen, node, name, fate === "asked" ? (look.marked ? "☑" : "☐") : SIGNS[fate], fate === "asked" ? "?" : brief(node.score), at);
}

function writeBox(pen, node, name, sign, score, { x, y, wide, tall, text }) {
  pen.textAlign = "left";
  lettering(pen, `600 ${text}px ui-monospace,Menlo,Consolas,monospace`);
  pen.fillText(shorten(name, Math.floor((wide - text * 2.6) / (text * 0.61))), x + text * 0.6, y + tall * 0.42);
  pen.textAlign = "right";
  pen.fillText(sign, x + wide - text * 0.5, y + tall * 0.42);
  lettering(pen, `${Math.round(text * 0.86)}px ui-monospace,Menlo,Consolas,monospace`);
  pen.textAlign = "left";
  pen.fillText(`${brief(node.logProb)} | ${score}`, x + text * 0.6, y + tall * 0.84);
}
