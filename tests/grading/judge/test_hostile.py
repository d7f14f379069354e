"""Submissions that attack: none gets a point more than its answers earn, and nothing of it is left."""

from __future__ import annotations

import os
import socket

import pytest
from grading.judge.handing_in import Traces, assert_deserved, graded
from grading.judge.submissions import HOSTILE, after


@pytest.mark.parametrize("submission", HOSTILE, ids=lambda s: s.name)
def test_a_hostile_submission_gets_what_it_deserves(submission, tmp_path, sandboxed, monkeypatch):
    monkeypatch.setenv("SECRET", "of the teacher")
    monkeypatch.setenv("https_proxy", "http://secret@proxy:3128")
    traces = Traces(monkeypatch)
    report = graded(tmp_path, submission, sandboxed)
    assert_deserved(submission, report)
    assert len(report.problems) == bool(submission.says and not submission.mistake), report.problems
    assert traces.processes, "the test itself must see the sandbox's processes"
    assert not traces.left()
    assert [path.name for path in tmp_path.iterdir()] == ["submission.ipynb"]


@pytest.mark.parametrize("family", ["AF_INET", "AF_UNIX"])
def test_a_server_of_this_machine_is_out_of_reach(family, tmp_path, sandboxed):
    """The machine that tests may itself be without a network; its own servers it always has."""
    address = ("127.0.0.1", 0) if family == "AF_INET" else f"\0tinygpt-{os.getpid()}"
    with socket.socket(getattr(socket, family)) as server:
        server.bind(address)
        server.listen()
        server.setblocking(False)
        there = server.getsockname()
        call = f"import socket\nsocket.socket(socket.{family}).connect({there!r})"
        report = graded(tmp_path, after("calls a server", call, says="Error"), sandboxed)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert report.earned == 11 and len(report.problems) == 1, report
