"""Walks: the next token depends on the last one alone, so every true probability stands in a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from tinygpt.data.stream import Stream, next_tokens

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from tinygpt.data.stream import Batch

EVENNESS = 3.0  # of the shares of what is possible: at 1 any split is as likely, above it even ones are


def forks(widths: Sequence[int], vocab_size: int = 64, seed: int = 0) -> Float[Tensor, "V V"]:
    """A table of how likely each token follows each, in which only some tokens are possible.

    Args:
        widths: How many tokens can come after token 0, 1, … in turn, again from the first after the last.
        vocab_size: Tokens V, at least the largest width.
        seed: Chooses what is possible, and how likely it is.

    Returns:
        Rows that sum to 1, V × V.

    Raises:
        ValueError: A width is below 1 or above V.

    Example:
        >>> (forks([1, 4], vocab_size=6) > 0).sum(dim=1).tolist()
        [1, 4, 1, 4, 1, 4]
    """
    if not widths or not 1 <= min(widths) <= max(widths) <= vocab_size:
        raise ValueError(f"widths must be from 1 to vocab_size={vocab_size}; got {widths}.")
    rng, table = np.random.default_rng(seed), np.zeros((vocab_size, vocab_size), dtype=np.float32)
    for i, row in enumerate(table):
        n = widths[i % len(widths)]
        row[rng.choice(vocab_size, n, replace=False)] = rng.dirichlet(np.full(n, EVENNESS))
    return torch.from_numpy(table)


def walks(table: Float[Tensor, "V V"], batch_size: int, length: int, seed: int = 0) -> Stream[Batch]:
    """Rows that begin anywhere and go on as the table says.

    Args:
        table: P(next | last), rows that sum to 1.
        batch_size: Rows per batch.
        length: Tokens to predict in a row.
        seed: Chooses the walks; batch i is a function of (seed, i).

    Returns:
        A stream of (inputs, targets), both B T. The truth at each place is `table[inputs]`.

    Example:
        >>> table = forks([1, 4], vocab_size=6)
        >>> inputs, targets = walks(table, batch_size=2, length=5)[0]
        >>> inputs.shape, bool((table[inputs, targets] > 0).all())
        (torch.Size([2, 5]), True)
    """
    ends = table.double().cumsum(dim=1)

    def make(i: int) -> Batch:
        rng = np.random.default_rng((seed, i))
        ids = [torch.from_numpy(rng.integers(len(table), size=batch_size))]
        for _ in range(length):
            reached = ends[ids[-1]]
            point = torch.from_numpy(rng.random((batch_size, 1))) * reached[:, -1:]
            ids.append(torch.searchsorted(reached, point, right=True)[:, 0])
        return next_tokens(torch.stack(ids, dim=1))

    return Stream(make)
