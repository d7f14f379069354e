"""The gradebook and Canvas's form of it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tinygpt.grading.gradebook.canvas import for_canvas
from tinygpt.grading.gradebook.graded import Graded, graded
from tinygpt.grading.gradebook.intake import Submission
from tinygpt.grading.gradebook.roster import read_roster
from tinygpt.grading.gradebook.tables import gradebook, written
from tinygpt.scaling import Result

FLAG = {"exercise": "blend", "cell": 3, "line": 2, "uses": "x.y", "text": "x.y()"}


def scores(earned: int) -> dict:
    exercise = {
        "name": "blend",
        "kind": "public",
        "earned": earned,
        "possible": 9,
        "mistake": "",
        "checks": [],
    }
    more = {"problems": ["=Cell 1: no"], "flags": [FLAG], "seconds": 1.5}
    return {"earned": earned, "possible": 9, "exercises": [exercise, {**exercise, "kind": "hidden"}], **more}


def made(**earned: int | None) -> list[Graded]:
    """Graded submissions; None is one that the judge failed on."""
    runs = [
        Result("", {}, {} if n is None else scores(n), 0.0, "boom" if n is None else "")
        for n in earned.values()
    ]
    return graded([Submission(name, Path()) for name in earned], runs)


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def roster(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "roster.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return path


def test_the_gradebook_adds_hidden_points_and_says_what_to_review() -> None:
    head, kim, bad = rows(
        gradebook("01_next_token", made(**{"kim_LATE_7_8_hw": 4, "bad": None}), {"bad": ("Bo", "9")})
    )
    found = dict(zip(head, kim, strict=True))
    assert found["blend"] == "8" and found["earned"] == "4" and found["bits_per_byte"] == "0"
    assert (found["student"], found["canvas id"], found["late"]) == ("", "7", "late")
    assert found["review"] == "blend uses x.y (cell 3, line 2)." and found["remarks"] == "'=Cell 1: no"
    found = dict(zip(head, bad, strict=True))
    assert (found["student"], found["canvas id"]) == ("Bo", "9")
    assert found["earned"] == found["blend"] == "" and "The judge failed: boom" in found["remarks"]


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-cmd", "@SUM(A1)", "\tx", "\r=1", "\n=1", "＝1", "-1+1"])
def test_no_text_is_a_formula(text: str) -> None:
    assert rows(written([[text, -1.5, "-1.5", "a=1"]])) == [[f"'{text}", "-1.5", "-1.5", "a=1"]]


@pytest.mark.parametrize("text", ["a;=1+1;b", "a\t=1+1\tb", "a; -cmd", "a;-1", "a;b"])
def test_no_piece_of_a_text_is_a_formula_where_other_signs_part_columns(text: str) -> None:
    sign = text[1]
    (found,) = csv.reader(io.StringIO(written([[text, 2]])), delimiter=sign)
    assert [part.lstrip(" '") for part in found] == [part.strip() for part in f"{text},2".split(sign)]
    assert not any(part.lstrip().startswith(("=", "-")) for part in found)


def test_without_a_roster_canvas_gets_those_whose_number_is_known() -> None:
    found = for_canvas(made(doe_LATE_11_1_hw=3, roe_12_2_hw=None, ann=5), "Week 3", 9)
    assert rows(found.text) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Week 3"],
        ["    Points Possible", "", "", "", "", "9"],
        ["doe", "11", "", "", "", "3"],
        ["roe", "12", "", "", "", ""],
    ]
    assert [*found.owners.why] == ["ann"]


def test_a_roster_keeps_its_rows_and_columns_and_is_filled(tmp_path: Path) -> None:
    path = roster(
        tmp_path,
        "Student,ID,SIS User ID,SIS Login ID,Section,Week 2 (81),Week 3 (82),Final (read only)",
        ",,,,,Manual Posting,,",
        '    Points Possible,,,,,5,"",(read only)',
        '"Doe, Jane",11,s1,jdoe,A,5,,50',
        '"=Roe, Rick",12,s2,rroe@uni.edu,A,-2,1,',
        '"Ann, Other",13,s3,ann,B,,,',
    )
    submissions = made(
        doe_11_1_hw=3, doe_11_2_hw=7, doe_11_3_hw=2, rroe=4, stranger=1, **{"s3/homework": 2, "x_99_1_hw": 6}
    )
    found = for_canvas(submissions, "Week 3", 9, read_roster(path))
    assert rows(found.text)[1:] == [
        ["", "", "", "", "", "Manual Posting", "", ""],
        ["    Points Possible", "", "", "", "", "5", "9", "(read only)"],
        ["Doe, Jane", "11", "s1", "jdoe", "A", "5", "7", "50"],
        ["'=Roe, Rick", "12", "s2", "rroe@uni.edu", "A", "-2", "4", ""],
        ["Ann, Other", "13", "s3", "ann", "B", "", "2", ""],
    ]
    assert found.owners.why["x_99_1_hw"] == "number 99 is in no row" and len(found.owners.why) == 2
    assert found.owners.why["stranger"] == "no login, number or name of the roster in it"


def test_a_new_column_stands_before_canvas_own_sums_and_short_rows_are_filled(tmp_path: Path) -> None:
    path = roster(tmp_path, "Student,ID,SIS User ID,SIS Login ID,Section,Total (read only)", '"Doe, Jane",11')
    found = rows(for_canvas(made(janedoe=1, doejane=3), "New", 9, read_roster(path)).text)
    assert found == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "New", "Total (read only)"],
        ["    Points Possible", "", "", "", "", "9", ""],
        ["Doe, Jane", "11", "", "", "", "3", ""],
    ]


def test_who_is_who_and_who_is_missing(tmp_path: Path) -> None:
    head = "Student,ID,SIS User ID,SIS Login ID,Section,Week 2 (81),Final (read only)"
    path = roster(tmp_path, head, '"Doe, Jane",11', '"Roe, Rick",12', '"Student, Test",13')
    found = for_canvas(made(janedoe=1), "Wk 2", 9, read_roster(path))
    assert found.who() == {"janedoe": ("Doe, Jane", "11")} and found.absent == (("Roe, Rick", ()),)
    others = ("janedoe.pdf", "rick roe/hw.pdf", "x_12_3_hw.txt", "x_99_3_hw.txt", "roe.pdf", "hw.pdf")
    found = for_canvas(made(janedoe=1), "Wk 2", 9, read_roster(path), others)
    assert found.absent == (("Roe, Rick", ("rick roe/hw.pdf", "x_12_3_hw.txt", "roe.pdf")),)
    assert found.added == ("Week 2 (81)",)
    assert for_canvas(made(janedoe=1), "Week 2", 9, read_roster(path)).added is None
    assert for_canvas(made(doe_11_1_hw=1), "Wk 2", 9).added is None


def test_a_name_that_two_students_could_have_is_nobodys(tmp_path: Path) -> None:
    head = "Student,ID,SIS User ID,SIS Login ID,Section"
    path = roster(tmp_path, head, '"Doe, J",11,,j@a,', '"Doe, J",12,,j@b,', '"Poe, P",3,,p,')
    found = for_canvas(made(doej=1, j=2, **{"3_homework": 5}), "New", 9, read_roster(path))
    assert [*found.owners.why] == ["doej", "j", "3_homework"]


def test_a_roster_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='columns "Student" first and "ID"; got name, points'):
        read_roster(roster(tmp_path, "name,points"))
    (tmp_path / "latin.csv").write_bytes(b"Student,ID\n\xff,1\n")
    with pytest.raises(ValueError, match="no CSV in UTF-8"):
        read_roster(tmp_path / "latin.csv")
    with pytest.raises(ValueError, match=r"'.*none.csv' cannot be read \(No such file or directory\)"):
        read_roster(tmp_path / "none.csv")


@pytest.mark.parametrize("there, kept, differs", [("44", "44", "44"), ("9.0", "9.0", ""), ("", "9", "")])
def test_points_that_the_roster_has_are_kept_and_a_difference_is_said(
    tmp_path: Path, there: str, kept: str, differs: str
) -> None:
    path = roster(tmp_path, "Student,ID,New", f"Points Possible,,{there}", '"Doe, Jane",11,')
    found = for_canvas(made(doejane=3), "New", 9, read_roster(path))
    assert (rows(found.text)[1][2], found.differs) == (kept, differs)


def test_a_line_that_two_exercises_use_is_to_be_reviewed_once() -> None:
    other = {**FLAG, "exercise": "rope"}
    run = Result("", {}, {"flags": [FLAG, other, {**other, "line": 9}]})
    (one,) = graded([Submission("kim", Path())], [run])
    assert one.reviews == ["blend and rope use x.y (cell 3, line 2).", "rope uses x.y (cell 3, line 9)."]
    assert [flag["exercises"] for flag in one.flags] == [["blend", "rope"], ["rope"]]
