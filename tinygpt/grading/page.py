"""The learner's progress as a page and as text: chapters, exercises, points, dates, what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from tinygpt.grading.checks import CHAPTERS
from tinygpt.grading.exercise import Exercise
from tinygpt.grading.markup import html
from tinygpt.grading.record import Record, enabled, load_record, record_path

CELL = ' style="text-align: left; padding: 2px 1.5em 2px 0"'
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>Progress</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 50rem; padding: 0 1rem }}
</style>
</head><body><main>{}</main></body></html>
"""


@dataclass(frozen=True, repr=False)
class Progress:
    """What the checks have shown so far on this machine. It shows itself.

    Args:
        record: What is kept: see `tinygpt.grading.record`.
        kept: Whether further results are kept.
        place: Where they are.
    """

    record: Record
    kept: bool
    place: str

    def earned(self, exercise: Exercise) -> int:
        return min(self._entry(exercise).get("earned", 0), exercise.points)

    def passed(self, exercise: Exercise) -> str:
        """The day an exercise was first passed, "" if it was not."""
        return str(self._entry(exercise).get("passed") or "")[:10]

    def tried(self, exercise: Exercise) -> bool:
        return exercise.name in self.record["exercises"]

    @property
    def next(self) -> tuple[str, Exercise] | None:
        """What to do next: what was begun in the last chapter that was, else the first that is not passed."""
        open_ = [(c, e) for c, exercises in CHAPTERS.items() for e in exercises if not self.passed(e)]
        begun = [chapter for chapter, exercises in CHAPTERS.items() if any(map(self.tried, exercises))]
        return next((pair for pair in open_ if pair[0] == (begun or [""])[-1]), (open_ or [None])[0])

    @property
    def heading(self) -> str:
        everything = [e for exercises in CHAPTERS.values() for e in exercises]
        points = f"{sum(map(self.earned, everything))} of {sum(e.points for e in everything)} points"
        return (
            f"{points}, {sum(map(bool, map(self.passed, everything)))} of {len(everything)} exercises passed"
        )

    @property
    def remarks(self) -> list[str]:
        """What comes next, the quizzes, and where all this is kept."""
        says = [f"Next: {self.next[1].name}, in exercises/{self.next[0]}.ipynb."] if self.next else []
        answers: Mapping[str, Any] = self.record["quiz"]
        if answers:
            right = sum(answer["right"] for answer in answers.values())
            says.append(f"Quiz questions answered with quiz.why: {right} of {len(answers)} right.")
        says.append("Choices that you open in a quiz on the page leave no trace here.")
        says.append("These are the public checks; what counts is the file that you hand in.")
        where = f"Kept on this machine only, in {self.place}."
        off = "Further results are not kept: `tinygpt progress --on`."
        return [*says, f"{where} {'`tinygpt progress --off` stops it.' if self.kept else off}"]

    def __repr__(self) -> str:
        lines = [f"Progress: {self.heading}", ""]
        for chapter, exercises in CHAPTERS.items():
            lines.append(f"{chapter:<24}{self._points(exercises)}")
            if any(map(self.tried, exercises)):
                lines += ["  ".join(("   ", f"{e.name:<24}", *self._state(e))) for e in exercises]
        return "\n".join([*lines, "", *self.remarks])

    def _repr_html_(self) -> str:
        parts = "".join(self._section(*item) for item in CHAPTERS.items())
        ends = "".join(f"<p>{html(remark)}</p>" for remark in self.remarks)
        heading = f"<p><b>Progress: {self.heading}</b></p>"
        return f'<section aria-label="Progress" style="max-width: 46em">{heading}{parts}{ends}</section>'

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}

    def page(self) -> str:
        """A whole HTML page, light or dark as the reader's system is."""
        return PAGE.format(self._repr_html_())

    def _entry(self, exercise: Exercise) -> Mapping[str, Any]:
        return self.record["exercises"].get(exercise.name, {})

    def _points(self, exercises: tuple[Exercise, ...]) -> str:
        return f"{sum(map(self.earned, exercises))} of {sum(e.points for e in exercises)} points"

    def _state(self, exercise: Exercise) -> tuple[str, str]:
        if not self.tried(exercise):
            return (f"0 of {exercise.points}", "not tried")
        day = self.passed(exercise)
        return (
            f"{self.earned(exercise)} of {exercise.points}",
            f"✓ passed {day}" if day else "not yet passed",
        )

    def _section(self, chapter: str, exercises: tuple[Exercise, ...]) -> str:
        """One chapter: a line with a bar that opens to its exercises, open if any was tried."""
        earned, possible = sum(map(self.earned, exercises)), sum(e.points for e in exercises)
        bar = f'<progress value="{earned}" max="{possible}" aria-label="{chapter}"></progress>'
        head = "".join(f'<th scope="col"{CELL}>{text}</th>' for text in ("exercise", "points", "state"))
        rows = "".join(
            f'<tr><th scope="row"{CELL}>{e.name}</th>'
            + "".join(f"<td{CELL}>{escape(text)}</td>" for text in self._state(e))
            + "</tr>"
            for e in exercises
        )
        shown = ' open=""' if any(map(self.tried, exercises)) else ""
        summary = f'<summary style="cursor: pointer">{bar} {chapter}: {self._points(exercises)}</summary>'
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return f"<details{shown}>{summary}{table}</details>"


def progress() -> Progress:
    """What the checks have shown so far on this machine: points, dates, and what to do next.

    Every check keeps its best result in a small file of this machine, and tells nobody.
    `TINYGPT_PROGRESS=off` stops that, and so does `tinygpt progress --off`.

    Returns:
        A page in a notebook, text in a terminal.

    Example:
        >>> progress().heading.endswith("exercises passed")
        True
    """
    return Progress(load_record(), enabled(), str(record_path()))
