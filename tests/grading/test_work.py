"""Work that leaves a session and comes back to another: nothing of it is lost, nothing lands elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import tinygpt as tg
from tinygpt.cli import main
from tinygpt.grading import record, restore, work
from tinygpt.grading.result import Outcome, Result
from tinygpt.grading.sheet import parsed, source, written

ROOT = Path(__file__).parents[2]
NAME = "exercises/03_attention.ipynb"
ABOUT = json.dumps({"format": work.FORMAT, "shipped": {}})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYGPT_HOME", str(tmp_path / "home"))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of two exercises and a chapter, as shipped; the present folder is one inside it."""
    return course(tmp_path / "course-1", monkeypatch)


def course(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (NAME, "exercises/04_transformer.ipynb", "course/03_attention.ipynb"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    monkeypatch.chdir(folder / "exercises")
    return folder


def edit(path: Path, text: str) -> bytes:
    notebook = parsed(path.read_bytes(), path.name)
    notebook["cells"][1]["source"] = text
    path.write_bytes(written(notebook))
    return path.read_bytes()


def zipped(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_work_comes_back_in_a_fresh_course(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = edit(root / NAME, "x = 'mine'")
    (root / "exercises" / "own.ipynb").write_bytes(mine)
    (root / "exercises" / "tiny.safetensors").write_bytes(b"weights")
    (root / "exercises" / "03_attention.rope.before-reset.py").write_text("old")
    (root / "exercises" / ".ipynb_checkpoints").mkdir()
    (root / "exercises" / ".ipynb_checkpoints" / "a.ipynb").write_bytes(mine)
    record.note(Result("rope", (Outcome("a", 5, True),)))
    saved = tg.save_work()
    assert {*saved.names} == {NAME, "exercises/own.ipynb", "exercises/tiny.safetensors"} | {
        "exercises/03_attention.rope.before-reset.py"
    }
    shutil.rmtree(tmp_path / "home")
    fresh = course(tmp_path / "course-2", monkeypatch)
    loaded = tg.load_work(saved.file)
    assert {*loaded.names} == {*saved.names} and loaded.copies == () and loaded.notes == ()
    assert (fresh / NAME).read_bytes() == mine
    assert (fresh / "exercises" / "tiny.safetensors").read_bytes() == b"weights"
    assert record.load_record()["exercises"]["rope"]["earned"] == 5
    assert "nothing, all of it is here already" in repr(tg.load_work(saved.file))


def test_running_a_chapter_is_work_and_saving_it_again_is_not(root: Path) -> None:
    chapter = root / "course" / "03_attention.ipynb"
    notebook = parsed(chapter.read_bytes(), "x")
    notebook["metadata"]["widgets"] = {}
    chapter.write_text(json.dumps(notebook), "utf-8")
    assert tg.save_work("a.zip").names == ()
    next(c for c in notebook["cells"] if c.get("outputs"))["outputs"].clear()
    chapter.write_text(json.dumps(notebook), "utf-8")
    assert tg.save_work("b.zip").names == ("course/03_attention.ipynb",)


def test_what_is_not_taken_along_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "CHECKPOINTS", 10)
    (root / "exercises" / "large.safetensors").write_bytes(bytes(11))
    (root / "exercises" / "helper.py").write_text("x = 1")
    (root / "exercises" / "link.ipynb").symlink_to(root / NAME)
    saved = tg.save_work()
    assert saved.names == ()
    assert "Left out: exercises/large.safetensors, which has 0 MB" in repr(saved)
    assert "Left out: exercises/helper.py, which is no notebook" in repr(saved)
    assert "Left out: exercises/link.ipynb, which is no notebook" in repr(saved)


def test_other_work_that_stands_there_is_kept_as_a_copy(root: Path) -> None:
    edit(root / NAME, "x = 'saved'")
    saved = tg.save_work()
    newer = edit(root / NAME, "x = 'newer'")
    (copy,) = tg.load_work(saved.file).copies
    assert copy.read_bytes() == newer and copy.parent == (root / NAME).parent and copy.suffix == ".ipynb"
    assert source(parsed((root / NAME).read_bytes(), "x")["cells"][1]) == "x = 'saved'"
    (root / NAME).write_bytes(newer)
    (again,) = tg.load_work(saved.file).copies
    assert again != copy and copy.read_bytes() == again.read_bytes() == newer


def test_a_course_that_has_changed_since_is_told_and_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(root / NAME, "x = 'mine'")
    saved = tg.save_work()
    new = edit(root / NAME, "x = 'the next edition'")
    digests = {**work.shipped.digests(), NAME: work.digest(parsed(new, "x"))}
    monkeypatch.setattr(work.shipped, "digests", lambda: digests)
    loaded = tg.load_work(saved.file)
    assert [copy.read_bytes() for copy in loaded.copies] == [new]
    assert loaded.notes == (f"{NAME} has changed in the course since you saved yours.",)


@pytest.mark.parametrize(
    "name",
    [
        "../evil.ipynb",
        "exercises/../../evil.ipynb",
        "/tmp/evil.ipynb",
        "course\\..\\evil.ipynb",
        "evil.ipynb",
        "exercises/torch.py",
        "tinygpt/__init__.py",
        "exercises/.hidden.ipynb",
        "exercises/a/../b.ipynb",
    ],
)
def test_names_that_are_no_works_are_not_put_back(name: str, root: Path) -> None:
    before = sorted(p for p in root.parent.rglob("*"))
    path = zipped(root.parent / "w.zip", ("about.json", ABOUT), (name, "x"))
    loaded = tg.load_work(path)
    assert loaded.names == () and "Not put back" in loaded.notes[0] and len(loaded.notes) == 1
    assert sorted(p for p in root.parent.rglob("*") if "home" not in p.parts) == sorted([*before, path])


def test_links_are_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (root / "exercises" / "way").symlink_to(tmp_path / "outside")
    (root / "exercises" / "leak.ipynb").symlink_to(tmp_path / "outside" / "leak.ipynb")
    members = [("exercises/way/a.ipynb", "x"), ("exercises/leak.ipynb", "x")]
    loaded = tg.load_work(zipped(tmp_path / "w.zip", ("about.json", ABOUT), *members))
    assert loaded.names == () and len(loaded.notes) == 2
    assert os.listdir(tmp_path / "outside") == []


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([], "is not a file that `tinygpt save` made"),
        ([("about.json", "[]")], "its format is None"),
        ([("about.json", '{"format": 99}'), (NAME, "x")], "its format is 99.*Update tinygpt"),
        ([("about.json", ABOUT), (NAME, bytes(3000))], "unpacks to more than"),
    ],
)
def test_a_file_that_cannot_be_loaded_changes_nothing(
    members: list[tuple[str, str]], says: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "LARGEST_TOTAL", 2000)
    before = (root / NAME).read_bytes()
    with pytest.raises(ValueError, match=says):
        tg.load_work(zipped(root / "w.zip", *members))
    with pytest.raises(ValueError, match="is not a file"):
        tg.load_work(root / NAME)
    assert (root / NAME).read_bytes() == before


def test_progress_in_a_file_can_do_no_harm(root: Path) -> None:
    wild = {
        "exercises": {"rope": {"earned": 10**9, "possible": 1, "passed": "<b>"}, "x" * 999: 3},
        "quiz": [],
    }
    about = json.dumps({"format": 1, "shipped": 7, "progress": wild})
    tg.load_work(zipped(root / "w.zip", ("about.json", about)))
    assert "5 of 478 points" in tg.grading.progress().heading
    assert "<b>" not in tg.grading.progress()._repr_html_().replace("<b>Progress", "")


def test_the_commands_do_the_same(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = edit(root / NAME, "x = 'mine'")
    assert main(["save", "--out", "my.zip"]) == 0
    assert NAME in capsys.readouterr().out
    shutil.copy(ROOT / NAME, root / NAME)
    assert main(["load", "my.zip"]) == 0
    assert f"Put back: {NAME}." in capsys.readouterr().out and (root / NAME).read_bytes() == mine
    assert main(["load", "gone.zip"]) == 1
    assert "tinygpt load: There is no file 'gone.zip'" in capsys.readouterr().err


def test_on_colab_the_notebook_is_the_work_and_comes_down_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    live = parsed((ROOT / NAME).read_bytes(), "x") | {"metadata": {"colab": {"name": "03_attention.ipynb"}}}
    colab, fetched = ModuleType("google.colab"), []
    colab._message = SimpleNamespace(blocking_request=lambda *a, **k: {"ipynb": live})
    colab.files = SimpleNamespace(download=fetched.append)
    ipython = ModuleType("IPython")
    ipython.get_ipython = object
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    saved = tg.save_work()
    assert saved.names == (NAME,) and fetched == [str(saved.file)]
    tg.load_work(saved.file)
    assert parsed((tmp_path / NAME).read_bytes(), "x") == live


def test_without_a_course_there_is_nothing_to_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="There is no course/ or exercises/ at or above"):
        tg.save_work()
