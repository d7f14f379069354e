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


def test_its_answers_wait_for_a_key(chapter: nbformat.NotebookNode) -> None:
    kinds = [slides.slide_type(cell) for cell in chapter.cells]
    for before, cell, kind in zip(chapter.cells, chapter.cells[1:], kinds[1:], strict=False):
        if slides.is_prediction(before) and cell.cell_type == "code" and kind is None:
            pytest.fail(f"{cell.id} shows the answer beside the question")
    assert kinds.count("fragment") >= 8


def notebook(*cells: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return new_notebook(cells=[new_markdown_cell("# Title"), new_code_cell("import this"), *cells])


def kinds(*cells: nbformat.NotebookNode) -> list[str | None]:
    return [slides.slide_type(cell) for cell in slides.lay_out(notebook(*cells)).cells]


def test_what_comes_before_the_first_section_is_not_shown() -> None:
    assert kinds(new_markdown_cell("## 1. One"), new_code_cell("x = 1")) == ["slide", "skip", "slide", None]


def code(lines: int) -> nbformat.NotebookNode:
    return new_code_cell("\n".join("x = 1" for _ in range(lines)))


def test_what_does_not_fit_begins_a_slide_with_its_prose() -> None:
    head, prose = new_markdown_cell("## 1. One"), new_markdown_cell("Go on. " * 30)
    assert kinds(head, code(18), prose, code(17)) == ["slide", "skip", "slide", None, "subslide", None]


def test_prose_and_code_that_fit_no_slide_together_are_parted() -> None:
    long = code(20)
    long.outputs = [new_output("stream", text="y\n" * 9)]
    prose = [new_markdown_cell("Go on."), new_markdown_cell("word " * 150)]
    assert kinds(new_markdown_cell("## 1. One"), *prose, long)[-1] == "subslide"


def test_the_answer_to_a_prediction_waits() -> None:
    asked = [new_markdown_cell("## 1. One\n\n**Predict** it."), new_code_cell("print(1)")]
    assert kinds(*asked)[-1] == "fragment"


def test_what_was_hidden_by_hand_stays_hidden() -> None:
    aside = new_markdown_cell("For the teacher.", metadata={"slideshow": {"slide_type": "notes"}})
    assert kinds(new_markdown_cell("## 1. One"), aside, new_code_cell("x"))[-2:] == ["notes", None]


def test_nothing_but_slide_types_is_touched() -> None:
    cell = new_code_cell("x", metadata={"slideshow": {"slide_type": "-", "other": 1}, "tags": ["a"]})
    laid = slides.lay_out(notebook(new_markdown_cell("## 1. One"), cell)).cells[-1]
    assert laid.metadata == {"slideshow": {"other": 1}, "tags": ["a"]} and laid.source == cell.source
