"""Values with the type of their schema, for use in rules."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from pydantic import JsonValue

from dynconfig.api.parameter import ParameterSpec, ParameterType
from dynconfig.validation.text_size import TextSize, text_size
from dynconfig.validation.values import parsed_json

# The ranges of int and duration in CEL.
# https://github.com/google/cel-spec/blob/master/doc/langdef.md#values
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
MAX_SECONDS = 315_576_000_000
MAX_LEVELS = 64

_FORMS_WITH_ITEMS = frozenset((ParameterType.STRING_LIST, "json"))
_UNSUPPORTED = re.compile(r"[\0\ud800-\udfff]")
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


@dataclass(frozen=True, slots=True)
class Span:
    """A duration."""

    nanoseconds: int


Typed = JsonValue | Span


class NotTyped(Exception):
    """A value that CEL cannot represent. The message is to be appended to `the value`."""


def form_of(parameter: ParameterSpec) -> str:
    """Return what decides how the text of a parameter is converted: its schema's type, or that it is a StringList."""
    if parameter.resolved_type is ParameterType.STRING_LIST:
        return ParameterType.STRING_LIST
    return parameter.schema_.type if parameter.schema_ else "string"


def size_of(form: str, text: str) -> TextSize:
    """Return the size of a text of this form, and thereby how much its conversion takes."""
    return text_size(text, has_items=form in _FORMS_WITH_ITEMS)


def typed(form: str, text: str) -> Typed:
    """Return the value of a text, which must match its schema. Raises NotTyped."""
    if "\0" in text:
        raise NotTyped("has a NUL character, which rules do not support")
    read = _READERS.get(form)
    return read(text) if read else text


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
    """Return the same JSON value if CEL supports it. Raises NotTyped."""
    if level > MAX_LEVELS:
        raise NotTyped(f"is nested deeper than {MAX_LEVELS} levels, which rules do not support")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_text(key)
            _checked(inner, level + 1)
    elif isinstance(value, list):
        for inner in value:
            _checked(inner, level + 1)
    elif isinstance(value, int) and not isinstance(value, bool):
        _whole(value)
    return value


def _check_text(text: str) -> None:
    # JSON may contain both as escapes; the evaluator would truncate or reject the text.
    if _UNSUPPORTED.search(text):
        raise NotTyped("has a NUL or an unpaired surrogate in a string, which rules do not support")


_READERS: dict[str, Callable[[str], Typed]] = {
    ParameterType.STRING_LIST: lambda value: list(value.split(",")),
    "integer": lambda value: _whole(int(value)),
    "number": float,
    "boolean": lambda value: value == "true",
    "json": lambda value: _checked(parsed_json(value)),
    "duration": _span,
}
