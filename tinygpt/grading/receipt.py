"""What `submit` says: the file that was made, what it is graded on, and what it would get now."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from tinygpt.grading.checks import CHAPTERS
from tinygpt.grading.download import link
from tinygpt.grading.judge import Report
from tinygpt.grading.markup import html
from tinygpt.grading.result import Result

UNWRITTEN = ("not written", "nobody accused")
HOW = (
    "Your teacher runs these checks again, in a process of its own and on fresh inputs, and possibly hidden "
    "checks, which nobody sees before. Only the notebook in the file counts; the manifest is for people."
)
LEFT = ' style="text-align: left; padding-right: 1.5em"'
COLUMNS = ("exercise", "points", "checks", "now")


@dataclass(frozen=True, repr=False)
class Receipt:
    """The file that was made, and what its answers are worth now. It shows itself.

    Args:
        file: What to hand in.
        chapter: Whose exercises it is graded on.
        report: What a fresh run of the notebook found; None where none was made.
        warnings: What to look at before handing it in, in full sentences.
    """

    file: Path
    chapter: str
    report: Report | None
    warnings: tuple[str, ...]

    @property
    def heading(self) -> str:
        total = sum(exercise.points for exercise in CHAPTERS[self.chapter])
        now = "" if self.report is None else f", {self.report.earned} now"
        return f"{self.file.name}: chapter {self.chapter}, {total} points for public checks{now}"

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Exercise, points, public checks and what stands in the way, one row each."""
        exercises = CHAPTERS[self.chapter]
        if self.report is None:
            return [(e.name, f"? of {e.points}", f"? of {len(e.cases)}", "not tried") for e in exercises]
        return [
            (
                r.name,
                f"{r.earned} of {r.possible}",
                f"{_passed(r)} of {len(r.outcomes)}",
                r.mistake or "passes",
            )
            for r in self.report.results
        ]

    def diagnoses(self) -> list[tuple[str, str]]:
        """Exercise and diagnosis of what is written and does not pass."""
        results = self.report.results if self.report else ()
        return [(r.name, r.diagnosis) for r in results if r.mistake not in ("", "not found", *UNWRITTEN)]

    def __repr__(self) -> str:
        table = [COLUMNS, *self.rows()]
        widths = [max(len(row[i]) for row in table) for i in range(4)]
        rows = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table]
        lines = [self.heading, "", *(f"  {row}" for row in rows)]
        if faults := self.diagnoses():
            lines += ["", "What to look at:", *(f"  - {name}: {says}" for name, says in faults)]
        if self.warnings:
            lines += ["", "Before you hand it in:", *(f"  - {warning}" for warning in self.warnings)]
        return "\n".join([*lines, "", HOW, "", f"Hand in: {self.file}"])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col"{LEFT}>{column}</th>' for column in COLUMNS)
        body = "".join(map(_row, self.rows()))
        faults = [f"<b>{escape(name)}</b>: {html(says)}" for name, says in self.diagnoses()]
        return (
            f'<div role="status" style="max-width: 52em"><table><caption{LEFT}><b>{escape(self.heading)}</b>'
            f"</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"{_list('What to look at', faults)}{_list('Before you hand it in', [*map(html, self.warnings)])}"
            f"<p>{HOW}</p><p>Hand in: <code>{escape(str(self.file))}</code></p>{link(self.file)}</div>"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}


def _row(row: tuple[str, ...]) -> str:
    name, *cells = map(escape, row)
    return f'<tr><th scope="row"{LEFT}>{name}</th>{"".join(f"<td{LEFT}>{cell}</td>" for cell in cells)}</tr>'


def _list(title: str, items: list[str]) -> str:
    return f"<p><b>{title}</b></p><ul>{''.join(f'<li>{i}</li>' for i in items)}</ul>" if items else ""


def _passed(result: Result) -> int:
    return sum(outcome.passed for outcome in result.outcomes)
