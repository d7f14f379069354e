// Byte-level BPE, the same as in Python: text and bytes, words, ids, and learning merges step by step.

// The bytes of a text. Lone surrogates DC80–DCFF stand for single bytes, as Python's surrogateescape has it.
export function toBytes(text) {
  const bytes = [];
  for (const character of text) {
    const code = character.codePointAt(0);
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code >= 0xdc80 && code <= 0xdcff) bytes.push(code & 255);
    else if (code >= 0xd800 && code <= 0xdfff) bytes.push(0xef, 0xbf, 0xbd);
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  }
  return bytes;
}

// The smallest code point that needs so many bytes.
const LEAST = [0, 0, 0x80, 0x800, 0x10000];

// The text of some bytes, those that are no UTF-8 as lone surrogates.
export function toText(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length;) {
    const first = bytes[i];
    const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    let code = length === 1 ? first : first & (0x7f >> length);
    for (let k = 1; k < length; k++) code = (bytes[i + k] & 0xc0) === 0x80 ? (code << 6) | (bytes[i + k] & 63) : NaN;
    const valid = length && code >= LEAST[length] && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
    text += String.fromCodePoint(valid ? code : 0xdc00 + first);
    i += valid ? length : 1;
  }
  return text;
}

// The words of a text: what the pattern matches, in order.
export const wordsOf = (text, pattern) => Array.from(text.matchAll(pattern), (match) => match[0]).filter((word) => word);

// A compiled pattern, or null where this browser does not know something in it.
export function compile(source) {
  try {
    return source === null ? null : new RegExp(source + "|[^]", "gu");
  } catch {
    return null;
  }
}

// The ids with every occurrence of the pair, from left to right, replaced by the new id.
export function mergePair(ids, left, right, made) {
  const merged = [];
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] === left && ids[i + 1] === right) {
      merged.push(made);
      i++;
    } else merged.push(ids[i]);
  }
  return merged;
}

// Pairs of ids as one number each; ids are far below 2^26.
const SPAN = 2 ** 26;
export const pairKey = (left, right) => left * SPAN + right;
export const pairOf = (key) => [Math.floor(key / SPAN), key % SPAN];

// `count` unsigned numbers of `width` bytes, stored as all their highest bytes, then the next: that deflates better.
export function columns(bytes, start, count, width) {
  const values = new Uint32Array(count);
  for (let c = 0; c < width; c++) for (let i = 0; i < count; i++) values[i] = values[i] * 256 + bytes[start + c * count + i];
  return values;
}

// A tokenizer as its view packed it: `encode` text, and what each id is made of.
export function vocabulary(packed, data) {
  const specials = new Map(packed.specials);
  const special = new Map(packed.specials.map(([text, id]) => [id, text]));
  const kind = { bpe: bytePairs, characters, given }[packed.kind](packed, data);
  const quoted = [...specials.keys()].map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  const border = specials.size ? new RegExp(`(${quoted.join("|")})`, "u") : null;
  function encode(text, allowSpecial) {
    if (!allowSpecial || !border) return kind.ordinary(text);
    return text.split(border).flatMap((part) => (specials.has(part) ? [specials.get(part)] : kind.ordinary(part)));
  }
  const same = (a, b) => a.length === b.length && a.every((id, i) => id === b[i]);
  // What this browser makes of the given text must be what Python made of it; else only that is shown.
  const text = toText(data.subarray(...packed.text));
  const allowed = packed.allowed ?? packed.ids;
  const able = kind.able && same(encode(text, false), packed.ids) && same(encode(text, true), allowed);
  return {
    ...packed,
    able,
    special,
    encode: able ? encode : (_, allowSpecial) => (allowSpecial ? allowed : packed.ids),
    bytesOf: (id) => (special.has(id) ? toBytes(special.get(id)) : kind.bytesOf(id)),
    partsOf: kind.partsOf,
    holds: (id) => special.has(id) || kind.bytesOf(id) !== null,
  };
}

