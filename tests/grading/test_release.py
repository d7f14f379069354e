"""From a solution notebook to a student notebook."""

from __future__ import annotations

import json

import pytest

from tinygpt.grading.release import main, student_notebook, student_source

SOLVED = """def f(x):
    y = 1
    ### BEGIN SOLUTION
    return x + y
    ### END SOLUTION


after = 1"""


def notebook(*cells, **metadata):
    return {
        "cells": list(cells),
        "metadata": {"kernelspec": {"name": "python3"}, "widgets": {}, **metadata},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def code(source, id="a", **metadata):
    return {
        "cell_type": "code",
        "id": id,
        "metadata": metadata,
        "source": source.splitlines(keepends=True),
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "42"}],
        "execution_count": 3,
    }


def test_a_solution_becomes_a_stub_that_raises():
    assert student_source(SOLVED) == (
        "def f(x):\n    y = 1\n    # your code here\n    raise NotImplementedError\n\n\nafter = 1"
    )


def test_at_the_top_of_a_cell_the_stub_is_a_comment():
    assert (
        student_source("x = None\n### BEGIN SOLUTION\nx = 1\n### END SOLUTION")
        == "x = None\n# your code here"
    )


def test_hidden_tests_disappear():
    assert (
        student_source("a = 1\n### BEGIN HIDDEN TESTS\nsecret\n### END HIDDEN TESTS\nb = 2") == "a = 1\nb = 2"
    )


@pytest.mark.parametrize(
    "source",
    ["### BEGIN SOLUTION\nx", "### END SOLUTION", "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION"],
)
def test_a_lonely_marker_is_refused(source):
    with pytest.raises(ValueError, match="has no partner"):
        student_source(source)


def test_bank_outputs_and_metadata_disappear_and_ids_stay():
    solution = notebook(code("x = 1", "one", tags=["mine"]), code("# right answer", "two", tags=["bank"]))
    before = json.dumps(solution)
    student = student_notebook(solution)
    assert [cell["id"] for cell in student["cells"]] == ["one"]
    cell = student["cells"][0]
    assert cell["outputs"] == [] and cell["execution_count"] is None and cell["metadata"] == {}
    assert student["metadata"] == {"kernelspec": {"name": "python3"}}
    assert json.dumps(solution) == before


def test_a_notebook_without_a_kernel_is_refused():
    with pytest.raises(ValueError, match="names no kernel"):
        student_notebook({"cells": [], "metadata": {}})


def test_the_command_writes_the_same_bytes_twice(tmp_path, capsys):
    source, target = tmp_path / "solutions", tmp_path / "exercises"
    source.mkdir()
    (source / "01_x.ipynb").write_text(json.dumps(notebook(code("é = '×'"))), encoding="utf-8")
    main([str(source), str(target)])
    first = (target / "01_x.ipynb").read_bytes()
    main([str(source), str(target)])
    assert (target / "01_x.ipynb").read_bytes() == first and b"\r" not in first and "×".encode() in first
    assert capsys.readouterr().out.count("01_x.ipynb") == 2
