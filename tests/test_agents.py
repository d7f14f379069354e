"""What AGENTS.md names exists, and what its learners write gets the diagnosis it claims."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import tinygpt as tg
from tinygpt.cli.main import COMMANDS
from tinygpt.grading import EXERCISES
from tinygpt.grading.release import STUB

ROOT = Path(__file__).resolve().parent.parent
AGENTS = (ROOT / "AGENTS.md").read_text(encoding="utf-8")
ATTEMPTS = re.findall(r"```python\n(.*?)```\s+The check says \*\*(.+?)\*\*", AGENTS, re.DOTALL)
RIGHT = """
def causal_attention(q, k, v):
    future = torch.ones(q.shape[-2], q.shape[-2], dtype=torch.bool).triu(1)
    return (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(future, -torch.inf).softmax(-1) @ v
"""


@pytest.mark.parametrize(("source", "mistake"), ATTEMPTS, ids=[mistake for _, mistake in ATTEMPTS])
def test_an_attempt_gets_the_diagnosis_it_is_shown_with(source: str, mistake: str) -> None:
    names = {"torch": torch}
    exec(RIGHT, names)
    exec(source, names)
    name = re.search(r"def (\w+)", source)[1]
    assert tg.grading.check(name, names[name]).mistake == mistake


def test_every_attempt_is_wrong_and_none_is_left_out() -> None:
    assert len(ATTEMPTS) == AGENTS.count("```python") >= 3


def test_the_numbers_in_the_talks_are_true() -> None:
    weights = torch.zeros(3, 3).softmax(-1).tril()
    assert torch.allclose(weights[0].sum(), torch.tensor(1 / 3))
    x = torch.arange(8).reshape(1, 2, 4)
    assert x[0, 0].tolist() == [0, 1, 2, 3]
    assert x.reshape(1, 2, 2, 2).transpose(1, 2)[0, 0].tolist() == [[0, 1], [4, 5]]
    assert x.reshape(1, 2, 2, 2)[0, 0].tolist() == [[0, 1], [2, 3]]


def test_what_it_names_exists() -> None:
    commands = re.findall(r"`tinygpt (\w+)", AGENTS)
    assert commands and {*commands} <= {*COMMANDS}
    targets = set(re.findall(r"`make (\w+)", AGENTS))
    assert targets and targets <= set(re.findall(r"make (\w+)", (ROOT / "Makefile").read_text()))
    views = re.findall(r"`tg\.views\.(\w+)`", AGENTS)
    assert views and all(callable(getattr(tg.views, view)) for view in views)
    paths = re.findall(r"`((?:tinygpt|course|solutions|tests)/[\w/]*)`", AGENTS)
    assert paths and all((ROOT / path).is_dir() for path in paths)
    assert {"causal_attention", "multi_head_attention", "top_p", "reads"} <= {*EXERCISES}
    assert f"# {STUB}" in AGENTS and all(
        (ROOT / link).exists() for link in re.findall(r"\]\(([^)]+)\)", AGENTS)
    )


def test_the_suspects_are_those_of_the_hunt() -> None:
    hunt = (ROOT / "exercises" / "03_attention.ipynb").read_text("utf-8")
    suspects = re.findall(r'`"(\w+)"`', AGENTS)
    assert len(suspects) == 5 and all(f'`\\"{suspect}\\"`' in hunt for suspect in suspects)


def test_it_is_short() -> None:
    assert len(AGENTS.splitlines()) <= 150