function bytePairs(packed, data) {
  const { merges, width } = packed;
  const pairs = columns(data, packed.at, merges * 2, width);
  const ranks = new Map();
  for (let r = 0; r < merges; r++) ranks.set(pairKey(pairs[2 * r], pairs[2 * r + 1]), 256 + r);
  const idOf = new Array(256).fill(0);
  const byteOf = packed.bytes ?? idOf.map((_, i) => i);
  byteOf.forEach((byte, id) => (idOf[byte] = id));
  const pattern = compile(packed.pattern);
  const known = new Map();
  const partsOf = (id) => (id >= 256 && id < 256 + merges ? [pairs[2 * (id - 256)], pairs[2 * (id - 256) + 1]] : null);
  const made = new Map();
  function bytesOf(id) {
    if (id < 256) return id < 0 ? null : [byteOf[id]];
    if (!partsOf(id)) return null;
    if (!made.has(id)) made.set(id, partsOf(id).flatMap(bytesOf));
    return made.get(id);
  }
  function encodeWord(word) {
    let ids = toBytes(word).map((byte) => idOf[byte]);
    for (;;) {
      let best = Infinity;
      for (let i = 1; i < ids.length; i++) best = Math.min(best, ranks.get(pairKey(ids[i - 1], ids[i])) ?? Infinity);
      if (best === Infinity) return ids;
      ids = mergePair(ids, ...partsOf(best), best);
    }
  }
  function ordinary(text) {
    const ids = [];
    for (const word of wordsOf(text, pattern)) {
      if (!known.has(word)) known.set(word, encodeWord(word));
      for (const id of known.get(word)) ids.push(id);
    }
    return ids;
  }
  return { able: pattern !== null, ordinary, bytesOf, partsOf };
}

// One token per character; a character it does not know becomes the id −1.
function characters(packed) {
  const ids = new Map(packed.characters.map((code, id) => [code, id]));
  const bytesOf = (id) => (id in packed.characters ? toBytes(String.fromCodePoint(packed.characters[id])) : null);
  const ordinary = (text) => Array.from(text, (character) => ids.get(character.codePointAt(0)) ?? -1);
  return { able: true, ordinary, bytesOf, partsOf: () => null };
}

// A tokenizer that JavaScript cannot follow: the tokens of the given text only.
function given(packed) {
  const table = new Map(packed.table);
  return { able: false, bytesOf: (id) => table.get(id) ?? null, partsOf: () => null };
}

// How often every pair of neighbours comes in words that come so many times each.
function countPairs(ids, times) {
  const counts = new Map();
  ids.forEach((one, word) => {
    for (let i = 1; i < one.length; i++) {
      const key = pairKey(one[i - 1], one[i]);
      counts.set(key, (counts.get(key) ?? 0) + times[word]);
    }
  });
  return counts;
}

// The `most` pairs that come first: the most frequent, of equals the smaller ids. And how many tie with the very first.
function leaders(counts, most) {
  const before = (a, b) => b[1] - a[1] || a[0] - b[0];
  const top = [];
  for (const entry of counts) {
    if (top.length === most && before(entry, top[most - 1]) > 0) continue;
    top.splice(most - 1, 1);
    const place = top.findIndex((other) => before(entry, other) < 0);
    top.splice(place < 0 ? top.length : place, 0, entry);
  }
  let tied = 0;
  for (const count of counts.values()) tied += count === top[0][1];
  return { top: top.map(([key, count]) => [pairOf(key), count]), tied, pairs: counts.size };
}

// Up to `most` merges learnt from words, everything counted again at every step. Step k is what stands after k merges:
// the ids of each different word, and the pairs among which the next merge is chosen. `index` finds a word.
export function learn(words, most, shown = 8) {
  const index = new Map();
  const times = [];
  for (const word of words) {
    if (!index.has(word)) index.set(word, times.push(0) - 1);
    times[index.get(word)]++;
  }
  let ids = Array.from(index.keys(), toBytes);
  const steps = [];
  for (let k = 0; ; k++) {
    const found = leaders(countPairs(ids, times), shown);
    steps.push({ ids, tokens: ids.reduce((sum, one, i) => sum + one.length * times[i], 0), ...found });
    if (k === most || !found.pairs) return { index, steps };
    const [left, right] = found.top[0][0];
    ids = ids.map((one) => (one.includes(left) && one.includes(right) ? mergePair(one, left, right, 256 + k) : one));
  }
}
