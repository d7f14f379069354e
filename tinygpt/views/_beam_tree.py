"""The tree of a beam search with its steps, its ranks, and whom each pruned token would have had to beat."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinygpt.sampling import BeamNode, Beams


@dataclass(frozen=True)
class Grown:
    """Nodes by their number in the tree; N nodes.

    Attributes:
        nodes: N, parents before their children.
        steps: at which each was looked at, N; the first step is 1.
        ranks: of each among those that its group looked at in that step, N; 0 is the best score.
        rivals: of a pruned one, the node whose score it would have had to beat, N; else −1.
    """

    nodes: list[BeamNode]
    steps: list[int]
    ranks: list[int]
    rivals: list[int]

    @property
    def n_steps(self) -> int:
        """The last step."""
        return max(self.steps, default=0)

    def path(self, node: int) -> list[int]:
        """Nodes from the first step to this one."""
        found = []
        while node >= 0:
            found.append(node)
            node = self.nodes[node].parent
        return found[::-1]

    def ended(self, length_penalty: float) -> list[tuple[float, int]]:
        """Score and last node of every text that ended, best first."""
        found = [
            (node.score / self.steps[i] ** length_penalty, i)
            for i, node in enumerate(self.nodes)
            if node.fate == "ended"
        ]
        return sorted(found, key=lambda end: -end[0])

    @cached_property
    def by_step(self) -> list[list[int]]:
        """The nodes of each step, from the first."""
        found: list[list[int]] = [[] for _ in range(self.n_steps)]
        for i, step in enumerate(self.steps):
            found[step - 1].append(i)
        return found


def grown(found: Beams, length_penalty: float) -> Grown:
    """Reads a search's tree.

    Raises:
        ValueError: when its best text is not the best that ended, by this length penalty.
    """
    steps: list[int] = []
    for node in found.tree:
        steps.append(1 if node.parent < 0 else steps[node.parent] + 1)
    looked_at: dict[tuple[int, int], list[int]] = {}
    for i, node in enumerate(found.tree):
        looked_at.setdefault((steps[i], node.group), []).append(i)
    fates = [[found.tree[i].fate for i in ids] for ids in looked_at.values()]
    size = max((max(each.count("kept"), each.count("ended")) for each in fates), default=0)
    ranks, rivals = [0] * len(steps), [-1] * len(steps)
    for ids in looked_at.values():
        for rank, i in enumerate(ids):
            ranks[i] = rank
            if found.tree[i].fate == "pruned":
                rivals[i] = _rival(found.tree, ids, rank, size)
    tree = Grown(found.tree, steps, ranks, rivals)
    _check(tree, found, length_penalty)
    return tree


def _rival(nodes: list[BeamNode], ids: list[int], rank: int, size: int) -> int:
    """The last that went on, where as many as there are beams did so before; else it would have ended a
    text, for which it had to be among the first."""
    kept = [i for i in ids[:rank] if nodes[i].fate == "kept"]
    return kept[-1] if len(kept) == size else ids[min(size, rank) - 1]


def _check(tree: Grown, found: Beams, length_penalty: float) -> None:
    ended = tree.ended(length_penalty)[: len(found.scores)]
    if not all(math.isclose(ours[0], score) for ours, score in zip(ended, found.scores, strict=True)):
        raise ValueError(
            f"by length_penalty={length_penalty} the texts that ended score "
            f"{[round(score, 4) for score, _ in ended]}; the search says "
            f"{[round(score, 4) for score in found.scores]}. Give the length_penalty of the search."
        )
