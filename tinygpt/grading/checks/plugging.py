"""Exercise 4 of chapter 06: several adapters, mixed and merged into one matrix."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import dice, normal
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

Adapters = list[tuple[Tensor, Tensor, float]]


def merged_oracle(weight: Tensor, adapters: Adapters, shares: list[float]) -> Tensor:
    """One rank after the other, as outer products."""
    total = weight.clone()
    for (A, B, alpha), share in zip(adapters, shares, strict=True):
        for k in range(len(A)):
            total += share * alpha / len(A) * torch.outer(B[:, k], A[k])
    return total


def merged_attempt(
    weight: Tensor,
    adapters: Adapters,
    shares: list[float],
    *,
    sums: str = "of products",
    shared: str = "once",
    normal: bool = False,
    scale: str = "own",
    base: str = "whole",
    uses: str = "all",
    sign: int = 1,
) -> Tensor:
    """The mixture with a knob for each known way to go wrong."""
    if normal and sum(shares):
        shares = [share / sum(shares) for share in shares]
    powers = {"once": 1, "twice": 2, "never": 0}
    used = list(zip(adapters, shares, strict=True))
    used = {"all": used, "largest": [max(used, key=lambda one: one[1])] if used else [], "last": used[-1:]}[
        uses
    ]
    scaled = []
    for (A, B, alpha), share in used:
        first = adapters[0]
        factor = {"own": alpha / len(A), "alpha": alpha, "none": 1.0, "first's": first[2] / len(first[0])}
        scaled.append((A, B, factor[scale], share ** powers[shared] if share else 0.0))
    left = {"whole": 1.0, "what is left": 1 - sum(shares), "none": 0.0}[base]
    if sums == "of matrices" and len({A.shape for A, *_ in scaled}) == 1:
        thin = sum(share * A for A, _, _, share in scaled)
        wide = sum(share * factor * B for _, B, factor, share in scaled)
        return left * weight + sign * (wide @ thin)
    if sums == "of matrices, mean scale" and len({A.shape for A, *_ in scaled}) == 1:
        thin = sum(share * A for A, _, _, share in scaled)
        wide = sum(share * B for _, B, _, share in scaled)
        return left * weight + sign * scaled[0][2] * (wide @ thin)
    return left * weight + sign * sum((f * s * (B @ A) for A, B, f, s in scaled), torch.zeros_like(weight))


def off_is_not_off(call: Call, args: tuple, got: Tensor) -> bool:
    weight, adapters, shares = args
    return not torch.allclose(call(weight, adapters, [0.0] * len(shares)), weight, atol=1e-5)


def does_not_add_up(call: Call, args: tuple, got: Tensor) -> bool:
    """All at once add what each adds alone."""
    weight, adapters, shares = args
    alone = [call(weight, [one], [share]) - weight for one, share in zip(adapters, shares, strict=True)]
    return not torch.allclose(weight + sum(alone, torch.zeros_like(weight)), got, atol=1e-3)


def _adapter(generator: Generator, n_out: int, n_in: int, r: int) -> tuple[Tensor, Tensor, float]:
    alpha = 0.5 + dice(generator).randrange(8)
    return normal(generator, r, n_in), normal(generator, n_out, r), alpha


def _drawn(generator: Generator, shape: tuple[int, int], ranks: list[int], shares: list[float]) -> tuple:
    weight = normal(generator, *shape)
    return weight, [_adapter(generator, *shape, r) for r in ranks], shares


merged = Exercise(
    name="merged",
    arguments=("weight", "adapters", "shares"),
    returns="n_out n_in",
    reference=merged_oracle,
    attempt=merged_attempt,
    faults=(
        Fault(
            "mixes the factors",
            "A's are added, B's are added, and then multiplied: the first adapter's B meets the second's A. "
            "Multiply first, one B A for each adapter, and add the products.",
            {"sums": "of matrices"},
        ),
        Fault(
            "mixes the factors",
            "A's are mixed, B's are mixed, then multiplied. Multiply first, one B A for each adapter, and "
            "add the products.",
            {"sums": "of matrices, mean scale"},
        ),
        Fault(
            "shares made to sum to 1",
            "The shares are divided by their sum. Each counts as its slider says: 1 and 1 is both in full.",
            {"normal": True},
        ),
        Fault("scale forgotten", "No adapter is scaled by its alpha / r.", {"scale": "none"}),
        Fault(
            "alpha without the rank", "Each adapter is scaled by alpha / r, not by alpha.", {"scale": "alpha"}
        ),
        Fault(
            "one scale for all",
            "The first adapter's alpha / r is used for all of them. Each has its own.",
            {"scale": "first's"},
        ),
        Fault("shares forgotten", "Every adapter that is in use is added in full.", {"shared": "never"}),
        Fault(
            "share on both factors",
            "The share multiplies A and B, so it counts twice: 0.5 becomes 0.25.",
            {"shared": "twice"},
        ),
        Fault(
            "base faded out",
            "The base is multiplied by what the shares leave over. It stays whole: adapters are added to it.",
            {"base": "what is left"},
        ),
        Fault("base left out", "Only the adapters are there. They are added to `weight`.", {"base": "none"}),
        Fault("strongest only", "Only the adapter with the largest share is added.", {"uses": "largest"}),
        Fault("last only", "Only the last adapter is added. Add up all of them.", {"uses": "last"}),
        Fault("subtracted", "The adapters are subtracted. Add them.", {"sign": -1}),
    ),
    laws=(
        Law("off is not off", "With all shares 0 the matrix must be the base's.", off_is_not_off),
        Law(
            "does not add up",
            "All adapters at once must add what each adds alone: the mixture is linear in their products.",
            does_not_add_up,
        ),
    ),
    cases=(
        Case("one adapter, in full", lambda g: _drawn(g, (3, 4), [1], [1.0])),
        Case("two adapters, half each", lambda g: _drawn(g, (4, 4), [2, 2], [0.5, 0.5])),
        Case(
            "three, one off and one too strong",
            lambda g: _drawn(g, (5, 3), [2, 2, 2], [0.0, 1.5, 0.25]),
            points=2,
        ),
        Case("a negative share", lambda g: _drawn(g, (4, 6), [3, 3], [1.0, -0.75])),
        Case("no adapter at all", lambda g: _drawn(g, (2, 3), [], [])),
    ),
    shortcuts=("tinygpt.alignment", "peft"),
)
