"""Exercise 4 of chapter 11: one step of beam search."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import dice, normal
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

Step = tuple[list[float], list[int], list[int], list[bool]]
DOUBLE = torch.float64


def beam_oracle(scores: list[float], log_probs: Tensor, ended: list[bool], end: int, n_beams: int) -> Step:
    """Every candidate in a heap."""
    heap: list[tuple[float, int, int]] = []
    for beam, row in enumerate(log_probs.tolist()):
        grown = [(end, 0.0)] if ended[beam] else list(enumerate(row))
        for token, log_p in grown:
            if log_p > -math.inf:
                heapq.heappush(heap, (-(scores[beam] + log_p), beam, token))
    best = [heapq.heappop(heap) for _ in range(min(n_beams, len(heap)))]
    return (
        [-score for score, _, _ in best],
        [beam for _, beam, _ in best],
        [token for _, _, token in best],
        [ended[beam] or token == end for _, beam, token in best],
    )


def beam_attempt(
    scores: list[float],
    log_probs: Tensor,
    ended: list[bool],
    end: int,
    n_beams: int,
    *,
    sums: str = "added",
    stopped: str = "once",
    ties: str = "beam, token",
    each: str = "any",
    flags: str = "of the parent",
    places: str = "parent, token",
    order: str = "best first",
    impossible: str = "left out",
    pick: str = "best",
    count: str = "n",
) -> Step:
    """One step with a knob for each known way to go wrong."""
    found = []
    for beam, row in enumerate(log_probs.tolist()):
        for token, log_p in _grown(row, ended[beam], end, stopped):
            if log_p == -math.inf and impossible == "left out":
                continue
            total = {"added": scores[beam] + log_p, "forgotten": log_p, "parent's": scores[beam]}.get(sums)
            if sums == "multiplied":
                total = scores[beam] * log_p
            if sums == "probabilities":
                total = scores[beam] + math.exp(log_p)
            if sums == "averaged":
                total = (scores[beam] + log_p) / 2
            found.append((total, beam, token))
    sign = 1 if pick == "worst" else -1
    found.sort(key=lambda c: (sign * c[0], *_tie(c, ties)))
    if each == "one each":
        found = [next(c for c in found if c[1] == b) for b in sorted({c[1] for c in found})]
        found.sort(key=lambda c: -c[0])
    if each == "each token once":
        found = [c for i, c in enumerate(found) if c[2] not in {d[2] for d in found[:i]}]
    n = {"n": n_beams, "as before": len(scores), "double": 2 * n_beams}[count]
    if stopped == "aside":
        n = n_beams - sum(ended)
    best = found[:n]
    if stopped == "aside":
        best = sorted(best + [(s, i, end) for i, s in enumerate(scores) if ended[i]], key=lambda c: -c[0])
    if order == "by beam":
        best.sort(key=lambda c: (c[1], c[2]))
    if order == "worst first":
        best = best[::-1]
    V = log_probs.shape[1]
    parents, tokens = [b for _, b, _ in best], [t for _, _, t in best]
    if places == "swapped":
        parents, tokens = tokens, parents
    if places == "flat":
        tokens = [b * V + t for _, b, t in best]
    if places == "divided by beams":
        flat = [b * V + t for _, b, t in best]
        parents, tokens = [i // len(scores) for i in flat], [i % len(scores) for i in flat]
    return [total for total, _, _ in best], parents, tokens, _flags(best, ended, end, flags)


def _grown(row: list[float], ended: bool, end: int, stopped: str) -> list[tuple[int, float]]:
    if not ended or stopped == "grows":
        return list(enumerate(row))
    if stopped in ("dropped", "aside"):
        return []
    if stopped == "pays":
        return [(end, row[end])]
    if stopped == "every token":
        return [(token, 0.0) for token in range(len(row))]
    return [(end, 0.0)]


def _tie(candidate: tuple[float, int, int], ties: str) -> tuple[int, int]:
    _, beam, token = candidate
    return {
        "beam, token": (beam, token),
        "token, beam": (token, beam),
        "last": (-beam, -token),
        "last beam": (-beam, token),
        "last token": (beam, -token),
    }[ties]


def _flags(best: list[tuple[float, int, int]], ended: list[bool], end: int, flags: str) -> list[bool]:
    if flags == "of the place":
        padded = ended + [False] * len(best)
        return [padded[i] or t == end for i, (_, _, t) in enumerate(best)]
    if flags == "inherited":
        return [ended[b] for _, b, _ in best]
    if flags == "new":
        return [t == end and not ended[b] for _, b, t in best]
    return [ended[b] or t == end for _, b, t in best]


def not_sorted(call: Call, args: tuple, got: Step) -> bool:
    return got[0] != sorted(got[0], reverse=True)


def out_of_nothing(call: Call, args: tuple, got: Step) -> bool:
    """Each score is the parent's and the token's log-probability, or that of a beam which has ended."""
    scores, log_probs, ended, _, _ = args
    steps = zip(*got[:3], strict=True)
    return any(abs(s - scores[b] - (0.0 if ended[b] else log_probs[b, t].item())) > 1e-4 for s, b, t in steps)


def twice_the_same(call: Call, args: tuple, got: Step) -> bool:
    pairs = list(zip(got[1], got[2], strict=True))
    return len({*pairs}) < len(pairs)


def _step(
    B: int, V: int, n: int, *done: int, sharp: float = 1.0, cut: int = 0
) -> Callable[[Generator], tuple]:
    """Beams of which some have ended, with scores near enough that each may win."""

    def draw(g: Generator) -> tuple:
        rng = dice(g)
        log_probs = (sharp * normal(g, B, V, dtype=DOUBLE)).log_softmax(-1)
        end = rng.randrange(V)
        if cut:
            log_probs[:, [t for t in range(V) if t != end][:cut]] = -math.inf
        scores = sorted((rng.uniform(-4, -2) for _ in range(B)), reverse=True)
        ended = [i in done for i in range(B)]
        scores = [score - 1.5 * over for score, over in zip(scores, ended, strict=True)]
        return scores, log_probs, ended, end, n

    return draw


def _ties(g: Generator) -> tuple:
    """Equal beams, and tokens that are equally likely: whole powers of two, so that sums are exact."""
    log_probs = torch.full((3, 4), -2.0, dtype=DOUBLE)
    log_probs[:, dice(g).randrange(4)] = -1.0
    return [-1.0, -1.0, -1.0], log_probs, [False] * 3, dice(g).randrange(4), 5


def _far_behind(g: Generator) -> tuple:
    """One beam is so far ahead that all the best candidates are its own."""
    scores, log_probs, ended, end, n = _step(3, 6, 3)(g)
    return [scores[0], -60.0, -70.0], log_probs, ended, end, n


def _about_to_end(g: Generator) -> tuple:
    """The end is the likeliest token of every beam."""
    scores, log_probs, ended, end, n = _step(4, 6, 4, 2)(g)
    log_probs[:, end] = 0.5
    return scores, log_probs.log_softmax(-1), ended, end, n


beam_step = Exercise(
    name="beam_step",
    arguments=("scores", "log_probs", "ended", "end", "n_beams"),
    returns="four lists: scores, parents, tokens, ended",
    reference=beam_oracle,
    attempt=beam_attempt,
    faults=(
        Fault(
            "scores of the parents forgotten",
            "A candidate's score is its token's log-probability alone. It is the *sum* along the beam: add "
            "the parent's score.",
            {"sums": "forgotten"},
        ),
        Fault("scores multiplied", "Logarithms are added, not multiplied.", {"sums": "multiplied"}),
        Fault(
            "probabilities added",
            "You add probabilities to a sum of log-probabilities.",
            {"sums": "probabilities"},
        ),
        Fault(
            "the parents' scores",
            "These are the parents' scores. The new token counts.",
            {"sums": "parent's"},
        ),
        Fault(
            "averaged", "Scores are sums here; a length penalty comes at the very end.", {"sums": "averaged"}
        ),
        Fault(
            "ended beams grow",
            "Beams that have ended go on with new tokens. Such a beam is one single candidate: it keeps its "
            "score, and its token is `end`.",
            {"stopped": "grows"},
        ),
        Fault(
            "ended beams pay",
            "A beam that has ended pays for another `end`. It keeps its score.",
            {"stopped": "pays"},
        ),
        Fault(
            "ended beams dropped",
            "Beams that have ended are gone. They stay in the race with the score they have.",
            {"stopped": "dropped"},
        ),
        Fault(
            "ended beams many times",
            "A beam that has ended is a candidate once for every token. Put −inf for all tokens but `end`.",
            {"stopped": "every token"},
        ),
        Fault(
            "ended beams safe",
            "Beams that have ended keep a place whatever their score. They compete like all others.",
            {"stopped": "aside"},
        ),
        Fault(
            "one of each beam",
            "Each beam goes on with its best token only. The best of *all* candidates are wanted: one beam "
            "may have several children, another none.",
            {"each": "one each"},
        ),
        Fault(
            "each token once",
            "Two beams may take the same token. The texts before it differ.",
            {"each": "each token once"},
        ),
        Fault(
            "flags of the place",
            "`ended` is read at the place of the *child*, where another beam stood before. Read it at the "
            "parent's.",
            {"flags": "of the place"},
        ),
        Fault(
            "new ends not marked",
            "A beam that has just taken `end` has ended, too.",
            {"flags": "inherited"},
        ),
        Fault("old ends forgotten", "A beam that had ended before is no longer marked.", {"flags": "new"}),
        Fault(
            "parents and tokens swapped", "The tokens stand where the parents belong.", {"places": "swapped"}
        ),
        Fault(
            "divided by the number of beams",
            "A place among B · V candidates is taken apart with B. Each beam has V of them: `divmod(place, "
            "V)`.",
            {"places": "divided by beams"},
        ),
        Fault(
            "places in place of tokens",
            "A token is a place among all candidates. Take the remainder by V.",
            {"places": "flat"},
        ),
        Fault(
            "sorted by beam",
            "The best candidate comes first, whichever beam it is from.",
            {"order": "by beam"},
        ),
        Fault("worst first", "The right candidates, the worst first.", {"order": "worst first"}),
        Fault("the worst", "These are the worst candidates.", {"pick": "worst"}),
        Fault(
            "impossible tokens taken",
            "Candidates at −inf cannot be continued. Leave them out, even if fewer than n_beams remain.",
            {"impossible": "kept"},
        ),
        Fault(
            "as many as before",
            "You return as many beams as came. `n_beams` are wanted: the first step grows from one to many.",
            {"count": "as before"},
        ),
        Fault("twice as many", "You return twice as many as were wanted.", {"count": "double"}),
        Fault(
            "ties by token",
            "Of equal candidates the one of the earlier *beam* comes first, then the lower token.",
            {"ties": "token, beam"},
        ),
        Fault("ties backwards", "Of equal candidates the first comes first.", {"ties": "last"}),
        Fault(
            "ties backwards",
            "Of equal candidates that of the earlier beam comes first.",
            {"ties": "last beam"},
        ),
        Fault(
            "ties backwards",
            "Of equal candidates of a beam the lower token comes first.",
            {"ties": "last token"},
        ),
    ),
    laws=(
        Law("the same twice", "A candidate was chosen twice.", twice_the_same),
        Law(
            "score that does not add up",
            "A score is not its parent's plus its token's log-probability (plus nothing, for a beam that has "
            "ended).",
            out_of_nothing,
        ),
        Law("not best first", "The scores do not fall.", not_sorted),
    ),
    tolerance=1e-6,
    cases=(
        Case("the first step: from one beam to three", _step(1, 6, 3)),
        Case("three beams", _step(3, 7, 3), times=2),
        Case("one beam far ahead", _far_behind),
        Case("a beam that has ended", _step(4, 6, 4, 1, sharp=2), times=4),
        Case("two beams that have ended", _step(4, 6, 3, 0, 3, sharp=2), times=4),
        Case("beams that are about to end", _about_to_end, times=3),
        Case("all have ended", _step(3, 5, 3, 0, 1, 2)),
        Case("ties", _ties, times=3),
        Case("tokens that are cut", _step(3, 7, 3, 2, cut=4), times=2),
        Case("fewer candidates than beams", _step(2, 5, 6, 1, cut=3), times=2),
    ),
    shortcuts=("tinygpt.sampling", "transformers"),
)
