"""The still picture of the attention view, for pages that run no script."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINES = ("#009e73", "#c46c9b", "#b97f00", "#3a97cc")


def figure(
    pattern: np.ndarray,
    pieces: Sequence[str],
    layers: Sequence[int],
    head: tuple[int, int],
    *,
    causal: bool,
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    x_label: str,
    at: float,
) -> Figure:
    """Returns every head as a tile beside one large head, with the curves on top.

    Args:
        pattern: Weights, L H T T, 0 to 1.
        pieces: The T tokens.
        layers: The numbers of the L layers.
        head: The (layer, head) to show large.
        causal: Whether keys after the query are masked, and so left blank.
        curves: Name -> (x, y).
        x_label: What x counts.
        at: Where the shown checkpoint is on the x axis.

    Returns:
        A figure that belongs to no pyplot state.
    """
    from matplotlib.figure import Figure

    chart = 1.05 * len(curves)
    result = Figure(figsize=(9.2, 4.6 + chart), dpi=100, layout="constrained")
    top, bottom = result.subfigures(2, 1, height_ratios=[chart, 4.6]) if curves else (None, result)
    if top is not None:
        _curves(top.subplots(len(curves), 1, sharex=True, squeeze=False)[:, 0], curves, x_label, at)
    tiles, large = bottom.subplots(1, 2, width_ratios=[0.8, 1])
    blank = np.triu(np.ones(pattern.shape[-2:], bool), 1) & causal
    shown = np.where(blank, np.nan, np.sqrt(pattern))
    _tiles(tiles, shown, layers)
    image = _large(large, shown[layers.index(head[0]), head[1]], pieces)
    large.set_title(f"L{head[0]}H{head[1]}: query ↓, key →", fontsize=11)
    bar = bottom.colorbar(image, ax=large, shrink=0.7, ticks=np.sqrt([0, 0.05, 0.25, 0.5, 1]), label="weight")
    bar.ax.set_yticklabels(["0", "0.05", "0.25", "0.5", "1"])
    return result


def tiles(pattern: np.ndarray, *, causal: bool, side: int = 16) -> tuple[bytes, int]:
    """Returns every head as a tile of at most `side` pixels in 15 colours: a PNG of a few kB, and its width.

    Args:
        pattern: Weights, L H T T, 0 to 1.
        causal: Whether keys after the query are masked, and so left clear.
        side: Pixels; where several weights share one, the largest shows.
    """
    from matplotlib import colormaps
    from PIL import Image

    rows, heads, length, _ = pattern.shape
    n = min(length, side)
    starts = np.arange(n) * length // n
    largest = np.maximum.reduceat(np.maximum.reduceat(pattern, starts, 2), starts, 3)
    levels = 1 + np.rint(14 * np.sqrt(largest.clip(0, 1))).astype(np.uint8)
    if causal:
        levels[..., np.triu(np.ones((n, n), bool), 1)] = 0
    framed = np.pad(levels, [(0, 0), (0, 0), (0, 1), (0, 1)])
    image = Image.fromarray(framed.transpose(0, 2, 1, 3).reshape(rows * (n + 1), heads * (n + 1)), "P")
    colours = np.vstack([[1, 1, 1], colormaps["cividis"](np.linspace(0, 1, 15))[:, :3]])
    image.putpalette(np.rint(colours * 255).astype(np.uint8).tobytes())
    file = io.BytesIO()
    image.save(file, "png", bits=4, transparency=0, optimize=True)
    return file.getvalue(), min(4 * image.width, 720)


def _tiles(axes: Axes, shown: np.ndarray, layers: Sequence[int]) -> None:
    rows, heads, length, _ = shown.shape
    gap = max(1, round(length * 0.07))
    cell = length + gap
    mosaic = np.full((rows * cell, heads * cell), np.nan)
    for row in range(rows):
        for head in range(heads):
            mosaic[row * cell : row * cell + length, head * cell : head * cell + length] = shown[row, head]
    axes.imshow(mosaic, cmap="cividis", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks(np.arange(heads) * cell + length / 2, [f"H{head}" for head in range(heads)])
    axes.set_yticks(np.arange(rows) * cell + length / 2, [f"L{layer}" for layer in layers])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title("All heads", fontsize=11)


def _large(axes: Axes, shown: np.ndarray, pieces: Sequence[str]) -> object:
    image = axes.imshow(shown, cmap="cividis", vmin=0, vmax=1, interpolation="nearest")
    axes.spines[:].set_visible(False)
    if len(pieces) <= 40:
        size = max(5, min(10, 240 // len(pieces)))
        short = [piece.replace("$", r"\$")[:9] for piece in pieces]
        axes.set_xticks(range(len(pieces)), short, rotation=90, fontsize=size, family="monospace")
        axes.set_yticks(range(len(pieces)), short, fontsize=size, family="monospace")
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
    return image


def _curves(
    panels: np.ndarray, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], x_label: str, at: float
) -> None:
    for i, (axes, (name, (x, y))) in enumerate(zip(panels, curves.items(), strict=True)):
        axes.plot(x, y, color=_LINES[i % len(_LINES)], lw=2)
        axes.axvline(at, color="#d55e00", lw=1.5)
        axes.set_title(name, fontsize=10, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel(x_label)
