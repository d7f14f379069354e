"""Canvas's form of a gradebook: a table that it exports, and takes back with a column filled."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinygpt.grading.gradebook.graded import Graded
from tinygpt.grading.gradebook.tables import written

HEAD = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
POINTS = "    Points Possible"  # with the blanks that Canvas writes before it


@dataclass(frozen=True)
class Canvas:
    """The table for Canvas, and the submissions that no row of it could be found for."""

    text: str
    unplaced: tuple[str, ...]


def for_canvas(graded: Sequence[Graded], title: str, possible: int, roster: Path | None = None) -> Canvas:
    """The points as Canvas imports them.

    Of two submissions of one student the better counts. A submission that the judge failed on has no points.

    Args:
        graded: What was handed in.
        title: The assignment. A column of the roster with this name, also with Canvas's number behind it, is
            filled; else there is a new one.
        possible: How many points there are.
        roster: An export of Canvas's gradebook, whose rows and columns are kept.

    Raises:
        ValueError: The roster has no column "Student" or "ID".
    """
    rows = _read(roster) if roster else _own(graded)
    place = _column(rows, title)
    width = max(map(len, rows))
    rows = [[*row, *[""] * (width - len(row))] for row in rows]
    students = [row for row in rows[1:] if row[rows[0].index("ID")].strip()]  # other rows are about columns
    for row in rows[1:]:
        if _is_points(row):
            row[place] = str(possible)
    best, unplaced = _placed(graded, rows[0], students)
    for number, one in best.items():
        students[number][place] = str(one.earned)
    return Canvas(written(rows), tuple(unplaced))


def _own(graded: Sequence[Graded]) -> list[list[str]]:
    """A table of those whose number in Canvas is known."""
    who = {one.canvas_id: one.name.rpartition("/")[2].partition("_")[0] for one in graded if one.canvas_id}
    return [[*HEAD], [POINTS, "", "", "", ""], *([name, number, "", "", ""] for number, name in who.items())]


def _read(roster: Path) -> list[list[str]]:
    try:
        rows = [row for row in csv.reader(roster.read_text("utf-8-sig").splitlines(keepends=True)) if row]
    except (UnicodeDecodeError, csv.Error):
        raise ValueError(f"{roster} is no CSV in UTF-8. Export the gradebook from Canvas anew.") from None
    if not rows or rows[0][0] != "Student" or "ID" not in rows[0]:
        wanted = 'a gradebook as Canvas exports it, with the columns "Student" first and "ID"'
        raise ValueError(f"the roster must be {wanted}; got {', '.join(rows[0] if rows else ['nothing'])}.")
    if not any(_is_points(row) for row in rows[1:]):
        rows.insert(1, [POINTS, *[""] * (len(rows[0]) - 1)])
    return rows


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


def _is_points(row: Sequence[str]) -> bool:
    return row[0].strip().lower() == "points possible"


def _placed(
    graded: Sequence[Graded], head: Sequence[str], students: Sequence[Sequence[str]]
) -> tuple[dict[int, Graded], list[str]]:
    """The best submission for each row that has one, and the names of those without a row."""
    numbers = {row[head.index("ID")].strip(): i for i, row in enumerate(students)}
    known = _unambiguous((key, i) for i, row in enumerate(students) for key in _keys(row, head))
    best: dict[int, Graded] = {}
    unplaced = []
    for one in graded:
        row = numbers.get(one.canvas_id) if one.canvas_id else _first(known, _guesses(one.name))
        if row is None:
            unplaced.append(one.name)
        elif not one.error and (row not in best or best[row].earned < one.earned):
            best[row] = one
    return best, unplaced


def _keys(row: Sequence[str], head: Sequence[str]) -> set[str]:
    """What a student may be called in the name of a file."""
    cells = {title: row[head.index(title)] for title in HEAD if title in head}
    login, student = cells.get("SIS Login ID", ""), cells["Student"]
    last, _, first = student.partition(",")
    texts = {login, login.partition("@")[0], cells.get("SIS User ID", ""), cells["ID"], student, first + last}
    return {_squeezed(text) for text in texts} - {""}


def _guesses(name: str) -> list[str]:
    """The folders a file is in, its name, and the beginning of that, unless it is the chapter's number."""
    *folders, file = name.split("/")
    start = re.split(r"[_\s.]", file)[0]
    return [_squeezed(text) for text in (*folders, file, *([] if start.isdigit() else [start]))]


def _squeezed(text: str) -> str:
    return re.sub(r"[^\w@]|_", "", text).casefold()


def _unambiguous(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Keys that stand for one row only."""
    found: dict[str, set[int]] = {}
    for key, row in pairs:
        found.setdefault(key, set()).add(row)
    return {key: rows.pop() for key, rows in found.items() if len(rows) == 1}


def _first(known: dict[str, int], guesses: Sequence[str]) -> int | None:
    return next((known[guess] for guess in guesses if guess in known), None)
