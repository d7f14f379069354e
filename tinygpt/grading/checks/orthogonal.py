"""Exercise 4 of chapter 05: a step with equal singular values."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from tinygpt.grading.checks.draws import normal, scattered
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64
A, B, C = 3.4445, -4.7750, 2.0315


def orthogonal_oracle(matrix: Tensor, rounds: int) -> Tensor:
    """By the singular values: the polynomial acts on each of them alone."""
    left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    values = values / values.square().sum().sqrt()
    for _ in range(rounds):
        values = A * values + B * values**3 + C * values**5
    return (left @ values.diag() @ right).to(matrix.dtype)


def orthogonal_attempt(
    matrix: Tensor,
    rounds: int,
    *,
    scaled: str = "norm",
    coefficients: tuple[float, float, float] = (A, B, C),
    square: str = "x xᵀ",
    powers: str = "three",
    side: str = "left",
    again: bool = False,
    extra: int = 0,
    turned: bool = False,
) -> Tensor:
    """The polynomial with a knob for each known way to go wrong."""
    size = {
        "norm": matrix.square().sum().sqrt(),
        "nothing": torch.ones((), dtype=matrix.dtype),
        "spectral": torch.linalg.matrix_norm(matrix, 2),
        "largest": matrix.abs().max(),
        "squared": matrix.square().sum(),
        "rows": matrix.square().sum(1, keepdim=True).sqrt(),
    }[scaled]
    a, b, c = coefficients
    x = matrix / size
    for _ in range(rounds + extra):
        if again:
            x = x / x.square().sum().sqrt()
        if powers == "each number":
            x = a * x + b * x**3 + c * x**5
            continue
        s = x.mT @ x if side == "inside out" else x @ x.mT
        s2 = s * s if square == "entries" else s @ s
        inner = b * s + (c * s2 if powers == "three" else c * s if powers == "linear" else 0 * s)
        x = a * x + (x @ inner if side == "wrong" else inner @ x)
    return x.mT if turned else x


def leaves_the_singular_vectors(call: Call, args: tuple, got: Tensor) -> bool:
    """Whether a rotated matrix gives anything but the rotated answer."""
    matrix, rounds = args
    D = matrix.shape[0]
    turn = torch.linalg.qr(torch.arange(D * D, dtype=matrix.dtype).view(D, D).sin())[0]
    return not torch.allclose(call(turn @ matrix, rounds), turn @ got, atol=1e-3)


def depends_on_size(call: Call, args: tuple, got: Tensor) -> bool:
    matrix, rounds = args
    return not torch.allclose(call(7 * matrix, rounds), got, atol=1e-3)


def _matrix(R: int, C: int, rounds: int, scale: float = 1.0) -> Callable[[Generator], tuple]:
    return lambda generator: (scale * normal(generator, R, C, dtype=DOUBLE), rounds)


orthogonal = Exercise(
    name="orthogonal",
    arguments=("matrix", "rounds"),
    returns="R C",
    reference=orthogonal_oracle,
    attempt=orthogonal_attempt,
    tolerance=1e-3,
    faults=(
        Fault(
            "not scaled first",
            "The matrix enters as large as it came. The polynomial wants singular values of at most 1: "
            "divide by the root of the sum of squares.",
            {"scaled": "nothing"},
        ),
        Fault(
            "divided by the largest singular value",
            "You divide by the largest singular value. That would do, but is dear to find; asked for is the "
            "root of the sum of squares, `matrix.norm()`.",
            {"scaled": "spectral"},
        ),
        Fault(
            "divided by the largest number",
            "You divide by the largest number in the matrix. Its singular values may still be far above 1: "
            "divide by the root of the sum of squares.",
            {"scaled": "largest"},
        ),
        Fault(
            "divided by the squared norm",
            "You divide by the sum of squares. Take its root.",
            {"scaled": "squared"},
        ),
        Fault(
            "rows scaled apart",
            "Each row is divided by its own norm, which changes the singular vectors. One number for all.",
            {"scaled": "rows"},
        ),
        Fault(
            "scaled in every round",
            "You divide by the norm in every round. Once, before the first: the polynomial itself keeps the "
            "values near 1.",
            {"again": True},
        ),
        Fault(
            "powers of each number",
            "You cube the numbers of the matrix. The polynomial is of its *singular values*: use products of "
            "matrices, x xᵀ x.",
            {"powers": "each number"},
        ),
        Fault(
            "square by entries",
            "The square of x xᵀ is a product of matrices, `s @ s`; `s * s` and `s ** 2` square each entry.",
            {"square": "entries"},
        ),
        Fault(
            "fifth power left out",
            "The term with c is missing: `c * (s @ s) @ x`.",
            {"powers": "two"},
        ),
        Fault(
            "fifth power is a third",
            "The number c multiplies x xᵀ x. It belongs to (x xᵀ)² x: `c * (s @ s) @ x`.",
            {"powers": "linear"},
        ),
        Fault(
            "coefficients exchanged",
            "The numbers b and c are exchanged: b = −4.775 belongs to the third power, c = 2.0315 to the "
            "fifth.",
            {"coefficients": (A, C, B)},
        ),
        Fault(
            "sign of b",
            "The number b is negative: −4.775. Without the minus the singular values run away.",
            {"coefficients": (A, -B, C)},
        ),
        Fault(
            "product from the wrong side",
            "The product x xᵀ stands on the right of x. It belongs on the left, `s @ x`; on the right it "
            "would be xᵀ x.",
            {"side": "wrong"},
        ),
        Fault(
            "square from the wrong side",
            "The product xᵀ x stands on the left of x. There it would be x xᵀ; xᵀ x belongs on the right.",
            {"side": "inside out"},
        ),
        Fault("a round too many", "You make one round too many.", {"extra": 1}),
        Fault("a round too few", "You make one round too few.", {"extra": -1}),
        Fault("transposed", "The answer is transposed.", {"turned": True}),
    ),
    laws=(
        Law(
            "depends on the size",
            "Seven times the matrix should give the same answer: only directions count.",
            depends_on_size,
        ),
        Law(
            "singular vectors changed",
            "A turned matrix should give the turned answer: only the singular values may change.",
            leaves_the_singular_vectors,
        ),
    ),
    cases=(
        # Few rounds: what a wrong polynomial gives after five depends on every rounding.
        Case("a square matrix, one round", _matrix(4, 4, 1)),
        Case("two rounds", _matrix(5, 5, 2, scale=0.3)),
        Case("wide", _matrix(3, 7, 2, scale=0.3)),
        Case("tall", _matrix(8, 3, 2, scale=0.3)),
        Case("large numbers", _matrix(4, 4, 1, scale=10.0)),
        Case("single precision, not in order in memory", lambda g: (0.2 * scattered(g, 4, 6), 1)),
    ),
    shortcuts=("tinygpt.training", "torch.optim"),
)
