"""Every example in a docstring of the package does what it shows."""

from __future__ import annotations

import ast
import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent


def examples() -> Iterator:
    """Module, docstring and line, read from the source: doctest itself passes over wrapped functions."""
    for path in sorted((ROOT / "tinygpt").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                docstring = ast.get_docstring(node) or ""
                if ">>>" in docstring:
                    name = f"{module}.{getattr(node, 'name', '')}".rstrip(".")
                    yield pytest.param(module, docstring, getattr(node, "lineno", 1), id=name)


@pytest.mark.parametrize(("module", "docstring", "line"), list(examples()))
def test_example(module: str, docstring: str, line: int) -> None:
    torch.manual_seed(0)
    home = importlib.import_module(module)
    test = doctest.DocTestParser().get_doctest(docstring, dict(vars(home)), module, home.__file__, line)
    report: list[str] = []
    result = doctest.DocTestRunner().run(test, out=report.append)
    assert result.attempted > 0
    assert result.failed == 0, "".join(report)
