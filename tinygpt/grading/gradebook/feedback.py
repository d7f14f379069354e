"""What a student gets back: one page, and the same as JSON."""

from __future__ import annotations

from html import escape
from typing import Any

from tinygpt.grading.gradebook.graded import Graded
from tinygpt.grading.gradebook.page import chapter_title, page, table, wide
from tinygpt.grading.gradebook.plain import picture
from tinygpt.grading.markup import html

FAILED = "The judge itself failed on this submission. That is no mistake of yours: it will be graded again."


def feedback(one: Graded, chapter: str) -> dict[str, Any]:
    """The feedback as plain values. Of hidden checks there are titles, points and the mistake's name."""
    if one.error:
        return {"name": one.name, "chapter": chapter, "problems": [FAILED], "exercises": []}
    exercises = [
        {**exercise, "picture": str(shown) if (shown := picture(exercise["picture"])) else ""}
        for exercise in one.exercises
    ]
    score = {"earned": one.earned, "possible": one.possible}
    return {"name": one.name, "chapter": chapter, **score, "problems": one.problems, "exercises": exercises}


def feedback_page(one: Graded, chapter: str) -> str:
    """The feedback as a page."""
    title = chapter_title(chapter)
    parts = [f"<h1>{escape(title)}</h1>", f"<p>Feedback for <b>{escape(one.name)}</b></p>"]
    if one.error:
        return page(f"{title}: {one.name}", "\n".join([*parts, f"<p>{FAILED}</p>"]))
    parts.append(f'<p class="score"><b>{one.earned} of {one.possible} points</b></p>')
    if one.problems:
        items = "".join(f"<li>{html(problem)}</li>" for problem in one.problems)
        parts.append(f'<h2>About the notebook</h2>\n<ul class="look checks">{items}</ul>')
    parts.append("<h2>All exercises</h2>")
    parts.append(
        table("Points of each exercise", ("exercise", "points", "likely mistake"), map(_row, one.exercises))
    )
    parts += [_section(exercise) for exercise in one.exercises]
    return page(f"{title}: {one.name}", "\n".join(parts))


def _row(exercise: dict[str, Any]) -> tuple[str, str, str]:
    link = f'<a href="#{_anchor(exercise)}">{_title(exercise)}</a>'
    return link, f"{exercise['earned']} of {exercise['possible']}", escape(exercise["mistake"]) or "none"


def _section(exercise: dict[str, Any]) -> str:
    points = f"{exercise['earned']} of {exercise['possible']} points"
    checks = "".join(_check(check, exercise["diagnosis"]) for check in exercise["checks"])
    anchor = _anchor(exercise)
    parts = [f'<section aria-labelledby="{anchor}">\n<h2 id="{anchor}">{_title(exercise)}: {points}</h2>']
    parts.append(f'<ul class="checks">{checks}</ul>')
    if exercise["diagnosis"]:
        parts.append(f'<p class="look"><b>What to look at.</b> {html(exercise["diagnosis"])}</p>')
    elif exercise["mistake"]:
        parts.append(f'<p class="look"><b>The likely mistake</b>: {escape(exercise["mistake"])}</p>')
    if shown := picture(exercise["picture"]):
        panels = wide(f"Expected against got, {exercise['name']}", shown.html())
        parts.append(f"<h3>Expected against got</h3>\n{panels}")
    return "\n".join([*parts, "</section>"])


def _check(check: dict[str, Any], diagnosis: str) -> str:
    kind, word = ("passed", "✓ passed") if check["passed"] else ("failed", "✗ not yet")
    points = f"{check['points']} point{'s' if check['points'] != 1 else ''}"
    told = check["finding"] in ("", diagnosis)
    finding = "" if told else f'<div class="finding">{html(check["finding"])}</div>'
    return f'<li><span class="{kind}">{word}</span> {escape(check["title"])} ({points}){finding}</li>'


def _title(exercise: dict[str, Any]) -> str:
    hidden = ", hidden checks" if exercise["kind"] == "hidden" else ""
    return f"<code>{escape(exercise['name'])}</code>{hidden}"


def _anchor(exercise: dict[str, Any]) -> str:
    return escape(f"{exercise['kind']}-{exercise['name']}")
