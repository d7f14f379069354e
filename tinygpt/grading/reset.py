"""Brings the empty answer of one exercise back, and loses nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygpt.data.cache import write_whole
from tinygpt.grading.own import shell
from tinygpt.grading.sheet import Notebook, binds, parsed, source, written
from tinygpt.grading.shipped import Stub, stub


@dataclass(frozen=True, repr=False)
class Reset:
    """What `reset` did, in a sentence or two, and where the old text is."""

    says: str
    backup: Path | None = None

    def __repr__(self) -> str:
        return self.says


def reset(name: str, notebook: str | os.PathLike[str] | None = None) -> Reset:
    """Brings back the cell of an exercise as it was shipped.

    In a notebook, without a file, the empty answer comes as a new cell below this one: the page owns the text
    of the cells, so what you wrote stays where it is, for you to delete. With a file, that cell's text is
    replaced, and the old text is kept in a file beside it.

    Args:
        name: The exercise: "causal_attention".
        notebook: The notebook's file.

    Returns:
        What was done, which shows itself.

    Raises:
        ValueError: There is no such exercise or file, the file is no notebook, or no notebook runs this.
    """
    shipped = stub(name)
    if notebook is not None:
        return _in_file(name, shipped, Path(notebook).expanduser())
    here = shell()
    if here is None or not hasattr(here, "kernel"):
        raise ValueError(f"Say which notebook: reset({name!r}, 'exercises/{shipped.chapter}.ipynb').")
    here.set_next_input(shipped.text, replace=False)
    return Reset(
        f"The empty answer of {name} stands in a new cell below. Your own cell is as it was: delete it once "
        "you have what you want of it. While both are there, the last one that is written counts."
    )


def _in_file(name: str, shipped: Stub, path: Path) -> Reset:
    if not path.is_file():
        raise ValueError(f"There is no file {str(path)!r}. Say where the notebook is, from {Path.cwd()}.")
    notebook = parsed(path.read_bytes(), path.name)
    where = _cell(notebook, name, shipped)
    if where is None:
        _insert(notebook, name, shipped)
        write_whole(path, written(notebook))
        return Reset(f"No cell of {path.name} was for {name} alone: a new one is, above its check. {RELOAD}")
    cell = notebook["cells"][where]
    old = source(cell)
    if old == shipped.text:
        return Reset(f"{name} in {path.name} is as it was shipped; nothing was changed.")
    backup = _backup(path, name, old)
    cell |= {"source": shipped.text.splitlines(keepends=True), "outputs": [], "execution_count": None}
    write_whole(path, written(notebook))
    return Reset(f"{name} in {path.name} is as it was shipped. Your text is in {backup}. {RELOAD}", backup)


RELOAD = "Is the notebook open? Then choose File > Reload Notebook from Disk before you save it again."


def _cell(notebook: Notebook, name: str, shipped: Stub) -> int | None:
    """Which cell to reset: the one it was shipped in, else the last that defines this name alone."""
    cells = [
        (number, cell)
        for number, cell in enumerate(notebook["cells"])
        if cell["cell_type"] == "code" and name in binds(source(cell))
    ]
    own = [n for n, cell in cells if shipped.cell in (cell.get("id"), cell["metadata"].get("id"))]
    alone = [n for n, cell in cells if binds(source(cell)) == {name}]
    return (own or alone or [None])[-1]


def _insert(notebook: Notebook, name: str, shipped: Stub) -> None:
    """Puts the empty answer above its check, or at the end where there is no check."""
    cells = notebook["cells"]
    checks = (i for i, cell in enumerate(cells) if f'check("{name}"' in source(cell))
    new: dict[str, Any] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    new["source"] = shipped.text.splitlines(keepends=True)
    if all("id" in cell for cell in cells):
        taken = {cell["id"] for cell in cells}
        new["id"] = next(text for text in _names(shipped.cell, "") if text not in taken)
    cells.insert(next(checks, len(cells)), new)


def _backup(path: Path, name: str, text: str) -> Path:
    """Keeps a text beside the notebook, in a file of its own that was not there before."""
    for label in _names(f"{path.stem}.{name}.before-reset", ".py"):
        target = path.with_name(label)
        try:
            with target.open("x", encoding="utf-8") as file:
                file.write(text + "\n")
            return target
        except FileExistsError:
            continue
    raise AssertionError


def _names(stem: str, suffix: str) -> Iterator[str]:
    yield stem + suffix
    number = 2
    while True:
        yield f"{stem}-{number}{suffix}"
        number += 1
