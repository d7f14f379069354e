"""Beam search: several texts grow side by side, and only the likeliest go on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor

from tinygpt.models import GPT, KVCache, uncompiled
from tinygpt.sampling.passes import last_logits, plain
from tinygpt.sampling.pipeline import Filter, apply
from tinygpt.sampling.prompts import read_prompts
from tinygpt.sampling.stepper import Stepper

if TYPE_CHECKING:
    from jaxtyping import Float, Int


class BeamNode(NamedTuple):
    """A token that the search looked at.

    Attributes:
        parent: place in the tree of the token before it; −1 for the prompt.
        token: its id.
        log_prob: under the model, given what stands before it, in nats.
        score: sum of its beam so far, with what filters and diversity changed.
        fate: it goes on, it ends a text, or it is pruned.
        group: number of its group of beams.
    """

    parent: int
    token: int
    log_prob: float
    score: float
    fate: Literal["kept", "ended", "pruned"]
    group: int


class Beams(NamedTuple):
    """What beam search found.

    Attributes:
        sequences: prompt and continuation, best first.
        scores: of each, its sum of log-probabilities divided by new tokens ** length_penalty.
        tree: every token that was looked at, parents before their children.
    """

    sequences: list[Int[Tensor, " T"]]
    scores: list[float]
    tree: list[BeamNode]


@torch.inference_mode()
def beam_search(
    model: GPT,
    prompt: Sequence[int] | Tensor,
    *,
    n_beams: int = 4,
    max_new_tokens: int = 100,
    length_penalty: float = 1.0,
    early_stopping: bool | Literal["never"] = False,
    n_groups: int = 1,
    diversity: float = 0.0,
    n_returned: int = 1,
    filters: Iterable[Filter] = (),
    stop: Iterable[int] = (),
) -> Beams:
    """Returns the continuations with the highest scores that were found, and the tree of the search.

    score = Σ log p(token | those before it) / new tokens ** length_penalty

    Args:
        model: in whatever mode.
        prompt: ids of one sequence.
        n_beams: texts that grow side by side, over all groups.
        max_new_tokens: where a text is cut off that does not end.
        length_penalty: above 0 favours long texts, below 0 short ones.
        early_stopping: True stops when `n_beams` texts have ended; False when no text that grows would beat
            them by its score now; "never" when none could beat them at any length.
        n_groups: beams in groups, each of which avoids the tokens that groups before it took in this step.
        diversity: what a token costs for each beam of a group before that took it, in nats.
        n_returned: texts to return, at most `n_beams`.
        filters: applied to the log-probabilities, which are not normalised again.
        stop: ids that end a text.

    Raises:
        ValueError: for numbers that do not fit together, or texts longer than the model's context.

    Example:
        >>> from tinygpt.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=16, n_layers=1, d_model=16), seed=0)
        >>> found = beam_search(model, [1, 2], n_beams=2, max_new_tokens=3, n_returned=2)
        >>> [len(ids) for ids in found.sequences], len(found.tree)
        ([5, 5], 12)

    Source: the variant of Hugging Face `transformers`, whose sequences and scores these are; groups from
        Vijayakumar et al. 2018, "Diverse Beam Search", algorithm 1, with the Hamming distance.
    """
    start = read_prompts(prompt, model).rows
    _check(model, start, n_beams, n_groups, n_returned, max_new_tokens)
    filters, stop, tree = tuple(filters), frozenset(stop), []
    size = n_beams // n_groups
    groups = [_Group(i, size, max_new_tokens, length_penalty, early_stopping) for i in range(n_groups)]
    logits, go_on = _reading(uncompiled(model), start, max_new_tokens)
    ids = start
    for step in range(1, max_new_tokens + 1):
        log_probs, taken = logits.log_softmax(dim=-1), torch.zeros_like(logits[0])
        for group in (group for group in groups if group.open):
            own = log_probs[group.rows]
            scores = apply(filters, own - diversity * taken, ids[group.rows], step - 1)
            group.choose(tree, own, scores, stop, step)
            taken += torch.bincount(ids.new_tensor(group.took), minlength=len(taken))
        growing = [group for group in groups if group.open]
        if not growing:
            break
        rows = torch.tensor([row for group in growing for row in group.rows], device=ids.device)
        new = ids.new_tensor([token for group in growing for token in group.took])
        ids, logits = torch.cat([ids[rows], new[:, None]], dim=1), go_on(rows, new)
        for row, (group, place) in enumerate((g, i) for g in growing for i in range(len(g.rows))):
            group.rows[place] = row
    best = sorted((end for group in groups for end in group.ended), key=lambda end: -end[0])[:n_returned]
    sequences = [torch.cat([start[0], _path(tree, node, start)]) for _, node in best]
    return Beams(sequences, [score for score, _ in best], tree)


class _Group:
    """Beams that compete with each other.

    Attributes:
        open: whether it still looks for a better text.
        rows: where each beam stands in the ids, or its parent, until the next step is read.
        growing: the node of each beam.
        took: the token of each beam, also after the last step, when none of them goes on.
        ended: score and last node of the best texts that have ended, best first.
    """

    def __init__(self, number: int, size: int, longest: int, penalty: float, early: bool | str) -> None:
        self.number, self.size, self.longest, self.penalty, self.early = number, size, longest, penalty, early
        self.open, self.rows, self.growing, self.sums = True, [0], [-1], [0.0]
        self.ended: list[tuple[float, int]] = []

    def choose(
        self,
        tree: list[BeamNode],
        log_probs: Float[Tensor, "rows V"],
        scores: Float[Tensor, "rows V"],
        stop: frozenset[int],
        step: int,
    ) -> None:
        """Adds the best tokens to the tree: so many that enough remain when the very best end their texts."""
        totals = scores + torch.tensor(self.sums, device=scores.device)[:, None]
        looked_at = min(self.size * (1 + max(1, len(stop))), totals.numel())
        values, places = totals.flatten().topk(looked_at)
        rows, parents = self.rows, self.growing
        self.rows, self.growing, self.sums, self.took = [], [], [], []
        for rank, (total, place) in enumerate(zip(values.tolist(), places.tolist(), strict=True)):
            if total == -math.inf:
                break
            row, token = divmod(place, scores.shape[1])
            goes_on = token not in stop and len(self.took) < self.size
            if goes_on:
                self.took.append(token)
            fate: Literal["kept", "ended", "pruned"] = "pruned"
            if token in stop or step == self.longest:
                if rank < self.size:
                    fate = "ended"
                    self.ended.append((total / step**self.penalty, len(tree)))
            elif goes_on:
                fate = "kept"
                self.growing.append(len(tree))
                self.rows.append(rows[row])
                self.sums.append(total)
            log_prob = log_probs[row, token].item()
            tree.append(BeamNode(parents[row], token, log_prob, total, fate, self.number))
        self.ended = sorted(self.ended, key=lambda end: -end[0])[: self.size]
        self.open = bool(self.growing) and self._may_improve(step)

    def _may_improve(self, step: int) -> bool:
        if len(self.ended) < self.size:
            return True
        length = self.longest if self.early == "never" and self.penalty > 0 else step
        return self.early is not True and self.sums[0] / length**self.penalty > self.ended[-1][0]


def _reading(model: GPT, ids: Tensor, n: int) -> tuple[Tensor, Callable[[Tensor, Tensor], Tensor]]:
    """The logits after the prompt, and a function of rows to go on from and a token for each."""
    length = ids.shape[1] + n - 1
    cache = KVCache(model.config, 1, length, device=model.device, dtype=model.embed.weight.dtype)
    snapshot = Stepper(model, length) if plain(model) else None

    def go_on(rows: Tensor, tokens: Tensor) -> Tensor:
        cache.select(rows)
        if snapshot is not None:
            return snapshot.read(tokens, cache)
        return last_logits(model, tokens[:, None], cache).float()

    return last_logits(model, ids, cache).float(), go_on


def _path(tree: list[BeamNode], node: int, like: Tensor) -> Tensor:
    tokens = []
    while node >= 0:
        tokens.append(tree[node].token)
        node = tree[node].parent
    return like.new_tensor(tokens[::-1])


def _check(model: GPT, ids: Tensor, n_beams: int, n_groups: int, n_returned: int, n: int) -> None:
    if len(ids) > 1:
        raise ValueError(f"beam search takes one sequence; got a batch of {len(ids)}. Take each in turn.")
    if min(n_beams, n_groups, n) < 1 or n_beams % n_groups:
        raise ValueError(
            f"n_beams must be a multiple of n_groups, and max_new_tokens at least 1; "
            f"got {n_beams}, {n_groups} and {n}."
        )
    if not 1 <= n_returned <= n_beams:
        raise ValueError(f"n_returned must be from 1 to n_beams={n_beams}; got {n_returned}.")
    if (length := ids.shape[1] + n - 1) > model.config.context:
        raise ValueError(
            f"a prompt of {ids.shape[1]} tokens and {n} new ones need a context of {length}; the model has "
            f"{model.config.context}. Lower max_new_tokens, or shorten the prompt."
        )
