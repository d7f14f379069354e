"""Hidden checks: found, drawn once, and refused where a submission could read them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from classroom import notebook

from tinygpt.grading.checks import CHAPTERS
from tinygpt.grading.gradebook.plain import plain
from tinygpt.grading.judge import grade_one
from tinygpt.grading.judge.private import hidden_cases, private_files
from tinygpt.grading.shipped import hidden_points

ROOT = Path(__file__).parents[3]

CHAPTER = """
from tinygpt.grading import Case
from tinygpt.grading.checks.draws import normal

CASES = {"causal_attention": [
    Case("a sequence of one token", lambda g: tuple(normal(g, 2, 1, 4) for _ in range(3)), points=2),
]}
"""
EXERCISE = """
from tinygpt.grading import Case
from tinygpt.grading.checks.draws import normal

SECRET = 1.2345678901  # what a submission would have to find
CASES = [Case("one query", lambda g: (SECRET * normal(g, 1, 1, 4), normal(g, 1, 3, 4)), points=7)]
"""


def folder(tmp_path: Path, **files: str) -> Path:
    for name, source in files.items():
        (tmp_path / f"{name}.py").write_text(source)
    return tmp_path


def loaded(tmp_path: Path, **files: str) -> dict:
    found = private_files(folder(tmp_path, **files), "03_attention")
    return hidden_cases({name: path.read_bytes() for name, path in found.items()})


def test_files_of_chapters_and_of_exercises_are_read(tmp_path: Path) -> None:
    three = EXERCISE.replace("normal(g, 1, 3, 4)", "normal(g, 1, 1, 4), normal(g, 1, 1, 4)")
    files = {"03_attention": CHAPTER, "attention_weights": EXERCISE, "causal_attention": three}
    found = loaded(tmp_path, **files)
    titles = {name: [case.title for case in cases] for name, cases in found.items()}
    assert titles == {
        "causal_attention": ["a sequence of one token", "one query"],
        "attention_weights": ["one query"],
    }


def test_the_example_of_the_docs_can_be_used(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "grading.md").read_text(encoding="utf-8")
    example = page.partition("```python\n")[2].partition("```")[0]
    found = loaded(tmp_path, **{"03_attention": example})
    assert {name: len(cases) for name, cases in found.items()} == {
        "causal_attention": 1,
        "attention_weights": 1,
    }


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_hidden_checks_of_the_course_are_the_points_that_its_notebook_announces(chapter: str) -> None:
    files = private_files(ROOT / "solutions", chapter)
    assert [*files] == [f"{chapter}.ipynb"]
    found = hidden_cases({name: path.read_bytes() for name, path in files.items()})
    points = sum(case.points for cases in found.values() for case in cases)
    public = sum(exercise.points for exercise in CHAPTERS[chapter])
    header = (ROOT / "exercises" / f"{chapter}.ipynb").read_text("utf-8").partition("hidden checks")[0]
    assert points == hidden_points(chapter) and f"{public + points}, of which {points} are for" in header


def test_a_notebook_without_hidden_checks_is_refused() -> None:
    files = private_files(ROOT / "exercises", "03_attention")
    with pytest.raises(ValueError, match="has no hidden checks"):
        hidden_cases({name: path.read_bytes() for name, path in files.items()})


@pytest.mark.parametrize(
    "name, source, says",
    [
        ("03_attention", "CASES = 1/0", "03_attention.py cannot be used: ZeroDivisionError"),
        ("03_attention", "x = 1", "it defines no CASES"),
        ("03_attention", "CASES = []", "must be a dictionary"),
        (
            "03_attention",
            "CASES = {'blend': []}",
            "has cases for 'blend'; its exercises are attention_weights",
        ),
        ("mine", "CASES = []", "must be called after a chapter, 03_attention.py, or after an exercise"),
        ("rope", "CASES = [1]", "must give rope a list of Case"),
        ("rope", EXERCISE.replace("SECRET *", "1/0 *"), "'one query' for rope cannot be drawn: ZeroDiv"),
        ("causal_attention", EXERCISE, "cannot be drawn: TypeError"),
    ],
)
def test_what_cannot_be_used_is_told_before_anybody_is_graded(
    tmp_path: Path, name: str, source: str, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        loaded(tmp_path, **{name: source})


def test_a_folder_with_nothing_in_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there are none in"):
        private_files(tmp_path, "03_attention")
    with pytest.raises(ValueError, match="must be a folder"):
        private_files(tmp_path / "none", "03_attention")


def test_a_folder_that_submissions_can_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))
    inside = tmp_path / "env" / "share" / "hidden"
    inside.mkdir(parents=True)
    with pytest.raises(ValueError, match="which every submission can read"):
        private_files(folder(inside, rope=EXERCISE), "03_attention")
    (tmp_path / "link").symlink_to(inside)
    with pytest.raises(ValueError, match="which every submission can read"):
        private_files(tmp_path / "link", "03_attention")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "rope.py").symlink_to(inside / "rope.py")
    with pytest.raises(ValueError, match="which every submission can read"):
        private_files(tmp_path / "out", "03_attention")


SPY = """
import os
FOUND, KEPT = [], set()
for top, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if f not in ("site-packages", "sys", "task", "lib")]
    for file in files:
        if file in ("attention_weights.py", "cmdline", "environ"):
            try:
                text = open(os.path.join(top, file), "rb").read()
            except OSError:
                continue
            if b"SECRET = 1.2345" in text or {folder!r}.encode() in text:
                FOUND.append(os.path.join(top, file))
def attention_weights(q, k):
    KEPT.add(tuple(q.shape))
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1)
def causal_attention(q, k, v):
    raise ValueError(f"found {{FOUND}} {{KEPT}}")
"""


def test_a_submission_finds_no_hidden_check_and_can_hand_on_none(tmp_path: Path, sandboxed: str) -> None:
    (tmp_path / "hidden").mkdir()
    hidden = loaded(tmp_path / "hidden", attention_weights=EXERCISE)
    path = tmp_path / "spy.ipynb"
    path.write_text(notebook(SPY.format(folder=str(tmp_path / "hidden"))))
    asked = [e for e in CHAPTERS["03_attention"] if e.name in ("attention_weights", "causal_attention")]
    report = plain(grade_one(path, asked, hidden=hidden, sandbox=sandboxed))
    found = {(e["name"], e["kind"]): e for e in report["exercises"]}
    assert found["attention_weights", "public"]["earned"] == 5
    assert found["attention_weights", "hidden"]["earned"] == 7
    said = found["causal_attention", "public"]["diagnosis"]
    assert "found []" in said and "(1, 2, 4)" in said
    assert "(1, 1, 4)" not in said  # the shape that only the hidden check has
