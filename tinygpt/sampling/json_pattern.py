"""JSON as a regular expression, nested to a given depth or in the shape of a schema."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

CHARACTER = r'([^"\\\x00-\x1f]|\\(["\\/bfnrt]|u[0-9a-fA-F]{4}))'
INTEGER = r"-?(0|[1-9][0-9]*)"
SIMPLE = {
    "string": f'"{CHARACTER}*"',
    "integer": INTEGER,
    "number": rf"{INTEGER}(\.[0-9]+)?([eE][+-]?[0-9]+)?",
    "boolean": "(true|false)",
    "null": "null",
}
KNOWN = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"minLength", "maxLength"},
}
REMARKS = {"type", "title", "description"}


def json_pattern(schema: Mapping[str, Any] | None = None, *, depth: int = 2) -> str:
    """Returns a regular expression for JSON texts, for `token_automaton`.

    After a comma or a colon may stand one space, nowhere else.

    Args:
        schema: the shape, as in JSON Schema: `type`, `properties` (all of them, in this order), `items`,
            `minItems`, `maxItems`, `minLength`, `maxLength`, `enum` and `const`. None means any value.
        depth: of a value that the schema leaves open: how many arrays and objects may stand in one another.
            Each one more makes the pattern four times as long.

    Raises:
        ValueError: when the schema holds something else.

    Example:
        >>> json_pattern({"type": "object", "properties": {"yes": {"type": "boolean"}}})
        '\\\\{"yes": ?(true|false)\\\\}'

    Source: RFC 8259; the keywords are those of JSON Schema 2020-12.
    """
    if depth < 0:
        raise ValueError(f"depth must be 0 or more; got {depth}. 0 lets no array and no object come.")
    return _anything(depth) if schema is None else _shaped(schema, depth)


def _anything(depth: int) -> str:
    options = [SIMPLE[kind] for kind in ("string", "number", "boolean", "null")]
    if depth:
        inside = _anything(depth - 1)
        options += [_list("[", inside, "]"), _list("{", f"{SIMPLE['string']}: ?{inside}", "}")]
    return f"({'|'.join(options)})"


def _shaped(schema: Mapping[str, Any], depth: int) -> str:
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return f"({'|'.join(re.escape(json.dumps(value, ensure_ascii=False)) for value in values)})"
    if not schema:
        return _anything(depth)
    kind = schema.get("type")
    if kind not in (*SIMPLE, *KNOWN):
        raise ValueError(f"type must be one of {', '.join({**SIMPLE, **KNOWN})}; got {kind!r}.")
    if unknown := set(schema) - KNOWN.get(kind, set()) - REMARKS:
        raise ValueError(f"a schema for {kind} cannot have {sorted(unknown)} here.")
    if kind == "object":
        return _object(schema, depth)
    if kind == "array":
        items = _shaped(schema.get("items", {}), depth - 1)
        return _list("[", items, "]", schema.get("minItems", 0), schema.get("maxItems"))
    if kind == "string" and KNOWN["string"] & set(schema):
        return f'"{CHARACTER}{{{schema.get("minLength", 0)},{schema.get("maxLength", "")}}}"'
    return SIMPLE[kind]


def _object(schema: Mapping[str, Any], depth: int) -> str:
    properties = schema.get("properties", {})
    if schema.get("additionalProperties") or set(schema.get("required", properties)) != set(properties):
        raise ValueError(
            f"an object has all its properties and no others here; got required={schema.get('required')} and "
            f"additionalProperties={schema.get('additionalProperties')}. Leave both out."
        )
    parts = [
        f"{re.escape(json.dumps(name, ensure_ascii=False))}: ?{_shaped(inside, depth - 1)}"
        for name, inside in properties.items()
    ]
    return rf"\{{{', ?'.join(parts)}\}}"


def _list(opening: str, item: str, closing: str, least: int = 0, most: int | None = None) -> str:
    """Items with commas between them, from least to most."""
    if most == 0:
        return rf"\{opening}\{closing}"
    items = f"{item}(, ?{item}){{{max(0, least - 1)},{'' if most is None else most - 1}}}"
    return rf"\{opening}{items if least else f'({items})?'}\{closing}"
