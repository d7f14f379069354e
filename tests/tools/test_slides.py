"""The chapters are cut into slides that fit a projector."""

from __future__ import annotations

from pathlib import Path

import nbformat
import notebooks
import pytest
import slides
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

CHAPTERS = notebooks.chapters([])


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def chapter(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    path: Path = request.param
    return nbformat.read(path, as_version=4)


def test_a_chapter_is_laid_out_as_the_tool_lays_it_out(chapter: nbformat.NotebookNode) -> None:
    stored = [slides.slide_type(cell) for cell in chapter.cells]
    assert stored == [slides.slide_type(cell) for cell in slides.lay_out(chapter).cells], "run `make plans`"


def test_its_slides_are_few_enough_things_to_fit(chapter: nbformat.NotebookNode) -> None:
    assert {slides.slide_type(cell) for cell in chapter.cells} <= set(slides.TYPES)
    assert slides.slide_type(chapter.cells[0]) == "slide"
    for cell in filter(slides.is_section, chapter.cells):
        assert slides.slide_type(cell) == "slide"
    for shown in slides.shows(chapter):
        assert len(shown) <= 9
        assert sum(len(cell.source.split()) for cell in shown if cell.cell_type == "markdown") <= 280
        assert len(shown) == 1 or sum(map(slides.height, shown)) <= slides.HEIGHT
        code = [cell for cell in shown if cell.cell_type == "code" and "jupyter" not in cell.metadata]
        lines = sum(len(cell.source.splitlines()) for cell in code)
        assert lines <= 40


def test_its_slides_have_something_on_them(chapter: nbformat.NotebookNode) -> None:
    """Few words without code are a question that closes a section, or what no slide holds with its view."""
    prose = [shown for shown in slides.shows(chapter) if all(c.cell_type == "markdown" for c in shown)]
    assert sum(sum(map(slides.height, shown)) < 130 for shown in prose) <= 5


def notebook(*cells: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return new_notebook(cells=[new_markdown_cell("# Title"), new_code_cell("import this"), *cells])


def kinds(*cells: nbformat.NotebookNode) -> list[str | None]:
    return [slides.slide_type(cell) for cell in slides.lay_out(notebook(*cells)).cells]


def test_what_comes_before_the_first_section_is_not_shown() -> None:
    assert kinds(new_markdown_cell("## 1. One"), new_code_cell("x = 1")) == [
        "slide",
        "skip",
        "slide",
        "fragment",
    ]


def code(lines: int) -> nbformat.NotebookNode:
    return new_code_cell("\n".join("x = 1" for _ in range(lines)))


def test_what_does_not_fit_begins_a_slide_with_its_prose() -> None:
    head, prose = new_markdown_cell("## 1. One"), new_markdown_cell("Go on. " * 30)
    assert kinds(head, code(18), prose, code(17)) == [
        "slide",
        "skip",
        "slide",
        "fragment",
        "subslide",
        "fragment",
    ]


def test_prose_and_code_that_fit_no_slide_together_are_parted() -> None:
    long = code(20)
    long.outputs = [new_output("stream", text="y\n" * 9)]
    prose = [new_markdown_cell("Go on."), new_markdown_cell("word " * 150)]
    assert kinds(new_markdown_cell("## 1. One"), *prose, long)[-1] == "subslide"


def test_what_no_slide_holds_together_begins_none() -> None:
    view = code(2)
    data = {"text/html": '<div class="tinygpt-view">', "text/plain": "Residual stream view: 9 parts"}
    view.outputs = [new_output("display_data", data=data)]
    cells = [new_markdown_cell("## 1. One"), code(2), new_markdown_cell("Look at the rows."), view]
    assert kinds(*cells)[-3:] == ["fragment", "fragment", "subslide"]
    view.outputs[0].data["text/plain"] = "Switches view: 8 heads"
    cells[1] = code(18)
    assert kinds(*cells)[-2:] == ["subslide", "fragment"], "a low view comes with its prose"


def test_checkpoints_need_room_for_their_curves() -> None:
    view = new_code_cell("view", outputs=[new_output("display_data")])
    view.outputs[0].data = {
        "text/html": '<div class="tinygpt-view">',
        "text/plain": "Attention view: 2 layers",
    }
    before = slides.height(view)
    view.outputs[0].data["text/plain"] += "\n31 checkpoints, from step 0 to step 600"
    assert slides.height(view) > before


def test_what_was_hidden_by_hand_stays_hidden() -> None:
    aside = new_markdown_cell("For the teacher.", metadata={"slideshow": {"slide_type": "notes"}})
    assert kinds(new_markdown_cell("## 1. One"), aside, new_code_cell("x"))[-2:] == ["notes", "fragment"]


def test_nothing_but_slide_types_is_touched() -> None:
    cell = new_code_cell("x", metadata={"slideshow": {"slide_type": "-", "other": 1}, "tags": ["a"]})
    laid = slides.lay_out(notebook(new_markdown_cell("## 1. One"), cell)).cells[-1]
    assert laid.metadata == {"slideshow": {"slide_type": "fragment", "other": 1}, "tags": ["a"]}
    assert laid.source == cell.source
