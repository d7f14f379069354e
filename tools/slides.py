"""Cut the chapters into slides that fit a projector: sets each cell's slide type, and nothing else.

A section begins a slide. Within it cells share a slide as long as they fit; prose stays with the code that
follows it. Each further cell is a fragment: a key shows it, so every key shows something, and what answers a
prediction waits. Heights are estimates for 1280 × 720 in JupyterLab's slideshow with the type sizes of
tinygpt/cli/jupyter; other 16:9 screens are alike.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from math import ceil

import nbformat
from nbformat import NotebookNode

HEIGHT = 680  # of 720: the rest is margin
TYPES = ("slide", "subslide", "fragment", "skip", "notes")
LINE, CODE_LINE, MARGIN = 27, 22.4, 9  # pixels
COLUMNS = 120  # characters of prose in a line
LONGEST_INPUT, INPUT_OF_A_PICTURE = 0.64 * 720, 0.2 * 720  # then it scrolls; that of a view is folded away
PICTURE, CURVE, QUIZ, VIEW = 0.52 * 720, 280, 420, 590
# The highest of each kind in the course, measured; what is higher than the screen scrolls.
VIEWS = {
    "Beams": 620,
    "Budget game": 590,
    "Chat": 470,
    "KV cache": 1090,
    "Logit lens": 490,
    "Merges": 750,
    "Model map": 500,
    "Patching": 260,
    "Residual stream": 790,
    "Reward": 460,
    "Sampling": 880,
    "Switches": 360,
    "Tokens": 610,
    "Training": 400,
}
WITH_CHECKPOINTS = 110  # for the curves above a view of several checkpoints


def slide_type(cell: NotebookNode) -> str | None:
    return cell.metadata.get("slideshow", {}).get("slide_type")


def lay_out(notebook: NotebookNode) -> NotebookNode:
    """A copy whose cells are cut into slides. A cell that is `skip` or `notes` by hand stays so.

    Example:
        >>> lay_out(lay_out(notebook)) == lay_out(notebook)
        True
    """
    copy = nbformat.from_dict(notebook)
    begun, room = False, 0.0
    for unit in units(copy.cells):
        first = unit[0]
        if is_section(first):
            begun = True
        elif first is not copy.cells[0] and not begun:  # imports and helpers: run them before class
            for cell in unit:
                _set(cell, "skip")
            continue
        room = _place(unit, room, "slide" if is_section(first) or first is copy.cells[0] else None)
    return copy


def units(cells: list[NotebookNode]) -> list[list[NotebookNode]]:
    """Cells that belong together: prose and the first cell of code behind it; further code by itself."""
    found: list[list[NotebookNode]] = []
    for cell in cells:
        joins = found and found[-1][-1].cell_type == "markdown" and not is_section(cell)
        found.append([]) if not joins or len(found) == 1 else None
        found[-1].append(cell)
    return found


def is_section(cell: NotebookNode) -> bool:
    return cell.cell_type == "markdown" and cell.source.startswith("## ")


def _place(unit: list[NotebookNode], room: float, start: str | None) -> float:
    """Sets the types of a unit, given the room left on the slide; returns what is left behind it."""
    cells = [cell for cell in unit if slide_type(cell) not in ("skip", "notes")]
    apart = room < sum(map(height, cells)) <= HEIGHT  # but together on a slide of their own
    for i, cell in enumerate(cells):
        kind = start if i == 0 and start else "fragment"
        if kind == "fragment" and (height(cell) > room or (i == 0 and apart)):
            kind = "subslide"
        room = (room if kind == "fragment" else HEIGHT) - height(cell)
        _set(cell, kind)
    return room


def _set(cell: NotebookNode, kind: str) -> None:
    others = cell.metadata.get("slideshow", {})
    cell.metadata["slideshow"] = nbformat.from_dict({**others, "slide_type": kind})


def height(cell: NotebookNode) -> float:
    """About how many pixels a cell takes on a slide."""
    if cell.cell_type == "markdown":
        return _prose(cell.source)
    outputs = [_output(output) for output in cell.outputs]
    pictures = [kind for kind, _ in outputs if kind != "text"]
    cap = 0 if "view" in pictures else INPUT_OF_A_PICTURE if pictures else LONGEST_INPUT
    code = CODE_LINE * len(cell.source.splitlines()) + MARGIN
    if cell.metadata.get("jupyter", {}).get("source_hidden"):
        code = LINE
    several = (
        len([kind for kind in pictures if kind in ("picture", "curve")]) > 1
    )  # then each is shown smaller
    shown = sum(0.26 * 720 if several and kind in ("picture", "curve") else size for kind, size in outputs)
    return min(code, cap) + shown


def _prose(source: str) -> float:
    source = re.sub(r"\[!\[.*?\]\(.*?\)\]\(.*?\)", "", source)  # badges are not shown on slides
    total = 0.0
    for block in re.split(r"\n\s*\n", source):
        lines = block.strip().splitlines()
        if lines and lines[0].startswith("#"):
            total, lines = total + 2.2 * LINE, lines[1:]
        plain = lines and lines[0].startswith(("|", "```", "$$", "- ", "1."))
        rows = len(lines) if plain else len(textwrap.wrap(" ".join(lines), COLUMNS))
        if plain and lines[0].startswith(("- ", "1.")):
            rows = sum(ceil(len(item) / COLUMNS) for item in re.split(r"\n(?=- |\d\. )", "\n".join(lines)))
        total += rows * LINE + (MARGIN if lines else 0)
    return total


def _output(output: NotebookNode) -> tuple[str, float]:
    """What kind of output this is, and its pixels."""
    data = output.get("data", {})
    if "tinygpt-view" in data.get("text/html", ""):
        return "view", _view(data["text/plain"])
    if "text/html" in data:
        return "quiz", QUIZ
    if "image/svg+xml" in data:
        return "curve", CURVE
    if "image/png" in data:
        return "picture", PICTURE
    lines = (output.get("text") or data.get("text/plain", "")).rstrip("\n").splitlines()
    return "text", CODE_LINE * sum(max(1, ceil(len(line) / 115)) for line in lines) + MARGIN / 2


def _view(text: str) -> float:
    known = [pixels for name, pixels in VIEWS.items() if text.startswith(name)]
    return (known[0] if known else VIEW) + WITH_CHECKPOINTS * bool(re.search(r"^\d+ checkpoints", text, re.M))


def shows(notebook: NotebookNode) -> list[list[NotebookNode]]:
    """The slides, each with the cells that it shows."""
    found: list[list[NotebookNode]] = []
    for cell in notebook.cells:
        if slide_type(cell) in ("skip", "notes"):
            continue
        if slide_type(cell) in ("slide", "subslide") or not found:
            found.append([])
        found[-1].append(cell)
    return found


def main(argv: list[str] | None = None) -> int:
    import notebooks  # which imports this module, to lay out what it writes

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "chapters", nargs="*", help="how their file names begin, say 03; all, if none is named"
    )
    for path in notebooks.chapters(parser.parse_args(argv).chapters):
        notebook = nbformat.read(path, as_version=4)
        laid = lay_out(notebook)
        if laid != notebook:
            path.write_text(nbformat.writes(laid) + "\n", encoding="utf-8")
        print(f"{path.name}: {len(shows(laid))} slides")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
