// Run by test_encoding.py, which writes what Python's tokenizers made of many texts to $GOLDEN.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { compile, learn, toBytes, toText, vocabulary, wordsOf } from "../../tinygpt/views/bpe.js";
import { unpack } from "../../tinygpt/views/host.js";
import { slices } from "../../tinygpt/views/merges.js";
import { groupsOf, nameOf, partsOfTokens, spansOf, tints, visible } from "../../tinygpt/views/pieces.js";
import { dollars, touching } from "../../tinygpt/views/tokens.js";

const golden = JSON.parse(readFileSync(process.env.GOLDEN));
const bytes = (base64) => Uint8Array.from(Buffer.from(base64, "base64"));

test("text and bytes, broken UTF-8 and all", () => golden.texts.forEach((text, i) => {
  assert.deepEqual(toBytes(text), golden.bytes[i]);
  assert.equal(toText(golden.bytes[i]), golden.decoded[i]);
}));

for (const [name, { source, words }] of Object.entries(golden.words)) {
  test(`words: ${name}`, () => {
    const pattern = compile(source);
    golden.texts.forEach((text, i) => assert.deepEqual(wordsOf(text, pattern), words[i], JSON.stringify(text)));
  });
}

for (const [name, { payload, ids, allowed, pieces }] of Object.entries(golden.tokenizers)) {
  test(`ids: ${name}`, async () => {
    const view = await unpack(bytes(payload));
    const reader = vocabulary(view.tokenizers[1], view.data);
    assert.ok(reader.able);
    golden.texts.forEach((text, i) => {
      assert.deepEqual(reader.encode(text, false), ids[i], JSON.stringify(text));
      assert.deepEqual(reader.encode(text, true), allowed[i], JSON.stringify(text));
    });
    pieces.forEach((wanted, id) => assert.deepEqual(reader.bytesOf(id), wanted));
    assert.equal(reader.holds(pieces.length), false);
  });
}

test("a tokenizer that JavaScript cannot follow shows the given text", async () => {
  const view = await unpack(bytes(golden.given.payload));
  const reader = vocabulary(view.tokenizers[0], view.data);
  assert.equal(reader.able, false);
  assert.deepEqual(reader.encode("anything", false), golden.given.ids);
  assert.deepEqual(golden.given.ids.flatMap(reader.bytesOf), golden.given.bytes);
});

test("ids of another Python than this browser's are not contradicted", async () => {
  const { tokenizers: [packed], data } = await unpack(bytes(golden.tokenizers.default.payload));
  const reader = vocabulary({ ...packed, ids: [1, 2, 3] }, data);
  assert.equal(reader.able, false);
  assert.deepEqual(reader.encode("x", false), [1, 2, 3]);
});

for (const [name, { payload, steps }] of Object.entries(golden.merges)) {
  test(`merges: ${name}`, async () => {
    const view = await unpack(bytes(payload));
    const text = view.data.subarray(0, view.size);
    const words = wordsOf(toText(text), compile(view.pattern));
    assert.deepEqual(slices(text, view.words), words);
    const { index, steps: learnt } = learn(words, view.most);
    assert.equal(learnt.length, steps.length + 1);
    steps.forEach((wanted, k) => {
      assert.deepEqual(learnt[k].top, wanted.top);
      assert.equal(learnt[k].tied, wanted.tied);
      assert.deepEqual(words.flatMap((word) => learnt[k].ids[index.get(word)]), wanted.before);
      assert.deepEqual(words.flatMap((word) => learnt[k + 1].ids[index.get(word)]), wanted.after);
      assert.equal(learnt[k + 1].tokens, wanted.after.length);
    });
  });
}

test("merging ends where no pair is left", () => {
  const { steps } = learn(["ab", "ab", "c"], 9);
  assert.deepEqual(steps.map(({ tokens }) => tokens), [5, 3]);
  assert.equal(learn([], 3).steps.length, 1);
});

// Cuts a text at the given byte offsets.
function parts(text, ...ends) {
  const spans = [...ends, toBytes(text).length].map((end, i) => ({ id: i, start: i ? ends[i - 1] : 0, end }));
  return partsOfTokens(text, spans).map((own) => own.map(({ text: shown, cut }) => (cut === null ? shown : [shown, cut])));
}

test("pieces: bytes of one character stand in hex and know their character", () => {
  assert.deepEqual(parts("a 🦙!", 1, 2, 4), [["a"], ["·"], [["F0 9F", 2]], [["A6 99", 2], "!"]]);
  assert.deepEqual(parts("你好", 2, 5), [[["E4 BD", 0]], [["A0", 0], ["E5 A5", 1]], [["BD", 1]]]);
  assert.deepEqual(parts("ab", 1), [["a"], ["b"]]);
});

test("pieces: an emoji or a letter of several code points is one character", () => {
  assert.deepEqual(parts("👩‍🚀", 4, 7), [[["👩", 0]], [["‹200D›", 0]], [["🚀", 0]]]);
  assert.deepEqual(parts("x👩‍🚀", 1), [["x"], ["👩‍🚀"]]);
  assert.deepEqual(parts("e\u0301", 1), [[["e", 0]], [["◌\u0301", 0]]]);
});

test("pieces: white space and single bytes can be seen", () => {
  assert.deepEqual(parts(" \t\r\n", 1, 2, 3), [["·"], ["⇥"], ["␍"], ["↵"]]);
  assert.deepEqual(parts("a\udcff\u0000", 2), [["aFF"], ["‹0000›"]]);
  assert.equal(visible("\u00a0"), "⍽");
  assert.equal(nameOf([0x20, 0xe4, 0xbd]), "·\\xe4\\xbd");
  assert.equal(nameOf(toBytes(" né")), "·né");
});

test("pieces that share a character stand in one group", () => {
  const cut = (...numbers) => numbers.map((number) => ({ text: "", cut: number }));
  assert.deepEqual(groupsOf([cut(null), cut(1), cut(1, 2), cut(2), cut(null)]), [[0], [1, 2, 3], [4]]);
  assert.deepEqual(groupsOf([cut(0), cut(0), cut(0)], 2), [[0, 1], [2]]);
});

test("a character without a token still has its bytes", () => {
  const bytesOf = (id) => [97 + id];
  assert.deepEqual(spansOf("aé🦙b", [0, -1, -1, 1], bytesOf).map(({ start, end }) => [start, end]), [[0, 1], [1, 3], [3, 7], [7, 8]]);
});

test("neighbours never look alike unless they are", () => {
  const ids = golden.tokenizers.default.ids.flat();
  const table = golden.tokenizers.default.pieces;
  const colours = tints(ids, (id) => table[id]);
  colours.forEach((colour, i) => assert.ok(i === 0 || colour !== colours[i - 1] || ids[i] === ids[i - 1]));
});

test("the tokens that touch some bytes", () => {
  const spans = [[0, 2], [2, 3], [3, 7]].map(([start, end]) => ({ start, end }));
  assert.deepEqual(touching(spans, 0, 1), [0, 1]);
  assert.deepEqual(touching(spans, 1, 3), [0, 2]);
  assert.deepEqual(touching(spans, 6, 7), [2, 3]);
});

test("money", () => assert.deepEqual([0, 0.00012345, 2, 0.0099].map(dollars), ["$0.00", "$0.00012", "$2.00", "$0.0099"]));
