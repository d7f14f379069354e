"""Exercise 4 of chapter 10: the critical batch, from runs that raced to one loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean

import numpy as np
from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

Runs = Sequence[tuple[int, float, "float | None"]]


def race_oracle(runs: Runs) -> tuple[float, float]:
    """SciPy's least squares of the relative misses."""
    from scipy.optimize import nnls

    best: dict[int, float] = {}
    for batch, _, steps in runs:
        if steps is not None:
            best[batch] = min(steps, best.get(batch, math.inf))
    rows = np.array([[1 / steps, 1 / (batch * steps)] for batch, steps in best.items()])
    scale = rows.max(0)
    fewest, tokens = nnls(rows / scale, np.ones(len(rows)))[0] / scale
    return float(fewest), float(tokens / fewest)


def race_attempt(
    runs: Runs,
    *,
    of_batch: str = "fewest",
    missed: str = "relative",
    along: str = "1 / B",
    points: str = "all",
    answer: str = "ratio",
    swapped: bool = False,
) -> tuple[float, float]:
    """The fit with a knob for each known way to go wrong."""
    by_batch: dict[int, list[tuple[float, float]]] = {}
    for batch, rate, steps in runs:
        if steps is not None:
            by_batch.setdefault(batch, []).append((rate, steps))
    B, S = zip(*((b, float(s)) for b, mine in by_batch.items() for s in CHOSEN[of_batch](mine)), strict=True)
    if points == "ends":
        return _ends(B, S)
    fewest, tokens = LINES.get(along, _line)(B, S, missed)
    last = {"ratio": tokens / fewest, "inverse": fewest / tokens, "tokens": tokens, "largest": float(max(B))}[
        answer
    ]
    return (last, fewest) if swapped else (fewest, last)


CHOSEN: dict[str, Callable[[list[tuple[float, float]]], list[float]]] = {
    "fewest": lambda mine: [min(s for _, s in mine)],
    "most": lambda mine: [max(s for _, s in mine)],
    "all": lambda mine: [s for _, s in mine],
    "mean": lambda mine: [fmean(s for _, s in mine)],
    "first": lambda mine: [mine[0][1]],
    "last": lambda mine: [mine[-1][1]],
    "largest rate": lambda mine: [max(mine)[1]],
    "smallest rate": lambda mine: [min(mine)[1]],
}


def _line(B: Sequence[int], S: Sequence[float], missed: str) -> tuple[float, float]:
    """Fewest steps and fewest tokens of S = S_min + E_min / B, weighted as asked."""
    B, S = np.array(B, dtype=float), np.array(S)
    if missed == "logarithms":
        return _of_logarithms(B, S)
    weight = {"relative": 1 / S, "absolute": np.ones_like(S), "root": S**-0.5, "squared": S**-2, "tokens": B}[
        missed
    ]
    rows = np.stack([weight, weight / B], 1)
    scale = np.linalg.norm(rows, axis=0)
    found = np.linalg.lstsq(rows / scale, weight * S, rcond=None)[0] / scale
    return float(found[0]), float(found[1])


def _of_logarithms(B: np.ndarray, S: np.ndarray) -> tuple[float, float]:
    """The line whose logarithm is nearest to that of the steps: Gauss and Newton from the relative fit."""
    fewest, tokens = _line(B, S, "relative")
    for _ in range(30):
        line = fewest + tokens / B
        rows = np.stack([1 / line, 1 / (B * line)], 1)
        step = np.linalg.lstsq(rows, np.log(S / line), rcond=None)[0]
        fewest, tokens = fewest + step[0], tokens + step[1]
    return float(fewest), float(tokens)


def _in_batches(B: Sequence[int], S: Sequence[float], missed: str) -> tuple[float, float]:
    """A line in B, whose height is taken for S_min, and the opposite of its slope for E_min."""
    slope, height = np.polyfit(B, S, 1, w=1 / np.array(S))
    return float(height), float(-slope)


def _in_logarithms(B: Sequence[int], S: Sequence[float], missed: str) -> tuple[float, float]:
    """A power law of B."""
    slope, height = np.polyfit(np.log(B), np.log(S), 1)
    return float(np.exp(height)), float(-slope * np.exp(height))


LINES = {"B": _in_batches, "logarithms": _in_logarithms}


def _ends(B: Sequence[int], S: Sequence[float]) -> tuple[float, float]:
    """Steps of the largest batch, and tokens of the smallest over them."""
    (low, slow), *_, (_, quick) = sorted(zip(B, S, strict=True))
    return quick, low * slow / quick


def order_matters(call: Call, args: tuple, got: tuple[float, float]) -> bool:
    again = call(sorted(args[0], key=str))
    return any(not math.isclose(a, b, rel_tol=1e-4) for a, b in zip(again, got, strict=True))


def slow_rates_count(call: Call, args: tuple, got: tuple[float, float]) -> bool:
    (batch, rate, _), *_ = args[0]
    slow = 2 * max(s for _, _, s in args[0] if s is not None)
    again = call([*args[0], (batch, rate / 100, slow)])
    return any(not math.isclose(a, b, rel_tol=1e-4) for a, b in zip(again, got, strict=True))


def misses_an_exact_law(call: Call, args: tuple, got: tuple[float, float]) -> bool:
    fewest, critical = call([(B, 0.01, 50 * (1 + 64 / B)) for B in (8, 16, 32, 64, 128)])
    return abs(fewest - 50) > 0.05 or abs(critical - 64) > 0.05


