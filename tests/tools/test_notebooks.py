from __future__ import annotations

from pathlib import Path

import nbformat
import notebooks
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

SOURCE = """import os, sys
for i in range(3):
    print(f"step {i}", end="\\r")
print("done")
print(os.environ["TINYGPT_BUDGET"], sys.executable)
"""


def example(*cells: NotebookNode) -> NotebookNode:
    return new_notebook(cells=list(cells) or [new_markdown_cell("# Title"), new_code_cell(SOURCE)])


@pytest.fixture
def chapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "course").mkdir()
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    path = tmp_path / "course" / "03_example.ipynb"
    nbformat.write(example(), path)
    return path


@pytest.mark.slow
def test_a_chapter_is_run_and_written_back_clean(chapter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert notebooks.main(["03", "--budget", "ci"]) == 0
    once = chapter.read_bytes()
    import sys

    (output,) = nbformat.read(chapter, 4).cells[1].outputs
    assert output.text.splitlines() == ["done", f"ci {sys.executable}"]
    assert "kB" in capsys.readouterr().out
    assert notebooks.main(["03", "--budget", "ci"]) == 0
    assert chapter.read_bytes() == once


@pytest.mark.slow
def test_a_failing_chapter_is_left_as_it_was(chapter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nbformat.write(example(new_code_cell("1 / 0")), chapter)
    before = chapter.read_bytes()
    assert notebooks.main([]) == 1
    assert chapter.read_bytes() == before
    assert "ZeroDivisionError" in capsys.readouterr().out


@pytest.mark.slow
def test_the_kernel_is_measured(tmp_path: Path) -> None:
    cell = new_code_cell("held = b'x' * 400_000_000")
    run = notebooks.execute(example(cell), tmp_path, "ci")
    assert run.seconds > 0
    assert run.peak is None or 400e6 < run.peak < 700e6
    assert "execution" not in cell.metadata, "the notebook passed in is not changed"


def test_a_chapter_that_is_too_large_is_not_written(
    chapter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nbformat.write(example(new_markdown_cell("x" * notebooks.LARGEST)), chapter)
    before = chapter.read_bytes()
    assert notebooks.main(["--only-clean"]) == 1
    assert chapter.read_bytes() == before
    assert "Show fewer or smaller pictures" in capsys.readouterr().out


def test_an_unknown_chapter_is_an_error(chapter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert notebooks.main(["99"]) == 1
    assert "begins with 99" in capsys.readouterr().out


def test_random_ids_become_ids_of_the_content_and_chosen_ones_stay() -> None:
    def ids() -> list[str]:
        cells = [new_code_cell("1"), new_code_cell("1"), new_code_cell("2"), new_code_cell("3", id="chosen")]
        return [cell.id for cell in notebooks.clean(example(*cells)).cells]

    assert ids() == ids()
    assert len(set(ids())) == 4
    assert ids()[3] == "chosen"


def test_cleaning_takes_out_what_changes_from_run_to_run() -> None:
    widget = new_output("display_data", {notebooks.WIDGET: {"model_id": "f00"}, "text/plain": "Box()"})
    streams = [new_output("stream", text=text) for text in (" 10%\r", " 90%\r100%\nloss 1.5\n", "end\r\n")]
    cell = new_code_cell(
        "fit()", outputs=[widget, *streams], metadata={"execution": {"iopub.execute_input": "2026"}}
    )
    notebook = example(cell)
    notebook.metadata.widgets = {"state": {}}
    cleaned = notebooks.clean(notebook)
    assert set(cleaned.metadata) == {"kernelspec", "language_info"}
    assert cleaned.cells[0].metadata == {}
    assert [output.text for output in cleaned.cells[0].outputs] == ["100%\nloss 1.5\nend\r\n"]
    assert notebooks.clean(cleaned) == cleaned
