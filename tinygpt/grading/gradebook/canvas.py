"""Canvas's form of a gradebook: a table that it exports, and takes back with a column filled."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tinygpt.grading.gradebook.graded import Graded
from tinygpt.grading.gradebook.roster import (
    HEAD,
    POINTS,
    Owners,
    apparent,
    best_of,
    is_points,
    is_test,
    owners,
)
from tinygpt.grading.gradebook.tables import written


@dataclass(frozen=True)
class Canvas:
    """The table for Canvas, and what there is to say of it.

    Args:
        text: The table.
        owners: Whose the submissions are, as numbers into `students`.
        students: Their names.
        numbers: Their numbers in Canvas.
        absent: The names of those from whom there is no submission, with the files that are no notebooks
            and seem to be theirs.
        added: For a column that the roster did not have, the assignments that it has.
        differs: The points that the roster has for this column, where they are not those that were graded.
    """

    text: str
    owners: Owners
    students: tuple[str, ...]
    numbers: tuple[str, ...]
    absent: tuple[tuple[str, tuple[str, ...]], ...]
    added: tuple[str, ...] | None
    differs: str

    def who(self) -> dict[str, tuple[str, str]]:
        """The student and the number in Canvas, by the submission's name."""
        return {name: (self.students[row], self.numbers[row]) for name, row in self.owners.rows.items()}


def for_canvas(
    graded: Sequence[Graded],
    title: str,
    possible: int,
    roster: Sequence[Sequence[str]] | None = None,
    others: Sequence[str] = (),
) -> Canvas:
    """The points as Canvas imports them.

    Of two submissions of one student the better counts. A submission that the judge failed on has no points.

    Args:
        graded: What was handed in.
        title: The assignment. A column of the roster with this name, also with Canvas's number behind it, is
            filled; else there is a new one.
        possible: How many points there are; a number that the roster has is kept.
        roster: What `read_roster` read, whose rows and columns are kept.
        others: Files that were handed in and cannot be graded.
    """
    rows = [list(row) for row in roster] if roster else _own(graded)
    known = [
        text for text in rows[0] if text.strip() and text not in HEAD and "read only" not in text.lower()
    ]
    place, added = _column(rows, title)
    width = max(map(len, rows))
    rows = [[*row, *[""] * (width - len(row))] for row in rows]
    students = [row for row in rows[1:] if row[rows[0].index("ID")].strip()]  # other rows are about columns
    points = next(row for row in rows[1:] if is_points(row))
    points[place] = points[place].strip() or str(possible)
    found = owners(graded, rows[0], students)
    for number, one in best_of(graded, found).items():
        students[number][place] = str(one.earned)
    differs = "" if _equal(points[place], possible) else points[place]
    theirs = apparent(others, rows[0], students)
    absent = (
        (row[0], tuple(name for name, of in theirs.items() if of == i))
        for i, row in enumerate(students)
        if i not in found.rows.values() and not is_test(row)
    )
    return Canvas(
        written(rows),
        found,
        students=tuple(row[0] for row in students),
        numbers=tuple(row[rows[0].index("ID")].strip() for row in students),
        absent=tuple(absent),
        added=tuple(known) if roster and added else None,
        differs=differs,
    )


def _equal(text: str, number: int) -> bool:
    try:
        return float(text) == number
    except ValueError:
        return False


def _own(graded: Sequence[Graded]) -> list[list[str]]:
    """A table of those whose number in Canvas is known."""
    who = {one.canvas_id: one.name.rpartition("/")[2].partition("_")[0] for one in graded if one.canvas_id}
    return [[*HEAD], [POINTS, "", "", "", ""], *([name, number, "", "", ""] for number, name in who.items())]


def _column(rows: list[list[str]], title: str) -> tuple[int, bool]:
    """Where the assignment's column is, and whether it was added because there was none."""
    head = rows[0]
    named = [i for i, text in enumerate(head) if re.sub(r"\s*\(\d+\)$", "", text).strip() == title]
    if named:
        return named[0], False
    # Canvas shows its own sums, "(read only)", at the end, and takes new columns before them.
    at = next((i for i, text in enumerate(head) if i >= len(HEAD) and "read only" in text.lower()), len(head))
    for row in rows:
        row[len(row) :] = [""] * (at - len(row))
        row.insert(at, title if row is head else "")
    return at, True
