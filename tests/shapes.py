"""Check the shapes and dtypes that tinygpt's annotations promise, while tests run and only then."""

from __future__ import annotations

import ast
import functools
import sys
import types
import typing
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

import torch
from beartype import beartype
from jaxtyping import AbstractArray, install_import_hook


def install() -> None:
    """From here on, a function of tinygpt called with a wrong shape raises jaxtyping.TypeCheckError."""
    typing.__class__ = _Typing
    install_import_hook("tinygpt", f"{__name__}.check")
    sys.meta_path.insert(0, _AsWritten())


def check(function: Callable) -> Callable:
    """Check what is annotated as an array; the package refuses other mistakes in its own words."""
    annotations = function.__annotations__
    function.__annotations__ = {name: a for name, a in annotations.items() if speaks_of_arrays(a)}
    checked = beartype(function)

    @functools.wraps(function)
    def unless_compiling(*args: object, **kwargs: object) -> object:
        # torch.compile traces this call with stand-ins for tensors, of which no isinstance test is true.
        return (function if torch.compiler.is_compiling() else checked)(*args, **kwargs)

    return unless_compiling


def speaks_of_arrays(annotation: object) -> bool:
    """Whether Float[Tensor, "B T"] or one of its kin stands anywhere in the annotation."""
    if isinstance(annotation, type) and issubclass(annotation, AbstractArray):
        return True
    return any(map(speaks_of_arrays, typing.get_args(annotation)))


class _AsWritten(MetaPathFinder):
    """Leaves alone what numba compiles: it needs the functions themselves, which are given arrays only."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, path) if name.startswith("tinygpt.sampling.loops") else None


class _Typing(types.ModuleType):
    """`typing`, but a module of tinygpt that asks for TYPE_CHECKING is given the names it keeps below it.

    The package imports jaxtyping only `if TYPE_CHECKING`, to stay light, and without its names nothing is
    checked. TYPE_CHECKING cannot just be true: modules that name each other's types would import in a circle.
    """

    @property
    def TYPE_CHECKING(self) -> bool:
        importer = sys._getframe(1).f_globals
        if importer.get("__name__", "").split(".")[0] == "tinygpt":
            source = Path(importer["__file__"]).read_text(encoding="utf-8")
            exec(compile(type_imports(source), "<types>", "exec"), importer)
        return False


def type_imports(source: str) -> ast.Module:
    """The imports that stand below `if TYPE_CHECKING`, less the package's own."""
    blocks = [
        n for n in ast.parse(source).body if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)
    ]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return ast.Module([n for n in imports if not n.level and not n.module.startswith("tinygpt")], [])
