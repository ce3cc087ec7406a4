"""The evaluation of JSON Schemas has the results of jsonschema, in limited time and memory."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from tests.cpu import cpu_time

from dynconfig.validation.json_evaluation import broken
from dynconfig.validation.json_schema import fault, schema_fault
from dynconfig.validation.meta_schema import meta_schema

PEAK_BYTES = 20 * 2**20
SECONDS = 1.0


def tree(levels: int, width: int, leaf: dict[str, Any], keyword: str = "anyOf") -> dict[str, Any]:
    """A schema in which each definition refers to the next one many times: width^levels references to the last."""
    references = {f"d{n}": {keyword: [{"$ref": f"#/$defs/d{n - 1}"}] * width} for n in range(1, levels + 1)}
    return {"$defs": {"d0": leaf, **references}, "$ref": f"#/$defs/d{levels}"}


NO_MORE_ITEMS = {"unevaluatedItems": False}
NO_MORE_PROPERTIES = {"unevaluatedProperties": False}
ONES = json.dumps([1] * 4000, separators=(",", ":"))
NAMES = [f"n{n}" for n in range(900)]
OBJECT = json.dumps(dict.fromkeys(NAMES, 1), separators=(",", ":"))
LONG = json.dumps("x" * 8100)
PATH = "p" * 3900
COSTLY: dict[str, tuple[dict[str, Any], str]] = {
    "evaluated items": ({**tree(2, 60, {"prefixItems": [{}] * 4500}), **NO_MORE_ITEMS}, "[]"),
    "evaluated items of a long list": ({**tree(11, 2, {"prefixItems": [True] * 200}), **NO_MORE_ITEMS}, ONES),
    "evaluated properties": (
        {**tree(2, 60, {"properties": dict.fromkeys(NAMES, True)}), **NO_MORE_PROPERTIES},
        OBJECT,
    ),
    "distinct evaluated items": ({"allOf": [{"contains": {"not": False}}] * 500, **NO_MORE_ITEMS}, ONES),
    "nested unevaluatedItems": (tree(30, 2, {"type": "array", **NO_MORE_ITEMS}), ONES),
    "errors of anyOf": (tree(2, 100, {"type": "number"}), LONG),
    "errors of oneOf": (tree(2, 100, {"type": "number"}, "oneOf"), LONG),
    "errors of allOf": (tree(2, 100, {"type": "number"}, "allOf"), LONG),
    "errors in lists": ({"allOf": [{"items": {"minimum": n}} for n in range(2, 500)]}, ONES),
    "long paths": (
        {"properties": {PATH: {"allOf": [{"items": {"minimum": n}} for n in range(2, 300)]}}},
        json.dumps({PATH: [1] * 2000}, separators=(",", ":")),
    ),
    "required": ({"required": [f"{n}" for n in range(2000)]}, "{}"),
    "meta-schema": ({"prefixItems": [{}] * 5400}, "[]"),
    "meta-schema of rich schemas": ({"prefixItems": [{"not": {"type": "null"}}] * 600}, "[]"),
}


@pytest.mark.parametrize(("schema", "value"), COSTLY.values(), ids=COSTLY)
def test_memory_and_time_are_limited(schema: dict[str, Any], value: str) -> None:
    assert len(json.dumps(schema, separators=(",", ":"))) <= 16_384
    # What is loaded and cached once does not count.
    schema_fault({"pattern": "a"})
    with cpu_time() as of_schema:
        schema_fault(schema)
    with cpu_time() as of_value:
        fault(schema, value)
    assert max(of_schema.ordinary, of_value.ordinary) <= SECONDS
    # A comment makes it another schema, which is in no cache.
    fresh = {**schema, "$comment": "again"}
    tracemalloc.start()
    try:
        schema_fault(fresh)
        fault(fresh, value)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= PEAK_BYTES


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
def test_shared_references_are_evaluated_once(keyword: str) -> None:
    schema = tree(40, 2, {"type": "integer"}, keyword)
    assert "takes longer" not in (fault(schema, '"text"') or "")


KEYS = st.sampled_from(["a", "b", "ab"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, 1.0, "", "a", "ab"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
REFERENCES = st.sampled_from(["#/$defs/a", "#/$defs/b", "#here", "#dynamic"])
TARGETS = {"a": {"type": ["array", "integer"], "prefixItems": [{"type": "integer"}]}, "b": {"properties": {"a": True}}}
ANCHORS = {"c": {"$anchor": "here", "contains": {"minimum": 1}}, "d": {"$dynamicAnchor": "dynamic", "required": ["b"]}}
PATTERNS = st.sampled_from(["^a", "b$", "^ab$"])
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
SCHEMAS = st.recursive(
    st.booleans() | st.fixed_dictionaries({"type": TYPES | st.lists(TYPES, min_size=1, max_size=2, unique=True)}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(["$ref", "$dynamicRef"], REFERENCES),
            **dict.fromkeys(["allOf", "anyOf", "oneOf", "prefixItems"], st.lists(inner, min_size=1, max_size=3)),
            **dict.fromkeys(["properties", "dependentSchemas"], st.dictionaries(KEYS, inner, max_size=2)),
            **dict.fromkeys(["if", "then", "else", "not", "items", "contains", "propertyNames"], inner),
            **dict.fromkeys(["additionalProperties", "unevaluatedItems", "unevaluatedProperties"], inner),
            "patternProperties": st.dictionaries(PATTERNS, inner, max_size=2),
            "dependentRequired": st.dictionaries(KEYS, st.lists(KEYS, max_size=2, unique=True), max_size=2),
            "required": st.lists(KEYS, max_size=2, unique=True),
            "uniqueItems": st.booleans(),
            "pattern": PATTERNS,
            "const": VALUES,
            "enum": st.lists(VALUES, min_size=1, max_size=2),
            **dict.fromkeys(["minItems", "maxItems", "minContains", "maxContains"], st.integers(0, 2)),
            **dict.fromkeys(["minLength", "maxLength", "minProperties", "maxProperties"], st.integers(0, 2)),
            **dict.fromkeys(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"], st.integers(-1, 2)),
            "multipleOf": st.sampled_from([1, 2, 0.5]),
        },
    ),
    max_leaves=12,
)


@given(SCHEMAS, VALUES)
def test_results_are_those_of_jsonschema(inner: Any, value: object) -> None:
    schema: dict[str, Any] = {"$defs": {**TARGETS, **ANCHORS}, "allOf": [inner]}
    assert (fault(schema, json.dumps(value)) is None) == Draft202012Validator(schema).is_valid(value)


UNEVALUATED = st.fixed_dictionaries(
    {"schema": SCHEMAS.filter(lambda schema: isinstance(schema, dict)), "rest": SCHEMAS},
)


@given(UNEVALUATED, VALUES.filter(lambda value: isinstance(value, list | dict)))
def test_unevaluated_parts_are_those_of_jsonschema(parts: dict[str, Any], value: object) -> None:
    rest = {"unevaluatedItems": parts["rest"], "unevaluatedProperties": parts["rest"]}
    schema = {"$defs": {**TARGETS, **ANCHORS}, **parts["schema"], **rest}
    assert (fault(schema, json.dumps(value)) is None) == Draft202012Validator(schema).is_valid(value)


JUNK = st.none() | st.integers(-1, 1) | st.sampled_from(["", "#", "nope"]) | st.lists(st.integers(0, 1), max_size=2)


@given(st.dictionaries(st.sampled_from([*Draft202012Validator.VALIDATORS, "$defs", "$anchor"]), JUNK | SCHEMAS))
def test_meta_schema_has_the_results_of_jsonschema(schema: dict[str, Any]) -> None:
    standard = Draft202012Validator(Draft202012Validator.META_SCHEMA, format_checker=FormatChecker(formats=()))
    assert (next(broken(meta_schema(), schema), None) is None) == standard.is_valid(schema)
