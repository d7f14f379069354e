"""Hidden checks: cases from a teacher's own folder, which no student has and no sandbox shows.

One Python file for a chapter, `03_attention.py`, with a dictionary from exercises to cases:

    from tinygpt.grading import Case
    from tinygpt.grading.checks.draws import normal

    CASES = {
        "causal_attention": [
            Case("a sequence of one token", lambda g: tuple(normal(g, 2, 1, 4) for _ in range(3)), points=2),
        ],
    }

or one for an exercise, `causal_attention.py`, with the list alone: `CASES = [Case(…), …]`. A case turns a
seeded generator into the arguments of one call; what is right follows from the exercise's own reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from tinygpt.grading.checks import CHAPTERS, EXERCISES
from tinygpt.grading.exercise import Case, Exercise
from tinygpt.grading.judge.engines import shown

Hidden = dict[str, tuple[Case, ...]]


def private_files(folder: Path) -> dict[str, Path]:
    """The files with hidden checks in a folder, by their names.

    Raises:
        ValueError: There are none, or a submission could read them.
    """
    if not folder.is_dir():
        raise ValueError(f"the private folder must be a folder with Python files; got {str(folder)!r}.")
    files = {path.name: path for path in sorted(folder.glob("*.py"))}
    if not files:
        raise ValueError(f"there is no Python file with hidden checks in {str(folder)!r}.")
    for path in (folder, *files.values()):
        for seen, _ in shown():
            if path.resolve().is_relative_to(Path(seen).resolve()):
                raise ValueError(
                    f"{path} lies in {seen}, which every submission can read. Hidden checks stay hidden in a "
                    "folder outside of Python, of its packages and of tinygpt: your home folder, say."
                )
    return files


def hidden_cases(files: Mapping[str, bytes | None]) -> Hidden:
    """The cases of every exercise that such files have any for. Their code is run, here in the judge.

    Raises:
        ValueError: A file is not of the form that this module describes, or a case of it cannot be drawn.
    """
    hidden: Hidden = {}
    for name, source in sorted(files.items()):
        for exercise, cases in _cases_of(name, source or b"").items():
            hidden[exercise] = (*hidden.get(exercise, ()), *cases)
    return hidden


def _cases_of(name: str, source: bytes) -> dict[str, Sequence[Case]]:
    found = _run(name, source)
    stem = name.removesuffix(".py")
    chapter = next((chapter for chapter in CHAPTERS if stem in (chapter, chapter[:2])), "")
    if not chapter and stem not in EXERCISES:
        raise ValueError(f"{name} must be called after a chapter, 03_attention.py, or after an exercise.")
    cases = found if chapter else {stem: found}
    if not isinstance(cases, dict):
        raise ValueError(f"CASES of {name} must be a dictionary from exercises to lists of cases.")
    known = {exercise.name: exercise for exercise in CHAPTERS.get(chapter, EXERCISES.values())}
    if unknown := [one for one in cases if one not in known]:
        raise ValueError(f"{name} has cases for {unknown[0]!r}; its exercises are {', '.join(known)}.")
    return {one: _checked(name, known[one], listed) for one, listed in cases.items()}


def _run(name: str, source: bytes) -> Any:
    names: dict[str, Any] = {"__name__": f"hidden_{name.removesuffix('.py')}"}
    try:
        exec(compile(source, name, "exec"), names)
        return names["CASES"]
    except Exception as error:
        missing = "it defines no CASES" if error.args == ("CASES",) else f"{type(error).__name__}: {error}"
        raise ValueError(f"{name} cannot be used: {missing}.") from error


def _checked(name: str, exercise: Exercise, cases: Any) -> Sequence[Case]:
    """Cases that have been drawn once, so that a slip in them is found before anybody is graded by it."""
    if not isinstance(cases, (list, tuple)) or not all(isinstance(case, Case) for case in cases):
        raise ValueError(f"{name} must give {exercise.name} a list of Case(…).")
    for case in cases:
        try:
            args = case.draw(torch.Generator().manual_seed(0))
            exercise.reference(*args)
            if len(args) != len(exercise.arguments):
                raise TypeError(f"{len(args)} arguments in place of those of {exercise.signature}")
        except Exception as error:
            says = f"the case {case.title!r} for {exercise.name} cannot be drawn"
            raise ValueError(f"{name}: {says}: {type(error).__name__}: {error}.") from error
    return tuple(cases)
