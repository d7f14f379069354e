"""`tinygpt sweep`: many small runs, for scaling laws, on this machine or on a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from tinygpt.cli.flags import add_flags, chosen
from tinygpt.cli.parser import Parser
from tinygpt.scaling import GRIDS, Result, fit_chinchilla, sweep


@dataclass(frozen=True)
class SweepOptions:
    """Which runs to make, where, and what to do with them.

    Args:
        grid: "almanac" is that of the chapter on scaling laws, "ci" six runs of seconds, "reveal" runs of ten
            times the largest budget of "almanac", "repeats" runs that read the same rows several times,
            "widths" seeks the best learning rate at each width, "batches" the steps that batches need to some
            losses, and "text" reads documentation.
        out: file of results, one line each. What is in it is not run again.
        workers: processes, each with one thread; by default one per core. On a GPU, runs that share it.
        ray: address of a Ray cluster, "auto" for the one on this machine; needs tinygpt[ray].

    Raises:
        ValueError: when there are fewer than one worker.
    """

    grid: str = "almanac"
    out: str = "sweep.jsonl"
    workers: int | None = None
    ray: str = ""

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"--workers must be at least 1; got {self.workers}.")


def run(argv: list[str]) -> int:
    """Runs the command. Returns 1 when a run failed; the others are kept."""
    parser = Parser(prog="tinygpt sweep", description=__doc__)
    add_flags(parser, SweepOptions, choices={"grid": tuple(GRIDS)})
    options = SweepOptions(**chosen(SweepOptions, parser.parse_args(argv)))
    which = GRIDS[options.grid]
    how = {"workers": options.workers, "ray": options.ray or None, "cost": which.cost}
    found = sweep(which.settings, which.run, options.out, **how)
    failed = [result for result in found if result.error]
    for result in failed:
        print(f"failed: {result.setting}: {result.error}")
    if not failed:
        print(table(found))
    if not failed and which.entropy:
        print(verdict(found, which.entropy()))
    print(f"{len(found) - len(failed)} runs are in {options.out}")
    return 1 if failed else 0


def table(found: list[Result]) -> str:
    """Returns one line for each setting: what it was and the mean of its seeds' scores."""
    runs: dict[tuple[tuple[str, object], ...], list[Result]] = {}
    for result in found:
        runs.setdefault(tuple((k, v) for k, v in result.setting.items() if k != "seed"), []).append(result)
    scores = [name for name, score in found[0].scores.items() if isinstance(score, int | float)]
    heads = [name for name, _ in next(iter(runs))] + scores + ["runs"]
    rows = [
        [f"{value}" for _, value in setting]
        + [_mean([result.scores[name] for result in same]) for name in scores]
        + [f"{len(same)}"]
        for setting, same in runs.items()
    ]
    return "\n".join(" ".join(f"{cell:>10}" for cell in row) for row in [heads, *rows])


def _mean(scores: list[float | None]) -> str:
    """The mean as text; a dash if some run has no such score, such as the steps to a loss never reached."""
    return "-" if None in scores else f"{fmean(scores):.6g}"


def verdict(found: list[Result], entropy: float) -> str:
    """Returns the law that was fitted, beside the entropy that no model can beat."""
    fit = fit_chinchilla(*([result.scores[name] for result in found] for name in ("N", "D", "loss")))
    powers = f"{fit.A:.3g} / N^{fit.alpha:.2f} + {fit.B:.3g} / D^{fit.beta:.2f}"
    return f"loss = {fit.E:.3f} + {powers}; the entropy is {entropy:.3f}"
