"""Exercise 2 of chapter 10: how often a text must be read to be worth so many new tokens."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law


def worth(unique: float, epochs: float, r_star: float) -> float:
    """New tokens that so many epochs are worth; the first one may be cut short."""
    if epochs <= 1:
        return unique * epochs
    return unique + unique * r_star * (1 - math.exp(-(epochs - 1) / r_star))


def epochs_oracle(unique: int, goal: int, r_star: float) -> float:
    """By halving, on the way there."""
    if goal >= unique * (1 + r_star):
        return math.inf
    low, high = 0.0, 1.0
    while worth(unique, high, r_star) < goal:
        low, high = high, 2 * high
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if worth(unique, middle, r_star) < goal else (low, middle)
    return high


def epochs_attempt(
    unique: int,
    goal: int,
    r_star: float,
    *,
    way: str = "solved",
    first: str = "counted",
    part: str = "share",
    never: float | str = math.inf,
    star: str = "both",
    log: str = "ln",
    unit: str = "epochs",
) -> float:
    """The formula turned round, with a knob for each known way to go wrong."""
    times = goal / unique
    more = (times if first in ("new", "new and forgotten") else times - 1) / (
        1 if star == "outside" else r_star
    )
    if way == "every epoch counts fully":
        found = times
    elif way == "not turned round":
        found = worth(unique, times, r_star) / unique
    elif times <= 1 and part != "formula":
        found = {"share": times, "one": 1.0, "none": 0.0}[part]
    elif more >= 1:
        found = {"most": 1 + r_star, "share": times}[never] if isinstance(never, str) else never
    else:
        found = LOGS[log](1 - more) * -(1 if star == "inside" else r_star)
        found += first in ("counted", "new")
    if unit == "whole" and math.isfinite(found):
        return float(math.ceil(found))
    return found * unique if unit == "tokens" else found


LOGS: dict[str, Callable[[float], float]] = {
    "ln": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "sign": lambda x: -math.log(x),
}


def promises_too_much(call: Call, args: tuple, got: float) -> bool:
    return math.isfinite(call(1000, 20_000, 4.0))


def first_epoch_is_not_one(call: Call, args: tuple, got: float) -> bool:
    return abs(call(1000, 1000, 5.0) - 1) > 1e-3


def is_not_worth_the_goal(call: Call, args: tuple, got: float) -> bool:
    unique, goal, r_star = args
    return math.isfinite(got) and not math.isclose(worth(unique, got, r_star), goal, rel_tol=1e-4)


def _text(low: float, high: float) -> Callable[[Generator], tuple]:
    """A text, and a goal as a share of the way from its first epoch to the most that it can be worth."""

    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        unique, r_star = rng.randint(1, 999) * 10 ** rng.randint(3, 6), round(rng.uniform(1.5, 20), 2)
        return unique, int(unique * (1 + rng.uniform(low, high) * r_star)), r_star

    return draw


def _less_than_one(generator: Generator) -> tuple:
    rng = dice(generator)
    unique = rng.randint(10, 999) * 10 ** rng.randint(3, 6)
    return unique, int(unique * rng.uniform(0.1, 0.8)), round(rng.uniform(1.5, 20), 2)


def _exactly(times: int | str) -> Callable[[Generator], tuple]:
    """A goal of whole epochs: one, or as many as the text is worth at the very most."""

    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        unique, r_star = rng.randint(1, 999) * 1000, rng.randint(3, 20)
        return unique, unique * (1 + r_star if times == "most" else int(times)), float(r_star)

    return draw


epochs_needed = Exercise(
    name="epochs_needed",
    arguments=("unique", "goal", "r_star"),
    returns="a number of epochs, which may be math.inf",
    reference=epochs_oracle,
    attempt=epochs_attempt,
    tolerance=1e-3,
    faults=(
        Fault(
            "the first epoch not counted",
            "This is R, the number of *repetitions*. The first epoch repeats nothing and is one more: R + 1.",
            {"first": "forgotten"},
        ),
        Fault(
            "the first epoch repeats already",
            "You put goal / U where goal / U − 1 belongs: the first U tokens are new, and count fully.",
            {"first": "new"},
        ),
        Fault(
            "repetitions from the start",
            "You treat all epochs as repetitions. Take the first U off the goal, ask how many repetitions "
            "are worth the rest, and add the first epoch.",
            {"first": "new and forgotten"},
        ),
        Fault(
            "every epoch counts fully",
            "You return goal / U, as if an old token were as good as a new one.",
            {"way": "every epoch counts fully"},
        ),
        Fault(
            "not turned round",
            "This is what goal / U epochs are *worth*. Asked is how many epochs are worth the goal: solve "
            "for R.",
            {"way": "not turned round"},
        ),
        Fault(
            "part of an epoch by the formula",
            "The goal is less than one epoch, so nothing is repeated: read that share of the text, goal / U. "
            "With a negative R the formula makes the first reading worth more than it is.",
            {"part": "formula"},
        ),
        Fault(
            "part of an epoch rounded up",
            "The goal is less than one epoch: read only that share of the text, goal / U.",
            {"part": "one"},
        ),
        Fault(
            "part of an epoch is none",
            "The goal is less than one epoch, and you read nothing: read that share of the text, goal / U.",
            {"part": "none"},
        ),
        Fault(
            "the most in place of never",
            "You return 1 + R*, which is what endless reading is *worth* in epochs. No number of epochs gets "
            "there: the answer is `math.inf`.",
            {"never": "most"},
        ),
        Fault(
            "goal / U where it is never",
            "You return goal / U where no number of epochs is worth the goal: the answer is `math.inf`.",
            {"never": "share"},
        ),
        Fault("nan for never", "You return nan where the answer is `math.inf`.", {"never": math.nan}),
        Fault(
            "zero for never",
            "You return 0 where no number of epochs is worth the goal: the answer is `math.inf`.",
            {"never": 0.0},
        ),
        Fault(
            "minus one for never",
            "You return −1 where no number of epochs is worth the goal: the answer is `math.inf`.",
            {"never": -1.0},
        ),
        Fault(
            "not divided by R*",
            "Inside of the logarithm stands 1 − (goal / U − 1) / **R***. Write the formula down and divide "
            "by U · R* first.",
            {"star": "outside"},
        ),
        Fault(
            "not multiplied by R*",
            "You found R / R*. Multiply by R* before you add the first epoch.",
            {"star": "inside"},
        ),
        Fault(
            "decimal logarithm",
            "You take the decimal logarithm. What undoes `exp` is `math.log`.",
            {"log": "log10"},
        ),
        Fault("logarithm of base 2", "You take log₂. What undoes `exp` is `math.log`.", {"log": "log2"}),
        Fault(
            "minus lost",
            "R comes out negative: the logarithm of a share is, so R = −R* · log(…).",
            {"log": "sign"},
        ),
        Fault(
            "tokens in place of epochs", "These are tokens that are read. Divide by U.", {"unit": "tokens"}
        ),
        Fault(
            "whole epochs",
            "You round up. An epoch may stop in the middle: return the number as it is.",
            {"unit": "whole"},
        ),
    ),
    laws=(
        Law(
            "promises too much",
            "You find a number of epochs where there is none: no text is ever worth more than U · (1 + R*).",
            promises_too_much,
        ),
        Law(
            "one epoch is not 1",
            "U new tokens are one epoch over U. Yours says otherwise.",
            first_epoch_is_not_one,
        ),
        Law(
            "not worth the goal",
            "Put your number of epochs into the formula: it is not worth the goal.",
            is_not_worth_the_goal,
        ),
    ),
    cases=(
        Case("a little more than one epoch", _text(0.01, 0.2)),
        Case("most of the way to the most", _text(0.5, 0.95), times=2),
        Case("exactly one epoch", _exactly(1)),
        Case("less than one epoch", _less_than_one),
        Case("more than it can ever be worth", _text(1.1, 3.0)),
        Case("exactly the most", _exactly("most")),
    ),
)
