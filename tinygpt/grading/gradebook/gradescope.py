"""What runs in Gradescope's container: `python -m tinygpt.grading.gradebook.gradescope /autograder`.

The container is made for one submission and thrown away after it, so no student can reach another one.
Where it forbids the sandbox that `tinygpt grade` uses, the submission runs under an account of its own: it
cannot write the results, read the hidden checks or touch the judge's process. It can read the references,
which are public with the package, and it can use the network if the container has one.
"""

from __future__ import annotations

import json
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from tinygpt.data.cache import write_whole
from tinygpt.grading.checks import CHAPTERS
from tinygpt.grading.gradebook.intake import Submission, intake
from tinygpt.grading.gradebook.plain import picture, plain
from tinygpt.grading.gradebook.shipment import content
from tinygpt.grading.judge.batch import opened, ungraded
from tinygpt.grading.judge.engines import engine
from tinygpt.grading.judge.grade import Report, grade_one
from tinygpt.grading.judge.limits import Limits
from tinygpt.grading.judge.private import Hidden, hidden_cases
from tinygpt.grading.judge.sandbox import guest

# For half a core and the ten minutes after which Gradescope gives up.
LIMITS = Limits(start=150.0, cell=120.0, call=40.0, total=480.0)
BROKEN = "The autograder failed, which is no mistake of yours. Please tell your teacher: {0}"


def main(root: Path) -> None:
    """Grades what lies in `root/submission`, and writes `root/results/results.json` whatever happens."""
    chapter = ""
    try:
        chapter = json.loads((root / "source" / "chapter.json").read_text("utf-8"))
        found = results(_graded(root, chapter))
    except ValueError as error:
        found = _nothing(str(error))
    except Exception as error:
        traceback.print_exc()  # for the teacher: students do not see it
        found = _nothing(BROKEN.format(f"{type(error).__name__}: {error}"))
    (root / "results").mkdir(parents=True, exist_ok=True)
    write_whole(root / "results" / "results.json", json.dumps(found, indent=1).encode())


def _nothing(says: str) -> dict[str, Any]:
    return {"score": 0, "output": says, "output_format": "text", "stdout_visibility": "hidden"}


def results(report: Report) -> dict[str, Any]:
    """A report in Gradescope's form: one test per check, with the diagnosis at the first that failed."""
    found = plain(report)
    tests = [test for exercise in found["exercises"] for test in _tests(exercise)]
    return {
        "score": found["earned"],
        "execution_time": round(found["seconds"]),
        "output": "\n".join(found["problems"]) or "The notebook ran without an error.",
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "stdout_visibility": "hidden",
        "tests": tests,
    }


def _tests(exercise: dict[str, Any]) -> list[dict[str, Any]]:
    tests = []
    told = False
    hidden = ", hidden" if exercise["kind"] == "hidden" else ""
    for check in exercise["checks"]:
        output = "" if check["passed"] else check["finding"]
        if not check["passed"] and not told:
            told, output = True, _explained(exercise)
        tests.append(
            {
                "name": f"{exercise['name']}{hidden}: {check['title']}",
                "score": check["points"] if check["passed"] else 0,
                "max_score": check["points"],
                "status": "passed" if check["passed"] else "failed",
                "output": output,
            }
        )
    return tests


def _explained(exercise: dict[str, Any]) -> str:
    shown = picture(exercise["picture"])
    says = exercise["diagnosis"] or f"The likely mistake: {exercise['mistake']}"
    return f"{says}\n\n{shown}" if shown else says


def _graded(root: Path, chapter: str) -> Report:
    exercises, hidden = CHAPTERS[chapter], _hidden(root / "source" / "hidden")
    which = engine(unsafe=True)
    if which == "none" and hidden and not guest(which):
        raise ValueError(BROKEN.format("without root or a sandbox, hidden checks are not hidden."))
    with intake(root / "submission") as found, tempfile.TemporaryDirectory() as folder:
        one = _chosen(found.submissions, chapter)
        try:
            notebook = opened(one.path.name, content(one.path)).notebook
        except ValueError as error:
            return ungraded(one.path.name, "not a notebook", str(error), exercises, hidden)
        path = Path(folder, f"{chapter}.ipynb")
        path.write_bytes(notebook)
        return grade_one(path, exercises, hidden=hidden, limits=LIMITS, unsafe=True)


def _chosen(submissions: tuple[Submission, ...], chapter: str) -> Submission:
    """The only notebook, or the only one with the chapter's name.

    Raises:
        ValueError: There are more.
    """
    named = [one for one in submissions if chapter in one.name]
    for choice in (submissions, named):
        if len(choice) == 1:
            return choice[0]
    raise ValueError(
        f"hand in one notebook, {chapter}.ipynb; got {', '.join(one.path.name for one in submissions)}."
    )


def _hidden(folder: Path) -> Hidden:
    return hidden_cases({path.name: path.read_bytes() for path in sorted(folder.glob("*"))})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
