// Run by test_scaling.py, which writes what Python computed to $GOLDEN.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { unpack } from "../../tinygpt/views/host.js";
import { axisOf, billOf, inEnergy, inMoney, inTime, middleOf, prefixed, quantile, rounded } from "../../tinygpt/views/laws.js";
import { frontierOf, parabolaAt, pointsOf, predicted } from "../../tinygpt/views/scaling.js";

const golden = JSON.parse(readFileSync(process.env.GOLDEN));
const view = await unpack(Uint8Array.from(Buffer.from(golden.payload, "base64")));
const near = (got, wanted, relative = 1e-5) => assert.ok(Math.abs(got - wanted) <= relative * Math.abs(wanted), `${got} is not ${wanted}`);

test("best size, data and loss of a budget, with their intervals", () => golden.budgets.forEach((C, i) => {
  const [found, wanted] = [predicted(view, C), golden.predicted[i]];
  for (const name of ["N", "D", "loss"]) {
    near(found[name], wanted[name]);
    found.spans[name].forEach((end, e) => near(end, wanted.spans[name][e]));
  }
}));

test("without draws there is a frontier, and no band", () => {
  const { ys, band } = frontierOf({ ...view, draws: [] }, golden.budgets);
  ys.forEach((loss, i) => near(loss, golden.predicted[i].loss));
  assert.equal(band, null);
  frontierOf(view, golden.budgets).band.forEach((span, i) => span.forEach((end, e) => near(end, golden.predicted[i].spans.loss[e])));
});

test("the bill", () => golden.bills.forEach(({ N, D, chip, paid, wanted }) => {
  const found = billOf(N, D, view.chips[chip], paid, view.per);
  for (const [name, value] of Object.entries(found)) near(value, wanted[name], 1e-9);
}));

test("points and parabolas", () => {
  pointsOf(view).forEach((point, i) => { for (const name of ["N", "D", "C", "loss", "runs"]) near(point[name], golden.points[i][name], 1e-6); });
  view.profiles.forEach(([, N, loss, ...parabola], i) => {
    near(loss, golden.profiles[i].loss, 1e-6);
    near(parabolaAt(parabola, N), golden.profiles[i].loss, 1e-6);
    near(parabolaAt(parabola, 2000), golden.profiles[i].at2000, 1e-9);
  });
});

test("quantiles as numpy's", () => {
  assert.equal(quantile([1, 2, 4, 8], 0.5), 3);
  assert.equal(quantile([7], 0.95), 7);
  assert.deepEqual(middleOf([8, 1, 4, 2], 1), [1, 8]);
  assert.equal(middleOf([], 0.9), null);
});

test("numbers as a bill writes them", () => {
  assert.deepEqual([992, 999.9, 11712, 1.2e6, 7.22e10, 1.5e12, 3e22].map((value) => prefixed(value)), ["992", "1.00k", "11.7k", "1.20M", "72.2B", "1.50T", "3.00e22"]);
  assert.deepEqual([1000, 20000, 100, 2.5e6, 1e9].map(rounded), ["1k", "20k", "100", "2.5M", "1B"]);
  assert.deepEqual([3.88e-4, 42, 600, 8e3, 2e6, 1e9].map(inTime), ["388 µs", "42.0 s", "10.0 min", "2.22 h", "23.1 days", "31.7 years"]);
  assert.deepEqual([0.299, 1e9].map(inEnergy), ["299 mJ", "278 kWh"]);
  assert.deepEqual([2.2e-7, 0.05, 809000].map(inMoney), ["$2.2e-7", "$0.05", "$809k"]);
});

test("marks of an axis", () => {
  const texts = (...given) => axisOf("x", ...given).marks.map(([, text]) => text);
  assert.deepEqual(texts([1e9, 2e13], true, 6), ["1e9", "1e10", "1e11", "1e12", "1e13"]);
  assert.deepEqual(texts([700, 6e4], true, 6, rounded), ["1k", "2k", "5k", "10k", "20k", "50k"]);
  assert.deepEqual(texts([1.55, 2.1], true, 6), ["1.6", "1.7", "1.8", "1.9", "2", "2.1"]);
  assert.deepEqual(texts([0, 4], false, 4), ["0", "1", "2", "3", "4"]);
  const { to, from } = axisOf("x", [1, 1000], true, 3);
  near(from(to(42)), 42, 1e-12);
});
