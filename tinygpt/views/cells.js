// A grid of coloured cells on a canvas, names down the side and across the top, to point at and to move through.
import { ARROWS, clamp, element, inks, lettering, sized } from "./host.js";

export const CELL_STYLE = `
.scroll{overflow-x:auto;max-width:100%;padding:3px}
.ends{display:flex;flex-wrap:wrap;gap:.4em .9em;align-items:center;margin-left:auto}
.say{min-height:3em;margin:.3em 0;font-weight:500;overflow-wrap:anywhere}
`;

const MONO = "ui-monospace,Menlo,Consolas,monospace";
const LETTER = 0.61;

// The first `most` characters, whole ones.
export function shorten(text, most) {
  const characters = Array.from(text);
  return characters.length > most ? characters.slice(0, Math.max(most - 1, 0)).join("") + "…" : text;
}

// Black or white, whichever can be read on a colour: at the luminance where they change, both have a contrast of 4.6.
const light = (channel) => (channel <= 10 ? channel / 3295 : ((channel / 255 + 0.055) / 1.055) ** 2.4);
export const inkOn = (colour) => (colour.reduce((sum, c, i) => sum + [0.2126, 0.7152, 0.0722][i] * light(c), 0) > 0.179 ? "#000" : "#fff");

// Between stops of [red, green, blue], evenly spaced from 0 to 1.
export function blend(stops, x) {
  const at = clamp(x, 0, 1) * (stops.length - 1);
  const low = Math.min(stops.length - 2, Math.floor(at));
  return stops[low].map((channel, c) => Math.round(channel + (stops[low + 1][c] - channel) * (at - low)));
}

const parse = (stops) => stops.split(" ").map((stop) => [0, 2, 4].map((c) => parseInt(stop.slice(c, c + 2), 16)));
const DIVERGING = parse("08306b 4292c6 f3f3f3 f08a3c 8c2d04");
const DIVERGING_DARK = parse("a6d4ff 2b7bba 22272d c2560c ffc08a");

// The colour of a value: 0 is the middle of the scale, ±limit its ends.
export const diverging = (value, limit, dark) => blend(dark ? DIVERGING_DARK : DIVERGING, 0.5 + value / limit / 2);

// How wide and tall cells are, and where the first begins, in CSS pixels.
// `letters` is how many of them a cell must hold at least: a grid that then is too wide scrolls.
export function measureCells({ rows, columns, letters = 0 }, room, big, most = big ? 130 : 84) {
  const text = big ? 18 : 12;
  const longest = (names, limit) => names.reduce((best, name) => Math.max(best, Math.min(Array.from(name).length, limit)), 1) * text * LETTER;
  const left = Math.round(longest(rows, 16)) + 10;
  const least = letters ? Math.ceil(letters * text * LETTER) + 6 : big ? 12 : 8;
  const across = clamp(Math.floor((room - left - 4) / columns.length), least, most);
  const flat = longest(columns, 12) + 6 <= across;
  const top = Math.round(flat ? text * 1.7 : longest(columns, 12) + 10);
  const down = clamp(Math.floor((big ? 800 : 520) / rows.length), 5, Math.round(text * 1.9));
  return { text, left, top, across, down, flat, every: flat ? 1 : Math.ceil((text * 1.05) / across), each: Math.ceil((text * 1.05) / down) };
}

