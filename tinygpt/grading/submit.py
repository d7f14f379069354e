"""Makes the file that is handed in, and says what it would get now."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from datetime import datetime, timezone
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tinygpt.grading.check import check
from tinygpt.grading.checks import CHAPTERS
from tinygpt.grading.download import deliver
from tinygpt.grading.judge import Report, grade_one
from tinygpt.grading.own import Own, open_notebook, shell
from tinygpt.grading.receipt import UNWRITTEN, Receipt
from tinygpt.grading.record import note
from tinygpt.grading.result import Result
from tinygpt.grading.sheet import binds, chapter_of, code
from tinygpt.grading.shipped import digests
from tinygpt.grading.submission import SUFFIX, pack

VERDICT = re.compile(r"^(\w+): public checks passed \((\d+) of (\d+)\)", re.MULTILINE)
NO_TRIAL = (
    "What passes now is not known: answers are tried in a process of their own, which needs Linux or macOS. "
    "Restart the kernel, run all cells, and read what the checks say."
)

NAMELESS = (
    'The file does not say whose it is. Canvas adds your name; elsewhere give it here: name="Ada Lovelace", '
    'in a terminal --name "Ada Lovelace".'
)


def submit(
    notebook: str | os.PathLike[str] | None = None,
    *,
    name: str = "",
    out: str | os.PathLike[str] | None = None,
    chapter: str | None = None,
    trial: bool = True,
) -> Receipt:
    """Makes one file to hand in, and says what it is graded on and what passes now.

    The notebook's cells are run anew in a process of their own, as a judge does: what counts is the file and
    not what this kernel has in memory.

    Args:
        notebook: The notebook's file; None means the one that is running.
        name: Yours, for the name of the file and the manifest.
        out: The folder to write to; None means beside the notebook.
        chapter: Whose exercises it solves; None finds out.
        trial: Run the notebook and say what passes.

    Returns:
        A receipt that shows itself.

    Raises:
        ValueError: There is no such notebook, it is none or a chapter itself, or its chapter cannot be told.
    """
    own = open_notebook(notebook, "tg.grading.submit")
    cells = code(own.notebook)
    chapter = chapter or chapter_of(cells, own.name)
    if chapter not in CHAPTERS:
        raise ValueError(f"chapter must be one of {', '.join(CHAPTERS)}; got {chapter!r}.")
    if _is_lesson(own):
        raise ValueError(f"{own.name} is the chapter. Hand in its exercises: exercises/{own.name}.")
    possible = sys.platform != "win32"
    report = _rehearse(own, chapter) if trial and possible else None
    for result in report.results if report else ():
        note(result)
    more = (*(() if name else (NAMELESS,)), *(() if possible else (NO_TRIAL,)))
    warnings = (*warn(own, report, cells), *more)
    folder = Path(out) if out is not None else (own.path.parent if own.path else Path.cwd())
    folder.mkdir(parents=True, exist_ok=True)
    label = "-".join(filter(None, [Path(own.name).stem, re.sub(r"[^\w.-]+", "-", name).strip("-.")]))
    file = pack(folder / f"{label}{SUFFIX}", own.name, own.content, _manifest(name, chapter, report))
    deliver(file)
    return Receipt(file, chapter, report, warnings)


def warn(own: Own, report: Report | None, cells: list[str]) -> tuple[str, ...]:
    """What its author should know before handing a notebook in."""
    results = [r for r in report.results if not r.passed] if report else []
    lost = [r.name for r in results if r.mistake == "not found"]
    says = [_unsaved(own, [r.name for r in results], cells), _nothing_written(report)]
    says += [f"No cell defines `{name}`, so it earns nothing. {_near(name, cells)}" for name in lost]
    says += [_leftover(own, r) for r in results if r.mistake not in UNWRITTEN]
    says += [f"A cell fails when the notebook runs from the top. {p}" for p in _problems(report, lost)]
    return tuple(filter(None, says))


def _is_lesson(own: Own) -> bool:
    """Whether it is a chapter, which the exercises are named after."""
    return bool(own.path and own.path.parent.name == "course" and f"course/{own.name}" in digests())


def _rehearse(own: Own, chapter: str) -> Report:
    """What a judge finds in exactly these bytes; in a sandbox where this machine has one."""
    with tempfile.TemporaryDirectory(prefix="tinygpt-submit-") as folder:
        path = Path(folder, own.name)
        path.write_bytes(own.content)
        return grade_one(path, CHAPTERS[chapter], sandbox="bubblewrap", unsafe=True)


def _manifest(name: str, chapter: str, report: Report | None) -> dict[str, Any]:
    from tinygpt import __version__

    fields = ("name", "earned", "possible", "passed", "mistake")
    results = [{f: getattr(r, f) for f in fields} for r in report.results] if report else None
    time = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {"tinygpt": __version__, "chapter": chapter, "name": name, "time": time, "exercises": results}


def _problems(report: Report | None, lost: list[str]) -> list[str]:
    """Cells that failed, but for those that meet an answer which is not written or not there."""
    known = ["NotImplementedError", *(f"name '{name}' is not defined" for name in lost)]
    return [p for p in (report.problems if report else ()) if not any(text in p for text in known)]


def _nothing_written(report: Report | None) -> str:
    if report is None or any(r.mistake not in (*UNWRITTEN, "not found") for r in report.results):
        return ""
    return "No exercise is written in this file. If you wrote some, save the notebook first (Ctrl-S, or ⌘S)."


def _unsaved(own: Own, names: list[str], cells: list[str]) -> str:
    """Whether this kernel ran an answer that stands nowhere in the file."""
    here = shell()
    if here is None or own.path is None:
        return ""
    ran = [str(text) for text in here.user_ns.get("In", ())]
    last = {name: next((t for t in reversed(ran) if name in binds(t)), "") for name in names}
    missing = [name for name, text in last.items() if text and text.strip() not in {c.strip() for c in cells}]
    if not missing:
        return ""
    return (
        f"You ran {_listed(missing)}, and the file holds another text: it was never saved, or changed since. "
        "Save the notebook (Ctrl-S, or ⌘S) and submit again."
    )


def _leftover(own: Own, result: Result) -> str:
    """Whether an answer that fails when run anew has passed before, here or in the notebook's outputs."""
    here = shell()
    before = result.name in _shown(own)
    if here is not None and result.name in here.user_ns:
        before = check(result.name, here.user_ns[result.name]).passed
    if not before:
        return ""
    return (
        f"`{result.name}` passed in your notebook and does not when the cells are run anew. What it uses "
        "is defined in no cell any more, or a cell was changed after it ran. Restart the kernel, run all "
        "cells, and look at its check."
    )


def _shown(own: Own) -> set[str]:
    """The exercises whose last check, in the outputs that the notebook was saved with, passed."""
    done = {}
    for cell in own.notebook["cells"]:
        for output in cell.get("outputs", ()):
            text = output.get("data", {}).get("text/plain", "")
            for name, passed, of in VERDICT.findall("".join(text)):
                done[name] = passed == of
    return {name for name, passed in done.items() if passed}


def _near(name: str, cells: list[str]) -> str:
    near = get_close_matches(name, set().union(*map(binds, cells)), 1, 0.8)
    return (
        f"There is a `{near[0]}`: is it meant?" if near else f"`tinygpt reset {name}` brings its cell back."
    )


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
