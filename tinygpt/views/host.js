// What every view shares: unpacking, theme, colours, small drawing helpers, and the two ways onto a page.
// Python emits each view as one module, in one scope and without comment lines and indentation: so comments stand on
// lines of their own, and no two files use the same top-level name.

const CIVIDIS = "00224e00285b002e6a0533711a386f273e6e32436d3b496c434e6c4b546c535a6d5a5f6e61656f686a716f70737676767d7c78"
  + "8482798c8878938e789b9476a39a74aba072b4a76fbcae6cc4b468cdbb63d5c25edec958e7d150f0d846f9e03afee838";

// 256 colours, red green blue, between 33 stops of matplotlib's cividis.
export function cividis(stops = CIVIDIS) {
  const count = stops.length / 6;
  const channel = (stop, c) => parseInt(stops.slice(stop * 6 + c * 2, stop * 6 + c * 2 + 2), 16);
  return Array.from({ length: 256 }, (_, i) => {
    const x = (i / 255) * (count - 1);
    const low = Math.min(count - 2, Math.floor(x));
    return [0, 1, 2].map((c) => Math.round(channel(low, c) * (low + 1 - x) + channel(low + 1, c) * (x - low)));
  });
}

// An IEEE 754 half, as its 16 bits, to a number.
export function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -14 * (fraction / 1024);
}

// `count` halves from `start` of an array stored as all its high bytes, then all its low bytes: that deflates better.
export function halves(bytes, start, count) {
  const size = bytes.length / 2;
  return Float32Array.from({ length: count }, (_, i) => half((bytes[start + i] << 8) | bytes[size + start + i]));
}

// Payload: deflate(length of the header as a little-endian uint32, header as JSON, arrays).
export async function unpack(payload) {
  const stream = new Blob([payload]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const end = 4 + new DataView(bytes.buffer).getUint32(0, true);
  return { ...JSON.parse(new TextDecoder().decode(bytes.subarray(4, end))), data: bytes.subarray(end) };
}

// Okabe–Ito without the yellow and the two that mark query and key, darkened until they stand out from white, 3 to 1,
// and still do from a dark page.
export const LINES = ["#009e73", "#c46c9b", "#b97f00", "#3a97cc"];

// Arrow keys as (down, right).
export const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

export const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

// A number as a reader wants it: a real minus sign, no "-0.00", no tail of digits.
export function format(value, digits = 3) {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : value < 0 ? "−∞" : "?";
  const text = Math.abs(value) >= 1e5 ? value.toExponential(2) : value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}

// A round step that divides a span into about `wanted` parts.
export function roundStep(span, wanted) {
  const rough = (span || 1) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((m) => m * power).find((step) => step >= rough * 0.999);
}

// The multiples of a step from low to high.
export function ticks(low, high, step) {
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// A canvas measured in CSS pixels and sharp on dense screens, emptied.
export function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  const pen = canvas.getContext("2d");
  if (canvas.width !== across || canvas.height !== down || !canvas.style.width) {
    canvas.width = across;
    canvas.height = down;
    canvas.style.width = width + "px";
    canvas.style.height = height + "px";
    canvas.lettering = null;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  } else pen.clearRect(0, 0, width, height);
  return pen;
}

// Setting the font of a canvas on the page makes the browser lay the page out: only where it changes.
export function lettering(pen, font) {
  if (pen.canvas.lettering !== font) pen.font = pen.canvas.lettering = font;
}

const SHELL_STYLE = `
:host{all:initial;display:block;color:inherit;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--paper:#fff;
--masked:#eceff2;--query:#0072b2;--key:#d55e00;--fill:#ffd28a;--size:14px}
:host([data-dark]){--ink:#f0f3f6;--soft:#a6b0ba;--line:#4a535d;--paper:#15181c;--masked:#2a2f36;--query:#56b4e9;
--key:#ff9a4d;--fill:#8a5a00}
:host([data-big]){--size:21px}
:host([hidden]){display:none}
*{box-sizing:border-box}
[hidden]{display:none!important}
.view{font:var(--size)/1.45 system-ui,sans-serif;color:var(--ink);padding:6px 4px;max-width:1500px}
.bar{display:flex;flex-wrap:wrap;gap:.4em .9em;align-items:center;margin-bottom:.5em}
.bar h2{font-size:1.1em;font-weight:650;margin:0}
.soft{color:var(--soft)}
.push{margin-left:auto}
button{font:inherit;font-size:.92em;color:inherit;background:var(--paper);border:1px solid var(--line);
border-radius:6px;padding:.12em .65em;cursor:pointer;white-space:nowrap}
.bar button[aria-disabled=true]{color:var(--soft);border-style:dashed;cursor:default}
button:hover{border-color:var(--soft)}
button[aria-pressed=true],button[aria-checked=true]{background:var(--query);border-color:var(--query);color:#fff}
:host([data-dark]) button[aria-pressed=true],:host([data-dark]) button[aria-checked=true]{color:#0b0e11}
:focus-visible{outline:3px solid var(--key);outline-offset:2px;border-radius:4px}
canvas{display:block}
.scrub{display:contents}
.stay{position:sticky;top:0;z-index:1;display:flex;flex-wrap:wrap;gap:0 .8em;align-items:center;background:var(--paper);padding:.3em 0}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin-top:.6em}
caption{text-align:left;font-weight:600;padding-bottom:.2em}
th,td{padding:.1em .8em;text-align:right;border-bottom:1px solid var(--line);font-weight:400}
th:nth-child(-n+2),td:nth-child(-n+2){text-align:left}
thead th{font-weight:600}
tr.on{background:var(--masked)}
code,.mono{font-family:ui-monospace,Menlo,Consolas,monospace}
`;

// A shadow root keeps the page's styles out (JupyterLab's tables, Colab's buttons) and leaves the text that
// stands there without JavaScript unseen.
export function shell(host, label, style) {
  host.setAttribute("data-lm-suppress-shortcuts", "true");
  host.setAttribute("role", "group");
  host.setAttribute("aria-label", label);
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  const sheet = element("style");
  sheet.textContent = SHELL_STYLE + style;
  const box = element("div", { class: "view" });
  root.replaceChildren(sheet, box);
  return box;
}

// The page's own text colour tells dark from light in every front-end, whatever it calls its theme variables.
export function followTheme(host, changed) {
  const dark = () => {
    const [red, green, blue] = (getComputedStyle(host).color.match(/[\d.]+/g) ?? [0, 0, 0]).map(Number);
    return red + green + blue > 382;
  };
  const apply = () => {
    if (dark() === host.hasAttribute("data-dark")) return;
    host.toggleAttribute("data-dark");
    changed();
  };
  host.toggleAttribute("data-dark", dark());
  const watch = new MutationObserver(() => requestAnimationFrame(apply));
  for (const node of [document.documentElement, document.body]) watch.observe(node, { attributes: true });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  return () => watch.disconnect();
}

// Colours of the current theme, for canvases.
export function inks(host) {
  const style = getComputedStyle(host);
  const names = ["ink", "soft", "line", "paper", "masked", "query", "key", "fill"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue("--" + name).trim()]));
}

