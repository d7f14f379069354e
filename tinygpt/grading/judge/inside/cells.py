"""The cells of a notebook as Python: without what only IPython understands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any

MAGIC = re.compile(r"[%!?]|[\w.,\s]+=\s*[%!]")  # how lines begin that only IPython understands
PYTHON_MAGICS = ("%%time", "%%timeit", "%%capture", "%%prun")  # what stands below them is Python


def compiled(source: str, name: str) -> CodeType | None:
    """The code of a cell; None when nothing of it is Python.

    Raises:
        SyntaxError: It is neither Python nor something of IPython's.
    """
    texts = readings(source)
    for text in texts[:-1]:
        with suppress(SyntaxError):
            return compile(text, name, "exec")
    return compile(texts[-1], name, "exec") if texts else None


def readings(source: str) -> list[str]:
    """What of a cell may be Python, the likeliest first: all of it, or that without IPython's lines."""
    first = (source.lstrip().partition("\n")[0].split() or [""])[0]
    if first.startswith("%%"):
        if first not in PYTHON_MAGICS:
            return []
        source = "\n" + source.lstrip().partition("\n")[2]
    plain = "\n".join("" if _magic(line.strip()) else line for line in source.split("\n"))
    return [source] if plain == source else [source, plain]


def _magic(line: str) -> bool:
    return line.endswith("?") or MAGIC.match(line) is not None


class Mute:
    """Takes every call and gives itself back: IPython, and the checks of the notebook.

    It counts as false: what a notebook does `if check(…).passed` is not done here, where nothing is checked.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Mute:
        return self

    def __bool__(self) -> bool:
        return False

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __getitem__(self, key: Any) -> Mute:
        return self

    def __format__(self, form: str) -> str:
        return ""


def muted(error: BaseException | None) -> bool:
    """Whether a cell failed because a stand-in was asked for more than it has: no fault of the notebook."""
    while error and Mute.__name__ not in str(error):
        error = error.__cause__ or error.__context__
    return error is not None


class Mutes(Loader, MetaPathFinder):
    """Imports a package, and whatever may be in it, as modules that are mute."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        ours = f"{name}.".startswith(f"{self.package}.")
        return ModuleSpec(name, self, is_package=True) if ours else None

    def exec_module(self, module: ModuleType) -> None:
        module.__getattr__ = lambda name: getattr(Mute(), name)
