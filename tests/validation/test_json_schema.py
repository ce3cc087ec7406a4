"""Validation of JSON values: messages have path and rule, never the value."""

import json
from functools import cache
from time import thread_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dynconfig.validation import json_schema, meta_schema
from dynconfig.validation.json_schema import DIALECT, fault, schema_fault

SERVER: dict[str, Any] = {
    "type": "object",
    "required": ["host", "port"],
    "properties": {"host": {"type": "string"}, "port": {"type": "integer", "maximum": 65535}},
    "additionalProperties": False,
}
SLOW = "^(a|aa)+$"
SLOW_TEXT = "a" * 64 + "!"


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        (SERVER, {"host": "db", "port": 5432}, None),
        (SERVER, {"host": "db", "port": 70000}, "$.port: maximum 65535"),
        (SERVER, {"port": 1}, "$: required host"),
        (SERVER, {"host": "db", "port": 1, "canary": 2}, "$: property not allowed by the schema"),
        ({"items": SERVER}, [{"host": 1, "port": 1}], "$[0].host: type string"),
        ({"type": ["integer", "null"]}, "x", '$: type ["integer", "null"]'),
        ({"additionalProperties": {"type": "integer"}}, {"canary": "x"}, "$.*: type integer"),
        ({"patternProperties": {"^c": {"type": "integer"}}}, {"canary": "x"}, "$.*: type integer"),
        ({"propertyNames": {"pattern": "^a$"}}, {"canary": 1}, "$: pattern ^a$"),
        ({"enum": [1, 2]}, 3, "$: not one of the values in enum"),
        ({"const": 1}, 3, "$: const 1"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "x", "$: anyOf"),
        ({"not": {"type": "integer"}}, 1, "$: not"),
        ({"properties": {"old": False}}, {"old": 1}, "$.old: not allowed by the schema"),
        ({"if": {"type": "string"}, "then": {"maxLength": 2}}, "abc", "$: maxLength 2"),
        ({"contains": {"const": 1}, "minContains": 2}, [1], "$: minContains 2"),
        ({"unevaluatedProperties": False}, {"canary": 1}, "$: property not allowed by the schema"),
        ({"unevaluatedProperties": False, "patternProperties": {"^c": True}}, {"canary": 1}, None),
        ({"unevaluatedItems": False, "prefixItems": [True]}, [1, 2], "$: unevaluatedItems false"),
        ({"required": ["a", "b", "c"]}, {"b": 1}, "$: required a, c"),
        ({"oneOf": [{"type": "integer"}, {"minimum": 0}]}, 1, "$: oneOf"),
        ({"dependentSchemas": {"a": {"required": ["b"]}}}, {"a": 1}, "$: required b"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}}, 1, "$: type string"),
        ({"$schema": DIALECT, "$id": "https://x.example/s", "type": "string"}, 1, "$: type string"),
        ({"uniqueItems": True}, [1, True, [1], [True], 2], None),
        ({"uniqueItems": True}, [1, 1.0], "$: uniqueItems true"),
        ({"pattern": r"^\p{L}+$"}, "été", None),
    ],
)
def test_error_has_path_and_rule(schema: dict[str, Any], value: object, message: str | None) -> None:
    assert schema_fault(schema) is None
    found = fault(schema, json.dumps(value))
    assert found == (f"does not match jsonSchema: {message}" if message else None)
    assert "canary" not in (found or "")


