"""Inputs that exercises share: random ones, and ones that are hard on purpose."""

from __future__ import annotations

import random

import torch
from torch import Generator, Tensor


def normal(generator: Generator, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Standard normal numbers, with row lengths that make a forgotten scale visible."""
    return torch.randn(*shape, generator=generator, dtype=dtype)


def whole(generator: Generator, *shape: int, largest: int = 2) -> Tensor:
    """Whole numbers from −largest to largest as float32: sums of their products carry no rounding error."""
    return torch.randint(-largest, largest + 1, shape, generator=generator).float()


def scattered(generator: Generator, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Normal numbers whose last two axes lie in memory the other way round, so that `view` refuses them."""
    *rest, rows, columns = shape
    return torch.randn(*rest, columns, rows, generator=generator, dtype=dtype).mT


def patterns(generator: Generator, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Random causal attention patterns: rows sum to 1, the future has weight 0."""
    scores = 2 * normal(generator, *shape, dtype=dtype)
    future = torch.ones(shape[-2:], dtype=torch.bool).triu(1)
    return scores.masked_fill(future, -torch.inf).softmax(-1)


def dice(generator: Generator) -> random.Random:
    """Python's own random numbers, for whole numbers and texts, seeded from the generator."""
    return random.Random(int(torch.randint(1 << 60, (), generator=generator)))


def numbers(rng: random.Random, n: int, below: int) -> list[int]:
    """A list of n whole numbers from 0 on."""
    return [rng.randrange(below) for _ in range(n)]
