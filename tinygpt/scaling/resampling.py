"""The bootstrap: how far a number would move if the same experiment had drawn other runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float64, Int64
    from numpy.typing import ArrayLike


def resampled(
    n: int, draws: int, groups: Sequence[object] | None = None, seed: int = 0
) -> Iterator[Int64[np.ndarray, " m"]]:
    """Yields the rows of each draw: n of n with replacement, or as many groups as there are, whole.

    Args:
        n: rows there are.
        draws: how many times to draw.
        groups: a label for each row; rows of one label are drawn together, since they are not independent.
        seed: of the drawing.

    Raises:
        ValueError: when the labels are not n.
    """
    if groups is not None and len(groups) != n:
        raise ValueError(f"groups must label each of the {n} rows; got {len(groups)} labels.")
    rng = np.random.default_rng(seed)
    labels = range(n) if groups is None else groups
    members: dict[object, list[int]] = {}
    for row, label in enumerate(labels):
        members.setdefault(label, []).append(row)
    parts = [np.array(rows) for rows in members.values()]
    for _ in range(draws):
        yield np.concatenate([parts[i] for i in rng.integers(len(parts), size=len(parts))])


def bootstrap(
    statistic: Callable[..., float],
    *columns: ArrayLike,
    draws: int = 1000,
    level: float = 0.9,
    groups: Sequence[object] | None = None,
    seed: int = 0,
) -> tuple[float, float]:
    """Returns the percentile interval of a statistic of some columns, by drawing their rows again.

    Args:
        statistic: a function of the columns.
        *columns: of one length.
        draws: how many times to draw.
        level: share of the draws inside the interval.
        groups: see `resampled`.
        seed: of the drawing.

    Example:
        >>> low, high = bootstrap(np.mean, [1.0, 2.0, 3.0, 4.0])
        >>> low < 2.5 < high
        True

    Source: Efron 1979, "Bootstrap Methods: Another Look at the Jackknife".
    """
    arrays: list[Float64[np.ndarray, " n"]] = [np.asarray(column) for column in columns]
    rows = resampled(len(arrays[0]), draws, groups, seed)
    found = [float(statistic(*(array[drawn] for array in arrays))) for drawn in rows]
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
