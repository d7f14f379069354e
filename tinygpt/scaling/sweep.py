"""Runs of many settings, on this machine's cores or on a Ray cluster, that survive being killed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tqdm.auto import tqdm

from tinygpt.scaling.record import Result, append, key, results
from tinygpt.scaling.workers import Outcome, Run, in_processes, tried

_BAR = "{desc} runs |{bar}| {percentage:3.0f}% [{elapsed} < {remaining}]"


def sweep(
    settings: Iterable[Mapping[str, Any]],
    run: Run,
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    ray: str | None = None,
    cost: Callable[[Mapping[str, Any]], float] | None = None,
    progress: bool = True,
) -> list[Result]:
    """Calls `run` with every setting, several at a time, and keeps each result as soon as there is one.

    A sweep that was stopped or killed goes on where it was: runs whose results are in `out` are not made
    again. A run that raises, or takes its process down, is kept with its error, and the others go on; such
    a run is tried again when the sweep is started again.

    Args:
        settings: what to run; see `grid`. Whatever JSON can hold.
        run: takes a setting and returns scores, also as JSON. It must be a function of a module, since
            other processes import it; with workers=0 any function will do.
        out: the file of results, one line of JSON each, which only grows. One sweep may write to it at a
            time, but sweeps of other settings and functions may share it.
        workers: processes, each with one thread; None means one per core, or four where there is a GPU, which
            they share. 0 runs in this process.
        ray: address of a Ray cluster, or "auto" or "local"; needs `pip install "tinygpt[ray]"`. The cluster
            then decides where and how many at a time, and runs again what a lost machine had.
        cost: how long a setting takes compared with others: dear ones go first, so that no core is idle at
            the end, and the time left is told from it. None counts them alike.
        progress: show a bar with the time left.

    Returns:
        The results in the order of the settings, failed ones with an `error`.

    Raises:
        ImportError: when a cluster is named and Ray is not installed.
        ValueError: when a setting appears twice, or `run` cannot be imported by another process.

    Example:
        >>> import tempfile
        >>> from tinygpt.scaling import grid
        >>> square = lambda setting: {"square": setting["x"] ** 2}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     squares = sweep(grid(x=[1, 2]), square, f"{folder}/x.jsonl", workers=0, progress=False)
        >>> [result.scores for result in squares]
        [{'square': 1}, {'square': 4}]
    """
    settings, name = [dict(setting) for setting in settings], f"{run.__module__}:{run.__qualname__}"
    keys = [key(name, setting) for setting in settings]
    if twice := [k for k, n in Counter(keys).items() if n > 1]:
        raise ValueError(f"each setting must appear once; this one appears again: {twice[0]}.")
    done = {result.key: result for result in results(out) if not result.error}
    made = [setting for k, setting in zip(keys, settings, strict=True) if k in done]
    left = [setting for k, setting in zip(keys, settings, strict=True) if k not in done]
    cost = cost or (lambda setting: 1.0)
    left.sort(key=cost, reverse=True)
    show = {"disable": not progress, "bar_format": _BAR}
    with tqdm(total=sum(map(cost, settings)), initial=sum(map(cost, made)), **show) as bar:
        bar.set_description_str(f"{len(made)}/{len(settings)}")
        for n, (setting, scores, seconds, error) in enumerate(_outcomes(run, left, workers, ray), 1):
            result = Result(name, setting, scores, round(seconds, 3), error)
            append(out, result)
            done[result.key] = result
            bar.set_description_str(f"{len(made) + n}/{len(settings)}", refresh=False)
            bar.update(cost(setting))
    return [done[k] for k in keys]


def _outcomes(
    run: Run, settings: list[dict[str, Any]], workers: int | None, ray: str | None
) -> Iterator[Outcome]:
    if ray is not None:
        from tinygpt.scaling.cluster import on_ray

        return on_ray(run, settings, ray, workers)
    if workers == 0:
        return ((setting, *tried(run, setting)) for setting in settings)
    return in_processes(run, settings, workers)
