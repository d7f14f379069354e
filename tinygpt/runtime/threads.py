"""How many CPU threads are worth using."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from tinygpt.runtime.cgroups import cpu_quota


def usable_cpus(root: Path = Path("/")) -> int:
    """Number of CPU cores this process may really use.

    The smallest of: CPUs the scheduler allows (affinity), cores behind them (two hyperthreads share the
    multiply units that matrix products need), the container's quota rounded down, and `OMP_NUM_THREADS`.

    Args:
        root: Where `proc` and `sys` lie; another folder only in tests.

    Returns:
        At least 1.

    Example:
        >>> usable_cpus() >= 1
        True
    """
    counts = [_cores(root)]
    quota = cpu_quota(root)
    if quota is not None:
        counts.append(int(quota))
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if asked.isdigit():
        counts.append(int(asked))
    return max(1, min(counts))


def use_threads(n: int | None = None) -> int:
    """Set the number of threads PyTorch computes with and return it.

    Args:
        n: Threads, at least 1; None chooses `usable_cpus()`.

    Raises:
        ValueError: n is below 1.

    Example:
        >>> use_threads(1)
        1
    """
    if n is not None and n < 1:
        raise ValueError(f"n must be at least 1 thread; got {n}. Leave it out to use every CPU.")
    n = usable_cpus() if n is None else n
    torch.set_num_threads(n)
    return n


def _cores(root: Path) -> int:
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    return len({_siblings(root, cpu) for cpu in allowed})


def _siblings(root: Path, cpu: int) -> str:
    try:
        return (root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)
