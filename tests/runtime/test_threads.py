import os

import pytest
import torch

from tinygpt.runtime import usable_cpus, use_threads


@pytest.fixture
def eight_cpus(monkeypatch, tmp_path):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    return tmp_path


def test_affinity_counts(eight_cpus):
    assert usable_cpus(eight_cpus) == 8


def test_hyperthreads_share_a_core(eight_cpus):
    for cpu in range(8):
        folder = eight_cpus / f"sys/devices/system/cpu/cpu{cpu}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{cpu % 4},{cpu % 4 + 4}\n")
    assert usable_cpus(eight_cpus) == 4


@pytest.mark.parametrize(("quota", "cpus"), [("350000 100000", 3), ("50000 100000", 1), ("max 100000", 8)])
def test_quota_is_rounded_down_to_at_least_one(eight_cpus, quota, cpus):
    (eight_cpus / "proc/self").mkdir(parents=True)
    (eight_cpus / "proc/self/cgroup").write_text("0::/\n")
    (eight_cpus / "sys/fs/cgroup").mkdir(parents=True)
    (eight_cpus / "sys/fs/cgroup/cpu.max").write_text(quota)
    assert usable_cpus(eight_cpus) == cpus


@pytest.mark.parametrize(("asked", "cpus"), [("2", 2), ("3,1", 3), ("16", 8), ("", 8), ("nonsense", 8)])
def test_omp_num_threads_is_respected(eight_cpus, monkeypatch, asked, cpus):
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert usable_cpus(eight_cpus) == cpus


def test_a_system_without_affinity(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable_cpus(tmp_path) == 6


def test_use_threads_sets_pytorch():
    before = torch.get_num_threads()
    try:
        assert use_threads(1) == torch.get_num_threads() == 1
        assert use_threads() == torch.get_num_threads() == usable_cpus()
    finally:
        torch.set_num_threads(before)


def test_use_threads_refuses_zero():
    with pytest.raises(ValueError, match="at least 1 thread; got 0"):
        use_threads(0)
