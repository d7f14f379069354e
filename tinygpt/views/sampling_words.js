// What the sampling view says of filters, draws and guesses.
import { chiSquared } from "./draws.js";
import { shares, surprise } from "./filters.js";
import { format } from "./host.js";
import { fared } from "./sampling_state.js";
import { inPercent } from "./token_bars.js";

// Filters that keep the likeliest tokens, so that a line can stand below the last of them.
const PREFIX = ["top_k", "top_p", "min_p", "top_n_sigma"];

const stageName = ({ name, value }) => (Array.isArray(value) ? name : `${name} ${String(value).replace("-", "−")}`);
const totalOf = (values) => values.reduce((sum, value) => sum + value, 0);
const whole = (count) => count.toLocaleString("en");

// How many tokens a stage cut, or how much of the probability it moved.
export function effectOf({ before, after }) {
  const cut = after.filter((logit, id) => logit === -Infinity && before[id] > logit).length;
  const old = shares(before);
  const moved = totalOf(shares(after).map((share, id) => Math.abs(share - old[id]))) / 2;
  return cut ? `cuts ${cut}` : moved > 5e-4 ? `moves ${inPercent(moved)}` : "nothing";
}

// The last of the rows that a filter keeps, where it keeps all before and none after; else −1.
export function lastKept(ids, after) {
  const keeps = ids.map((id) => after[id] > -Infinity);
  const count = keeps.filter(Boolean).length;
  return count < ids.length && keeps.slice(0, count).every(Boolean) ? count - 1 : -1;
}

// The rows of `tokenBars` for these tokens, and one for all others.
export function barRows(ids, { model, now, changes, draws, nameOf, able }) {
  const edges = now.steps.filter(({ name }, i) => PREFIX.includes(name) && now.cutBy.includes(i)).map((step) => [lastKept(ids, step.after), stageName(step)]);
  const differing = new Set(changes ? [...changes.now, ...changes.then] : []);
  const rows = ids.map((id, i) => {
    const by = now.cutBy[id] >= 0 ? stageName(now.steps[now.cutBy[id]]) : "";
    const edge = edges.filter(([at]) => at === i).map(([, name]) => name).join(", ");
    const fate = by ? `cut by ${by}` : `${inPercent(now.odds[id])} after the filters`;
    const [note, counted] = draws ? countWords(draws.counts[id], now.odds[id] * draws.n) : [edge ? `┄ ${edge}` : `was ${inPercent(model[id])}`, ""];
    return { id, name: nameOf(id), was: model[id], is: now.odds[id], seen: draws && !by ? draws.counts[id] / draws.n : null, cut: by, edge, differ: differing.has(id),
      open: able(id), note: by ? `✂ ${by}` : note, label: `“${nameOf(id)}”: ${inPercent(model[id])} by the model, ${fate}${counted}` };
  });
  return ids.length < model.length ? [...rows, restRow(ids, model, now, draws)] : rows;
}

function restRow(ids, model, now, draws) {
  const shown = new Set(ids);
  const rest = (values) => totalOf(values.filter((_, id) => !shown.has(id)));
  const [was, is] = [rest(model), rest(now.odds)];
  const [note, counted] = draws ? countWords(rest(draws.counts), is * draws.n) : [`was ${inPercent(was)}`, ""];
  const name = `${model.length - ids.length} others`;
  return { id: null, name, was, is, seen: null, cut: is === 0 ? "all filters" : "", note, label: `${name}: ${inPercent(was)} by the model, ${inPercent(is)} after the filters${counted}` };
}

function countWords(count, expected) {
  const rounded = whole(Number(expected.toFixed(expected < 100 ? 1 : 0)));
  return [`${whole(count)} vs ${rounded}`, `, drawn ${whole(count)} times, expected ${rounded}`];
}

export function factRows(model, odds) {
  const mass = totalOf(model.filter((_, id) => odds[id] > 0));
  const [before, after] = [surprise(model), surprise(odds)];
  return [["tokens kept", `${odds.filter((share) => share > 0).length} of ${model.length}`], ["their share by the model", inPercent(mass)],
    ["entropy, nats", `${format(before)} → ${format(after)}`], ["as many as equally likely", `${format(Math.exp(before), 1)} → ${format(Math.exp(after), 1)}`]];
}

export function diffWords({ now, then, distance, most, from, to }, { name, stages }, nameOf) {
  const listed = (ids) => (ids.length ? Array.from(ids.slice(0, 6), (id) => `“${nameOf(id)}”`).join(", ") + (ids.length > 6 ? ` and ${ids.length - 6} more` : "") : "none");
  if (distance < 1e-9 && !now.length && !then.length) return `You moved ${name}. Here it makes no difference: the same tokens are cut, and the probabilities are equal.`;
  const old = stages.filter(([, , on]) => on).map(([other]) => other).join(" → ");
  return `Before the move: ${old}. Cut only in the new order: ${listed(now)}. Cut only in the old one: ${listed(then)}. `
    + `${inPercent(distance)} of the probability moved, most of it at “${nameOf(most)}”: ${inPercent(from)} → ${inPercent(to)}. A ◆ marks what is cut in one order only.`;
}

// What the chosen tokens cost, by the model; a place that the page does not know leaves it open.
export function costWords(logs) {
  if (!logs.length) return "";
  if (logs.includes(null)) return "";
  const sum = totalOf(logs);
  return `log p of the ${logs.length > 1 ? `${logs.length} chosen tokens` : "chosen token"}: ${format(sum)} (probability ${inPercent(Math.exp(sum))}), ${format(sum / logs.length)} a token`;
}

export function testWords({ counts, n }, odds) {
  const { value, freedom, tail } = chiSquared(counts, odds, n);
  if (freedom < 1) return `${whole(n)} draws: only one kind of token to count.`;
  return `${whole(n)} draws against theory: χ² = ${format(value, 1)} with ${freedom} degrees of freedom; as much or more in ${inPercent(tail)} of such samples.`;
}

export function verdictWords(guess, logits, nameOf) {
  const { token, share, best, actual, top, rank } = fared(guess, logits);
  const what = token === null ? "the likeliest" : `“${nameOf(token)}”`;
  return `You said ${what}${share === null ? "" : ` at ${inPercent(share)}`}: it is ${inPercent(actual)}, rank ${rank}. The likeliest is “${nameOf(best)}” at ${inPercent(top)}.`;
}
