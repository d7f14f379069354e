"""What the still pictures of the grids share: a heat map with names and words in its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.image import AxesImage

LINES = ("#009e73", "#c46c9b", "#b97f00", "#3a97cc")


def plain(text: str, most: int = 12) -> str:
    """A short text in which a dollar begins no formula."""
    return (text if len(text) <= most else text[: most - 1] + "…").replace("$", r"\$")


def cells(
    axes: Axes,
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    colours: str | Colormap,
    limits: tuple[float, float],
    words: Sequence[Sequence[str]] | None = None,
) -> AxesImage:
    """Draws values, R C, as coloured cells; `words` are written where they fit, in black or white.

    Args:
        axes: Where.
        values: R C.
        rows, columns: Their names.
        colours: A colour map.
        limits: The values of its ends.
        words: R C.
    """
    image = axes.imshow(
        values, cmap=colours, vmin=limits[0], vmax=limits[1], aspect="auto", interpolation="nearest"
    )
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    size = max(5.0, min(10.0, 300 / len(columns)))
    upright = max(map(len, columns)) * len(columns) > 75
    every = max(1, round(len(columns) / 60))
    axes.set_xticks(
        range(0, len(columns), every),
        [plain(name) for name in columns[::every]],
        rotation=90 if upright else 0,
        fontsize=size,
        family="monospace",
    )
    axes.xaxis.tick_top()
    each = max(1, round(len(rows) / 24))
    axes.set_yticks(range(0, len(rows), each), [plain(name, 16) for name in rows[::each]], fontsize=10)
    if words is not None and len(columns) <= 16 and len(rows) <= 24:
        _write(axes, image, words, max(3, 80 // len(columns)))
    return image


def _write(axes: Axes, image: AxesImage, words: Sequence[Sequence[str]], most: int) -> None:
    rgb = image.to_rgba(image.get_array())[..., :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    light = linear @ np.array([0.2126, 0.7152, 0.0722])
    for y, row in enumerate(words):
        for x, word in enumerate(row):
            colour = "black" if light[y, x] > 0.179 else "white"
            axes.text(
                x,
                y,
                plain(word, most),
                ha="center",
                va="center",
                fontsize=8,
                color=colour,
                family="monospace",
            )
