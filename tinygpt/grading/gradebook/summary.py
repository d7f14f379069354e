"""The class as a whole: which check failed how often and why, scores, time, and what a person should see."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, median
from typing import Any

from tinygpt.grading.gradebook.canvas import Canvas
from tinygpt.grading.gradebook.graded import Graded
from tinygpt.grading.gradebook.roster import Owners, counted
from tinygpt.grading.receipt import UNWRITTEN

PARTS = 10  # of the distribution of scores
NO_ANSWER = (
    *UNWRITTEN,
    "not found",
    "does not run",
    "not a notebook",
    "not judged",
)  # and so no misconception


def summary(graded: Sequence[Graded], chapter: str, others: Sequence[str], canvas: Canvas) -> dict[str, Any]:
    """What a teacher wants to know of a class, as plain values. Submissions are named by their file.

    Scores, checks and misconceptions count each known student once, with the better submission.

    Args:
        graded: Every submission.
        chapter: The chapter.
        others: Files that were handed in and cannot be graded.
        canvas: Whose the submissions are.
    """
    done = [one for one in graded if not one.error]
    each = [one for one in counted(graded, canvas.owners) if not one.error]
    return {
        "chapter": chapter,
        "submissions": len(graded),
        "counted": len(each),
        "scores": _scores(each),
        "exercises": _exercises(each),
        "seconds": _seconds(done),
        "review": [{"name": one.name, **flag} for one in done for flag in one.flags],
        "problems": [{"name": one.name, "says": says} for one in done for says in one.problems],
        "late": [one.name for one in graded if one.late],
        "twice": _twice(canvas.owners, canvas.students),
        "not_in_canvas": [{"name": name, "why": why} for name, why in canvas.owners.why.items()],
        "signed": [
            {"name": n, "student": canvas.students[canvas.owners.rows[n]]} for n in canvas.owners.signed
        ],
        "failed": [{"name": one.name, "error": one.error} for one in graded if one.error],
        "nothing_from": [{"student": who, "files": list(files)} for who, files in canvas.absent],
        "others": list(others),
    }


def _twice(found: Owners, students: Sequence[str]) -> list[dict[str, Any]]:
    """Who handed in more than once, and what."""
    own: dict[int, list[str]] = {}
    for name, row in found.rows.items():
        own.setdefault(row, []).append(name)
    return [{"student": students[row], "names": names} for row, names in own.items() if len(names) > 1]


def _scores(done: Sequence[Graded]) -> dict[str, Any]:
    """Mean, median and how many have which share of the points: the last part holds full marks too."""
    earned = [one.earned for one in done] or [0]
    parts = [0] * PARTS
    for one in done:
        parts[min(PARTS - 1, PARTS * one.earned // max(1, one.possible))] += 1
    full = sum(one.earned == one.possible for one in done)
    possible = max((one.possible for one in done), default=0)
    middle = {"mean": round(mean(earned), 2), "median": median(earned)}
    return {
        "possible": possible,
        **middle,
        "lowest": min(earned),
        "highest": max(earned),
        "full": full,
        "parts": parts,
    }


def _exercises(done: Sequence[Graded]) -> list[dict[str, Any]]:
    """For each exercise, and once more for its hidden checks: the mean, the checks, the misconceptions."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in done:
        for exercise in one.exercises:
            key = exercise["name"], exercise["kind"]
            about = {
                "name": key[0],
                "kind": key[1],
                "earned": 0,
                "possible": 0,
                "full": 0,
                "unanswered": 0,
                "checks": {},
                "mistakes": {},
            }
            into = found.setdefault(key, about)
            into["earned"] += exercise["earned"]
            into["possible"] += exercise["possible"]
            into["full"] += exercise["earned"] == exercise["possible"]
            into["unanswered"] += exercise["mistake"] in NO_ANSWER
            for number, check in enumerate(exercise["checks"]):
                fresh = {"title": check["title"], "failed": 0, "mistakes": {}}
                _count(into["checks"].setdefault(number, fresh), check, exercise["mistake"])
            if exercise["mistake"]:
                into["mistakes"].setdefault(exercise["mistake"], []).append(one.name)
    return [_settled(about) for about in found.values()]


def _count(into: dict[str, Any], check: dict[str, Any], mistake: str) -> None:
    if not check["passed"]:
        into["failed"] += 1
        into["mistakes"][mistake] = into["mistakes"].get(mistake, 0) + 1


def _settled(about: dict[str, Any]) -> dict[str, Any]:
    """The most frequent first, and what is no answer at all last."""

    def order(name: str, count: int) -> tuple[bool, int]:
        return name in NO_ANSWER, -count

    mistakes = sorted(about["mistakes"].items(), key=lambda pair: order(pair[0], len(pair[1])))
    checks = [
        {**check, "mistakes": dict(sorted(check["mistakes"].items(), key=lambda pair: order(*pair)))}
        for check in about["checks"].values()
    ]
    return {**about, "checks": checks, "mistakes": [{"name": name, "who": who} for name, who in mistakes]}


def _seconds(done: Sequence[Graded]) -> dict[str, Any]:
    spent = [one.seconds for one in done] or [0.0]
    longest = sorted(done, key=lambda one: -one.seconds)[:5]
    middle = {
        "total": round(sum(spent), 1),
        "median": round(median(spent), 1),
        "longest": round(max(spent), 1),
    }
    return {**middle, "slowest": [{"name": one.name, "seconds": one.seconds} for one in longest]}
