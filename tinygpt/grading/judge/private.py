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

The course's own notebooks in `solutions/` serve as well: a cell with `check("causal_attention", …)` gives the
list `hidden` between `### BEGIN HIDDEN TESTS` and `### END HIDDEN TESTS`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from tinygpt.grading.checks import CHAPTERS, EXERCISES
from tinygpt.grading.exercise import Case, Exercise
from tinygpt.grading.judge.engines import shown
from tinygpt.grading.sheet import code, parsed

BLOCK = re.compile(r"### BEGIN HIDDEN TESTS\n(.*?)### END HIDDEN TESTS", re.S)
ASKED = re.compile(r"check\(\s*[\"'](\w+)[\"']")

Hidden = dict[str, tuple[Case, ...]]


def private_files(folder: Path, chapter: str) -> dict[str, Path]:
    """The files with hidden checks in a folder, by their names: all in Python, and the chapter's notebook.

    Raises:
        ValueError: There are none, or a submission could read them.
    """
    wanted = f"Python files with hidden checks, or {chapter}.ipynb of solutions/"
    if not folder.is_dir():
        raise ValueError(f"the private folder must be a folder with {wanted}; got {str(folder)!r}.")
    files = {path.name: path for path in sorted([*folder.glob("*.py"), *folder.glob(f"{chapter}.ipynb")])}
    if not files:
        raise ValueError(f"the private folder must have {wanted}; there are none in {str(folder)!r}.")
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
    found = _blocks(name, source) if name.endswith(".ipynb") else _run(name, source)
    stem = Path(name).stem
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


def _blocks(name: str, source: bytes) -> dict[str, list[Case]]:
    """The cases of a solution notebook; what its blocks call by themselves, the checks, is left out."""
    found: dict[str, list[Case]] = {}
    for cell in code(parsed(source, name)):
        asked = ASKED.search(cell)
        for block in BLOCK.findall(cell) if asked else ():
            given = [node for node in ast.parse(block).body if not isinstance(node, ast.Expr)]
            made = "import torch\nimport tinygpt as tg\n" + ast.unparse(ast.Module(given, []))
            found.setdefault(asked[1], []).extend(_run(name, made, "hidden"))
    if not found:
        raise ValueError(f"{name} has no hidden checks. Take the one in solutions/.")
    return found


def _run(name: str, source: bytes | str, wanted: str = "CASES") -> Any:
    names: dict[str, Any] = {"__name__": f"hidden_{Path(name).stem}"}
    try:
        exec(compile(source, name, "exec"), names)
        return names[wanted]
    except Exception as error:
        missing = f"it defines no {wanted}" if error.args == (wanted,) else f"{type(error).__name__}: {error}"
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
