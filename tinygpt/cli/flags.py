"""Command-line flags from config dataclasses, so that a field and its flag cannot drift apart."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import MISSING, fields
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

    A flag that is not given leaves no trace in what is parsed: see `chosen`.

    Args:
        parser: gets a group named after the dataclass.
        config: a dataclass whose fields are int, float, str, bool or `int | None`.
        defaults: what the help says of a field's default, where it is not the dataclass's.
        choices: allowed texts per field.
        skip: fields without a flag.
    """
    group = parser.add_argument_group(config.__name__)
    texts = argument_texts(config.__doc__ or "")
    for field in fields(config):
        if field.name in skip:
            continue
        default = {field.name: field.default, **(defaults or {})}[field.name]
        shown = "" if default is MISSING else f" (default: {default})"
        kind: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
        if field.type != "bool":
            kind = {"type": PARSERS[str(field.type)], "choices": (choices or {}).get(field.name)}
        text = (texts.get(field.name, "") + shown).replace("%", "%%")
        group.add_argument(flag(field.name), default=argparse.SUPPRESS, help=text, **kind)


def chosen(config: type, values: argparse.Namespace) -> dict[str, Any]:
    """Returns the fields of `config` that were given on the command line, by name.

    Example:
        >>> from tinygpt.training import TrainConfig
        >>> parser = argparse.ArgumentParser()
        >>> add_flags(parser, TrainConfig)
        >>> chosen(TrainConfig, parser.parse_args(["--lr", "0.1", "--final-lr", "0"]))
        {'lr': 0.1, 'final_lr': 0.0}
    """
    given = vars(values)
    return {field.name: given[field.name] for field in fields(config) if field.name in given}


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


def flag(name: str) -> str:
    """Returns the flag of a field.

    Example:
        >>> flag("n_layers")
        '--n-layers'
    """
    return "--" + name.replace("_", "-")
