"""Exercise 4 of chapter 03: rotary positions."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import normal, scattered
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64


def rope_oracle(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """Each pair as one complex number, turned by multiplying it with exp(i · angle), in double precision."""
    K = x.shape[-1]
    exponents = torch.arange(0, K, 2, dtype=DOUBLE) / K
    angle = torch.outer(positions.to(DOUBLE), base**-exponents)
    pairs = torch.complex(x[..., : K // 2].to(DOUBLE), x[..., K // 2 :].to(DOUBLE))
    turned = pairs * torch.polar(torch.ones_like(angle), angle)
    return torch.cat([turned.real, turned.imag], dim=-1).to(x.dtype)


def rope_attempt(
    x: Tensor,
    positions: Tensor,
    base: float,
    *,
    pairs: str = "halves",
    turn: str = "forwards",
    frequency: str = "2i/K",
    first: int = 0,
    fixed_base: float | None = None,
    counts: bool = False,
) -> Tensor:
    """RoPE with a knob for each known way to go wrong."""
    K = x.shape[-1]
    i = torch.arange(K // 2, dtype=torch.float32)
    exponent = {"2i/K": 2 * i / K, "i/K": i / K, "2i": 2 * i, "rising": -2 * i / K, "one": 0 * i}[frequency]
    positions = torch.arange(len(positions)) if counts else positions
    angle = torch.outer(positions.float() + first, (fixed_base or base) ** -exponent)
    angle = torch.deg2rad(angle) if turn == "degrees" else angle
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    if turn == "backwards":
        sin = -sin
    if turn == "swapped":
        cos, sin = sin, cos
    a, b = (x[..., 0::2], x[..., 1::2]) if pairs == "neighbours" else x.chunk(2, -1)
    second = b * cos - a * sin if turn == "mirrored" else a * sin + b * cos
    if pairs == "first half":
        return torch.cat([a * cos - b * sin, b], -1)
    if pairs == "neighbours":
        return torch.stack([a * cos - b * sin, second], -1).flatten(-2)
    return torch.cat([a * cos - b * sin, second], -1)


def changes_length(call: Call, args: tuple, got: Tensor) -> bool:
    return not torch.allclose(got.norm(dim=-1), args[0].norm(dim=-1), atol=1e-3)


def moves_the_origin(call: Call, args: tuple, got: Tensor) -> bool:
    x, positions, base = args
    return not torch.allclose(call(x, torch.zeros_like(positions), base), x, atol=1e-4)


def knows_absolute_places(call: Call, args: tuple, got: Tensor) -> bool:
    """Moving everything on by 7 must leave all dot products between rows alone."""
    x, positions, base = args
    moved = call(x, positions + 7, base)
    return not torch.allclose(moved @ moved.mT, got @ got.mT, atol=1e-2)


def _rope_inputs(generator: Generator, *shape: int, base: float = 10_000.0) -> tuple:
    return normal(generator, *shape), torch.arange(shape[-2]), base


def _scattered_rope(generator: Generator) -> tuple:
    return scattered(generator, 2, 3, 5, 8, dtype=DOUBLE), torch.arange(5), 10_000.0


rope = Exercise(
    name="rope",
    arguments=("x", "positions", "base"),
    returns="... T K",
    reference=rope_oracle,
    attempt=rope_attempt,
    tolerance=1e-3,
    faults=(
        Fault(
            "neighbours paired",
            "You turn neighbours, coordinates (2i, 2i + 1), as the paper does. This course pairs (i, i + "
            "K/2), as Llama does: `a, b = x.chunk(2, dim=-1)`.",
            {"pairs": "neighbours"},
        ),
        Fault(
            "turned backwards",
            "The rotation goes the wrong way round: (a, b) becomes (a cos − b sin, a sin + b cos).",
            {"turn": "backwards"},
        ),
        Fault(
            "mirrored",
            "The second half has the wrong sign: it is a sin + b cos. With b cos − a sin lengths change, so "
            "this is no rotation.",
            {"turn": "mirrored"},
        ),
        Fault(
            "cos and sin swapped",
            "`cos` and `sin` have changed places: position 0 must turn nothing.",
            {"turn": "swapped"},
        ),
        Fault(
            "degrees",
            "`cos` and `sin` take radians; your angles were converted to degrees.",
            {"turn": "degrees"},
        ),
        Fault(
            "frequencies too close",
            "The frequencies fall only half as fast as they should: pair i turns by `base^(-2i / K)` per "
            "position. The 2 is easily lost when i counts pairs.",
            {"frequency": "i/K"},
        ),
        Fault(
            "exponent not divided by K",
            "The exponent −2i is not divided by K, so all pairs but the first stand still.",
            {"frequency": "2i"},
        ),
        Fault(
            "frequencies rise",
            "Later pairs turn slower, not faster: the exponent is negative.",
            {"frequency": "rising"},
        ),
        Fault(
            "one frequency",
            "All pairs turn at one speed: pair i turns by `base^(-2i / K)`.",
            {"frequency": "one"},
        ),
        Fault(
            "positions from 1",
            "Position 0 is turned already: use the positions as they come, counted from 0.",
            {"first": 1},
        ),
        Fault(
            "half turned",
            "Only the first half comes back turned; the second half of each pair needs a sin + b cos.",
            {"pairs": "first half"},
        ),
        Fault(
            "positions ignored",
            "You count the rows yourself. Row t stands at `positions[t]`, which need not be t.",
            {"counts": True},
        ),
        Fault(
            "base ignored", "The argument `base` is not used: 10000 is built in.", {"fixed_base": 10_000.0}
        ),
    ),
    laws=(
        Law(
            "lengths change",
            "A rotation keeps lengths; yours does not: a cos − b sin, a sin + b cos.",
            changes_length,
        ),
        Law("origin moves", "At position 0 all angles are 0, so nothing may change there.", moves_the_origin),
        Law(
            "not relative",
            "The dot products between rows change when all positions move on by 7. The angle must be "
            "proportional to the position.",
            knows_absolute_places,
        ),
    ),
    cases=(
        Case("a single pair: a point that walks round a circle", lambda g: _rope_inputs(g, 1, 6, 2)),
        Case("heads of four pairs: (B, H, T, K)", lambda g: _rope_inputs(g, 2, 3, 6, 8)),
        Case(
            "positions with gaps, as in a cache",
            lambda g: (normal(g, 2, 4, 8), torch.tensor([3, 11, 12, 50]), 10_000.0),
            advice="Use the argument `positions`, not `arange(T)`.",
        ),
        Case("another base", lambda g: _rope_inputs(g, 1, 5, 8, base=100.0)),
        Case("double precision, not in order in memory", _scattered_rope),
    ),
    shortcuts=("tinygpt.models", "transformers"),
)
