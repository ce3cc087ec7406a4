"""Values with the type of their schema, for use in rules."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pydantic import JsonValue

from dynconfig.api.parameter import ParameterSpec, ParameterType
from dynconfig.validation.values import parsed_json

# The ranges of int and duration in CEL.
# https://github.com/google/cel-spec/blob/master/doc/langdef.md#values
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
MAX_SECONDS = 315_576_000_000
MAX_LEVELS = 64

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


@dataclass(frozen=True, slots=True)
class Span:
    """A duration."""

    nanoseconds: int


Typed = JsonValue | Span


class NotTyped(Exception):
    """A value that CEL cannot represent. The message is to be appended to `the value`."""


def typed(parameter: ParameterSpec, value: str) -> Typed:
    """Return the typed value of a parameter, which must match its schema. Raises NotTyped."""
    if "\0" in value:
        raise NotTyped("has a NUL character, which rules do not support")
    if parameter.resolved_type is ParameterType.STRING_LIST:
        return list(value.split(","))
    read = _READERS.get(parameter.schema_.type) if parameter.schema_ else None
    return read(value) if read else value


def _whole(number: int) -> int:
    if not INT_MIN <= number <= INT_MAX:
        raise NotTyped("has an integer of more than 64 bits, which rules do not support")
    return number


def _span(text: str) -> Span:
    found = re.findall(r"(?<![0-9.])([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)", text)
    nanoseconds = int(sum(Decimal(number) * _UNITS[unit] for number, unit in found))
    if nanoseconds > MAX_SECONDS * 10**9:
        raise NotTyped("is a duration of more than 10,000 years, which rules do not support")
    return Span(nanoseconds)


def _checked(value: JsonValue, level: int = 1) -> JsonValue:
    """Return a JSON value if CEL supports it. Raises NotTyped."""
    if level > MAX_LEVELS:
        raise NotTyped(f"is nested deeper than {MAX_LEVELS} levels, which rules do not support")
    match value:
        case bool() | None | float():
            return value
        case int():
            return _whole(value)
        case str():
            return _text(value)
        case Mapping():
            return {_text(key): _checked(inner, level + 1) for key, inner in value.items()}
        case Sequence():
            return [_checked(inner, level + 1) for inner in value]


def _text(text: str) -> str:
    # JSON may contain both as escapes; the evaluator would truncate or reject the text.
    if re.search(r"[\0\ud800-\udfff]", text):
        raise NotTyped("has a NUL or an unpaired surrogate in a string, which rules do not support")
    return text


_READERS: dict[str, Callable[[str], Typed]] = {
    "integer": lambda value: _whole(int(value)),
    "number": float,
    "boolean": lambda value: value == "true",
    "json": lambda value: _checked(parsed_json(value)),
    "duration": _span,
}
