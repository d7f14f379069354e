"""What `tinygpt submit` makes and says: run as a judge runs it, whatever state its author's kernel is in."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from tinygpt.cli import main
from tinygpt.grading import submit
from tinygpt.grading.checks import CHAPTERS
from tinygpt.grading.record import load_record
from tinygpt.grading.submission import unpack

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="the judge needs Linux or macOS")
RIGHT = "def attention_weights(q, k):\n    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)"
UNMASKED = "def causal_attention(q, k, v):\n    return attention_weights(q, k) @ v"
STUB = "def rope(x, positions, base=10_000.0):\n    raise NotImplementedError"
PASSED = "attention_weights: public checks passed (5 of 5), 5 of 5 points\n  [ok] ..."


def write(path: Path, *sources: str, shown: str = "") -> Path:
    outputs = [{"output_type": "execute_result", "data": {"text/plain": [shown]}, "metadata": {}}]
    cells = [
        {"cell_type": "code", "metadata": {}, "source": s, "outputs": outputs if shown else []}
        for s in sources
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.fixture(scope="module")
def receipt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One trial for many tests: answers that are right, wrong, empty, misspelt and missing."""
    folder = tmp_path_factory.mktemp("submit")
    path = write(
        folder / "03_attention.ipynb",
        "import torch\nimport tinygpt as tg",
        RIGHT,
        UNMASKED,
        STUB,
        "def raeds(function, tokens, vocab_size):\n    return None",
        "1 / 0",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYGPT_HOME", str(folder / "home"))  # a learner who has passed nothing yet
        yield submit(path, name="Ada Lovelace/../x")


@POSIX
def test_it_says_what_passes_as_the_judge_does(receipt: Any) -> None:
    now = {name: (points, state) for name, points, _, state in receipt.rows()}
    assert now["attention_weights"] == ("5 of 5", "passes")
    assert now["causal_attention"] == ("0 of 6", "no mask")
    assert now["rope"] == ("0 of 5", "not written") and now["reads"] == ("0 of 5", "not found")
    assert [*now] == [exercise.name for exercise in CHAPTERS["03_attention"]]


@POSIX
def test_it_says_what_it_is_graded_on_and_what_to_look_at(receipt: Any) -> None:
    text = repr(receipt)
    assert "chapter 03_attention, 37 points for public checks, 5 now" in text
    assert "hidden" in text and "Hand in: " in text
    assert "causal_attention: The future leaks" in text
    assert "No cell defines `reads`, so it earns nothing. There is a `raeds`: is it meant?" in text
    assert "No cell defines `mix`, so it earns nothing. `tinygpt reset mix` brings its cell back." in text
    assert "A cell fails when the notebook runs from the top. Cell 6: ZeroDivisionError" in text
    page = ElementTree.fromstring(receipt._repr_html_())
    assert len(page.findall(".//tbody/tr")) == 8 and "&lt;" not in "".join(page.itertext())


@POSIX
def test_the_file_holds_the_notebook_and_says_what_its_author_knew(receipt: Any) -> None:
    assert receipt.file.name == "03_attention-Ada-Lovelace-..-x.tinygpt.zip"
    found = unpack(receipt.file)
    assert found.intact and found.notebook == receipt.file.with_name("03_attention.ipynb").read_bytes()
    about = found.manifest
    assert about["chapter"] == "03_attention" and about["name"] == "Ada Lovelace/../x"
    assert about["exercises"][0] == {
        "name": "attention_weights",
        "earned": 5,
        "possible": 5,
        "passed": True,
        "mistake": "",
    }


@POSIX
def test_what_passes_counts_as_progress(receipt: Any) -> None:
    earned = {name: one["earned"] for name, one in load_record()["exercises"].items()}
    assert earned["attention_weights"] == 5 and "rope" not in earned


def test_the_chapter_is_not_taken_for_its_exercises(tmp_path: Path) -> None:
    (tmp_path / "course").mkdir()
    path = write(tmp_path / "course" / "08_reasoning.ipynb", "def vote(answers):\n    return answers[0]")
    with pytest.raises(ValueError, match=r"Hand in its exercises: exercises/08_reasoning\.ipynb"):
        submit(path)
    with pytest.raises(ValueError, match=r"course' is a folder\. Name a notebook in it"):
        submit(path.parent)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


class Kernel:
    """Stands for a notebook's kernel: what it ran, and what it has in memory."""

    def __init__(self, *ran: str, **names: Any) -> None:
        self.user_ns = {"In": ["", *ran], **names}


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Any:
    def start(*ran: str, **names: Any) -> None:
        fake = ModuleType("IPython")
        fake.get_ipython = lambda: Kernel(*ran, **names)
        monkeypatch.setitem(sys.modules, "IPython", fake)

    return start


@POSIX
def test_an_answer_that_lives_on_what_is_left_in_the_kernel_is_told(tmp_path: Path, kernel: Any) -> None:
    answer = "def attention_weights(q, k):\n    return helper(q, k)"
    path = write(tmp_path / "03_attention.ipynb", answer)
    names: dict[str, Any] = {}
    exec(RIGHT.replace("attention_weights", "helper"), names)
    exec(answer, names)
    kernel(RIGHT.replace("attention_weights", "helper"), answer, attention_weights=names["attention_weights"])
    (warning,) = [w for w in submit(path).warnings if "`attention_weights`" in w]
    assert "`attention_weights` passed in your notebook and does not when the cells are run anew" in warning


@POSIX
def test_from_a_terminal_the_notebooks_own_outputs_tell_it(tmp_path: Path) -> None:
    leaning = "def causal_attention(q, k, v):\n    return helper(q, k, v)"
    shown = f"{PASSED}\ncausal_attention: public checks passed (5 of 5), 6 of 6 points"
    path = write(tmp_path / "03_attention.ipynb", RIGHT, leaning, shown=shown)
    told = [warning for warning in submit(path).warnings if "passed in your notebook" in warning]
    assert [warning.split()[0] for warning in told] == ["`causal_attention`"]


@POSIX
def test_what_was_run_and_never_saved_is_told(tmp_path: Path, kernel: Any) -> None:
    path = write(
        tmp_path / "03_attention.ipynb",
        "import torch",
        STUB.replace("rope(x, positions, base=10_000.0)", "attention_weights(q, k)"),
    )
    kernel("import torch", RIGHT + "\n")
    warnings = submit(path).warnings
    assert any("You ran `attention_weights`, and the file holds another text" in w for w in warnings)
    assert any("No exercise is written in this file. If you wrote some, save" in w for w in warnings)


def test_without_a_trial_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "03_attention.ipynb", RIGHT)
    monkeypatch.setattr(sys, "platform", "win32")
    receipt = submit(path, out=tmp_path / "out")
    assert receipt.file == tmp_path / "out" / "03_attention.tinygpt.zip" and receipt.report is None
    assert "What passes now is not known" in repr(receipt) and "? of 5" in repr(receipt)
    assert unpack(receipt.file).manifest["exercises"] is None


