"""Command-line flags from config dataclasses, so that a field and its flag cannot drift apart."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

PARSERS = {"int": int, "float": float, "str": str, "int | None": int}


def add_flags(
    parser: argparse.ArgumentParser,
    config: type,
    *,
    defaults: Mapping[str, Any] | None = None,
    choices: Mapping[str, tuple[str, ...]] | None = None,
    skip: tuple[str, ...] = (),
) -> None:
    """Adds one flag per field of a dataclass, with the help from its docstring's `Args`.

    Args:
        parser: gets a group named after the dataclass.
        config: a dataclass whose fields are int, float, str, bool or `int | None`.
        defaults: other defaults than the dataclass has.
        choices: allowed texts per field.
        skip: fields without a flag.
    """
    group = parser.add_argument_group(config.__name__)
    texts = argument_texts(config.__doc__ or "")
    for field in fields(config):
        if field.name in skip:
            continue
        default = {**_default(field), **(defaults or {})}.get(field.name)
        flag, text = "--" + field.name.replace("_", "-"), texts.get(field.name, "").replace("%", "%%")
        if field.type == "bool":
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=default, help=text)
        else:
            text += f" (default: {default})"
            allowed = (choices or {}).get(field.name)
            group.add_argument(
                flag, type=PARSERS[str(field.type)], default=default, choices=allowed, help=text
            )


def chosen(config: type, values: argparse.Namespace, skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """Returns the fields of `config` that were parsed, by name."""
    return {field.name: getattr(values, field.name) for field in fields(config) if field.name not in skip}


def argument_texts(docstring: str) -> dict[str, str]:
    """Returns what a docstring's `Args` section says of each name, as one line each.

    Example:
        >>> argument_texts('''Sum.
        ...
        ...     Args:
        ...         a, b: to be
        ...             added.
        ... ''')
        {'a': 'to be added.', 'b': 'to be added.'}
    """
    lines = docstring.partition("Args:\n")[2].splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
    texts: dict[str, str] = {}
    names: list[str] = []
    for line in lines:
        depth = len(line) - len(line.lstrip())
        if not line.strip() or depth < indent:
            break
        if depth == indent:
            heads, _, line = line.partition(":")
            names = [name.strip() for name in heads.split(",")]
        for name in names:
            texts[name] = f"{texts.get(name, '')} {line.strip()}".strip()
    return texts


def _default(field: Field[Any]) -> dict[str, Any]:
    return {} if field.default is MISSING else {field.name: field.default}
