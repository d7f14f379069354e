"""Real English that is always there: the documentation inside this Python installation."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import platform
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tinygpt.data.cache import cache_folder, write_whole
from tinygpt.data.packing import split

# Not prose of the package itself: tests, other people's code, and 120 tables that differ in a name.
SKIPPED = {
    "test", "tests", "testing", "idlelib", "lib2to3", "ensurepip", "encodings",
    "site-packages", "dist-packages", "_vendor", "pydoc_data", "__pycache__",
}  # fmt: skip
# Functions that attach documentation to what is written in C.
ATTACH = {"add_docstr", "_add_docstr", "add_newdoc", "add_docstr_all"}
SHORTEST = 40
RULES = 1  # raise when the rules of this file change, so that no old harvest is read


@dataclass(frozen=True)
class Corpus:
    """Documents and where they come from.

    Attributes:
        documents: Texts, no two alike.
        source: What they are, with versions.
        sha256: Hash of all documents in order: equal hash, equal corpus.
    """

    documents: tuple[str, ...]
    source: str
    sha256: str

    def split(self, val: float = 0.1) -> tuple[list[str], list[str]]:
        """Documents for training and for validation: see `tinygpt.data.split`."""
        return split(self.documents, val)

    def __repr__(self) -> str:
        characters = sum(map(len, self.documents))
        return (
            f"{self.source}: {len(self.documents):,} documents, {characters:,} characters, "
            f"sha256 {self.sha256[:16]}"
        )


def documentation(progress: bool = True) -> Corpus:
    """The documentation of Python, PyTorch and NumPy as installed here: about 9 million characters.

    A document holds all docstrings of one source file, or one topic of Python's reference manual. A docstring
    that came before, and one that is mostly not letters, is left out. The first call reads 2,800 files, which
    takes seconds; the result is kept in the cache. Other versions give another corpus: its repr says which.

    Args:
        progress: Whether to show a progress bar on the first call.

    Raises:
        OSError: No source file is installed.

    Example:
        >>> corpus = documentation()
        >>> train, val = corpus.split()
        >>> len(train) > 5 * len(val) > 0
        True
    """
    versions = {"Python": platform.python_version(), "torch": version("torch"), "numpy": version("numpy")}
    source = "Documentation of " + ", ".join(f"{name} {v}" for name, v in versions.items())
    path = cache_folder() / f"documentation-{RULES}-{'-'.join(versions.values())}.json"
    kept = _read(path, source)
    if kept is not None:
        return kept
    documents = tuple(_harvest(progress))
    if not documents:
        raise OSError(
            "No Python source files are installed here. Use tinygpt.data.tiny_shakespeare() instead."
        )
    write_whole(path, json.dumps(documents).encode())
    return Corpus(documents, source, _sha256(documents))


def _read(path: Path, source: str) -> Corpus | None:
    try:
        documents = tuple(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return None
    return Corpus(documents, source, _sha256(documents))


def _sha256(documents: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(documents).encode("utf-8", "surrogatepass")).hexdigest()


def _harvest(progress: bool) -> Iterator[str]:
    from tqdm.auto import tqdm

    seen: set[str] = set()
    yield from filter(None, (_document([topic], seen) for _, topic in sorted(_topics().items())))
    files = [path for root in _roots() for path in source_files(root)]
    for path in tqdm(files, desc="reading documentation", delay=1, leave=False, disable=not progress):
        document = _document(docstrings(path.read_bytes()), seen)
        if document:
            yield document


def _topics() -> dict[str, str]:
    from pydoc_data.topics import topics

    return topics


def _roots() -> list[Path]:
    packages = [importlib.util.find_spec(name) for name in ("torch", "numpy")]
    return [Path(sysconfig.get_path("stdlib")), *(Path(p.origin).parent for p in packages if p and p.origin)]


def source_files(root: Path) -> list[Path]:
    """The files below a folder that hold a package's own documentation, in an order every system shares."""
    found = [(path.relative_to(root), path) for path in root.rglob("*.py")]
    kept = [(inner.as_posix(), path) for inner, path in found if SKIPPED.isdisjoint(inner.parts)]
    return [path for _, path in sorted(kept)]


def docstrings(source: bytes) -> list[str]:
    """The docstrings of a Python file in the order of its lines; none for a file that is not Python.

    Example:
        >>> docstrings(b'def f():\\n    "Return one."\\n    return 1\\n')
        ['Return one.']
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other people's invalid escape sequences
            tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            found.append((getattr(node, "lineno", 0), ast.get_docstring(node) or ""))
        elif isinstance(node, ast.Call) and _called(node) in ATTACH:
            found += [(node.lineno, text) for argument in node.args for text in _long_texts(argument)]
    return [text.strip() for _, text in sorted(found, key=lambda pair: pair[0]) if text.strip()]


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def _long_texts(node: ast.expr) -> list[str]:
    texts = (n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return [text for text in texts if len(text) >= SHORTEST]


def _document(texts: Iterable[str], seen: set[str]) -> str:
    """The texts that are new and prose, blank lines between them."""
    kept = []
    for text in texts:
        key = " ".join(text.split())
        if len(key) >= SHORTEST and key not in seen and is_prose(text):
            seen.add(key)
            kept.append(text)
    return "\n\n".join(kept)


def is_prose(text: str) -> bool:
    """Whether at least 60 % of a text are letters and white space; tables and printed arrays have fewer.

    Example:
        >>> is_prose("Return the sum of the elements."), is_prose("[[0.1, 0.2], [0.3, 0.4]]")
        (True, False)
    """
    return sum(c.isalpha() or c.isspace() for c in text) >= 0.6 * len(text)
