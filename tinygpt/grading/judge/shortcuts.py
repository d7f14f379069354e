"""Reads answers for what they were asked to write themselves, and says where a person should look.

Nothing is run, and nothing is scored: code that hides well is not found, and code that is found may be fine.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, islice
from typing import Any

from tinygpt.grading.exercise import Exercise
from tinygpt.grading.judge.inside.cells import readings
from tinygpt.grading.sheet import LONGEST

# In no answer, whatever is asked: the references, and code that cannot be read here.
ALWAYS = ("tinygpt.grading", "builtins.exec", "builtins.eval", "torch.ops")
PRIVATE = re.compile(r"torch\.(\w+\.)*_[A-Za-z]")  # nor what lies under PyTorch's public functions
KNOWN = (
    "torch",
    "tinygpt",
    "builtins",
)  # packages whose names are looked up, so that an alias inside them tells
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
MOST_FLAGS = 20  # of one answer that are listed
ANYTHING = "*"  # a name for all names: what these give a value to cannot be read
UNSEEN = ("globals", "locals", "vars", "setattr", "exec", "eval")
MOST_NAMES = 20  # that one variable is followed through
MODULES_OF = ("importlib.import_module", "builtins.__import__")
UNREAD = "code that is too deep or too long to be searched"  # which may run all the same
MORE = "more than are listed"


@dataclass(frozen=True)
class Flag:
    """A place to look at.

    Args:
        exercise: Whose answer reaches it.
        cell: The number of the code cell, from 1.
        line: The line in that cell, from 1.
        uses: The shortcut, as the exercise names it, or the private function.
        text: The line itself.
    """

    exercise: str
    cell: int
    line: int
    uses: str
    text: str


@dataclass(frozen=True)
class _Place:
    """A piece of code, and the number of its cell."""

    node: ast.AST
    cell: int


def flags(cells: Sequence[str], exercises: Sequence[Exercise]) -> list[Flag]:
    """Every use of a shortcut in code that an answer can reach: its own, and that of helpers it names.

    Args:
        cells: The sources of all code cells. Those that are no Python are passed over.
        exercises: What the answers are to solve.
    """
    notebook = _Notebook(cells)
    return [flag for exercise in exercises for flag in _listed(exercise, notebook)]


def _listed(exercise: Exercise, notebook: _Notebook) -> list[Flag]:
    unread = (Flag(exercise.name, cell, 1, UNREAD, "") for cell in notebook.unread)
    found = list(islice(chain(unread, notebook.flags(exercise)), MOST_FLAGS + 1))
    return [*found[:MOST_FLAGS], *(replace(flag, uses=MORE) for flag in found[MOST_FLAGS:])]


def leans_on(cells: Sequence[str], names: Sequence[str]) -> dict[str, list[str]]:
    """For each answer, which of the others its code uses, itself or through helpers."""
    notebook = _Notebook(cells)
    own = {name: {id(place.node) for place in notebook.defined.get(name, ())} for name in names}
    used = {name: {id(place.node) for place in notebook.reached(name)} for name in names}
    return {name: [other for other in names if other != name and own[other] & used[name]] for name in names}


class _Notebook:
    """What the top level of a notebook defines, and under which names it knows other people's code."""

    def __init__(self, cells: Sequence[str]) -> None:
        self.lines = [cell.splitlines() for cell in cells]
        self.trees: list[tuple[int, ast.Module]] = []
        self.unread: list[int] = []
        for number, cell in enumerate(cells, 1):
            try:
                self.trees += [(number, tree)] if (tree := _parsed(cell)) else []
            except (RecursionError, MemoryError):
                self.unread.append(number)
        self.defined: dict[str, list[_Place]] = {}
        self.aliases: dict[str, set[str]] = {}
        self.stars: set[str] = set()
        for number, tree in self.trees:
            self.stars |= _stars(tree)
            for node in _top(tree):
                for name, part in _bound(node):
                    self.defined.setdefault(name, []).append(_Place(part, number))
        self.modules = {name for name, places in self.defined.items() if any(map(_imports, places))}
        for _ in range(2):  # an alias may be made of one that stands further below
            for number, tree in self.trees:
                try:
                    for node in _top(tree):
                        _learn(node, self.aliases, self)
                except RecursionError:
                    self.unread += [number] if number not in self.unread else []

    def flags(self, exercise: Exercise) -> Iterator[Flag]:
        wanted = {name: name for name in (*exercise.shortcuts, *ALWAYS)}
        seen = set()
        for place in self.reached(exercise.name):
            for node, name in self.uses(place.node):
                used = name if name == UNREAD else _hit(name, wanted) or _hit(_method(name), wanted)
                where = (place.cell, getattr(node, "lineno", 0), used)
                if used and where not in seen:
                    seen.add(where)
                    line = self.lines[place.cell - 1][where[1] - 1 : where[1]]
                    yield Flag(exercise.name, *where, "".join(line).strip())

    def reached(self, name: str) -> list[_Place]:
        """The code that gives a name its value, and that of all names it uses."""
        direct = [place for place in self.defined.get(name, ()) if isinstance(place.node, ast.ImportFrom)]
        found = {id(place.node): place for place in direct}
        left, known = [name, ANYTHING], set()
        while left:
            if (name := left.pop()) in known:
                continue
            known.add(name)
            for place in self.defined.get(name, ()):
                passed = _imports(place) or (name in self.modules and isinstance(place.node, ast.Expr))
                if not passed and id(place.node) not in found:
                    found[id(place.node)] = place
                    left += _read(place.node)
        return list(found.values())

    def uses(self, node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
        """Every expression of a piece of code that has a dotted name, with each name it may have."""
        try:
            yield from self._uses(node)
        except RecursionError:
            yield node, UNREAD

    def _uses(self, node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
        own = _own(node)
        names = {alias: set(found) for alias, found in self.aliases.items() if alias not in own}
        for _ in range(2):
            for inner in ast.walk(node):
                _learn(inner, names, self)
        shared = {name for inner in ast.walk(node) for name in _shared(inner)}
        for inner in ast.walk(node):
            if isinstance(inner, ast.ImportFrom):
                told = (a for a in inner.names if inner is node or (a.asname or a.name) in shared)
                yield from ((inner, f"{inner.module}.{alias.name}") for alias in told)
            elif isinstance(inner, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)):
                yield from ((inner, name) for name in self.dotted(inner, names))
                if isinstance(inner, ast.Attribute):
                    yield inner, f".{inner.attr}"

    def dotted(self, node: ast.AST, names: dict[str, set[str]]) -> set[str]:
        """The dotted names that an expression may stand for; none for most."""
        if isinstance(node, ast.Name):
            plain = {f"{module}.{node.id}" for module in self.stars}
            ready = {f"builtins.{node.id}"} if node.id not in self.defined else set()
            return names.get(node.id, set()) | plain | ready
        if isinstance(node, ast.Attribute):
            return {f"{base}.{node.attr}" for base in self.dotted(node.value, names)}
        if isinstance(node, ast.Subscript):
            return self._item(node, names)
        return self._call(node, names) if isinstance(node, ast.Call) else set()

    def _item(self, node: ast.Subscript, names: dict[str, set[str]]) -> set[str]:
        """`sys.modules["torch"]`, `vars(F)["softmax"]` and `F.__dict__["softmax"]`."""
        key = _string(node.slice)
        if key is None:
            return set()
        bases = self.dotted(node.value, names)
        call = node.value if isinstance(node.value, ast.Call) and node.value.args else None
        if call and "builtins.vars" in self.dotted(call.func, names):
            bases |= {f"{base}.__dict__" for base in self.dotted(call.args[0], names)}
        inside = {f"{base.removesuffix('.__dict__')}.{key}" for base in bases if base.endswith(".__dict__")}
        return inside | ({key} if "sys.modules" in bases else set())

    def _call(self, node: ast.Call, names: dict[str, set[str]]) -> set[str]:
        """`getattr(F, "softmax")` and `importlib.import_module("torch")`."""
        function = self.dotted(node.func, names)
        if len(node.args) >= 2 and "builtins.getattr" in function and (name := _string(node.args[1])):
            return {f"{base}.{name}" for base in self.dotted(node.args[0], names)}
        if node.args and function & set(MODULES_OF) and (name := _string(node.args[0])):
            return {name}
        return set()


def _learn(node: ast.AST, names: dict[str, set[str]], notebook: _Notebook) -> None:
    """Notes what an import or an assignment gives another name to."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            known = alias.name if alias.asname else alias.name.partition(".")[0]
            names.setdefault(alias.asname or known, set()).add(known)
    elif isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            names.setdefault(alias.asname or alias.name, set()).add(f"{node.module}.{alias.name}")
    elif isinstance(node, (ast.Assign, ast.NamedExpr)) and (found := notebook.dotted(node.value, names)):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name) and len(names.get(target.id, ())) < MOST_NAMES:
                names.setdefault(target.id, set()).update(found - {f"builtins.{target.id}"})


def _top(tree: ast.AST) -> Iterator[ast.AST]:
    """The statements that run when a cell runs, those inside of `if`, `for`, `with` and `try` too."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if not isinstance(node, (*SCOPES, ast.expr)):
            yield from _top(node)


def _imports(place: _Place) -> bool:
    return isinstance(place.node, (ast.Import, ast.ImportFrom))


def _bound(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The names to which a statement of the top level gives a value, or a part of one, and what gives it."""
    if isinstance(node, SCOPES):
        yield node.name, node
        yield from ((name, node) for inner in ast.walk(node) for name in _shared(inner))
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            part = node
            if isinstance(node, ast.ImportFrom) and node.module:
                part = ast.copy_location(ast.ImportFrom(node.module, [alias], node.level), node)
            yield alias.asname or alias.name.partition(".")[0], part
    elif isinstance(node, ast.Match):
        patterns = (inner for case in node.cases for inner in ast.walk(case.pattern))
        yield from ((name, node) for inner in patterns if (name := _caught(inner)))
    elif isinstance(node, (ast.For, ast.AsyncFor)):
        yield from ((name, node.iter) for name in _targets(node.target))
    elif isinstance(node, ast.withitem):
        yield from ((name, node.context_expr) for name in _targets(node))
    elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.expr)):
        yield from ((name, node) for name in _targets(node))


def _targets(node: ast.AST) -> set[str]:
    """The names that a statement assigns to, or whose parts: by `=`, by `:=`, by a method that it calls."""
    stored = (n for n in ast.walk(node) if isinstance(getattr(n, "ctx", None), ast.Store))
    names = {_base(n) for n in stored}
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        called = node.value.func
        changes = isinstance(called, ast.Attribute) or getattr(called, "id", "") in UNSEEN
        names |= {_base(called)} if changes else set()
    return names - {""}


def _base(node: ast.AST) -> str:
    """The name that `name`, `name.part`, `name[part]` and `globals()["name"]` change."""
    key = _string(node.slice) if isinstance(node, ast.Subscript) else None
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    if isinstance(node, ast.Call):
        called = getattr(node.func, "id", "")
        return key if key and called in ("globals", "locals") else _base(node.func)
    name = node.id if isinstance(node, ast.Name) else ""
    return ANYTHING if name in UNSEEN else name


def _shared(node: ast.AST) -> list[str]:
    return node.names if isinstance(node, ast.Global) else []


def _caught(pattern: ast.AST) -> str | None:
    """The name that a part of a pattern binds."""
    return getattr(pattern, "name", None) or getattr(pattern, "rest", None)


def _own(node: ast.AST) -> set[str]:
    """The names that mean something of a function's own inside of it: arguments and local variables."""
    own = {inner.arg for inner in ast.walk(node) if isinstance(inner, ast.arg)}
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        shared = {name for inner in ast.walk(node) for name in _shared(inner)}
        names = (inner for inner in ast.walk(node) if isinstance(inner, ast.Name))
        own |= {name.id for name in names if isinstance(name.ctx, ast.Store)} - shared
    return own


def _read(node: ast.AST) -> list[str]:
    """The names of the notebook that a piece of code reads."""
    own = _own(node)
    return [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id not in own]


def _string(node: ast.AST) -> str | None:
    """A text that stands in the code, perhaps in pieces."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _string(node.left), _string(node.right)
        return None if left is None or right is None else left + right
    return None


def _stars(tree: ast.AST) -> set[str]:
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module)
    return {node.module for node in nodes for alias in node.names if alias.name == "*"}


def _hit(name: str, wanted: dict[str, str]) -> str:
    """The shortcut that a dotted name is, lies in, or is another name of, or a private name; "" if none."""
    for shortcut in wanted:
        if name == shortcut or (name.startswith(f"{shortcut}.") and not shortcut.startswith(".")):
            return shortcut
        if not name.startswith(".") and _same(name, shortcut):
            return shortcut
    return name if PRIVATE.match(name) and callable(located(name)) else ""


def _method(name: str) -> str:
    """The method that a function of a package is called like: `torch.softmax` does what `.softmax` does."""
    package, _, last = name.rpartition(".")
    return f".{last}" if package and package != "builtins" else ""


def _same(name: str, shortcut: str) -> bool:
    """Whether two names lead to one object. Only packages that are loaded anyway are looked into."""
    one = located(name)
    return one is not None and callable(one) and one is located(shortcut)


@lru_cache(maxsize=10_000)
def located(name: str) -> Any:
    """What a dotted name leads to without importing anything or asking an object; None if nowhere."""
    parts = name.split(".")
    if parts[0] not in KNOWN:
        return None
    found: Any = sys.modules.get(parts[0])
    for n, part in enumerate(parts[1:], 2):
        inside = vars(found) if hasattr(found, "__dict__") else {}
        found = inside.get(part, sys.modules.get(".".join(parts[:n])))
        if found is None:
            return None
    return found


def _parsed(source: str) -> ast.Module | None:
    """A cell's tree, read as the worker reads it; None if it is no Python.

    Raises:
        RecursionError, MemoryError: It goes too deep, or is too long.
    """
    if len(source) > LONGEST:
        raise MemoryError
    for text in readings(source):
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError):
            continue
    return None
