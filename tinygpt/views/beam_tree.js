// The tree of a beam search, as plain numbers: who came from whom, what a length penalty makes of the texts that ended, and guesses.
export const FATES = ["kept", "ended", "pruned"];

// Every node with its step, its rank in its group and its row; `data` holds log-probabilities, then scores.
export function nodesOf({ parents, tokens, fates, groups, rivals, data }) {
  const numbers = new Float64Array(data.slice().buffer);
  const N = parents.length;
  const steps = [];
  const counts = new Map();
  parents.forEach((parent) => steps.push(parent < 0 ? 1 : steps[parent] + 1));
  const ranks = steps.map((step, i) => {
    const key = `${step},${groups[i]}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    return counts.get(key) - 1;
  });
  const deep = Math.max(0, ...counts.values());
  return parents.map((parent, i) => ({ i, parent, token: tokens[i], fate: FATES[fates[i]], group: groups[i], rival: rivals[i], step: steps[i], rank: ranks[i],
    of: counts.get(`${steps[i]},${groups[i]}`), row: groups[i] * deep + ranks[i], logProb: numbers[i], score: numbers[N + i] }));
}

export const byStep = (nodes) => nodes.reduce((steps, node) => {
  (steps[node.step - 1] ??= []).push(node);
  return steps;
}, []);

// The nodes from the first step to this one.
export function lineOf(nodes, i) {
  const found = [];
  for (let at = i; at >= 0; at = nodes[at].parent) found.unshift(nodes[at]);
  return found;
}

// What ended by some step, best first: { node, score }.
export const endedBy = (nodes, penalty, step) => nodes.filter((node) => node.fate === "ended" && node.step <= step)
  .map((node) => ({ node, score: node.score / node.step ** penalty })).sort((a, b) => b.score - a.score);

// Tokens as they stand before their scores are known: under their parents, the likelier first; their place is their row.
export function asked(nodes, column) {
  const place = ({ parent }) => (parent < 0 ? 0 : nodes[parent].row);
  return [...column].sort((a, b) => a.group - b.group || place(a) - place(b) || b.logProb - a.logProb || a.i - b.i);
}

// How many were named, how many of these survived, and how many did.
export function verdictOn(column, chosen) {
  const survived = column.filter(({ fate }) => fate !== "pruned");
  return { named: chosen.length, right: survived.filter(({ i }) => chosen.includes(i)).length, survived: survived.length };
}
