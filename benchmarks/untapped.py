"""The same model without taps, to say what they cost: its methods are rewritten, each `tap(x)` to `x`."""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from torch import nn

from tinygpt.models import Tap, taps
from tinygpt.models.transformer import through


def untapped(model: nn.Module) -> nn.Module:
    """Returns a copy of a model that has no tap, neither in its code nor in its modules.

    A tap that the rewriting missed is an `AttributeError` when the copy runs.
    """
    names = frozenset(name.rpartition(".")[2] for name in taps(model))
    bare = copy.deepcopy(model)
    kinds = {kind: _without(kind, names) for kind in {type(module) for module in bare.modules()}}
    for module in bare.modules():
        module.__class__ = kinds[type(module)]
        for name in [name for name, value in vars(module).items() if isinstance(value, Tap)]:
            delattr(module, name)
    return bare


def _without(kind: type[nn.Module], names: frozenset[str]) -> type[nn.Module]:
    """Returns a subclass whose methods call no tap, or the class itself where no method does."""
    ours = [base for base in reversed(kind.__mro__) if base.__module__.startswith("tinygpt.")]
    found = {name: value for base in ours for name, value in vars(base).items() if name != "__init__"}
    methods = {name: value for name, value in found.items() if inspect.isfunction(value)}
    bare = {name: _bare(method, names) for name, method in methods.items()}
    changed = {name: method for name, method in bare.items() if method is not methods[name]}
    return type(kind.__name__, (kind,), changed) if changed else kind


def _bare(function: Callable[..., Any], names: frozenset[str]) -> Callable[..., Any]:
    """Returns the function compiled from its source less the taps, or itself where that changes nothing."""
    function = inspect.unwrap(function)  # the tests wrap every function to check its shapes
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    before = ast.dump(tree)
    tree = ast.fix_missing_locations(_Remover(names).visit(tree))
    shared = function.__name__ != "through" and "through" in function.__code__.co_names
    if ast.dump(tree) == before and not shared:
        return function
    # A copy of what the function sees; `through` is what all models share and calls taps of its own.
    scope = {**function.__globals__, **({"through": _bare(through, names)} if shared else {})}
    exec(compile(tree, f"<{function.__qualname__} without taps>", "exec"), scope)
    return scope[function.__name__]


class _Remover(ast.NodeTransformer):
    """Replaces `part.tap(x)` by `x`, and `part.tap.watched`, which asks whether anybody looks, by False."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names

    def _is_tap(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and node.attr in self.names

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        return node.args[0] if self._is_tap(node.func) and len(node.args) == 1 else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        return ast.Constant(False) if node.attr == "watched" and self._is_tap(node.value) else node
