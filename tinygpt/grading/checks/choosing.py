"""Exercise 5 of chapter 07: how far the best of n is from the policy that drew them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import log, nan, prod

from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law


def best_kl_oracle(p: Sequence[float], n: int) -> float:
    """All ways to draw n answers, one by one."""
    best = [0.0] * len(p)
    for drawn in product(range(len(p)), repeat=n):
        best[max(drawn)] += prod(p[i] for i in drawn)
    return sum(q * log(q / p_) for q, p_ in zip(best, p, strict=True) if q > 0)


def best_kl_attempt(
    p: Sequence[float],
    n: int,
    *,
    chance: str = "Fⁿ − F₋ⁿ",
    measure: str = "KL(best ‖ p)",
    draws: int = 0,
    zeros: str = "left out",
) -> float:
    """The divergence with a knob for each known way to go wrong."""
    if measure == "the bound":
        return log(n) - (n - 1) / n
    if measure == "log n":
        return log(n)
    best = _chances(list(p), n + draws, chance)
    if measure == "bits":
        return best_kl_attempt(p, n, chance=chance, draws=draws, zeros=zeros) / log(2)
    one, other = (list(p), best) if measure == "KL(p ‖ best)" else (best, list(p))
    if zeros == "nan" and 0 in one:
        return nan
    terms = [a * log(a / b) for a, b in zip(one, other, strict=True) if a > 0 and b > 0]
    if measure == "not weighted":
        terms = [log(a / b) for a, b in zip(one, other, strict=True) if a > 0 and b > 0]
    return -sum(terms) if measure == "minus" else sum(terms, 0.0)


def _chances(p: list[float], n: int, chance: str) -> list[float]:
    up_to = [sum(p[: i + 1]) for i in range(len(p))]
    below = [0.0, *up_to[:-1]]
    if chance == "worst":
        return [(1 - low) ** n - max(1 - high, 0.0) ** n for low, high in zip(below, up_to, strict=True)]
    if chance == "Fⁿ":
        return [high**n for high in up_to]
    if chance == "pⁿ":
        return [p_**n / sum(q**n for q in p) for p_ in p]
    if chance == "n p Fⁿ⁻¹":
        return [n * p_ * high ** (n - 1) for p_, high in zip(p, up_to, strict=True)]
    if chance == "any":
        return [1 - (1 - p_) ** n for p_ in p]
    return [high**n - low**n for low, high in zip(below, up_to, strict=True)]


def moves_alone(call: Call, args: tuple, got: float) -> bool:
    return abs(call(args[0], 1)) > 1e-6


def above_the_bound(call: Call, args: tuple, got: float) -> bool:
    n = args[1]
    return not -1e-9 <= got <= log(n) - (n - 1) / n + 1e-9


def _policy(V: int, n: int, zero: bool = False):
    def draw(generator: Generator) -> tuple[list[float], int]:
        rng = dice(generator)
        weights = [rng.uniform(0.5, 3.0) for _ in range(V)]
        if zero:
            weights[rng.randrange(V - 1)] = 0.0
        return [weight / sum(weights) for weight in weights], n

    return draw


best_of_n_kl = Exercise(
    name="best_of_n_kl",
    arguments=("p", "n"),
    returns="a number, in nats",
    reference=best_kl_oracle,
    attempt=best_kl_attempt,
    faults=(
        Fault(
            "bound in place of the value",
            "The value log n − (n − 1) / n holds where no two draws can be the same answer. Here they can, "
            "and the value is smaller: compute the chance of each answer to be the best of n.",
            {"measure": "the bound"},
        ),
        Fault(
            "log n",
            "For n above 1 the value is below log n. Compute the chance of each answer to be the best of n.",
            {"measure": "log n"},
        ),
        Fault(
            "other direction",
            "This is KL(p ‖ best). The samples are those of the best of n: its chances weight the sum.",
            {"measure": "KL(p ‖ best)"},
        ),
        Fault(
            "worst of n",
            "This is the *worst* of n: the answers are sorted from worst to best.",
            {"chance": "worst"},
        ),
        Fault(
            "chances not subtracted",
            "Fⁿ is the chance that all n are *at most* that good. Subtract the chance that all are worse.",
            {"chance": "Fⁿ"},
        ),
        Fault(
            "powers of p",
            "With pⁿ all n draws are this very answer. It is the best of n if none is better.",
            {"chance": "pⁿ"},
        ),
        Fault(
            "density",
            "The formula n p Fⁿ⁻¹ is right for densities, where ties do not happen. For single answers: Fⁿ "
            "minus the Fⁿ of the one below.",
            {"chance": "n p Fⁿ⁻¹"},
        ),
        Fault(
            "drawn at least once",
            "This is the chance that the answer is among the n. It must be the best of them.",
            {"chance": "any"},
        ),
        Fault("one draw too many", "These are n + 1 draws.", {"draws": 1}),
        Fault("one draw too few", "These are n − 1 draws.", {"draws": -1}),
        Fault(
            "nan for an impossible answer",
            "An answer with probability 0 brings 0 · log(0 / 0), which is nan. Leave it out.",
            {"zeros": "nan"},
        ),
        Fault("bits", "This is in bits. Nats are wanted: `math.log`.", {"measure": "bits"}),
        Fault("minus", "A KL divergence is never negative. Turn the sign.", {"measure": "minus"}),
        Fault(
            "not weighted",
            "The logarithms are added without weights. Each counts by its chance to be the best.",
            {"measure": "not weighted"},
        ),
    ),
    laws=(
        Law(
            "moves alone",
            "The best of one is the policy itself: 0 nats.",
            moves_alone,
        ),
        Law(
            "outside of its bounds",
            "The value is never below 0 nor above log n − (n − 1) / n, and yours is.",
            above_the_bound,
        ),
    ),
    cases=(
        Case("two answers, best of two", _policy(2, 2)),
        Case("four answers, best of three", _policy(4, 3)),
        Case("five answers, best of five", _policy(5, 5)),
        Case("best of one", _policy(3, 1)),
        Case("an answer that never comes", _policy(4, 3, zero=True)),
    ),
    shortcuts=("tinygpt.alignment",),
)
