// Reward against KL: a line for each method, a point for each checkpoint, true reward and proxy to switch.
import { fitted } from "./cells.js";
import { choice } from "./choice.js";
import { FRAME_STYLE, framed, tableOf } from "./frame.js";
import { ARROWS, LINES, clamp, element, followTheme, format, inks, live, onEscape, shell, toggle } from "./host.js";
import { nearestPoint, plane } from "./plane.js";

const ALL = "all";

// The lines to draw: those of one reward, or of all of them, of which the first is whole and the others dashed.
export function linesOf({ methods, rewards }, reward, root) {
  const shown = reward === ALL ? rewards : [reward];
  const across = root ? Math.sqrt : (kl) => kl;
  return shown.flatMap((key, r) => methods.map(({ name, values }, m) => ({
    name: shown.length > 1 ? `${name}, ${key}` : name, method: m, reward: key, dash: r ? [6, 4] : [],
    xs: values.kl.map(([mean]) => across(Math.max(mean, 0))), ys: values[key].map(([mean]) => mean),
    spans: values[key].map(([, least, most]) => [least, most]) })));
}

export function mount(host, view, link, kept = {}) {
  const { methods, rewards } = view;
  const box = shell(host, `Reward against KL: ${methods.map(({ name }) => name).join(", ")}`, FRAME_STYLE + `
.chart{cursor:crosshair}
`);
  const opened = { method: methods.findIndex(({ name }) => name === view.selected[0]), point: view.selected[1] };
  let { lock = opened, reward = view.reward, root = false } = kept;
  let peek = null;
  let series;
  let scale;

  // ---- parts
  const which = choice("Which reward", Object.fromEntries([...rewards, ...(rewards.length > 1 ? [ALL] : [])].map((name) => [name, name])), reward, (key) => { reward = key; layout(); });
  const rootButton = toggle("√KL", (on) => { root = on; layout(); });
  rootButton.setAttribute("aria-pressed", root);
  const frame = framed(host, "Reward against KL", { controls: [which, rootButton], layout: () => layout(), tabulate });
  const chart = element("canvas", { class: "chart", tabindex: "0", role: "application" });
  box.append(frame.bar, chart, frame.say, frame.table);

  // ---- drawing
  function layout() {
    const colours = [inks(host).query, inks(host).key, ...LINES];
    series = linesOf(view, reward, root).map((line) => ({ ...line, colour: colours[line.method % colours.length], shape: line.method, width: 2.2, dots: true }));
    draw();
  }

  function draw() {
    const at = peek ?? lock;
    const text = frame.big() ? 18 : 13;
    const on = series.findIndex(({ method, reward }) => method === at.method && (!at.reward || reward === at.reward));
    const name = reward === ALL ? rewards.join(" and ") : reward;
    scale = plane(chart, host, {
      series, width: clamp(host.clientWidth - 16, 240, frame.big() ? 1200 : 900), tall: text * 22, text,
      x: { label: root ? "√KL (√nats) from where it began" : "KL from where it began (nats)" }, y: { label: /reward/.test(name) ? name : `${name} reward` },
      at: [on, at.point] });
    chart.setAttribute("aria-label", `Lines of ${methods.map(({ name }) => name).join(", ")}. Left and right move by checkpoint, up and down by method, Escape goes back.`);
    frame.say.textContent = sentence(at);
    if (!peek) frame.refresh();
  }

  const told = (values, i) => {
    const [mean, least, most] = values[i];
    return format(mean) + (most > least ? ` (${format(least)} to ${format(most)})` : "");
  };
  function sentence({ method, point }) {
    const { name, labels, values } = methods[method];
    return `${name}${labels[point] ? ", " + labels[point] : ""}: KL ${told(values.kl, point)} nats, ${rewards.map((key) => `${key} ${told(values[key], point)}`).join(", ")}`;
  }

  function tabulate() {
    return [tableOf("Checkpoints", ["method", "checkpoint", "KL (nats)", ...rewards],
      methods.flatMap(({ name, labels, values }) => labels.map((label, i) => [name, label, told(values.kl, i), ...rewards.map((key) => told(values[key], i))])))];
  }

  // ---- choosing
  function set(found, quiet = false) {
    lock = found;
    peek = null;
    draw();
    if (!quiet) link.send?.("selected", [methods[lock.method].name, lock.point]);
  }
  const spot = (event) => {
    const edge = chart.getBoundingClientRect();
    const found = nearestPoint(series, scale, event.clientX - edge.left, event.clientY - edge.top);
    return found && { method: series[found[0]].method, reward: series[found[0]].reward, point: found[1] };
  };
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  chart.onpointermove = (event) => {
    const found = spot(event);
    if (same(found, peek)) return;
    peek = found;
    draw();
  };
  chart.onpointerleave = () => {
    peek = null;
    draw();
  };
  chart.onclick = (event) => {
    const found = spot(event);
    if (found) set(found);
  };
  chart.onkeydown = (event) => {
    if (!(event.key in ARROWS || event.key === "Home" || event.key === "End")) return;
    event.preventDefault();
    event.stopPropagation();
    const [down, right] = ARROWS[event.key] ?? [0, 0];
    const method = clamp(lock.method + down, 0, methods.length - 1);
    const last = methods[method].labels.length - 1;
    const point = { Home: 0, End: last }[event.key] ?? clamp(lock.point + right, 0, last);
    set({ method, point });
  };
  onEscape(box, () => set(opened));

  const forget = followTheme(host, layout);
  const unfit = fitted(host, layout);
  return {
    select: ([name, point]) => set({ method: methods.findIndex((one) => one.name === name), point }, true),
    leave: () => {
      forget();
      unfit();
      return { lock, reward, root };
    },
  };
}

export default live(mount);
