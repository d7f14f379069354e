"""Timing that a busy machine cannot fool easily: interleaved samples, paired ratios, gates before any clock.

Every candidate is sampled once per round, in shuffled order, so that whatever else the machine does hits all
alike. The default clock is the CPU time of this process at one thread; a ratio is taken within a round.
"""

from __future__ import annotations

import json
import os
import platform
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import torch

PACKAGES = (
    "torch",
    "tinygpt",
    "transformers",
    "trl",
    "x-transformers",
    "regex",
    "tokenizers",
    "tiktoken",
    "rustbpe",
    "transformer-lens",
    "numba",
)


@dataclass(frozen=True)
class Options:
    """What the command line asked for.

    Attributes:
        quick: gates only, and one short sample each.
        rounds: samples per candidate.
        seconds: length of a sample, at least one call.
        threads: of PyTorch.
        clock: "cpu" (time of this process on all its threads) or "wall".
        out: JSON lines are appended there; None keeps none.
        losses, steps, seeds: `train` compares validation losses after so many steps instead of speeds.
        text: file that `shakespeare` trains on; None takes the one in the cache or from the web.
        submissions: how many `judge` grades.
        script: LLMs-from-scratch's script with the optimised cache, for `generate`; None does without.
    """

    quick: bool = False
    rounds: int = 9
    seconds: float = 0.3
    threads: int = 1
    clock: str = "cpu"
    out: Path | None = None
    losses: bool = False
    steps: int = 100
    seeds: int = 3
    text: Path | None = None
    script: Path | None = None
    submissions: int = 300


@dataclass(frozen=True)
class Sample:
    """Seconds per call on both clocks; `foreign` is how many cores other processes kept busy meanwhile."""

    cpu: float
    wall: float
    foreign: float | None


@dataclass(frozen=True)
class Candidate:
    """Something to time.

    Attributes:
        name: as printed.
        call: one unit of it.
        work: what one call does, in the table's unit (tokens, forward passes).
        limit: the least seconds that a call can take on this machine, from `limits`; None where unknown.
    """

    name: str
    call: Callable[[], Any]
    work: float = 1.0
    limit: float | None = None


class GateFailed(AssertionError):
    """Two things that were to be compared do not compute the same."""


def gate(what: str, holds: bool, detail: str = "") -> None:
    """Prints that a precondition holds, or ends the benchmark: speeds of different things mean nothing."""
    if not holds:
        raise GateFailed(f"{what}: {detail}")
    print(f"  [ok] {what}{': ' if detail else ''}{detail}")


def gate_close(what: str, ours: torch.Tensor, theirs: torch.Tensor, tolerance: float) -> None:
    """Gate: two tensors agree to an absolute tolerance."""
    same = ours.shape == theirs.shape
    worst = (ours - theirs).abs().max().item() if same else float("inf")
    gate(what, worst <= tolerance, f"largest difference {worst:.1e}, allowed {tolerance:.0e}")


