"""The still picture of the patching view, for pages that run no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygpt.views._cells_figure import cells, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from matplotlib.figure import Figure

DIVERGING = ("#08306b", "#4292c6", "#f3f3f3", "#f08a3c", "#8c2d04")


def figure(
    grids: Sequence[tuple[str, np.ndarray, Sequence[str], Sequence[str]]],
    prompts: Sequence[Sequence[str]],
    limit: float,
    title: str,
    measures: str,
) -> Figure:
    """Returns every grid below the two prompts, in which differing tokens stand in brackets.

    Args:
        grids: Name, values (R C), names of rows and of columns.
        prompts: None, the clean one, or the clean and the other one.
        limit: The value of the ends of the colour scale.
        title: What stands above.
        measures: What a value says.

    Returns:
        A figure that belongs to no pyplot state.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    heights = [0.8 + 0.26 * len(rows) for _, _, rows, _ in grids]
    above = 0.35 + 0.24 * len(prompts)
    result = Figure(figsize=(9.2, sum(heights) + above), dpi=80, layout="constrained")
    result.suptitle("\n".join([plain(title, 90), *_marked(prompts)]), fontsize=10, ha="left", x=0.01)
    colours = LinearSegmentedColormap.from_list("patching", DIVERGING)
    panels = result.subplots(len(grids), 1, height_ratios=heights, squeeze=False)[:, 0]
    for axes, (name, values, rows, columns) in zip(panels, grids, strict=True):
        words = [[f"{value:.2f}" for value in row] for row in values.round(2) + 0.0]
        image = cells(axes, values, rows, columns, colours, (-limit, limit), words)
        axes.set_title(plain(name, 60), fontsize=11, loc="left")
    result.colorbar(image, ax=panels, label=plain(measures, 60), shrink=min(1, 2.5 / sum(heights)))
    return result


def _marked(prompts: Sequence[Sequence[str]]) -> list[str]:
    differ = [len(set(pair)) > 1 for pair in zip(*prompts, strict=True)]
    names = ("clean: ", "corrupted: ")
    return [
        name + " ".join(f"[{plain(t)}]" if d else plain(t) for t, d in zip(prompt, differ, strict=True))
        for name, prompt in zip(names, prompts, strict=False)
    ]
