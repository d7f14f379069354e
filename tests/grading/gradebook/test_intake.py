"""What was handed in, whatever it is called and wherever it lies."""

from __future__ import annotations

import os
import pickle
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from tinygpt.grading.gradebook.graded import graded
from tinygpt.grading.gradebook.intake import Submission, intake
from tinygpt.grading.gradebook.shipment import Shipment
from tinygpt.grading.judge.notebook import LARGEST
from tinygpt.scaling import Result


def names(source: Path) -> list[str]:
    with intake(source) as found:
        return [one.name for one in found.submissions]


def touched(folder: Path, *files: str) -> Path:
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file)
    return folder


def test_notebooks_and_zips_at_any_depth_are_submissions_and_the_rest_is_named(tmp_path: Path) -> None:
    files = ["ann.ipynb", "b/c/Kim.IPYNB", "roe.tinygpt.zip", "essay.pdf", ".ipynb_checkpoints/ann.ipynb"]
    with intake(touched(tmp_path, *files, "__MACOSX/._ann.ipynb", "._roe.ipynb", ".DS_Store")) as found:
        assert [one.name for one in found.submissions] == ["ann", "b/c/Kim", "roe.tinygpt"]
        assert found.others == ("essay.pdf",)


def test_results_among_the_submissions_were_not_handed_in(tmp_path: Path) -> None:
    results = ["summary.html", "canvas.csv", "gradebook.csv", "runs.jsonl", "feedback/ann.html"]
    touched(tmp_path, "ann.ipynb", "results/kim.ipynb", "essay.pdf", "results/essay.pdf", "ann/canvas.csv")
    for out in (tmp_path / "results", tmp_path):
        touched(out, *results)
        with intake(tmp_path, out) as found:
            others = {*found.others}
            assert [one.name for one in found.submissions] == ["ann", "results/kim"]
        assert {"essay.pdf", "results/essay.pdf", "ann/canvas.csv"} <= others
        assert not {(out / name).relative_to(tmp_path).as_posix() for name in results} & others


def test_one_notebook_is_a_class_of_one(tmp_path: Path) -> None:
    assert names(touched(tmp_path, "ann.ipynb") / "ann.ipynb") == ["ann"]


def test_files_that_would_have_one_name_keep_their_endings(tmp_path: Path) -> None:
    assert names(touched(tmp_path, "ann.ipynb", "ann.zip", "kim.ipynb")) == ["ann.ipynb", "ann.zip", "kim"]


