"""The still picture of the budget game, for pages that run no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygpt.views._cells_figure import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tinygpt.scaling import Bet, Game
    from tinygpt.scaling.game import Cell

YOURS, BASELINE, INK = "#d55e00", "#57606a", "#1b1f24"


def figure(
    game: Game,
    words: Sequence[Sequence[str]],
    rows: Sequence[int],
    columns: Sequence[float],
    bought: Mapping[Cell, Sequence[float]],
) -> Figure:
    """Returns the prices of the market, and what was bought with the bet once it is made.

    Args:
        game: As far as it is.
        words: Prices, "" where nothing is sold, R C.
        rows, columns: Parameters and FLOPs.
        bought: Losses by parameters and tokens.

    Returns:
        A figure that belongs to no pyplot state.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    shades = colormaps["cividis"](np.linspace(0, 0.85, len(rows)))
    result = Figure(figsize=(9.2, 3.4), dpi=80, layout="constrained")
    market, chart = result.subplots(1, 2)
    _prices(market, words, rows, columns)
    for i, N in enumerate(rows):
        own = sorted((D, losses) for (n, D), losses in bought.items() if n == N)
        if own:
            C = [6 * N * D for D, _ in own]
            chart.plot(
                C, [np.mean(losses) for _, losses in own], "o-", ms=5, lw=1, color=shades[i], label=f"N {N:,}"
            )
    _bets(chart, game)
    N, D = game.target
    chart.axvline(6 * N * D, color=YOURS, ls=":", lw=1)
    chart.set(
        xscale="log", xlabel="FLOPs", ylabel="loss (nats per token)", xlim=(min(columns) / 2, 20 * N * D)
    )
    chart.set_title(plain(f"bought, and the bet at N {N:,}", 40), fontsize=10, loc="left")
    chart.spines[["top", "right"]].set_visible(False)
    if chart.get_legend_handles_labels()[0]:
        chart.legend(frameon=False, fontsize=8)
    return result


def _prices(
    axes: Axes, words: Sequence[Sequence[str]], rows: Sequence[int], columns: Sequence[float]
) -> None:
    axes.set_title("credits for a run", fontsize=10, loc="left")
    axes.set_xticks(range(len(columns)), [f"{C:.1e}" for C in columns])
    axes.set_yticks(range(len(rows)), [f"N {N:,}" for N in rows])
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5), xlabel="FLOPs")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    for y, row in enumerate(words):
        for x, word in enumerate(row):
            axes.text(x, y, word, ha="center", va="center", fontsize=11)


def _bets(axes: Axes, game: Game) -> None:
    if game.verdict is None:
        return
    N, D = game.target
    _bet(axes, 6 * N * D, game.verdict.yours, YOURS, "your bet")
    _bet(axes, 9 * N * D, game.verdict.baseline, BASELINE, "baseline")
    axes.plot(
        [6 * N * D] * len(game.verdict.losses), game.verdict.losses, "o", color=INK, ms=4, label="measured"
    )


def _bet(axes: Axes, C: float, bet: Bet, colour: str, label: str) -> None:
    axes.plot([C, C], [bet.low, bet.high], color=colour, lw=2)
    axes.plot(C, bet.loss, "D", color=colour, ms=6, label=label)
