// Run by test_sampling.py, which writes what Python's filters gave to $GOLDEN; null stands for −∞.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { chiSquared, drawn, uniforms, upperGamma } from "../../tinygpt/views/draws.js";
import { logShare, orderDiff, outcome, ranked, shares, surprise, traced } from "../../tinygpt/views/filters.js";
import { unpack } from "../../tinygpt/views/host.js";
import { branches, fared, keyOf, placesOf, reordered, rowsOf, tokenNamed, wentTo } from "../../tinygpt/views/sampling_state.js";
import { lastKept } from "../../tinygpt/views/sampling_words.js";

const golden = JSON.parse(readFileSync(process.env.GOLDEN));
const near = (got, wanted, apart = 1e-9) => assert.ok(Math.abs(got - wanted) <= apart, `${got} is not ${wanted} ± ${apart}`);
const finite = (values) => Float64Array.from(values, (value) => value ?? -Infinity);

golden.cases.forEach(({ logits, ids, stages, after, odds, entropy }, c) => test(`filters ${c}: ${stages.map(([name, value]) => `${name} ${value}`).join(", ")}`, () => {
  const given = finite(logits);
  const steps = traced(stages, given, ids);
  assert.deepEqual(given, finite(logits), "what a filter was given stays");
  assert.equal(steps.length, after.length);
  steps.forEach((step, i) => finite(after[i]).forEach((wanted, id) => {
    if (wanted === -Infinity) assert.equal(step.after[id], wanted, `${step.name} keeps ${id}`);
    else near(step.after[id], wanted);
  }));
  const end = outcome(steps, given);
  odds.forEach((wanted, id) => near(end.odds[id], wanted));
  near(surprise(end.odds), entropy);
  end.cutBy.forEach((by, id) => assert.equal(by, after.findIndex((logits, i) => logits[id] === null && (i ? after[i - 1] : golden.cases[c].logits)[id] !== null)));
}));

test("a stage that is off does nothing", () => {
  assert.deepEqual(traced([["top_k", 1, false]], Float64Array.of(1, 2), []), []);
});

golden.orders.forEach(({ logits, ids, now, then, cut, distance }, o) => test(`orders ${o}: what only one of them cuts`, () => {
  const [a, b] = [now, then].map((stages) => outcome(traced(stages, finite(logits), ids), finite(logits)));
  const found = orderDiff(a, b, shares(finite(logits)));
  assert.deepEqual([[...found.now].sort((x, y) => x - y), [...found.then].sort((x, y) => x - y)], cut);
  near(found.distance, distance);
  near(Math.abs(found.to - found.from), Math.max(...a.odds.map((share, id) => Math.abs(share - b.odds[id]))));
}));

test("the logits of every place are Python's, and the model's to half a step", async () => {
  const view = await unpack(Uint8Array.from(Buffer.from(golden.payload, "base64")));
  const places = placesOf(view);
  assert.equal(places.size, golden.places.length);
  for (const { path, logits, read, step } of golden.places) {
    assert.deepEqual(places.get(keyOf(path)), finite(logits));
    places.get(keyOf(path)).forEach((logit, id) => near(logit, read[id], 0.501 * step + 1e-6));
  }
});

test("what the chosen tokens cost is Python's", async () => {
  const places = placesOf(await unpack(Uint8Array.from(Buffer.from(golden.payload, "base64"))));
  assert.ok(golden.costs.some(([path]) => path.length > 1));
  for (const [path, logs] of golden.costs) path.forEach((id, i) => near(logShare(places.get(keyOf(path.slice(0, i))), id), logs[i]));
});

test("draws follow the probabilities, and only them", () => {
  const odds = shares(Float64Array.of(0, 1, -Infinity, 2));
  const counts = drawn(odds, 20000, 7);
  assert.equal(counts.reduce((a, b) => a + b), 20000);
  assert.equal(counts[2], 0);
  odds.forEach((share, id) => near(counts[id] / 20000, share, 4 * Math.sqrt((share * (1 - share)) / 20000) + 1e-9));
  assert.deepEqual(drawn(odds, 50, 3), drawn(odds, 50, 3));
  assert.notDeepEqual(drawn(odds, 50, 3), drawn(odds, 50, 4));
  const next = uniforms(1);
  const values = Array.from({ length: 1000 }, next);
  assert.ok(values.every((value) => value >= 0 && value < 1));
  assert.equal(new Set(values).size, 1000);
});

test("the p-values of true draws are spread evenly", () => {
  const odds = shares(Float64Array.from({ length: 30 }, (_, i) => -i / 5));
  const tails = Array.from({ length: 400 }, (_, seed) => chiSquared(drawn(odds, 500, seed), odds, 500).tail);
  for (const level of [0.1, 0.5, 0.9]) near(tails.filter((tail) => tail < level).length / 400, level, 0.08);
  const other = shares(Float64Array.from(odds, Math.sqrt));
  assert.ok(chiSquared(drawn(other, 500, 1), odds, 500).tail < 1e-6, "draws from another distribution are found out");
});

test("upper gamma and chi-squared", () => {
  golden.gamma.forEach(([a, x, wanted]) => near(upperGamma(a, x), wanted, 1e-8));
  const { value, freedom, tail } = chiSquared(golden.chi.counts, golden.chi.odds, golden.chi.n);
  near(value, golden.chi.value);
  near(tail, golden.chi.tail, 1e-8);
  assert.equal(freedom, golden.chi.freedom);
  assert.equal(chiSquared([10, 0], [1, 0], 10).freedom, 0);
});

test("rows are the likeliest before or after, in the model's order", () => {
  assert.deepEqual(rowsOf(Float64Array.of(0.1, 0.5, 0.3, 0.1), Float64Array.of(0.6, 0.4, 0, 0), 2), [1, 0]);
  assert.deepEqual(Array.from(ranked([1, 3, 3, -Infinity, 2])), [1, 2, 4, 0, 3]);
  assert.equal(lastKept([4, 2, 0], [-Infinity, 0, 1, 0, 1]), 1);
  assert.equal(lastKept([4, 2, 0], [0, 0, 1, 0, -Infinity]), -1);
});

test("moves, places and branches", () => {
  assert.deepEqual(reordered(["a", "b", "c", "d"], 0, 2), ["b", "c", "a", "d"]);
  assert.deepEqual(reordered(["a", "b", "c", "d"], 3, 0), ["d", "a", "b", "c"]);
  let state = { path: [], visited: [[]] };
  for (const path of [[5], [5, 6], [5], [5, 7], [5, 7, 8], [9], [5]]) state = wentTo(state, path);
  assert.deepEqual(state.path, [5]);
  const lines = branches(state.visited).map(({ depth, paths }) => [depth, paths.map((path) => path.at(-1))]);
  assert.deepEqual(lines, [[0, [5]], [1, [6]], [1, [7, 8]], [0, [9]]]);
});

test("the token that a reader names, and how the guess fared", () => {
  const names = { 0: "a", 1: "·the", 2: " cat", 3: "the" };
  assert.deepEqual(["the", " the", "cat", "cat ", "dog", ""].map((text) => tokenNamed(names, text)), [3, 1, 2, 2, -1, -1]);
  const logits = Float64Array.of(0, Math.log(2), Math.log(5));
  const { best, actual, rank, top } = fared([[], 1, 0.5], logits);
  assert.deepEqual([best, rank], [2, 2]);
  near(actual, 0.25);
  near(top, 0.625);
  assert.equal(fared([[], null, 0.5], logits).rank, 1);
});
