// A row of buttons of which one is pressed.
import { element } from "./host.js";

export const CHOICE_STYLE = `
.choice{display:inline-flex;flex-wrap:wrap;gap:.3em}
.choice[hidden]{display:none}
`;

// `names` maps what `pick` is told to what the button says.
export function choice(label, names, pressed, pick) {
  const buttons = Object.entries(names).map(([key, text]) => {
    const button = element("button", { type: "button", "aria-pressed": key === pressed }, text);
    button.onclick = () => {
      buttons.forEach((other) => other.setAttribute("aria-pressed", other === button));
      pick(key);
    };
    return button;
  });
  const node = element("div", { class: "choice", role: "group", "aria-label": label }, ...buttons);
  node.hidden = buttons.length < 2;
  return node;
}
