from pathlib import Path

import pytest

from tinygpt.runtime.cgroups import cpu_quota, memory_limit


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_no_control_groups_means_no_limit(tmp_path):
    assert cpu_quota(tmp_path) is None and memory_limit(tmp_path) is None


def test_v2_takes_the_tightest_limit_on_the_way_up(tmp_path):
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/user/job\n",
            "sys/fs/cgroup/user/job/cpu.max": "400000 100000\n",
            "sys/fs/cgroup/user/cpu.max": "250000 100000\n",
            "sys/fs/cgroup/user/job/memory.max": "4000\n",
            "sys/fs/cgroup/user/job/memory.current": "1500\n",
            "sys/fs/cgroup/user/job/memory.stat": "anon 1000\ninactive_file 300\n",
            "sys/fs/cgroup/user/memory.max": "max\n",
        },
    )
    assert cpu_quota(tmp_path) == 2.5
    assert memory_limit(tmp_path) == (4000, 2800)


def test_v2_path_of_the_host_that_does_not_exist_in_the_container(tmp_path):
    write(tmp_path, {"proc/self/cgroup": "0::/docker/abc\n", "sys/fs/cgroup/cpu.max": "100000 100000\n"})
    assert cpu_quota(tmp_path) == 1.0


@pytest.mark.parametrize(("quota", "expected"), [("150000", 1.5), ("-1", None)])
def test_v1(tmp_path, quota, expected):
    write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/\n2:cpu,cpuacct:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": quota,
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": str(2**63 - 4096),
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "5",
        },
    )
    assert cpu_quota(tmp_path) == expected
    assert memory_limit(tmp_path) is None
