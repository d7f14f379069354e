"""The autograder: its zip is unpacked as Gradescope does, and run in a root of our own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from classroom import NOT_SCALED, RIGHT, hand_in

from tinygpt.cli import main
from tinygpt.grading.gradebook import gradescope
from tinygpt.grading.judge.sandbox import guest

HIDDEN = """
from tinygpt.grading import Case
from tinygpt.grading.checks.draws import normal

CASES = [Case("one query", lambda g: (normal(g, 1, 1, 4), normal(g, 1, 3, 4)), points=7)]
"""
STATED = {"score", "execution_time", "output", "output_format", "test_output_format", "test_name_format"}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root as in Gradescope's container, open to every account: the zip's content in `source`."""
    private = tmp_path_factory.mktemp("private")
    (private / "attention_weights.py").write_text(HIDDEN)
    with tempfile.TemporaryDirectory(prefix="autograder-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        target = root / "autograder.zip"
        assert main(["grade", "--gradescope", "03", "--private", str(private), "--out", str(target)]) == 0
        with zipfile.ZipFile(target) as archive:
            modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
            archive.extractall(root / "source")
        assert modes["setup.sh"] & 0o111 and modes["run_autograder"] & 0o111
        assert modes["hidden/attention_weights.py"] & 0o077 == 0
        assert target.stat().st_size < 100 << 20  # what Gradescope takes
        yield root


def test_the_hidden_checks_of_the_course_go_along(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["grade", "--gradescope", "03", "--out", str(tmp_path / "autograder.zip")]
    assert main(command) == 0
    assert "the 7 for hidden checks need --private DIR" in capsys.readouterr().out
    assert main([*command, "--private", str(Path(__file__).parents[3] / "solutions")]) == 0
    assert "need --private" not in capsys.readouterr().out
    with zipfile.ZipFile(tmp_path / "autograder.zip") as archive:
        archive.extract("hidden/03_attention.ipynb", tmp_path)
    found = gradescope._hidden(tmp_path / "hidden")
    assert sum(case.points for cases in found.values() for case in cases) == 7


def run(root: Path, python: str = sys.executable) -> dict:
    """What Gradescope reads after a run."""
    env = {**os.environ, "AUTOGRADER_ROOT": str(root), "AUTOGRADER_PYTHON": python, "PYTHONPATH": ""}
    subprocess.run(
        ["bash", str(root / "source" / "run_autograder")], env=env, capture_output=True, timeout=300
    )
    return read(root)


def read(root: Path) -> dict:
    return json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))


def fresh(root: Path, **submissions: str) -> Path:
    for path in (*(root / "submission").glob("*"), *(root / "results").glob("*")):
        path.unlink()
    (root / "submission").mkdir(exist_ok=True)
    hand_in(root / "submission", submissions)
    return root


def test_scripts_are_ones_that_bash_understands(unpacked: Path) -> None:
    for name in ("setup.sh", "run_autograder"):
        subprocess.run(["bash", "-n", str(unpacked / "source" / name)], check=True)
    wanted = (unpacked / "source" / "requirements.txt").read_text().split("\n")
    assert any(line.startswith("torch") for line in wanted) and not any("extra" in line for line in wanted)


def test_a_submission_gets_one_test_for_each_check(unpacked: Path) -> None:
    found = run(fresh(unpacked, homework=NOT_SCALED.replace("k.mT)", "k.mT / q.shape[-1] ** 0.5).relu()")))
    assert set(found) >= STATED and found["stdout_visibility"] == "hidden"
    assert found["score"] == sum(test["score"] for test in found["tests"]) < 44
    assert sum(test["max_score"] for test in found["tests"]) == 44
    for test in found["tests"]:
        assert set(test) == {"name", "score", "max_score", "status", "output"}
        assert test["status"] == ("passed" if test["score"] == test["max_score"] else "failed")
    hidden = [test for test in found["tests"] if ", hidden: " in test["name"]]
    assert [test["name"] for test in hidden] == ["attention_weights, hidden: one query"]
    assert hidden[0]["output"].startswith("The likely mistake: ") and "wanted" not in hidden[0]["output"]
    assert any("wanted" in test["output"] for test in found["tests"] if test not in hidden)


SPY = """
import glob, os
def attention_weights(q, k):
    seen = []
    for pattern in ("hidden/*", "results/*"):
        for path in glob.glob({root!r} + "/source/" + pattern) + glob.glob({root!r} + "/" + pattern):
            seen.append(path)
    try:
        open({root!r} + "/results/results.json", "w").write("forged")
        seen.append("written")
    except OSError:
        pass
    try:
        seen.append(open({root!r} + "/source/hidden/attention_weights.py").read())
    except OSError:
        pass
    try:
        os.kill(os.getppid(), 9)
    except OSError:
        pass
    raise ValueError(f"id {{os.getuid()}} seen {{seen}}")
"""


@pytest.mark.skipif(
    not guest("none"), reason="only root, as in Gradescope, can give a worker another account"
)
def test_where_no_sandbox_is_allowed_a_submission_gets_an_account_of_its_own(
    unpacked: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "python"  # bubblewrap is not found
    bare.write_text(f'#!/bin/sh\nPATH=/nowhere exec {sys.executable} "$@"\n')
    bare.chmod(0o755)
    found = run(fresh(unpacked, spy=SPY.format(root=str(unpacked))), python=str(bare))
    assert "tests" in found, found
    said = found["tests"][0]["output"]
    assert "raised ValueError: id " in said and "id 0" not in said, said
    assert not any(word in said for word in ("hidden", "CASES", "written")), said
    assert run(fresh(unpacked, good=RIGHT), python=str(bare))["score"] == 12


@pytest.mark.parametrize(
    "submissions, says",
    [
        ({}, "there is no .ipynb file"),
        ({"a": RIGHT, "b": RIGHT}, "hand in one notebook, 03_attention.ipynb; got a.ipynb, b.ipynb."),
    ],
)
def test_what_cannot_be_graded_is_said(unpacked: Path, submissions: dict[str, str], says: str) -> None:
    gradescope.main(fresh(unpacked, **submissions))
    found = read(unpacked)
    assert found["score"] == 0 and says in found["output"] and "tests" not in found


def test_results_are_there_even_where_nothing_works(unpacked: Path) -> None:
    found = run(fresh(unpacked, a=RIGHT), python="/bin/false")
    assert found["score"] == 0 and "stopped before its end" in found["output"]


def test_a_failure_of_the_judge_is_said_to_be_one(unpacked: Path) -> None:
    chapter = unpacked / "source" / "chapter.json"
    kept = chapter.read_text()
    chapter.write_text('"99_none"')
    try:
        gradescope.main(fresh(unpacked, a=RIGHT))
    finally:
        chapter.write_text(kept)
    found = read(unpacked)
    assert found["score"] == 0 and "no mistake of yours" in found["output"]