def test_three_errors_are_listed_and_the_rest_counted() -> None:
    found = fault({"items": {"type": "integer"}}, json.dumps(["x"] * 5))
    assert found == "does not match jsonSchema: $[0]: type integer; $[1]: type integer; $[2]: type integer; and 2 more"


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "objekt"}, "type: 'objekt' is not valid"),
        ({"properties": {"port": {"minimum": "1"}}}, "properties.port.minimum: '1' is not of type 'number'"),
        ({"properties": {"a": {"pattern": "("}}}, "properties.a: pattern is not a valid regular expression"),
        ({"patternProperties": {"(": {}}}, "the root: pattern is not a valid regular expression"),
        ({"$ref": "https://x.example/other.json"}, "$ref must begin with #"),
        ({"items": {"$ref": "other.json"}}, "items: $ref must begin with #"),
        ({"items": {"$ref": "#/$defs/none"}}, "items: $ref #/$defs/none does not refer to a schema in this one"),
        ({"$dynamicRef": "#none"}, "$dynamicRef #none does not refer to a schema in this one"),
        ({"items": {"$id": "https://x.example/s"}}, "items: $id is only allowed at the root"),
        ({"items": {"$schema": DIALECT}}, "items: $schema is only allowed at the root"),
        ({"properties": {"enum": {"$schema": DIALECT}}}, "properties.enum: $schema is only allowed at the root"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, f"$schema must be {DIALECT}"),
        ({"$schema": 5}, f"$schema must be {DIALECT}"),
        ({"properties": {"const": {"pattern": "("}}}, "properties.const: pattern is not a valid regular expression"),
        ({"pattern": "(?=a)"}, "pattern is not a valid regular expression of RE2"),
        ({"pattern": "(?a)(?u)x"}, "pattern is not a valid regular expression"),
        ({"properties": {"default": {"$ref": "#/none"}}}, "properties.default: $ref #/none does not refer to a schema"),
        ({"multipleOf": float("nan")}, "a number that is not finite"),
    ],
)
def test_invalid_schema_is_rejected_with_field_and_reason(schema: dict[str, Any], message: str) -> None:
    assert message in (schema_fault(schema) or "")


@pytest.mark.parametrize(
    ("target", "beside"),
    [
        ("#/enum", {"enum": [["x"]]}),
        ("#/enum/0", {"enum": [{"type": "nope"}]}),
        ("#/const", {"const": 5}),
        ("#/type/0", {"type": "string"}),
        ("#/minimum/0", {"minimum": 3}),
        ("#/allOf", {"allOf": [{}]}),
        ("#/allOf/x", {"allOf": [{}]}),
        ("#/$defs", {"$defs": {"type": {}}}),
        ("#/x", {"x": {"type": "nope"}}),
        ("#/x/y", {"x": {"$id": "https://x.example", "y": {"properties": 5}}}),
        ("#/examples/0", {"examples": [{"multipleOf": 0}]}),
        ("#/default", {"default": {"pattern": "("}}),
        ("#/$defs/a/const", {"$defs": {"a": {"const": {"minimum": "a"}}}}),
        ("#here", {"const": {"$anchor": "here"}}),
    ],
)
@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
def test_reference_must_refer_to_a_subschema(keyword: str, target: str, beside: dict[str, Any]) -> None:
    message = f"items: {keyword} {target} does not refer to a schema in this one; move its target to $defs"
    assert schema_fault({**beside, "items": {keyword: target}}) == message


@pytest.mark.parametrize(
    ("target", "beside"),
    [
        ("#", {}),
        ("#/$defs/a", {"$defs": {"a": {"type": "string"}}}),
        ("#/$defs/a~1b~0c", {"$defs": {"a/b~c": {}}}),
        ("#/%24defs/%C3%A9", {"$defs": {"é": True}}),
        ("#/properties/enum/anyOf/1", {"properties": {"enum": {"anyOf": [True, {}]}}}),
        ("#/properties/$ref/not", {"properties": {"$ref": {"not": False}}}),
        ("#there", {"prefixItems": [{"$anchor": "there"}]}),
        ("#there", {"then": {"$dynamicAnchor": "there"}}),
        ("#/$defs/a", {"$id": "https://[no address", "$defs": {"a": {}}}),
    ],
)
@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
def test_reference_may_refer_to_every_subschema(keyword: str, target: str, beside: dict[str, Any]) -> None:
    schema = {**beside, "properties": {**beside.get("properties", {}), "a": {keyword: target}}}
    assert schema_fault(schema) is None
    assert "cannot be compared" not in (fault(schema, '{"a": 1}') or "")


@pytest.mark.parametrize("schema", [{"const": {"$ref": "x"}}, {"properties": {"$ref": {}, "pattern": {}, "$id": {}}}])
def test_data_and_names_are_not_parsed_as_keywords(schema: dict[str, Any]) -> None:
    assert schema_fault(schema) is None


