// Lines over two axes of numbers, each with its name at its end, dashed lines to compare with, and one point in hand.
import { shorten } from "./cells.js";
import { spread } from "./chart.js";
import { clamp, inks, lettering, roundStep, sized, ticks } from "./host.js";

// Marks that differ without their colours.
const SHAPES = ["circle", "square", "triangle", "diamond"];

// Lowest and highest value to draw, with a margin; from 0 where the lowest is near it.
export function rangeOf(values) {
  const finite = values.filter(Number.isFinite);
  if (!finite.length) return [0, 1];
  let low = Infinity;
  let high = -Infinity;
  for (const value of finite) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const pad = 0.04 * (high - low || Math.abs(high) || 1);
  return [low >= 0 && low < 0.3 * high ? 0 : low - pad, high + pad];
}

// The point nearest to a place on the canvas: number of its series, number in it.
export function nearestPoint(series, { toX, toY }, px, py, reach = 40) {
  let [best, found] = [reach * reach, null];
  series.forEach(({ xs, ys }, s) => xs.forEach((x, i) => {
    const distance = (toX(x) - px) ** 2 + (toY(ys[i]) - py) ** 2;
    if (distance < best) [best, found] = [distance, [s, i]];
  }));
  return found;
}

// `series`: { name, xs, ys, colour, dash, width, alpha, dots, shape, spans, band }, where a name of "" has no label, `shape`
// numbers the marks of `dots`, `spans` are bars from least to most, and `band` is filled between them; `rulers`: [name, value].
// `x` and `y`: { label, range, to, from, marks }, where `to` takes a value to the axis, such as its logarithm, and is needed with
// a range there and marks as [place, text]. Returns what takes a value to a place on the canvas, and back.
export function plane(canvas, host, { series, rulers = [], x, y, width, tall, text, at = null }) {
  const ink = inks(host);
  const [lowX, highX] = x.range ?? rangeOf(series.flatMap(({ xs }) => xs));
  const [lowY, highY] = y.range ?? rangeOf([...series.flatMap(({ ys, spans = [] }) => [...ys, ...spans.flat()]), ...rulers.map(([, value]) => value)]);
  const named = series.filter(({ name, xs }) => name && xs.length);
  const letters = Math.max(3, ...named.map(({ name }) => name.length), ...rulers.map(([name]) => name.length + 5));
  const marksY = y.marks ?? spelt(ticks(lowY, highY, roundStep(highY - lowY, clamp(tall / text / 2.6, 2, 6))));
  const left = Math.max(...marksY.map(([, mark]) => mark.length), 2) * text * 0.6 + 12;
  const [top, right] = [text * 1.8, width - Math.min(16, letters) * text * 0.6 - 28];
  const placeX = (at) => left + ((at - lowX) / (highX - lowX || 1)) * (right - left);
  const placeY = (at) => top + tall * (1 - (at - lowY) / (highY - lowY || 1));
  const toX = (value) => placeX(x.to ? x.to(value) : value);
  const toY = (value) => placeY(y.to ? y.to(value) : value);
  const pen = sized(canvas, width, top + tall + text * 3.4);
  lettering(pen, `${text}px system-ui,sans-serif`);
  const marksX = x.marks ?? spelt(ticks(lowX, highX, roundStep(highX - lowX, clamp((right - left) / text / 7, 2, 8))));
  drawAxes(pen, ink, { x, y, marksX, marksY, left, right, top, tall, text, placeX, placeY });
  for (const [, value] of rulers) stroke(pen, { colour: ink.soft, dash: [6, 4], width: 1.2 }, [[left, toY(value)], [right, toY(value)]]);
  series.forEach((line, s) => drawSeries(pen, line, s, { toX, toY, text }));
  if (at) ring(pen, ink, series[at[0]], at[1], { toX, toY, text, top, tall });
  nameEnds(pen, ink, named, rulers, { toX, toY, text, right, top, tall });
  const fromX = (px) => (x.from ?? Number)(lowX + ((px - left) / (right - left)) * (highX - lowX));
  return { toX, toY, fromX };
}

const spelt = (values) => values.map((value) => [value, String(value).replace("-", "−")]);

function drawAxes(pen, ink, { x, y, marksX, marksY, left, right, top, tall, text, placeX, placeY }) {
  pen.fillStyle = ink.soft;
  pen.textAlign = "right";
  for (const [at, mark] of marksY) {
    stroke(pen, { colour: ink.line, width: 1 }, [[left, placeY(at)], [right, placeY(at)]]);
    pen.fillText(mark, left - 6, placeY(at) + text * 0.35);
  }
  pen.textAlign = "center";
  for (const [at, mark] of marksX) pen.fillText(mark, placeX(at), top + tall + text * 1.4);
  pen.textAlign = "left";
  pen.fillText(y.label, 0, text * 0.95);
  pen.textAlign = "right";
  pen.fillText(x.label, right, top + tall + text * 2.9);
}

