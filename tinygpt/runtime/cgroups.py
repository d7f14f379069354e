"""Limits that a Linux container puts on its processes (cgroup v1 and v2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def folders(controller: str, root: Path = Path("/")) -> Iterator[Path]:
    """Yield every control-group folder that limits this process, innermost first.

    A limit set on any ancestor holds for its descendants, so the caller takes the smallest.

    Args:
        controller: `"cpu"` or `"memory"`.
        root: Where `proc` and `sys` lie; another folder only in tests.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mount = root / "sys/fs/cgroup"
        elif controller in controllers.split(","):
            mount = root / "sys/fs/cgroup" / controller
        else:
            continue
        # In a container the path may be the host's, which does not exist here; the mount itself then counts.
        inner = mount / path.lstrip("/")
        for folder in (inner, *inner.parents):
            if folder.is_dir():
                yield folder
            if folder == mount:
                break


def number(path: Path) -> int | None:
    """The integer in a control file, or None for "max" or an absent file."""
    try:
        return int(path.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def cpu_quota(root: Path = Path("/")) -> float | None:
    """CPUs' worth of time this process may use per second, or None without a limit.

    Source: Linux kernel, admin-guide/cgroup-v2.rst (cpu.max) and scheduler/sched-bwc.rst (cfs_quota_us).
    """
    quotas = []
    for folder in folders("cpu", root):
        try:
            quota, period = (folder / "cpu.max").read_text().split()
            quotas += [int(quota) / int(period)] if quota != "max" else []
        except (OSError, ValueError):
            quota_us, period_us = number(folder / "cpu.cfs_quota_us"), number(folder / "cpu.cfs_period_us")
            quotas += [quota_us / period_us] if quota_us and period_us and quota_us > 0 else []
    return min(quotas, default=None)


def memory_limit(root: Path = Path("/")) -> tuple[int, int] | None:
    """(limit, bytes left below it) of the tightest memory group, or None without a limit.

    File pages the kernel can drop at once count as left, as in `MemAvailable`.
    """
    limits = []
    for folder in folders("memory", root):
        for limit_file, usage_file, idle_key in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit, used = number(folder / limit_file), number(folder / usage_file)
            # v1 writes "no limit" as a number near 2**63.
            if limit is not None and used is not None and limit < 1 << 60:
                limits.append((limit, limit - used + _stat(folder / "memory.stat", idle_key)))
    return min(limits, key=lambda pair: pair[1], default=None)


def _stat(path: Path, key: str) -> int:
    try:
        rows = dict(line.split() for line in path.read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(rows.get(key, 0))
