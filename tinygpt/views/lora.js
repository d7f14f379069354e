// LoRA: how much an adapter changes each matrix, one change as a heat map, and the few directions that it is made of.
import { cellGrid, colourBar, diverging, fitted } from "./cells.js";
import { choice } from "./choice.js";
import { FRAME_STYLE, framed, tableOf } from "./frame.js";
import { ARROWS, cividis, clamp, element, followTheme, format, halves, inks, lettering, live, onEscape, shell, sized } from "./host.js";

// Each change with its directions, left and right, one list of numbers each.
export function factored({ deltas, data }) {
  let start = 0;
  const take = (count) => halves(data, (start += count) - count, count);
  return deltas.map((delta) => {
    const [left, right] = delta.shape.map((size) => delta.sizes.map(() => take(size)));
    const norm = Math.hypot(...delta.sizes);
    return { ...delta, left, right, norm, share: norm / Math.max(delta.base, 1e-12) };
  });
}

// The sum of the first `count` directions, row after row.
export function composed({ shape: [down, across], sizes, left, right }, count) {
  const sum = new Float32Array(down * across);
  for (let i = 0; i < count; i++) {
    for (let row = 0; row < down; row++) {
      const by = sizes[i] * left[i][row];
      for (let column = 0; column < across; column++) sum[row * across + column] += by * right[i][column];
    }
  }
  return sum;
}

// 256 colours of the diverging scale, each as one number of a picture's memory.
const palettes = {};
export function paletteOf(dark) {
  const colours = () => Uint8Array.from(Array.from({ length: 256 }, (_, i) => [...diverging(i / 127.5 - 1, 1, dark), 255]).flat());
  return (palettes[dark] ??= new Uint32Array(colours().buffer));
}

const percent = (share) => format(100 * share, 1) + " %";
const small = (value) => format(value, clamp(3 - Math.floor(Math.log10(Math.abs(value) || 1)), 2, 6));

const LORA_STYLE = FRAME_STYLE + `
.whole{max-width:100%;cursor:crosshair}
.ranks{display:flex;gap:.5em;align-items:center;margin:.3em 0}
.ranks input{accent-color:var(--key)}
`;
const COLOURS_OF_SHARES = cividis();

