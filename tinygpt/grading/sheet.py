"""A notebook as parsed JSON: its cells, the answers in them, and what tells one state from another."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from tinygpt.grading.checks import CHAPTERS

Notebook = dict[str, Any]
LONGEST = 200_000  # characters of a cell that are parsed: Python's time may grow with their square


def parsed(content: bytes, name: str) -> Notebook:
    """A notebook from the bytes of its file.

    Raises:
        ValueError: It is none.
    """
    try:
        notebook = json.loads(content.decode("utf-8-sig"))
        for cell in notebook["cells"]:
            source(cell), cell["cell_type"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ValueError(
            f"{name} is no notebook that can be read. Save it in Jupyter, or download it as .ipynb, and "
            "try again."
        ) from None
    return notebook


def written(notebook: Notebook) -> bytes:
    """The bytes of a notebook's file, as Jupyter writes it."""
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def source(cell: dict[str, Any]) -> str:
    """A cell's text, which a file may hold as one string or line by line."""
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def code(notebook: Notebook) -> list[str]:
    """The sources of the code cells, in order; the judge's "cell 3" is the third of them."""
    return [source(cell) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def binds(text: str) -> set[str]:
    """The names that the top level of a cell gives a value, even if the cell is half written.

    Example:
        >>> sorted(binds("def f(x):\\n    y = 1\\na, b = 1, 2"))
        ['a', 'b', 'f']
    """
    try:
        body = ast.parse(text if len(text) <= LONGEST else "?").body
    except (
        SyntaxError,
        ValueError,
        MemoryError,
        RecursionError,
    ):  # a magic, or too deep or long to read
        return set(re.findall(r"(?m)^(?:def |class )?(\w+)(?=\s*[(=:])", text))
    names = set()
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            names.add(statement.name)
        else:
            found = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
            names |= {node.id for node in found if isinstance(node.ctx, ast.Store)}
    return names


def answered(cells: Sequence[str]) -> dict[str, int]:
    """How many exercises of each chapter have an answer or a check in these cells."""
    bound = set().union(*map(binds, cells)) | set(re.findall(r"check\(\s*[\"'](\w+)", "\n".join(cells)))
    return {chapter: sum(e.name in bound for e in exercises) for chapter, exercises in CHAPTERS.items()}


def chapter_of(cells: Sequence[str], name: str) -> str:
    """The chapter whose exercises a notebook solves: by the answers and checks in it, else by its name.

    Raises:
        ValueError: Neither tells.
    """
    count = answered(cells)
    best = max(count, key=lambda chapter: count[chapter])
    if not count[best]:
        best = next((chapter for chapter in CHAPTERS if chapter[:2] == name[:2]), "")
    if not best:
        raise ValueError(
            f"{name} defines no exercise of any chapter, and its name begins with no chapter's number. "
            f"Say which chapter it belongs to: one of {', '.join(CHAPTERS)}."
        )
    return best


def digest(notebook: Notebook) -> str:
    """A short text that is the same for two files with the same cells and outputs, whoever wrote them."""
    state = [
        [cell["cell_type"], source(cell), [_plain(output) for output in cell.get("outputs", ())]]
        for cell in notebook["cells"]
    ]
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    """An output without what differs between two programs that save it, or two runs of one cell."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if k not in ("execution_count", "metadata")}
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value