function stroke(pen, { colour, dash = [], width = 2, alpha = 1 }, points) {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.lineJoin = "round";
  pen.globalAlpha = alpha;
  pen.setLineDash(dash);
  pen.beginPath();
  for (const [px, py] of points) if (Number.isFinite(py)) pen.lineTo(px, py);
  pen.stroke();
  pen.setLineDash([]);
  pen.globalAlpha = 1;
}

function drawSeries(pen, line, s, { toX, toY, text }) {
  const points = line.xs.map((x, i) => [toX(x), toY(line.ys[i])]);
  if (line.band) fillBand(pen, line, points, toY);
  stroke(pen, line, points);
  for (const [i, [least, most]] of (line.spans ?? []).entries()) stroke(pen, { colour: line.colour, width: 1.2 }, [[points[i][0], toY(least)], [points[i][0], toY(most)]]);
  if (!line.dots) return;
  pen.fillStyle = line.colour;
  for (const [px, py] of points) marker(pen, SHAPES[(line.shape ?? s) % SHAPES.length], px, py, text * 0.34);
}

function fillBand(pen, { band, colour }, points, toY) {
  pen.fillStyle = colour;
  pen.globalAlpha = 0.22;
  pen.beginPath();
  points.forEach(([px], i) => pen.lineTo(px, toY(band[i][0])));
  [...points].reverse().forEach(([px], i) => pen.lineTo(px, toY(band[points.length - 1 - i][1])));
  pen.fill();
  pen.globalAlpha = 1;
}

function marker(pen, shape, px, py, size) {
  const corners = { square: [[-1, -1], [1, -1], [1, 1], [-1, 1]], triangle: [[0, -1.3], [1.2, 1], [-1.2, 1]], diamond: [[0, -1.4], [1.4, 0], [0, 1.4], [-1.4, 0]] }[shape];
  pen.beginPath();
  if (corners) for (const [x, y] of corners) pen.lineTo(px + x * size, py + y * size);
  else pen.arc(px, py, size * 1.1, 0, 7);
  pen.fill();
}

// Around the point in hand, with a line down to its place on the axis.
function ring(pen, ink, { xs, ys }, i, { toX, toY, text, top, tall }) {
  const [px, py] = [toX(xs[i]), toY(ys[i])];
  stroke(pen, { colour: ink.key, width: 1.2 }, [[px, top], [px, top + tall]]);
  for (const [width, colour] of [[5, ink.paper], [2.5, ink.key]]) {
    pen.lineWidth = width;
    pen.strokeStyle = colour;
    pen.beginPath();
    pen.arc(px, py, text * 0.62, 0, 7);
    pen.stroke();
  }
}

// Lines that end near the right edge and rulers have their names there, the others beside their ends; all pushed apart.
function nameEnds(pen, ink, named, rulers, { toX, toY, text, right, top, tall }) {
  const lines = named.map(({ name, xs, ys, colour }) => ({ name, colour, from: toX(xs.at(-1)), y: toY(ys.at(-1)) }));
  const compared = rulers.map(([name, value]) => ({ name: `${name} ${value.toFixed(2)}`, from: right, y: toY(value) }));
  const early = ({ from }) => from < right - text * 3;
  pen.textAlign = "left";
  for (const group of [lines.filter(early), [...lines.filter((one) => !early(one)), ...compared]]) {
    const places = spread(group.map(({ y }) => y), text * 1.2, top + text * 0.4, top + tall);
    group.forEach((one, i) => nameEnd(pen, ink, one, early(one) ? one.from + 4 : right + 4, places[i], text));
  }
}

function nameEnd(pen, ink, { name, colour, from, y }, x, place, text) {
  stroke(pen, { colour: colour ?? ink.soft, width: 1, dash: [2, 2] }, [[from, y], [x, place]]);
  pen.fillStyle = colour ?? ink.soft;
  if (colour) pen.fillRect(x, place - 1.5, 12, 3);
  if (colour) pen.fillStyle = ink.ink;
  // In front of other lines, so with an edge in the colour of the page.
  pen.strokeStyle = ink.paper;
  pen.lineWidth = 4;
  pen.strokeText(shorten(name, 16), x + (colour ? 16 : 4), place + text * 0.35);
  pen.fillText(shorten(name, 16), x + (colour ? 16 : 4), place + text * 0.35);
}
