"""Checks that name the mistake, the quiz, and the student notebooks.

An exercise is data (`exercise.py`, `checks/`). `check` asks an answer, compares, and explains; `examine` does
the same for an answer that lives in another process. `release` writes `exercises/` from `solutions/`.
"""

from tinygpt.grading.check import check, examine
from tinygpt.grading.checks import EXERCISES
from tinygpt.grading.exercise import Case, Exercise, Fault, Law
from tinygpt.grading.page import progress
from tinygpt.grading.quiz import Question, quiz
from tinygpt.grading.reset import reset
from tinygpt.grading.restore import load_work
from tinygpt.grading.result import Result
from tinygpt.grading.submit import submit
from tinygpt.grading.work import save_work

__all__ = [
    "EXERCISES",
    "Case",
    "Exercise",
    "Fault",
    "Law",
    "Question",
    "Result",
    "check",
    "examine",
    "load_work",
    "progress",
    "quiz",
    "reset",
    "save_work",
    "submit",
]