def test_the_running_notebook_is_found_in_each_front_end(
    tmp_path: Path, kernel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "03_attention.ipynb", RIGHT)
    kernel()
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    with pytest.raises(ValueError, match=r"cannot tell which notebook.*submit\('03_attention.ipynb'\)"):
        submit(trial=False)
    for told in (str(path), "RTC:exercises/03_attention.ipynb", "exercises/03_attention.ipynb"):
        monkeypatch.setenv("JPY_SESSION_NAME", told)
        assert submit(trial=False).file.name == "03_attention.tinygpt.zip"
    monkeypatch.setenv("JPY_SESSION_NAME", "renamed.ipynb")
    with pytest.raises(ValueError, match="cannot tell"):
        submit(trial=False)
    kernel(__vsc_ipynb_file__=str(path))
    assert submit(trial=False).chapter == "03_attention"


def test_colab_gives_its_page_saved_or_not(
    tmp_path: Path, kernel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    live = json.loads(write(tmp_path / "x.ipynb", RIGHT).read_text()) | {
        "metadata": {"colab": {"name": "03_mine.ipynb"}}
    }
    colab, message = (
        ModuleType("google.colab"),
        SimpleNamespace(blocking_request=lambda *a, **k: {"ipynb": live}),
    )
    fetched: list[str] = []
    colab._message, colab.files = message, SimpleNamespace(download=fetched.append)
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    kernel()
    receipt = submit(trial=False)
    assert receipt.file == tmp_path / "03_mine.tinygpt.zip"
    assert json.loads(unpack(receipt.file).notebook) == live
    assert fetched == [str(receipt.file)]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("gone.ipynb", None, "There is no file"),
        ("a.ipynb", "hello", "is no notebook that can be read"),
        ("a.ipynb", '{"cells": []}', "Say which chapter it belongs to"),
    ],
)
def test_what_cannot_be_handed_in_is_a_sentence(
    name: str, text: str | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    assert main(["submit", str(tmp_path / name)]) == 1
    assert says in capsys.readouterr().err
    assert os.listdir(tmp_path) == ([name] if text is not None else [])


def test_the_command_does_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "03_attention.ipynb", RIGHT)
    assert main(["submit", str(path), "--name", "Bo", "--no-trial"]) == 0
    assert "Hand in: " in capsys.readouterr().out
    assert unpack(tmp_path / "03_attention-Bo.tinygpt.zip").intact
    with pytest.raises(ValueError, match="chapter must be one of"):
        submit(path, chapter="99")
