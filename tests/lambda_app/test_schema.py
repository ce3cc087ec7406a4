"""Schemas are checked like in the operator, with the same messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynconfig.api.parameter import ValueSchema
from dynconfig.validation.values import schema_fault
from dynconfig_function.schema import fault

SCHEMAS: list[dict[str, object]] = [
    {},
    {"type": "integer", "minimum": 1, "maximum": 65535},
    {"type": "integer"},
    {"type": "number", "minimum": -0.5, "maximum": 1.5},
    {"type": "boolean"},
    {"type": "json"},
    {"type": "url"},
    {"type": "host"},
    {"type": "duration"},
    {"type": "string", "enum": ["blue", "green"]},
    {"minLength": 2, "maxLength": 4},
    {"minLength": 1, "maxLength": 1},
]
VALUES = ["", "0", "5432", "70000", "-1", "1.0", ".5", "1e3", "1e999", "nan", "true", "True", "{}", "{", "blue"]
VALUES += ["red", "db.shop.internal", "10.0.0.1", "10.0.0.256", "::1", "-a", "https://x.y/z", "https://", "a b", "//x"]
VALUES += ["30s", "1h30m", "1.5h", "30", "s", "abc", "abcdef", "a", "http://[", "12\n", "x" * 300, "1" * 400]
VALUES += ["NaN", "[Infinity]", "[-1e999]", "[" * 5000, "1" * 5000]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_function_and_operator_agree_on_schemas(schema: dict[str, object]) -> None:
    model = ValueSchema.model_validate(schema)
    for value in VALUES:
        assert fault(schema, value) == schema_fault(model, value), value


@given(st.sampled_from(SCHEMAS), st.text(max_size=20))
def test_function_and_operator_agree_on_any_text(schema: dict[str, object], value: str) -> None:
    assert fault(schema, value) == schema_fault(ValueSchema.model_validate(schema), value)


def test_message_contains_the_rule_but_not_the_value() -> None:
    printed = fault({"type": "integer", "maximum": 10}, "4711")
    assert printed == "is above the maximum 10"


def test_limit_agrees_with_its_noun() -> None:
    assert fault({"maxLength": 1}, "ab") == "has more than 1 character"
    assert fault({"minLength": 2}, "a") == "has fewer than 2 characters"


@pytest.mark.parametrize("pattern", [r"^\p{Lu}+$", "[[:alnum:]]", "^(a+)+$"])
def test_pattern_is_not_checked_by_the_function(pattern: str) -> None:
    assert fault({"type": "string", "pattern": pattern}, "a" * 40 + "!") is None


@pytest.mark.parametrize("bound", ["minimum", "maximum"])
@pytest.mark.parametrize("kind", [{}, {"type": "string"}, {"type": "host"}])
def test_bounds_apply_only_to_numbers(kind: dict[str, object], bound: str) -> None:
    assert fault({**kind, bound: 1}, "db.shop.internal") is None


def test_unknown_type_is_reported() -> None:
    assert fault({"type": "colour"}, "blue") == "has a schema of the unknown type colour"
