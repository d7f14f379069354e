"""The still picture of the model map, for pages that run no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    "embedding": "#b97f00",
    "positions": "#f0e442",
    "attention": "#0072b2",
    "cross": "#c46c9b",
    "feed_forward": "#009e73",
    "norms": "#777777",
    "head": "#d55e00",
}


def figure(
    kinds: Mapping[str, Sequence[int]],
    metrics: Sequence[str],
    titles: Mapping[str, str],
    title: str,
    leaves: Sequence[tuple[str, str, int]],
) -> Figure:
    """Returns what share of each metric every kind of part has, above the weights of one block.

    Args:
        kinds: Kind -> its sum by each metric.
        metrics: Their names.
        titles: What each kind is called.
        title: What stands above.
        leaves: Name, kind and parameters of the parts of a block.

    Returns:
        A figure that belongs to no pyplot state.
    """
    from matplotlib.figure import Figure

    tall = 0.5 + 0.22 * len(leaves)
    result = Figure(figsize=(9.2, 2.5 + tall), dpi=80, layout="constrained")
    shares, block = result.subplots(2, 1, height_ratios=[2.0, tall])
    _shares(shares, kinds, metrics, titles)
    shares.set_title(title, fontsize=11, loc="left")
    names = [name for name, _, _ in leaves]
    block.barh(range(len(leaves)), [n for _, _, n in leaves], color=[COLOURS[kind] for _, kind, _ in leaves])
    block.set_yticks(range(len(leaves)), names, fontsize=9)
    block.set_ylim(len(leaves) - 0.4, -0.6)
    for i, (_, _, number) in enumerate(leaves):
        block.annotate(f" {number:,}", (number, i), va="center", fontsize=9)
    block.set_title("one block: parameters", fontsize=11, loc="left")
    block.margins(x=0.12)
    block.set_xticks([])
    block.spines[["top", "right", "bottom"]].set_visible(False)
    return result


def _shares(
    axes: Axes, kinds: Mapping[str, Sequence[int]], metrics: Sequence[str], titles: Mapping[str, str]
) -> None:
    totals = [sum(numbers[i] for numbers in kinds.values()) for i in range(len(metrics))]
    left = [0.0] * len(metrics)
    for kind, numbers in kinds.items():
        widths = [number / total for number, total in zip(numbers, totals, strict=True)]
        bars = axes.barh(range(len(metrics)), widths, left=left, color=COLOURS[kind], label=titles[kind])
        words = [f"{width:.0%}" if width > 0.04 else "" for width in widths]
        dark = kind in ("attention", "norms", "feed_forward", "head")
        axes.bar_label(bars, words, label_type="center", fontsize=9, color="white" if dark else "black")
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.set_yticks(range(len(metrics)), metrics)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.legend(ncols=len(kinds), frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0), fontsize=9)
