"""The still pictures of the views of tokens, for pages that run no script."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TINTS = ["#fde3b5", "#cfe7f8", "#c3ead9", "#f6f1b3", "#f3d6e6"]
# Letters to a line, and lines of pieces in all: a still picture shows how a text begins.
ACROSS, LINES = 88, 8

Piece = tuple[int, str]


def figure(
    rows: Sequence[tuple[str, Sequence[Piece]]],
    *,
    tint: Callable[[int], str] = lambda i: TINTS[i % 5],
    label: Callable[[int], str] = str,
    lines: int = LINES,
) -> Figure:
    """Returns the pieces of one text under one or more tokenizers, each piece with its id below.

    Args:
        rows: For each tokenizer a title and its tokens as (id, printable text).
        tint: The colour of an id; text on it is black.
        label: What stands below an id.
        lines: How many lines of pieces there may be in all.

    Returns:
        A figure that belongs to no pyplot state.
    """
    from matplotlib.figure import Figure

    wrapped = [(title, wrap(pieces, max(1, lines // len(rows)), label)) for title, pieces in rows]
    tall = sum(1.3 + 1.75 * len(own) for _, own in wrapped)
    result = Figure(figsize=(9.2, 0.27 * tall + 0.1), dpi=100)
    axes = result.add_axes((0.01, 0, 0.98, 1))
    axes.set_axis_off()
    axes.set_xlim(0, ACROSS)
    axes.set_ylim(tall + 0.2, -0.2)
    top = 0.0
    for title, own in wrapped:
        write(axes, 0, top + 0.45, title, size=11, weight="bold")
        for i, line in enumerate(own):
            draw_line(axes, line, top + 1.2 + 1.75 * i, tint, label)
        top += 1.3 + 1.75 * len(own)
    return result


def wrap(
    pieces: Sequence[Piece], most: int, label: Callable[[int], str]
) -> list[list[tuple[int, str, float]]]:
    """At most `most` lines of (id, text, width in letters); for the rest, one last piece "…" of id −1."""
    if not pieces:
        return []
    lines: list[list[tuple[int, str, float]]] = [[]]
    room = ACROSS - 2.0
    for i, piece in pieces:
        text = "".join(map(drawable, piece))
        text = text if len(text) <= 60 else text[:59] + "…"
        width = max(len(text) + 0.8, 0.62 * len(label(i)) + 0.6)
        if width + 0.4 > room:
            if len(lines) == most:
                lines[-1].append((-1, "…", 1.8))
                break
            lines.append([])
            room = ACROSS - 2.0
        lines[-1].append((i, text, width))
        room -= width + 0.4
        if piece.endswith("↵"):
            room = 0
    return lines


def drawable(character: str) -> str:
    """The character, or its code point where matplotlib's own font, the same on every machine, has none."""
    return character if ord(character) in _known() else f"‹{ord(character):X}›"


@functools.cache
def _known() -> set[int]:
    from matplotlib import font_manager

    path = font_manager.findfont("DejaVu Sans Mono")
    return set(font_manager.get_font(path).get_charmap())


def draw_line(
    axes: Axes,
    line: Sequence[tuple[int, str, float]],
    top: float,
    tint: Callable[[int], str],
    label: Callable[[int], str],
) -> None:
    from matplotlib.patches import FancyBboxPatch

    left = 0.2
    for i, text, width in line:
        box = FancyBboxPatch(
            (left, top - 0.42),
            width,
            0.84,
            boxstyle="round,pad=0,rounding_size=0.25",
            facecolor=tint(i) if i >= 0 else "white",
            edgecolor="#6a737d",
            lw=0.8,
        )
        axes.add_patch(box)
        write(axes, left + width / 2, top, text, size=10.5, ha="center")
        if i >= 0:
            write(axes, left + width / 2, top + 0.82, label(i), size=7, ha="center", color="#57606a")
        left += width + 0.4


def write(axes: Axes, x: float, y: float, text: str, **style: object) -> None:
    """Text as it is: a dollar begins no formula."""
    axes.text(x, y, text, va="center", family="DejaVu Sans Mono", parse_math=False, **style)
