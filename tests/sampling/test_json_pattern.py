"""JSON as a pattern: what is drawn is read by Python's `json`, and what Python writes is taken."""

from __future__ import annotations

import json
import re

import pytest
from constraints import BPE, samples

from tinygpt.sampling import json_pattern


def depth_of(value: object) -> int:
    inside = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth_of, inside), default=0) if isinstance(value, (dict, list)) else 0


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_json_of_any_shape(depth: int) -> None:
    rows = samples(json_pattern(depth=depth), BPE, 200, within=40, seed=depth)
    values = [json.loads(BPE.decode(row)) for row in rows]
    assert max(map(depth_of, values)) == depth
    kinds = {type(value) for value in values}
    assert kinds >= {str, int, *((list, dict) if depth else ())}


def test_json_that_python_writes_is_taken() -> None:
    values = [
        0,
        -1.5e-7,
        12,
        True,
        None,
        "",
        'q"\\/\n\u2028é𝄞',
        [],
        {},
        [1, [2, {}]],
        {"a": {"b": [1]}},
        ["a", None],
    ]
    for value in values:
        for options in ({}, {"ensure_ascii": False}, {"separators": (",", ":")}):
            text = json.dumps(value, **options)
            assert re.fullmatch(json_pattern(depth=3), text), text
            assert bool(re.fullmatch(json_pattern(depth=1), text)) == (depth_of(value) < 2)
    for text in (
        "01",
        "1.",
        ".5",
        "+1",
        "'a'",
        "[1,]",
        "{a: 1}",
        '"\n"',
        "[1 ,2]",
        "nul",
        "{1: 2}",
        '"\\x"',
        "NaN",
    ):
        assert not re.fullmatch(json_pattern(depth=3), text), text


PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 5},
        "kind": {"enum": ["cat", "a|b", 3, None]},
        "tags": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
        "ok": {"type": "boolean"},
    },
    "required": ["name", "kind", "tags", "ok"],
    "additionalProperties": False,
}


def test_json_of_a_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    for row in samples(json_pattern(PERSON), BPE, 200, within=60):
        value = json.loads(BPE.decode(row))
        jsonschema.validate(value, PERSON)
        assert list(value) == list(PERSON["properties"])


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "array", "items": {"type": "null"}}, ["[]", "[null, null]"], ["[1]", "null"]),
        ({"type": "array", "items": {"type": "null"}, "minItems": 2}, ["[null,null]"], ["[null]"]),
        ({"type": "array", "items": {"type": "null"}, "maxItems": 0}, ["[]"], ["[null]"]),
        ({"type": "array", "items": {"type": "null"}, "maxItems": 1}, ["[]", "[null]"], ["[null,null]"]),
        ({"type": "array"}, ["[]", '[{"a": 1}]'], ["[[[1]]]"]),
        ({"type": "object", "properties": {"a": {}}}, ['{"a": [1]}'], ["{}", '{"a": [[1]]}']),
        ({"type": "object"}, ["{}"], ['{"a": 1}']),
        ({"const": "a.b"}, ['"a.b"'], ['"axb"']),
        ({"type": "string", "maxLength": 2}, ['""', '"ab"', '"\\n\\u00e9"'], ['"abc"']),
        ({"type": "integer", "title": "x"}, ["-3", "0"], ["1.5", "1e3"]),
        ({}, ["[[1]]"], ["[[[1]]]"]),
    ],
)  # fmt: skip
def test_keywords_of_a_schema(schema: dict, good: list[str], bad: list[str]) -> None:
    pattern = json_pattern(schema)
    assert all(re.fullmatch(pattern, text) for text in good)
    assert not any(re.fullmatch(pattern, text) for text in bad)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "date"}, "type must be one of string, integer.*got 'date'"),
        ({"type": "string", "pattern": "a"}, r"a schema for string cannot have \['pattern'\] here"),
        ({"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"]}, "has all its properties"),
        ({"type": "object", "additionalProperties": True}, "has all its properties and no others here"),
    ],
)
def test_what_is_no_schema_is_explained(schema: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        json_pattern(schema)


def test_a_depth_below_0_is_explained() -> None:
    with pytest.raises(ValueError, match="depth must be 0 or more; got -1"):
        json_pattern(depth=-1)
