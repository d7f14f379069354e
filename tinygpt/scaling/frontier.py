"""The compute-optimal frontier, from runs alone: without assuming a law of the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tinygpt.scaling.laws import checked

if TYPE_CHECKING:
    from jaxtyping import Float64, Int64
    from numpy.typing import ArrayLike


class Profile(NamedTuple):
    """A parabola through the losses of runs of one budget, over log₁₀ N.

    Attributes:
        C: the budget, in FLOPs.
        N: parameters at the lowest point.
        loss: there.
        inside: whether that point lies between the runs; if not, it is a guess beyond them.
        parabola: coefficients of log₁₀ N, highest power first.
    """

    C: float
    N: float
    loss: float
    inside: bool
    parabola: Float64[np.ndarray, " 3"]


def isoflop(C: ArrayLike, N: ArrayLike, loss: ArrayLike) -> list[Profile]:
    """Returns the best size for each budget, from runs that share budgets: smallest budget first.

    Args:
        C: FLOPs of each run; runs of one profile have the same, to one part in a hundred.
        N, loss: their parameters and final losses.

    Raises:
        ValueError: when a budget has fewer than three sizes, or a parabola opens downwards, which has no
            lowest point.

    Source: Hoffmann et al. 2022, section 3.2.
    """
    C, N, loss = checked(C=C, N=N, loss=loss, least=3)
    profiles = []
    for rows in by_budget(C):
        if len(np.unique(N[rows])) < 3:
            raise ValueError(f"a parabola needs three sizes; the budget {C[rows].mean():.3g} has {N[rows]}.")
        size = np.log10(N[rows])
        bend, slope, height = parabola = np.polyfit(size, loss[rows], 2)
        if bend <= 0:
            raise ValueError(
                f"the losses of the budget {C[rows].mean():.3g} have no lowest point between them."
            )
        best = -slope / (2 * bend)
        inside = bool(size.min() < best < size.max())
        profiles.append(
            Profile(float(C[rows].mean()), 10.0**best, height - slope**2 / (4 * bend), inside, parabola)
        )
    return profiles


def envelope(C: ArrayLike, loss: ArrayLike) -> Int64[np.ndarray, " m"]:
    """Returns the runs that no run as cheap or cheaper beats, cheapest first: the lower envelope.

    Args:
        C: FLOPs of each run, or of each moment of many runs.
        loss: there. Of moments, only if the learning rate has come down at each: see the chapter's bug.

    Source: Hoffmann et al. 2022, section 3.1.
    """
    C, loss = checked(C=C, loss=loss, least=1)
    order = np.lexsort((loss, C))
    lowest = np.minimum.accumulate(np.concatenate([[np.inf], loss[order][:-1]]))
    return order[loss[order] < lowest]


def by_budget(C: Float64[np.ndarray, " n"]) -> list[Int64[np.ndarray, " m"]]:
    """Returns the rows of each budget, cheapest first: one part in a hundred makes no other."""
    order = np.argsort(C, kind="stable")
    cuts = np.flatnonzero(np.diff(np.log(C[order])) > 0.01) + 1
    return np.split(order, cuts)
