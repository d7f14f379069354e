"""The sweeps of the chapter on scaling laws by name, and the results of those that are shipped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any

from tinygpt.data.worlds import almanac_entropy
from tinygpt.scaling.almanac import almanac_run, isoflop_grid, price
from tinygpt.scaling.record import Result, grid, results
from tinygpt.scaling.repeats import repeats_grid, repeats_price, repeats_run
from tinygpt.scaling.text import text_run
from tinygpt.scaling.village import batch_run, width_run
from tinygpt.scaling.workers import Run


@dataclass(frozen=True)
class Grid:
    """What `tinygpt sweep --grid NAME` does.

    Attributes:
        run: the function that makes one run.
        settings: what it is called with.
        cost: how long a setting takes compared with others; None if they are alike.
        entropy: of the text they learn, in nats per token, where it is known.
    """

    run: Run
    settings: list[dict[str, Any]]
    cost: Callable[[Mapping[str, Any]], float] | None = None
    entropy: Callable[[], float] | None = None


GRIDS = {
    "ci": Grid(almanac_run, isoflop_grid([1.2e9, 2.4e9], [4, 8, 16], [0]), price, almanac_entropy),
    "almanac": Grid(
        almanac_run, isoflop_grid([2.4e9, 9.6e9, 3.84e10, 1.536e11], seeds=range(5)), price, almanac_entropy
    ),
    "reveal": Grid(almanac_run, isoflop_grid([1.536e12], [48, 64, 96], most=1e7), price),
    "repeats": Grid(repeats_run, repeats_grid(), repeats_price),
    "text": Grid(
        text_run,
        grid(width=[8, 16, 32, 64], tokens=[125_000, 250_000, 500_000, 1_000_000], seed=range(3))
        + grid(width=[64], tokens=[2_000_000], seed=range(3)),
        lambda setting: setting["tokens"] * (20 + setting["width"]),
    ),
    "widths": Grid(
        width_run,
        grid(
            width=[16, 32, 64, 128], lr=[2.0**k for k in range(-9, -2)], base_width=[None, 16], seed=range(3)
        ),
        lambda setting: 20 + setting["width"],
    ),
    "batches": Grid(
        batch_run,
        [
            {"rows": rows, "lr": factor * rows**0.5 / 512, "seed": seed}
            for rows in (2, 4, 8, 16, 32, 64, 128)
            for factor in (0.5, 1.0, 2.0, 4.0)
            for seed in range(3)
        ],
    ),
}
"""Six runs of seconds, the grid of the chapter, runs of ten times its largest budget, and runs that read
their rows several times; real text; learning rates at four widths, with one rate for all weights and with
`base_width`; and batches at four rates each."""


def shipped(name: str) -> list[Result]:
    """Returns the results of a sweep that comes with the package, as `tinygpt sweep --grid NAME` made them.

    Args:
        name: of the grid.

    Raises:
        ValueError: when there are none of that name.

    Example:
        >>> runs = shipped("almanac")
        >>> len({result.scores["N"] for result in runs})
        6
    """
    folder = files("tinygpt.scaling") / "runs"
    names = sorted(file.name.removesuffix(".jsonl") for file in folder.iterdir())
    if name not in names:
        raise ValueError(f"there are shipped runs of {', '.join(names)}; got {name!r}.")
    with as_file(folder / f"{name}.jsonl") as path:
        return results(path)
