"""Exercises 1 and 2 of chapter 03: attention weights, causal attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from tinygpt.grading.checks.attend import FUSED, MASKS, OVERFLOW, SCALING, SOFTMAX, SWAPPED, attend
from tinygpt.grading.checks.draws import normal, scattered, whole
from tinygpt.grading.exercise import Call, Case, Exercise, Fault, Law

DOUBLE = torch.float64


def weights_oracle(q: Tensor, k: Tensor) -> Tensor:
    """PyTorch's attention over values that are the identity, which hands back the pattern."""
    return F.scaled_dot_product_attention(q, k, torch.eye(k.shape[-2], dtype=k.dtype).expand(len(k), -1, -1))


def rows_do_not_sum(call: Call, args: tuple, got: Tensor) -> bool:
    return bool(((got.sum(-1) - 1).abs() > 1e-3).any())


def negative(call: Call, args: tuple, got: Tensor) -> bool:
    return bool((got < -1e-6).any())


attention_weights = Exercise(
    name="attention_weights",
    arguments=("q", "k"),
    returns="B T S",
    reference=weights_oracle,
    attempt=attend,
    faults=(*SCALING, *SOFTMAX, SWAPPED),
    laws=(
        Law(
            "rows do not sum to 1",
            "The weights of a query do not sum to 1: the softmax comes last.",
            rows_do_not_sum,
        ),
        Law("negative weights", "Some weights are negative, which no softmax gives.", negative),
    ),
    cases=(
        Case("two queries, three keys, whole numbers", lambda g: (whole(g, 1, 2, 4), whole(g, 1, 3, 4))),
        Case("a batch, with more keys than queries", lambda g: (normal(g, 3, 4, 8), normal(g, 3, 6, 8))),
        Case(
            "inputs that do not lie in order in memory",
            lambda g: (scattered(g, 2, 5, 3), scattered(g, 2, 4, 3)),
        ),
        Case(
            "double precision", lambda g: (normal(g, 2, 3, 9, dtype=DOUBLE), normal(g, 2, 5, 9, dtype=DOUBLE))
        ),
        Case(
            "scores of several hundred",
            lambda g: (whole(g, 2, 4, 16, largest=25), whole(g, 2, 5, 16, largest=25)),
            advice=OVERFLOW,
        ),
    ),
    shortcuts=FUSED,
)


def causal_oracle(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def causal_attempt(q: Tensor, k: Tensor, v: Tensor, **knobs: str) -> Tensor:
    return attend(q, k, v, **{"mask": "causal", **knobs})


def reads_the_future(call: Call, args: tuple, got: Tensor) -> bool:
    """Other keys and values from the middle on must leave what comes before the middle alone."""
    q, k, v = args
    middle = k.shape[-2] // 2
    k, v = k.clone(), v.clone()
    k[..., middle:, :] += 1.5
    v[..., middle:, :] -= 2.5
    return not torch.allclose(call(q, k, v)[..., :middle, :], got[..., :middle, :], atol=1e-4, equal_nan=True)


def does_not_average(call: Call, args: tuple, got: Tensor) -> bool:
    """Where all values are 1, every average of them is 1."""
    q, k, v = args
    return not torch.allclose(call(q, k, torch.ones_like(v)), torch.ones_like(v), atol=1e-3)


def ignores_queries(call: Call, args: tuple, got: Tensor) -> bool:
    q, k, v = args
    return torch.allclose(call(torch.zeros_like(q), k, v), got, atol=1e-5)


LEAK = (
    "The future leaks: other keys and values at later positions change the answer at earlier ones. Mask the "
    "scores with −inf before the softmax."
)
NO_AVERAGE = (
    "The answer is no weighted average: with all values 1 it is not 1. The weights of each row must sum to 1 "
    "*after* masking, so mask before the softmax."
)
IGNORES = "The answer does not depend on the queries: every position weighs the past in the same way."

causal_attention = Exercise(
    name="causal_attention",
    arguments=("q", "k", "v"),
    returns="... T K",
    reference=causal_oracle,
    attempt=causal_attempt,
    faults=(
        *MASKS,
        *SCALING,
        *SOFTMAX,
        Fault("values forgotten", "This is the pattern. Multiply it by the values.", {"output": "pattern"}),
        Fault(
            "pattern transposed",
            "The pattern meets the values the wrong way round: row t of the answer mixes the values by the "
            "weights in *row* t, `pattern @ v`.",
            {"output": "transposed"},
        ),
    ),
    laws=(
        Law("future leaks", LEAK, reads_the_future),
        Law("no weighted average", NO_AVERAGE, does_not_average),
        Law("queries ignored", IGNORES, ignores_queries),
    ),
    cases=(
        Case(
            "values that are the identity, so that the answer is the pattern",
            lambda g: (normal(g, 1, 6, 4), normal(g, 1, 6, 4), torch.eye(6)[None]),
        ),
        Case("a batch of three sequences", lambda g: tuple(normal(g, 3, 7, 5) for _ in range(3))),
        Case("heads: (B, H, T, K)", lambda g: tuple(normal(g, 2, 3, 5, 4) for _ in range(3))),
        Case("double precision, not in order in memory", lambda g: _three(scattered, g, 2, 6, 3)),
        Case(
            "scores of several hundred",
            lambda g: (whole(g, 2, 5, 16, largest=25), whole(g, 2, 5, 16, largest=25), normal(g, 2, 5, 16)),
            points=2,
            advice=OVERFLOW,
        ),
    ),
    shortcuts=FUSED,
)


def _three(draw: Call, generator: Generator, *shape: int) -> tuple[Tensor, ...]:
    return tuple(draw(generator, *shape, dtype=DOUBLE) for _ in range(3))
