"""Exercise 1 of chapter 05: the learning rate of a step."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from torch import Generator

from tinygpt.grading.checks.draws import dice
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law


def rate_oracle(step: int, steps: int, peak: float, warmup: int, decay: int, final: float) -> float:
    """Straight lines between the corners, by NumPy."""
    last = steps - 1
    places = [-1, warmup - 1, last - decay, last]
    return float(np.interp(step, places, [0.0, peak, peak, final * peak]))


def rate_attempt(
    step: int,
    steps: int,
    peak: float,
    warmup: int,
    decay: int,
    final: float,
    *,
    first: str = "one share",
    plateau: bool = True,
    bottom: str = "share of the peak",
    start: str = "right",
    shape: str = "straight",
) -> float:
    """The schedule with a knob for each known way to go wrong."""
    if first != "none" and step < warmup:
        share = {"nothing": step / warmup, "one too many": (step + 1) / (warmup + 1)}
        return peak * share.get(first, (step + 1) / warmup)
    last = steps - 1
    begin = {"late": last - decay + 1, "from the end": steps - decay}.get(start, last - decay)
    length = {"late": decay - 1, "from the end": decay}.get(start, decay)
    if not plateau:
        begin, length = warmup - 1, last - warmup + 1
    done = min(1.0, max(0.0, step - begin) / max(1, length))
    low = {"zero": 0.0, "a rate": final, "the fall": (1 - final) * peak}.get(bottom, final * peak)
    if shape == "cosine":
        done = (1 - math.cos(math.pi * done)) / 2
    if shape == "geometric":
        return peak * (low / peak) ** done
    return peak + (low - peak) * done


def never_at_the_peak(call: Call, args: tuple, got: float) -> bool:
    _, steps, peak, warmup, decay, final = args
    return abs(call(warmup, steps, peak, warmup, decay, final) - peak) > 1e-9


def ends_elsewhere(call: Call, args: tuple, got: float) -> bool:
    _, steps, peak, warmup, decay, final = args
    return abs(call(steps - 1, steps, peak, warmup, decay, final) - final * peak) > 1e-9


def _at(where: str) -> Callable[[Generator], tuple]:
    def draw(generator: Generator) -> tuple:
        rng = dice(generator)
        warmup, decay, flat = rng.randint(3, 9), rng.randint(4, 12), rng.randint(3, 9)
        steps = warmup + flat + decay + 1
        step = {
            "first": 0,
            "warm-up": rng.randrange(1, warmup),
            "plateau": rng.randrange(warmup, steps - 1 - decay),
            "corner": steps - 1 - decay,
            "decay": rng.randrange(steps - decay, steps - 1),
            "last": steps - 1,
        }[where]
        return step, steps, rng.choice([0.5, 2.0, 4.0]), warmup, decay, rng.choice([0.1, 0.2, 0.3])

    return draw


rate_at = Exercise(
    name="rate_at",
    arguments=("step", "steps", "peak", "warmup", "decay", "final"),
    returns="a number",
    reference=rate_oracle,
    attempt=rate_attempt,
    tolerance=1e-6,
    faults=(
        Fault(
            "first step wasted",
            "Step 0 has rate 0 and learns nothing. The warm-up's steps have 1, 2, … of `warmup` shares: "
            "`(step + 1) / warmup`.",
            {"first": "nothing"},
        ),
        Fault(
            "warm-up one step too long",
            "The last step of the warm-up, number `warmup` − 1, should have the full peak: divide by "
            "`warmup`.",
            {"first": "one too many"},
        ),
        Fault(
            "no warm-up",
            "The first steps have the full rate. Before step `warmup` it rises: `peak * (step + 1) / "
            "warmup`.",
            {"first": "none"},
        ),
        Fault(
            "no plateau",
            "The rate falls right after the warm-up. It stays at the peak, and only the last `decay` steps "
            "fall.",
            {"plateau": False},
        ),
        Fault(
            "falls to zero",
            "The last step has rate 0. It should have `final * peak`.",
            {"bottom": "zero"},
        ),
        Fault(
            "final taken for a rate",
            "`final` is a share of the peak, not a rate: the last step has `final * peak`.",
            {"bottom": "a rate"},
        ),
        Fault(
            "falls by final",
            "The rate falls *by* `final * peak`, and should fall *to* it.",
            {"bottom": "the fall"},
        ),
        Fault(
            "decay starts one step late",
            "The first of the last `decay` steps still has the peak. Step `steps - 1 - decay` is the last "
            "one that has it.",
            {"start": "late"},
        ),
        Fault(
            "the end is never reached",
            "The last step, number `steps` − 1, should have exactly `final * peak`: steps are counted "
            "from 0.",
            {"start": "from the end"},
        ),
        Fault(
            "cosine in place of a line",
            "The rate falls along half a cosine. A straight line is asked for.",
            {"shape": "cosine"},
        ),
        Fault(
            "falls by a factor",
            "Each step multiplies the rate by the same factor. A straight line subtracts the same amount.",
            {"shape": "geometric"},
        ),
    ),
    laws=(
        Law("peak not held", "Step `warmup` should have the peak.", never_at_the_peak),
        Law("another end", "Step `steps - 1` should have `final * peak`.", ends_elsewhere),
    ),
    cases=(
        Case("the very first step", _at("first")),
        Case("in the warm-up", _at("warm-up"), times=2),
        Case("on the plateau", _at("plateau"), times=2),
        Case("the last step before the decay", _at("corner")),
        Case("in the decay", _at("decay"), times=3),
        Case("the last step", _at("last")),
    ),
    shortcuts=("tinygpt.training", "torch.optim.lr_scheduler"),
)
