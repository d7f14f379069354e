// A small chart of lines over named steps, each line with its name at its end.
import { inks, lettering, sized } from "./host.js";
import { shorten } from "./cells.js";

// Labels as low as they want to be, but no two closer than `apart`, and none beyond `least` and `most`.
export function spread(wanted, apart, least, most) {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b]);
  const places = [...wanted];
  order.forEach((i, n) => (places[i] = Math.max(places[i], n ? places[order[n - 1]] + apart : least)));
  const over = Math.max(0, (places[order.at(-1)] ?? 0) - most);
  order.reduceRight((limit, i) => {
    places[i] = Math.min(places[i], limit);
    return places[i] - apart;
  }, over ? most : Infinity);
  return places;
}

// `series`: { name, values, colour, dash, thick }; `unit` takes a value to its height from 0 to 1; `at` is the step in hand.
export function lineChart(canvas, host, { names, series, unit, marks, at, width, text, tall }) {
  const ink = inks(host);
  const longest = Math.max(...marks.map(([, mark]) => mark.length), 2);
  const most = Math.min(24, Math.max(14, Math.floor(width / text / 3))); // characters of a name; a wide chart has room for more
  const tail = Math.min(most, Math.max(...series.map(({ name }) => name.length), 3)) * text * 0.68 + 18;
  const [left, top, right] = [longest * text * 0.6 + 12, text * 0.7, width - tail];
  const toX = (i) => left + (names.length > 1 ? (i / (names.length - 1)) * (right - left) : (right - left) / 2);
  const toY = (value) => top + tall * (1 - unit(value));
  const pen = sized(canvas, width, top + tall + text * 2.2);
  lettering(pen, `${text}px system-ui,sans-serif`);
  pen.lineWidth = 1;
  pen.textAlign = "right";
  for (const [value, mark] of marks) {
    pen.strokeStyle = ink.line;
    pen.strokeRect(left, toY(value), right - left, 0);
    pen.fillStyle = ink.soft;
    pen.fillText(mark, left - 6, toY(value) + text * 0.35);
  }
  pen.strokeStyle = ink.key;
  pen.strokeRect(toX(at), top, 0, tall);
  nameSteps(pen, ink, { names, toX, y: top + tall + text * 1.5, text, at });
  const ends = spread(series.map(({ values }) => toY(values.at(-1))), text * 1.15, top, top + tall);
  series.forEach((line, i) => drawLine(pen, ink, line, { toX, toY, at, text, right, most, end: ends[i] }));
}

function nameSteps(pen, ink, { names, toX, y, text, at }) {
  pen.textAlign = "center";
  const wide = Math.max(...names.map((name) => name.length)) * text * 0.62;
  const every = Math.max(1, Math.ceil((wide * (names.length - 1)) / (toX(names.length - 1) - toX(0) || 1)));
  names.forEach((name, i) => {
    if (i % every && i !== at) return;
    if (i !== at && Math.abs(i - at) < every) return;
    pen.fillStyle = i === at ? ink.key : ink.soft;
    pen.fillText(name, toX(i), y);
  });
}

function drawLine(pen, ink, { name, values, colour, dash = [], thick }, { toX, toY, at, text, right, most, end }) {
  pen.strokeStyle = pen.fillStyle = colour;
  pen.lineWidth = thick ? 3 : 2;
  pen.lineJoin = "round";
  pen.setLineDash(dash);
  pen.beginPath();
  values.forEach((value, i) => pen.lineTo(toX(i), toY(value)));
  pen.stroke();
  pen.setLineDash([]);
  pen.beginPath();
  if (at < values.length) pen.arc(toX(at), toY(values[at]), text * 0.38, 0, 7);
  pen.fill();
  pen.fillStyle = ink.ink;
  pen.textAlign = "left";
  lettering(pen, `${thick ? 700 : 400} ${text}px system-ui,sans-serif`);
  pen.fillText(shorten(name, most), right + 10, end + text * 0.35);
  pen.lineWidth = 1;
  pen.strokeRect(right + 2, toY(values.at(-1)), 5, 0);
}
