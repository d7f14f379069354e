// Run by test_budget_game.py, which writes games that Python played to $GOLDEN.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { betRefusal, creditsOf, refusalOf, seenOf, targetOf, verdictOf } from "../../tinygpt/views/game.js";
import { unpack } from "../../tinygpt/views/host.js";

const { payload, games } = JSON.parse(readFileSync(process.env.GOLDEN));
const view = await unpack(Uint8Array.from(Buffer.from(payload, "base64")));
const near = (got, wanted) => assert.ok(Math.abs(got - wanted) < 1e-9, `${got} is not ${wanted}`);

games.forEach(({ round, tries, bet, target, verdict }, g) => test(`game ${g}: what is sold, for how much, and how the bet ends`, () => {
  let state = { round, bought: [], bet: [] };
  assert.deepEqual([targetOf(view, state).N, targetOf(view, state).D], target);
  for (const { cell, loss, credits } of tries) {
    const refused = refusalOf(view, state, cell);
    assert.equal(refused === "", loss !== null, refused);
    if (!refused) state = { ...state, bought: [...state.bought, cell] };
    if (!refused) assert.equal(seenOf(view, state, cell).at(-1), loss);
    assert.equal(creditsOf(view, state), credits);
  }
  assert.equal(verdictOf(view, state), null);
  assert.equal(betRefusal(bet), "");
  const found = verdictOf(view, { ...state, bet });
  for (const [name, value] of Object.entries(verdict)) near(found[name], value);
  assert.match(refusalOf(view, { ...state, bet }, 0), /this game is over/i);
}));

test("bets that are none", () => {
  assert.match(betRefusal([1.6, 1.7, 1.8]), /low ≤ loss ≤ high/);
  assert.match(betRefusal([1.9, 1.7, 1.8]), /low ≤ loss ≤ high/);
  assert.match(betRefusal([1.6, NaN, 1.8]), /three numbers/);
  assert.match(betRefusal([1.6, 1.5, Infinity]), /three numbers/);
});
