"""Calls a function with many settings in processes of this machine."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from typing import Any

Setting = dict[str, Any]
Run = Callable[[Setting], Mapping[str, Any]]
Outcome = tuple[Setting, dict[str, Any], float, str]
"""A setting, what came of it, the seconds it took, and the error if it failed."""

_stop: Event  # in a worker: whether the process that started it was interrupted

ON_ONE_GPU = 4
"""Tiny models leave most of a GPU idle, so this many share it unless told otherwise."""


def tried(run: Run, setting: Setting) -> tuple[dict[str, Any], float, str]:
    """Returns the scores, the seconds, and the error instead of raising it."""
    started, scores, error = time.perf_counter(), {}, ""
    try:
        scores = dict(run(dict(setting)))
        json.dumps(scores)
    except Exception as caught:
        scores, error = {}, f"{type(caught).__name__}: {caught}"
    return scores, time.perf_counter() - started, error


def in_processes(run: Run, settings: list[Setting], workers: int | None) -> Iterator[Outcome]:
    """Yields outcomes as they come, from `workers` processes with one thread each.

    When a process dies, those settings that may have been in it are run again one by one, so that it is
    known whose fault it was; the others go on as before.
    """
    check_importable(run)
    workers, left = workers or default_workers(), list(settings)
    while left:
        for setting, outcome in _pooled(run, left, workers):
            left.remove(setting)
            yield (setting, *outcome)
        for setting in left[: workers + 1]:  # one more than run may have been handed out
            left.remove(setting)
            yield (setting, *_alone(run, setting))


def default_workers() -> int:
    """One for each core that this process may use, or as many as share a GPU well."""
    import torch

    if torch.cuda.is_available():
        return ON_ONE_GPU
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_importable(run: Run) -> None:
    """Raises ValueError for a function that another process could not find by its name."""
    nameless = "<" in run.__qualname__
    if nameless or (run.__module__ == "__main__" and not hasattr(sys.modules["__main__"], "__file__")):
        raise ValueError(
            f"other processes cannot import {run.__module__}.{run.__qualname__}. Put it into a file and "
            "import it from there, or pass workers=0 to run everything in this process."
        )


def _pooled(run: Run, settings: list[Setting], workers: int) -> Iterator[tuple[Setting, tuple]]:
    """Yields what finished; when a process dies, what had finished before and nothing more."""
    spawn = multiprocessing.get_context("spawn")  # a fork would share torch's threads and a GPU's state
    stop = spawn.Event()
    pool = ProcessPoolExecutor(min(workers, len(settings)), spawn, initializer=_begin, initargs=(stop,))
    try:
        with _uninterrupted():
            futures = {pool.submit(_unless_stopped, run, setting): setting for setting in settings}
        for future in as_completed(futures):
            try:
                outcome = future.result()
            except BrokenProcessPool:
                continue  # not the end: others may have finished before it, and must not be made again
            yield futures[future], outcome
    finally:
        stop.set()  # for what a process has been handed already and would still begin
        pool.shutdown(cancel_futures=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Lets processes begin in the block that Ctrl-C does not reach: they say nothing, and end with us."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _unless_stopped(run: Run, setting: Setting) -> tuple[dict[str, Any], float, str]:
    """`tried`, which Ctrl-C reaches, in a process that goes on to nothing else after one."""
    if _stop.is_set():
        raise KeyboardInterrupt
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return tried(run, setting)
    except KeyboardInterrupt:
        _stop.set()  # this process may know before the one that started it
        raise
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _alone(run: Run, setting: Setting) -> tuple[dict[str, Any], float, str]:
    for _, outcome in _pooled(run, [setting], 1):
        return outcome
    return {}, 0.0, "its process died: killed, or out of memory?"


def _begin(stop: Event) -> None:
    """In a new process: one thread, and no life after the process that started it."""
    global _stop
    import torch

    _stop = stop
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
