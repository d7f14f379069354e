import sys

import numpy as np
import pytest

from tinygpt.runtime import Memory, memory
from tinygpt.runtime.meminfo import _linux, parse_vm_stat


def test_numbers_are_plausible():
    m = memory()
    assert 0 < m.available <= m.total
    assert 10 * 2**20 < m.peak < m.total


def test_peak_rises_with_a_large_array():
    before = memory().peak
    block = np.ones(before // 8 + 2**23)
    assert memory().peak >= before + 2**25
    del block
    assert memory().peak >= before + 2**25


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_container_limit_is_the_total(tmp_path):
    files = {
        "proc/meminfo": "MemTotal: 8000 kB\nMemAvailable: 6000 kB\n",
        "proc/self/status": "VmHWM:\t 70 kB\n",
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": str(2000 * 1024),
        "sys/fs/cgroup/memory.current": str(500 * 1024),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert _linux(tmp_path) == Memory(total=2000 * 1024, available=1500 * 1024, peak=70 * 1024)


def test_vm_stat_of_macos():
    report = (
        "Mach Virtual Memory Statistics: (page size of 16384 bytes)\nPages free:               10.\n"
        "Pages active:             99.\nPages inactive:           20.\nPages speculative:         3.\n"
    )
    assert parse_vm_stat(report) == 33 * 16384


def test_prints_for_people():
    shown = str(Memory(total=2 * 2**30, available=2**30, peak=2**29))
    assert shown == "1.0 GiB of 2.0 GiB free, this process peaked at 0.5 GiB"
