"""Two plain values, expected and got, one above the other around the place where they part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from torch import Tensor

from tinygpt.grading.compare import brackets, entry, parting
from tinygpt.models import GPTConfig

BEFORE, AFTER, WIDEST, LONGEST = 3, 5, 24, 160
PLAIN = (bool, int, float, str, bytes, list, tuple, dict, GPTConfig)
MONOSPACED = "font-family: monospace; white-space: pre; text-align: left; padding: 2px 6px"
PARTS = "outline: 2px solid #D55E00; font-weight: bold"


@dataclass(frozen=True)
class Excerpt:
    """A few entries of what was expected and of what came, with the first difference among them.

    Args:
        asked: The arguments that can be shown in a line, as code.
        where: The sequence in which the two part, as code: "[1]".
        expected: Entries of that sequence as text, from a few before the difference on.
        got: The same of the answer.
        at: Which of these entries differs first.
    """

    asked: str
    where: str
    expected: tuple[str, ...]
    got: tuple[str, ...]
    at: int

    @staticmethod
    def of(got: Any, expected: Any, tolerance: float, asked: dict[str, Any]) -> Excerpt | None:
        """An excerpt of two different values of one form, or None where they are no plain values."""
        if isinstance(expected, Tensor) or type(got) is not type(expected):
            return None
        place, have, want = parting(got, expected, tolerance)
        question = ", ".join(f"{name} = {_short(value)}" for name, value in asked.items() if _plain(value))
        if not place:
            return Excerpt(question, "", (entry(want),), (entry(have),), 0)
        *outer, at = place
        for i in outer:
            got, expected = got[i], expected[i]
        start = max(0, at - BEFORE)
        rows = (_entries(row, start, at + AFTER) for row in (expected, got))
        return Excerpt(question, brackets(tuple(outer)), *rows, at - start + (start > 0))

    def __str__(self) -> str:
        columns = max(len(self.expected), len(self.got))
        rows = [[*row, *[""] * (columns - len(row))] for row in (self.expected, self.got)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        titles = (f"wanted{self.where}", f"got{self.where}")
        lines = [f"for {self.asked}"] if self.asked else []
        for title, row in zip(titles, rows, strict=True):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            lines.append(f"{title.ljust(len(titles[0]))}  {'  '.join(cells)}".rstrip())
        before = len(titles[0]) + 2 + sum(widths[: self.at]) + 2 * self.at
        return "\n".join([*lines, " " * before + "^" * max(widths[self.at], 1)])

    def html(self) -> str:
        asked = f'<p style="margin: 4px 0">for <code>{escape(self.asked)}</code></p>' if self.asked else ""
        rows = "".join(
            f'<tr><th style="text-align: left">{escape(title + self.where)}</th>{self._cells(row)}</tr>'
            for title, row in (("wanted", self.expected), ("got", self.got))
        )
        return f'{asked}<table style="border-collapse: separate; margin: 4px 0">{rows}</table>'

    def _cells(self, row: tuple[str, ...]) -> str:
        marks = (f"; {PARTS}" if i == self.at else "" for i in range(len(row)))
        return "".join(
            f'<td style="{MONOSPACED}{mark}">{escape(cell)}</td>'
            for cell, mark in zip(row, marks, strict=True)
        )


def _entries(row: Sequence[Any], start: int, stop: int) -> tuple[str, ...]:
    """Entries of a sequence as text, with dots where some are left out and a word where it has ended."""
    shown = [
        entry(row[i : i + 1] if isinstance(row, (str, bytes)) else row[i], WIDEST)
        for i in range(start, min(stop, len(row)))
    ]
    front = ["…"] if start else []
    end = ["…"] if len(row) > stop else ["(end)"] if len(shown) < stop - start else []
    return (*front, *shown, *end)


def _plain(value: Any) -> bool:
    return isinstance(value, PLAIN)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
