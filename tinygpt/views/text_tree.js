// A text as tokens to go back to, and the branches of it that were seen.
import { element, format, redrawn } from "./host.js";
import { branches, keyOf } from "./sampling_state.js";

export const TEXT_STYLE = `
.text{font-family:ui-monospace,Menlo,Consolas,monospace;line-height:1.9;margin:.2em 0 .5em;overflow-wrap:anywhere}
.text button{font:inherit;padding:0 .12em;border-radius:3px;border-color:transparent;white-space:pre}
.text button.new{background:var(--masked);border-color:var(--line)}
.text button.here{border-color:var(--key)}
.text small{color:var(--soft);font-size:.72em;margin-right:.35em;font-variant-numeric:tabular-nums}
.cost{color:var(--soft);font-size:.9em}
.tree{list-style:none;padding:0;margin:.2em 0;font-family:ui-monospace,Menlo,Consolas,monospace}
.tree button{font-family:inherit;padding:0 .3em;margin:.05em .1em;white-space:pre}
`;

// `go` hears of the path, the tokens after the prompt, that was chosen.
export function textStrip(nameOf, go) {
  const node = element("div", { class: "text", role: "group", "aria-label": "Text. Choose a token to go back to it." });
  // `logs` are the log-probabilities of the path's tokens, null where unknown, and `cost` is what they make.
  function draw(prompt, path, logs, cost) {
    redrawn(node, () => node.replaceChildren(...[...prompt, ...path].flatMap((id, i) => {
      const at = i - prompt.length;
      const button = element("button", { type: "button", class: [at < 0 ? "" : "new", at === path.length - 1 ? "here" : ""].join(" ").trim() }, nameOf(id));
      button.disabled = at < -1;
      button.onclick = () => go(path.slice(0, at + 1));
      return at < 0 ? [button] : [button, element("small", {}, logs[at] === null ? "" : format(logs[at], 2))];
    }), ...(cost ? [element("div", { class: "cost" }, cost)] : [])));
  }
  return { node, draw };
}

export function branchTree(nameOf, go) {
  const list = element("ul", { class: "tree", "aria-label": "Branches that you have seen" });
  const node = element("div", {}, element("h3", {}, "Branches"), list);
  const place = (path, at) => {
    const button = element("button", { type: "button", "aria-pressed": String(keyOf(path) === at) }, nameOf(path.at(-1)));
    button.onclick = () => go(path);
    return button;
  };
  function draw({ visited, path }) {
    const lines = branches(visited);
    node.hidden = !lines.length;
    redrawn(list, () => list.replaceChildren(...lines.map(({ depth, paths }) => element("li", { style: `padding-left:${1.4 * depth}em` }, depth ? "└ " : "", ...paths.map((one) => place(one, keyOf(path)))))));
  }
  return { node, draw };
}
