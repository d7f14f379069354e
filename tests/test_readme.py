"""The README shows only what works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [text for name, text in fenced if name == language]


def test_its_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_its_tree_is_the_repository() -> None:
    (tree,) = blocks("")
    folders, parent = [], ""
    for line in tree.splitlines():
        name = line.split()[0]
        parent = parent if line.startswith(" ") else name
        folders.append(name if name == parent else parent + name)
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []
    layers = {
        f"tinygpt/{path.name}/" for path in (ROOT / "tinygpt").iterdir() if (path / "__init__.py").exists()
    }
    assert layers <= set(folders)


def test_its_table_names_every_chapter() -> None:
    assert [
        path.name for path in (ROOT / "course").glob("*.ipynb") if f"(course/{path.name})" not in README
    ] == []


def test_its_make_targets_exist() -> None:
    targets = set(re.findall(r"^make (\w+)", README, re.MULTILINE))
    assert {"lab", "test"} <= targets
    assert targets <= set(
        re.findall(r"^\s*@echo \"make (\w+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    )


@pytest.mark.slow
def test_its_example_runs_and_finds_an_induction_head() -> None:
    (example,) = blocks("python")
    names: dict = {}
    exec(example, names)
    scores = names["tg"].interp.induction_scores(names["seen"], names["tokens"][:1])
    assert scores[-1].max() > 0.4 > scores[0].max()
