"""Progress: the best of every check, in a file that never gets in the way."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from tinygpt.grading import EXERCISES, Question, check, progress, quiz, record
from tinygpt.grading.checks import CHAPTERS
from tinygpt.grading.result import Outcome, Result


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINYGPT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TINYGPT_PROGRESS", raising=False)
    return tmp_path / "home"


def right(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)


def result(name: str, earned: int, of: int = 2) -> Result:
    return Result(name, tuple(Outcome(str(i), 1, i < earned) for i in range(of)))


def test_a_check_keeps_its_best_result_and_the_first_day_it_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    days = iter(["2026-01-02T10:00+00:00", "2026-03-04T10:00+00:00"])
    monkeypatch.setattr(record, "_today", lambda: next(days))
    check("attention_weights", lambda q, k: (q @ k.mT).softmax(-1))
    first = record.load_record()["exercises"]["attention_weights"]
    check("attention_weights", right)
    check("attention_weights", right)
    check("attention_weights", lambda q, k: q)
    kept = record.load_record()["exercises"]["attention_weights"]
    assert first["earned"] < kept["earned"] == kept["possible"] == 5
    assert first["passed"] == "" and kept["passed"] == "2026-01-02T10:00+00:00"


def test_what_is_not_written_or_not_public_is_not_tried(home: Path) -> None:
    check("attention_weights", lambda q, k: (_ for _ in ()).throw(NotImplementedError))
    check("attention_weights", right, hidden=EXERCISES["attention_weights"].cases)
    check("culprit", "nobody yet")
    assert not home.exists()


def test_it_can_be_switched_off(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYGPT_PROGRESS", "off")
    check("attention_weights", right)
    assert not home.exists() and not progress().kept
    monkeypatch.delenv("TINYGPT_PROGRESS")
    record.switch(False)
    check("attention_weights", right)
    assert record.load_record()["exercises"] == {} and not progress().kept
    record.switch(True)
    check("attention_weights", right)
    assert [*record.load_record()["exercises"]] == ["attention_weights"]


DAMAGED = [b"", b"{", b"\xff", b"[" * 200_000]
STRANGE = [b"[]", b"null", b'{"exercises": 3, "quiz": {"a": 1}}']
STRANGE += [b'{"exercises": {"rope": {"earned": "x", "possible": 1, "passed": ""}, "mix": []}}']


@pytest.mark.parametrize("content", DAMAGED + STRANGE, ids=lambda c: repr(c[:20]))
def test_a_damaged_file_is_no_trouble_and_is_kept(content: bytes, home: Path) -> None:
    home.mkdir()
    record.record_path().write_bytes(content)
    assert "0 of 75 exercises" in repr(progress())
    check("attention_weights", right)
    assert [*record.load_record()["exercises"]] == ["attention_weights"]
    assert [path.read_bytes() for path in home.glob("*.damaged")] == [content] * (content in DAMAGED)


def test_nothing_that_is_wrong_with_the_file_disturbs_a_check(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file where the folder should be")
    assert check("attention_weights", right).passed
    monkeypatch.setattr(record, "load_record", lambda: 1 / 0)
    assert check("attention_weights", right).passed


def test_a_file_of_a_later_version_is_left_alone(home: Path) -> None:
    home.mkdir()
    text = json.dumps({"format": 99, "exercises": {}})
    record.record_path().write_text(text)
    assert check("attention_weights", right).passed
    assert record.record_path().read_text() == text
    with pytest.raises(ValueError, match="later version"):
        record.switch(False)


def test_several_kernels_lose_nothing_of_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads stand for processes here: each opens the lock anew, and that is what it tells apart."""
    monkeypatch.setattr(record, "PATIENCE", 30.0)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: record.note(result(f"e{i}", 1)), range(80)))
    assert {*record.load_record()["exercises"]} == {f"e{i}" for i in range(80)}
    assert sorted(os.listdir(record.home_folder())) == ["progress.json", "progress.lock"]


def test_a_check_waits_only_a_moment_for_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "_locked", lambda file: False)
    monkeypatch.setattr(record, "PATIENCE", 0.05)
    record.note(result("rope", 2))
    assert record.load_record()["exercises"] == {}
    with pytest.raises(TimeoutError, match="Another process holds"):
        record.change(lambda kept: kept, 0.0)


def test_what_is_known_is_not_written_again() -> None:
    record.note(result("rope", 1))
    before = record.record_path().stat().st_mtime_ns
    record.note(result("rope", 1))
    record.note(result("rope", 0))
    assert record.record_path().stat().st_mtime_ns == before


def test_answers_in_python_count_and_a_right_one_stays_right() -> None:
    asked = quiz([Question("1 + 1?", {"2": "Yes.", "3": "No."}, right="2")])
    for letter in "ba":
        asked.why(1, letter)
    asked.why(1, "b")
    assert "1 of 1 right" in repr(progress())


def test_the_page_says_all_and_what_comes_next() -> None:
    check("attention_weights", right)
    record.note(result("rope", 1, 5))
    found = progress()
    assert found.heading == "6 of 478 points, 1 of 75 exercises passed"
    text = repr(found)
    assert "✓ passed" in text and "Next: causal_attention, in exercises/03_attention.ipynb." in text
    page = ElementTree.fromstring(found._repr_html_())
    assert len(page.findall("details")) == len(CHAPTERS)
    (opened,) = page.findall("details[@open]")
    assert "03_attention: 6 of 37 points" in "".join(opened.find("summary").itertext())
    assert all(bar.get("aria-label") for bar in page.iter("progress"))
    assert all(head.get("scope") in ("row", "col") for head in page.iter("th"))
    assert {e.name for c in CHAPTERS.values() for e in c} <= {th.text for th in page.iter("th")}


def test_when_all_is_passed_nothing_is_next() -> None:
    for exercise in EXERCISES.values():
        record.note(result(exercise.name, 99, 99))
    found = progress()
    assert found.next is None and found.heading.startswith("478 of 478 points, 75 of 75")


def test_the_folder_is_the_systems_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINYGPT_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    monkeypatch.setattr(sys, "platform", "linux")
    assert record.home_folder() == Path("/somewhere/tinygpt")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert record.home_folder().parts[-3:] == ("Library", "Application Support", "tinygpt")
