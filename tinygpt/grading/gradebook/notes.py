"""What a teacher should know of a whole run, in sentences."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tinygpt.grading.checks import CHAPTERS
from tinygpt.grading.gradebook.canvas import Canvas
from tinygpt.grading.gradebook.words import text
from tinygpt.grading.shipped import hidden_points

MOST_NAMES = 10  # that one sentence lists


def class_notes(
    chapter: str,
    possible: int,
    canvas: Canvas,
    assignment: str,
    earlier: Sequence[str],
    folder: Path,
    others: Sequence[str],
) -> list[str]:
    """What does not agree: announced points, the roster's points, column and students, earlier gradings.

    Args:
        chapter: The chapter.
        possible: How many points could be had.
        canvas: The table for Canvas.
        assignment: The title of its column.
        earlier: Submissions that have feedback and were not handed in now.
        folder: Where the feedback is.
        others: Files that were handed in and are no notebooks.
    """
    notes = [points_note(chapter, possible), _column_note(canvas, assignment), _absent_note(canvas, others)]
    if canvas.differs:
        notes.append(
            f'The roster has {canvas.differs} points possible for "{assignment}", and {possible} are graded. '
            "canvas.csv keeps the roster's number; make them agree before you import it."
        )
    if earlier:
        shown = ", ".join(earlier[:MOST_NAMES])
        more = f", and {len(earlier) - MOST_NAMES} more" if len(earlier) > MOST_NAMES else ""
        many = "1 submission" if len(earlier) == 1 else f"{len(earlier)} submissions"
        one, their = ("is", "its") if len(earlier) == 1 else ("are", "their")
        notes.append(
            f"{many} graded earlier {one} no longer in the folder ({shown}{more}): the gradebook is without "
            f"{'it' if one == 'is' else 'them'}, {their} feedback is still in {folder}."
        )
    return [note for note in notes if note]


def _column_note(canvas: Canvas, assignment: str) -> str:
    if canvas.added is None:
        return ""
    shown = ", ".join(f'"{title}"' for title in canvas.added[:MOST_NAMES]) or "no assignment"
    return f'The roster has no "{assignment}", so canvas.csv has a new column. In the roster: {shown}.'


def _absent_note(canvas: Canvas, others: Sequence[str]) -> str:
    students, files = len(canvas.absent), len(others)
    said = [f"from {students} of the roster there is no notebook"] if students else []
    said += [f"{files} file{'s are no notebooks' if files > 1 else ' is no notebook'}"] if files else []
    text = " and ".join(said)
    return f"{text[0].upper()}{text[1:]}: the summary names them." if text else ""


def points_note(chapter: str, possible: int | None = None) -> str:
    """How what is graded, None for public checks alone, differs from what the notebook announces, or ""."""
    hidden = hidden_points(chapter)
    public = sum(exercise.points for exercise in CHAPTERS[chapter])
    possible = public if possible is None else possible
    if possible == public + hidden:
        return ""
    of = f"{possible} of the chapter's {public + hidden} points"
    if possible == public:
        return f"{of}: the {hidden} for hidden checks need --private DIR, say --private solutions."
    return f"{possible} points are graded; the notebook announces {public + hidden}, {hidden} of them hidden."


def graded_earlier(folder: Path, names: Sequence[str]) -> list[str]:
    """The submissions that have feedback in a folder and are not among these names."""
    found = {_name(path) for path in folder.glob("*.json")}
    return sorted(found - {*names})


def _name(path: Path) -> str:
    try:
        return text(str(json.loads(path.read_bytes())["name"]))
    except (OSError, ValueError, KeyError, TypeError):
        return path.stem
