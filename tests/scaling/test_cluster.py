"""The same sweep on a Ray cluster of two machines, of which one is lost."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sweep_jobs import noted

from tinygpt.scaling import results, sweep

TESTS = Path(__file__).resolve().parent.parent


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Ray cluster of two nodes with one core each, both on this machine."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    made = Cluster()
    try:
        for more in ({"include_dashboard": False}, {}):
            started(made, {"num_cpus": 1, **more})
        made.wait_for_nodes()
        yield made
    finally:
        made.shutdown()


def started(cluster: Any, node: dict[str, Any], attempts: int = 3) -> None:
    """Adds a node. On a machine whose cores are all busy, Ray's own parts may miss each other's deadlines."""
    for left in reversed(range(attempts)):
        try:
            cluster.add_node(**node)
            return
        except Exception as error:
            if not left or "timed out" not in str(error):
                raise


@pytest.mark.slow
def test_a_machine_that_is_lost_costs_time_and_no_run(cluster: Any, tmp_path: Path) -> None:
    asked = [{"x": x, "folder": str(tmp_path), "seconds": 0.5} for x in range(16)]
    found: list[Any] = []
    sweeping = threading.Thread(
        target=lambda: found.extend(sweep(asked, noted, tmp_path / "r", ray=cluster.address, progress=False))
    )
    sweeping.start()
    deadline = time.monotonic() + 120
    while len(results(tmp_path / "r")) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    (lost,) = cluster.worker_nodes
    cluster.remove_node(lost, allow_graceful=False)
    assert len(results(tmp_path / "r")) < len(asked)
    sweeping.join(timeout=120)
    assert [r.scores for r in found] == [{"square": x**2} for x in range(16)]
    assert len(results(tmp_path / "r")) == len(asked)


def test_without_ray_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r'pip install "tinygpt\[ray\]"'):
        sweep([{"x": 1}], noted, tmp_path / "r", ray="auto", progress=False)
