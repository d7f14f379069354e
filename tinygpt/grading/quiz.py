"""Questions whose every choice explains itself, without a kernel, a network or a script.

Each choice is a `<details>` element: a browser opens it with a click or with Enter, JupyterLab shows it in
notebooks it does not trust, and so does GitHub.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any

from tinygpt.grading import record
from tinygpt.grading.markup import html, mark


@dataclass(frozen=True)
class Question:
    """A question with a few choices, each of which says why it is right or wrong.

    Args:
        asks: The question. `Backticks` mark code, *asterisks* stress.
        choices: Choice → what it says when it is opened, in the order in which they are shown.
        right: The choice that is right.

    Raises:
        ValueError: The right choice is not among the choices, or a choice has no explanation.
    """

    asks: str
    choices: Mapping[str, str]
    right: str

    def __post_init__(self) -> None:
        if self.right not in self.choices:
            raise ValueError(
                f"right must be one of the choices; got {self.right!r}. Choose from {[*self.choices]}."
            )
        if silent := [choice for choice, why in self.choices.items() if not why.strip()]:
            raise ValueError(
                f"Every choice must explain itself; {silent[0]!r} does not. Say why somebody picks it."
            )


@dataclass(frozen=True, repr=False)
class Quiz:
    """Questions that show themselves: choices to open in a page, choices with letters in a terminal."""

    questions: tuple[Question, ...]

    def why(self, question: int, letter: str) -> str:
        """What choice `letter` of question number `question` (from 1) says: the text way to answer.

        Example:
            >>> quiz([Question("1 + 1?", {"2": "Yes.", "3": "One too many."}, right="2")]).why(1, "b")
            'Not this one. One too many.'
        """
        asked = self.questions[question - 1]
        choice, why = list(asked.choices.items())[ascii_lowercase.index(letter)]
        record.note_answer(asked.asks, choice == asked.right)
        return f"{'Right.' if choice == asked.right else 'Not this one.'} {why}"

    def __repr__(self) -> str:
        lines = []
        for number, question in enumerate(self.questions, 1):
            lines.append(f"{number}. {question.asks}")
            lines += [
                f"   {a}) {choice}" for a, choice in zip(ascii_lowercase, question.choices, strict=False)
            ]
        return "\n".join([*lines, "", "quiz.why(1, 'a') says what choice a of question 1 means."])

    def _repr_html_(self) -> str:
        return "".join(_section(number, question) for number, question in enumerate(self.questions, 1))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}


def quiz(questions: Sequence[Question]) -> Quiz:
    """A quiz that shows itself as the last value of a cell, and goes on working when the kernel is gone.

    Example:
        >>> quiz([Question("1 + 1?", {"2": "Yes.", "3": "One too many."}, right="2")]).why(1, "a")
        'Right. Yes.'
    """
    return Quiz(tuple(questions))


def _section(number: int, question: Question) -> str:
    choices = "".join(
        f'<details style="margin: 2px 0 2px 1.5em"><summary style="cursor: pointer">{html(choice)}</summary>'
        f'<p style="margin: 2px 0 8px 1.5em">{_verdict(choice == question.right)} {html(why)}</p></details>'
        for choice, why in question.choices.items()
    )
    return f'<div style="max-width: 46em"><p><b>{number}. {html(question.asks)}</b></p>{choices}</div>'


def _verdict(right: bool) -> str:
    return mark("✓ Right." if right else "✗ Not this one.", right)
