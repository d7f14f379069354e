"""Work in a process of its own ends when it should, whatever it is doing, and says what came of it."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch

from tinygpt.grading.judge import batch
from tinygpt.grading.judge.apart import apart

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is called apart")


def ended() -> bool:
    return not multiprocessing.active_children()


def test_what_it_returns_comes_back_and_it_sees_what_was_loaded():
    here = os.getpid()
    assert apart(lambda: (os.getpid() != here, os.getppid() == here, torch.get_num_threads()), 60) == (
        True,
        True,
        1,
    )
    assert ended()


def test_what_it_raises_is_raised():
    with pytest.raises(ValueError, match="nine"):
        apart(lambda: int("nine"), 60)
    with pytest.raises(KeyboardInterrupt):
        apart(lambda: signal.raise_signal(signal.SIGINT), 60)
    assert ended()


def test_a_step_that_no_signal_interrupts_is_ended():
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="longer than 1 seconds"):
        apart(lambda: math.comb(10**9, 5 * 10**8), 1)
    assert time.monotonic() - began < 10 and ended()


def test_a_process_that_dies_is_told():
    with pytest.raises(RuntimeError, match="its process died, with exit code 3"):
        apart(lambda: os._exit(3), 60)
    assert ended()


def test_a_submission_that_holds_the_judge_up_is_left_to_a_person(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(batch, "LONGEST", 2.0)
    monkeypatch.setattr(batch, "engine", lambda *a, **b: "none")
    monkeypatch.setattr(batch, "grade_one", lambda *a, **b: math.comb(10**9, 5 * 10**8))
    (tmp_path / "eve.ipynb").write_text('{"cells": []}')
    how = {"workers": 0, "progress": False}
    (eve,) = batch.grade_all(tmp_path / "eve.ipynb", "03", tmp_path / "out", **how)
    assert (eve.earned, eve.error) == (0, "") and eve.possible > 0
    assert eve.problems == [
        "Judging eve.ipynb took longer than 2 seconds: no points, but please look at it yourself."
    ]
    assert {exercise["mistake"] for exercise in eve.exercises} == {"not judged"}
