"""The repair in chapter 03's bug hunt: a position takes half its columns from the one before."""

from __future__ import annotations

import torch
from torch import Tensor

from tinygpt.grading.checks.draws import normal, scattered
from tinygpt.grading.exercise import Case, Exercise, Fault


def mix_oracle(x: Tensor) -> Tensor:
    """Plain loops: the first half of each row is the earlier row's, the second half stays."""
    B, T, D = x.shape
    rows = [[x[b, t - 1, : D // 2] if t else x.new_zeros(D // 2) for t in range(T)] for b in range(B)]
    return torch.stack([torch.cat([torch.stack(rows[b]), x[b, :, D // 2 :]], dim=-1) for b in range(B)])


def mix_attempt(
    x: Tensor,
    *,
    shift: int = 1,
    wraps: bool = False,
    axis: int = 1,
    first: str = "zeros",
    half: str = "first",
) -> Tensor:
    """The mixing step with a knob for each known way to go wrong."""
    other = x.roll(shift, dims=axis)
    if not wraps:
        edge = 0 if shift == 1 else -1
        replacement = x.select(axis, edge) if first == "itself" else 0.0
        other.select(axis, edge).copy_(torch.as_tensor(replacement))
    D = x.shape[-1]
    if half == "second":
        return torch.cat([x[..., : D // 2], other[..., D // 2 :]], dim=-1)
    return other if half == "both" else torch.cat([other[..., : D // 2], x[..., D // 2 :]], dim=-1)


mix = Exercise(
    name="mix",
    arguments=("x",),
    returns="B T D",
    reference=mix_oracle,
    attempt=mix_attempt,
    faults=(
        Fault(
            "still the next one",
            "Position t still takes from t + 1: `roll(-1)` moves everything one step *earlier*. What stood "
            "at t − 1 must come to t.",
            {"shift": -1, "wraps": True},
        ),
        Fault(
            "still the next one",
            "Position t takes from t + 1. What stood at t − 1 must come to t.",
            {"shift": -1},
        ),
        Fault(
            "wraps around",
            "Nearly: `roll` wraps around, so the *first* position reads the *last*. That leak is one corner "
            "of the map, and the loss hardly shows it. The first position has no predecessor: put zeros "
            "there.",
            {"wraps": True},
        ),
        Fault(
            "first position keeps its own",
            "The first position has no predecessor and takes zeros in its place, not its own columns.",
            {"first": "itself"},
        ),
        Fault(
            "wrong half", "The *first* half of the columns comes from the predecessor.", {"half": "second"}
        ),
        Fault(
            "everything moved",
            "All columns come from the predecessor, so a position forgets its own token. Move the first half "
            "only.",
            {"half": "both"},
        ),
        Fault(
            "wrong axis",
            "The columns are moved along the last axis. Time is axis 1 of (B, T, D).",
            {"axis": 2, "wraps": True},
        ),
        Fault(
            "wrong axis",
            "The columns come from another sequence of the batch. Time is axis 1 of (B, T, D).",
            {"axis": 0, "wraps": True},
        ),
    ),
    cases=(
        Case("one sequence", lambda g: (normal(g, 1, 5, 4),)),
        Case("a batch", lambda g: (normal(g, 3, 6, 8),)),
        Case("one token: nothing before it", lambda g: (normal(g, 2, 1, 6),)),
        Case(
            "double precision, not in order in memory",
            lambda g: (scattered(g, 2, 5, 4, dtype=torch.float64),),
        ),
    ),
)
