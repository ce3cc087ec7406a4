"""Validation of values against their schema and the limits of SSM, without values in messages."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynconfig.api.parameter import ParameterSpec
from dynconfig.validation import json_schema as json_schemas
from dynconfig.validation import patterns, values


def parameter(value: str = "x", **more: Any) -> ParameterSpec:
    return ParameterSpec.model_validate({"name": "p", "value": value, **more})


def fault(value: str, schema: dict[str, Any] | None = None, **more: Any) -> str | None:
    return values.fault(parameter(schema=schema, **more), value)


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("integer", ["0", "-1", "+5", "5432"], ["", "1.0", "1e3", "five", " 1", "\u0663\u0664", "\uff15\uff14", "1\n"]),
        ("number", ["0", "-1.5", ".5", "1e3"], ["\uff11.\uff15", "1\n", "nan", "inf", "1e999", "1,5", "0x10"]),
        ("boolean", ["true", "false"], ["True", "yes", "1"]),
        ("json", ["{}", "[1]", '"x"', "null"], ["{", "{'a': 1}", "{a: 1}", "NaN", "[-Infinity]", "1e999", "[" * 5000]),
        (
            "url",
            ["https://x.example/y?z", "redis://h:6379/0", "jdbc:postgresql://db:5432/x"],
            ["jdbc:", "jdbc:x:a b", "x.example", "https://", "http://a b", "http://[::1"],
        ),
        (
            "host",
            ["db.shop.internal", "db", "10.0.0.1", "::1", "a.b."],
            ["[::1]", "-a.b", "a_b", "1.2.3", "a..b", "x" * 64],
        ),
        ("duration", ["30s", "5m", "1h30m", "1.5s", "200ms"], ["30", "s", "1 h", "-1s", "\u0663\u0660s", "1s\n"]),
    ],
)
def test_types(form: str, good: list[str], bad: list[str]) -> None:
    assert [value for value in good if fault(value, {"type": form})] == []
    assert [value for value in bad if not fault(value, {"type": form})] == []


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "integer", "minimum": 1}, "0", "below the minimum 1"),
        ({"type": "number", "maximum": 0.5}, "0.6", "above the maximum 0.5"),
        ({"enum": ["a", "b"]}, "c", "not one of the values in enum"),
        ({"pattern": "^[a-z]+$"}, "A", r"does not match the pattern ^[a-z]+$"),
        ({"minLength": 3}, "ab", "fewer than 3"),
        ({"maxLength": 3}, "abcd", "more than 3"),
    ],
)
def test_violated_limit_is_named(schema: dict[str, Any], value: str, message: str) -> None:
    assert message in (fault(value, schema) or "")


@pytest.mark.parametrize("pattern", ["^[a-z]+$", "^(a$|b$)", r"^\w+$", "^[]$a]+$", "^[[:alpha:]$]+$"])
def test_end_of_a_pattern_is_the_end_of_the_value(pattern: str) -> None:
    json_schema: dict[str, Any] = {
        "properties": {"r": {"pattern": pattern}, "p": {"patternProperties": {pattern: False}}}
    }
    assert fault("a", allowedPattern=pattern) is None
    assert fault("a", {"pattern": pattern}) is None
    assert "does not match" in (fault("a\n", allowedPattern=pattern) or "")
    assert "does not match" in (fault("a\n", {"pattern": pattern}) or "")
    assert json_schemas.fault(json_schema, '{"r": "a", "p": {"a\\n": 1}}') is None
    assert json_schemas.fault(json_schema, '{"r": "a\\n"}') is not None


@pytest.mark.parametrize(
    ("pattern", "value"), [(r"a\$b", "a$b"), ("(?m)^a$", "b\na\nc"), ("[$]x$", "$x"), (r"\\$", "\\")]
)
def test_escaped_dollar_is_not_an_anchor(pattern: str, value: str) -> None:
    assert fault(value, {"pattern": pattern}) is None


@pytest.mark.parametrize(
    ("value", "form", "message"),
    [
        ("5432\n", {"type": "integer"}, "ends with a newline"),
        ("db.example.internal\n", {"type": "host"}, "printf"),
        ("prod ", {"enum": ["prod", "dev"]}, "white space"),
        ("True", {"type": "boolean"}, "only differs in case"),
        ("PROD", {"enum": ["prod", "dev"]}, "only differs in case"),
        ("[::1]", {"type": "host"}, "remove the brackets"),
        ("a\n", {"pattern": "^[a-z]+$"}, "ends with a newline"),
    ],
)
def test_invisible_differences_are_hinted(value: str, form: dict[str, Any], message: str) -> None:
    found = fault(value, form) or ""
    assert message in found
    assert len(value) < 3 or value.strip() not in found


def test_other_errors_have_no_hint() -> None:
    assert fault("x\n", {"type": "integer"}) == "is not of type integer"


@pytest.mark.parametrize(
    ("size", "tier", "message"),
    [
        (4096, "Standard", None),
        (4097, "Standard", "set tier: Advanced"),
        (8193, "Standard", "more than the 4096"),
        (8192, "Advanced", None),
        (8193, "Advanced", "more than the 8192"),
        (8192, "Intelligent-Tiering", None),
    ],
)
def test_sizes_are_bytes_and_belong_to_the_tier(size: int, tier: str, message: str | None) -> None:
    found = fault("ü" * (size // 2) + "x" * (size % 2), None, tier=tier)
    assert found is None if message is None else message in (found or "")


def test_string_list_has_no_empty_item() -> None:
    assert fault("a,b", None, type="StringList") is None
    assert "empty item" in (fault("a,,b", None, type="StringList") or "")
    assert fault("a,,b") is None


def test_allowed_pattern_is_checked_locally() -> None:
    assert "does not match allowedPattern ^a$" in (fault("b", None, allowedPattern="^a$") or "")


def test_pattern_slow_in_other_engines_is_evaluated() -> None:
    assert "does not match the pattern" in (fault("a" * 4000 + "!", {"pattern": "^(a|aa)+$"}) or "")


def test_invalid_pattern_is_reported() -> None:
    assert patterns.fault("(") == "is not a valid regular expression: missing ): ("
    assert patterns.fault("^a+$") is None


@pytest.mark.parametrize("pattern", ["^(?!prod)", r"(a)\1", "a++", "^.{1,2048}$", "(a(?R)?b)"])
def test_syntax_unsupported_by_re2_is_left_to_aws_or_rejected(pattern: str) -> None:
    assert fault("prod", allowedPattern=pattern) is None
    assert values.allowed_pattern_fault(pattern) is None
    assert "is only checked by AWS" in (values.unchecked_pattern(pattern) or "")
    assert "RE2, which has no lookaround" in (patterns.fault(pattern) or "")


def test_invalid_allowed_pattern_is_rejected() -> None:
    assert "is not a valid regular expression" in (values.allowed_pattern_fault("(") or "")


@pytest.mark.parametrize(
    ("pattern", "value", "is_match"),
    [
        (r"^a\Z", "a", True),
        (r"^a\Z", "a\n", False),
        (r"^\u00e9$", "é", True),
        (r"\\Z", "\\Z", True),
        (r"^\d$", "٣", False),
        ("^.$", "😀", True),
        ("^a$", "\ud800", False),
    ],
)
def test_other_engines_escapes_mean_the_same(pattern: str, value: str, is_match: bool) -> None:
    assert patterns.matches(pattern, value) is is_match


@given(st.text(min_size=12, max_size=40, alphabet=st.characters(min_codepoint=0x4E00, max_codepoint=0x4FFF)))
def test_no_message_repeats_the_value(value: str) -> None:
    schemas: list[dict[str, Any]] = [
        *({"type": form} for form in ("integer", "number", "boolean", "json", "url", "host", "duration")),
        {"enum": ["a"]},
        {"pattern": "^a$"},
        {"maxLength": 1},
        {"minLength": 100},
    ]
    for schema in schemas:
        found = fault(value, schema)
        assert found is not None
        assert value not in found
