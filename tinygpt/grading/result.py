"""What a check found. A result shows itself: as a page in a notebook, as text anywhere else."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from tinygpt.grading.excerpt import Excerpt
from tinygpt.grading.markup import BAD, GOOD, html, mark
from tinygpt.grading.picture import Picture


@dataclass(frozen=True)
class Outcome:
    """One case: whether the answer passed it and, if not, what was found."""

    title: str
    points: int
    passed: bool
    finding: str = ""


@dataclass(frozen=True, repr=False)
class Result:
    """What a check found about one answer.

    Args:
        name: The exercise.
        outcomes: One per case, in the order of the exercise.
        kind: Which cases were asked: "public" or "hidden".
        mistake: The short name of the likely mistake, "" when everything passed.
        diagnosis: The likely mistake in full sentences, "" when everything passed.
        picture: Expected against got, where that helps.
    """

    name: str
    outcomes: tuple[Outcome, ...]
    kind: str = "public"
    mistake: str = ""
    diagnosis: str = ""
    picture: Picture | Excerpt | None = None

    @property
    def passed(self) -> bool:
        return all(outcome.passed for outcome in self.outcomes)

    @property
    def earned(self) -> int:
        return sum(outcome.points for outcome in self.outcomes if outcome.passed)

    @property
    def possible(self) -> int:
        return sum(outcome.points for outcome in self.outcomes)

    @property
    def score(self) -> str:
        """The result in one line: "public checks passed (3 of 5), 3 of 6 points"."""
        done = sum(outcome.passed for outcome in self.outcomes)
        passed = f"{self.kind} checks passed ({done} of {len(self.outcomes)})"
        return f"{passed}, {self.earned} of {self.possible} points"

    def __repr__(self) -> str:
        lines = [f"{self.name}: {self.score}"]
        for outcome in self.outcomes:
            lines.append(f"  [{'ok' if outcome.passed else 'no'}] {outcome.title}")
            if outcome.finding and outcome.finding != self.diagnosis:
                lines.append(f"       {outcome.finding}")
        if self.diagnosis:
            lines += ["", f"What to look at: {self.diagnosis}"]
        if self.picture:
            lines += ["", str(self.picture)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        colour = GOOD if self.passed else BAD
        rows = "".join(_row(outcome, self.diagnosis) for outcome in self.outcomes)
        diagnosis = f"<p><b>What to look at.</b> {html(self.diagnosis)}</p>" if self.diagnosis else ""
        picture = self.picture.html() if self.picture else ""
        return (
            f'<div role="status" style="border-left: 4px solid {colour}; padding: 2px 12px; max-width: 46em">'
            f"<p><b>{escape(self.name)}</b>: {self.score}</p>"
            f'<ul style="list-style: none; padding-left: 0">{rows}</ul>{diagnosis}{picture}</div>'
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}


def _row(outcome: Outcome, diagnosis: str) -> str:
    done = mark("✓ passed" if outcome.passed else "✗ not yet", outcome.passed)
    finding = "" if outcome.finding == diagnosis else html(outcome.finding)
    detail = f'<div style="margin-left: 6.5em">{finding}</div>' if finding else ""
    return (
        f'<li style="margin: 2px 0"><span style="display: inline-block; width: 6.5em">{done}</span>'
        f"{escape(outcome.title)}{detail}</li>"
    )
