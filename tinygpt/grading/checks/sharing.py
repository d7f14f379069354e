"""Exercise 5 of chapter 05: how much of each source to read."""

from __future__ import annotations

from collections.abc import Callable

from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law


def weights_oracle(sizes: list[int], alpha: float, tokens: int, epochs: float) -> list[float]:
    """min(cap, λ nᵅ) with λ found by bisection: another way to the same weights."""
    caps, powers = [epochs * n / tokens for n in sizes], [n**alpha for n in sizes]
    low, high = 0.0, 1.0 + max(cap / power for cap, power in zip(caps, powers, strict=True))
    for _ in range(200):
        middle = (low + high) / 2
        total = sum(min(cap, middle * power) for cap, power in zip(caps, powers, strict=True))
        low, high = (middle, high) if total < 1 else (low, middle)
    return [min(cap, high * power) for cap, power in zip(caps, powers, strict=True)]


def weights_attempt(
    sizes: list[int],
    alpha: float,
    tokens: int,
    epochs: float,
    *,
    power: str = "nᵅ",
    cap: str = "epochs · n / tokens",
    rest: str = "in proportion",
    rounds: int = 99,
) -> list[float]:
    """The weights with a knob for each known way to go wrong."""
    raised = {"nᵅ": alpha, "n": 1.0, "alike": 0.0, "inverse": 1 / alpha if alpha else 0.0, "1 − α": 1 - alpha}
    powers = [n ** raised[power] for n in sizes]
    readings = {"epochs · n / tokens": epochs / tokens, "one epoch": 1 / tokens, "share": epochs / sum(sizes)}
    caps = [readings.get(cap, 1e9) * n for n in sizes]
    full: set[int] = set()
    weights = [p / sum(powers) for p in powers]
    for _ in range(rounds):
        over = {i for i, w in enumerate(weights) if w > caps[i]} - full
        if not over:
            break
        full |= over
        left = 1 - sum(caps[i] for i in full)
        open_ = [i for i in range(len(sizes)) if i not in full]
        total = sum(powers[i] for i in open_)
        if rest == "thrown away":
            weights = [min(w, c) for w, c in zip(weights, caps, strict=True)]
        elif rest == "all scaled":
            weights = [min(w, c) for w, c in zip(weights, caps, strict=True)]
            weights = [w / sum(weights) for w in weights]
            break
        elif rest == "evenly":
            excess = sum(weights[i] - caps[i] for i in over)
            weights = [caps[i] if i in full else weights[i] + excess / len(open_) for i in range(len(sizes))]
        else:
            weights = [caps[i] if i in full else left * powers[i] / total for i in range(len(sizes))]
    return weights


def does_not_sum_to_one(call: Call, args: tuple, got: list[float]) -> bool:
    return abs(sum(got) - 1) > 1e-6


def reads_too_often(call: Call, args: tuple, got: list[float]) -> bool:
    sizes, _, tokens, epochs = args
    return any(w * tokens > epochs * n * (1 + 1e-6) for w, n in zip(got, sizes, strict=True))


def _sources(kind: str) -> Callable[[Generator], tuple]:
    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        few, many = rng.randint(10, 20), rng.randint(2000, 3000)
        if kind == "free":
            return [rng.randint(100, 900) for _ in range(3)], rng.choice([0.3, 0.5, 0.7]), 100, 50.0
        if kind == "alpha 0":
            return [few, many, 2 * many], 0.0, 500, 1000.0
        if kind == "alpha 1":
            return [few, many, 2 * many], 1.0, 500, 1000.0
        if kind == "one full":
            return [few, many, rng.randint(3500, 5000), rng.randint(1000, 1500)], 0.3, 5000, 4.0
        # With the first source full, what it leaves makes the second one full too.
        return [few, rng.randint(330, 360), many, 4 * many], 0.2, 6000, 4.0

    return draw


mixing_weights = Exercise(
    name="mixing_weights",
    arguments=("sizes", "alpha", "tokens", "epochs"),
    returns="a list of numbers, one for each source",
    reference=weights_oracle,
    attempt=weights_attempt,
    tolerance=1e-6,
    faults=(
        Fault(
            "never full",
            "A source may get more than `epochs` readings: its weight is at most `epochs * n / tokens`.",
            {"cap": "none"},
        ),
        Fault(
            "alpha ignored",
            "The weights are those of the sizes. `n ** alpha` lifts the small sources.",
            {"power": "n"},
        ),
        Fault(
            "all alike",
            "Every source has the same weight, whatever alpha. That is alpha = 0 only: `n ** alpha`.",
            {"power": "alike"},
        ),
        Fault("alpha upside down", "The power is 1 / alpha. It is alpha.", {"power": "inverse"}),
        Fault(
            "1 − alpha",
            "The power is 1 − alpha. It is alpha: 1 leaves sizes as they are.",
            {"power": "1 − α"},
        ),
        Fault(
            "one epoch only",
            "A source is full after one reading. It may be read `epochs` times.",
            {"cap": "one epoch"},
        ),
        Fault(
            "cap of another total",
            "The cap compares a source with all sources. What counts is the run: `epochs * n / tokens`.",
            {"cap": "share"},
        ),
        Fault(
            "excess thrown away",
            "The weights no longer sum to 1: what a full source does not get goes to the others.",
            {"rest": "thrown away"},
        ),
        Fault(
            "all scaled up again",
            "After the cap everything is divided by the sum, which lifts the full sources over their caps "
            "again. Only the others share what is left.",
            {"rest": "all scaled"},
        ),
        Fault(
            "excess shared evenly",
            "The excess is shared in equal parts. The others share it in proportion to `n ** alpha`.",
            {"rest": "evenly"},
        ),
        Fault(
            "one round only",
            "One round is not enough: what a full source leaves may make another one full. Repeat until "
            "none is.",
            {"rounds": 1},
        ),
    ),
    laws=(
        Law("sum is not 1", "The weights should sum to 1.", does_not_sum_to_one),
        Law("read too often", "Some source is read more than `epochs` times.", reads_too_often),
    ),
    cases=(
        Case("enough of everything", _sources("free"), times=2),
        Case("alpha 0: all alike", _sources("alpha 0")),
        Case("alpha 1: as they are", _sources("alpha 1")),
        Case("a small source that is soon full", _sources("one full"), times=2),
        Case("one full source fills another", _sources("two full"), times=2),
    ),
)
