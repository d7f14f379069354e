// Run by test_inside.py, which writes what numpy computed to $GOLDEN.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { blend, diverging, inkOn, measureCells, shorten } from "../../tinygpt/views/cells.js";
import { spread } from "../../tinygpt/views/chart.js";
import { unpack } from "../../tinygpt/views/host.js";
import { boxesOf, brief, grouped, inNumbers, share } from "../../tinygpt/views/model_map.js";
import { differing, gridValues } from "../../tinygpt/views/patching.js";
import { figures, measured, normScale } from "../../tinygpt/views/residual.js";
import { percentage, rankMarks, readings } from "../../tinygpt/views/logit_lens.js";

const golden = JSON.parse(readFileSync(process.env.GOLDEN));
const payload = (name) => unpack(Uint8Array.from(Buffer.from(golden[name].payload, "base64")));
function alike(got, wanted, relative = 0) {
  assert.equal(got.length, wanted.length);
  wanted.forEach((value, i) => assert.ok(Math.abs(got[i] - value) <= relative * Math.abs(value) + 1e-7, `${i}: ${got[i]} is not ${value}`));
}

test("the logit lens reads what Python packed", async () => {
  const [view, wanted] = [await payload("lens"), golden.lens];
  const read = readings(view);
  wanted.ranks.forEach((values, i) => alike(read.ranks[i], values));
  wanted.odds.forEach((values, i) => alike(read.odds[i], values, 5e-4));
  alike(read.entropy, wanted.entropy, 5e-4);
  alike(read.kl, wanted.divergence, 5e-4);
  wanted.top.forEach((values, i) => alike(Array.from(read.top[i], (number) => view.ids[number]), values));
  wanted.topOdds.forEach((values, i) => alike(read.topOdds[i], values, 5e-4));
});

test("marks of ranks, small probabilities", () => {
  assert.deepEqual(rankMarks(120), [0, 1, 3, 10, 30, 100]);
  assert.deepEqual([0, 1e-5, 0.25].map(percentage), ["0.000", "<0.001", "0.250"]);
});

test("colours between stops, and ink that can be read on them", () => {
  const stops = [[0, 0, 0], [100, 200, 50], [255, 255, 255]];
  assert.deepEqual(blend(stops, 0.25), [50, 100, 25]);
  assert.deepEqual([blend(stops, -1), blend(stops, 2)], [stops[0], stops[2]]);
  assert.deepEqual([inkOn([255, 231, 0]), inkOn([0, 34, 78])], ["#000", "#fff"]);
});

test("cells fit the room, and many stay large enough to hit", () => {
  const names = (count) => Array.from({ length: count }, (_, i) => `w${i}`);
  const some = measureCells({ rows: names(5), columns: names(12) }, 800, false);
  assert.ok(some.left + 12 * some.across <= 800 && some.across > 40 && some.flat);
  const many = measureCells({ rows: names(97), columns: names(200) }, 800, false);
  assert.ok(many.across >= 8 && many.down >= 5 && !many.flat && many.every > 1 && many.each > 1);
  const words = measureCells({ rows: names(5), columns: names(200), letters: 5 }, 800, false);
  assert.ok(words.across >= 5 * 12 * 0.61);
});

test("labels keep apart within their bounds", () => {
  assert.deepEqual(spread([50, 52, 10], 10, 0, 100), [50, 60, 10]);
  assert.deepEqual(spread([99, 98, 97], 10, 0, 100), [100, 90, 80]);
  assert.deepEqual(spread([-3], 10, 0, 100), [0]);
});

test("words are cut between characters", () => assert.deepEqual(["abc", "🦙🦙🦙"].map((text) => shorten(text, 2)), ["a…", "🦙…"]));

test("patching: every grid has its own values, and the scale is centred at 0", async () => {
  const view = await payload("patching");
  gridValues(view).forEach((values, i) => alike(values, golden.patching.values[i], 1e-6));
  assert.equal(view.limit, 2.5);
  const grey = diverging(0, view.limit, false);
  assert.ok(Math.max(...grey) - Math.min(...grey) === 0);
  const [low, high] = [diverging(-2.5, 2.5, false), diverging(2.5, 2.5, false)];
  assert.ok(low[2] > low[0] && high[0] > high[2]);
  assert.deepEqual(diverging(-9, 2.5, true), diverging(-2.5, 2.5, true));
  assert.deepEqual([...differing(view.prompts)], [1]);
  assert.equal(differing([["a"]]).size + differing([]).size, 0);
});

test("numbers of the model map", () => {
  assert.deepEqual([0, 999, 1000, 7087872, 124439808, 999_999].map((n) => brief(n, "")), ["0", "999", "1.00 k", "7.09 M", "124 M", "1.00 M"]);
  assert.equal(brief(14.5e12, "FLOPs"), "14.5 TFLOPs");
  assert.deepEqual([12, 1024, 1048576].map(grouped), ["12", "1,024", "1,048,576"]);
  assert.equal(inNumbers("D × H·K + H·K", { D: 64, H: 4, K: 16 }), "64 × 4·16 + 4·16");
  assert.deepEqual([share(1, 3), share(1, 0)], ["33.3 %", "–"]);
});

test("a tall stack shows its ends and one box for the rest", () => {
  const stack = (count) => boxesOf({ name: "", path: "encoder.", count, block: { children: [1] }, norm: { path: "norm" } });
  assert.deepEqual(stack(2).map(({ path }) => path), ["encoder.blocks.0", "encoder.blocks.1", "encoder.norm"]);
  for (const count of [12, 13, 80]) assert.equal(stack(count).slice(0, -1).reduce((sum, { times }) => sum + times, 0), count);
  assert.deepEqual(stack(80).map(({ name }) => name).slice(0, 4), ["block 0", "block 1", "blocks 2 to 78", "block 79"]);
});

test("the residual view reads norms and cosines, and puts their mean first", async () => {
  const [view, wanted] = [await payload("residual"), golden.residual];
  measured(view).forEach((model, m) => Object.entries(wanted.models[m]).forEach(([field, rows]) => rows.forEach((values, row) => {
    const got = model[field][row];
    assert.equal(got.length, values.length + 1);
    if (values[0] === null) return assert.ok(got.every(Number.isNaN));
    alike(got.slice(1), values, 3e-4);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    assert.ok(Math.abs(got[0] - mean) < 3e-4 * Math.max(...values.map(Math.abs)), `${field} ${row}`);
  })));
});

test("scales of norms", () => {
  assert.deepEqual([0, 0.1234567, -0.5, 26.6491, 5840.79].map(figures), ["0.000", "0.123", "−0.500", "26.65", "5841"]);
  const linear = normScale([0, 5, 40, NaN], false);
  assert.deepEqual([0, 20, 40, 80].map(linear.unit), [0, 0.5, 1, 1]);
  assert.deepEqual(linear.marks.map(([mark]) => mark), [0, 10, 20, 30, 40]);
  const log = normScale([0.01, 1, 100, Infinity], true);
  alike([0.001, 0.01, 1, 100].map(log.unit), [0, 0, 0.5, 1], 1e-9);
  assert.deepEqual(log.marks.map(([, text]) => text), ["0.01", "0.1", "1", "10", "100"]);
  assert.ok(normScale([1e-8, 1e20], true).marks.length <= 7);
});
