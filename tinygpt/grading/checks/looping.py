"""The bug hunt of chapter 05, "The same rows": what is wrong with a training loop, seen from outside?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import fmean

from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

Batches = Sequence[Sequence[float]]
WORDS = ("mean", "rate", "leftover")


@dataclass(frozen=True)
class Loop:
    """A training loop of one weight that starts at 0, which may be faulty in known ways.

    A row is a number y, its loss (w − y)² / 2, its gradient w − y. It is described by plain values, so that a
    judge can rebuild it in another process.

    Args:
        faults: any of "mean" (batches of a step count alike, however many rows they have), "rate" (the rate
            moves on with every batch and not with every step) and "leftover" (a step's gradient is added to
            that of the steps before).
    """

    faults: tuple[str, ...] = ()

    def __call__(self, batches: Batches, accumulate: int, rates: Sequence[float]) -> list[float]:
        """The weight after each step."""
        return looped(batches, accumulate, rates, self.faults)


def looped(
    batches: Batches,
    accumulate: int,
    rates: Sequence[float],
    faults: Sequence[str] = (),
    *,
    kept: bool = True,
    tail: str = "dropped",
    sign: int = -1,
    divided: bool = True,
) -> list[float]:
    """Trains the one weight; `faults` and the knobs are known ways to go wrong."""
    w, left, weights = 0.0, 0.0, []
    stop = len(batches) if tail == "used" else len(batches) - accumulate + 1
    for step, start in enumerate(range(0, stop, accumulate)):
        part = [batch for batch in batches[start : start + accumulate] if batch]
        means = [fmean(w - y for y in batch) for batch in part]
        rows = list(chain.from_iterable(part))
        gradient = fmean(means) if "mean" in faults else w - fmean(rows)
        if not divided:
            gradient = sum(w - y for y in rows)
        if "summed" in faults:
            gradient = sum(means)
        left = left + gradient if "leftover" in faults else gradient
        number = start + accumulate - 1 if "rate" in faults else start if "rate early" in faults else step
        w += sign * rates[min(number, len(rates) - 1)] * left
        weights.append(w)
        w = w if kept else 0.0
    return weights


def faults_oracle(loop: Loop) -> list[str]:
    """The truth, known from how the loop was made."""
    return [word for word in WORDS if word in loop.faults]


def faults_attempt(
    loop: Callable[..., list[float]],
    *,
    sizes: tuple[int, int] = (3, 1),
    rates: tuple[float, ...] = (0.5, 0.1, 0.1, 0.1),
    together: int = 2,
    steps: int = 2,
    always: str = "",
    one: bool = False,
    reverse: bool = False,
) -> list[str]:
    """Three probes, each for one fault, with a knob for each known way to go wrong."""
    rows = [[2.0] * sizes[0], [6.0] * sizes[1]]
    rows = rows if together == 2 else rows[:1]
    first = loop(rows, together, [1.0] * 4)[0]
    found = {"mean": abs(first - fmean(chain.from_iterable(rows))) > 1e-6}
    alike = [[1.0]] * together * 2
    moved = loop(alike, together, list(rates))
    found["rate"] = abs(moved[0] - rates[0]) > 1e-6
    again = loop([[1.0], [3.0]][:steps], 1, [1.0] * 4)
    found["leftover"] = steps > 1 and abs(again[1] - 3.0) > 1e-6
    words = [word for word in WORDS if found[word] or word == always]
    return words[:1] if one else words[::-1] if reverse else words


def accuses_a_sound_loop(call: Call, args: tuple, got: list[str]) -> bool:
    return bool(call(Loop()))


def invents(call: Call, args: tuple, got: list[str]) -> bool:
    return bool(set(got) - set(WORDS))


def _loop(*faults: str) -> Callable[[Generator], tuple]:
    return lambda generator: (Loop(faults),)


loop_faults = Exercise(
    name="loop_faults",
    arguments=("loop",),
    returns="a list of words",
    reference=faults_oracle,
    attempt=faults_attempt,
    faults=(
        Fault(
            "batches of one size",
            "Your batches all have as many rows, and then the mean of their means is the mean of all rows. "
            "Give `loop` a step of a long and a short batch.",
            {"sizes": (1, 1)},
        ),
        Fault(
            "one rate for all",
            "Your rates are all the same, so it cannot be seen which one was used. Let them differ, and "
            "look at the first step.",
            {"rates": (0.5, 0.5, 0.5, 0.5)},
        ),
        Fault(
            "one batch a step",
            "With accumulate=1 a step is one batch: neither the mean nor the rate can go wrong. Ask with "
            "accumulate=2.",
            {"together": 1},
        ),
        Fault(
            "one step only",
            "After one step nothing can be left over. Let the loop make two.",
            {"steps": 1},
        ),
        Fault(
            "mean always accused",
            'Every answer has "mean". Compare with the mean of all rows, in a step of a long and a '
            "short batch.",
            {"always": "mean"},
        ),
        Fault(
            "rate always accused",
            'Every answer has "rate". Step k should use `rates[k]`: with equal rows of 1 and a weight '
            "of 0 the "
            "first step goes to `rates[0]`.",
            {"always": "rate"},
        ),
        Fault(
            "leftover always accused",
            'Every answer has "leftover". With rate 1 each step goes to the mean of its own rows, '
            "wherever the "
            "weight was.",
            {"always": "leftover"},
        ),
        Fault("one fault only", "You stop at the first fault. A loop may have three.", {"one": True}),
        Fault(
            "another order", 'Right words in another order: "mean", "rate", "leftover".', {"reverse": True}
        ),
    ),
    laws=(
        Law(
            "unknown word",
            'The words are "mean", "rate" and "leftover".',
            invents,
        ),
        Law(
            "a sound loop accused",
            "A sound loop is accused. Work out on paper what it should answer to your question.",
            accuses_a_sound_loop,
        ),
    ),
    cases=(
        Case("a sound loop: the list is empty", _loop()),
        Case("a short batch counts as much as a long one", _loop("mean")),
        Case("the rate moves on with every batch", _loop("rate")),
        Case("old gradients are added", _loop("leftover")),
        Case("two faults", _loop("mean", "leftover")),
        Case("two others", _loop("mean", "rate")),
        Case("all three", _loop(*WORDS)),
    ),
)


def mended_oracle(batches: Batches, accumulate: int, rates: Sequence[float]) -> list[float]:
    """A step with rate r goes r of the way to the mean of its rows."""
    w, weights = 0.0, []
    for step in range(len(batches) // accumulate):
        rows = list(chain(*batches[step * accumulate : (step + 1) * accumulate]))
        w = (1 - rates[step]) * w + rates[step] * sum(rows) / len(rows)
        weights.append(w)
    return weights


def mended_attempt(
    batches: Batches,
    accumulate: int,
    rates: Sequence[float],
    *,
    mean: str = "rows",
    rate: str = "step",
    leftover: bool = False,
    kept: bool = True,
    tail: str = "dropped",
    sign: int = -1,
) -> list[float]:
    """The loop with a knob for each known way to go wrong."""
    faults = [*([rate] if rate != "step" else []), *(["leftover"] if leftover else [])]
    faults += {"batches": ["mean"], "summed": ["summed"]}.get(mean, [])
    return looped(
        batches, accumulate, rates, faults, kept=kept, tail=tail, sign=sign, divided=mean != "rows summed"
    )


def _training(sizes: str, accumulate: int, extra: int = 0) -> Callable[[Generator], tuple]:
    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        n = 4 * accumulate + extra
        longest = 1 if sizes == "one row" else 5
        batches = [[float(rng.randint(-9, 9)) for _ in range(rng.randint(1, longest))] for _ in range(n)]
        return batches, accumulate, [round(0.9 * 0.8**k, 3) for k in range(n)]

    return draw


mended_loop = Exercise(
    name="mended_loop",
    arguments=("batches", "accumulate", "rates"),
    returns="a list of numbers, the weight after each step",
    reference=mended_oracle,
    attempt=mended_attempt,
    tolerance=1e-6,
    faults=(
        Fault(
            "mean of means",
            "Every batch counts alike, however many rows it has. Add up all rows' gradients of the step, and "
            "divide by the number of rows.",
            {"mean": "batches"},
        ),
        Fault(
            "means added up",
            "The batches' means are added and not averaged: the step is `accumulate` times too long.",
            {"mean": "summed"},
        ),
        Fault(
            "rows added up",
            "The gradients of all rows are added. Divide by their number.",
            {"mean": "rows summed"},
        ),
        Fault(
            "rate moves with every batch",
            "The rate moves on with every batch. Step k uses `rates[k]`.",
            {"rate": "rate"},
        ),
        Fault(
            "rate of the first batch",
            "Step k uses the rate with the number of its first *batch*. It uses `rates[k]`.",
            {"rate": "rate early"},
        ),
        Fault(
            "leftover gradient",
            "The gradient of earlier steps is still in the sum. Set it to 0 after each step.",
            {"leftover": True},
        ),
        Fault("no memory", "Each step starts again at 0. The weight lives on.", {"kept": False}),
        Fault(
            "unfinished step made",
            "The last batches are too few for a step, and one is made all the same. They wait for the "
            "next call.",
            {"tail": "used"},
        ),
        Fault("uphill", "The step is added. Gradients point uphill: subtract.", {"sign": 1}),
    ),
    laws=(),
    cases=(
        Case("one batch a step, of one row", _training("one row", 1)),
        Case("one batch a step", _training("many", 1)),
        Case("three batches a step, of one row each", _training("one row", 3)),
        Case("three batches a step, long and short", _training("many", 3)),
        Case("two batches over", _training("many", 4, extra=2)),
    ),
)
