// Run by test_kv_cache.py, which writes what Python says of caches to $GOLDEN.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { cacheBytes, headChoices, partsOf, switched, totalOf, weightBytes, windowChoices } from "../../tinygpt/views/cache_sizes.js";
import { halves, unpack } from "../../tinygpt/views/host.js";

const golden = JSON.parse(readFileSync(process.env.GOLDEN));
const view = await unpack(Uint8Array.from(Buffer.from(golden.payload, "base64")));

test("bytes are Python's, to the last one", () => golden.cases.forEach(({ model, now, bytes, weights }) => {
  assert.equal(cacheBytes(view.shapes[model], now, totalOf(now)), bytes);
  assert.equal(weightBytes(view.shapes[model]), weights);
}));

test("norms are the model's, to a half's eleven bits", () => {
  const norms = halves(view.data, 0, view.norms.reduce((a, b) => a * b));
  assert.equal(norms.length, golden.norms.length);
  norms.forEach((norm, i) => assert.ok(Math.abs(norm - golden.norms[i]) <= golden.norms[i] / 2048 + 1e-7));
});

test("heads and windows to choose from", () => {
  assert.deepEqual(headChoices(12), [1, 2, 3, 4, 6, 12]);
  assert.deepEqual(windowChoices(64, null, 0), [4, 8, 16, 32, 0]);
  assert.deepEqual(windowChoices(64, 10, 16), [4, 8, 10, 16, 32, 0]);
});

test("what a lane holds", () => {
  const now = { prompt: 10, fresh: 6, window: 0 };
  assert.deepEqual(partsOf(now, 32), [["prefill", 0, 10], ["decode", 10, 16], ["empty", 16, 32]]);
  assert.deepEqual(partsOf({ ...now, window: 8 }, 16), [["gone", 0, 8], ["prefill", 8, 10], ["decode", 10, 16]]);
  assert.deepEqual(partsOf({ ...now, window: 4 }, 20), [["gone", 0, 12], ["decode", 12, 16], ["empty", 16, 20]]);
});

test("another model has its own heads and window, at the same shares of its context", () => {
  const [own, other] = [view.shapes["this model"], view.shapes["Mistral 7B"]];
  const next = switched({ model: "this model", prompt: own.context / 4, fresh: own.context / 2, batch: 3, heads: 1, window: 0, number: 4 }, "Mistral 7B", own, other);
  assert.deepEqual(next, { model: "Mistral 7B", prompt: 2048, fresh: 4096, batch: 3, heads: 8, window: 4096, number: 2 });
});
