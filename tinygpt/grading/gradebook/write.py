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
from tinygpt.grading.gradebook.summary import summary
from tinygpt.grading.gradebook.summary_page import summary_page
from tinygpt.grading.gradebook.tables import gradebook


def write_results(
    out: Path,
    chapter: str,
    graded: Sequence[Graded],
    others: Sequence[str],
    roster: Path | None,
    assignment: str,
) -> None:
    """Writes feedback, gradebooks and the summary.

    Args:
        out: The folder.
        chapter: The chapter.
        graded: Every submission.
        others: Files that were handed in and cannot be graded.
        roster: Canvas's export, to be filled.
        assignment: The title of the column in Canvas.

    Raises:
        ValueError: The roster is none.
    """
    folder = out / "feedback"
    folder.mkdir(parents=True, exist_ok=True)
    for one in graded:
        _write(folder / f"{one.stem}.json", _json(feedback(one, chapter)))
        _write(folder / f"{one.stem}.html", feedback_page(one, chapter))
    found = summary(graded, chapter, others)
    _write(out / "gradebook.csv", gradebook(chapter, graded))
    public = sum(exercise.points for exercise in CHAPTERS[chapter])
    canvas = for_canvas(graded, assignment, found["scores"]["possible"] or public, roster)
    _write(out / "canvas.csv", canvas.text)
    found["not_in_canvas"] = list(canvas.unplaced)
    _write(out / "summary.json", _json(found))
    _write(out / "summary.html", summary_page(found, {one.name: one.stem for one in graded}))


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _write(path: Path, text: str) -> None:
    write_whole(path, text.encode())
