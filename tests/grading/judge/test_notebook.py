"""What is handed in: cells are read from every form of notebook, and all else is refused in words."""

from __future__ import annotations

import json

import pytest
from grading.judge.handing_in import ASKED

from tinygpt.grading.judge import grade_one
from tinygpt.grading.judge.notebook import LARGEST, NotANotebook, code_cells

CELL = {"cell_type": "code", "source": ["x = 1\n", "y = 2"]}
NOTE = {"cell_type": "markdown", "source": "x"}


def written(folder, content):
    path = folder / "a.ipynb"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


@pytest.mark.parametrize(
    "notebook",
    [
        {"cells": [CELL, NOTE]},
        {"cells": [CELL], "metadata": {"kernelspec": {"name": "ir", "language": "R"}}, "nbformat": 99},
        {"cells": [CELL], "metadata": {"kernelspec": "python"}},
        {"cells": [{**CELL, "outputs": [{"output_type": "no such type"}], "execution_count": "x"}]},
        {"worksheets": [{"cells": [{"cell_type": "code", "input": "x = 1\ny = 2"}]}], "nbformat": 3},
    ],
    ids=["of today", "of another kernel", "with broken metadata", "with broken outputs", "of format 3"],
)
def test_cells_are_read_from_every_form_of_notebook(notebook, tmp_path):
    assert code_cells(written(tmp_path, notebook)) == ["x = 1\ny = 2"]


def test_a_byte_order_mark_does_no_harm(tmp_path):
    content = b"\xef\xbb\xbf" + json.dumps({"cells": [CELL]}).encode()
    assert code_cells(written(tmp_path, content)) == ["x = 1\ny = 2"]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\xff\xfe\0", b"%PDF-1.7", b"[]", b"3", b"[" * 100_000, b"{}x", b'{"x": NaN'),
        *(b'{"cells": 3}', b'{"cells": [3]}', b'{"cells": {"a": 1}}', b'{"cells": [{"cell_type": "code"}]}'),
        b'{"cells": [{"cell_type": "code", "source": 3}]}',
        b'{"cells": [{"cell_type": "code", "source": [3]}]}',
    ],
    ids=range(14),
)
def test_what_is_no_notebook_is_refused(content, tmp_path):
    with pytest.raises(NotANotebook, match=r"a\.ipynb is no notebook\. Save it in Jupyter"):
        code_cells(written(tmp_path, content))


def test_a_link_and_a_folder_are_refused(tmp_path):
    written(tmp_path, {"cells": []})
    (tmp_path / "link.ipynb").symlink_to(tmp_path / "a.ipynb")
    (tmp_path / "folder.ipynb").mkdir()
    for name in ("link", "folder", "absent"):
        with pytest.raises(NotANotebook, match="not a file of its own"):
            code_cells(tmp_path / f"{name}.ipynb")


def test_a_notebook_of_more_than_50_megabytes_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "a.ipynb"
    with path.open("wb") as file:
        file.truncate(LARGEST + (1 << 20))
    with pytest.raises(NotANotebook, match=r"a\.ipynb has 51 MB; at most 50 are read\. Clear its outputs"):
        code_cells(path)


def test_what_is_no_notebook_gets_a_report_like_any_other(tmp_path, sandboxed):
    report = grade_one(written(tmp_path, b"%PDF-1.7"), ASKED, sandbox=sandboxed)
    assert report.earned == 0 and report.possible == 11
    assert {result.mistake for result in report.results} == {"not a notebook"}
    assert "no notebook" in report.problems[0]


def test_reading_takes_no_more_memory_than_the_judge_may(tmp_path, sandboxed, monkeypatch):
    """A notebook of 9 MB that would be 240 MB of lists."""
    monkeypatch.setattr("tinygpt.grading.judge.grade.MEMORY", 100 << 20)
    content = b'{"cells": [], "x": [' + b"[]," * 3_000_000 + b"[]]}"
    report = grade_one(written(tmp_path, content), ASKED, sandbox=sandboxed)
    assert {result.mistake for result in report.results} == {"not a notebook"}
