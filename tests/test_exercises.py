"""Every exercise of every solution notebook: the release, the text around it, and its bank of answers."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import tinygpt as tg
from tinygpt.grading.release import student_notebook, student_source
from tinygpt.grading.sheet import binds

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "solutions").glob("*.ipynb"))
LABEL = re.compile(r"# (right|wrong|tuned) answer to (\w+): (.+)")
HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS\n(.*?)### END HIDDEN TESTS", re.S)
VERDICT = re.compile(r"(\w+): (public|hidden) checks passed \((\d+) of (\d+)\)")


@dataclass(frozen=True)
class Banked:
    """One answer of a bank. A tuned answer passes all public checks and must fail a hidden one."""

    notebook: Path
    cell: str
    kind: str
    exercise: str
    label: str

    def __str__(self) -> str:
        return f"{self.cell}: {self.kind}: {self.label}"

    @property
    def value(self) -> Any:
        return namespace(self.notebook)[self.cell]


def cells(path: Path, kind: str = "code") -> list[dict[str, Any]]:
    found = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]
    return [{**cell, "source": "".join(cell["source"])} for cell in found]


def is_bank(cell: dict[str, Any]) -> bool:
    return "bank" in cell["metadata"].get("tags", [])


def last_name(source: str) -> str:
    """The name that the last statement of a cell binds: the answer."""
    last = ast.parse(source).body[-1]
    return last.name if isinstance(last, ast.FunctionDef) else last.targets[0].id


def banked(path: Path) -> list[Banked]:
    return [
        Banked(path, cell["id"], *LABEL.match(cell["source"]).groups())
        for cell in cells(path)
        if is_bank(cell)
    ]


@cache
def namespace(path: Path) -> dict[str, Any]:
    """What the set-up, the solutions and the bank define; the answers under their cell's id."""
    names: dict[str, Any] = {}
    exec("import tinygpt as tg", names)
    for cell in cells(path):
        source = cell["source"]
        if is_bank(cell) or cell["id"] == "imports" or "### BEGIN SOLUTION" in source:
            exec(compile(source, f"{path.name}#{cell['id']}", "exec"), names)
        if is_bank(cell):
            names[cell["id"]] = names[last_name(source)]
    return names


def hidden_cases(path: Path, exercise: str) -> list[tg.grading.Case]:
    for cell in cells(path):
        if f'check("{exercise}"' in cell["source"] and (block := HIDDEN.search(cell["source"])):
            names = dict(namespace(path))
            exec(block[1], names)
            return names["hidden"]
    return []


def exercises(path: Path) -> list[str]:
    return sorted(set(re.findall(r'check\("(\w+)"', "".join(cell["source"] for cell in cells(path)))))


ANSWERS = [answer for path in NOTEBOOKS for answer in banked(path)]
EXERCISES = [pytest.param(path, name, id=name) for path in NOTEBOOKS for name in exercises(path)]
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def of_kind(kind: str):
    return pytest.mark.parametrize("answer", [a for a in ANSWERS if a.kind == kind], ids=str)


def test_there_are_exercises():
    assert NOTEBOOKS and ANSWERS


@each_notebook
def test_the_student_notebook_is_the_released_solution(path):
    released = student_notebook(json.loads(path.read_text("utf-8")))
    student = ROOT / "exercises" / path.name
    text = json.dumps(released, indent=1, ensure_ascii=False) + "\n"
    assert student.read_text("utf-8") == text, "run: python -m tinygpt.grading.release"


@each_notebook
def test_the_student_notebook_gives_nothing_away(path):
    student = json.loads((ROOT / "exercises" / path.name).read_text("utf-8"))
    text = json.dumps(student)
    assert "###" not in "".join("".join(c["source"]) for c in student["cells"] if c["cell_type"] == "code")
    assert "answer to" not in text and "hidden=" not in text
    for cell in student["cells"]:
        assert cell.get("outputs", []) == [] and cell["metadata"] == {}
    assert student["metadata"]["kernelspec"]["name"] == "python3"


@each_notebook
def test_cells_have_unique_ids(path):
    ids = [cell["id"] for kind in ("code", "markdown") for cell in cells(path, kind)]
    assert len(set(ids)) == len(ids)


@each_notebook
def test_no_given_cell_has_the_name_of_an_answer(path):
    """It would be judged in place of an answer that nobody has written."""
    student = cells(ROOT / "exercises" / path.name)
    given = [cell for cell in student if "# your code here" not in cell["source"]]
    assert not {name for cell in given for name in binds(cell["source"]) & set(exercises(path))}


