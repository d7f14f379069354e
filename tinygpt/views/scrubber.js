// A slider over checkpoints beneath small charts: side by side where each has room, else in one column that shares its axis.
import { LINES, clamp, element, format, inks, lettering, roundStep, sized, ticks } from "./host.js";

// JupyterLab makes an output three scroll containers deep, though none scrolls: nothing inside could stay in sight.
const UNCLIP = ".jp-Cell:not(.jp-mod-outputsScrolled) .jp-OutputArea:has([data-stay]),.jp-OutputArea-child:has([data-stay]),"
  + ".jp-OutputArea-output:has([data-stay]){overflow:visible}";

export function nearest(values, x) {
  return values.reduce((best, value, i) => (Math.abs(value - x) < Math.abs(values[best] - x) ? i : best), 0);
}

export function scrubber(view, host, changed) {
  const xs = view.frames.map((frame) => frame.x);
  const curves = Object.entries(view.curves);
  const all = [...xs, ...curves.flatMap(([, [x]]) => x)].filter(Number.isFinite);
  const low = Math.min(...all);
  const high = Math.max(...all);
  const charts = element("canvas", { role: "img", "aria-label": `Curves against ${view.x_label}: ${curves.map(([name]) => name).join(", ")}` });
  const slider = element("input", { type: "range", min: low, max: high, step: "any", "aria-label": `Checkpoint, by ${view.x_label}` });
  const play = element("button", { type: "button" }, "▶ Play");
  const where = element("output", { class: "mono" });
  // The charts scroll away, the slider stays in sight: above a head that may be as tall as the window.
  const node = element("div", { class: "scrub" }, charts, element("div", { class: "stay" }, slider, play, where));
  charts.hidden = curves.length === 0;
  if (!("stay" in host.dataset)) host.append(element("style", {}, UNCLIP));
  host.dataset.stay = "";
  let size;
  let frame = view.opened;

  function draw(chosen, big) {
    frame = chosen;
    slider.value = xs[frame];
    slider.setAttribute("aria-valuetext", view.frames[frame].label);
    where.textContent = view.frames[frame].label;
    const text = big ? 18 : 12;
    const width = clamp(host.clientWidth - 12, 240, big ? 1300 : 900);
    const tall = big ? 110 : 70;
    const columns = width / curves.length >= text * 20 ? curves.length : 1;
    const lane = width / columns;
    size = { left: text * 4.6, right: lane - text * 1.5, lane };
    // The thumb is 16 pixels wide: half of it overhangs either end, so that its middle stands on the charts' axis.
    slider.style.cssText = `margin:0 0 0 ${size.left - 8}px;width:${width - text * 6.1 + 16}px;accent-color:var(--key)`;
    if (curves.length) drawCharts(sized(charts, width, (curves.length / columns) * (tall + text * 1.9) + text * 1.6), text, tall, columns);
  }

  const toX = (x) => size.left + ((x - low) / (high - low || 1)) * (size.right - size.left);

  function drawCharts(pen, text, tall, columns) {
    const ink = inks(host);
    lettering(pen, `${text}px system-ui,sans-serif`);
    pen.save();
    curves.forEach(([name, [x, y]], i) => {
      const top = (columns > 1 ? 0 : i * (tall + text * 1.9)) + text * 1.5;
      drawChart(pen, ink, { name, x, y, top, tall, text, colour: LINES[i % LINES.length] });
      if (columns === 1 && i < curves.length - 1) return;
      drawAxis(pen, ink, text, top + tall + text * 1.1, columns > 1 && i > 0 ? "" : view.x_label);
      pen.translate(size.lane, 0);
    });
    pen.restore();
  }

  function drawAxis(pen, ink, text, base, label) {
    pen.fillStyle = ink.soft;
    pen.textAlign = "center";
    for (const tick of ticks(low, high, roundStep(high - low, 5))) pen.fillText(String(tick), toX(tick), base + text * 0.35);
    pen.textAlign = "left";
    pen.fillText(label, 0, base + text * 0.35);
    pen.fillStyle = pen.strokeStyle = ink.key;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.moveTo(toX(xs[frame]), text * 1.2);
    pen.lineTo(toX(xs[frame]), base - text * 0.6);
    pen.stroke();
  }

  function drawChart(pen, ink, { name, x, y, top, tall, text, colour }) {
    const finite = y.filter(Number.isFinite);
    const [bottom, peak] = [Math.min(...finite), Math.max(...finite)];
    const step = roundStep(peak - bottom, 3);
    const [least, most] = [Math.floor(bottom / step + 1e-6) * step, Math.ceil(peak / step - 1e-6) * step];
    const toY = (value) => top + tall - ((value - least) / (most - least || 1)) * tall;
    pen.strokeStyle = ink.line;
    pen.lineWidth = 1;
    pen.fillStyle = ink.soft;
    pen.textAlign = "right";
    for (const tick of ticks(least, most, step)) {
      pen.fillText(String(tick), size.left - 6, toY(tick) + text * 0.35);
      pen.strokeRect(size.left, toY(tick), size.right - size.left, 0);
    }
    for (const at of xs) pen.strokeRect(toX(at), top + tall, 0, 4);
    pen.textAlign = "left";
    pen.strokeStyle = colour;
    pen.lineWidth = 2.2;
    pen.lineJoin = "round";
    pen.beginPath();
    x.forEach((at, i) => Number.isFinite(y[i]) && pen.lineTo(toX(at), toY(y[i])));
    pen.stroke();
    const here = nearest(x, xs[frame]);
    pen.fillStyle = ink.ink;
    pen.fillText(`${name}: ${format(y[here] ?? NaN)}`, size.left, top - text * 0.5);
    pen.fillStyle = colour;
    pen.beginPath();
    pen.arc(toX(x[here]), toY(y[here]), text * 0.38, 0, 7);
    pen.fill();
  }

  let timer = null;
  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "▶ Play";
  }
  function advance() {
    if (!node.isConnected || frame === xs.length - 1) stop();
    else changed(frame + 1);
  }
  play.onclick = () => {
    if (timer) return stop();
    if (frame === xs.length - 1) changed(0);
    timer = setInterval(advance, matchMedia("(prefers-reduced-motion: reduce)").matches ? 1500 : 450);
    play.textContent = "❚❚ Pause";
  };
  const choose = (found) => {
    stop();
    if (found === frame) slider.value = xs[frame];
    else changed(found);
  };
  slider.oninput = () => choose(nearest(xs, Number(slider.value)));
  slider.onkeydown = (event) => {
    const jump = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -xs.length, End: xs.length }[event.key];
    if (!jump) return;
    event.preventDefault();
    event.stopPropagation();
    choose(clamp(frame + jump, 0, xs.length - 1));
  };
  const drag = (event) => {
    if (event.type === "pointermove" && event.buttons !== 1) return;
    const along = Math.max(event.clientX - charts.getBoundingClientRect().left, 0) % size.lane;
    const x = low + ((along - size.left) / (size.right - size.left)) * (high - low);
    choose(nearest(xs, x));
  };
  charts.onpointerdown = charts.onpointermove = drag;
  return { node, draw, stop };
}