def _race(
    *, batches: int = 6, rates: int = 1, noise: float = 0.0, missing: bool = False, mixed: bool = False
) -> Callable[[Generator], tuple]:
    """Runs of several batches, each at several rates of which another one suits each batch."""

    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        fewest, critical = rng.uniform(30, 200), rng.uniform(20, 150)
        first = critical * 2.0 ** -(batches / 2 if batches > 3 else 1)
        runs = []
        for i in range(batches):
            batch = max(1, round(first * 2**i))
            steps = fewest * (1 + critical / batch)
            best = rng.randrange(rates)
            for k in range(rates):
                lost = 1 + 0.35 * abs(k - best) ** 1.5 + rng.uniform(0, 0.2) * (k != best)
                found = round(steps * lost * math.exp(rng.gauss(0, noise)), 1)
                runs.append((batch, round(0.001 * 2 ** (k + i / 2), 5), found))
            if missing:
                runs.append((batch, round(0.001 * 2 ** (rates + 2 + i / 2), 5), None))
        if mixed:
            rng.shuffle(runs)
        return (runs,)

    return draw


critical_batch = Exercise(
    name="critical_batch",
    arguments=("runs",),
    returns="two numbers, the fewest steps and the critical batch",
    reference=race_oracle,
    attempt=race_attempt,
    tolerance=0.01,
    faults=(
        Fault(
            "absolute misses",
            "You fit the steps themselves, so the many steps of small batches drown the few of large ones. "
            "Divide each row by its S: the *relative* misses count.",
            {"missed": "absolute"},
        ),
        Fault(
            "weights rooted",
            "Your weights are 1 / √S where 1 / S is wanted. `np.polyfit` multiplies the miss by w *before* "
            "it is squared; other functions square first.",
            {"missed": "root"},
        ),
        Fault(
            "weights squared",
            "Your weights are 1 / S² where 1 / S is wanted: `np.polyfit` multiplies the miss by w *before* "
            "it is squared.",
            {"missed": "squared"},
        ),
        Fault(
            "misses of tokens",
            "You fit the tokens S · B, so large batches drown the others. The relative misses count.",
            {"missed": "tokens"},
        ),
        Fault(
            "misses of logarithms",
            "You compare logarithms. Nearly the same, but asked are the misses as shares of S: a linear "
            "problem.",
            {"missed": "logarithms"},
        ),
        Fault(
            "every rate counts",
            "Runs whose rate did not suit their batch count too. Of each batch take the fewest steps.",
            {"of_batch": "all"},
        ),
        Fault(
            "mean of the rates",
            "You average over the rates. A batch must not lose by a rate that suits another one: take its "
            "fewest steps.",
            {"of_batch": "mean"},
        ),
        Fault("slowest run", "You take the most steps of each batch. Take the fewest.", {"of_batch": "most"}),
        Fault(
            "first run of each batch",
            "Of each batch only the first run counts. Take the one with the fewest steps.",
            {"of_batch": "first"},
        ),
        Fault(
            "last run of each batch",
            "Of each batch only the last run counts: does a dictionary overwrite it? Take the fewest steps.",
            {"of_batch": "last"},
        ),
        Fault(
            "largest rate",
            "Of each batch the run with the largest rate counts. Take the one with the fewest steps.",
            {"of_batch": "largest rate"},
        ),
        Fault(
            "smallest rate",
            "Of each batch the run with the smallest rate counts. Take the one with the fewest steps.",
            {"of_batch": "smallest rate"},
        ),
        Fault(
            "largest and smallest batch only",
            "You take the steps of the largest batch for S_min, and the tokens of the smallest for E_min. "
            "Both are too many. Fit the line to all batches.",
            {"points": "ends"},
        ),
        Fault(
            "straight in B",
            "Your line is straight in B. The law is straight in 1 / B.",
            {"along": "B"},
        ),
        Fault(
            "a power law",
            "You fit a power of B. A power never bends, and the critical batch is where the bend is.",
            {"along": "logarithms"},
        ),
        Fault(
            "ratio turned over",
            "The second number is S_min / E_min. The critical batch is E_min / S_min.",
            {"answer": "inverse"},
        ),
        Fault(
            "tokens in place of the batch",
            "The second number is E_min. Divide by S_min to get the critical batch.",
            {"answer": "tokens"},
        ),
        Fault("largest batch", "The second number is the largest batch of all.", {"answer": "largest"}),
        Fault("batch first", "Right numbers in the wrong order: steps, then the batch.", {"swapped": True}),
    ),
    laws=(
        Law(
            "order matters",
            "Your answer changes when the same runs come in another order.",
            order_matters,
        ),
        Law(
            "slow rates count",
            "Your answer changes when a very slow run joins a batch that has a quicker one.",
            slow_rates_count,
        ),
        Law(
            "misses an exact law",
            "Runs that need exactly 50 · (1 + 64 / B) steps have S_min 50 and a critical batch of 64.",
            misses_an_exact_law,
        ),
    ),
    cases=(
        Case("six batches, no noise", _race()),
        Case("two batches", _race(batches=2)),
        Case("noise", _race(noise=0.08, batches=8)),
        Case("three rates for each batch", _race(rates=3, noise=0.05, batches=7)),
        Case("runs that never arrived", _race(rates=2, noise=0.05, missing=True)),
        Case("runs in any order", _race(rates=4, noise=0.1, batches=5, missing=True, mixed=True)),
    ),
)
