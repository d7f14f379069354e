"""Sweeps: nothing is lost or made twice, whatever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sweep_jobs import deadly, fussy, noted, threads

from tinygpt.scaling import grid, results, sweep
from tinygpt.scaling.record import Result, append

TESTS = Path(__file__).resolve().parent.parent


def calls(folder: Path) -> list[str]:
    return sorted((folder / "calls").read_text().split())


def settings(folder: Path, n: int, **more: float) -> list[dict]:
    return [{"x": x, "folder": str(folder), **more} for x in range(n)]


# The record


def test_a_grid_has_every_combination_once() -> None:
    assert grid(a=[1, 2], b="xy") == [{"a": a, "b": b} for a in (1, 2) for b in "xy"]


def test_what_a_kill_cut_off_is_not_counted_and_is_gone_after_the_next_result(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    append(path, Result("m:f", {"x": 1}, {"y": 2}))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"run": "m:f", "sett')
    assert [r.setting for r in results(path)] == [{"x": 1}]
    append(path, Result("m:f", {"x": 2}))
    assert path.read_bytes().startswith(whole) and [r.setting["x"] for r in results(path)] == [1, 2]


@pytest.mark.parametrize("line", [b"hello", b'{"x": 1}', b"[1]"])
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "runs.jsonl"
    append(path, Result("m:f", {"x": 1}))
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(ValueError, match=r"line 2 of .*runs.jsonl is no result of a sweep"):
        results(path)


# In this process


def test_the_results_come_in_the_order_of_the_settings_and_dear_ones_run_first(tmp_path: Path) -> None:
    asked = settings(tmp_path, 4)
    found = sweep(asked, noted, tmp_path / "r", workers=0, cost=lambda s: s["x"], progress=False)
    assert [(r.setting, r.scores) for r in found] == [(s, {"square": s["x"] ** 2}) for s in asked]
    assert (tmp_path / "calls").read_text().split() == ["3", "2", "1", "0"]


def test_what_is_done_is_not_done_again_and_what_is_new_is_added(tmp_path: Path) -> None:
    sweep(settings(tmp_path, 2), noted, tmp_path / "r", workers=0, progress=False)
    found = sweep(settings(tmp_path, 4), noted, tmp_path / "r", workers=0, progress=False)
    assert calls(tmp_path) == ["0", "1", "2", "3"] and [r.scores["square"] for r in found] == [0, 1, 4, 9]


def test_a_failed_run_keeps_its_error_stops_no_other_and_is_tried_again(tmp_path: Path) -> None:
    asked = settings(tmp_path, 4)
    found = sweep(asked, fussy, tmp_path / "r", workers=0, progress=False)
    assert [bool(r.error) for r in found] == [False, True, True, False]
    assert found[1].error == "ArithmeticError: not today" and "not JSON serializable" in found[2].error
    (tmp_path / "well").touch()
    again = sweep(asked, fussy, tmp_path / "r", workers=0, progress=False)
    assert [bool(r.error) for r in again] == [False, False, True, False] and again[1].scores == {"x": 1}


def test_two_functions_may_share_a_file(tmp_path: Path) -> None:
    asked = settings(tmp_path, 1)
    for run, scores in ((noted, {"square": 0}), (fussy, {"x": 0}), (noted, {"square": 0})):
        assert sweep(asked, run, tmp_path / "r", workers=0, progress=False)[0].scores == scores
    assert calls(tmp_path) == ["0"] and len(results(tmp_path / "r")) == 2


def test_a_setting_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="each setting must appear once"):
        sweep(settings(tmp_path, 1) * 2, noted, tmp_path / "r", workers=0)


def test_a_function_that_no_process_could_import_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="workers=0 to run everything in this process"):
        sweep(settings(tmp_path, 1), lambda setting: {}, tmp_path / "r", workers=1, progress=False)


def test_the_bar_counts_runs_and_tells_the_time_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(settings(tmp_path, 3), noted, tmp_path / "r", workers=0)
    assert "3/3 runs" in (said := capsys.readouterr().err) and "100%" in said


# In other processes


def test_the_work_is_shared_by_processes_of_one_thread(tmp_path: Path) -> None:
    found = sweep(settings(tmp_path, 6), threads, tmp_path / "r", workers=2, progress=False)
    assert {r.scores["threads"] for r in found} == {1}
    assert len({r.scores["process"] for r in found} - {os.getpid()}) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_run_that_kills_its_process_is_named_and_the_others_are_made(tmp_path: Path) -> None:
    found = sweep(settings(tmp_path, 5), deadly, tmp_path / "r", workers=2, progress=False)
    assert [r.setting["x"] for r in found if r.error] == [1] and "its process died" in found[1].error
    assert [r.scores["x"] for r in found if not r.error] == [0, 2, 3, 4]


SCRIPT = """
import sys
from sweep_jobs import noted
from tinygpt.scaling import sweep

if __name__ == "__main__":
    folder = sys.argv[1]
    asked = [{"x": x, "folder": folder, "seconds": 0.25} for x in range(10)]
    sweep(asked, noted, folder + "/r", workers=2, progress=False)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_sweep_that_is_killed_goes_on_and_leaves_no_process_behind(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    started = [sys.executable, str(script), str(tmp_path)]
    process = subprocess.Popen(started, env=env)
    deadline = time.monotonic() + 60
    while len(results(tmp_path / "r")) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    children = descendants(process.pid)
    process.kill()
    process.wait()
    kept = {r.setting["x"] for r in results(tmp_path / "r")}
    assert 3 <= len(kept) < 10 and children
    while any(map(alive, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, children))
    (tmp_path / "calls").unlink()
    subprocess.run(started, env=env, check=True, timeout=60)
    assert {int(x) for x in calls(tmp_path)} == set(range(10)) - kept
    assert sorted(r.setting["x"] for r in results(tmp_path / "r")) == list(range(10))


@pytest.mark.skipif(sys.platform == "win32", reason="there are no process groups")
def test_a_sweep_that_is_interrupted_begins_nothing_more_and_says_nothing_else(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.replace("0.25", "3.0").replace("workers=2", "workers=1"))
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    started = [sys.executable, str(script), str(tmp_path)]
    process = subprocess.Popen(started, env=env, start_new_session=True, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "calls").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert calls(tmp_path) == ["0"] and not results(tmp_path / "r")
    assert said.count("Traceback") == 1 and said.endswith("KeyboardInterrupt\n")  # the script's own


def descendants(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()[1:]]
    return [child for child, parent in pairs if parent == pid]


def alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return bool(state.strip()) and not state.startswith("Z")
