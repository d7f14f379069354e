"""Exercise 3 of chapter 05: one norm for all gradients."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import normal, scattered
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64


def clipped_oracle(gradients: Tensor, limit: float) -> Tensor:
    """PyTorch's clipping of the same gradients, one parameter for each row."""
    rows = [torch.nn.Parameter(torch.zeros_like(row)) for row in gradients]
    for parameter, row in zip(rows, gradients, strict=True):
        parameter.grad = row.clone()
    torch.nn.utils.clip_grad_norm_(rows, limit)
    return torch.stack([parameter.grad for parameter in rows])


def clipped_attempt(
    gradients: Tensor, limit: float, *, norm: str = "all", when: str = "above", scaled: str = "limit / norm"
) -> Tensor:
    """The clipping with a knob for each known way to go wrong."""
    if norm == "values":
        return gradients.clamp(-limit, limit)
    size = {
        "all": lambda: gradients.square().sum().sqrt(),
        "rows": lambda: gradients.square().sum(1, keepdim=True).sqrt(),
        "columns": lambda: gradients.square().sum(0, keepdim=True).sqrt(),
        "no root": lambda: gradients.square().sum(),
        "mean": lambda: gradients.square().mean().sqrt(),
        "sum of norms": lambda: gradients.square().sum(1).sqrt().sum(),
        "largest row": lambda: gradients.square().sum(1).sqrt().max(),
        "absolute": lambda: gradients.abs().sum(),
        "largest": lambda: gradients.abs().max(),
        "spectral": lambda: torch.linalg.matrix_norm(gradients, 2),
    }[norm]()
    factor = {
        "limit / norm": limit / size,
        "one over norm": 1 / size,
        "limit": torch.full_like(size, limit),
        "zero": torch.zeros_like(size),
    }[scaled]
    short = {"always": torch.zeros_like(size, dtype=torch.bool), "below": size > limit}.get(
        when, size <= limit
    )
    return torch.where(short, gradients, gradients * factor)


def changes_the_direction(call: Call, args: tuple, got: Tensor) -> bool:
    gradients, _ = args
    return not torch.allclose(
        got * gradients.norm(), gradients * got.norm(), atol=1e-4 * float(gradients.norm())
    )


def touches_what_is_short(call: Call, args: tuple, got: Tensor) -> bool:
    gradients = args[0]
    return not torch.allclose(call(gradients, 2 * float(gradients.norm()) + 1.0), gradients, atol=1e-6)


def _long(factor: float, N: int = 3, D: int = 4) -> Callable[[Generator], tuple]:
    """Gradients of so many limits' norm, one row much longer than the others."""

    def draw(generator: Generator) -> tuple:
        gradients = normal(generator, N, D, dtype=DOUBLE)
        gradients[0] *= 3
        return gradients, float(gradients.norm()) / factor

    return draw


def _scattered(generator: Generator) -> tuple:
    return scattered(generator, 5, 6), 1.0


clipped = Exercise(
    name="clipped",
    arguments=("gradients", "limit"),
    returns="N D",
    reference=clipped_oracle,
    attempt=clipped_attempt,
    tolerance=1e-4,
    faults=(
        Fault(
            "a norm for each row",
            "Each row is clipped by its own norm, so their proportions change. One norm over all rows: "
            "`gradients.square().sum().sqrt()`.",
            {"norm": "rows"},
        ),
        Fault(
            "a norm for each column",
            "Each column is clipped by its own norm. One norm over everything.",
            {"norm": "columns"},
        ),
        Fault(
            "values clamped",
            "Each number is cut off at the limit, which turns the gradient into another direction. Scale "
            "all of it by one factor.",
            {"norm": "values"},
        ),
        Fault(
            "always scaled",
            "Gradients shorter than the limit are stretched to it. Below the limit nothing is changed.",
            {"when": "always"},
        ),
        Fault(
            "scaled below the limit only",
            "The comparison is the wrong way round: long gradients pass, short ones are stretched.",
            {"when": "below"},
        ),
        Fault("no root", "The norm has no root: it is the root of the sum of squares.", {"norm": "no root"}),
        Fault(
            "mean in place of sum",
            "The squares are averaged. A norm is the root of their *sum*; it grows with the number of "
            "weights.",
            {"norm": "mean"},
        ),
        Fault(
            "norms added",
            "The rows' norms are added up. Add their squares, then take the root.",
            {"norm": "sum of norms"},
        ),
        Fault(
            "largest row only",
            "The longest row decides. The norm is that of all rows together.",
            {"norm": "largest row"},
        ),
        Fault(
            "sum of absolute values",
            "The size is the sum of absolute values. The norm is the root of the sum of squares.",
            {"norm": "absolute"},
        ),
        Fault(
            "largest value",
            "The size is the largest number. The norm is the root of the sum of squares.",
            {"norm": "largest"},
        ),
        Fault(
            "spectral norm",
            "`torch.linalg.matrix_norm(…, 2)` is the largest singular value. The rows are no matrix here: "
            "take the root of the sum of all squares.",
            {"norm": "spectral"},
        ),
        Fault(
            "scaled to 1",
            "Long gradients end up with norm 1. They should have norm `limit`: multiply by limit / norm.",
            {"scaled": "one over norm"},
        ),
        Fault(
            "multiplied by the limit",
            "Long gradients are multiplied by the limit and not divided by their norm.",
            {"scaled": "limit"},
        ),
        Fault(
            "thrown away",
            "Long gradients become 0. They should keep their direction and have norm `limit`.",
            {"scaled": "zero"},
        ),
    ),
    laws=(
        Law(
            "direction changed",
            "The answer points elsewhere. One factor for all numbers keeps the direction.",
            changes_the_direction,
        ),
        Law(
            "short gradients changed",
            "Gradients shorter than the limit should come back as they are.",
            touches_what_is_short,
        ),
    ),
    cases=(
        Case("twice as long as allowed", _long(2.0)),
        Case("half as long as allowed", _long(0.5)),
        Case("just too long", _long(1.25, N=4, D=2)),
        Case("a hundred times too long", _long(100.0, N=2, D=6)),
        Case("all zeros", lambda g: (torch.zeros(3, 4), 1.0), advice="0 / 0 is not a number."),
        Case("single precision, not in order in memory", _scattered),
    ),
    shortcuts=(
        "torch.nn.utils.clip_grad_norm_",
        "torch.nn.utils.clip_grads_with_norm_",
        "torch.nn.utils.clip_grad",
    ),
)
