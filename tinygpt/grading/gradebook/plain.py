"""A report as plain values: nothing that a student may not see, nothing that a page could stumble over."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tinygpt.grading.excerpt import Excerpt
from tinygpt.grading.gradebook.words import text
from tinygpt.grading.judge.grade import Report
from tinygpt.grading.picture import Picture
from tinygpt.grading.result import Outcome, Result


def plain(report: Report) -> dict[str, Any]:
    """What JSON can hold of a report. Of hidden cases it has titles, points and the name of the mistake."""
    return {
        "earned": report.earned,
        "possible": report.possible,
        "seconds": round(report.seconds, 2),
        "problems": [text(problem) for problem in report.problems],
        "exercises": [_exercise(result) for result in report.results],
    }


def picture(found: dict[str, Any] | None) -> Picture | Excerpt | None:
    """The picture that `plain` put into an exercise."""
    if not found:
        return None
    fields = {
        key: tuple(map(_tuple, value)) if isinstance(value, list) else value for key, value in found.items()
    }
    return Excerpt(**fields) if "at" in fields else Picture(**fields)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _exercise(result: Result) -> dict[str, Any]:
    shown = result.kind != "hidden"
    return {
        "name": result.name,
        "kind": result.kind,
        "earned": result.earned,
        "possible": result.possible,
        "mistake": text(result.mistake),
        "diagnosis": text(result.diagnosis) if shown else "",
        "checks": [_check(outcome, shown) for outcome in result.outcomes],
        "picture": _fields(result.picture) if shown and result.picture else None,
    }


def _check(outcome: Outcome, shown: bool) -> dict[str, Any]:
    finding = text(outcome.finding) if shown else ""
    return {"title": outcome.title, "points": outcome.points, "passed": outcome.passed, "finding": finding}


def _fields(shown: Picture | Excerpt) -> dict[str, Any]:
    if isinstance(shown, Picture):
        rows = {
            name: [[_short(x) for x in row] for row in getattr(shown, name)] for name in ("expected", "got")
        }
        return {**rows, "where": shown.where}
    fields = asdict(shown)
    words = {name: text(fields[name]) for name in ("asked", "where")}
    return {
        **fields,
        **words,
        **{name: [text(entry) for entry in fields[name]] for name in ("expected", "got")},
    }


def _short(x: float) -> float:
    return float(f"{x:.4g}")
