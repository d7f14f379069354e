"""The still picture of the rollouts view, for pages that run no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygpt.views._patching_figure import DIVERGING
from tinygpt.views._pieces_figure import ACROSS
from tinygpt.views._pieces_figure import figure as pieces_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from matplotlib.figure import Figure


def figure(
    prompt: Sequence[str], rows: Sequence[tuple[str, Sequence[str], np.ndarray]], limit: float
) -> Figure:
    """Returns the answers of one group, tokens in the colour of their advantages, which stand below them.

    Args:
        prompt: Its tokens as text.
        rows: For each answer a title, its tokens as text and their advantages.
        limit: The advantage of the ends of the colour scale.

    Returns:
        A figure that belongs to no pyplot state.
    """
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    # Without the darkest ends, on which black text could not be read.
    colours = LinearSegmentedColormap.from_list("advantage", DIVERGING[1:4])
    credit = [float(value) for _, _, values in rows for value in values]
    numbers = iter(range(len(credit)))
    text = "".join(prompt)
    above = f"prompt: {text if len(text) <= ACROSS - 10 else text[: ACROSS - 11] + '…'}"
    drawn = [(title, [(next(numbers), token) for token in tokens]) for title, tokens, _ in rows]
    return pieces_figure(
        [
            (above, ()),
            (f"below each token its advantage, colours from {-limit:.2f} to {limit:+.2f}", ()),
            *drawn,
        ],
        tint=lambda i: to_hex(colours(0.5 + credit[i] / limit / 2)),
        label=lambda i: f"{credit[i]:+.2f}" if i >= 0 else "",
        lines=2 * (len(rows) + 2),
    )
