// The arithmetic of a KV cache. `now`: { model, prompt, fresh, batch, heads, window, number }, where a window of 0 is none.

export const totalOf = ({ prompt, fresh }) => prompt + fresh;

// Tokens of a sequence that the cache still holds.
export const keptOf = (tokens, window) => (window ? Math.min(tokens, window) : tokens);

export const cacheBytes = ({ n_layers: L, d_head: K }, { batch, heads, window, number }, tokens) => 2 * L * batch * heads * keptOf(tokens, window) * K * number;

export const weightBytes = ({ parameters, weight_bytes: each }) => parameters * each;

// Key/value heads that can be: they divide the query heads.
export const headChoices = (heads) => Array.from({ length: heads }, (_, i) => i + 1).filter((count) => heads % count === 0);

// Windows to choose from: powers of two below the context, what is chosen already, and none.
export function windowChoices(context, ...more) {
  const powers = Array.from({ length: 40 }, (_, i) => 2 ** (i + 2)).filter((size) => size < context);
  return [...[...new Set([...powers, ...more.filter(Boolean)])].sort((a, b) => a - b), 0];
}

// The parts of a lane from token to token: gone from the window, prefill, decode, empty.
export function partsOf(now, context) {
  const total = totalOf(now);
  const gone = total - keptOf(total, now.window);
  const prefilled = Math.max(now.prompt, gone);
  return [["gone", 0, gone], ["prefill", gone, prefilled], ["decode", prefilled, total], ["empty", total, context]].filter(([, from, to]) => to > from);
}

// Another model at the same shares of its own context, with its own heads and window.
export function switched(now, name, from, to) {
  const scaled = (count) => Math.round((count / from.context) * to.context);
  const prompt = Math.max(1, scaled(now.prompt));
  return { ...now, model: name, prompt, fresh: Math.min(scaled(now.fresh), to.context - prompt), heads: to.n_kv_heads, window: to.window ?? 0, number: to.weight_bytes };
}
