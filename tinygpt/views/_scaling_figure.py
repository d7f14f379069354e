"""The still picture of the scaling view, for pages that run no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float64
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tinygpt.scaling import Chinchilla, Profile
    from tinygpt.views._scaling import Point

FRONTIER, HAND, MARKERS = "#0072b2", "#d55e00", "os^D"
NAMED = 9


def figure(
    points: Sequence[Point],
    profiles: Sequence[Profile],
    law: Chinchilla,
    frontier: Float64[np.ndarray, "4 m"],
    budget: float,
    entropy: float | None,
) -> Figure:
    """Returns loss against FLOPs with the frontier, and loss against N for each budget.

    Args:
        points: Kinds of runs.
        profiles: Their parabolas.
        law: That was fitted to them.
        frontier: Budgets in FLOPs, the lowest loss of each, and the ends of its band.
        budget: In hand.
        entropy: A line, where it is known.

    Returns:
        A figure that belongs to no pyplot state.
    """
    from matplotlib.figure import Figure

    result = Figure(figsize=(9.2, 4.0), dpi=80, layout="constrained")
    left, right = result.subplots(1, 2)
    _against_flops(left, points, frontier, entropy)
    _against_size(right, points, profiles, law, budget)
    N, D = law.optimal(budget)
    left.plot(budget, law.loss(N, D), "o", color=HAND, ms=8, zorder=5)
    right.plot(N, law.loss(N, D), "o", color=HAND, ms=8, zorder=5)
    left.set_title("What a budget buys", fontsize=11, loc="left")
    right.set_title("One budget, many sizes (dashed: parabola)", fontsize=11, loc="left")
    left.set(xlabel="FLOPs", ylabel="loss (nats per token)", xscale="log", yscale="log")
    right.set(xlabel="parameters N", xscale="log", yscale="log")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.yaxis.set_major_formatter("{x:.2f}")
        axes.yaxis.set_minor_formatter("{x:.2f}")
        axes.tick_params(which="both", labelsize=9)
        if len(handles := axes.get_legend_handles_labels()[0]) <= NAMED:
            axes.legend(handles=handles, frameon=False, fontsize=8)
    return result


def _against_flops(axes: Axes, points: Sequence[Point], frontier: np.ndarray, entropy: float | None) -> None:
    sizes = sorted({point.N for point in points})
    for i, N in enumerate(sizes):
        of = sorted((point for point in points if point.N == N), key=lambda point: point.C)
        _plot(axes, [point.C for point in of], of, i, len(sizes), f"N {N:,.0f}", lw=1)
    C, loss, low, high = frontier
    axes.fill_between(C, low, high, color=FRONTIER, alpha=0.22, lw=0)
    axes.plot(C, loss, color=FRONTIER, lw=2.4, label="frontier")
    if entropy is not None:
        axes.axhline(entropy, color="#57606a", ls="--", lw=1, label=f"entropy {entropy:.2f}")


def _against_size(
    axes: Axes, points: Sequence[Point], profiles: Sequence[Profile], law: Chinchilla, budget: float
) -> None:
    budgets = sorted({point.profile for point in points})
    for i in budgets:
        of = sorted(point for point in points if point.profile == i)
        sizes = [point.N for point in of]
        line = _plot(axes, sizes, of, i, len(budgets), f"{of[0].C:.2g} FLOPs", lw=0)
        _curve(axes, law, of[0].C, color=line, lw=1.4)
        for profile in profiles:
            if abs(np.log(profile.C / of[0].C)) < 0.01:
                N = np.geomspace(min(sizes), max(sizes), 40)
                axes.plot(N, np.polyval(profile.parabola, np.log10(N)), color=line, ls="--", lw=1.4)
                axes.plot(profile.N, profile.loss, "D", color="#1b1f24", ms=5)
    _curve(axes, law, budget, color=FRONTIER, lw=2.4)


def _plot(
    axes: Axes, x: Sequence[float], of: Sequence[Point], i: int, many: int, label: str, lw: float
) -> tuple[float, ...]:
    from matplotlib import colormaps

    colour = colormaps["cividis"](0.85 * i / max(many - 1, 1))
    bars = np.array([[point.loss - point.least, point.most - point.loss] for point in of]).T
    style = {"color": colour, "marker": MARKERS[i % len(MARKERS)], "ms": 4.5, "capsize": 2}
    axes.errorbar(x, [point.loss for point in of], yerr=bars, lw=lw, elinewidth=1, label=label, **style)
    return colour


def _curve(axes: Axes, law: Chinchilla, C: float, **style: object) -> None:
    best, D = law.optimal(C)
    N = best * np.geomspace(1 / 12, 12, 60)
    axes.plot(N, law.loss(N, best * D / N), **style)
