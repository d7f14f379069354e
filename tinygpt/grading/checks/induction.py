"""Exercise 5 of chapter 03: the score of an induction head."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import patterns
from tinygpt.grading.exercise import Case, Exercise, Fault

BEFORE = "You read the token *before* the copy. After it is t − p + 1."
AVERAGES = (
    "You averaged within each sequence first. All pairs (b, t) count alike: collect them all, then average "
    "once."
)


def score_oracle(pattern: Tensor, period: Tensor) -> Tensor:
    """Plain loops over every query that has seen its token before."""
    B, T = len(period), pattern.shape[2]
    seen = [(b, t, t - int(period[b]) + 1) for b in range(B) for t in range(T) if t >= period[b]]
    total = sum(pattern[b, :, t, s] for b, t, s in seen)
    return total / len(seen)


def score_attempt(
    pattern: Tensor,
    period: Tensor,
    *,
    after: int = 1,
    transposed: bool = False,
    average: str = "pairs",
    first: int = 0,
    one_period: bool = False,
    target: str = "earlier",
    edge: str = "clamp",
) -> Tensor:
    """The induction score with a knob for each known way to go wrong."""
    if target == "everything":
        return pattern.mean((0, 2, 3))
    pattern = pattern.mT if transposed else pattern
    B, H, T, _ = pattern.shape
    p = (period[:1].expand(B) if one_period else period)[:, None]
    query = torch.arange(T)
    key = (query - 1 if target == "previous" else query - p + after).expand(B, T)
    key = key % T if edge == "wrap" else key.clamp(0, T - 1)
    looked = pattern.gather(3, key[:, None, :, None].expand(B, H, T, 1)).squeeze(3)
    counts = (query >= p + first)[:, None].expand(B, H, T)
    if average == "pairs":
        return looked.where(counts, 0).sum((0, 2)) / counts.sum((0, 2))
    each = looked.where(counts, 0).sum(2) / counts.sum(2)
    if average == "per sequence":
        return each
    if average == "sequences":
        return each.mean(0)
    if average == "long sequences":
        return each.nanmean(0)
    if average == "short sequences as 0":
        return each.nan_to_num().mean(0)
    if average == "heads too":
        return looked.where(counts, 0).sum((0, 2)).mean() / counts.sum((0, 2))[0]
    if average == "sum":
        return looked.where(counts, 0).sum((0, 2))
    return looked.where(counts | (average == "no condition"), 0).mean((0, 2))


def _two_heads(generator: Generator) -> tuple[Tensor, Tensor]:
    """A perfect induction head (its score is 1) beside a head that always looks at the previous token."""
    T, p = 8, 3
    pattern = torch.zeros(1, 2, T, T)
    for t in range(T):
        pattern[0, 0, t, t - p + 1 if t >= p else 0] = 1
        pattern[0, 1, t, max(t - 1, 0)] = 1
    return pattern, torch.tensor([p])


def _mixed(
    generator: Generator, periods: tuple[int, ...], T: int = 9, dtype: torch.dtype = torch.float32
) -> tuple:
    return patterns(generator, len(periods), 3, T, T, dtype=dtype), torch.tensor(periods)


induction_score = Exercise(
    name="induction_score",
    arguments=("pattern", "period"),
    returns="H",
    reference=score_oracle,
    attempt=score_attempt,
    faults=(
        Fault(
            "the earlier token itself",
            "You read the weight on the earlier *copy*, t − p: that is the duplicate-token score. An "
            "induction head looks at the token *after* the copy, t − p + 1.",
            {"after": 0},
        ),
        Fault(
            "the token before the copy",
            BEFORE,
            {"after": -1, "edge": "wrap"},
        ),
        Fault(
            "the token before the copy, clamped",
            BEFORE,
            {"after": -1},
        ),
        Fault(
            "the previous token",
            "You read the weight on t − 1: that is the previous-token score. The token after the earlier "
            "copy is at t − p + 1.",
            {"target": "previous"},
        ),
        Fault(
            "every weight averaged",
            "All weights of a head are averaged. Each row adds up to 1, so that says nothing about the head. "
            "Average one weight of a row: for t ≥ p the one on t − p + 1.",
            {"target": "everything"},
        ),
        Fault(
            "queries and keys swapped",
            "Rows are queries and columns are keys: read `pattern[b, h, t, t - p + 1]`.",
            {"transposed": True},
        ),
        Fault(
            "positions without a copy counted",
            "Positions before the repetition starts (t < p) count as misses, which pulls the score down. "
            "Average over the pairs (b, t) with t ≥ p only.",
            {"average": "zeros counted"},
        ),
        Fault(
            "positions without a copy read",
            "You read a weight at positions that have no earlier copy yet (t < p). Leave them out of the "
            "average.",
            {"average": "no condition"},
        ),
        Fault(
            "average of averages",
            AVERAGES,
            {"average": "sequences"},
        ),
        Fault(
            "average of averages, short sequences left out",
            AVERAGES,
            {"average": "long sequences"},
        ),
        Fault(
            "average of averages, short sequences as 0",
            AVERAGES,
            {"average": "short sequences as 0"},
        ),
        Fault(
            "one score per sequence",
            "One score per head is wanted: average over b too.",
            {"average": "per sequence"},
        ),
        Fault(
            "heads averaged",
            "The heads are averaged together. Keep one score per head.",
            {"average": "heads too"},
        ),
        Fault(
            "not averaged",
            "The weights are added up. Divide by the number of pairs (b, t).",
            {"average": "sum"},
        ),
        Fault(
            "starts one late",
            "The first repeated position, t = p, is left out: its token is a copy of token 0.",
            {"first": 1},
        ),
        Fault(
            "one period for all",
            "The first sequence's period is used for all. Each sequence has its own: `period[b]`.",
            {"one_period": True},
        ),
    ),
    cases=(
        Case("a perfect induction head beside a previous-token head", _two_heads),
        Case("three heads, one sequence", lambda g: _mixed(g, (4,))),
        Case("every sequence with its own period", lambda g: _mixed(g, (2, 5, 3, 4))),
        Case(
            "a sequence too short to repeat",
            lambda g: _mixed(g, (4, 9, 7)),
            advice="Where p ≥ T a sequence has no pair (b, t) and must not count.",
        ),
        Case("double precision", lambda g: _mixed(g, (3, 6), dtype=torch.float64)),
    ),
    shortcuts=("tinygpt.interp",),
)
