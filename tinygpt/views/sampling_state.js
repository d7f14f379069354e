// What the sampling view knows and keeps: places with their logits, and a state { path, stages, guesses, visited }.
import { ranked, shares } from "./filters.js";
import { spaced } from "./token_bars.js";

const NOTHING = 65535;
export const keyOf = (path) => path.join(",");

// Logits from 16-bit codes, which are stored as all high bytes, then all low bytes.
export function decoded(bytes, start, count, low, step) {
  return Float64Array.from({ length: count }, (_, i) => {
    const code = (bytes[start + i] << 8) | bytes[start + count + i];
    return code === NOTHING ? -Infinity : low + step * code;
  });
}

// The logits of each place, by its path.
export function placesOf({ places, data }) {
  const V = data.length / places.length / 2;
  return new Map(places.map(([path, low, step], i) => [keyOf(path), decoded(data, 2 * V * i, V, low, step)]));
}

export const asState = ([path, stages, guesses, visited]) => ({ path, stages, guesses, visited });
export const asSelected = ({ path, stages, guesses, visited }) => [path, stages, guesses, visited];

// At another place; those that were seen stay.
export function wentTo(state, path) {
  const known = state.visited.some((other) => keyOf(other) === keyOf(path));
  return { ...state, path, visited: known ? state.visited : [...state.visited, path] };
}

// The stage at one place of the list taken to another.
export function reordered(stages, from, to) {
  const rest = stages.filter((_, i) => i !== from);
  return [...rest.slice(0, to), stages[from], ...rest.slice(to)];
}

// Places seen as lines of a tree: { depth, path, tokens }, where a line goes on as long as there is one way to go.
export function branches(visited) {
  const children = new Map();
  for (const path of visited) {
    const parent = keyOf(path.slice(0, -1));
    if (path.length) children.set(parent, [...(children.get(parent) ?? []), path]);
  }
  const lines = [];
  const walk = (start, depth) => {
    const line = { depth, paths: [start] };
    lines.push(line);
    let next = children.get(keyOf(start)) ?? [];
    while (next.length === 1) {
      line.paths.push(next[0]);
      next = children.get(keyOf(next[0])) ?? [];
    }
    next.forEach((path) => walk(path, depth + 1));
  };
  (children.get("") ?? []).forEach((path) => walk(path, 0));
  return lines;
}

// The id that a reader means: the text itself, or with a space before it; −1 where no token reads so.
export function tokenNamed(names, text) {
  const wanted = [text, " " + text, text.trim(), " " + text.trim()].map(spaced);
  const ids = Object.keys(names).map(Number);
  return wanted.map((one) => ids.find((id) => spaced(names[id]) === one)).find((id) => id !== undefined) ?? -1;
}

// How a guess [path, token, share] fares with the model: its rank, and the probability of the token or of the likeliest.
export function fared([, token, share], logits) {
  const odds = shares(logits);
  const best = ranked(logits)[0];
  const meant = token ?? best;
  return { token, share, best, actual: odds[meant], top: odds[best], rank: 1 + odds.filter((other) => other > odds[meant]).length };
}

// The tokens to show, likeliest first by the model: those that are among the first before or after the filters.
export function rowsOf(model, after, most) {
  const reach = model.map((share, id) => Math.max(share, after[id]));
  const chosen = new Set(ranked(reach).slice(0, most));
  return Array.from(ranked(model)).filter((id) => chosen.has(id));
}
