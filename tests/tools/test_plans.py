"""The lecture plans are the chapters', fit into their minutes, and name mistakes that the checks know."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import nbformat
import notebooks
import plans
import pytest
import slides

CHAPTERS = notebooks.chapters([])


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_plan_fits_its_chapter_and_is_fresh(path: Path) -> None:
    chapter = plans.read(path)
    assert plans.problems(chapter) == []
    stored = plans.target(chapter)
    assert stored.exists() and stored.read_text(encoding="utf-8") == plans.plan(chapter), "run `make plans`"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_plan_is_enough_to_teach_from(path: Path) -> None:
    chapter = plans.read(path)
    taught = [entry for entry in chapter.written["section"] if entry["minutes"][0]]
    assert sum("demo" in entry for entry in taught) >= 4
    assert sum("wrong" in entry for entry in taught) >= 3
    assert all("short" in entry for entry in taught if not entry["minutes"][1])
    assert len(plans.exercises(chapter)) >= 4
    assert plans.plan(chapter).count("\n5. ") == 1, "five questions of the quiz"


@pytest.fixture
def chapter() -> plans.Chapter:
    read = plans.read(CHAPTERS[2])
    return plans.Chapter(read.path, read.notebook, copy.deepcopy(read.written), read.seconds)


def section(chapter: plans.Chapter, start: str) -> dict[str, Any]:
    return next(entry for entry in chapter.written["section"] if entry["title"].startswith(start))


def test_a_missing_section_is_said(chapter: plans.Chapter) -> None:
    gone = chapter.written["section"].pop(3)
    (problem,) = plans.problems(chapter)
    assert gone["title"] in problem and "missing" in problem


def test_minutes_must_add_up(chapter: plans.Chapter) -> None:
    section(chapter, "8.")["minutes"] = [15, 10]
    assert plans.problems(chapter) == ["the full lecture has 91 minutes and not 90"]


def test_a_fault_must_be_one_that_the_check_names(chapter: plans.Chapter) -> None:
    section(chapter, "5.")["wrong"]["fault"] = "no such fault"
    (problem,) = plans.problems(chapter)
    assert "knows no fault 'no such fault'" in problem and "masked after softmax" in problem


def test_an_exercise_must_be_one_of_the_chapter(chapter: plans.Chapter) -> None:
    section(chapter, "5.")["wrong"]["exercise"] = "bits_per_byte"
    (problem,) = plans.problems(chapter)
    assert "no exercise 'bits_per_byte' in this chapter" in problem


def test_a_number_must_stand_in_the_section(chapter: plans.Chapter) -> None:
    entry = section(chapter, "9.")
    entry["expect"] = entry["expect"].replace("3.00", "3.10")
    assert plans.problems(chapter) == [f"{entry['title']}: the number 3.10 stands nowhere in the section"]


def test_a_demonstration_must_be_a_cell_of_the_section(chapter: plans.Chapter) -> None:
    section(chapter, "9.")["demo"]["cell"] = "scrub-view"
    (problem,) = plans.problems(chapter)
    assert "no code cell 'scrub-view'" in problem


def test_less_time_must_say_what_is_shown(chapter: plans.Chapter) -> None:
    del section(chapter, "4.")["short"]
    (problem,) = plans.problems(chapter)
    assert problem.endswith("the short lecture has less time: say what it shows")


def test_long_cells_are_named_with_their_seconds(chapter: plans.Chapter) -> None:
    page = plans.plan(plans.Chapter(chapter.path, chapter.notebook, chapter.written, {"train-code": 12.3}))
    assert page.count("Takes its time") == 1 and "**Takes its time.** [28] 12 s." in page


def test_a_plan_counts_the_slides(chapter: plans.Chapter) -> None:
    number = plans.slide_numbers(chapter.notebook)
    assert number["header"] == 1 and max(number.values()) == len(slides.shows(chapter.notebook))
    first, last = number["first-view"], number["depends-change"]
    assert f"| 2. Weights that depend on the data | {first - 1}–{last} |" in plans.plan(chapter)


def test_a_prediction_may_stand_below_its_heading() -> None:
    cell = nbformat.v4.new_markdown_cell(
        "## 4. Cuts\n\nThree borders. **Predict** which one\nhelps most. Then run."
    )
    assert [*plans.Section("4. Cuts", (cell,)).predictions()] == ["Predict which one helps most."]


def test_every_chapter_was_measured() -> None:
    assert all(plans.read(path).seconds for path in CHAPTERS), "python tools/plans.py NN --measure"


def test_a_plan_says_what_the_check_says(chapter: plans.Chapter) -> None:
    page = plans.plan(chapter)
    wrong = section(chapter, "5.")["wrong"]
    assert plans.diagnoses(wrong["exercise"])[wrong["fault"]].split(":")[0] in page
    assert "[29], a view" in page and "3. A mask sets future weights to 0" in page