@each_notebook
def test_every_exercise_says_what_it_asks(path):
    """Difficulty, minutes, points that are true, what is learnt, and two folded hints."""
    prose = [cell["source"] for cell in cells(path, "markdown") if cell["source"].startswith("## ")]
    assert 4 <= len(prose) <= 7, "three to six exercises and the bug hunt"
    for text in prose:
        assert re.search(
            r"\*\*Difficulty\*\* ●*○* [1-5] of 5 · \*\*Time\*\* \d+ minutes · \*\*Points\*\*", text
        )
        assert "**You learn to**" in text
    everything = "\n".join(cell["source"] for cell in cells(path, "markdown"))
    for hint in re.split(r"(?m)^###? ", everything)[1:]:
        if "Hint" in hint:
            assert hint.count("<summary>Hint") == 2 and hint.count("<details>") == hint.count("</details>")


@each_notebook
def test_points_in_the_header_are_true(path):
    public = sum(tg.grading.EXERCISES[name].points for name in exercises(path))
    hidden = sum(case.points for name in exercises(path) for case in hidden_cases(path, name))
    header = cells(path, "markdown")[0]["source"].replace("\n", " ")
    assert f"{public + hidden}, of which {hidden} are for hidden checks" in header


@pytest.mark.parametrize(("path", "name"), EXERCISES)
def test_the_bank_is_rich(path, name):
    mine = [answer for answer in ANSWERS if answer.notebook == path and answer.exercise == name]
    assert sum(answer.kind == "right" for answer in mine) >= 2
    assert sum(answer.kind == "wrong" for answer in mine) >= 5
    faults = {fault.name for fault in tg.grading.EXERCISES[name].faults}
    assert len(faults & {answer.label for answer in mine}) >= min(len(faults), 5)


@pytest.mark.parametrize(("path", "name"), EXERCISES)
def test_the_stub_fails(path, name):
    source = next(c["source"] for c in cells(path) if "BEGIN SOLUTION" in c["source"] and defines(c, name))
    names = dict(namespace(path))
    exec(student_source(source), names)
    result = tg.grading.check(name, names[name])
    assert result.earned == 0
    assert result.mistake in ("not written", "nobody accused")


def defines(cell: dict[str, Any], name: str) -> bool:
    return re.search(rf"(?m)^(def {name}\(|{name} = )", cell["source"]) is not None


@pytest.mark.parametrize(("path", "name"), EXERCISES)
def test_the_solution_passes(path, name):
    result = tg.grading.check(name, namespace(path)[name])
    assert result.passed, result
    if hidden := hidden_cases(path, name):
        assert tg.grading.check(name, namespace(path)[name], hidden=hidden).passed


@of_kind("right")
def test_right_answers_pass(answer):
    for seed in range(3):
        result = tg.grading.check(answer.exercise, answer.value, seed=seed)
        assert result.passed, result
    if hidden := hidden_cases(answer.notebook, answer.exercise):
        result = tg.grading.check(answer.exercise, answer.value, hidden=hidden)
        assert result.passed, result


@of_kind("wrong")
def test_wrong_answers_fail_with_their_diagnosis(answer):
    for seed in range(3):
        result = tg.grading.check(answer.exercise, answer.value, seed=seed)
        assert not result.passed
        assert result.mistake == answer.label, result
        assert len(result.diagnosis) > 20


@of_kind("tuned")
def test_tuned_answers_fail_hidden_checks_only(answer):
    assert tg.grading.check(answer.exercise, answer.value).passed
    hidden = hidden_cases(answer.notebook, answer.exercise)
    assert not tg.grading.check(answer.exercise, answer.value, hidden=hidden).passed


@each_notebook
@pytest.mark.slow
def test_the_solution_notebook_runs_from_top_to_bottom(path, tmp_path, monkeypatch):
    """Every check, public and hidden, shows its learner that all of it passed."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    monkeypatch.setenv("TINYGPT_BUDGET", "ci")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [part for cell in notebook.cells if not is_bank(cell) for part in parts(cell)]
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [verdict for cell in notebook.cells if cell["cell_type"] == "code" for verdict in verdicts(cell)]
    public = {(name, "public") for name in exercises(path)}
    hidden = {(name, "hidden") for name in exercises(path) if hidden_cases(path, name)}
    assert {(name, kind) for name, kind, _, _ in shown} == public | hidden
    assert all(done == of for _, _, done, of in shown), shown


def parts(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """A cell cut before its hidden tests: a cell shows only its last value, and both results are wanted."""
    sources = cell["source"].split("### BEGIN HIDDEN TESTS")
    return [type(cell)(cell, id=f"{cell['id']}-{i}", source=source) for i, source in enumerate(sources)]


def verdicts(cell: dict[str, Any]) -> list[tuple[str, ...]]:
    """Name, kind, cases passed and cases asked of the results that a cell shows."""
    shown = [output["data"]["text/plain"] for output in cell["outputs"] if "data" in output]
    return [match.groups() for text in shown if (match := VERDICT.match(text))]
