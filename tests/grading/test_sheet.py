"""Notebooks as parsed JSON, and what the package knows of those that it came with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tinygpt.grading import EXERCISES, shipped
from tinygpt.grading.checks import CHAPTERS
from tinygpt.grading.sheet import binds, chapter_of, code, digest, parsed, written

ROOT = Path(__file__).parents[2]


def notebook(*sources: str | list[str], **more: Any) -> dict[str, Any]:
    cells = [{"cell_type": "code", "metadata": {}, "source": source, **more} for source in sources]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def test_what_is_shipped_is_what_the_folders_hold() -> None:
    assert json.loads(shipped.FILE.read_text("utf-8")) == shipped.gather(ROOT), "run: make exercises"


def test_every_exercise_has_its_empty_answer() -> None:
    for chapter, exercises in CHAPTERS.items():
        for exercise in exercises:
            found = shipped.stub(exercise.name)
            assert found.chapter == chapter and exercise.name in binds(found.text)
    with pytest.raises(ValueError, match="Did you mean 'rope'"):
        shipped.stub("ropes")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("def f(x):\n    y = 1", {"f"}),
        ("f = lambda x: x\nfor i in []:\n    z = 1", {"f", "i", "z"}),
        ("class A: pass\na, *b = 1, 2", {"A", "a", "b"}),
        ("%time\ndef f(x):\n    return (", {"f"}),
        ("print(x)", set()),
    ],
)
def test_the_names_a_cell_gives_values(text: str, names: set[str]) -> None:
    assert binds(text) == names


def test_a_notebook_knows_its_chapter() -> None:
    answers = ["def rope(x, positions): ...", "def mix(x): ..."]
    assert chapter_of(answers, "Untitled.ipynb") == "03_attention"
    assert chapter_of(['tg.grading.check("bpe_step", f)'], "03_x.ipynb") == "02_tokenization"
    assert chapter_of(["x = 1"], "11_sampling-1.ipynb") == "11_sampling"
    with pytest.raises(ValueError, match="Say which chapter"):
        chapter_of(["x = 1"], "Untitled.ipynb")
    for path in (ROOT / "exercises").glob("*.ipynb"):
        assert chapter_of(code(parsed(path.read_bytes(), path.name)), "x") == path.stem


def test_a_digest_sees_work_and_not_who_saved_it() -> None:
    text = {"output_type": "stream", "name": "stdout", "text": ["a\n", "b"]}
    one = notebook("x = 1\ny", outputs=[text], execution_count=1)
    other = notebook(["x = 1\n", "y"], outputs=[{**text, "text": "a\nb"}], execution_count=7)
    other["metadata"] = {"kernelspec": {"name": "python3"}}
    assert digest(one) == digest(other)
    assert digest(one) != digest(notebook("x = 2", outputs=[text]))
    assert digest(one) != digest(notebook("x = 1\ny", outputs=[{**text, "text": "c"}]))
    assert len(EXERCISES) > 70


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"cells": [1]}', b'{"cells": [{"source": 1}]}', b"\xff"]
)
def test_what_is_no_notebook_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"x\.ipynb is no notebook that can be read"):
        parsed(content, "x.ipynb")


def test_a_notebook_comes_back_from_its_bytes() -> None:
    assert parsed(written(notebook("é = '×'")), "x") == notebook("é = '×'")