export function mount(host, view, link, kept = {}) {
  const deltas = factored(view);
  const box = shell(host, `LoRA adapters: ${view.adapters.join(", ")}`, LORA_STYLE);
  const find = ([adapter, path]) => deltas.find((one) => one.adapter === adapter && one.path === path);
  const opened = find(view.selected);
  let lock = find(kept.selected ?? []) ?? opened;
  let count = lock.sizes.length;
  let peek = null;
  let entry = null;
  let sum;

  // ---- parts
  const legend = element("canvas", { role: "img" });
  const adapters = choice("Adapter", Object.fromEntries(view.adapters.map((name) => [name, name])), lock.adapter, (name) => {
    set(find([name, lock.path]) ?? deltas.find((one) => one.adapter === name));
    layout();
  });
  const frame = framed(host, "LoRA", { controls: [adapters], layout: () => layout(), tabulate });
  const grid = cellGrid(host, "Layers down, matrices across. Arrow keys move, Escape goes back.", {
    peek: (found) => { peek = at(found); draw(); },
    lock: (found) => { const there = at(found); if (there) set(there); },
  });
  const name = element("h3");
  const whole = element("canvas", { class: "whole", tabindex: "0", role: "application" });
  const slider = element("input", { type: "range", min: "1", step: "1", "aria-label": "Directions that are summed" });
  const summed = element("output");
  const bars = element("canvas", { role: "img" });
  const barName = element("h3");
  box.append(frame.bar, element("div", { class: "cols" },
    element("div", {}, element("h3", {}, "How large each change is ", element("span", { class: "soft" }, "norm over the base's norm")), grid.node),
    element("div", {}, name, whole, legend, element("label", { class: "ranks" }, slider, summed)),
    element("div", {}, barName, bars)), frame.say, frame.table);

  // ---- drawing
  const own = () => deltas.filter((one) => one.adapter === lock.adapter);
  const names = (field) => [...new Set(own().map((one) => one[field]))];
  const at = (found) => found && (own().find((one) => one.row === names("row")[found[0]] && one.column === names("column")[found[1]]) ?? null);
  const placeOf = (one) => [names("row").indexOf(one.row), names("column").indexOf(one.column)];
  function layout() {
    const [rows, columns] = [names("row"), names("column")];
    const most = Math.max(...own().map(({ share }) => share), 1e-9);
    const paint = (row, column) => {
      const one = at([row, column]);
      return one ? { colour: COLOURS_OF_SHARES[Math.round((255 * one.share) / most)], text: percent(one.share) } : { text: "–" };
    };
    grid.show({ rows, columns, paint }, Math.min(host.clientWidth - 16, frame.big() ? 700 : 430), frame.big());
    draw();
  }

  let drawn;
  function draw() {
    const one = peek ?? lock;
    grid.at(placeOf(lock));
    grid.draw(placeOf(one));
    const wanted = [one.adapter, one.path, Math.min(count, one.sizes.length), host.hasAttribute("data-dark"), frame.big(), host.clientWidth].join();
    if (wanted !== drawn) {
      drawn = wanted;
      drawWhole(one);
      drawBars(one);
    }
    frame.say.textContent = sentence(one);
    if (!peek) frame.refresh();
  }

  function drawWhole(one) {
    const [down, across] = one.shape;
    const limit = view.limits[one.adapter];
    const dark = host.hasAttribute("data-dark");
    const shown = Math.min(count, one.sizes.length);
    const end = String(Number(limit.toPrecision(2)));
    sum = composed(one, shown);
    const picture = document.createElement("canvas");
    [picture.width, picture.height] = [across, down];
    const pixels = new ImageData(across, down);
    const colours = paletteOf(dark);
    const whole32 = new Uint32Array(pixels.data.buffer);
    const gain = 127.5 / limit;
    sum.forEach((value, i) => (whole32[i] = colours[Math.max(0, Math.min(255, Math.round(127.5 + gain * value)))]));
    picture.getContext("2d").putImageData(pixels, 0, 0);
    const room = Math.min(host.clientWidth - 16, frame.big() ? 480 : 320);
    const scale = room / Math.max(across, down);
    const pen = sized(whole, across * scale, Math.max(down * scale, 24));
    pen.imageSmoothingEnabled = false;
    pen.drawImage(picture, 0, 0, across * scale, Math.max(down * scale, 24));
    whole.setAttribute("aria-label", `Heat map of what is added to ${one.row} ${one.column}: ${down} out, ${across} in. Arrow keys move through its entries.`);
    name.replaceChildren(`Added to ${one.row} ${one.column} `, element("span", { class: "soft" }, `${down} out ↓ × ${across} in →`));
    slider.max = String(one.sizes.length);
    slider.value = String(shown);
    summed.textContent = `${shown} of ${one.sizes.length} directions summed`;
    slider.setAttribute("aria-valuetext", summed.textContent);
    colourBar(legend, host, { colourAt: (x) => diverging(2 * x - 1, 1, dark), marks: [[0, "−" + end], [0.5, "0"], [1, end]], title: "entry of ΔW (ends: or beyond)", big: frame.big() });
  }

  function drawBars(one) {
    const text = frame.big() ? 17 : 12;
    const few = one.sizes.slice(0, 32);
    const shown = Math.min(count, one.sizes.length);
    const [tall, step] = [text * 10, clamp((text * 22) / few.length, 6, text * 3)];
    const pen = sized(bars, Math.max(step * few.length, text * 8) + 8, tall + text * 3.4);
    const ink = inks(host);
    const most = Math.max(one.sizes[0], 1e-12);
    lettering(pen, `${text}px system-ui,sans-serif`);
    pen.textAlign = "center";
    few.forEach((size, i) => {
      pen.fillStyle = i < shown ? ink.query : ink.line;
      const high = Math.max((size / most) * tall, 1);
      pen.fillRect(4 + i * step, text * 1.2 + tall - high, step * 0.75, high);
      pen.fillStyle = ink.soft;
      const label = size.toPrecision(2);
      if (pen.measureText(label).width < step) pen.fillText(label, 4 + (i + 0.375) * step, text + tall - high);
      if (i % Math.ceil((text * 1.6) / step) === 0) pen.fillText(String(i + 1), 4 + (i + 0.375) * step, tall + text * 2.4);
    });
    const zeros = Math.min(...one.shape) - one.sizes.length;
    barName.replaceChildren("Singular values ", element("span", { class: "soft" }, `rank ${one.sizes.length}; the other ${zeros} are 0`));
    bars.setAttribute("aria-label", `Singular values: ${few.map((size) => size.toPrecision(3)).join(", ")}; the other ${zeros} are 0`);
  }

  function sentence(one) {
    const first = `${one.adapter}, ${one.row} ${one.column}: norm ${small(one.norm)}, ${percent(one.share)} of the base's`;
    if (entry && entry[0] < one.shape[0] && entry[1] < one.shape[1]) return `${first}; out ${entry[0]}, in ${entry[1]}: ${small(sum[entry[0] * one.shape[1] + entry[1]])}`;
    const energy = one.norm ? percent((one.sizes[0] / one.norm) ** 2) : "–";
    return `${first}; the first of ${one.sizes.length} directions holds ${energy} of its square`;
  }

  function tabulate() {
    const one = lock;
    return [tableOf(`${lock.adapter}: changes`, ["layer", "matrix", "shape", "norm", "of the base's"],
      own().map((each) => [each.row, each.column, each.shape.join(" × "), small(each.norm), percent(each.share)])),
    tableOf(`${one.row} ${one.column}: directions`, ["direction", "singular value", "of the square"],
      one.sizes.map((size, i) => [i + 1, small(size), percent(one.norm ? (size / one.norm) ** 2 : 0)]))];
  }

  // ---- choosing
  function set(one, quiet = false) {
    lock = one;
    peek = entry = null;
    count = one.sizes.length;
    draw();
    if (!quiet) link.send?.("selected", [one.adapter, one.path]);
  }
  slider.oninput = () => {
    count = Number(slider.value);
    draw();
  };
  const say = (found) => {
    entry = found;
    frame.say.textContent = sentence(peek ?? lock);
  };
  whole.onpointermove = (event) => {
    const edge = whole.getBoundingClientRect();
    const [down, across] = (peek ?? lock).shape;
    say([clamp(Math.floor(((event.clientY - edge.top) / edge.height) * down), 0, down - 1), clamp(Math.floor(((event.clientX - edge.left) / edge.width) * across), 0, across - 1)]);
  };
  whole.onpointerleave = () => say(null);
  whole.onkeydown = (event) => {
    if (!(event.key in ARROWS)) return;
    event.preventDefault();
    event.stopPropagation();
    const [down, right] = ARROWS[event.key];
    const [rows, columns] = lock.shape;
    say(entry ? [clamp(entry[0] + down, 0, rows - 1), clamp(entry[1] + right, 0, columns - 1)] : [0, 0]);
  };
  onEscape(box, () => { set(opened); layout(); });

  const forget = followTheme(host, layout);
  const unfit = fitted(host, layout);
  return {
    select: (found) => {
      const one = find(found);
      if (one) set(one, true);
    },
    leave: () => {
      forget();
      unfit();
      return { selected: [lock.adapter, lock.path] };
    },
  };
}

export default live(mount);
