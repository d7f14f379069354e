"""Exercise 4 of chapter 07: two estimates of how far a policy has moved, from its own samples."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import normal
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64


def estimates_oracle(log_p: Tensor, log_ref: Tensor) -> Tensor:
    """The two by PyTorch's own functions of a difference of logarithms."""
    further = torch.sub(log_p, log_ref)
    return torch.vstack([further, torch.expm1(torch.neg(further)).add(further)])


def estimates_attempt(
    log_p: Tensor,
    log_ref: Tensor,
    *,
    first: str = "k1",
    second: str = "k3",
    turned: bool = False,
    order: str = "k1, k3",
    averaged: bool = False,
) -> Tensor:
    """The two estimates with a knob for each known way to go wrong."""
    further = (log_ref - log_p) if turned else (log_p - log_ref)
    found = torch.stack([FIRST[first](further, log_p), SECOND[second](further)])
    if averaged:
        found = found.mean(dim=1, keepdim=True).expand_as(found)
    return found.flip(0) if order == "k3, k1" else found


FIRST: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "k1": lambda d, log_p: d,
    "turned": lambda d, log_p: -d,
    "absolute": lambda d, log_p: d.abs(),
    "weighted": lambda d, log_p: log_p.exp() * d,
}
SECOND: dict[str, Callable[[Tensor], Tensor]] = {
    "k3": lambda d: (-d).exp() - 1 + d,
    "upside down": lambda d: d.exp() - 1 - d,
    "half turned": lambda d: d.exp() - 1 + d,
    "minus the log": lambda d: (-d).exp() - 1 - d,
    "no one": lambda d: (-d).exp() + d,
    "ratio only": lambda d: (-d).exp() - 1,
    "k2": lambda d: d.square() / 2,
    "k1": lambda d: d,
}


def goes_below_zero(call: Call, args: tuple, got: Tensor) -> bool:
    return bool((got[1] < -1e-6).any())


def moves_in_place(call: Call, args: tuple, got: Tensor) -> bool:
    """Whether a policy that has not moved gets something else than 0."""
    return bool((call(args[0], args[0].clone()).abs() > 1e-5).any())


def _samples(generator: Generator, N: int, far: float, dtype: torch.dtype = torch.float32):
    log_p = -normal(generator, N, dtype=dtype).abs() - 0.1
    return log_p, log_p + far * normal(generator, N, dtype=dtype)


kl_estimates = Exercise(
    name="kl_estimates",
    arguments=("log_p", "log_ref"),
    returns="2 N",
    reference=estimates_oracle,
    attempt=estimates_attempt,
    faults=(
        Fault(
            "both turned around",
            "Policy and reference are swapped in both. The samples are the policy's: k1 is "
            "log p − log p_ref.",
            {"turned": True},
        ),
        Fault(
            "k1 turned around",
            "Your k1 has the wrong sign, so a policy that runs away seems to come closer: log p − log p_ref.",
            {"first": "turned"},
        ),
        Fault(
            "absolute value",
            "You take k1's absolute value. Single samples may be negative; only so is the mean right.",
            {"first": "absolute"},
        ),
        Fault(
            "weighted by p",
            "You weight by p. The samples were *drawn* from p, which is the weighting: a plain mean will do.",
            {"first": "weighted"},
        ),
        Fault(
            "ratio upside down",
            "The ratio in k3 is p_ref / p, since the samples are the policy's. Yours is p / p_ref: it "
            "estimates something else.",
            {"second": "upside down"},
        ),
        Fault(
            "ratio upside down",
            "The ratio in k3 is p_ref / p, and its logarithm has the same sign. Yours is p / p_ref in the "
            "first term.",
            {"second": "half turned"},
        ),
        Fault(
            "log added",
            "By definition k3 is ratio − 1 − log ratio with ratio = p_ref / p. Your logarithm has the wrong "
            "sign, and the mean is not the KL any more.",
            {"second": "minus the log"},
        ),
        Fault(
            "one not subtracted",
            "Where the policy has not moved the ratio is 1, and the estimate must be 0: subtract 1.",
            {"second": "no one"},
        ),
        Fault(
            "correction only",
            "The term ratio − 1 is 0 on average: it carries no estimate by itself. Subtract its logarithm.",
            {"second": "ratio only"},
        ),
        Fault(
            "half a square",
            "Half of (log ratio)² is Schulman's k2: it is never negative either, but its mean is not the KL. "
            "k3 is ratio − 1 − log ratio.",
            {"second": "k2"},
        ),
        Fault("k1 twice", "Row 1 is k1 again. k3 is ratio − 1 − log ratio.", {"second": "k1"}),
        Fault("rows swapped", "Row 0 is k1, row 1 is k3.", {"order": "k3, k1"}),
        Fault(
            "averaged",
            "You give the mean everywhere. Wanted is the estimate of each sample, so that their spread can "
            "be seen.",
            {"averaged": True},
        ),
    ),
    laws=(
        Law(
            "not 0 where nothing moved",
            "A policy that still is its reference is 0 nats away, for each single sample.",
            moves_in_place,
        ),
        Law("k3 below zero", "Row 1 has negative values. k3 never has.", goes_below_zero),
    ),
    cases=(
        Case("five samples", lambda g: _samples(g, 5, 1.0)),
        Case("a policy that hardly moved", lambda g: _samples(g, 40, 0.1)),
        Case("one sample, far away, in double precision", lambda g: _samples(g, 1, 3.0, DOUBLE), times=3),
    ),
    shortcuts=("tinygpt.alignment", "trl"),
)