@pytest.mark.skipif(os.name == "nt", reason="names there are text")
def test_a_name_that_is_no_text_can_be_written(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.ipynb")).write_text("{}")
    (tmp_path / "\u202eann.ipynb").write_text("{}")  # would be shown as bpnyi.nna
    assert names(tmp_path) == ["\ufffdann", "\ufffd\ufffd"]


def test_links_and_pipes_are_seen_and_not_read(tmp_path: Path) -> None:
    (tmp_path / "link.ipynb").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.ipynb")
    (tmp_path / "folder.ipynb").mkdir()
    with intake(tmp_path) as found:
        sent = [Shipment.of({one.name: one.path}).files() for one in found.submissions]
    assert sent == [{"link": None}, {"pipe": None}]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_nothing_of_a_zip_lands_where_its_names_say(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        for name in ("../../up.ipynb", "/etc/root.ipynb", "a\\b.ipynb", "ann.ipynb", "ann.ipynb", "n.txt"):
            archive.writestr(name, name)
    before = sorted(tmp_path.rglob("*"))
    with intake(tmp_path / "class.zip") as found:
        read = {one.name: one.path.read_text() for one in found.submissions}
        folders = {one.path.parent for one in found.submissions}
    assert read == {
        "up": "../../up.ipynb",
        "etc/root": "/etc/root.ipynb",
        "a/b": "a\\b.ipynb" if os.sep == "/" else "a/b.ipynb",
        "ann": "ann.ipynb",
        "ann (2)": "ann.ipynb",
    }
    assert len(folders) == 1 and not folders.pop().exists() and sorted(tmp_path.rglob("*")) == before


def test_names_of_a_zip_that_does_not_say_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile.ZipInfo, "_encodeFilenameFlags", lambda member: (member.filename.encode(), 0))
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        for name in ("Zoë/hw.ipynb", "Gauß_03.ipynb", "ann.ipynb"):
            archive.writestr(name, "x")
    assert names(tmp_path / "class.zip") == ["Gauß_03", "Zoë/hw", "ann"]
    latin = lambda member: (member.filename.encode("cp437"), 0)  # noqa: E731
    monkeypatch.setattr(zipfile.ZipInfo, "_encodeFilenameFlags", latin)
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as archive:
        archive.writestr("José.ipynb", "x")
    assert names(tmp_path / "old.zip") == ["José"]


def test_a_broken_or_enormous_member_is_one_bad_submission(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "class.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("good.ipynb", "good")
        archive.writestr("large.ipynb", bytes(LARGEST + 1000))
        archive.writestr("spoilt.ipynb", "spoilt" * 100)
    data = bytearray((tmp_path / "class.zip").read_bytes())
    at = data.index(b"spoilt.ipynb") + len("spoilt.ipynb")
    data[at : at + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "class.zip").write_bytes(data)
    with intake(tmp_path / "class.zip") as found:
        sizes = {one.name: one.path.stat().st_size for one in found.submissions}
    assert sizes == {"good": 4, "large": LARGEST + 1, "spoilt": 0}


def test_what_is_nothing_to_grade_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no .ipynb file in"), intake(tmp_path):
        pass
    with pytest.raises(ValueError, match="a folder, a zip or a notebook"), intake(tmp_path / "missing"):
        pass


@pytest.mark.parametrize(
    "name, canvas_id, late",
    [
        ("doejane_12345_678910_hw", "12345", False),
        ("doejane_LATE_12345_678910_my_hw-1", "12345", True),
        ("all/doejane_late_12345_678910_hw", "12345", True),
        ("doe_2024_hw", "", False),
        ("12345", "", False),
        ("doe_1_2_3/hw", "", False),
    ],
)
def test_canvas_says_in_the_name_whose_it_is(name: str, canvas_id: str, late: bool) -> None:
    one = Submission(name, Path())
    assert (one.canvas_id, one.late) == (canvas_id, late)


def test_feedback_files_differ_on_every_file_system() -> None:
    odd = [
        "a/b",
        "a__b",
        "A__b",
        "con",
        "Zoë",
        "Zoe\u0308",
        "x" * 300,
        "x" * 301,
        "..",
        "a\nb",
        "=1",
        "",
        "-rf",
        "漢" * 200,
        "漢" * 201,
        "bob",
        "BOB",
        f"bob-{sha256(b'bob').hexdigest()[:12]}",
    ]
    made = graded([Submission(name, Path()) for name in odd], [Result("", {})] * len(odd))
    stems = [one.stem for one in made]
    assert len({stem.casefold() for stem in stems}) == len(odd)
    for stem in stems:
        assert stem.replace("-", "").replace("_", "").replace(".", "").isalnum(), stem
        assert (
            stem[0] not in ".-" and stem[-1] != "." and len(stem.encode()) < 180 and stem.casefold() != "con"
        )
    assert graded([Submission("doe_1_2_hw", Path())], [Result("", {})])[0].stem == "doe_1_2_hw"


def test_a_shipment_is_known_by_what_is_in_it_and_takes_it_along(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    first, again = Shipment.of({"a": tmp_path / "a"}), Shipment.of({"a": tmp_path / "a"})
    (tmp_path / "a").write_bytes(b"two")
    assert first == again != Shipment.of({"a": tmp_path / "a"})
    assert Shipment.of({"b": tmp_path / "a"}) != Shipment.of({"a": tmp_path / "a"})
    packed = pickle.dumps(first)
    (tmp_path / "a").unlink()
    arrived = pickle.loads(pickle.dumps(pickle.loads(packed)))
    assert arrived == first and arrived.files() == {"a": b"two"}
