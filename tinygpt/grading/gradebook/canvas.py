"""Canvas's form of a gradebook: a table that it exports, and takes back with a column filled."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tinygpt.grading.gradebook.graded import Graded
from tinygpt.grading.gradebook.roster import HEAD, POINTS, Owners, best_of, is_points, owners
from tinygpt.grading.gradebook.tables import written


@dataclass(frozen=True)
class Canvas:
    """The table for Canvas, and what there is to say of it.

    Args:
        text: The table.
        owners: Whose the submissions are, as numbers into `students`.
        students: The names of the students.
        differs: The points that the roster has for this column, where they are not those that were graded.
    """

    text: str
    owners: Owners
    students: tuple[str, ...]
    differs: str


def for_canvas(
    graded: Sequence[Graded], title: str, possible: int, roster: Sequence[Sequence[str]] | None = None
) -> Canvas:
    """The points as Canvas imports them.

    Of two submissions of one student the better counts. A submission that the judge failed on has no points.

    Args:
        graded: What was handed in.
        title: The assignment. A column of the roster with this name, also with Canvas's number behind it, is
            filled; else there is a new one.
        possible: How many points there are; a number that the roster has is kept.
        roster: What `read_roster` read, whose rows and columns are kept.
    """
    rows = [list(row) for row in roster] if roster else _own(graded)
    place = _column(rows, title)
    width = max(map(len, rows))
    rows = [[*row, *[""] * (width - len(row))] for row in rows]
    students = [row for row in rows[1:] if row[rows[0].index("ID")].strip()]  # other rows are about columns
    points = next(row for row in rows[1:] if is_points(row))
    points[place] = points[place].strip() or str(possible)
    found = owners(graded, rows[0], students)
    for number, one in best_of(graded, found).items():
        students[number][place] = str(one.earned)
    differs = "" if _equal(points[place], possible) else points[place]
    return Canvas(written(rows), found, tuple(row[0] for row in students), differs)


def _equal(text: str, number: int) -> bool:
    try:
        return float(text) == number
    except ValueError:
        return False


def _own(graded: Sequence[Graded]) -> list[list[str]]:
    """A table of those whose number in Canvas is known."""
    who = {one.canvas_id: one.name.rpartition("/")[2].partition("_")[0] for one in graded if one.canvas_id}
    return [[*HEAD], [POINTS, "", "", "", ""], *([name, number, "", "", ""] for number, name in who.items())]


def _column(rows: list[list[str]], title: str) -> int:
    """Where the assignment's column is; it is added if there is none."""
    head = rows[0]
    named = [i for i, text in enumerate(head) if re.sub(r"\s*\(\d+\)$", "", text).strip() == title]
    if named:
        return named[0]
    # Canvas shows its own sums, "(read only)", at the end, and takes new columns before them.
    at = next((i for i, text in enumerate(head) if i >= len(HEAD) and "read only" in text.lower()), len(head))
    for row in rows:
        row[len(row) :] = [""] * (at - len(row))
        row.insert(at, title if row is head else "")
    return at
