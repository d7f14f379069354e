"""Exercise 3 of chapter 08: the chance that one of k answers is right, from n answers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import comb

from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law


def pass_oracle(n: int, c: int, k: int) -> float:
    """By looking at every choice of k answers."""
    chosen = list(combinations([True] * c + [False] * (n - c), k))
    return sum(map(any, chosen)) / len(chosen)


def pass_attempt(
    n: int, c: int, k: int, *, method: str = "choices", short: str = "one", of: str = "any"
) -> float:
    """The estimate with a knob for each known way to go wrong."""
    if method == "share":
        return c / n
    if method == "sum":
        return min(1.0, k * c / n)
    if method == "linear":
        return k * c / n
    if method == "powers":
        return 1 - (1 - c / n) ** k if of == "any" else (c / n) ** k
    if method == "first":
        return float(c > 0)
    if method == "shrinking":
        return 1 - (comb(n - c, k) / n**k)
    if short == "zero" and n - c < k:
        return 0.0
    if short == "negative" and n - c < k:
        return 1 - 1 / comb(n, k)
    none, every = comb(n - c, k) / comb(n, k), comb(c, k) / comb(n, k)
    return {"any": 1 - none, "none": none, "all": every}[of]


def _falls_with_k(call: Call, args: tuple, got: float) -> bool:
    n, c, k = args
    return k < n and call(n, c, k + 1) < got - 1e-9


def _no_share_at_one(call: Call, args: tuple, got: float) -> bool:
    n, c, _ = args
    return abs(call(n, c, 1) - c / n) > 1e-6


def _counts(low: int, high: int, k: int | None = None) -> Callable[[Generator], tuple]:
    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        n = rng.randint(low, high)
        return n, rng.randint(1, n - 2), rng.randint(2, n - 1) if k is None else k

    return draw


def _sure(generator: Generator) -> tuple:
    """Fewer wrong answers than k, so every choice has a right one."""
    rng = dice(generator)
    n = rng.randint(6, 10)
    wrong = rng.randint(1, n - 3)
    return n, n - wrong, rng.randint(wrong + 1, n - 1)


def _never(generator: Generator) -> tuple:
    rng = dice(generator)
    n = rng.randint(3, 10)
    return n, 0, rng.randint(1, n)


pass_at_k = Exercise(
    name="pass_at_k",
    arguments=("n", "c", "k"),
    returns="a share",
    reference=pass_oracle,
    attempt=pass_attempt,
    tolerance=1e-6,
    faults=(
        Fault(
            "draws with replacement",
            "`1 - (1 - c / n) ** k` puts every answer back before the next draw, and so comes out too low on "
            "average: of few answers the same one is drawn again and again. Count choices of k *different* "
            "answers.",
            {"method": "powers"},
        ),
        Fault(
            "all instead of any",
            "This is the share of choices in which *all* k answers are right. One is enough.",
            {"of": "all"},
        ),
        Fault(
            "all instead of any, with replacement",
            "`(c / n) ** k` is the chance that *all* k draws are right. One is enough.",
            {"method": "powers", "of": "all"},
        ),
        Fault(
            "none instead of any",
            "This is the share of choices in which *no* answer is right. Take it from 1.",
            {"of": "none"},
        ),
        Fault("k ignored", "This is c / n, which is right for k = 1 only.", {"method": "share"}),
        Fault(
            "chances added",
            "You add up k chances. Two answers may both be right, and then you count the success twice.",
            {"method": "sum"},
        ),
        Fault(
            "chances added",
            "You add up k chances. Two answers may both be right, and then you count the success twice.",
            {"method": "linear"},
        ),
        Fault(
            "any right answer at all",
            "You ask whether there is any right answer among all n. The k that are chosen may miss it.",
            {"method": "first"},
        ),
        Fault(
            "powers below, choices above",
            "The choices of k answers are `comb(n, k)` many; n ** k counts them in every order, with "
            "repetitions.",
            {"method": "shrinking"},
        ),
        Fault(
            "zero where it is certain",
            "With fewer than k wrong answers, every choice has a right one: the estimate is 1 there. "
            "`comb(n - c, k)` is 0 by itself.",
            {"short": "zero"},
        ),
        Fault(
            "not quite certain",
            "With fewer than k wrong answers there is no choice without a right one: 0 of them, not 1.",
            {"short": "negative"},
        ),
    ),
    laws=(
        Law(
            "k = 1 is not the share",
            "With k = 1 the estimate should be the share of right answers, c / n.",
            _no_share_at_one,
        ),
        Law(
            "falls with k",
            "One answer more can only help: the estimate should never fall as k grows.",
            _falls_with_k,
        ),
    ),
    cases=(
        Case("two of a few", _counts(4, 8, 2), times=3),
        Case("k of a dozen", _counts(9, 12), times=3),
        Case("k = 1", lambda g: (*_counts(4, 9)(g)[:2], 1), times=2),
        Case("fewer wrong ones than k", _sure, times=2),
        Case("none is right", _never),
    ),
)
