// What the beams view says of a token and of a step. `known`: { nodes, columns, nameOf, textOf, step, penalty, asking }.
import { endedBy } from "./beam_tree.js";
import { format } from "./host.js";
import { inPercent } from "./token_bars.js";

const DOES = { kept: ["goes on", "go on"], ended: ["ends a text", "end a text"], pruned: ["is pruned", "are pruned"] };

const ordinal = (n) => n + (["th", "st", "nd", "rd"][n % 100 > 10 && n % 100 < 14 ? 0 : n % 10] ?? "th");

export function nodeWords(known, node) {
  const { nodes, nameOf, textOf } = known;
  const { rank, of, step, logProb, score, parent } = node;
  const start = `Step ${step}, “${nameOf(node)}”: log p ${format(logProb)} (${inPercent(Math.exp(logProb))})`;
  if (step > known.step) return `${start}, after “${parent < 0 ? "the prompt" : textOf(parent)}”, whose score is ${format(parent < 0 ? 0 : nodes[parent].score)}. Does it survive?`;
  return `${start}, score ${format(score)}, rank ${rank + 1} of ${of}; ${fateWords(known, node)}. Text: “${textOf(node.i)}”`;
}

function fateWords({ nodes, columns, nameOf, step, penalty }, node) {
  if (node.fate === "pruned") {
    const rival = nodes[node.rival];
    return `pruned: it needed more than ${format(rival.score)}, the score of “${nameOf(rival)}” at rank ${rival.rank + 1}; it lacks ${format(rival.score - node.score)}`;
  }
  if (node.fate === "kept") {
    if (node.step === columns.length) return "it goes on, but the search stopped here";
    return nodes.some(({ parent }) => parent === node.i) ? "it goes on" : "it goes on, but nothing after it was among the best of the next step";
  }
  const ended = endedBy(nodes, penalty, step);
  const at = ended.findIndex((end) => end.node.i === node.i);
  return `it ends a text, whose score ${format(ended[at].score)} is the ${ordinal(at + 1)} of ${ended.length}`;
}

export function stepWords({ nodes, columns, textOf, step, penalty, asking }) {
  if (!step) return asking ? "Nothing is grown yet." : "The prompt. Move the slider, or press →, to grow the tree.";
  const column = columns[step - 1];
  const counts = Object.entries(DOES).map(([fate, words]) => [column.filter((node) => node.fate === fate).length, words]).filter(([count]) => count);
  const best = endedBy(nodes, penalty, step)[0];
  return `Step ${step}: ${column.length} tokens looked at; ${counts.map(([count, [one, many]]) => `${count} ${count > 1 ? many : one}`).join(", ")}.`
    + (best ? ` Best so far: “${textOf(best.node.i)}”, score ${format(best.score)}.` : "");
}
