"""The gradebook as a table that any spreadsheet reads."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tinygpt.grading.checks import CHAPTERS
from tinygpt.grading.gradebook.graded import Graded

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
PIECE = re.compile(r"([;\t]\s*)(?=[=+\-@＝＋－＠])")  # of a text, where such a sign parts columns


def gradebook(chapter: str, graded: Sequence[Graded], who: Mapping[str, tuple[str, str]]) -> str:
    """One row per submission: points, what each exercise got, what a person should look at, and remarks.

    Args:
        chapter: The chapter.
        graded: Every submission.
        who: The student and the number in Canvas, by the submission's name.
    """
    names = [exercise.name for exercise in CHAPTERS[chapter]]
    head = ["submission", "student", "canvas id", "late", "earned", "possible", *names]
    rows = (_row(one, names, *who.get(one.name, ("", one.canvas_id))) for one in graded)
    return written([[*head, "seconds", "review", "remarks"], *rows])


def written(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV in which no text is a formula."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows([cell(value) for value in row] for row in rows)
    return file.getvalue()


def cell(value: Any) -> Any:
    """A text without what a spreadsheet would take for a formula; numbers stay numbers.

    Example:
        >>> cell("=1+1"), cell("-2.5"), cell(3)
        ("'=1+1", '-2.5', 3)
    """
    if not isinstance(value, str) or _number(value):
        return value
    return ("'" if value.startswith(FORMULA) else "") + PIECE.sub(r"\1'", value)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _row(one: Graded, names: Sequence[str], student: str, number: str) -> list[Any]:
    points: dict[str, Any] = dict.fromkeys(names, "" if one.error else 0)
    for exercise in one.exercises:
        points[exercise["name"]] += exercise["earned"]
    review = " ".join(one.reviews)
    late = "late" if one.late else ""
    total = [one.earned, one.possible] if not one.error else ["", ""]
    return [
        one.name,
        student,
        number,
        late,
        *total,
        *points.values(),
        one.seconds,
        review,
        " ".join(one.remarks),
    ]
