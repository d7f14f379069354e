"""The summary of a class as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from tinygpt.grading.gradebook.page import chapter_title, page, table
from tinygpt.grading.gradebook.summary import NO_ANSWER
from tinygpt.grading.markup import html


def summary_page(found: Mapping[str, Any], stems: Mapping[str, str]) -> str:
    """The page of what `summary` found; `stems` are the names of the feedback files, by submission."""
    title = chapter_title(found["chapter"])
    parts = [f"<h1>{escape(title)}, the class</h1>", _opening(found)]
    parts += [f'<p class="look">{escape(note)}</p>' for note in found["notes"]]
    parts.append(_distribution(found["scores"]))
    parts += [_glance(found["exercises"]), "<h2>Checks and misconceptions</h2>"]
    parts += [_exercise(exercise, stems) for exercise in found["exercises"]]
    review = [[_link(f["name"], stems), *_flag(f)] for f in found["review"]]
    parts += _listed(
        "To review",
        "Answers that use what they were asked to write, as far as reading tells. It costs no points.",
        ("submission", "exercises", "uses", "where"),
        review,
    )
    problems = [[_link(p["name"], stems), html(p["says"])] for p in found["problems"]]
    parts += _listed("Problems", "What was wrong with files and cells.", ("submission", "problem"), problems)
    failed = [[_link(f["name"], stems), escape(f["error"])] for f in found["failed"]]
    parts += _listed(
        "Not graded", "The judge failed; grade again to try again.", ("submission", "error"), failed
    )
    parts += _names("Handed in late, says Canvas", [_link(name, stems) for name in found["late"]])
    parts += _names("No notebook from", [_absent(**one) for one in found["nothing_from"]])
    parts += _names("Files that are no notebooks", [escape(name) for name in found["others"]])
    without = [[_link(one["name"], stems), escape(one["why"])] for one in found["not_in_canvas"]]
    says = "Nobody was found for them in the table, so their points stand only in gradebook.csv."
    parts += _listed("Without a row in canvas.csv", says, ("submission", "why"), without)
    signed = [[_link(one["name"], stems), escape(one["student"])] for one in found["signed"]]
    says = "Their files say nothing, so the name in the zip was taken, which anybody can write."
    parts += _listed("Placed by the name in the zip", says, ("submission", "student"), signed)
    twice = [[escape(t["student"]), ", ".join(_link(n, stems) for n in t["names"])] for t in found["twice"]]
    says = "The better submission counts, here and in canvas.csv."
    parts += _listed("Handed in more than once", says, ("student", "submissions"), twice)
    parts += _names("Graded earlier, no longer handed in", [escape(name) for name in found["earlier"]])
    parts.append(_time(found["seconds"], stems))
    return page(f"{title}, the class", "\n".join(parts))


def _opening(found: Mapping[str, Any]) -> str:
    scores = found["scores"]
    middle = f"mean {scores['mean']:g}, median {scores['median']:g} of {scores['possible']} points"
    span = f"lowest {scores['lowest']}, highest {scores['highest']}, full marks {scores['full']}"
    if found["twice"]:
        span += f"; {found['counted']} of them count: each student whom the table knows, once"
    return f'<p class="score"><b>{_many(found["submissions"], "submission")}</b>: {middle}</p><p>{span}</p>'


def _distribution(scores: Mapping[str, Any]) -> str:
    parts = scores["parts"]
    step = 100 // len(parts)
    rows = [(f"{i * step} to {(i + 1) * step} %", n, _bar(n, max(parts))) for i, n in enumerate(parts)]
    head = ("share", "submissions", "as a bar")
    return "<h2>Scores</h2>\n" + table("Submissions by their share of the points", head, rows)


def _bar(count: int, most: int) -> str:
    width = 100 * count / max(1, most)
    return f'<span class="bar" style="width: {width:.0f}%"></span>' if count else ""


def _glance(exercises: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            f'<a href="#{_anchor(e)}">{_title(e)}</a>',
            f"{_share(e):.0f} %",
            e["full"],
            e["unanswered"],
            _first(e["mistakes"]),
        )
        for e in exercises
    ]
    head = ("exercise", "points", "full marks", "no answer", "most frequent misconception")
    return "<h2>Exercises</h2>\n" + table("Exercises at a glance", head, rows)


def _first(mistakes: Sequence[Mapping[str, Any]]) -> str:
    real = [f"{escape(m['name'])} ({len(m['who'])})" for m in mistakes if m["name"] not in NO_ANSWER]
    return real[0] if real else "none"


def _share(found: Mapping[str, Any]) -> float:
    return 100 * found["earned"] / max(1, found["possible"])


def _title(found: Mapping[str, Any]) -> str:
    hidden = ", hidden checks" if found["kind"] == "hidden" else ""
    return f"<code>{escape(found['name'])}</code>{hidden}"


def _anchor(found: Mapping[str, Any]) -> str:
    return escape(f"{found['kind']}-{found['name']}")


def _exercise(found: Mapping[str, Any], stems: Mapping[str, str]) -> str:
    hidden = ", hidden checks" if found["kind"] == "hidden" else ""
    parts = [f'<h3 id="{_anchor(found)}">{_title(found)}: {_share(found):.0f} % of the points</h3>']
    parts.append(_checks(f"Checks of {found['name']}{hidden}", found))
    for mistake in found["mistakes"]:
        who = ", ".join(_link(name, stems) for name in mistake["who"])
        label = f"{escape(mistake['name'])}: {_many(len(mistake['who']), 'student')}"
        parts.append(f"<details><summary>{label}</summary><p>{who}</p></details>")
    return "\n".join(parts)


def _checks(caption: str, found: Mapping[str, Any]) -> str:
    """How often each check failed; why is said where it is not what the whole exercise failed for."""
    whole = {mistake["name"]: len(mistake["who"]) for mistake in found["mistakes"]}
    checks = found["checks"]
    if all(check["mistakes"] in (whole, {}) for check in checks):
        return table(caption, ("check", "failed"), [(escape(c["title"]), c["failed"]) for c in checks])
    rows = [
        (escape(c["title"]), c["failed"], "as below" if c["mistakes"] == whole else _told(c["mistakes"]))
        for c in checks
    ]
    return table(caption, ("check", "failed", "misconceptions"), rows)


def _told(mistakes: Mapping[str, int]) -> str:
    return ", ".join(f"{escape(name)} ({count})" for name, count in mistakes.items())


def _flag(flag: Mapping[str, Any]) -> tuple[str, ...]:
    where = f"cell {flag['cell']}, line {flag['line']}"
    exercises = ", ".join(f"<code>{escape(name)}</code>" for name in flag["exercises"])
    uses, text = (f"<code>{_breakable(flag[key], '.')}</code>" for key in ("uses", "text"))
    return exercises, uses, f"{where}<br>{text}"


def _listed(title: str, says: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"<h2>{title}</h2>\n<p>{says}</p>", table(title, head, rows)] if rows else []


def _names(title: str, names: Sequence[str]) -> list[str]:
    return [f"<h2>{title}</h2>\n<ul>{''.join(f'<li>{name}</li>' for name in names)}</ul>"] if names else []


def _time(seconds: Mapping[str, Any], stems: Mapping[str, str]) -> str:
    rows = [(_link(one["name"], stems), one["seconds"]) for one in seconds["slowest"]]
    said = f"{seconds['total']:g} seconds in all, {seconds['median']:g} for the median submission."
    return f"<h2>Time the judge spent</h2>\n<p>{said}</p>" + table(
        "The slowest", ("submission", "seconds"), rows
    )


def _absent(student: str, files: Sequence[str]) -> str:
    seem = "seems" if len(files) == 1 else "seem"
    return escape(f"{student}: {', '.join(files)} {seem} to be theirs" if files else student)


def _link(name: str, stems: Mapping[str, str]) -> str:
    return f'<a href="feedback/{quote(stems[name])}.html">{_breakable(name, "_/")}</a>'


def _breakable(text: str, after: str) -> str:
    """A long name that may go on in the next line after some characters, and nowhere else."""
    return "".join(f"{escape(c)}<wbr>" if c in after else escape(c) for c in text)


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"
