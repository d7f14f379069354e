"""The still picture of the chat view, for pages that run no script."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from tinygpt.views._pieces_figure import drawable, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

ACROSS, LINES = 92, 40


def figure(turns: Sequence[tuple[str, str, Mapping[str, str]]]) -> Figure:
    """Returns what was asked and answered, from the first turn on, as much as has room.

    Args:
        turns: Who asks, what, and model → answer.

    Returns:
        A figure that belongs to no pyplot state.
    """
    from matplotlib.figure import Figure

    lines = [line for who, prompt, answers in turns for line in _lines(who, prompt, answers)]
    lines = lines or [("", "nothing has been asked yet", "normal")]
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], ("", "…", "normal")]
    result = Figure(figsize=(9.2, 0.2 * len(lines) + 0.2), dpi=100)
    axes = result.add_axes((0.01, 0, 0.98, 1))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(len(lines), -1)
    for i, (who, text, weight) in enumerate(lines):
        write(axes, 0, i, who, size=9, weight="bold", color="#0072b2")
        write(axes, 0.16, i, text, size=9, weight=weight)
    return result


def _lines(who: str, prompt: str, answers: Mapping[str, str]) -> list[tuple[str, str, str]]:
    lines: list[tuple[str, str, str]] = []
    for name, text in {who: prompt, **answers}.items():
        room = {"initial_indent": " " * max(0, len(name) - 14), "width": ACROSS}
        parts = [part for line in text.splitlines() for part in textwrap.wrap(line, **room) or [""]] or [""]
        weight = "bold" if name == who else "normal"
        for i, part in enumerate(parts):
            lines.append(("" if i else name, "".join(map(drawable, part)), weight))
    return [*lines, ("", "", "normal")]
