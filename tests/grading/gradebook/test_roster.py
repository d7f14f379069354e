"""Whose a submission is, from the names of files: as much as can be known, and nothing by accident."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinygpt.grading.gradebook.graded import Graded, graded
from tinygpt.grading.gradebook.intake import Submission
from tinygpt.grading.gradebook.roster import NOTHING, counted, owners
from tinygpt.scaling import Result

HEAD = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
ROWS = [
    ["Zuse, Zoe", "12356", "S9", "zzuse", ""],
    ["Jones, Bob", "12357", "S10", "bjones", ""],
    ["Smith, Sam", "12358", "S11", "ss", ""],
    ["Lovelace, Ada", "12359", "S12", "ada", ""],
    ["García Márquez, José Luis", "412", "S13", "j.garcia@uni.edu", ""],
    ["Lee, Ann", "12361", "S14", "alee", ""],
    ["Lee, Ann Marie", "12362", "S15", "amlee", ""],
    ["O'Brien, Sam", "12363", "S16", "sobrien", ""],
    ["Student, Test", "12364", "", "0123456789abcdef", ""],
]


def made(*names: str, signed: str = "", **earned: int | None) -> list[Graded]:
    """Submissions with points; None is one that the judge failed on."""
    points = {**dict.fromkeys(names, 1), **earned}
    runs = [
        Result("", {}, {}, 0.0, "x") if n is None else Result("", {}, {"earned": n, "signed": signed})
        for n in points.values()
    ]
    return graded([Submission(name, Path()) for name in points], runs)


def whose(name: str, signed: str = "") -> str:
    """The student's last name, or why there is none."""
    found = owners(made(name, signed=signed), HEAD, ROWS)
    return found.why.get(name) or ROWS[found.rows[name]][0]


@pytest.mark.parametrize(
    "name, student",
    [
        ("03_attention-Zoe-Zuse.tinygpt", "Zuse, Zoe"),
        ("03_attention-Zoe-M.-Zuse.tinygpt (1)", "Zuse, Zoe"),
        ("03_attention_bjones", "Jones, Bob"),
        ("Smith_03_attention", "Smith, Sam"),
        ("perfect_ada", "Lovelace, Ada"),
        ("week 3/12357_final", "Jones, Bob"),
        ("s9/03_attention", "Zuse, Zoe"),
        ("ss/homework", "Smith, Sam"),
        ("ZuseZoe/homework", "Zuse, Zoe"),
        ("j.garcia_03_attention", "García Márquez, José Luis"),
        ("Jose-Garcia-Marquez", "García Márquez, José Luis"),
        ("412_03_attention", "García Márquez, José Luis"),
        ("03_attention-Sam-O-Brien.tinygpt", "O'Brien, Sam"),
        ("Ann-Marie-Lee", "Lee, Ann Marie"),
        ("Zoe Zuse_991_assignsubmission_file/03_attention", "Zuse, Zoe"),
        ("test/bjones", "Jones, Bob"),
    ],
)
def test_a_login_a_number_or_a_name_is_found(name: str, student: str) -> None:
    assert whose(name) == student


@pytest.mark.parametrize(
    "name",
    [
        "ss_homework",
        "412_homework",
        "s9_homework",
        "zzuse2",
        "03_attention",
        "adaptive",
        "Smithson",
    ],
)
def test_a_part_of_a_name_or_a_short_word_among_others_is_nobodys(name: str) -> None:
    assert whose(name) == NOTHING


def test_words_that_fit_somebody_and_do_not_suffice_are_told() -> None:
    assert whose("Zoe-Smith") == "zoe fits Zuse, Zoe; smith fits Smith, Sam"
    assert (
        whose("hw/Zouse_Zoe_x_y_z") == "zoe fits Zuse, Zoe; hw fits nobody; zouse fits nobody; x fits nobody"
    )


@pytest.mark.parametrize(
    "name, students",
    [
        ("bjones_and_zzuse", "Zuse, Zoe or Jones, Bob"),
        ("zzuse/bjones_03_attention", "Zuse, Zoe or Jones, Bob"),
        ("Sam", "Smith, Sam or O'Brien, Sam"),
        ("Ann-Lee", "Lee, Ann or Lee, Ann Marie"),
    ],
)
def test_where_two_could_be_meant_it_is_neither(name: str, students: str) -> None:
    assert whose(name, signed="Zoe Zuse") == f"two could be meant: {students}"


def test_the_name_in_the_zip_counts_where_the_file_says_nothing() -> None:
    assert whose("03_attention.tinygpt", signed="Zoe Zuse") == "Zuse, Zoe"
    assert whose("03_attention-bjones.tinygpt", signed="Zoe Zuse") == "Jones, Bob"
    assert whose("03_attention.tinygpt", signed="Zoe") == "Zuse, Zoe" and whose("hw", signed="Kim") == NOTHING
    both = owners(made("bjones", "hw", signed="Zoe Zuse"), HEAD, ROWS)
    assert both.signed == ("hw",)


def test_each_known_student_counts_once_with_the_better_submission() -> None:
    class_ = made(zzuse=3, stranger=0, **{"s9/again": 5, "Zoe_Zuse": None, "bjones": None})
    found = owners(class_, HEAD, ROWS)
    assert [one.name for one in counted(class_, found)] == ["stranger", "s9/again"]
