// Tokens: type a text and see its pieces, their ids and bytes, under one tokenizer or two side by side.
import { toBytes, toText, vocabulary } from "./bpe.js";
import { ARROWS, clamp, element, followTheme, format, live, onEscape, shell, toggle } from "./host.js";
import { PIECE_STYLE, SHOWN, codePoint, hex, nameOf, paintPieces, spansOf, treeOf } from "./pieces.js";

// The tokens that hold any byte from `start` to `end`, as first and behind the last.
export function touching(spans, start, end) {
  const find = (good) => {
    let [low, high] = [0, spans.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (good(spans[middle])) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  return [find((span) => span.end > start), find((span) => span.start >= end)];
}

// Dollars with two digits that say something, however small.
export function dollars(value) {
  if (value === 0 || value >= 0.01) return "$" + value.toFixed(2);
  return "$" + value.toFixed(Math.min(20, 1 - Math.floor(Math.log10(value))));
}

const TOKEN_STYLE = PIECE_STYLE + `
textarea{font:1em/1.45 ui-monospace,Menlo,Consolas,monospace;width:100%;color:inherit;background:var(--paper);
border:1px solid var(--line);border-radius:6px;padding:.4em .6em;resize:vertical;tab-size:4;unicode-bidi:plaintext}
textarea[readonly]{background:var(--masked)}
input[type=number]{font:inherit;color:inherit;background:var(--paper);border:1px solid var(--line);border-radius:5px;padding:.05em .3em;width:5.2em}
.note{margin:.35em 0;padding:.3em .7em;border-left:4px solid var(--line);background:var(--masked)}
.note.warn{border-color:var(--key);font-weight:600}
.note:empty{display:none}
.counts{display:flex;flex-wrap:wrap;gap:.2em 1.4em;margin:.5em 0;align-items:center;font-variant-numeric:tabular-nums}
.cols{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26em),1fr));gap:.6em 2em;align-items:start}
.cols>div{min-width:0}
h3{font-size:1em;font-weight:650;margin:.3em 0 0}
h3 span{font-weight:400;font-variant-numeric:tabular-nums}
.p.same{--ring:var(--query)}
.p.at{--ring:var(--key)}
.p.same,.p.at{box-shadow:0 0 0 1px var(--paper),0 0 0 4px var(--ring)}
@media (forced-colors:active){.p.same,.p.at{outline:3px solid Highlight}}
.say{min-height:1.6em;margin:.5em 0 .3em;font-weight:500;overflow-wrap:anywhere}
.look{display:flex;flex-wrap:wrap;gap:.5em 1.2em;align-items:flex-start;min-height:6.5em;border-top:1px solid var(--line);padding-top:.6em}
.look .who{display:flex;flex-wrap:wrap;gap:.4em .7em;align-items:center}
.look .tree{font-family:ui-monospace,Menlo,Consolas,monospace}
.how{max-width:100%;overflow-x:auto}
.tables{display:flex;flex-wrap:wrap;gap:0 3em;align-items:flex-start}
.tables[hidden]{display:none}
td.mono{white-space:pre}
`;

export function mount(host, view, link, kept = {}) {
  const readers = view.tokenizers.map((packed) => vocabulary(packed, view.data));
  const several = readers.length > 1;
  const able = readers.every((reader) => reader.able);
  const box = shell(host, `Tokens by ${readers.map(({ name }) => name).join(" and ")}`, TOKEN_STYLE);
  let text = able && "text" in kept ? kept.text : toText(view.data.subarray(...readers[0].text));
  let allow = false;
  let price = view.price;
  let cuts = [];
  // What is looked at: a token of the text (`i`), or an id by itself.
  let lock = null;
  let peek = null;
  let looked = 0;

  // ---- parts
  const area = element("textarea", { spellcheck: "false", autocapitalize: "off", autocomplete: "off", "aria-label": "Text to tokenize" });
  area.value = text;
  area.rows = clamp(text.split("\n").length, 2, 8);
  area.readOnly = !able;
  const tableButton = toggle("Table", (on) => { table.hidden = !on; draw(); });
  const bigButton = toggle("Large text", (on) => host.toggleAttribute("data-big", on));
  const allowButton = toggle("allow_special=True", (on) => { allow = on; read(); });
  allowButton.hidden = readers.every((reader) => reader.specials.length === 0);
  allowButton.classList.add("mono");
  const bar = element("div", { class: "bar" }, element("h2", {}, "Tokens"),
    element("span", { class: "soft" }, able ? "type your own text" : ""), element("span", { class: "push" }), allowButton, tableButton, bigButton);
  const cost = element("input", { type: "number", min: "0", step: "any", value: String(price), "aria-label": "Price in dollars per million tokens" });
  const sizes = element("span");
  const counts = element("div", { class: "counts" }, sizes,
    element("label", {}, "at $ ", cost, " per million tokens ", element("span", { class: "soft" }, "(an example: put in yours)")));
  const stuck = element("div", { class: "note" });
  stuck.textContent = able ? "" : view.stuck;
  const warning = element("div", { class: "note", "aria-live": "polite" });
  const panels = readers.map((reader) => {
    const strip = element("div", { class: "pieces", tabindex: "0", role: "application", "aria-label": `Tokens of ${reader.name}. Left and right move, Escape clears.` });
    const stats = element("span", { class: "soft" });
    return { strip, stats, node: element("div", {}, element("h3", {}, `${reader.name} `, stats), strip) };
  });
  const say = element("div", { class: "say", "aria-live": "polite" });
  const which = readers.map(({ name }, r) => {
    const button = element("button", { type: "button", "aria-pressed": "false" }, name);
    button.onclick = () => choose({ r, id: lock?.id >= 0 && readers[r].holds(lock.id) ? lock.id : 0 });
    return button;
  });
  const number = element("input", { type: "number", min: "0", step: "1", "aria-label": "Token id: type one, or step with the arrow keys" });
  const meaning = element("div");
  const how = element("div", { class: "how" });
  const look = element("div", { class: "look" },
    element("div", {}, element("div", { class: "who" }, ...(several ? which : []), element("label", {}, "token id ", number)), meaning), how);
  const table = element("div", { class: "tables" });
  table.hidden = true;
  box.append(bar, area, stuck, warning, counts, element("div", { class: "cols" }, ...panels.map(({ node }) => node)), say, look, table);

  // ---- reading
  function read() {
    cuts = readers.map((reader) => spansOf(text, reader.encode(text, allow), reader.bytesOf));
    lock = peek = null;
    readers.forEach((reader, r) => paintPieces(panels[r].strip, text, cuts[r], reader));
    tell();
    draw();
  }

  // ---- counting
  function tell() {
    const [characters, bytes] = [Array.from(text).length, toBytes(text).length];
    sizes.textContent = `${characters} characters, ${bytes} bytes in UTF-8`;
    readers.forEach((reader, r) => {
      const many = cuts[r].length;
      const paid = (many * price) / 1e6;
      const unit = characters ? `, ${dollars((many * price) / characters)} per million such characters` : "";
      const ratio = several && r && cuts[0].length ? `, ${format(many / cuts[0].length, 2)} × ${readers[0].name}` : "";
      panels[r].stats.textContent = `${many} tokens${ratio}, ${many ? format(bytes / many, 2) : "–"} bytes per token; costs ${dollars(paid)}${unit}`;
    });
    warn();
  }

  function warn() {
    const found = [...new Set(readers.flatMap((reader) => [...reader.special.values()]).filter((one) => text.includes(one)))];
    const names = found.map((one) => `“${one}”`).join(", ");
    const lost = readers.map(missing).join("");
    warning.className = allow ? "note warn" : "note";
    warning.textContent = (allow
      ? "⚠ With allow_special=True whoever types a special token controls the structure: ends the document, or speaks for the assistant. Never use it for what a user typed."
        + (found.length ? ` Here ${names} became special.` : ` (This text holds none of ${[...new Set(readers.flatMap((reader) => [...reader.special.values()]))].map((one) => `“${one}”`).join(", ")}: type one.)`)
      : found.length ? `${names} was typed, so it stays ordinary text: none of its tokens is special.` : "") + lost;
    if (text.includes("\r")) warning.textContent += " The text holds carriage returns (␍), which a text box cannot keep: they go as soon as you type.";
  }
  function missing(reader, r) {
    const characters = toBytes(text);
    const none = new Set(cuts[r].filter(({ id }) => id < 0).map(({ start, end }) => toText(characters.slice(start, end))));
    return none.size ? ` ${reader.name}: no token for ${[...none].slice(0, 8).map((one) => `“${one}” (${codePoint(one)})`).join(", ")}.` : "";
  }

  // ---- drawing
  function draw() {
    const at = peek ?? lock;
    looked = at?.r ?? looked;
    mark(at);
    say.textContent = at?.i === undefined ? "Point at a piece, or move through them with the arrow keys." : sentence(at);
    drawLook(at);
    if (!table.hidden) drawTable();
  }

  let marked = [];
  function mark(at) {
    for (const node of marked) node.classList.remove("at", "same");
    marked = [];
    if (!at) return;
    panels.forEach(({ strip }, r) => {
      const ids = strip.nodes;
      const add = (node, kind) => {
        if (!node) return;
        node.classList.add(kind);
        marked.push(node);
      };
      if (at.i === undefined) {
        if (r === at.r) ids.forEach((node, i) => cuts[r][i].id === at.id && add(node, "same"));
      } else if (r === at.r) add(ids[at.i], "at");
      else {
        const { start, end } = cuts[at.r][at.i];
        const [first, behind] = touching(cuts[r], start, end);
        for (let i = first; i < behind; i++) add(ids[i], "same");
      }
    });
  }

  const bytesAt = ({ r, i }) => toBytes(text).slice(cuts[r][i].start, cuts[r][i].end);
  function sentence(at) {
    const { id, start, end } = cuts[at.r][at.i];
    const reader = readers[at.r];
    const bytes = bytesAt(at);
    const kind = id < 0 ? "no token for this character" : `id ${id}${reader.special.has(id) ? ", special" : ""}`;
    const place = bytes.length > 1 ? `bytes ${start} to ${end - 1}` : `byte ${start}`;
    const others = several ? readers.flatMap((other, r) => (r === at.r ? [] : [`${other.name}: ${shares(r, start, end)}`])) : [];
    return [`${several ? reader.name + ", t" : "T"}oken ${at.i} of ${cuts[at.r].length}: “${nameOf(bytes)}”, ${kind}, ${place}`, ...others].join("; ");
  }
  function shares(r, start, end) {
    const [first, behind] = touching(cuts[r], start, end);
    const names = cuts[r].slice(first, Math.min(behind, first + 6)).map((span, k) => `“${nameOf(bytesAt({ r, i: first + k }))}” ${span.id}`);
    return names.join(" ") + (behind - first > 6 ? " …" : "");
  }

  function drawLook(at) {
    const reader = readers[looked];
    which.forEach((button, r) => button.setAttribute("aria-pressed", r === looked));
    number.max = String(view.tokenizers[looked].size - 1);
    const id = at ? at.id ?? cuts[at.r][at.i].id : null;
    if (document.activeElement !== host || box.getRootNode().activeElement !== number) number.value = id === null || id < 0 ? "" : String(id);
    if (id === null || id < 0 || !reader.holds(id)) {
      meaning.textContent = id === null ? `Type an id from 0 to ${reader.size - 1} to see its token.` : id < 0 ? "This tokenizer knows no such character." : `No token ${id}: ids go from 0 to ${reader.size - 1}${reader.able ? "" : ", and only those of the given text are here"}.`;
      how.replaceChildren();
      return;
    }
    const bytes = reader.bytesOf(id);
    const times = cuts[looked].filter((span) => span.id === id).length;
    meaning.replaceChildren(
      element("div", {}, element("b", {}, `“${nameOf(bytes)}”`), ` ${bytes.length} byte${bytes.length > 1 ? "s" : ""}: `, element("span", { class: "mono" }, hex(bytes))),
      element("div", {}, origin(reader, id)),
      element("div", { class: "soft" }, times ? `${times} × in this text` : "not in this text"));
    how.replaceChildren(...(reader.partsOf(id) ? [element("div", { class: "tree" }, treeOf(id, reader, (part) => choose({ r: looked, id: part })))] : []));
  }

  function origin(reader, id) {
    if (reader.special.has(id)) return "special token: made of no merge, and never from ordinary text";
    const parts = reader.partsOf(id);
    if (parts) return `merge rank ${id - 256}: ${parts.map((part) => `“${nameOf(reader.bytesOf(part))}” ${part}`).join(" + ")}`;
    if (reader.kind === "characters") return `character ${codePoint(toText(reader.bytesOf(id)))}`;
    return reader.bytesOf(id).length === 1 ? "a single byte: there from the start" : "";
  }

  function drawTable() {
    table.replaceChildren(...readers.map((reader, r) => {
      const line = (tag, cells) => element("tr", {}, ...cells.map((cell, c) => element(tag, tag === "td" && c === 1 ? { class: "mono" } : {}, String(cell))));
      const rows = cuts[r].slice(0, SHOWN).map(({ id, start }, i) => line("td", [i, nameOf(bytesAt({ r, i })), id < 0 ? "none" : id, start, hex(bytesAt({ r, i }))]));
      return element("table", {}, element("caption", {}, reader.name),
        element("thead", {}, line("th", ["place", "token", "id", "first byte", "bytes in hex"])), element("tbody", {}, ...rows));
    }));
  }

  // ---- choosing
  function choose(at) {
    lock = at;
    peek = null;
    draw();
  }
  const same = (a, b) => a === b || (a && b && a.r === b.r && a.i === b.i);
  panels.forEach(({ strip }, r) => {
    const spot = (event) => {
      const index = event.target.closest?.(".p")?.index;
      return index === undefined ? null : { r, i: index };
    };
    strip.onpointermove = (event) => {
      const found = spot(event);
      if (same(found, peek)) return;
      peek = found;
      draw();
    };
    strip.onpointerleave = () => {
      peek = null;
      draw();
    };
    strip.onclick = (event) => choose(spot(event));
    strip.onkeydown = (event) => {
      const last = Math.min(cuts[r].length, SHOWN) - 1;
      const now = lock?.r === r && lock.i !== undefined ? lock.i : null;
      const [down, right] = ARROWS[event.key] ?? [0, 0];
      if (last < 0 || !(event.key in ARROWS || event.key === "Home" || event.key === "End")) return;
      event.preventDefault();
      event.stopPropagation();
      const next = event.key === "Home" ? 0 : event.key === "End" ? last : now === null ? 0 : clamp(now + down + right, 0, last);
      choose({ r, i: next });
      strip.nodes[next].scrollIntoView?.({ block: "nearest" });
    };
  });
  number.oninput = () => choose(number.value === "" ? null : { r: looked, id: Math.trunc(Number(number.value)) });
  cost.oninput = () => {
    price = Math.max(0, Number(cost.value) || 0);
    tell();
  };
  area.oninput = () => {
    text = area.value;
    read();
  };
  onEscape(box, () => choose(null));

  const forget = followTheme(host, () => {});
  read();
  return {
    leave: () => {
      forget();
      return { text };
    },
  };
}

export default live(mount);
