"""Exercise 5 of chapter 08: a verifier that takes no answer for right that is not."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from torch import Generator

from tinygpt.data.worlds import steps_of, terms_of
from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Case, Exercise, Fault

WHOLE = re.compile(r"(?:(?!so\b)\S+ )*so (\d) (\d) \.")


def verdict_oracle(terms: list[int], text: str) -> float:
    """By a pattern for the whole answer: anything but "so", then one result, then nothing."""
    found = WHOLE.fullmatch(text)
    return float(bool(found) and int(found[1] + found[2]) == sum(terms))


def verdict_attempt(terms: list[int], text: str, *, method: str = "strict", takes: str = "sum") -> float:
    """The verdict with a knob for each known way to be fooled."""
    truth = sum(terms) if takes == "sum" else terms[0] if takes == "first" else sum(terms[:2])
    tens, units = divmod(truth, 10)
    said, words = f"{tens} {units}", text.split()
    behind = text.rpartition("so ")[2] if "so " in text else ""
    right = {
        "strict": words[-4:] == ["so", str(tens), str(units), "."] and words.count("so") == 1,
        "anywhere": said in text,
        "any result": f"so {said} ." in text,
        "first result": text.partition("so ")[2].startswith(f"{said} ."),
        "last result": behind.startswith(f"{said} ."),
        "end": text.endswith(f"so {said} ."),
        "end without so": text.endswith(f"{said} ."),
        "begins": behind.startswith(said) and words.count("so") == 1,
        "one so": f"so {said} ." in text and words.count("so") == 1,
        "last step": f"= {said} ." in text,
        "units": words[-2:] == [str(units), "."] and words.count("so") == 1,
        "unspaced": f"so {truth} ." in text,
        "no zero": words[-4:] == ["so", *str(truth), "."] and words.count("so") == 1,
        "always": "so " in text,
    }[method]
    return float(right)


def _spaced(n: int) -> str:
    return " ".join(f"{n:02d}")


def _draw(make: Callable[[random.Random, list[int], str], str]) -> Callable[[Generator], tuple]:
    """Terms of a sum, and what `make` makes of them and of the right steps without the result."""

    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        terms = terms_of(rng, rng.choice((2, 3, 4)))
        steps = steps_of(terms).partition("so ")[0]
        return terms, make(rng, terms, steps)

    return draw


def _other(rng: random.Random, n: int) -> int:
    return rng.choice([m for m in range(100) if m != n])


def _right(rng: random.Random, terms: list[int], steps: str) -> str:
    return f"{steps if rng.random() < 0.7 else ''}so {_spaced(sum(terms))} ."


def _small(generator: Generator) -> tuple:
    rng = dice(generator)
    terms = [rng.randrange(5), rng.randrange(5)]
    return terms, steps_of(terms)


def _wrong(rng: random.Random, terms: list[int], steps: str) -> str:
    """The steps may hold the truth; the result does not."""
    truth = sum(terms)
    near = (truth + 10 * rng.randint(1, 9)) % 100 if rng.random() < 0.5 else _other(rng, truth)
    return f"{steps}so {_spaced(near)} ."


def _hedged(rng: random.Random, terms: list[int], steps: str) -> str:
    """Several results, the right one first, last or between."""
    results = [sum(terms), _other(rng, sum(terms)), _other(rng, sum(terms))]
    rng.shuffle(results)
    return steps + " ".join(f"so {_spaced(result)} ." for result in results[: rng.choice((2, 3))])


def _copied(rng: random.Random, terms: list[int], steps: str) -> str:
    """The question's numbers, or its first one as a result."""
    asked = " + ".join(map(_spaced, terms))
    copy = terms[0] if terms[0] != sum(terms) else _other(rng, sum(terms))
    return rng.choice((f"{asked} .", f"{asked} = {_spaced(sum(terms))} .", f"so {_spaced(copy)} ."))


def _goes_on(rng: random.Random, terms: list[int], steps: str) -> str:
    more = rng.choice((str(rng.randrange(10)), "+ 0 1 .", ". the end .", _spaced(_other(rng, sum(terms)))))
    stop = rng.choice(("", " ."))
    return f"{steps}so {_spaced(sum(terms))}{stop} {more}"


def _cut(rng: random.Random, terms: list[int], steps: str) -> str:
    return rng.choice((steps.strip(), f"{steps}so", f"{steps}so {_spaced(sum(terms))[0]}", ""))


verdict = Exercise(
    name="verdict",
    arguments=("terms", "text"),
    returns="1.0 or 0.0",
    reference=verdict_oracle,
    attempt=verdict_attempt,
    faults=(
        Fault(
            "truth anywhere",
            "You look for the right number anywhere in the answer. A policy that is paid for that learns to "
            "say many numbers. Only the result counts, and there is one.",
            {"method": "anywhere"},
        ),
        Fault(
            "any of several results",
            "An answer with several results passes if one of them is right. That pays for guessing: `so` may "
            "stand there once.",
            {"method": "any result"},
        ),
        Fault(
            "first of several results",
            "You read the first `so` and do not look on. An answer that gives two results has given none.",
            {"method": "first result"},
        ),
        Fault(
            "last of several results",
            "You read behind the last `so`. An answer that gives two results has given none: count `so`.",
            {"method": "last result"},
        ),
        Fault(
            "last of several results",
            "The end is right, but there may be other results before it. An answer that gives two results "
            "has given none: count `so`.",
            {"method": "end"},
        ),
        Fault(
            "no result asked for",
            "You look at the last number, whether or not `so` stands before it. Steps without a result pass.",
            {"method": "end without so"},
        ),
        Fault(
            "what follows is not read",
            "You read the result and not what comes after it, so `so 4 2 7 .` passes for 42. The answer ends "
            "with the result and a full stop.",
            {"method": "begins"},
        ),
        Fault(
            "what follows is not read",
            "You find the result and do not ask whether the answer ends there. It must.",
            {"method": "one so"},
        ),
        Fault(
            "last step in place of the result",
            "You accept a right step. The result behind `so` may still be another.",
            {"method": "last step"},
        ),
        Fault(
            "last digit only",
            "You compare the last digit. A tenth of all guesses passes.",
            {"method": "units"},
        ),
        Fault(
            "digits not spaced",
            "In the village digits stand apart: 42 is `4 2`. You never find a right answer.",
            {"method": "unspaced"},
        ),
        Fault(
            "zero in front missed",
            "Every number has two digits here: 7 is `0 7`. You call right answers below 10 wrong.",
            {"method": "no zero"},
        ),
        Fault("any result at all", "You pay for every result, right or wrong.", {"method": "always"}),
        Fault(
            "copied from the question",
            "You compare with the first number of the question: a copy passes. Add up all terms.",
            {"takes": "first"},
        ),
        Fault(
            "first two terms only",
            "You add the first two terms. Add up all of them.",
            {"takes": "first two"},
        ),
    ),
    cases=(
        Case("right answers", _draw(_right), times=6),
        Case("results below ten", _small, times=2),
        Case("wrong results behind right steps", _draw(_wrong), times=8),
        Case("several results", _draw(_hedged), times=8),
        Case("copies of the question", _draw(_copied), times=8),
        Case("answers that go on", _draw(_goes_on), times=8),
        Case("answers without a result", _draw(_cut), times=4),
    ),
)
