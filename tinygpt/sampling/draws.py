"""Drawing tokens: a point from 0 to 1 falls into the stretch of a token, and each row has its own points."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float, Int

NOTHING_LEFT = "no token is left to draw: the filters cut all of them, or the logits are not numbers."
AHEAD = 64  # points drawn at a time: a call for each row and step would cost more than the draw


def row_seeds(seed: int, n: int) -> list[int]:
    """A seed for each of n rows: the first row's is `seed` itself, the others' are mixed from it and the row.

    Row r of `generate(model, prompts, seed=s)` is `generate(model, prompts[r], seed=row_seeds(s, n)[r])`.

    Example:
        >>> row_seeds(7, 3) == row_seeds(7, 5)[:3], row_seeds(7, 3)[0], len(set(row_seeds(7, 100)))
        (True, 7, 100)
    """
    # PyTorch's CPU generator looks at 32 bits of its seed, so seed + row would make rows of neighbours meet.
    mixed = [np.random.SeedSequence([seed % 2**64, row]).generate_state(1) for row in range(1, n)]
    return [seed, *(int(state[0]) for state in mixed)][:n]


class Draws:
    """The points at which the tokens of B rows are drawn, B × 1 at a time.

    They come from the CPU's generators, wherever the model is, so a seed draws the same on a GPU.
    """

    def __init__(self, seed: int | Sequence[int] | None, n_rows: int, device: torch.device) -> None:
        self.n_rows, self.device, self.used = n_rows, device, AHEAD
        seeds = row_seeds(int(seed), n_rows) if isinstance(seed, Integral) else seed
        if seeds is not None and len(seeds) != n_rows:
            raise ValueError(f"there must be one seed, or one for each of {n_rows} rows; got {len(seeds)}.")
        self.generators = seeds and [torch.Generator().manual_seed(int(one)) for one in seeds]

    def select(self, rows: Int[Tensor, " B"]) -> None:
        """Goes on for these rows only."""
        self.n_rows = len(rows)
        if self.generators:
            self.generators = [self.generators[row] for row in rows.tolist()]
            if self.used < AHEAD:
                self.points = self.points[rows]

    def next(self) -> Float[Tensor, "B 1"]:
        if not self.generators:
            return torch.rand(self.n_rows, 1, device=self.device)
        if self.used == AHEAD:
            points = torch.stack([torch.rand(AHEAD, generator=one) for one in self.generators])
            self.points, self.used = points.to(self.device), 0
        self.used += 1
        return self.points[:, self.used - 1 : self.used]

    def take(self, n: int) -> Float[Tensor, " more"]:
        """The next n points of a single row, or more; not to be mixed with `next`."""
        if not self.generators:
            return torch.rand(n)
        return torch.rand(-(-n // AHEAD) * AHEAD, generator=self.generators[0])


def pick(logits: Float[Tensor, "B V"], generator: torch.Generator | None = None) -> Int[Tensor, " B"]:
    """Draws one token per row from softmax(logits).

    Raises:
        ValueError: when filters have cut every token of a row.
    """
    return pick_at(logits, torch.rand(len(logits), 1, generator=generator, device=logits.device))


def pick_at(logits: Float[Tensor, "B V"], points: Float[Tensor, "B 1"]) -> Int[Tensor, " B"]:
    """The token of each row at a point from 0 to 1, of which each token owns as much as its probability.

    Raises:
        ValueError: when filters have cut every token of a row.
    """
    return landed(probabilities(logits), points)


def probabilities(logits: Float[Tensor, "B V"]) -> Float[Tensor, "B V"]:
    """Returns softmax(logits), in float32.

    Raises:
        ValueError: when filters have cut every token of a row.
    """
    probability = logits.float().softmax(dim=-1)
    if torch.isnan(probability[:, 0]).any():
        raise ValueError(NOTHING_LEFT)
    return probability


def landed(weights: Float[Tensor, "B V"], points: Float[Tensor, "B 1"]) -> Int[Tensor, " B"]:
    """The token of each row at a point from 0 to 1, of which each owns its share of the weights."""
    # In a vocabulary of 4,096 that takes a tenth of torch.multinomial's time. The point stays below the total
    # in float32 too.
    ends = weights.cumsum(dim=-1)
    return torch.searchsorted(ends, points * ends[:, -1:], right=True)[:, 0]
