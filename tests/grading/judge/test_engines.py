"""Which sandbox is taken, what it refuses, and that each of them keeps what it promises."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from grading.judge.handing_in import LIMITS, Traces, assert_deserved, graded
from grading.judge.submissions import HOSTILE, RIGHT, UNLUCKY, Submission

from tinygpt.grading.judge import Limits, engine, engines
from tinygpt.grading.judge.sandbox import Sandbox

CONTAINED = (
    "right",
    "exits in a cell",
    "network",
    "reads the host's files",
    "a child that stays",
    "becomes root",
)


@pytest.fixture
def none_works(monkeypatch):
    monkeypatch.setattr(engines, "_trouble", lambda name: f"{name} is broken.")


def test_without_a_sandbox_nothing_is_graded(none_works, tmp_path):
    with pytest.raises(
        ValueError, match=r"none works here\. docker: docker is broken\..*apt install bubblewrap"
    ):
        engine()
    with pytest.raises(ValueError, match="unsafe-no-sandbox"):
        graded(tmp_path, Submission("right", RIGHT), "")


def test_unsafe_must_be_asked_for(none_works):
    assert engine(unsafe=True) == "none"


def test_a_sandbox_that_works_is_taken_even_if_none_was_allowed(monkeypatch):
    monkeypatch.setattr(engines, "_trouble", lambda name: "" if name == "bubblewrap" else "no.")
    assert engine(unsafe=True) == "bubblewrap"


def test_only_the_engine_that_is_asked_for_is_tried(monkeypatch):
    monkeypatch.setattr(engines, "_trouble", lambda name: "" if name == "bubblewrap" else "no daemon.")
    with pytest.raises(ValueError, match=r"podman: no daemon"):
        engine("podman")
    with pytest.raises(ValueError, match=r"must be one of docker, podman, bubblewrap; got 'chroot'"):
        engine("chroot")


def test_an_engine_that_is_not_there_is_no_sandbox(monkeypatch):
    monkeypatch.setattr(engines.shutil, "which", lambda name: None)
    trouble = engines._trouble.__wrapped__
    assert trouble("podman") == "it is not installed." or not sys.platform.startswith("linux")


def test_the_references_are_nowhere_in_the_sandbox(sandboxed):
    """Neither as source nor compiled: the folder of the checks is covered wherever a path leads to it."""
    look = "find / -path /proc -prune -o -path '*grading/checks*' -print 2>/dev/null | head -3"
    trial = engines.command(sandboxed, ["/bin/sh", "-c", look], Limits(), "tinygpt-look")
    done = subprocess.run(trial, capture_output=True, text=True, timeout=120)
    assert done.stdout == ""
    seen = engines.command(
        sandboxed, ["/bin/sh", "-c", "ls /judge/tinygpt /judge/tinygpt/grading"], Limits(), "s"
    )
    listing = subprocess.run(seen, capture_output=True, text=True, timeout=120).stdout.split()
    assert "models" in listing and "worker.py" in listing and "check.py" not in listing


def test_the_references_of_another_copy_of_the_package_are_covered_too(tmp_path, monkeypatch):
    other = tmp_path / "lib" / "tinygpt" / "grading"
    other.mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path / "lib")
    seen = engines.shown()
    assert seen.index((str(engines.INSIDE), str(other))) > seen.index((str(tmp_path), str(tmp_path)))


@pytest.mark.parametrize("name", ["docker", "podman"])
@pytest.mark.parametrize("title", CONTAINED)
def test_a_container_keeps_what_bubblewrap_keeps(name, title, tmp_path, monkeypatch):
    if trouble := engines._trouble(name):
        pytest.skip(f"{name}: {trouble}")
    submission = next(s for s in (*UNLUCKY, *HOSTILE) if s.name == title)
    traces = Traces(monkeypatch)
    report = graded(tmp_path, submission, name)
    assert tuple(r.name for r in report.results if r.passed) == submission.passes, report
    assert not traces.left()
    ask = [name, "ps", "--all", "--format", "{{.Names}}"]
    listed = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
    assert traces.titles and not traces.titles & set(listed.split())


def test_without_a_sandbox_an_own_submission_is_judged_alike(none_works, tmp_path, monkeypatch):
    traces = Traces(monkeypatch)
    wanted = ("right", "stub", "exits in an answer", "loops in an answer", "raises SystemExit")
    for submission in (s for s in (*UNLUCKY, *HOSTILE) if s.name in wanted):
        folder = tmp_path / submission.name
        folder.mkdir()
        assert_deserved(submission, graded(folder, submission, "", unsafe=True))
    assert traces.folders and not traces.left()


def test_the_deadline_counts_only_inside_of_its_block(sandboxed):
    sandbox = Sandbox(sandboxed, LIMITS)
    try:
        with sandbox.within(0.5):
            pass
        time.sleep(0.8)
        assert sandbox.verdict == "" and sandbox.process.poll() is None
        with sandbox.within(0.3), pytest.raises(EOFError):
            sandbox.read(1)
        assert sandbox.verdict == "too slow"
    finally:
        sandbox.close()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root becomes a guest")
def test_two_workers_of_root_are_two_guests(sandboxed):
    if sandboxed != "bubblewrap":
        pytest.skip("a container's guest is nobody")
    guests = set()
    for _ in range(2):
        sandbox = Sandbox(sandboxed, LIMITS)
        guests.add(sandbox._terms()["guest"])
        sandbox.close()
    assert len(guests) == 2 and min(guests) >= 200_000


def test_limits_are_positive():
    with pytest.raises(ValueError, match="cell must be positive; got 0"):
        Limits(cell=0)
