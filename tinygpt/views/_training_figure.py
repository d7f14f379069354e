"""The still picture of the training view, for pages that run no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygpt.views._pieces_figure import drawable, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from tinygpt.training import Run

ACROSS, SHOWN = 84, 6


def figure(run: Run, samples: Sequence[tuple[int, str]]) -> Figure:
    """Returns the loss with its ruler, and below it what the model said, from first to last.

    Args:
        run: As far as it is.
        samples: Steps and texts.

    Returns:
        A figure that belongs to no pyplot state.
    """
    from matplotlib.figure import Figure

    samples = [*samples]  # as they are now: a run in another thread adds to them
    few = samples if len(samples) <= SHOWN else [*samples[: SHOWN // 2], *samples[-SHOWN // 2 :]]
    below = 0.26 * (len(few) + 1) if few else 0.0
    result = Figure(figsize=(9.2, 3.4 + below), dpi=80, layout="constrained")
    panels = result.subplots(2 if few else 1, 1, height_ratios=[3.4, below] if few else [1], squeeze=False)[
        :, 0
    ]
    run.plot(panels[0], measurements=[name for name in run.measured if "loss" in name])
    panels[0].set_title(run.headline(), fontsize=10, loc="left")
    panels[0].spines[["top", "right"]].set_visible(False)
    if few:
        _say(panels[1], few)
    return result


def _say(axes: object, samples: Sequence[tuple[int, str]]) -> None:
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(len(samples), -1)
    for i, (step, text) in enumerate(samples):
        line = "".join(map(drawable, text.replace("\n", "↵")))
        short = line if len(line) <= ACROSS else line[: ACROSS - 1] + "…"
        write(axes, 0, i, f"step {step}", size=8, color="#57606a")
        write(axes, 0.12, i, short, size=8)
