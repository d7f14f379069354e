"""An endless, random-access sequence of batches."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from jaxtyping import Int64
    from torch import Tensor

    Batch = tuple[Int64[Tensor, "B T"], Int64[Tensor, "B T"]]

T = TypeVar("T")
Example = TypeVar("Example")


@dataclass(frozen=True)
class Stream(Generic[T]):
    """Batches 0, 1, 2, … without end, each a pure function of its number.

    Because batch i depends on nothing but i, a resumed run finds its place with `skip(i)`, without replaying
    what it has already seen, and two runs that read the same stream see the same data.

    Args:
        make: Batch number → batch. Equal numbers must give equal batches.
        start: Number of the first batch, at least 0.

    Raises:
        ValueError: start is negative.

    Example:
        >>> squares = Stream(lambda i: i * i)
        >>> squares[3]
        9
        >>> next(iter(squares.skip(10)))
        100
    """

    make: Callable[[int], T]
    start: int = 0

    def __post_init__(self) -> None:
        if self.start < 0:
            raise ValueError(
                f"A stream starts at batch 0 or later; got {self.start}. Skip 0 or more batches."
            )

    def __getitem__(self, i: int) -> T:
        """Batch i, counted from where this stream starts."""
        if i < 0:
            raise IndexError(f"A stream has no end to count back from; got batch {i}. Ask for 0 or later.")
        return self.make(self.start + i)

    def __iter__(self) -> Iterator[T]:
        return map(self.make, count(self.start))

    def skip(self, n: int) -> Stream[T]:
        """The same stream without its first n batches; nothing is computed."""
        return Stream(self.make, self.start + n)


def drawn(
    draw: Callable[[random.Random], Example],
    collate: Callable[[list[Example]], T],
    batch_size: int,
    seed: int = 0,
) -> Stream[T]:
    """An endless stream of batches of freshly drawn examples.

    Args:
        draw: Makes one example from the generator it is given.
        collate: Makes a batch of them.
        batch_size: Examples per batch.
        seed: Chooses the examples; batch i is a function of (seed, i).

    Raises:
        ValueError: batch_size is below 1.

    Example:
        >>> drawn(lambda rng: rng.choice("ab"), "".join, batch_size=4)[0]
        'bbab'
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1; got {batch_size}.")

    def make(i: int) -> T:
        rng = random.Random(seed << 64 | i)
        return collate([draw(rng) for _ in range(batch_size)])

    return Stream(make)


def next_tokens(rows: Int64[Tensor, "B N"]) -> Batch:
    """Rows of N tokens as (inputs, targets) of T = N − 1: at every place, the target is the token after.

    Example:
        >>> import torch
        >>> next_tokens(torch.tensor([[1, 2, 3]]))
        (tensor([[1, 2]]), tensor([[2, 3]]))
    """
    return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()
