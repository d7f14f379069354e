"""Exercise 1 of chapter 09: a power law as a straight line in logarithms."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from statistics import fmean

import numpy as np
from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

Numbers = Sequence[float]
FAR = "With numbers as large as this float32 runs out of digits: work in float64."


def power_oracle(x: Numbers, y: Numbers, floor: float) -> tuple[float, float]:
    """NumPy's straight line through the logarithms."""
    excess, x = np.array(y) - floor, np.array(x)
    slope, height = np.polyfit(np.log(x[excess > 0]), np.log(excess[excess > 0]), 1)
    return float(np.exp(height)), float(-slope)


def power_attempt(
    x: Numbers,
    y: Numbers,
    floor: float,
    *,
    taken_from: str = "minus",
    logs: str = "both",
    line: str = "all points",
    sign: str = "minus",
    height: str = "exp",
    base: float = math.e,
    swapped: bool = False,
) -> tuple[float, float]:
    """The fit with a knob for each known way to go wrong."""
    points = [(a, b) for a, b in zip(x, y, strict=True) if b > floor or taken_from != "minus"]
    excess = [b + {"minus": -floor, "plus": floor}.get(taken_from, 0.0) for _, b in points]
    if taken_from == "ratio":
        excess = [b / floor for b in excess]
    u = [math.log(a, base) if logs in ("both", "x") else a for a, _ in points]
    v = [math.log(e) if logs in ("both", "y") else e for e in excess]
    if line == "least squares of y":
        return _curve([a for a, _ in points], excess)
    slope, start = LINES[line](u, v)
    if logs in ("both", "y"):
        start = {"exp": math.exp, "none": float, "10": lambda h: 10**h, "too small": _tenth}[height](start)
    exponent = {"minus": -slope, "plus": slope, "lost": abs(slope)}[sign]
    return (exponent, start) if swapped else (start, exponent)


def _tenth(height: float) -> float:
    """e to a height that was measured in decimal logarithms."""
    return math.exp(height / math.log(10))


def _line(u: Numbers, v: Numbers) -> tuple[float, float]:
    """Slope and height at 0 of the least squares line."""
    mu, mv = fmean(u), fmean(v)
    slope = sum((a - mu) * (b - mv) for a, b in zip(u, v, strict=True)) / sum((a - mu) ** 2 for a in u)
    return slope, mv - slope * mu


def _sideways(u: Numbers, v: Numbers) -> tuple[float, float]:
    """The line that has the smallest squares along u."""
    slope, _ = _line(v, u)
    return 1 / slope, fmean(v) - fmean(u) / slope


def _ends(u: Numbers, v: Numbers) -> tuple[float, float]:
    slope = (v[-1] - v[0]) / (u[-1] - u[0])
    return slope, v[0] - slope * u[0]


def _through_zero(u: Numbers, v: Numbers) -> tuple[float, float]:
    return sum(a * b for a, b in zip(u, v, strict=True)) / sum(a * a for a in u), 0.0


LINES = {"all points": _line, "sideways": _sideways, "ends": _ends, "through zero": _through_zero}


def _curve(x: Numbers, y: Numbers) -> tuple[float, float]:
    """Least squares of y itself: the best scale of each exponent, then the best exponent."""
    from scipy.optimize import minimize_scalar

    logs, y = np.log(np.array(x)), np.array(y)
    middle = logs.mean()

    def scale(p: float) -> float:
        shape = np.exp(-p * (logs - middle))
        return float(shape @ y / (shape @ shape))

    def rest(p: float) -> float:
        return float(((y - scale(p) * np.exp(-p * (logs - middle))) ** 2).sum())

    slope, _ = _line(list(logs), list(np.log(y)))
    best = minimize_scalar(rest, bounds=(-slope - 1, -slope + 1), method="bounded", options={"xatol": 1e-12})
    return float(scale(best.x) * np.exp(best.x * middle)), float(best.x)


def low_points_count(call: Call, args: tuple, got: tuple[float, float]) -> bool:
    x, y, floor = args
    scale, exponent = call([*x, 1.5 * x[0]], [*y, floor - 0.01], floor)
    return not (abs(scale - got[0]) < 1e-6 and abs(exponent - got[1]) < 1e-6)


def misses_an_exact_law(call: Call, args: tuple, got: tuple[float, float]) -> bool:
    scale, exponent = call([1.0, 10.0, 100.0], [4.0, 0.4, 0.04], 0.0)
    return abs(scale - 4.0) > 1e-4 or abs(exponent - 1.0) > 1e-4


def not_in_the_middle(call: Call, args: tuple, got: tuple[float, float]) -> bool:
    x, y, floor = args
    scale, exponent = got
    rests = [
        math.log((b - floor) / scale) + exponent * math.log(a) for a, b in zip(x, y, strict=True) if b > floor
    ]
    return abs(fmean(rests)) > 1e-4


def _law(rng: random.Random) -> tuple[float, float]:
    return rng.uniform(1.0, 9.0), rng.uniform(0.2, 0.7)


