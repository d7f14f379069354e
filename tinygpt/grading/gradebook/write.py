"""Everything that grading leaves in its folder. A file is there whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinygpt.data.cache import write_whole
from tinygpt.grading.checks import CHAPTERS
from tinygpt.grading.gradebook.canvas import for_canvas
from tinygpt.grading.gradebook.feedback import feedback, feedback_page
from tinygpt.grading.gradebook.graded import Graded
from tinygpt.grading.gradebook.notes import class_notes, graded_earlier
from tinygpt.grading.gradebook.summary import summary
from tinygpt.grading.gradebook.summary_page import summary_page
from tinygpt.grading.gradebook.tables import gradebook
from tinygpt.grading.gradebook.words import text

UNWRITTEN = "The feedback of {0} could not be written ({1}: {2}). Its points are in the gradebook."


def write_results(
    out: Path,
    chapter: str,
    graded: Sequence[Graded],
    others: Sequence[str],
    roster: Sequence[Sequence[str]] | None,
    assignment: str,
) -> list[str]:
    """Writes feedback, gradebooks and the summary.

    Args:
        out: The folder.
        chapter: The chapter.
        graded: Every submission.
        others: Files that were handed in and cannot be graded.
        roster: The rows of Canvas's export, to be filled.
        assignment: The title of the column in Canvas.

    Returns:
        What the teacher should know, in sentences; the summary has them too.
    """
    folder = out / "feedback"
    folder.mkdir(parents=True, exist_ok=True)
    earlier = graded_earlier(folder, [one.name for one in graded])
    unwritten = []
    for one in graded:
        try:
            files = {"json": _json(feedback(one, chapter)), "html": feedback_page(one, chapter)}
        except Exception as error:  # a result that its page stumbles over must not cost the others theirs
            unwritten.append(UNWRITTEN.format(text(one.name), type(error).__name__, error))
            continue
        for ending, content in files.items():
            _write(folder / f"{one.stem}.{ending}", content)
    public = sum(exercise.points for exercise in CHAPTERS[chapter])
    possible = max((one.possible for one in graded if not one.error), default=public)
    canvas = for_canvas(graded, assignment, possible, roster, others)
    notes = class_notes(chapter, possible, canvas, assignment, earlier, folder, others) + unwritten
    found = {**summary(graded, chapter, others, canvas), "notes": notes, "earlier": earlier}
    _write(out / "gradebook.csv", gradebook(chapter, graded, canvas.who()))
    _write(out / "canvas.csv", canvas.text)
    _write(out / "summary.json", _json(found))
    _write(out / "summary.html", summary_page(found, {one.name: one.stem for one in graded}))
    return notes


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _write(path: Path, content: str) -> None:
    write_whole(path, content.encode())
