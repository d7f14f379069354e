// Run by test_arithmetic.py, which writes what numpy computed to $GOLDEN.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { explain, readHead, softmax } from "../../tinygpt/views/attention.js";
import { cividis, format, half, halves, roundStep, ticks, unpack } from "../../tinygpt/views/host.js";
import { nearest } from "../../tinygpt/views/scrubber.js";
import { flip, listOff } from "../../tinygpt/views/switches.js";

const golden = JSON.parse(readFileSync(process.env.GOLDEN));
const bytes = (base64) => Uint8Array.from(Buffer.from(base64, "base64"));
const near = (got, wanted, tolerance) => assert.ok(Math.abs(got - wanted) <= tolerance, `${got} is not ${wanted} ± ${tolerance}`);
const number = (text) => (text === null ? NaN : Number(text.replace("inf", "Infinity")));

test("every half", () => golden.halves.forEach((wanted, bits) => assert.ok(Object.is(half(bits), number(wanted)), `bits ${bits}`)));

test("cividis within six steps of 255", () => {
  cividis().forEach((colour, i) => colour.forEach((value, c) => near(value, golden.cividis[i][c], 6)));
});

for (const [name, tolerance] of [["exact", 3e-3], ["encoder", 3e-3], ["rounded", 0.501 / 255], ["large", 0.501 / 255]]) {
  test(`weights: ${name}`, async () => {
    const view = await unpack(bytes(golden[name].payload));
    assert.equal(view.kind, tolerance === 3e-3 ? "scores" : "rounded");
    golden[name].weights.forEach((heads, row) => heads.forEach((wanted, head) => {
      const { weights } = readHead(view, 0, row, head);
      assert.equal(weights.length, wanted.length);
      wanted.forEach((weight, i) => near(weights[i], weight, tolerance));
    }));
  });
}

for (const [name, kind, tolerance] of [["rounded", "weights", 5e-4], ["large", "scores", 3e-3]]) {
  test(`fetched weights are exact: ${name}`, async () => {
    const view = await unpack(bytes(golden[name].payload));
    const { ask: [row, head], message, buffer } = golden[name];
    assert.equal(message.kind, kind);
    assert.equal(readHead(view, 0, row, head).start, message.start);
    view.fetched = new Map([[message.start, { kind, bytes: bytes(buffer) }]]);
    const { weights } = readHead(view, 0, row, head);
    golden[name].weights[row][head].forEach((wanted, i) => near(weights[i], wanted, tolerance));
  });
}

test("explain a weight", async () => {
  const view = await unpack(bytes(golden.explain.payload));
  const [query, key] = golden.explain.at;
  const head = readHead(view, 0, 0, 0);
  const got = explain(view, head, query, key);
  for (const part of ["score", "max", "share", "sum", "weight"]) near(got[part], golden.explain[part], 1e-6);
  assert.equal(got.count, query + 1);
  assert.deepEqual(explain(view, head, query, query + 1), { masked: true, weight: 0 });
});

test("softmax of rows that would overflow, or see nothing", () => {
  assert.deepEqual(Array.from(softmax(Float32Array.of(5000, -Infinity)).weights), [1, 0]);
  assert.deepEqual(Array.from(softmax(Float32Array.of(-Infinity, -Infinity)).weights), [0, 0]);
});

test("switches", async () => {
  const view = await unpack(bytes(golden.switches.payload));
  view.losses.forEach((loss, c) => near(loss, golden.switches.losses[c], 1e-5));
  const probs = halves(view.data, 0, golden.switches.probs.length);
  golden.switches.probs.forEach((wanted, i) => near(probs[i], wanted, 5e-4));
  assert.equal(flip(0b101, 1), 0b111);
  assert.equal(flip(0b111, 0), 0b110);
  assert.deepEqual(listOff(0b101, ["x", "y", "z"]), ["x", "z"]);
});

test("numbers as a reader wants them", () => {
  assert.equal(format(-0.0001), "0.000");
  assert.equal(format(-1.5, 2), "−1.50");
  assert.equal(format(-Infinity), "−∞");
  assert.deepEqual(ticks(0, 4.3, roundStep(4.3, 5)), [0, 1, 2, 3, 4]);
  assert.deepEqual(ticks(0.1, 0.35, roundStep(0.25, 3)), [0.1, 0.2, 0.3]);
  assert.equal(nearest([0, 10, 300], 200), 2);
});
