"""Checks that name the mistake, the quiz, and the student notebooks.

An exercise is data (`exercise.py`, `checks/`). `check` asks an answer, compares, and explains; `examine` does
the same for an answer that lives in another process. `release` writes `exercises/` from `solutions/`.
"""

from tinygpt.grading.check import check, examine
from tinygpt.grading.checks import EXERCISES
from tinygpt.grading.exercise import Case, Exercise, Fault, Law
from tinygpt.grading.quiz import Question, quiz
from tinygpt.grading.result import Result

__all__ = ["EXERCISES", "Case", "Exercise", "Fault", "Law", "Question", "Result", "check", "examine", "quiz"]
