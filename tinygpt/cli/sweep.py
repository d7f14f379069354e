"""`tinygpt sweep`: many small runs, for scaling laws, on this machine or on a Ray cluster."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

from tinygpt.cli.flags import add_flags, chosen
from tinygpt.data.worlds import almanac_entropy
from tinygpt.scaling import Result, fit_chinchilla, sweep
from tinygpt.scaling.almanac import GRIDS, almanac_run, price


@dataclass(frozen=True)
class SweepOptions:
    """Which runs to make, where, and what to do with them.

    Args:
        size: "ci" is six runs in seconds, "laptop" the grid of the chapter on scaling laws.
        out: file of results, one line each. What is in it is not run again.
        workers: processes, each with one thread; by default one per core. On a GPU, runs that share it.
        ray: address of a Ray cluster, "auto" for the one on this machine; needs tinygpt[ray].

    Raises:
        ValueError: when there are fewer than one worker.
    """

    size: str = "laptop"
    out: str = "sweep.jsonl"
    workers: int | None = None
    ray: str = ""

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"--workers must be at least 1; got {self.workers}.")


def run(argv: list[str]) -> int:
    """Runs the command. Returns 1 when a run failed; the others are kept."""
    parser = argparse.ArgumentParser(prog="tinygpt sweep", description=__doc__)
    add_flags(parser, SweepOptions, choices={"size": tuple(GRIDS)})
    options = SweepOptions(**chosen(SweepOptions, parser.parse_args(argv)))
    how = {"workers": options.workers, "ray": options.ray or None, "cost": price}
    found = sweep(GRIDS[options.size], almanac_run, options.out, **how)
    failed = [result for result in found if result.error]
    for result in failed:
        print(f"failed: {result.setting}: {result.error}")
    if not failed:
        print(table(found))
        print(verdict(found))
    print(f"{len(found) - len(failed)} runs are in {options.out}")
    return 1 if failed else 0


def table(found: list[Result]) -> str:
    """Returns one line for each size and length: parameters, tokens, and the mean loss of its seeds."""
    lines = [f"{'parameters':>10} {'tokens':>10} {'loss':>7}  seeds"]
    place = lambda result: (result.scores["D"] * result.scores["N"], result.scores["N"])  # noqa: E731
    for _, runs in groupby(sorted(found, key=place), key=place):
        scores = [result.scores for result in runs]
        mean = fmean(score["loss"] for score in scores)
        lines.append(f"{scores[0]['N']:>10,} {scores[0]['D']:>10,} {mean:>7.4f}  {len(scores)}")
    return "\n".join(lines)


def verdict(found: list[Result]) -> str:
    """Returns the law that was fitted, beside the entropy that no model can beat."""
    fit = fit_chinchilla(*([result.scores[name] for result in found] for name in ("N", "D", "loss")))
    powers = f"{fit.A:.3g} / N^{fit.alpha:.2f} + {fit.B:.3g} / D^{fit.beta:.2f}"
    return f"loss = {fit.E:.3f} + {powers}; the entropy is {almanac_entropy():.3f}"
