"""The class as a whole: which check failed how often and why, scores, time, and what a person should see."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, median
from typing import Any

from tinygpt.grading.gradebook.graded import Graded

PARTS = 10  # of the distribution of scores


def summary(graded: Sequence[Graded], chapter: str, others: Sequence[str]) -> dict[str, Any]:
    """What a teacher wants to know of a class, as plain values. Submissions are named by their file.

    Args:
        graded: Every submission.
        chapter: The chapter.
        others: Files that were handed in and cannot be graded.
    """
    done = [one for one in graded if not one.error]
    return {
        "chapter": chapter,
        "submissions": len(graded),
        "scores": _scores(done),
        "exercises": _exercises(done),
        "seconds": _seconds(done),
        "review": [{"name": one.name, **flag} for one in done for flag in one.flags],
        "problems": [{"name": one.name, "says": says} for one in done for says in one.problems],
        "late": [one.name for one in graded if one.late],
        "failed": [{"name": one.name, "error": one.error} for one in graded if one.error],
        "others": list(others),
    }


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
                "checks": {},
                "mistakes": {},
            }
            into = found.setdefault(key, about)
            into["earned"] += exercise["earned"]
            into["possible"] += exercise["possible"]
            into["full"] += exercise["earned"] == exercise["possible"]
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
    """The most frequent first."""
    mistakes = sorted(about["mistakes"].items(), key=lambda pair: -len(pair[1]))
    checks = [
        {**check, "mistakes": dict(sorted(check["mistakes"].items(), key=lambda pair: -pair[1]))}
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
