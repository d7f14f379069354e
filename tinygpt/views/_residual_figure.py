"""The still picture of the residual view, for pages that run no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

STEEP = 100  # a span of norms wider than this is drawn on a logarithmic axis


def figure(models: Sequence[tuple[str, Sequence[str], np.ndarray, np.ndarray]]) -> Figure:
    """Returns, for each model, the stream's norm after every part and the norm of what the part adds.

    Args:
        models: Name, parts, mean norm of the stream and of what is added, both R.

    Returns:
        A figure that belongs to no pyplot state.
    """
    from matplotlib.figure import Figure

    rows = max(len(parts) for _, parts, _, _ in models)
    result = Figure(figsize=(9.2, 1.3 + 0.24 * rows), dpi=80, layout="constrained")
    panels = result.subplots(1, len(models), sharex=True, squeeze=False)[0]
    streams = np.concatenate([stream for _, _, stream, _ in models])
    steep = bool(streams.max() > STEEP * streams[streams > 0].min(initial=np.inf))
    for axes, (name, parts, stream, added) in zip(panels, models, strict=True):
        at = np.arange(len(parts))
        axes.barh(at, stream, color="#9ecae1", label="stream after it")
        axes.barh(at, added, height=0.35, color="#d55e00", label="what it adds")
        axes.set_yticks(at, parts, fontsize=9)
        axes.set_ylim(len(parts) - 0.4, -0.6)
        axes.set_xscale("log" if steep else "linear")
        axes.set_xlabel("norm, mean over positions")
        axes.set_title(name.replace("$", r"\$"), fontsize=11, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = panels[-1].get_legend_handles_labels()
    result.legend(handles, labels, frameon=False, loc="outside lower center", ncols=2, fontsize=9)
    return result
