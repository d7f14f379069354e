"""The still picture of the logit lens view, for pages that run no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygpt.views._cells_figure import cells, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def figure(
    ranks: np.ndarray,
    first: Sequence[Sequence[str]],
    rows: Sequence[str],
    pieces: Sequence[str],
    at: int,
    lines: Sequence[tuple[str, np.ndarray, str]],
) -> Figure:
    """Returns the right token's rank by depth and position, above the paths of some tokens at one position.

    Args:
        ranks: Of the right token, L T.
        first: The likeliest token, L T.
        rows: Names of the depths.
        pieces: The T tokens.
        at: The position of the lines.
        lines: Token, its rank at every depth, colour; the right one first.

    Returns:
        A figure that belongs to no pyplot state.
    """
    from matplotlib.figure import Figure

    tall = 1.0 + 0.3 * len(rows)
    result = Figure(figsize=(9.2, tall + 2.4), dpi=80, layout="constrained")
    grid, chart = result.subplots(2, 1, height_ratios=[tall, 2.2])
    most = max(float(ranks.max()), 1.0)
    image = cells(grid, -np.log1p(ranks), rows, pieces, "cividis", (-np.log1p(most), 0), first)
    grid.set_title("first choice, coloured by the right token's rank", fontsize=11, loc="left")
    marks = [m for m in (0, 1, 3, 10, 30, 100, 1000, 10_000, 100_000) if m <= most]
    bar = result.colorbar(image, ax=grid, ticks=[-np.log1p(m) for m in marks], label="rank (0: first)")
    bar.ax.set_yticklabels([f"{m:,}" for m in marks])
    _paths(chart, rows, lines, marks)
    chart.set_title(f"rank by depth at position {at} “{plain(pieces[at])}”", fontsize=11, loc="left")
    return result


def _paths(
    axes: Axes, rows: Sequence[str], lines: Sequence[tuple[str, np.ndarray, str]], marks: Sequence[int]
) -> None:
    for i, (name, ranks, colour) in enumerate(lines):
        style = {"lw": 2, "ls": "--"} if i else {"lw": 3}
        axes.plot(np.log1p(ranks), color=colour, label=plain(name), **style)
    axes.set_yticks([np.log1p(mark) for mark in marks], [f"{mark:,}" for mark in marks])
    axes.invert_yaxis()
    axes.set_ylabel("rank (0: first)")
    axes.set_xticks(range(len(rows)), rows)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