// `peek` and `lock` are told (row, column); peek is told nothing when the pointer leaves.
export function cellGrid(host, label, { peek, lock }) {
  const canvas = element("canvas", { tabindex: "0", role: "application", "aria-label": label });
  const node = element("div", { class: "scroll" }, canvas);
  let content;
  let size;
  let base;
  let ink;
  let locked = [0, 0];

  // `content`: rows and columns (names), marked (columns to point out), letters (that a cell must hold at least),
  // paint(row, column) -> { colour, text, cut }, where `cut` lets a long text lose its end.
  function show(given, room, big, most) {
    content = given;
    size = measureCells(content, room, big, most);
    ink = inks(host);
    const { left, top, across, down } = size;
    // Where the cells are, for whoever drives the page from outside.
    Object.assign(canvas.dataset, { left, top, across, down });
    base = document.createElement("canvas");
    const edge = [left + across * content.columns.length + 3, top + down * content.rows.length + 3];
    const pen = sized(base, ...edge);
    paintCells(pen);
    content.rows.forEach((_, row) => row % size.each === 0 && nameRow(pen, row, ink.soft));
    content.columns.forEach((_, column) => column % size.every === 0 && nameColumn(pen, column, ink.soft));
    sized(canvas, ...edge);
    reveal(locked[1]);
  }

  function reveal(column) {
    const { left, across } = size;
    node.scrollLeft = clamp(node.scrollLeft, left + (column + 1) * across - node.clientWidth + 8, column * across);
  }

  function paintCells(pen) {
    const { text, left, top, across, down } = size;
    const gap = across > 16 && down > 10 ? 1 : 0;
    pen.textAlign = "center";
    content.rows.forEach((_, row) => content.columns.forEach((_, column) => {
      const { colour, text: words, cut } = content.paint(row, column);
      pen.fillStyle = colour ? `rgb(${colour})` : ink.masked;
      pen.fillRect(left + column * across, top + row * down, across - gap, down - gap);
      if (down < text * 1.2 || !words) return;
      const fits = Math.floor((across - 5) / (text * LETTER));
      const long = Array.from(words).length;
      if (fits < (cut ? Math.min(3, long) : long)) return;
      lettering(pen, `${text}px ${MONO}`);
      pen.fillStyle = colour ? inkOn(colour) : ink.soft;
      pen.fillText(shorten(words, fits), left + (column + 0.5) * across, top + (row + 0.5) * down + text * 0.34);
    }));
  }

  function nameRow(pen, row, colour, weight = 400) {
    const { text, left, top, down } = size;
    lettering(pen, `${weight} ${text}px ${MONO}`);
    pen.fillStyle = colour;
    pen.textAlign = "right";
    pen.fillText(shorten(content.rows[row], 16), left - 6, top + (row + 0.5) * down + text * 0.35);
  }

  function nameColumn(pen, column, colour, weight = 400) {
    const { text, left, top, across, flat } = size;
    const marked = content.marked?.has(column);
    lettering(pen, `${marked ? 700 : weight} ${text}px ${MONO}`);
    pen.fillStyle = marked && colour === ink.soft ? ink.query : colour;
    pen.textAlign = flat ? "center" : "left";
    pen.save();
    pen.translate(left + (column + 0.5) * across + (flat ? 0 : text * 0.35), top - 6);
    if (!flat) pen.rotate(-Math.PI / 2);
    pen.fillText(shorten(content.columns[column], 12), 0, 0);
    pen.restore();
  }

  // The grid with a ring around one cell and its two names in the ring's colour.
  function draw([row, column]) {
    const pen = canvas.getContext("2d");
    const [wide, tall] = [parseFloat(canvas.style.width), parseFloat(canvas.style.height)];
    const { text, left, top, across, down, every, each } = size;
    const [x, y] = [left + column * across, top + row * down];
    pen.clearRect(0, 0, wide, tall);
    pen.drawImage(base, 0, 0, wide, tall);
    const [high, thick] = [Math.max(down, text * each), Math.max(across, every > 1 ? text * 1.1 : 0)];
    pen.clearRect(0, y + (down - high) / 2, left - 3, high);
    pen.clearRect(x + (across - thick) / 2, 0, thick, top - 3);
    nameRow(pen, row, ink.key, 700);
    nameColumn(pen, column, ink.key, 700);
    for (const [line, style] of [[5, ink.paper], [2.5, ink.key]]) {
      pen.lineWidth = line;
      pen.strokeStyle = style;
      pen.strokeRect(x - 0.5, y - 0.5, across, down);
    }
  }

  function spot(event) {
    const edge = canvas.getBoundingClientRect();
    const row = Math.floor((event.clientY - edge.top - size.top) / size.down);
    const column = Math.floor((event.clientX - edge.left - size.left) / size.across);
    return row >= 0 && row < content.rows.length && column >= 0 && column < content.columns.length ? [row, column] : null;
  }
  let last = "";
  const tell = (found) => {
    if (String(found) === last) return;
    last = String(found);
    peek(found);
  };
  const choose = (found) => {
    locked = found;
    last = "";
    lock(found);
    reveal(found[1]);
  };
  canvas.onpointermove = (event) => tell(spot(event));
  canvas.onpointerleave = () => tell(null);
  canvas.onclick = (event) => {
    const found = spot(event);
    if (found) choose(found);
  };
  canvas.onkeydown = (event) => {
    const [row, column] = locked;
    const end = content.columns.length - 1;
    const ends = { Home: [row, 0], End: [row, end] };
    const [down, right] = ARROWS[event.key] ?? [0, 0];
    if (!(event.key in ARROWS || event.key in ends)) return;
    event.preventDefault();
    event.stopPropagation();
    choose(ends[event.key] ?? [clamp(row + down, 0, content.rows.length - 1), clamp(column + right, 0, end)]);
  };
  return { node, show, draw, at: (place) => { locked = place; } };
}

// A colour bar: `colourAt` from 0 to 1, `marks` as [place from 0 to 1, text], and what it measures.
export function colourBar(canvas, host, { colourAt, marks, title, big }) {
  const text = big ? 17 : 11;
  const wide = big ? 240 : 160;
  const side = text * 1.6;
  canvas.setAttribute("aria-label", `Colours: ${title}, ${marks.map(([, mark]) => mark).join(", ")} from left to right`);
  const pen = sized(canvas, wide + 2 * side, text * 3.5);
  const ink = inks(host);
  lettering(pen, `${text}px system-ui,sans-serif`);
  pen.fillStyle = ink.soft;
  pen.textAlign = "center";
  pen.fillText(title, side + wide / 2, text);
  for (const [at, mark] of marks) pen.fillText(mark, side + at * wide, text * 3.4);
  for (let x = 0; x < wide; x++) {
    pen.fillStyle = `rgb(${colourAt(x / (wide - 1))})`;
    pen.fillRect(side + x, text * 1.35, 1.5, text * 0.95);
  }
}

// Lays out now, and again whenever the width changes; returns what ends that.
export function fitted(host, layout) {
  let wide = host.clientWidth;
  const fit = new ResizeObserver(() => {
    if (!host.clientWidth || Math.abs(host.clientWidth - wide) < 8) return;
    wide = host.clientWidth;
    layout();
  });
  fit.observe(host);
  layout();
  return () => fit.disconnect();
}
