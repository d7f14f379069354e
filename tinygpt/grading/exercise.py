"""An exercise is data: what is asked, what is right, and how people go wrong.

Nothing here calls an answer. `check.py` does that inside the learner's own process; a judge can draw the same
inputs, call the answer somewhere else and compare the values itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch

Call = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """One thing that is asked of an answer.

    Args:
        title: What this case shows, as a noun phrase: "a batch of two sequences".
        draw: Turns a seeded generator into the arguments of one call.
        points: What the case is worth.
        advice: What to say when the answer is wrong here and no fault or law explains it.
        times: How many inputs are drawn for each seed: many, where one answer says little.
    """

    title: str
    draw: Callable[[torch.Generator], tuple]
    points: int = 1
    advice: str = ""
    times: int = 1


@dataclass(frozen=True)
class Fault:
    """A known mistake: `attempt(*args, **knobs)` gives the very output that somebody who makes it gets.

    Args:
        name: A short unique name: "future leaks".
        says: The diagnosis: what the answer does, and what to do instead.
        knobs: The keyword arguments of the exercise's `attempt` that bring the mistake about.
    """

    name: str
    says: str
    knobs: Mapping[str, Any]

    def __add__(self, other: Fault) -> Fault:
        says = f"Two mistakes at once. 1. {self.says} 2. {other.says}"
        return Fault(f"{self.name} + {other.name}", says, {**self.knobs, **other.knobs})


@dataclass(frozen=True)
class Law:
    """A property of every right answer, for the mistakes that nobody has listed yet.

    Args:
        name: A short unique name.
        says: The diagnosis when the law is broken.
        broken: `broken(call, args, got)` is true when `got == call(*args)` breaks the law. It may call again.
    """

    name: str
    says: str
    broken: Callable[[Call, tuple, Any], bool]


@dataclass(frozen=True)
class Exercise:
    """What is asked, what is right, and how people go wrong.

    Args:
        name: The name the learner defines, which is also how an answer is found.
        arguments: The names of the arguments, in order. None: the answer is a value, not a function.
        returns: What the answer is, for messages: its shape in letters, "B T S", or "a list of ids".
        reference: An independent right answer, by preference somebody else's code.
        attempt: One implementation with a knob for each known way to go wrong; without knobs it is right.
        faults: The known mistakes, the likeliest first.
        laws: Properties of every right answer, the most telling first.
        cases: What is asked, the easiest first. The learner sees all of them.
        tolerance: Largest allowed absolute difference, for floating-point answers.
        measured: `measured(value, *args)` turns what an answer gives into what is compared, where that is not
            the value itself: a model into its outputs, a training run into whether its loss is low enough.
        shortcuts: Dotted names that do what is asked, "torch.optim.AdamW", for the judge to flag; a name that
            begins with a dot is a method of anything, ".softmax".
    """

    name: str
    arguments: tuple[str, ...]
    returns: str
    reference: Call
    attempt: Call
    faults: tuple[Fault, ...]
    cases: tuple[Case, ...]
    laws: tuple[Law, ...] = ()
    tolerance: float = 1e-4
    measured: Call | None = None
    shortcuts: tuple[str, ...] = ()

    @property
    def signature(self) -> str:
        return f"{self.name}({', '.join(self.arguments)})"

    @property
    def points(self) -> int:
        return sum(case.points for case in self.cases)

    def mistakes(self) -> Iterator[Fault]:
        """Every known mistake, then every two of them that can be made at once."""
        yield from self.faults
        for one, other in combinations(self.faults, 2):
            if not one.knobs.keys() & other.knobs.keys():
                yield one + other
