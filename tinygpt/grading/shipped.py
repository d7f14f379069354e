"""What the course came with: empty answers, hidden points, the state of each notebook; `release` writes it.

It is part of the package, since whoever works on Colab has no `exercises/` beside the notebook.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tinygpt.grading.checks import find
from tinygpt.grading.sheet import binds, digest, parsed, source

FILE = Path(__file__).with_name("shipped.json")
HIDDEN = re.compile(r"of which (\d+) are for hidden\s+checks")


@dataclass(frozen=True)
class Stub:
    """The cell of an answer before anybody wrote in it: the chapter, the cell's id, its text."""

    chapter: str
    cell: str
    text: str


def stub(name: str) -> Stub:
    """The empty answer of an exercise.

    Raises:
        ValueError: There is no exercise of that name.
    """
    return Stub(**_shipped()["stubs"][find(name).name])


def digests() -> dict[str, str]:
    """`course/03_attention.ipynb` → the digest of that notebook as it was shipped."""
    return dict(_shipped()["notebooks"])


def hidden_points(chapter: str) -> int:
    """How many points the exercises of a chapter announce for hidden checks."""
    return _shipped()["hidden"].get(chapter, 0)


def gather(root: Path) -> dict[str, Any]:
    """What `shipped.json` must hold, from the folders `course/` and `exercises/` below `root`."""
    notebooks, stubs, hidden = {}, {}, {}
    for path in sorted([*root.glob("course/*.ipynb"), *root.glob("exercises/*.ipynb")]):
        notebook = parsed(path.read_bytes(), path.name)
        notebooks[f"{path.parent.name}/{path.name}"] = digest(notebook)
        if path.parent.name == "exercises":
            stubs |= _stubs(notebook, path.stem)
            header = HIDDEN.search(" ".join(map(source, notebook["cells"][:3])))
            hidden[path.stem] = int(header[1]) if header else 0
    return {"notebooks": notebooks, "stubs": stubs, "hidden": hidden}


def write(root: Path, target: Path = FILE) -> Path:
    """Writes `shipped.json`, and returns its path."""
    text = json.dumps(gather(root), indent=1, ensure_ascii=False) + "\n"
    target.write_text(text, encoding="utf-8", newline="\n")
    return target


def _stubs(notebook: dict[str, Any], chapter: str) -> dict[str, dict[str, str]]:
    """For each name that is checked, the last cell that defines it and has a place for the answer."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    asked = re.findall(r'check\("(\w+)"', "\n".join(source(cell) for cell in cells))
    return {
        name: {"chapter": chapter, "cell": cell["id"], "text": source(cell)}
        for name in dict.fromkeys(asked)
        for cell in cells
        if "# your code here" in source(cell) and name in binds(source(cell))
    }


@cache
def _shipped() -> dict[str, Any]:
    return json.loads(FILE.read_text(encoding="utf-8"))
