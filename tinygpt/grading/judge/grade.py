"""One submission from file to report, whatever it does."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinygpt.grading.check import SEED, examine
from tinygpt.grading.exercise import Call, Case, Exercise
from tinygpt.grading.judge.engines import engine
from tinygpt.grading.judge.guard import OutOfTime, bounded
from tinygpt.grading.judge.limits import Limits
from tinygpt.grading.judge.notebook import NotANotebook, code_cells
from tinygpt.grading.judge.remote import Lost, Remote
from tinygpt.grading.judge.shortcuts import leans_on
from tinygpt.grading.protect import Trouble
from tinygpt.grading.result import Outcome, Result
from tinygpt.grading.sheet import binds

READING = 30.0, 1 << 30  # seconds and bytes for reading an answer's code
MEMORY = 2 << 30  # bytes that the judge may take for what a submission makes it do
MOST_LOST = 2  # cells that may take the process down, and calls of one answer that may
MOST_PROBLEMS = 50  # cells whose trouble is told
NO_ANSWER = (
    "not written",
    "not a function",
    "nobody accused",
)  # a stub run again, a name used for something else
UNJUDGED = "The judge itself failed on `{0}` ({1}: {2}): no points, but please look at this answer yourself."


@dataclass(frozen=True)
class Report:
    """What the judge found about one submission.

    Args:
        submission: The name of the file.
        results: One per exercise, and one more where there are hidden cases, in order.
        problems: What was wrong with the file or with cells of it, in full sentences.
        seconds: How long it took.
    """

    submission: str
    results: tuple[Result, ...]
    problems: tuple[str, ...]
    seconds: float

    @property
    def earned(self) -> int:
        return sum(result.earned for result in self.results)

    @property
    def possible(self) -> int:
        return sum(result.possible for result in self.results)

    def __str__(self) -> str:
        lines = [f"{self.submission}: {self.earned} of {self.possible} points", *self.problems]
        return "\n\n".join([*lines, *map(repr, self.results)])


def grade_one(
    path: str | os.PathLike[str],
    exercises: Sequence[Exercise],
    *,
    hidden: Mapping[str, Sequence[Case]] | None = None,
    limits: Limits | None = None,
    sandbox: str = "",
    unsafe: bool = False,
    seed: int | None = None,
) -> Report:
    """Runs a notebook in a sandbox and judges its answers from outside, by their names.

    It never raises because of the submission, and nothing of the submission is left when it returns.

    Args:
        path: The notebook.
        exercises: What it was to solve.
        hidden: Further cases, by the name of the exercise.
        limits: What the submission may use.
        sandbox: "docker", "podman" or "bubblewrap"; "" takes the first that works.
        unsafe: Go on without a sandbox where there is none.
        seed: Seed of the fresh inputs; None draws one.

    Raises:
        ValueError: There is no sandbox, and `unsafe` is not set.
    """
    began, which, limits = time.monotonic(), engine(sandbox, unsafe=unsafe), limits or Limits()
    seeds = (SEED, secrets.randbits(256) if seed is None else seed)
    asked = [(e, cases, kind) for e in exercises for cases, kind in _kinds(e, hidden or {})]
    asked.sort(key=lambda one: one[2] == "hidden")  # last, or a later message could tell a hidden input
    try:
        with bounded(limits.total, MEMORY):
            cells = code_cells(path)
    except NotANotebook as error:
        results = tuple(_none(*one, "not a notebook", str(error)) for one in asked)
        return Report(Path(path).name, results, (str(error),), time.monotonic() - began)
    submission = Submission(cells, [e.name for e in exercises], which, limits)
    results: list[Result] = []
    try:
        with bounded(limits.total, MEMORY):
            for exercise, cases, kind in asked:
                results.append(submission.judge(exercise, cases, kind, seeds))
    except OutOfTime:
        says = f"The submission took all of its {limits.total:.0f} seconds before this was reached."
        results += [_none(*one, "too slow", says) for one in asked[len(results) :]]
    finally:
        submission.close()
    told = tuple(_traced(results, cells))
    return Report(Path(path).name, told, tuple(submission.problems()), time.monotonic() - began)


class Submission:
    """The cells of a notebook and a worker that has run them, or a new one where the last was lost."""

    def __init__(self, cells: Sequence[str], wanted: Sequence[str], which: str, limits: Limits) -> None:
        self.cells, self.wanted, self.which, self.limits = cells, list(wanted), which, limits
        self.ends = time.monotonic() + limits.total
        self.failed: dict[int, str] = {}
        self.lost: dict[int, Lost] = {}
        self.unjudged: list[str] = []
        self.worker: Remote | None = None

    def close(self) -> None:
        if self.worker:
            self.worker.close()
        self.worker = None

    def problems(self) -> list[str]:
        """What went wrong with cells, in order. An exercise that is not written is none."""
        found = [f"Cell {number}: {says}" for number, says in self._trouble()]
        more = len(found) - MOST_PROBLEMS
        shown = [*found[:MOST_PROBLEMS], *([f"{more} more cells failed."] if more > 0 else [])]
        return [*shown, *self.unjudged]

    def _trouble(self) -> list[tuple[int, str]]:
        """The cells that failed, by their numbers, and how."""
        lost = {number: f"{error.says} It was left out." for number, error in self.lost.items()}
        return sorted((self.failed | lost).items())

    def judge(self, exercise: Exercise, cases: Sequence[Case], kind: str, seeds: Sequence[int]) -> Result:
        """The result of one exercise. Of several values of its name the last counts that is an answer."""
        results = []
        try:
            for which in reversed(range(len(self.ready().found(exercise)))):
                results.append(self._judged(exercise, which, cases, kind, seeds))
                if results[-1].mistake not in NO_ANSWER:
                    return results[-1]
        except Lost as lost:
            return _none(exercise, cases, kind, lost.name, lost.says)
        except Exception as error:
            self.unjudged.append(UNJUDGED.format(exercise.name, type(error).__name__, str(error)[:200]))
            return _none(exercise, cases, kind, "not judged", self.unjudged[-1])
        return results[0] if results else _none(exercise, cases, kind, *self._missing(exercise))

    def _judged(
        self, exercise: Exercise, which: int, cases: Sequence[Case], kind: str, seeds: Sequence[int]
    ) -> Result:
        try:
            return examine(exercise, self.call(exercise, which), cases, seeds, kind, mixed=True)
        except Trouble as trouble:
            return _none(exercise, cases, kind, trouble.name, trouble.says)

    def call(self, exercise: Exercise, which: int) -> Call:
        """An answer as `examine` wants it: one that takes the worker down may still be right elsewhere."""
        self.ready().answer(exercise, which)
        losses: list[Lost] = []

        def call(*args: Any) -> Any:
            if len(losses) >= MOST_LOST:
                raise Trouble(losses[-1].name, losses[-1].says)
            try:
                return self.ready().answer(exercise, which)(*args)
            except Lost as lost:
                self.close()
                losses.append(lost)
                raise Trouble(lost.name, lost.says) from None

        return call

    def ready(self) -> Remote:
        """A worker that has run every cell it can; cells that take one down are left out from then on.

        Raises:
            Lost: There is no such worker, or no time is left.
        """
        while self.worker is None:
            if time.monotonic() > self.ends:
                raise Lost("too slow", f"The notebook takes longer than {self.limits.total:.0f} seconds.")
            if len(self.lost) >= MOST_LOST:
                raise next(iter(self.lost.values()))
            self.worker = Remote(self.which, self.limits)
            try:
                self.failed = self._run(range(1, len(self.cells) + 1))
                self.failed = self._run(sorted(self.failed))  # what it lacked may stand in a later cell
            except Lost:
                self.close()
        return self.worker

    def _run(self, numbers: Sequence[int]) -> dict[int, str]:
        """Runs cells, and says how those failed that did."""
        failed = {}
        for number in numbers:
            try:
                source = self.cells[number - 1]
                if number not in self.lost and (
                    says := self.worker.run(source, f"cell {number}", self.wanted)
                ):
                    failed[number] = says
            except Lost as lost:
                self.lost[number] = lost
                raise
        return failed

    def _missing(self, exercise: Exercise) -> tuple[str, str]:
        """Why there is no answer: the mistake's name, and what to say of it."""
        about = [(number, how) for number, how in self._trouble() if exercise.name in self.cells[number - 1]]
        for number, how in about:
            if exercise.name in binds(self.cells[number - 1]):
                return (
                    "does not run",
                    f"Code cell {number}, which defines `{exercise.name}`, does not run. {how}",
                )
        says = f"No cell defines `{exercise.name}`. Answers are found by this name: is it spelt so?"
        return "not found", " ".join(
            [says, *(f"Cell {number}: {how}" for number, how in about[:MOST_PROBLEMS])]
        )


