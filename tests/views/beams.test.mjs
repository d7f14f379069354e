// Run by test_beams.py, which writes what Python says of a search's tree to $GOLDEN.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { asked, byStep, endedBy, lineOf, nodesOf, verdictOn } from "../../tinygpt/views/beam_tree.js";
import { unpack } from "../../tinygpt/views/host.js";

const golden = JSON.parse(readFileSync(process.env.GOLDEN));
const near = (got, wanted) => assert.ok(Math.abs(got - wanted) <= 1e-12 * Math.abs(wanted), `${got} is not ${wanted}`);

golden.forEach(({ payload, nodes, ended }, g) => test(`search ${g}`, async () => {
  const view = await unpack(Uint8Array.from(Buffer.from(payload, "base64")));
  const found = nodesOf(view);
  assert.equal(found.length, nodes.length);
  found.forEach((node, i) => assert.deepEqual({ ...nodes[i], token: view.names[node.token] }, Object.fromEntries(Object.keys(nodes[i]).map((key) => [key, key === "token" ? view.names[node.token] : node[key]]))));
  for (const { penalty, ends } of ended) {
    const ours = endedBy(found, penalty, Infinity);
    assert.deepEqual(ours.map(({ node }) => node.i), ends.map(([, i]) => i));
    ours.forEach(({ score }, i) => near(score, ends[i][0]));
  }
  const columns = byStep(found);
  assert.ok(columns.every((column, s) => column.every(({ step }) => step === s + 1)));
  const deepest = found.at(-1);
  assert.deepEqual(lineOf(found, deepest.i).map(({ step }) => step), Array.from({ length: deepest.step }, (_, s) => s + 1));
  assert.deepEqual(endedBy(found, 1, 0), [], "nothing has ended before the first step");
  // Side by side they stand under their parents, so that their order tells no scores.
  for (const column of columns) {
    const rows = asked(found, column).map(({ parent, group }) => group * 1e6 + (parent < 0 ? 0 : found[parent].row));
    assert.deepEqual(rows, [...rows].sort((a, b) => a - b));
    assert.equal(rows.length, column.length);
  }
}));

test("a guess is compared with what survived", () => {
  const column = ["kept", "pruned", "ended", "kept"].map((fate, i) => ({ fate, i }));
  assert.deepEqual(verdictOn(column, [0, 1, 2]), { named: 3, right: 2, survived: 3 });
  assert.deepEqual(verdictOn(column, []), { named: 0, right: 0, survived: 3 });
});
