"""A class from the folder of submissions to the gradebook, also after a kill, and on a cluster."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from classroom import CRASH, FUSED, HOSTILE, NOT_SCALED, RIGHT, hand_in, notebook

from tinygpt.cli import main
from tinygpt.grading.exercise import Exercise
from tinygpt.grading.judge import Report, batch
from tinygpt.grading.result import Outcome, Result
from tinygpt.grading.submission import pack
from tinygpt.scaling import results

HIDDEN = """
from tinygpt.grading import Case
from tinygpt.grading.checks.draws import normal

CASES = [Case("one query", lambda g: (normal(g, 1, 1, 4), normal(g, 1, 3, 4)), points=7)]
"""


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attention weights and causal attention only, in this process."""
    asked: tuple[Exercise, ...] = batch.CHAPTERS["03_attention"][:2]
    monkeypatch.setitem(batch.CHAPTERS, "03_attention", asked)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that gives a point to every notebook with "right" in it, at once."""

    def judged(path: Path, exercises: tuple[Exercise, ...], **how: object) -> Report:
        if "boom" in path.read_text():
            raise RuntimeError("boom")
        found = Outcome("one", 1, "right" in path.read_text())
        return Report(path.name, (Result(exercises[0].name, (found,)),), (), 0.5)

    monkeypatch.setattr(batch, "grade_one", judged)
    monkeypatch.setattr(batch, "engine", lambda *a, **b: "none")


def table(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["submission"]: row for row in csv.DictReader(file)}


def lines(out: Path) -> list[str]:
    return [result.setting["name"] for result in results(out / "runs.jsonl")]


LONG = "eve" + "漢" * 82  # with its ending as long, in bytes, as a name may be


@pytest.mark.usefixtures("short")
def test_a_class_is_graded_and_every_bad_submission_is_only_one(tmp_path: Path, sandboxed: str) -> None:
    class_ = hand_in(
        tmp_path / "class",
        {
            "doe_11_1_hw": RIGHT,
            "roe_LATE_12_2_hw": f"{NOT_SCALED}\n{FUSED}",
            "ann/hw": HOSTILE,
            "Ann/hw": CRASH,
        },
    )
    pack(class_ / "kim.tinygpt.zip", "03_attention.ipynb", notebook(RIGHT).encode(), {})
    (class_ / "broken.ipynb").write_text("{")
    (class_ / "spoilt.zip").write_bytes(b"PK no zip")
    (class_ / "link.ipynb").symlink_to("/etc/passwd")
    (class_ / "essay.pdf").write_text("x")
    (class_ / f"{LONG}.ipynb").write_text("{")
    private, out = tmp_path / "private", tmp_path / "out"
    private.mkdir()
    (private / "attention_weights.py").write_text(HIDDEN)
    made = batch.grade_all(class_, "03", out, private=private, workers=0, sandbox=sandboxed, progress=False)
    assert [one.error for one in made] == [""] * 9
    found = table(out / "gradebook.csv")
    earned = {name: (row["attention_weights"], row["causal_attention"]) for name, row in found.items()}
    nothing = ("0", "0")
    assert earned == {
        "doe_11_1_hw": ("12", "0"),
        "roe_LATE_12_2_hw": ("0", "6"),
        "ann/hw": nothing,
        "Ann/hw": nothing,
        "kim.tinygpt": ("12", "0"),
        "broken": nothing,
        "spoilt": nothing,
        "link": nothing,
        LONG: nothing,
    }
    assert "causal_attention uses torch.nn.functional.scaled" in found["roe_LATE_12_2_hw"]["review"]
    assert "link.ipynb is a link" in found["link"]["remarks"] and "broken.ipynb" in found["broken"]["remarks"]
    feedback = json.loads((out / "feedback" / "doe_11_1_hw.json").read_text(encoding="utf-8"))
    assert (feedback["earned"], feedback["possible"]) == (12, 18)
    pictured = (out / "feedback" / "roe_LATE_12_2_hw.html").read_text(encoding="utf-8")
    assert "wanted" in pictured and "not scaled" in pictured
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["others"] == ["essay.pdf"] and len(summary["review"]) == 1
    assert (out / "canvas.csv").read_text(encoding="utf-8").splitlines()[1:] == [
        "    Points Possible,,,,,18",
        "doe,11,,,,12",
        "roe,12,,,,6",
    ]


@pytest.mark.usefixtures("quick")
def test_only_what_has_changed_is_graded_again(tmp_path: Path) -> None:
    class_, out = hand_in(tmp_path / "class", {"ann": "right", "kim": "wrong"}), tmp_path / "out"
    how = {"workers": 0, "progress": False}
    batch.grade_all(class_, "03", out, **how)
    (out / "gradebook.csv").unlink()
    class_ = class_.rename(tmp_path / "moved")
    batch.grade_all(class_, "03", out, **how)
    assert lines(out) == ["ann", "kim"] and table(out / "gradebook.csv")["kim"]["earned"] == "0"
    hand_in(class_, {"kim": "right", "zoe": "right"})
    (class_ / "ann.ipynb").unlink()
    batch.grade_all(class_, "03", out, **how)
    assert lines(out) == ["ann", "kim", "kim", "zoe"]
    earned = {name: row["earned"] for name, row in table(out / "gradebook.csv").items()}
    assert earned == {"kim": "1", "zoe": "1"}
    private = tmp_path / "private"
    private.mkdir()
    for source in (HIDDEN, HIDDEN.replace("one query", "a query"), HIDDEN):
        (private / "attention_weights.py").write_text(source)
        batch.grade_all(class_, "03", out, private=private, **how)
    assert lines(out)[4:] == ["kim", "zoe"] * 2
    batch.grade_all(class_, "04", out, **how)
    assert lines(out)[8:] == ["kim", "zoe"]


@pytest.mark.usefixtures("quick")
def test_a_zip_is_graded_once_though_its_files_lie_elsewhere_every_time(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        archive.writestr("../ann.ipynb", notebook("right"))
    for _ in range(2):
        made = batch.grade_all(tmp_path / "class.zip", "03", tmp_path / "out", workers=0, progress=False)
    assert lines(tmp_path / "out") == ["ann"] and made[0].earned == 1


@pytest.mark.usefixtures("quick")
def test_when_the_judge_fails_on_one_the_others_are_graded_and_it_is_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class_, out = hand_in(tmp_path / "class", {"ann": "boom", "kim": "right"}), tmp_path / "out"
    command = ["grade", str(class_), "--chapter", "03", "--out", str(out), "--workers", "0"]
    for _ in range(2):
        assert main(command) == 1
    said = capsys.readouterr().out
    assert "failed: ann: RuntimeError: boom" in said and "1 of 2 submissions are graded" in said
    assert lines(out) == ["ann", "kim", "ann"]
    page = (out / "feedback" / "ann.html").read_text(encoding="utf-8")
    assert "no mistake of yours" in page and "boom" not in page
    assert "RuntimeError: boom" in (out / "summary.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_after_a_kill_the_rest_is_graded_and_nothing_twice(tmp_path: Path, sandboxed: str) -> None:
    class_ = hand_in(tmp_path / "class", {f"s{i}": RIGHT for i in range(4)})
    out = tmp_path / "out"
    command = [sys.executable, "-m", "tinygpt", "grade", str(class_), "--chapter", "03", "--out", str(out)]
    command += ["--workers", "1", "--sandbox", sandboxed]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not (out / "runs.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)  # into the next one
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = lines(out)
    assert 1 <= len(before) < 4 and not (out / "gradebook.csv").exists()
    subprocess.run(command, check=True, capture_output=True)
    assert sorted(lines(out)) == ["s0", "s1", "s2", "s3"] and lines(out)[: len(before)] == before
    assert {row["earned"] for row in table(out / "gradebook.csv").values()} == {"5"}


@pytest.mark.slow
def test_a_cluster_gets_the_content_and_not_the_path(
    tmp_path: Path, sandboxed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    class_ = hand_in(tmp_path / "class", {"ann": RIGHT})
    taken = batch.sweep

    def elsewhere(settings: list, *args: object, **how: object) -> object:
        """The submissions are gone when the cluster works: only what was sent is left."""
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
        sent = ray.get(ray.put(settings))
        (class_ / "ann.ipynb").unlink()
        return taken(sent, *args, **how)

    monkeypatch.setattr(batch, "sweep", elsewhere)
    try:
        made = batch.grade_all(class_, "03", tmp_path / "out", ray="local", sandbox=sandboxed, progress=False)
    finally:
        ray.shutdown()
    assert [(one.name, one.error, one.exercises[0]["earned"]) for one in made] == [("ann", "", 5)]


@pytest.mark.usefixtures("quick")
def test_a_roster_is_read_before_anything_is_graded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class_, out = hand_in(tmp_path / "class", {"ann": "right"}), tmp_path / "out"
    command = ["grade", str(class_), "--chapter", "03", "--out", str(out), "--workers", "0", "--roster"]
    assert main([*command, str(tmp_path / "none.csv")]) == 1
    said = capsys.readouterr().err
    assert "the roster must be a gradebook as Canvas exports it" in said and "Errno" not in said
    (tmp_path / "wrong.csv").write_text("name,points\n")
    assert main([*command, str(tmp_path / "wrong.csv")]) == 1 and not out.exists()


@pytest.mark.usefixtures("quick")
def test_the_command_says_what_begins_and_what_the_teacher_should_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class_, out = hand_in(tmp_path / "class", {"ann": "right", "kim": "wrong"}), tmp_path / "class" / "out"
    command = ["grade", str(class_), "--chapter", "03", "--out", f"{out}/", "--workers", "0"]
    assert main(command) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "2 of 2 submissions are to be graded; the sandbox is none. The first takes a moment."
    assert rest[-1] == f"2 of 2 submissions are graded. Begin with {out / 'summary.html'}."
    assert "points are graded; the notebook announces" in rest[0]
    (class_ / "kim.ipynb").unlink()
    assert main(command) == 0  # the results lie in the class's folder, and nobody handed them in
    said = capsys.readouterr().out
    assert "1 submission graded earlier is no longer in the folder (kim)" in said
    assert "to be graded" not in said and "1 of 1 submissions" in said
    assert json.loads((out / "summary.json").read_text(encoding="utf-8"))["others"] == []


@pytest.mark.usefixtures("quick")
def test_the_name_in_a_zip_places_it_where_the_file_says_nothing(tmp_path: Path) -> None:
    class_ = tmp_path / "class"
    class_.mkdir()
    content = notebook("right").encode()
    pack(class_ / "03_attention.tinygpt.zip", "03_attention.ipynb", content, {"name": "Zoe Zuse"})
    pack(class_ / "03_attention-Bob-Jones.tinygpt.zip", "03_attention.ipynb", content, {"name": ["odd"]})
    roster, out = tmp_path / "roster.csv", tmp_path / "out"
    roster.write_text('Student,ID,SIS Login ID\n"Zuse, Zoe",12356,zzuse\n"Jones, Bob",12357,bjones\n')
    batch.grade_all(class_, "03", out, roster=roster, workers=0, progress=False)
    filled = (out / "canvas.csv").read_text(encoding="utf-8").splitlines()
    assert filled[2:] == ['"Zuse, Zoe",12356,zzuse,1', '"Jones, Bob",12357,bjones,1']
    found = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert found["signed"] == [{"name": "03_attention.tinygpt", "student": "Zuse, Zoe"}]
    assert "Placed by the name in the zip" in (out / "summary.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("quick")
def test_an_interrupt_is_answered_at_once_and_says_how_far_it_went(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class_, out = hand_in(tmp_path / "class", {"ann": "right", "kim": "right"}), tmp_path / "out"
    judged = batch.grade_one

    def interrupted(path: Path, exercises: tuple[Exercise, ...], **how: object) -> Report:
        if path.stem == "kim":
            os.kill(os.getppid(), signal.SIGINT)  # Ctrl-C reaches both
            raise KeyboardInterrupt
        return judged(path, exercises, **how)

    monkeypatch.setattr(batch, "grade_one", interrupted)
    before = signal.getsignal(signal.SIGINT)
    assert main(["grade", str(class_), "--chapter", "03", "--out", str(out), "--workers", "0"]) == 130
    said = capsys.readouterr().out
    assert said.endswith("\nStopping…\n1 of 2 are graded; the same command goes on.\n")
    assert signal.getsignal(signal.SIGINT) is before


def test_the_hidden_checks_of_the_course_are_graded_in_one_step(tmp_path: Path, sandboxed: str) -> None:
    class_, said = hand_in(tmp_path / "class", {"ann": RIGHT}), []
    solutions = Path(__file__).parents[3] / "solutions"
    how = {"workers": 0, "sandbox": sandboxed, "progress": False, "say": said.append}
    (one,) = batch.grade_all(class_, "03", tmp_path / "out", private=solutions, **how)
    hidden = {e["name"]: (e["earned"], e["possible"]) for e in one.exercises if e["kind"] == "hidden"}
    assert hidden["attention_weights"] == (1, 1) and hidden["rope"] == (0, 1)
    assert sum(possible for _, possible in hidden.values()) == 7
    assert len(said) == 1 and f"the sandbox is {sandboxed}." in said[0]  # no word of points that are missing


def test_a_notebook_of_another_chapter_is_told(tmp_path: Path, sandboxed: str) -> None:
    other = 'tg.grading.check("gated_mlp", gated_mlp)'
    hand_in(tmp_path / "class", {"turing": other, "empty": "x = 1"})
    (empty, turing) = batch.grade_all(tmp_path / "class", "03", tmp_path / "out", workers=0, progress=False)
    assert turing.problems[0].startswith(
        "No answer of chapter 03_attention is in it; it has exercises of 04_"
    )
    assert empty.problems == []


def test_hidden_checks_need_a_sandbox(tmp_path: Path) -> None:
    (tmp_path / "rope.py").write_text("CASES = []")
    with pytest.raises(ValueError, match="hidden checks need a sandbox"):
        batch.grade_all(tmp_path, "03", tmp_path / "out", private=tmp_path, unsafe=True)


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["--chapter", "13", "x"], "chapter must be one of 01_next_token"),
        (["x", "--chapter", "03"], "submissions must be a folder, a zip or a notebook"),
        (["x"], "say what to grade and by which chapter"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["grade", *arguments]) == 1 and says in capsys.readouterr().err
