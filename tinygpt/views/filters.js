// The filters of tinygpt/sampling on one row of logits, in double precision. Each takes the logits, its number and the tokens so
// far, and returns new logits; what it cuts is at −∞.

const CUT = -Infinity;
const sumOf = (values) => values.reduce((sum, value) => sum + value, 0);
const largest = (values) => values.reduce((most, value) => Math.max(most, value), CUT);
const cutWhere = (logits, test) => logits.map((logit, id) => (test(logit, id) ? CUT : logit));

// Probabilities of logits; all 0 where every token is cut.
export function shares(logits) {
  const most = largest(logits);
  const parts = logits.map((logit) => (logit === CUT ? 0 : Math.exp(logit - most)));
  const whole = sumOf(parts) || 1;
  return parts.map((part) => part / whole);
}

// The logarithm of the probability of one token, in nats.
export function logShare(logits, id) {
  const most = largest(logits);
  return logits[id] - most - Math.log(sumOf(logits.map((logit) => Math.exp(logit - most))));
}

// −Σ p log p, in nats.
export const surprise = (p) => p.reduce((sum, share) => sum - (share > 0 ? share * Math.log(share) : 0), 0);

export const countsOf = (ids) => ids.reduce((counts, id) => counts.set(id, (counts.get(id) ?? 0) + 1), new Map());

// Ids by rising values; of equal ones the first comes first.
const byRising = (values) => Uint32Array.from(values, (_, id) => id).sort((a, b) => (values[a] === values[b] ? a - b : values[a] - values[b]));
export const ranked = (values) => byRising(values.map((value) => -value));

// Sums from the front, for values in an order.
const running = (values, order) => {
  let sum = 0;
  return Float64Array.from(order, (id) => (sum += values[id]));
};

function recounted(logits, ids, change) {
  const after = logits.slice();
  for (const [id, count] of countsOf(ids)) after[id] = change(logits[id], count);
  return after;
}

function withoutRepeats(logits, n, ids) {
  const last = ids.slice(Math.max(0, ids.length + 1 - n));
  const cut = new Set();
  for (let at = 0; at + n <= ids.length; at++) if (last.every((id, i) => ids[at + i] === id)) cut.add(ids[at + n - 1]);
  return cutWhere(logits, (_, id) => cut.has(id));
}

function atLeast(logits, k) {
  const order = ranked(logits);
  const kth = logits[order[Math.min(k, order.length) - 1]];
  return cutWhere(logits, (logit) => logit < kth);
}

function nucleus(logits, p) {
  const order = ranked(logits);
  const odds = shares(Float64Array.from(order, (id) => logits[id]));
  const sums = running(odds, odds.keys());
  const cut = new Set(order.filter((_, i) => sums[i] - odds[i] >= p));
  return cutWhere(logits, (_, id) => p < 1 && cut.has(id));
}

function nearEntropy(logits, p) {
  const most = largest(logits);
  if (p === 1 || most === CUT) return logits.slice();
  const whole = Math.log(sumOf(logits.map((logit) => Math.exp(logit - most))));
  const surprises = logits.map((logit) => -(logit - most - whole));
  const odds = surprises.map((value) => Math.exp(-value));
  const entropy = surprise(odds);
  const distances = surprises.map((value) => Math.abs(value - entropy));
  const order = byRising(distances);
  const short = running(odds, order).filter((sum) => sum < p).length;
  const farthest = distances[order[Math.min(short, order.length - 1)]];
  return cutWhere(logits, (_, id) => distances[id] > farthest);
}

function deviation(logits) {
  const left = logits.filter((logit) => logit !== CUT);
  const mean = sumOf(left) / left.length;
  return Math.sqrt(sumOf(left.map((logit) => (logit - mean) ** 2)) / left.length);
}

const notBelow = (logits, gap) => {
  const least = largest(logits) - gap;
  return cutWhere(logits, (logit) => logit < least);
};

// The biases are float32 in Python.
function biased(logits, pairs) {
  const after = logits.slice();
  for (const [id, bias] of pairs) after[id] += Math.fround(bias);
  return after;
}

function without(logits, ids) {
  const cut = new Set(ids);
  return cutWhere(logits, (_, id) => cut.has(id));
}

export const FILTERS = {
  logit_bias: biased,
  banned: without,
  repetition_penalty: (logits, penalty, ids) => recounted(logits, ids, (logit) => (logit < 0 ? logit * penalty : logit / penalty)),
  presence_penalty: (logits, penalty, ids) => recounted(logits, ids, (logit) => logit - penalty),
  frequency_penalty: (logits, penalty, ids) => recounted(logits, ids, (logit, count) => logit - penalty * count),
  no_repeat_ngram: withoutRepeats,
  temperature: (logits, t) => logits.map((logit) => logit / t),
  top_k: atLeast,
  top_p: nucleus,
  min_p: (logits, p) => notBelow(logits, -Math.log(p)),
  typical: nearEntropy,
  top_n_sigma: (logits, n) => notBelow(logits, n * deviation(logits)),
};

// What each stage that is on did: { name, value, before, after }. A stage is [name, value, on].
export function traced(stages, logits, ids) {
  return stages.filter(([, , on]) => on).map(([name, value]) => {
    const before = logits;
    logits = FILTERS[name](before, value, ids);
    return { name, value, before, after: logits };
  });
}

// After all stages: probabilities, and for each token the number of the stage that cut it, −1 where none did.
export function outcome(steps, logits) {
  const cutBy = new Int8Array(logits.length).fill(-1);
  steps.forEach(({ before, after }, i) => after.forEach((logit, id) => { if (logit === CUT && before[id] !== CUT) cutBy[id] = i; }));
  return { odds: shares(steps.length ? steps.at(-1).after : logits), cutBy };
}

// What differs between the outcomes of two orders: ids cut in one of them only, likeliest first, and half the sum of |p − q|.
export function orderDiff(now, then, model) {
  const only = (a, b) => ranked(model).filter((id) => a.cutBy[id] >= 0 && b.cutBy[id] < 0);
  const gaps = now.odds.map((share, id) => share - then.odds[id]);
  const most = ranked(gaps.map(Math.abs))[0];
  return { now: only(now, then), then: only(then, now), distance: sumOf(gaps.map(Math.abs)) / 2, most, from: then.odds[most], to: now.odds[most] };
}
