"""An empty answer comes back, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tinygpt.cli import main
from tinygpt.grading import reset, shipped
from tinygpt.grading.sheet import code, parsed, source

ROOT = Path(__file__).parents[2]
MINE = 'def rope(x, positions, base=10_000.0):\n    return "é × mine"  # "quoted"'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The chapter's exercises with one answer written."""
    return written(tmp_path, "rope-answer", MINE)


def written(folder: Path, cell: str, text: str) -> Path:
    path = folder / "03_attention.ipynb"
    shutil.copy(ROOT / "exercises" / path.name, path)
    notebook = parsed(path.read_bytes(), path.name)
    (found,) = [c for c in notebook["cells"] if c["id"] == cell]
    found |= {"source": text, "execution_count": 3, "outputs": [{"output_type": "stream", "text": "x"}]}
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def test_one_cell_is_as_it_was_shipped_and_the_others_as_they_were(path: Path) -> None:
    before = parsed(path.read_bytes(), "x")["cells"]
    done = reset("rope", path)
    after = parsed(path.read_bytes(), "x")["cells"]
    shipped_cells = parsed((ROOT / "exercises" / path.name).read_bytes(), "x")["cells"]
    assert after == shipped_cells
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1
    assert done.backup is not None and done.backup.read_text("utf-8") == MINE + "\n"
    assert "Reload Notebook from Disk" in repr(done)


def test_every_backup_is_kept(path: Path) -> None:
    reset("rope", path)
    written(path.parent, "rope-answer", "def rope(x): ...")
    reset("rope", path)
    assert sorted(os.listdir(path.parent)) == [
        "03_attention.ipynb",
        "03_attention.rope.before-reset-2.py",
        "03_attention.rope.before-reset.py",
    ]


def test_what_is_empty_is_left_alone(path: Path) -> None:
    before = path.read_bytes()
    assert "nothing was changed" in repr(reset("causal_attention", path))
    assert path.read_bytes() == before and len(os.listdir(path.parent)) == 1


def test_an_answer_that_moved_to_another_cell_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": s} for s in ("rope = 1", MINE)]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    reset("rope", path)
    assert code(parsed(path.read_bytes(), "x")) == ["rope = 1", shipped.stub("rope").text]


def test_a_cell_that_holds_more_than_the_answer_is_not_replaced(path: Path) -> None:
    """`mix` also gets a value in another cell: that one stays, and the answer's comes back."""
    notebook = parsed(path.read_bytes(), "x")
    next(cell for cell in notebook["cells"] if cell["id"] == "hunt-model")["source"] = (
        "mix, V, T = None, 32, 32"
    )
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] != "mix-answer"]
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert "a new one is, above its check" in repr(reset("mix", path))
    after = parsed(path.read_bytes(), "x")["cells"]
    ids = [cell["id"] for cell in after]
    assert ids.index("mix-check") == ids.index("mix-answer") + 1 and len(set(ids)) == len(ids)
    assert [cell for cell in after if cell["id"] != "mix-answer"] == notebook["cells"]


def test_a_crash_leaves_the_notebook_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *a: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        reset("rope", path)
    assert path.read_bytes() == before


def test_in_a_notebook_the_empty_answer_comes_as_a_new_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    fake, here = ModuleType("IPython"), type("Shell", (), {"kernel": 1})()
    here.set_next_input = lambda text, replace: asked.append((text, replace))
    fake.get_ipython = lambda: here
    monkeypatch.setitem(sys.modules, "IPython", fake)
    assert "in a new cell below" in repr(reset("rope"))
    assert asked == [(shipped.stub("rope").text, False)]


def test_the_command_and_its_mistakes(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    assert main(["reset", "rope", path.name]) == 0
    assert "is as it was shipped" in capsys.readouterr().out
    assert main(["reset", "rope"]) == 1
    assert "There is no file 'exercises/03_attention.ipynb'" in capsys.readouterr().err
    assert main(["reset", "ropes", path.name]) == 1
    assert "Did you mean 'rope'?" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "IPython", None)
    with pytest.raises(ValueError, match=r"Say which notebook: reset\('rope'"):
        reset("rope")
    assert source(parsed(path.read_bytes(), "x")["cells"][0]).startswith("# Attention")
