"""The still picture of reward against KL, for pages that run no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygpt.views._cells_figure import LINES, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", *LINES)
MARKERS = "os^D"


def figure(lines: Mapping[str, Mapping[str, np.ndarray]], rewards: Sequence[str]) -> Figure:
    """Returns one panel for each reward, with a line for each method.

    Args:
        lines: Method → "kl" and each reward → mean, least and largest of every checkpoint, C 3.
        rewards: The rewards, in order.

    Returns:
        A figure that belongs to no pyplot state.
    """
    from matplotlib.figure import Figure

    result = Figure(figsize=(9.2, 3.6), dpi=80, layout="constrained")
    panels = result.subplots(1, len(rewards), sharex=True, squeeze=False)[0]
    for axes, reward in zip(panels, rewards, strict=True):
        for i, (name, values) in enumerate(lines.items()):
            middle, least, most = values[reward].T
            bars = [middle - least, most - middle]
            style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)], "ms": 5}
            axes.errorbar(values["kl"][:, 0], middle, yerr=bars, label=plain(name, 20), capsize=2, **style)
        axes.set_title(plain(reward, 30) + " reward" * ("reward" not in reward), fontsize=11, loc="left")
        axes.set_xlabel("KL from where it began (nats)")
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    result.legend(handles, labels, frameon=False, loc="outside lower center", ncols=4, fontsize=9)
    return result
