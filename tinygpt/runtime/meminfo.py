"""Memory of the machine and of this process, on Linux, macOS and Windows."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tinygpt.runtime.cgroups import memory_limit


@dataclass(frozen=True)
class Memory:
    """Main memory, in bytes.

    Attributes:
        total: What the machine, or the container around this process, has.
        available: What can still be had without swapping.
        peak: The most this process ever held resident.
    """

    total: int
    available: int
    peak: int

    def __str__(self) -> str:
        total, available, peak = (f"{n / 2**30:.1f} GiB" for n in (self.total, self.available, self.peak))
        return f"{available} of {total} free, this process peaked at {peak}"


def memory() -> Memory:
    """Measure main memory now.

    Raises:
        OSError: The system answers none of the questions asked.

    Example:
        >>> m = memory()
        >>> 0 < m.peak <= m.total and 0 < m.available <= m.total
        True
    """
    if sys.platform == "win32":
        return _windows()
    if sys.platform == "darwin":
        return _macos()
    return _linux()


def _linux(root: Path = Path("/")) -> Memory:
    total = _kilobytes(root / "proc/meminfo", "MemTotal")
    available = _kilobytes(root / "proc/meminfo", "MemAvailable")
    limit = memory_limit(root)
    if limit is not None:
        total, available = min(total, limit[0]), max(0, min(available, limit[1]))
    # VmHWM, not getrusage: ru_maxrss survives exec, so it may be the peak of whoever started this process.
    return Memory(total, available, _kilobytes(root / "proc/self/status", "VmHWM"))


def _kilobytes(path: Path, key: str) -> int:
    found = re.search(rf"^{key}:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"{path} has no line {key}. Is this a Linux kernel older than 3.14?")
    return int(found[1]) * 1024


def _macos() -> Memory:
    import resource  # absent on Windows

    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    report = subprocess.run(["vm_stat"], capture_output=True, text=True, check=True).stdout
    return Memory(total, parse_vm_stat(report), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def parse_vm_stat(report: str) -> int:
    """Bytes macOS can hand out at once, from the text that its `vm_stat` prints."""
    page = int(re.search(r"page size of (\d+) bytes", report)[1])
    pages = {name: int(n) for name, n in re.findall(r"^Pages ([\w ]+):\s+(\d+)\.", report, re.MULTILINE)}
    return page * sum(pages.get(name, 0) for name in ("free", "inactive", "speculative", "purgeable"))


def _windows() -> Memory:
    class Status(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_uint32),
            ("load", ctypes.c_uint32),
            *_fields(ctypes.c_uint64, "total available page_total page_left virtual virtual_left extended"),
        ]

    class Counters(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_uint32),
            ("faults", ctypes.c_uint32),
            *_fields(ctypes.c_size_t, "peak now peak_paged paged peak_nonpaged nonpaged file peak_file"),
        ]

    kernel = ctypes.windll.kernel32
    status, counters = Status(length=ctypes.sizeof(Status)), Counters(length=ctypes.sizeof(Counters))
    # A handle is as wide as a pointer; ctypes would cut it to 32 bits.
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    kernel.K32GetProcessMemoryInfo.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32]
    here = kernel.GetCurrentProcess()
    if not (
        kernel.GlobalMemoryStatusEx(ctypes.byref(status))
        and kernel.K32GetProcessMemoryInfo(here, ctypes.byref(counters), counters.length)
    ):
        raise OSError("Windows did not answer GlobalMemoryStatusEx or K32GetProcessMemoryInfo.")
    return Memory(status.total, status.available, counters.peak)


def _fields(kind: type, names: str) -> list[tuple[str, type]]:
    return [(name, kind) for name in names.split()]
