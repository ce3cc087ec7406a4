"""Valid event patterns, and the errors for invalid ones."""

import json

import pytest

from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.event_patterns import check_pattern


@pytest.mark.parametrize(
    "pattern",
    [
        {"source": ["aws.ssm"], "detail": {"name": [{"prefix": "/a/"}], "operation": ["Create", "Update"]}},
        {"detail": {"a": [1, 1.5, True, None, "x"]}},
        {"detail": {"a": [{"suffix": ".txt"}, {"prefix": {"equals-ignore-case": "A"}}]}},
        {"detail": {"a": [{"anything-but": "x"}, {"anything-but": ["x", 1]}, {"anything-but": {"prefix": "x"}}]}},
        {"detail": {"a": [{"anything-but": {"wildcard": ["*x", "y*"]}}]}},
        {"detail": {"a": [{"numeric": [">", 0, "<=", 5]}, {"numeric": ["=", 3]}]}},
        {"detail": {"a": [{"exists": False}], "b": [{"cidr": "10.0.0.0/24"}], "c": [{"wildcard": "a*b*"}]}},
        {"detail": {"a": [{"equals-ignore-case": "X"}]}},
        {"$or": [{"source": ["a"]}, {"detail": {"b": ["c"]}}]},
    ],
)
def test_pattern_of_known_matchers_is_accepted(pattern: dict[str, object]) -> None:
    check_pattern(json.dumps(pattern))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{nope", "Invalid JSON"),
        ("[]", "Filter is not an object"),
        ("{}", "Empty objects are not allowed"),
        ('{"source": []}', "Empty arrays are not allowed"),
        ('{"source": "aws.ssm"}', '"source" must be an object or an array'),
        ('{"detail": {"a": 1}}', '"a" must be an object or an array'),
        ('{"detail": {}}', "Empty objects are not allowed"),
        ('{"source": [["a"]]}', "Match value must be String, number, true, false, or null"),
        ('{"source": [{"nope": 1}]}', "Unrecognized match type nope"),
        ('{"source": [{"NUMERIC": ["=", 1]}]}', "Unrecognized match type NUMERIC"),
        ('{"source": [{"prefix": "a", "suffix": "b"}]}', "Only one key allowed in match expression"),
        ('{"source": [{"prefix": 1}]}', "Value of prefix"),
        ('{"source": [{"prefix": {"suffix": "a"}}]}', "Value of prefix"),
        ('{"source": [{"numeric": [">", "a"]}]}', "Value of numeric"),
        ('{"source": [{"numeric": ["!", 1]}]}', "Value of numeric"),
        ('{"source": [{"exists": "yes"}]}', "Value of exists"),
        ('{"source": [{"cidr": "10.0.0.0"}]}', "Value of cidr"),
        ('{"source": [{"cidr": "300.0.0.0/8"}]}', "Value of cidr"),
        ('{"source": [{"anything-but": {"numeric": ["=", 1]}}]}', "Value of anything-but"),
        ('{"source": [{"anything-but": []}]}', "Value of anything-but"),
        ('{"source": [{"wildcard": "a**b"}]}', "Value of wildcard"),
        ('{"$or": [{"source": ["a"]}]}', "at least 2 Objects"),
        ('{"$or": ["a", "b"]}', "Only Object is allowed"),
        (json.dumps({"source": ["x" * 2048]}), "Pattern is longer than 2048 characters"),
    ],
)
def test_invalid_pattern_is_rejected(text: str, reason: str) -> None:
    with pytest.raises(AwsError) as caught:
        check_pattern(text)
    assert caught.value.code == "InvalidEventPatternException"
    assert caught.value.message.startswith("Event pattern is not valid. Reason: ")
    assert reason in caught.value.message


def test_pattern_has_at_most_2048_characters() -> None:
    shell = len(json.dumps({"source": [""]}))
    check_pattern(json.dumps({"source": ["x" * (2048 - shell)]}))
    with pytest.raises(AwsError) as caught:
        check_pattern(json.dumps({"source": ["x" * 4096]}))
    assert caught.value.code == "ValidationException"