EXPENSIVE: dict[str, Any] = {"allOf": [{"items": {"type": "integer"}}] * 500}
LONG = [1] * 4000


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (EXPENSIVE, LONG),
        ({"$schema": DIALECT, "properties": {"a": {"$ref": "#"}}, **EXPENSIVE}, {"a": LONG}),
        ({"anyOf": [False, EXPENSIVE]}, LONG),
        ({"contains": EXPENSIVE}, [LONG]),
        ({"propertyNames": {"allOf": [{"minLength": 1}] * 400}}, {f"n{number}": 1 for number in range(900)}),
        ({"unevaluatedItems": False, "allOf": [{"contains": {"not": {"type": "null"}}}] * 400}, LONG),
    ],
    ids=["allOf", "behind a reference to the root", "anyOf", "contains", "propertyNames", "unevaluatedItems"],
)
def test_expensive_schema_exceeds_the_deadline(
    schema: dict[str, Any], value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_schema, "SECONDS", 0.1)
    assert "simplify the schema" in (fault(schema, json.dumps(value)) or "")


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": SLOW}, SLOW_TEXT),
        ({"properties": {"a": {"$ref": "#"}}, "pattern": SLOW}, {"a": SLOW_TEXT}),
        ({"patternProperties": {SLOW: {}}, "additionalProperties": False}, {SLOW_TEXT: 1}),
        ({"propertyNames": {"pattern": SLOW}}, {SLOW_TEXT: 1}),
    ],
    ids=["pattern", "behind a reference to the root", "patternProperties", "propertyNames"],
)
def test_pattern_slow_in_other_engines_is_evaluated(schema: dict[str, Any], value: object) -> None:
    assert "does not match jsonSchema" in (fault(schema, json.dumps(value)) or "")


def test_infinite_recursion_is_reported() -> None:
    assert "has an infinite recursion" in (fault({"$ref": "#"}, "1") or "")


def test_huge_number_is_reported() -> None:
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
def test_time_limit_does_not_change_results(schema: dict[str, Any], value: object) -> None:
    assert (fault(schema, json.dumps(value)) is None) == Draft202012Validator(schema).is_valid(value)


NAMES = st.sampled_from(["a", "b", "enum", "$ref"])
JUNK = st.sampled_from([None, True, 0, -1, 0.5, "", "(", "^a", "nope", [], [1], ["a", "b"], {}, {"type": "nope"}])
REFERENCES = st.sampled_from(
    [
        *("#", "#/$defs/a", "#/$defs/b", "#/$defs/a/enum", "#/enum", "#/enum/0", "#/const", "#/x", "#/x/a", "#here"),
        *("#/properties/a", "#/properties/enum", "#/allOf/0", "#/allOf/x", "#/default", "#/type/0", "#/items", "other"),
    ]
)
WRITTEN = st.recursive(
    st.booleans() | st.fixed_dictionaries({"type": st.sampled_from(["string", "integer", "object", "array"])}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "$ref": REFERENCES,
            "$dynamicRef": REFERENCES,
            "$anchor": st.just("here"),
            **dict.fromkeys(["const", "default", "x"], inner | JUNK),
            **dict.fromkeys(["enum", "examples"], st.lists(inner | JUNK, max_size=2)),
            **dict.fromkeys(["allOf", "anyOf", "oneOf", "prefixItems"], st.lists(inner, min_size=1, max_size=2)),
            **dict.fromkeys(["$defs", "properties", "dependentSchemas"], st.dictionaries(NAMES, inner, max_size=2)),
            **dict.fromkeys(["if", "then", "else", "not", "items", "contains", "propertyNames"], inner),
            **dict.fromkeys(["additionalProperties", "unevaluatedItems", "unevaluatedProperties"], inner),
            **dict.fromkeys(["minimum", "multipleOf", "minItems"], st.sampled_from([1, 0.5, 3])),
            **dict.fromkeys(["type", "pattern", "required", "uniqueItems", "patternProperties"], JUNK),
        },
    ),
    max_leaves=10,
)
CANARIES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, "canary"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "enum", "canary"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(WRITTEN.filter(lambda schema: isinstance(schema, dict)), CANARIES)
def test_any_schema_is_rejected_or_validates_a_value(schema: dict[str, Any], value: object) -> None:
    said = schema_fault(schema) or fault(schema, json.dumps(value))
    assert said is None or "canary" not in said


def test_what_is_loaded_once_does_not_count_towards_the_limit_of_the_first_schema(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a machine that takes long to import it."""
    created = meta_schema.meta_schema
    created.cache_clear()

    @cache
    def slow() -> Any:
        end = thread_time() + 2 * json_schema.SECONDS
        while thread_time() < end:
            pass
        return created()

    monkeypatch.setattr(json_schema, "SECONDS", 0.1)
    monkeypatch.setattr(meta_schema, "meta_schema", slow)
    json_schema._load.cache_clear()
    assert schema_fault({"type": "integer", "title": "loaded once"}) is None
