"""Submissions as files, and what the judge says of them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from grading.judge.submissions import Submission

from tinygpt.grading import EXERCISES
from tinygpt.grading.judge import Limits, Report, grade_one
from tinygpt.grading.judge.sandbox import Sandbox

ASKED = [EXERCISES["attention_weights"], EXERCISES["causal_attention"]]
LIMITS = Limits(call=3, total=120, memory=3 << 30)


def handed_in(folder: Path, cells: Sequence[str]) -> Path:
    path = folder / "submission.ipynb"
    code = [{"cell_type": "code", "metadata": {}, "source": cell} for cell in cells]
    path.write_text(json.dumps({"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def graded(folder: Path, submission: Submission, sandbox: str, *, unsafe: bool = False) -> Report:
    path = handed_in(folder, submission.cells)
    limits = replace(LIMITS, cell=submission.seconds)
    return grade_one(path, ASKED, limits=limits, sandbox=sandbox, unsafe=unsafe)


def assert_deserved(submission: Submission, report: Report) -> None:
    assert tuple(r.name for r in report.results if r.passed) == submission.passes, report
    assert report.results[0].mistake == submission.mistake, report
    assert submission.says in str(report), report


class Traces:
    """Notes what sandboxes hold when they are closed: processes, folders, names of containers."""

    def __init__(self, monkeypatch) -> None:
        self.processes: set[tuple[int, str]] = set()
        self.folders: set[str] = set()
        self.titles: set[str] = set()
        close = Sandbox.close

        def closed(sandbox: Sandbox) -> None:
            self.processes |= set(_born(sandbox.process.pid))
            self.folders |= {sandbox._home} - {""}
            self.titles.add(sandbox._title)
            close(sandbox)

        monkeypatch.setattr(Sandbox, "close", closed)

    def left(self) -> list[str]:
        """What is still there."""
        alive = [f"process {pid}" for pid, start in self.processes if _start(pid) == start]
        return alive + sorted(filter(os.path.exists, self.folders))


def _born(pid: int) -> list[tuple[int, str]]:
    """A process and all that come from it, each with the time it started, since numbers are used again."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return [(pid, _start(pid)), *(born for child in children for born in _born(child))]


def _start(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