def _traced(results: list[Result], cells: Sequence[str]) -> Iterator[Result]:
    """The results; a wrong answer that uses another wrong one says so first."""
    failed = list(dict.fromkeys(result.name for result in results if result.mistake))
    uses: dict[str, list[str]] = {}
    with suppress(OutOfTime, MemoryError, RecursionError), bounded(*READING):
        uses = leans_on(cells, failed) if len(failed) > 1 else {}
    for result in results:
        if (others := uses.get(result.name)) and result.mistake and result.mistake not in NO_ANSWER:
            names = " and ".join(f"`{name}`" for name in others)
            verb = "do" if len(others) > 1 else "does"
            first = f"It uses {names}, which {verb} not pass: look there first. "
            yield replace(result, diagnosis=first + result.diagnosis)
        else:
            yield result


def _kinds(exercise: Exercise, hidden: Mapping[str, Sequence[Case]]) -> list[tuple[Sequence[Case], str]]:
    extra = hidden.get(exercise.name, ())
    return [(exercise.cases, "public"), *([(extra, "hidden")] if extra else [])]


def _none(exercise: Exercise, cases: Sequence[Case], kind: str, mistake: str, says: str) -> Result:
    outcomes = tuple(Outcome(case.title, case.points, False) for case in cases)
    return Result(exercise.name, outcomes, kind, mistake, says)
