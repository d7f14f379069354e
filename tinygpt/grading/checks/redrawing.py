"""Exercise 4 of chapter 09: a bootstrap interval that draws whole groups."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, pstdev

import torch
from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

Columns = list[list[float]]


@dataclass(frozen=True)
class Statistic:
    """A number of some columns, described by its name, so that a judge can rebuild it in another process.

    Args:
        kind: "mean" of the first column, "largest" of it, "spread" (standard deviation), "gap" (the
            mean of the second column minus the first) or "slope" of the second by the first.
    """

    kind: str

    def __call__(self, *columns: Sequence[float]) -> float:
        x, y = columns[0], columns[-1]
        if self.kind == "slope":
            mx, my = fmean(x), fmean(y)
            width = sum((a - mx) ** 2 for a in x)
            return (
                sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / width if width > 1e-9 else 0.0
            )
        simple = {"mean": fmean, "largest": max, "spread": pstdev}
        return float(simple[self.kind](x)) if self.kind in simple else fmean(y) - fmean(x)


def interval_oracle(
    statistic: Statistic, columns: Columns, groups: list[int], draws: int, level: float, seed: int
) -> tuple[float, float]:
    """Draw by draw, with the drawing done by hand and the quantiles by PyTorch."""
    rng, n_groups = random.Random(seed), max(groups) + 1
    found = []
    for _ in range(draws):
        drawn = [int(rng.random() * n_groups) for _ in range(n_groups)]
        rows = [row for group in drawn for row, of in enumerate(groups) if of == group]
        found.append(statistic(*([column[row] for row in rows] for column in columns)))
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = torch.tensor(found, dtype=torch.float64).quantile(ends).tolist()
    return low, high


def interval_attempt(
    statistic: Callable[..., float],
    columns: Columns,
    groups: list[int],
    draws: int,
    level: float,
    seed: int,
    *,
    drawn: str = "groups",
    ends: str = "quantiles",
    tails: str = "half",
    swapped: bool = False,
) -> tuple[float, float]:
    """The interval with a knob for each known way to go wrong."""
    rng, rows = random.Random(seed), list(range(len(groups)))
    members = [[row for row in rows if groups[row] == group] for group in dict.fromkeys(groups)]
    found = []
    if drawn == "means":
        columns = [[fmean(column[row] for row in part) for part in members] for column in columns]
        members = [[group] for group in range(len(members))]
    for _ in range(draws):
        if drawn == "columns apart":
            picks = [DRAWN["groups"](rng, members) for _ in columns]
        else:
            picks = [DRAWN[drawn](rng, members)] * len(columns)
        found.append(statistic(*([c[row] for row in pick] for c, pick in zip(columns, picks, strict=True))))
    pair = ENDS[ends](sorted(found), statistic(*columns), _tails(level, tails))
    return pair[::-1] if swapped else pair


def _flat(parts: Sequence[Sequence[int]]) -> list[int]:
    return [row for part in parts for row in part]


def _tails(level: float, tails: str) -> tuple[float, float]:
    tail = {"half": (1 - level) / 2, "whole": 1 - level, "always 95 %": 0.025, "always 90 %": 0.05}.get(tails)
    return ((1 - level) / 2, level) if tail is None else (tail, 1 - tail)


DRAWN: dict[str, Callable[[random.Random, list[list[int]]], list[int]]] = {
    "groups": lambda rng, members: _flat(rng.choices(members, k=len(members))),
    "means": lambda rng, members: _flat(rng.choices(members, k=len(members))),
    "rows": lambda rng, members: rng.choices(sorted(_flat(members)), k=len(_flat(members))),
    "not put back": lambda rng, members: _flat(rng.sample(members, k=len(members))),
    "each once": lambda rng, members: _flat(
        [members[i] for i in dict.fromkeys(rng.choices(range(len(members)), k=len(members)))]
    ),
    "inside groups": lambda rng, members: _flat([rng.choices(part, k=len(part)) for part in members]),
    "one row of each": lambda rng, members: [part[0] for part in rng.choices(members, k=len(members))],
    "too few": lambda rng, members: _flat(rng.choices(members, k=max(1, len(members) - 1))),
    "cut": lambda rng, members: _flat(rng.choices(members, k=len(members)))[: len(_flat(members))],
    "as many as rows": lambda rng, members: _flat(rng.choices(members, k=len(_flat(members)))),
}


def _quantile(found: list[float], share: float) -> float:
    place = share * (len(found) - 1)
    left = min(int(place), len(found) - 1)
    right = min(left + 1, len(found) - 1)
    return found[left] + (place - left) * (found[right] - found[left])


def _quantiles(found: list[float], whole: float, tails: tuple[float, float]) -> tuple[float, float]:
    return _quantile(found, tails[0]), _quantile(found, tails[1])


def _nearest(found: list[float], whole: float, tails: tuple[float, float]) -> tuple[float, float]:
    return tuple(found[min(int(share * len(found)), len(found) - 1)] for share in tails)


def _errors(times: float = 0.0, *, around: str = "statistic", divisor: bool = False) -> Callable[..., tuple]:
    """So many standard deviations of the draws to both sides; 0 stands for as many as the level asks for."""

    def ends(found: list[float], whole: float, tails: tuple[float, float]) -> tuple[float, float]:
        error = (times or NormalDist().inv_cdf(tails[1])) * pstdev(found)
        error /= len(found) ** 0.5 if divisor else 1.0
        middle = fmean(found) if around == "draws" else whole
        return middle - error, middle + error

    return ends


def _turned(found: list[float], whole: float, tails: tuple[float, float]) -> tuple[float, float]:
    low, high = _quantiles(found, whole, tails)
    return 2 * whole - high, 2 * whole - low


ENDS: dict[str, Callable[..., tuple[float, float]]] = {
    "quantiles": _quantiles,
    "nearest": _nearest,
    "standard error": _errors(1.0),
    "two standard errors": _errors(1.96),
    "normal": _errors(),
    "normal around the draws": _errors(around="draws"),
    "error of the mean": _errors(1.96, divisor=True),
    "turned": _turned,
    "all": lambda found, whole, tails: (found[0], found[-1]),
    "around": lambda found, whole, tails: tuple(end - whole for end in _quantiles(found, whole, tails)),
}


def tears_a_group_apart(call: Call, args: tuple, got: tuple[float, float]) -> bool:
    """One group is drawn whole, whatever the numbers: the interval has no width."""
    _, _, _, draws, level, seed = args
    low, high = call(Statistic("spread"), [[0.0, 2.0, 4.0]], [0, 0, 0], draws, level, seed)
    return abs(low - high) > 1e-6


def symmetric(call: Call, args: tuple, got: tuple[float, float]) -> bool:
    """As far to the left of the statistic as to the right, which quantiles of draws are by accident only."""
    statistic, columns, *_ = args
    low, high = got
    return low != high and abs((low + high) / 2 - statistic(*columns)) < 1e-9


def other_numbers_drawn(call: Call, args: tuple, got: tuple[float, float]) -> bool:
    """Close to the right interval, as another seed would be."""
    statistic, columns, groups, _, level, seed = args
    wanted = interval_oracle(statistic, columns, groups, 1500, level, seed)
    found = call(statistic, columns, groups, 1500, level, seed)
    far = max(abs(a - b) for a, b in zip(found, wanted, strict=True))
    return 1e-6 < far < 0.08 * (wanted[1] - wanted[0])


def _runs(kind: str, sizes: Sequence[int], *, draws: int = 150, level: float = 0.9, mixed: bool = False):
    """Groups of rows that share most of their luck."""

    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        rows = []
        for group, size in enumerate(sizes):
            x, luck = rng.gauss(0, 1) + group / 3, rng.gauss(0, 1) ** 2
            for _ in range(size):
                rows.append((group, x + 0.2 * rng.gauss(0, 1), 2 * x + luck + 0.2 * rng.gauss(0, 1)))
        if mixed:
            rng.shuffle(rows)
        renamed = {group: i for i, group in enumerate(dict.fromkeys(row[0] for row in rows))}
        n_columns = 1 if kind in ("mean", "largest", "spread") else 2
        columns = [[round(row[1 + i], 3) for row in rows] for i in range(n_columns)]
        seed = rng.randrange(1000)
        return Statistic(kind), columns, [renamed[row[0]] for row in rows], draws, level, seed

    return draw


group_interval = Exercise(
    name="group_interval",
    arguments=("statistic", "columns", "groups", "draws", "level", "seed"),
    returns="two numbers, low and high",
    reference=interval_oracle,
    attempt=interval_attempt,
    tolerance=1e-6,
    faults=(
        Fault(
            "groups ignored",
            "You draw single rows. Rows of one group share their luck, so drawing them one by one makes the "
            "interval too narrow: draw groups, and take all rows of each.",
            {"drawn": "rows"},
        ),
        Fault(
            "drawn without putting back",
            "Each of your draws has every group once, so nothing can vary. `rng.choices` puts back, "
            "`rng.sample` and `rng.shuffle` do not.",
            {"drawn": "not put back"},
        ),
        Fault(
            "twice counts once",
            "A group that was drawn twice counts once in your answer. It counts twice: go through the drawn "
            "groups one by one, without `set` or `in`.",
            {"drawn": "each once"},
        ),
        Fault(
            "columns drawn apart",
            "Each column has a draw of its own, so x of one run meets y of another. Draw once, and take the "
            "same rows of every column.",
            {"drawn": "columns apart"},
        ),
        Fault(
            "drawn inside the groups",
            "You keep every group and draw among its rows. What varies from experiment to experiment is "
            "which groups there are.",
            {"drawn": "inside groups"},
        ),
        Fault(
            "means of groups",
            "You average each group first. The statistic wants rows: all rows of the groups that were drawn.",
            {"drawn": "means"},
        ),
        Fault(
            "one row of each group",
            "You take one row of each drawn group. All of its rows come along.",
            {"drawn": "one row of each"},
        ),
        Fault(
            "as many groups as rows",
            "You draw as many groups as there are rows. Draw as many groups as there are groups.",
            {"drawn": "as many as rows"},
        ),
        Fault(
            "cut to as many rows",
            "You cut each draw to as many rows as there were. Groups have different sizes, so draws have "
            "too: keep them whole.",
            {"drawn": "cut"},
        ),
        Fault(
            "one group too few",
            "You draw one group too few: as many as there are.",
            {"drawn": "too few"},
        ),
        Fault(
            "standard error",
            "This is the statistic, plus and minus the standard deviation of the draws. Wanted are quantiles "
            "of the draws: they may lie further on one side.",
            {"ends": "standard error"},
        ),
        Fault(
            "1.96 standard errors",
            "This is a normal interval, statistic ± 1.96 standard deviations, whatever `level` says. Take "
            "quantiles of the draws.",
            {"ends": "two standard errors"},
        ),
        Fault(
            "normal interval",
            "This is the interval of a normal distribution, so many standard deviations to both sides. Take "
            "quantiles of the draws: they may lie further on one side.",
            {"ends": "normal"},
        ),
        Fault(
            "normal interval around the mean draw",
            "This is the interval of a normal distribution around the mean of the draws. Take quantiles of "
            "the draws.",
            {"ends": "normal around the draws"},
        ),
        Fault(
            "divided by the root of draws",
            "You divide by √draws. More draws tell the same uncertainty more exactly; they do not make it "
            "smaller.",
            {"ends": "error of the mean"},
        ),
        Fault(
            "turned around the statistic",
            "This is 2 · statistic − quantile, the *basic* bootstrap. The percentile interval is asked for: "
            "the quantiles themselves.",
            {"ends": "turned"},
        ),
        Fault(
            "smallest and largest",
            "These are the smallest and the largest draw. Take quantiles.",
            {"ends": "all"},
        ),
        Fault(
            "difference from the statistic",
            "These are distances from the statistic. The ends themselves are asked for.",
            {"ends": "around"},
        ),
        Fault(
            "no interpolation",
            "You take the draw at place `int(share * draws)`. `numpy.quantile` goes between two draws: place "
            "share · (draws − 1), counted from 0.",
            {"ends": "nearest"},
        ),
        Fault(
            "both tails too wide",
            "You cut 1 − level off at each end. Half of it belongs to each.",
            {"tails": "whole"},
        ),
        Fault(
            "one end only",
            "The upper end is the quantile `level`. It is (1 + level) / 2.",
            {"tails": "lopsided"},
        ),
        Fault("always 95 %", "The interval holds 95 % whatever `level` says.", {"tails": "always 95 %"}),
        Fault("always 90 %", "The interval holds 90 % whatever `level` says.", {"tails": "always 90 %"}),
        Fault("high first", "Right numbers in the wrong order: low, then high.", {"swapped": True}),
    ),
    laws=(
        Law(
            "a group is torn apart",
            "With a single group every draw is that group, and the interval has no width. Yours has one: are "
            "whole groups drawn?",
            tears_a_group_apart,
        ),
        Law(
            "plus and minus",
            "Your interval reaches as far below the statistic as above it, like plus and minus some error. "
            "Quantiles of the draws may lie further on one side.",
            symmetric,
        ),
        Law(
            "other random numbers",
            "It looks like a bootstrap, with other random numbers or another rule for quantiles than "
            "`np.quantile`. So that answers can be compared: make "
            "`rng = random.Random(seed)` once, and call `rng.choices(labels, k=len(labels))` once for each "
            "draw, with the labels 0, 1, 2, … in order.",
            other_numbers_drawn,
        ),
    ),
    cases=(
        Case("each row a group of its own", _runs("mean", [1] * 9)),
        Case("three seeds of each point", _runs("mean", [3] * 6, level=0.8)),
        Case("pairs: a gap between two columns", _runs("gap", [2] * 7)),
        Case("pairs: a slope, groups of many sizes", _runs("slope", [1, 4, 2, 3, 5, 2, 3])),
        Case("rows in any order", _runs("spread", [2, 3, 4, 2, 3], mixed=True, level=0.95)),
        Case("an extreme", _runs("largest", [3, 1, 2, 2, 4], draws=40, level=0.5)),
        Case("a single group", _runs("spread", [5], draws=20)),
    ),
    shortcuts=("tinygpt.scaling", "scipy.stats.bootstrap"),
)
