"""What EventBridge rejects in an event pattern. Pure.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from dynconfig_lab.aws.answers import AwsError

LONGEST = 2048
LONGEST_OF_THE_MODEL = 4096
_OPERATORS = ("<", "<=", "=", ">=", ">")


def check_pattern(text: str) -> None:
    """Raise AWS's error if it rejects the pattern."""
    if len(text) > LONGEST_OF_THE_MODEL:
        constraint = f"Member must have length less than or equal to {LONGEST_OF_THE_MODEL}"
        raise AwsError(
            "ValidationException",
            f"1 validation error detected: Value at 'eventPattern' failed to satisfy constraint: {constraint}",
        )
    if len(text) > LONGEST:
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
        raise _bad(f"Pattern is longer than {LONGEST} characters")
    try:
        pattern = json.loads(text)
    except ValueError:
        raise _bad("Invalid JSON") from None
    if not isinstance(pattern, dict):
        raise _bad("Filter is not an object")
    _check_object(pattern)


def _check_object(pattern: Mapping[str, Any]) -> None:
    if not pattern:
        raise _bad("Empty objects are not allowed")
    for name, value in pattern.items():
        if name == "$or":
            _check_alternatives(value)
        elif isinstance(value, dict):
            _check_object(value)
        elif isinstance(value, list):
            _check_values(value)
        else:
            raise _bad(f'"{name}" must be an object or an array')


def _check_alternatives(value: object) -> None:
    if not isinstance(value, list) or len(value) < 2:
        raise _bad("There must have at least 2 Objects in $or relationship.")
    for item in value:
        if not isinstance(item, dict):
            raise _bad("Only Object is allowed in array of $or relationship.")
        _check_object(item)


def _check_values(values: list[Any]) -> None:
    if not values:
        raise _bad("Empty arrays are not allowed")
    for value in values:
        if isinstance(value, list):
            raise _bad("Match value must be String, number, true, false, or null")
        if isinstance(value, dict):
            _check_matcher(value)


def _check_matcher(matcher: Mapping[str, Any]) -> None:
    if len(matcher) != 1:
        raise _bad("Only one key allowed in match expression")
    name, value = next(iter(matcher.items()))
    if name not in _MATCHERS:
        raise _bad(f"Unrecognized match type {name}")
    if not _MATCHERS[name](value):
        raise _bad(f"Value of {name} is not one that it takes")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_affix(value: object) -> bool:
    """A string, optionally case-insensitive."""
    is_folded = isinstance(value, dict) and list(value) == ["equals-ignore-case"]
    return _is_text(value) or (is_folded and _is_text(value["equals-ignore-case"]))  # type: ignore[index]


def _is_exclusion(value: object) -> bool:
    """One or more plain values, or another matcher."""
    if isinstance(value, dict):
        name, inner = next(iter(value.items()), ("", None))
        known = ("prefix", "suffix", "equals-ignore-case", "wildcard")
        return len(value) == 1 and name in known and bool(inner) and all(map(_is_affix, _many(inner)))
    values = _many(value)
    return bool(values) and all(isinstance(item, str | int | float) and not isinstance(item, bool) for item in values)


def _is_wildcard(value: object) -> bool:
    return isinstance(value, str) and "**" not in value


def _is_range(value: object) -> bool:
    """One or two comparisons, each an operator and a number."""
    if not isinstance(value, list) or len(value) not in (2, 4):
        return False
    return all(operator in _OPERATORS for operator in value[::2]) and all(
        isinstance(number, int | float) and not isinstance(number, bool) for number in value[1::2]
    )


def _is_network(value: object) -> bool:
    try:
        ipaddress.ip_network(str(value), strict=False)
    except ValueError:
        return False
    return isinstance(value, str) and re.search(r"/\d+$", value) is not None


def _many(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


_MATCHERS: dict[str, Callable[[object], bool]] = {
    "prefix": _is_affix,
    "suffix": _is_affix,
    "equals-ignore-case": _is_text,
    "anything-but": _is_exclusion,
    "wildcard": _is_wildcard,
    "exists": lambda value: isinstance(value, bool),
    "numeric": _is_range,
    "cidr": _is_network,
}


def _bad(reason: str) -> AwsError:
    return AwsError("InvalidEventPatternException", f"Event pattern is not valid. Reason: {reason}")
