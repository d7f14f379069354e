"""A class: every submission graded, several at a time, here or on a cluster, and nothing graded twice."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from tinygpt.grading.checks import CHAPTERS
from tinygpt.grading.exercise import Exercise
from tinygpt.grading.gradebook.graded import Graded, graded, spoken
from tinygpt.grading.gradebook.intake import intake
from tinygpt.grading.gradebook.plain import plain
from tinygpt.grading.gradebook.roster import read_roster
from tinygpt.grading.gradebook.shipment import Shipment
from tinygpt.grading.gradebook.words import text
from tinygpt.grading.gradebook.write import write_results
from tinygpt.grading.judge.apart import apart
from tinygpt.grading.judge.engines import engine
from tinygpt.grading.judge.grade import READING, Report, grade_one
from tinygpt.grading.judge.guard import OutOfTime, bounded
from tinygpt.grading.judge.limits import Limits
from tinygpt.grading.judge.notebook import NotANotebook, code_cells
from tinygpt.grading.judge.private import Hidden, hidden_cases, private_files
from tinygpt.grading.judge.shortcuts import UNREAD, Flag, flags
from tinygpt.grading.result import Outcome, Result
from tinygpt.grading.sheet import answered
from tinygpt.grading.submission import Submission, unpack
from tinygpt.scaling import results, sweep
from tinygpt.scaling.record import key

LONGEST_NAME = 200  # characters of a name in a zip's manifest
LONGEST = Limits().total + 5 * READING[0]  # seconds for all that has limits of its own
LINK = "{0} is a link, or cannot be read. Hand in the notebook itself."
ENDED = "Judging {0} took longer than {1:.0f} seconds: no points, but please look at it yourself."


def grade_all(
    submissions: str | os.PathLike[str],
    chapter: str,
    out: str | os.PathLike[str],
    *,
    private: str | os.PathLike[str] | None = None,
    roster: str | os.PathLike[str] | None = None,
    assignment: str = "",
    workers: int | None = None,
    ray: str | None = None,
    sandbox: str = "",
    unsafe: bool = False,
    progress: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> list[Graded]:
    """Grades everything that was handed in, and writes gradebooks, feedback and a summary into `out`.

    Grading that was stopped or killed goes on where it was: what is in `out/runs.jsonl` is not graded again,
    unless the file, the chapter or the hidden checks have changed since.

    Args:
        submissions: A folder or zip with notebooks at any depth, or one notebook. Paths are names.
        chapter: Whose exercises they are to solve: "03_attention", or "03".
        out: The folder to write to; it is made.
        private: A folder with hidden checks; `private.py` says how they are written.
        roster: Canvas's export of a gradebook, to be filled.
        assignment: The column's title in Canvas; "" takes the chapter's name.
        workers: How many at a time; None means one per core, 0 grades in this process.
        ray: Address of a Ray cluster, or "local".
        sandbox: "docker", "podman" or "bubblewrap"; "" takes the first that works.
        unsafe: Go on without a sandbox where there is none.
        progress: Show a bar with the time left.
        say: Is told, a line at a time, what begins, what stops, and what the teacher should know.

    Returns:
        What came of each submission, in the order of their names; one that the judge itself failed on has an
        error, and is tried again next time.

    Raises:
        ValueError: Nothing to grade, no such chapter, no sandbox, or hidden checks or a roster that cannot be
            used.
    """
    chapter, out = chapter_named(chapter), Path(out)
    rows = read_roster(Path(roster)) if roster else None
    hidden = _hidden(private, chapter, unsafe)
    where = f"the sandbox is {engine(sandbox, unsafe=unsafe)}" if ray is None else "on the cluster"
    out.mkdir(parents=True, exist_ok=True)
    how = {"chapter": chapter, "hidden": hidden, "sandbox": sandbox, "unsafe": unsafe}
    with intake(Path(submissions), out) as found:
        settings = [
            {"name": one.name, "content": Shipment.of({one.path.name: one.path}), **how}
            for one in found.submissions
        ]
        workers = workers if workers is not None or ray else _cores()
        file = out / "runs.jsonl"
        left = len(settings) - _done(settings, file)
        if left:
            say(f"{left} of {len(settings)} submissions are to be graded; {where}. The first takes a moment.")
        with _stoppable(settings, file, say):
            runs = sweep(settings, grade, file, workers=workers, ray=ray, progress=progress)
    made = graded(found.submissions, runs)
    for note in write_results(out, chapter, made, found.others, rows, assignment or chapter):
        say(note)
    return made


def _done(settings: Sequence[Mapping[str, Any]], file: Path) -> int:
    """How many of the settings have been graded."""
    made = {result.key for result in results(file) if not result.error}
    return sum(key(f"{grade.__module__}:{grade.__qualname__}", setting) in made for setting in settings)


@contextmanager
def _stoppable(
    settings: Sequence[Mapping[str, Any]], file: Path, say: Callable[[str], None]
) -> Iterator[None]:
    """Answers Ctrl-C at once, and says at the end how far it went."""

    def stop(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second one does not wait
        say("\nStopping…")
        raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, stop) if ours else None
    try:
        yield
    except KeyboardInterrupt:
        say(f"{_done(settings, file)} of {len(settings)} are graded; the same command goes on.")
        raise
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)


def grade(setting: dict[str, Any]) -> dict[str, Any]:
    """One submission of a sweep: what JSON can hold of its report, and the places a person should look at."""
    exercises = CHAPTERS[setting["chapter"]]
    hidden = _loaded(setting["hidden"]) if setting["hidden"] else {}
    name = f"{spoken(setting['name'])}.ipynb"  # in messages
    engine(setting["sandbox"], unsafe=setting["unsafe"])  # tried once here, not in each copy of this process
    with tempfile.TemporaryDirectory(prefix="tinygpt-grade-") as folder:
        try:
            return apart(lambda: _graded(setting, Path(folder, name), exercises, hidden), LONGEST)
        except TimeoutError:
            says = ENDED.format(name, LONGEST)
            return {**plain(ungraded(name, "not judged", says, exercises, hidden)), "flags": []}


def _graded(
    setting: dict[str, Any], path: Path, exercises: Sequence[Exercise], hidden: Hidden
) -> dict[str, Any]:
    (content,) = setting["content"].files().values()
    try:
        with bounded(*READING):
            handed_in = opened(path.name, content)
    except (ValueError, OutOfTime, MemoryError) as error:
        says = str(error) or f"{path.name} takes too much to be read. Hand in the notebook itself."
        return {**plain(ungraded(path.name, "not a notebook", says, exercises, hidden)), "flags": []}
    path.write_bytes(handed_in.notebook)
    how = {"sandbox": setting["sandbox"], "unsafe": setting["unsafe"]}
    report = grade_one(path, exercises, hidden=hidden, **how)
    if {result.mistake for result in report.results} == {"not found"}:
        report = replace(report, problems=(*astray(path, setting["chapter"]), *report.problems))
    signed = text(str(handed_in.manifest.get("name", "")))[:LONGEST_NAME]
    return {**plain(report), "flags": reviewed(path, exercises), "signed": signed}


def opened(name: str, content: bytes | None) -> Submission:
    """The notebook that was handed in, itself or in the zip of `tinygpt submit`.

    Raises:
        ValueError: There is none in it.
    """
    if content is None:
        raise ValueError(LINK.format(name))
    return unpack(content) if content[:2] == b"PK" else Submission(name, content)


def astray(path: Path, chapter: str) -> list[str]:
    """What to say of a notebook that holds nothing of its chapter and something of another."""
    count = dict.fromkeys(CHAPTERS, 0)
    with suppress(NotANotebook, OutOfTime, MemoryError, RecursionError), bounded(*READING):
        count = answered(code_cells(path))
    other = max(count, key=lambda name: count[name])
    if count[chapter] or not count[other]:
        return []
    return [
        f"No answer of chapter {chapter} is in it; it has exercises of {other}: was another notebook meant?"
    ]


def reviewed(path: Path, exercises: Sequence[Exercise]) -> list[dict[str, Any]]:
    """The shortcuts in a notebook, as plain values; that it takes too long to read is one as well."""
    try:
        with bounded(*READING):
            found = flags(code_cells(path), exercises)
    except NotANotebook:
        return []
    except (OutOfTime, MemoryError, RecursionError):
        found = [Flag(exercise.name, 0, 0, UNREAD, "") for exercise in exercises]
    return [{**asdict(flag), "text": text(flag.text)[:200]} for flag in found]


def ungraded(name: str, mistake: str, says: str, exercises: Sequence[Exercise], hidden: Hidden) -> Report:
    """The report of a file from which no answer was judged."""
    asked = [
        (e.name, cases, kind)
        for e in exercises
        for cases, kind in ((e.cases, "public"), (hidden.get(e.name), "hidden"))
    ]
    results = tuple(
        Result(exercise, tuple(Outcome(c.title, c.points, False) for c in cases), kind, mistake, says)
        for exercise, cases, kind in asked
        if cases
    )
    return Report(name, results, (says,), 0.0)


def chapter_named(name: str) -> str:
    """The chapter of that name or number.

    Raises:
        ValueError: There is none.
    """
    for chapter in CHAPTERS:
        if name in (chapter, chapter[:2]):
            return chapter
    raise ValueError(f"chapter must be one of {', '.join(CHAPTERS)}, or its number; got {name!r}.")


def _hidden(private: str | os.PathLike[str] | None, chapter: str, unsafe: bool) -> Shipment | str:
    """The hidden checks, after a look whether they can be used; "" for none."""
    if private is None:
        return ""
    if unsafe:
        raise ValueError("hidden checks need a sandbox: without one, every submission could read them.")
    files = Shipment.of(private_files(Path(private), chapter))
    hidden_cases(files.files())
    return files


@lru_cache(maxsize=1)
def _loaded(files: Shipment) -> Hidden:
    return hidden_cases(files.files())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
