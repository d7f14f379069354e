"""The still picture of the sampling view, for pages that run no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygpt.views._cells_figure import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float64
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Odds = Float64[np.ndarray, " V"]

MODEL, AFTER, CUT, CURVE = "#b8c0c8", "#0072b2", "#8a929b", "#d55e00"
ROWS = 16


def figure(
    title: str, outcome: tuple[Odds, Odds, dict[int, str]] | None, name: Callable[[int], str]
) -> Figure:
    """Returns bars of the likeliest tokens before and after the filters, with who cut which.

    Args:
        title: What stands above.
        outcome: Probabilities before and after, and the filter that cut each token; None hides all.
        name: The text of an id.

    Returns:
        A figure that belongs to no pyplot state.
    """
    from matplotlib.figure import Figure

    result = Figure(figsize=(9.2, 4.2), dpi=80, layout="constrained")
    axes = result.subplots()
    axes.set_title(plain(title, 96), fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    if outcome is None:
        axes.text(0.5, 0.5, "Predict first: what comes next is hidden.", ha="center", fontsize=13)
        axes.set_axis_off()
        return result
    _bars(axes, *outcome, name)
    return result


def _bars(axes: Axes, first: Odds, last: Odds, cut_by: dict[int, str], name: Callable[[int], str]) -> None:
    order = np.argsort(-first, kind="stable")[:ROWS]
    y = np.arange(len(order))
    axes.barh(y, 100 * first[order], color=MODEL, height=0.8, label="model")
    axes.barh(y, 100 * last[order], color=AFTER, height=0.45, label="after the filters")
    axes.plot(100 * first[order].cumsum(), y, color=CURVE, lw=1.2, marker=".", label="model, summed")
    for i, token in enumerate(order.tolist()):
        if token in cut_by:
            axes.text(
                100 * first[token] + 0.5, i, f"cut by {cut_by[token]}", va="center", fontsize=8, color=CUT
            )
    words = [plain(visible(name(int(token))), 16) for token in order]
    axes.set_yticks(y, words, family="monospace", fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel("probability (%)")
    axes.legend(frameon=False, fontsize=9, loc="lower center")


def visible(text: str) -> str:
    """White space as signs."""
    return text.replace(" ", "·").replace("\n", "↵").replace("\t", "⇥")