export const toggle = (text, flip) => {
  const button = element("button", { type: "button", "aria-pressed": "false" }, text);
  button.onclick = () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", on);
    flip(on);
  };
  return button;
};

// A node that is drawn anew takes the focus with it: it goes to what then stands in the same place.
export function redrawn(node, draw) {
  const stops = () => [...node.querySelectorAll("button:not(:disabled),input")];
  const at = stops().indexOf(node.getRootNode().activeElement);
  draw();
  if (at >= 0) stops()[Math.min(at, stops().length - 1)]?.focus();
}

// A button that does nothing for now, and says so, without being taken away from under the focus.
export const rest = (button, on) => button.setAttribute("aria-disabled", on);
export const rests = (button) => button.getAttribute("aria-disabled") === "true";

// Escape is the view's while it is inside of it: JupyterLab would leave the cell.
export function onEscape(box, act) {
  box.onkeydown = (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    act();
  };
}

// Static host: draws into every element that waits for this content; steps aside while a live view shows it.
export async function start(id, base64, mount) {
  const payload = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  for (const host of document.querySelectorAll(`[data-tinygpt="${id}"]:not([data-ready])`)) {
    host.dataset.ready = "";
    mount(host, await unpack(payload), {});
    const before = host.closest(".jp-OutputArea-child")?.previousElementSibling;
    const aside = () => {
      host.hidden = document.querySelector(`[data-tinygpt-live="${id}"]`) !== null;
      // What JupyterLab writes where a widget stood before the kernel died.
      const stale = /^(Loading widget|Error displaying widget)/.test(before?.textContent.trim());
      if (before) before.style.display = stale && !host.hidden ? "none" : "";
    };
    document.addEventListener("tinygpt-live", aside);
    aside();
    host.dataset.ready = Math.round(performance.now());
  }
}

// Live host: the same mount(), inside an anywidget.
export function live(mount) {
  const bytes = (view) => new Uint8Array(view.buffer ?? view, view.byteOffset ?? 0, view.byteLength);
  const tell = () => document.dispatchEvent(new CustomEvent("tinygpt-live"));
  return {
    async render({ model, el }) {
      const host = element("div", { "data-tinygpt-live": model.get("name") });
      el.append(host);
      const link = {
        send: (name, value) => {
          model.set(name, value);
          model.save_changes();
        },
        ask: (question) => model.send(question),
      };
      let view = mount(host, await unpack(bytes(model.get("payload"))), link);
      host.dataset.ready = Math.round(performance.now());
      model.on("change:payload", async () => {
        const payload = await unpack(bytes(model.get("payload")));
        view = mount(host, payload, link, view.leave?.());
      });
      model.on("change:selected", () => view.select?.(model.get("selected")));
      model.on("msg:custom", (message, buffers) => view.answer?.(message, buffers.map(bytes)));
      tell();
      return () => {
        host.remove();
        tell();
      };
    },
  };
}