def _points(
    n: int, *, noise: float = 0.2, floor: bool = True, low: int = 0, twice: bool = False
) -> Callable[[Generator], tuple]:
    """Points around a law, each off by a factor, and some that luck has put at the floor or below."""

    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        scale, exponent = _law(rng)
        base = round(rng.uniform(0.8, 2.0), 2) if floor else 0.0
        x = [round(2.0 ** (1 + i * 9 / n), 1) for i in range(n)]
        if twice:
            x = rng.sample(x * 2, 2 * n)
        y = [round(base + scale * a**-exponent * math.exp(noise * rng.gauss(0, 1)), 4) for a in x]
        for i in range(low):
            x.insert(i * 3, 2.0 ** (9 + i))
            y.insert(i * 3, base - (0.05 * i if i else 0.0))
        return x, y, base

    return draw


def _growing(generator: Generator) -> tuple:
    rng = dice(generator)
    x = [float(4**i) for i in range(1, 7)]
    return x, [round(2.5 * a ** rng.uniform(0.45, 0.55), 3) for a in x], 0.0


def _far(generator: Generator) -> tuple:
    rng = dice(generator)
    x = [10.0**i for i in range(18, 25)]
    return x, [1.7 + 9.0 * a**-0.05 * math.exp(0.01 * rng.gauss(0, 1)) for a in x], 1.7


power_law = Exercise(
    name="power_law",
    arguments=("x", "y", "floor"),
    returns="two numbers, scale and exponent",
    reference=power_oracle,
    attempt=power_attempt,
    tolerance=1e-3,
    faults=(
        Fault(
            "floor forgotten",
            "You take the logarithm of y. What falls as a power is what is *above* the floor: "
            "`log(y - floor)`.",
            {"taken_from": "kept"},
        ),
        Fault(
            "floor added", "The floor is added to y. Subtract it: `log(y - floor)`.", {"taken_from": "plus"}
        ),
        Fault(
            "divided by the floor",
            "You divide y by the floor. In y = floor + … it is a summand: subtract it first, then take the "
            "logarithm.",
            {"taken_from": "ratio"},
        ),
        Fault(
            "least squares of y",
            "You fit y itself, where the largest values decide and the small ones, far out, hardly count. "
            "Fit a straight line to the logarithms.",
            {"line": "least squares of y"},
        ),
        Fault(
            "no logarithms",
            "This is the straight line through x and y as they are. Take logarithms of both.",
            {"logs": "none"},
        ),
        Fault(
            "logarithm of x only",
            "Only x has a logarithm. That is a line for y = a − b · log x, not for a power.",
            {"logs": "x"},
        ),
        Fault(
            "logarithm of y only",
            "Only y has a logarithm. That is a line for an exponential, not for a power.",
            {"logs": "y"},
        ),
        Fault(
            "sign of the exponent",
            "The slope is −exponent: the law is scale · x^−exponent, and a law that falls has a positive "
            "exponent.",
            {"sign": "plus"},
        ),
        Fault(
            "sign lost",
            "Your exponent is never negative. A law that grows has a negative one: it is −slope, without "
            "`abs`.",
            {"sign": "lost"},
        ),
        Fault(
            "scale left as a logarithm",
            "The line's height at log x = 0 is log(scale). Undo the logarithm.",
            {"height": "none"},
        ),
        Fault(
            "ten for e",
            "You took natural logarithms and raised 10 to the height. `exp` undoes `log`, `10 ** h` undoes "
            "`log10`.",
            {"height": "10"},
        ),
        Fault(
            "e for ten",
            "You took decimal logarithms and `exp` of the height. `10 ** h` undoes `log10`.",
            {"height": "too small"},
        ),
        Fault(
            "two bases",
            "The x and the y have logarithms of different bases, which stretches the slope. Take the same "
            "for both.",
            {"base": 10.0},
        ),
        Fault(
            "first and last point only",
            "Your line goes through the first and the last point. The luck of two points decides: use all.",
            {"line": "ends"},
        ),
        Fault(
            "line through zero",
            "Your line has no height: it says scale = 1. Fit slope *and* height.",
            {"line": "through zero"},
        ),
        Fault(
            "x and y swapped",
            "You fit log x by log y and turn the line around. The noise is in y: fit log y by log x.",
            {"line": "sideways"},
        ),
        Fault("exponent first", "Right numbers in the wrong order: scale, then exponent.", {"swapped": True}),
    ),
    laws=(
        Law(
            "misses an exact law",
            "Not even 4/x is found: of x = 1, 10, 100 and y = 4, 0.4, 0.04 above a floor of 0, scale is 4 "
            "and exponent 1.",
            misses_an_exact_law,
        ),
        Law(
            "points below the floor count",
            "A point below the floor changes your answer. It has no logarithm: leave it out.",
            low_points_count,
        ),
        Law(
            "not in the middle",
            "In logarithms your line does not run through the middle of the points: the mean of "
            "log(y − floor) and of the line are the same in a fit by least squares.",
            not_in_the_middle,
        ),
    ),
    cases=(
        Case("two points of a law, no floor", _points(2, noise=0.0, floor=False)),
        Case("measured points, no floor", _points(8, floor=False)),
        Case("measured points above a floor", _points(8)),
        Case("something that grows: a negative exponent", _growing),
        Case("points in any order, several at one x", _points(6, twice=True)),
        Case("points at the floor and below", _points(9, low=3)),
        Case("budgets up to 10²⁴", _far, advice=FAR),
    ),
    shortcuts=("tinygpt.scaling",),
)
