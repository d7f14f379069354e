"""Writes the student notebooks: `python -m tinygpt.grading.release` turns `solutions/` into `exercises/`.

It also notes in `shipped.json` how the course looks that a student gets.

A solution notebook is the only source. Its markers are nbgrader's: what stands between `### BEGIN SOLUTION`
and `### END SOLUTION` becomes a stub, what stands between `### BEGIN HIDDEN TESTS` and
`### END HIDDEN TESTS` disappears, and so do the cells tagged "bank": right and wrong answers for the tests.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinygpt.grading import shipped

BANK = "bank"
STUB = "your code here"
SOLUTION = ("### BEGIN SOLUTION", "### END SOLUTION")
HIDDEN = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")


def student_notebook(solution: dict[str, Any]) -> dict[str, Any]:
    """The notebook a student gets: no solutions, hidden tests, bank or outputs; cell ids as in the source.

    Args:
        solution: A notebook as parsed JSON. It is not changed.

    Raises:
        ValueError: A marker has no partner, or the notebook has no kernel in its metadata.
    """
    if "kernelspec" not in solution["metadata"]:
        raise ValueError(
            "The notebook names no kernel, so JupyterLab would ask. Save it once with a Python kernel."
        )
    kept = [cell for cell in solution["cells"] if BANK not in cell["metadata"].get("tags", [])]
    cells = [_student_cell(cell) for cell in kept]
    metadata = {
        key: solution["metadata"][key]
        for key in ("kernelspec", "language_info")
        if key in solution["metadata"]
    }
    return {
        **solution,
        "metadata": metadata,
        "cells": [cell for cell in cells if "".join(cell["source"]).strip()],
    }


def student_source(source: str) -> str:
    """A cell's code without its solutions and hidden tests.

    Example:
        >>> print(student_source("def f(x):\\n    ### BEGIN SOLUTION\\n    return x\\n    ### END SOLUTION"))
        def f(x):
            # your code here
            raise NotImplementedError
    """
    return "\n".join(_replace(_replace(source.split("\n"), *HIDDEN, stub=False), *SOLUTION, stub=True)).strip(
        "\n"
    )


def release(solutions: Path, exercises: Path) -> list[Path]:
    """Writes one student notebook for every solution notebook, and returns their paths."""
    exercises.mkdir(exist_ok=True)
    return [_write(path, exercises / path.name) for path in sorted(solutions.glob("*.ipynb"))]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tinygpt.grading.release", description=__doc__.splitlines()[0]
    )
    parser.add_argument("solutions", nargs="?", type=Path, default=Path("solutions"))
    parser.add_argument("exercises", nargs="?", type=Path, default=Path("exercises"))
    options = parser.parse_args(argv)
    for path in release(options.solutions, options.exercises):
        print(path)
    if (root := shipped.FILE.parents[2]) == options.exercises.resolve().parent:
        print(shipped.write(root))


def _student_cell(cell: dict[str, Any]) -> dict[str, Any]:
    if cell["cell_type"] != "code":
        return {**cell, "metadata": {}}
    source = student_source("".join(cell["source"])).splitlines(keepends=True)
    return {**cell, "metadata": {}, "source": source, "outputs": [], "execution_count": None}


def _replace(lines: list[str], begin: str, end: str, stub: bool) -> list[str]:
    """The lines outside `begin` … `end`, with a stub in place of each stretch inside when one is wanted."""
    kept: list[str] = []
    inside = False
    for line in lines:
        marker = line.strip()
        if marker in (begin, end):
            if inside == (marker == begin):
                raise ValueError(f"{marker!r} has no partner. Write {begin!r} and {end!r} in turn.")
            inside = marker == begin
            if inside and stub:
                kept += _stub(line[: len(line) - len(line.lstrip())])
        elif not inside:
            kept.append(line)
    if inside:
        raise ValueError(f"{begin!r} has no partner. Close it with {end!r}.")
    return kept


def _stub(indent: str) -> list[str]:
    """Inside a function the stub raises; at the top of a cell it only marks the place."""
    return [f"{indent}# {STUB}", *([f"{indent}raise NotImplementedError"] if indent else [])]


def _write(source: Path, target: Path) -> Path:
    notebook = student_notebook(json.loads(source.read_text(encoding="utf-8")))
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    target.write_text(text, encoding="utf-8", newline="\n")
    return target


if __name__ == "__main__":
    main()
