"""JSON values against their JSON Schema: what is told names the place and the rule, never the value."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dynconfig.engine import json_schema
from dynconfig.engine.json_schema import DIALECT, fault, schema_fault

SERVER: dict[str, Any] = {
    "type": "object",
    "required": ["host", "port"],
    "properties": {"host": {"type": "string"}, "port": {"type": "integer", "maximum": 65535}},
    "additionalProperties": False,
}
SLOW = "^(a|aa)+$"
SLOW_TEXT = "a" * 64 + "!"


@pytest.mark.parametrize(
    ("schema", "value", "told"),
    [
        (SERVER, {"host": "db", "port": 5432}, None),
        (SERVER, {"host": "db", "port": 70000}, "$.port: maximum 65535"),
        (SERVER, {"port": 1}, "$: required host"),
        (SERVER, {"host": "db", "port": 1, "canary": 2}, "$: a property that the schema does not allow"),
        ({"items": SERVER}, [{"host": 1, "port": 1}], "$[0].host: type string"),
        ({"type": ["integer", "null"]}, "x", '$: type ["integer", "null"]'),
        ({"additionalProperties": {"type": "integer"}}, {"canary": "x"}, "$.*: type integer"),
        ({"patternProperties": {"^c": {"type": "integer"}}}, {"canary": "x"}, "$.*: type integer"),
        ({"propertyNames": {"pattern": "^a$"}}, {"canary": 1}, "$: pattern ^a$"),
        ({"enum": [1, 2]}, 3, "$: none of the 2 values in enum"),
        ({"const": 1}, 3, "$: const 1"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "x", "$: anyOf"),
        ({"not": {"type": "integer"}}, 1, "$: not"),
        ({"properties": {"old": False}}, {"old": 1}, "$: nothing is allowed here"),
        ({"if": {"type": "string"}, "then": {"maxLength": 2}}, "abc", "$: maxLength 2"),
        ({"contains": {"const": 1}, "minContains": 2}, [1], "$: minContains 2"),
        ({"unevaluatedProperties": False}, {"canary": 1}, "$: a property that the schema does not allow"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}}, 1, "$: type string"),
        ({"$schema": DIALECT, "$id": "https://x.example/s", "type": "string"}, 1, "$: type string"),
        ({"uniqueItems": True}, [1, True, [1], [True], 2], None),
        ({"uniqueItems": True}, [1, 1.0], "$: uniqueItems true"),
        ({"pattern": r"^\p{L}+$"}, "été", None),
    ],
)
def test_a_value_is_told_by_place_and_rule(schema: dict[str, Any], value: object, told: str | None) -> None:
    assert schema_fault(schema) is None
    found = fault(schema, json.dumps(value))
    assert found == (f"does not fit jsonSchema: {told}" if told else None)
    assert "canary" not in (found or "")


def test_three_broken_rules_are_told_and_the_rest_counted() -> None:
    found = fault({"items": {"type": "integer"}}, json.dumps(["x"] * 5))
    assert found == "does not fit jsonSchema: $[0]: type integer; $[1]: type integer; $[2]: type integer; and 2 more"


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "objekt"}, "type: 'objekt' is not valid"),
        ({"properties": {"port": {"minimum": "1"}}}, "properties.port.minimum: '1' is not of type 'number'"),
        ({"properties": {"a": {"pattern": "("}}}, "properties.a: pattern is not a regular expression"),
        ({"patternProperties": {"(": {}}}, "the root: pattern is not a regular expression"),
        ({"$ref": "https://x.example/other.json"}, "$ref has to begin with #"),
        ({"items": {"$ref": "other.json"}}, "items: $ref has to begin with #"),
        ({"items": {"$ref": "#/$defs/none"}}, "items: $ref #/$defs/none is not in the schema"),
        ({"$dynamicRef": "#none"}, "$dynamicRef #none is not in the schema"),
        ({"items": {"$id": "https://x.example/s"}}, "items: $id is possible at the root only"),
        ({"items": {"$schema": DIALECT}}, "items: $schema is possible at the root only"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, f"$schema has to be {DIALECT}"),
        ({"patternProperties": {"a": {}}, "unevaluatedProperties": False}, "do not go together"),
    ],
)
def test_a_schema_that_cannot_be_used_is_told_with_field_and_reason(schema: dict[str, Any], told: str) -> None:
    assert told in (schema_fault(schema) or "")


@pytest.mark.parametrize("schema", [{"const": {"$ref": "x"}}, {"properties": {"$ref": {}, "pattern": {}, "$id": {}}}])
def test_data_and_names_in_a_schema_are_not_taken_for_keywords(schema: dict[str, Any]) -> None:
    assert schema_fault(schema) is None


def doubling(levels: int) -> dict[str, Any]:
    """A schema of a few lines that takes 2^levels steps."""
    steps = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/a0", "$defs": {**steps, f"a{levels}": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (doubling(40), 1),
        ({"pattern": SLOW}, SLOW_TEXT),
        ({"$schema": DIALECT, "properties": {"a": {"$ref": "#"}}, "pattern": SLOW}, {"a": SLOW_TEXT}),
        ({"patternProperties": {SLOW: {}}}, {SLOW_TEXT: 1}),
        ({"additionalProperties": False, "patternProperties": {SLOW: {}}}, {SLOW_TEXT: 1}),
        ({"propertyNames": {"pattern": SLOW}}, {SLOW_TEXT: 1}),
    ],
    ids=["doubling", "pattern", "behind a reference to the root", "patternProperties", "additional", "propertyNames"],
)
def test_a_schema_that_takes_for_ever_is_given_up(
    schema: dict[str, Any], value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_schema, "SECONDS", 0.1)
    assert "make the schema simpler" in (fault(schema, json.dumps(value)) or "")


def test_a_schema_that_refers_to_itself_without_end_is_told() -> None:
    assert "refers to itself without end" in (fault({"$ref": "#"}, "1") or "")


def test_a_number_beyond_all_measure_is_told_and_not_raised() -> None:
    assert fault({"multipleOf": 1e-300}, "1e308") is not None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, 1.0, "", "a", "ab"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "ab"]), inner, max_size=3),
    max_leaves=6,
)
SCHEMAS = st.sampled_from(
    [
        {"uniqueItems": True},
        {"pattern": "^a"},
        {"additionalProperties": False, "properties": {"a": True}, "patternProperties": {"^ab": {"type": "string"}}},
        {"additionalProperties": {"uniqueItems": True}, "properties": {"a": {"pattern": "b"}}},
        {"items": {"uniqueItems": True, "additionalProperties": {"type": "null"}}},
    ]
)


@given(SCHEMAS, VALUES)
def test_bounding_the_time_changes_no_answer(schema: dict[str, Any], value: object) -> None:
    assert (fault(schema, json.dumps(value)) is None) == Draft202012Validator(schema).is_valid(value)