def within_seed_noise(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    """Whether two sets of losses, one per seed, differ on average by less than seeds differ among themselves.

    Example:
        >>> within_seed_noise([2.00, 2.02, 2.04], [2.01, 2.03, 2.05])
        True
    """
    noise = (stdev(ours) ** 2 / 2 + stdev(theirs) ** 2 / 2) ** 0.5
    return abs(mean(ours) - mean(theirs)) <= noise


def measure(candidates: Sequence[Candidate], options: Options, seed: int = 0) -> dict[str, list[Sample]]:
    """Returns the samples of each candidate, in rounds: sample i of all was taken in round i."""
    order, shuffle = list(candidates), random.Random(seed).shuffle
    calls = {c.name: _calls(c, options.seconds) for c in candidates}
    samples: dict[str, list[Sample]] = {c.name: [] for c in candidates}
    for _ in range(options.rounds):
        shuffle(order)
        for candidate in order:
            samples[candidate.name].append(_sample(candidate.call, calls[candidate.name]))
    return samples


def _calls(candidate: Candidate, seconds: float) -> int:
    candidate.call()  # what is made at first use is not what we measure
    started = time.process_time()
    candidate.call()
    return max(1, round(seconds / max(1e-6, time.process_time() - started)))


def _sample(call: Callable[[], Any], n: int) -> Sample:
    busy, own, cpu, wall = _busy(), _own(), time.process_time(), time.perf_counter()
    for _ in range(n):
        call()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    own, after = _own() - own, _busy()
    foreign = None if busy is None or after is None else max(0.0, (after - busy - own) / max(wall, 1e-9))
    return Sample(cpu / n, wall / n, foreign)


def _busy() -> float | None:
    """CPU seconds that all processes have used since boot; None where /proc does not say."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    except OSError:
        return None
    user, nice, system, _, _, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def rows(
    candidates: Sequence[Candidate], samples: Mapping[str, Sequence[Sample]], base: str, clock: str
) -> list[dict[str, Any]]:
    """Returns one row per candidate: median, spread, rate, paired ratio to `base`, share of the limit.

    The ratio is how many times faster than `base` a unit of work is done. The spread is the distance of
    the quartiles over the median.
    """
    work = {c.name: c.work for c in candidates}
    seconds = {name: [getattr(s, clock) for s in taken] for name, taken in samples.items()}
    table = []
    for c in candidates:
        taken, middle = seconds[c.name], median(seconds[c.name])
        pairs = zip(seconds[base], taken, strict=True)
        ratios = sorted(b / work[base] / (own / c.work) for b, own in pairs)
        low, high = _quartiles(taken)
        load = [s.foreign for s in samples[c.name] if s.foreign is not None]
        table.append(
            {
                "name": c.name,
                "ms": middle * 1e3,
                "spread": (high - low) / middle,
                "rate": c.work / middle,
                "ratio": median(ratios),
                "ratio_low": ratios[0],
                "ratio_high": ratios[-1],
                "of_limit": None if c.limit is None else c.limit / middle,
                "foreign": median(load) if load else None,
            }
        )
    return table


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    ordered, last = sorted(values), len(values) - 1
    return ordered[round(0.25 * last)], ordered[round(0.75 * last)]


def report(
    title: str, unit: str, candidates: Sequence[Candidate], options: Options, base: str | None = None
) -> list[dict[str, Any]]:
    """Times the candidates, prints the table, appends a JSON line and returns the rows."""
    base = base or candidates[0].name
    table = rows(candidates, measure(candidates, options), base, options.clock)
    print(f"\n{title}  ({options.clock} time, {options.threads} thread(s), {options.rounds} rounds)")
    print(
        f"{'':<34}{'median ms':>11}{'spread':>8}{unit:>13}{'ratio':>8}  {'lowest–highest':<16}{'of limit':>8}"
    )
    for row in table:
        share = "" if row["of_limit"] is None else f"{row['of_limit']:.0%}"
        between = f"{row['ratio_low']:.2f}–{row['ratio_high']:.2f}"
        print(
            f"{row['name']:<34}{row['ms']:>11.3f}{row['spread']:>8.0%}{row['rate']:>13,.0f}"
            f"{row['ratio']:>8.2f}  {between:<16}{share:>8}"
        )
    loads = [row["foreign"] for row in table if row["foreign"] is not None]
    if loads and max(loads) > 0.15:
        print(f"note: other processes kept {max(loads):.1f} cores busy; trust ratios more than times")
    keep(options, {"title": title, "base": base, "rows": table})
    return table


def keep(options: Options, record: Mapping[str, Any]) -> None:
    """Appends a record, with machine, versions and options, to the JSON lines file, if there is one."""
    if options.out is None:
        return
    known = {"machine": machine(), "versions": versions(), "options": asdict(options), "time": time.time()}
    with options.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**record, **known}, default=str) + "\n")


def machine() -> str:
    """Names the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} CPUs, {platform.system()}"


def versions() -> dict[str, str]:
    """Versions of Python and of whichever of the packages concerned are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
