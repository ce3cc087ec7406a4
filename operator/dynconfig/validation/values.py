"""Validate values against their schema and the limits of SSM. Messages never contain the value."""

import ipaddress
import json
import math
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from pydantic import JsonValue

from dynconfig.api.parameter import ParameterSpec, ParameterType, Tier, ValueSchema
from dynconfig.model.counting import counted
from dynconfig.model.secret import OversizedText
from dynconfig.validation import patterns
from dynconfig.validation.patterns import PatternFault

# https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html
MAX_BYTES = {Tier.STANDARD: 4096, Tier.ADVANCED: 8192, Tier.INTELLIGENT: 8192}
LONGEST_BYTES = max(MAX_BYTES.values())

_HOST = re.compile(
    r"(?=.{1,253}$)[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*\.?"
)
# Has no authority as in RFC 3986, but is commonly called a URL.
_JDBC = re.compile(r"jdbc:[a-z0-9]+:\S+")
_DURATION = re.compile(r"([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+")


def fault(parameter: ParameterSpec, value: str) -> str | None:
    """Return why the value of a parameter is invalid, to be appended to `the value`; None if it is valid."""
    found = _fault(parameter, value)
    is_known = not isinstance(value, OversizedText)
    return f"{found}{_hint(parameter, value) if is_known else ''}" if found else None


def _fault(parameter: ParameterSpec, value: str) -> str | None:
    return _limit_fault(parameter, value) or _check_fault(parameter, value)


def _check_fault(parameter: ParameterSpec, value: str) -> str | None:
    pattern = parameter.allowed_pattern
    mismatch = (
        _pattern_mismatch("allowedPattern", pattern, value) if pattern and not unchecked_pattern(pattern) else None
    )
    return mismatch or (schema_fault(parameter.schema_, value) if parameter.schema_ else None)


def fixed_fault(parameter: ParameterSpec, value: str) -> str | None:
    """Return why SSM rejects a secret value regardless of its declared checks, without its size; None if it does not."""
    limit, size = MAX_BYTES[parameter.tier], _size(value)
    if size > limit:
        return f"exceeds the {limit} bytes of tier {parameter.tier}{_larger(parameter, size)}"
    return _limit_fault(parameter, value)


def white_space(value: str) -> str | None:
    """Return which white space is at the ends of a value, regardless of its declared checks; None if there is none."""
    if value.endswith("\n"):
        return "ends with a newline"
    return "begins or ends with white space" if value != value.strip() else None


def _hint(parameter: ParameterSpec, value: str) -> str:
    """Return which small change would make the value valid, if any, such as removing an invisible newline or space."""
    hints = (hint for text, hint in _variants(parameter.schema_, value) if text and not _fault(parameter, text))
    return next((f"; {hint}" for hint in hints), "")


def _variants(schema: ValueSchema | None, value: str) -> Iterator[tuple[str, str]]:
    if value.endswith("\n"):
        yield (
            value.rstrip("\r\n"),
            "it ends with a newline: remove it (use printf instead of echo for files of a Secret, and |- for YAML blocks)",
        )
    if value != value.strip():
        yield value.strip(), "it begins or ends with white space: remove it"
    cases = [value.lower(), value.upper()]
    if schema and schema.enum:
        cases += [item for item in schema.enum if item.casefold() == value.casefold()]
    yield from ((text, "it only differs in case, and values are case-sensitive") for text in cases if text != value)
    if value.startswith("[") and value.endswith("]"):
        yield value[1:-1], "remove the brackets of the IPv6 address"


def schema_fault(schema: ValueSchema, value: str) -> str | None:
    """Return why the value does not match the schema; None if it does."""
    if not _FORMS[schema.type](value):
        return f"is not of type {schema.type}"
    if schema.enum is not None and value not in schema.enum:
        return "is not one of the values in enum"
    return (
        (_pattern_mismatch("the pattern", schema.pattern, value) if schema.pattern else None)
        or _bounds_fault(schema, value)
        or _length_fault(schema, value)
    )


def allowed_pattern_fault(pattern: str) -> str | None:
    """Return why an allowedPattern is invalid; None if it is valid or only AWS can check it."""
    return None if unchecked_pattern(pattern) else patterns.fault(pattern)


def unchecked_pattern(pattern: str) -> str | None:
    """Return why an allowedPattern cannot be checked locally; None if it can."""
    try:
        patterns.check(pattern)
    except PatternFault as found:
        if found.may_be_valid_elsewhere:
            return f"is only checked by AWS on write, since RE2 does not support it: {found}"
    return None


def parsed_json(text: str) -> JsonValue:
    """Parse JSON. Raises ValueError, also for NaN, which Python would accept."""
    try:
        parsed: JsonValue = json.loads(text, parse_constant=_finite, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return parsed


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


def _limit_fault(parameter: ParameterSpec, value: str) -> str | None:
    limit = MAX_BYTES[parameter.tier]
    size = _size(value)
    if not value:
        return "is empty, which SSM does not allow"
    if size > limit:
        return f"has {size} bytes, more than the {limit} of tier {parameter.tier}{_larger(parameter, size)}"
    if "{{" in value:
        return "contains {{, which SSM reserves for references"
    if parameter.resolved_type is ParameterType.STRING_LIST and any(not item for item in value.split(",")):
        return "has an empty item between commas, which a StringList does not allow"
    return None


def _size(value: str) -> int:
    return value.size if isinstance(value, OversizedText) else len(value.encode())


def _larger(parameter: ParameterSpec, size: int) -> str:
    return "; set tier: Advanced for up to 8192" if parameter.tier is Tier.STANDARD and size <= 8192 else ""


def _pattern_mismatch(title: str, pattern: str, value: str) -> str | None:
    return None if patterns.matches(pattern, value) else f"does not match {title} {pattern}"


def _bounds_fault(schema: ValueSchema, value: str) -> str | None:
    if schema.minimum is not None and float(value) < schema.minimum:
        return f"is below the minimum {schema.minimum:g}"
    if schema.maximum is not None and float(value) > schema.maximum:
        return f"is above the maximum {schema.maximum:g}"
    return None


def _length_fault(schema: ValueSchema, value: str) -> str | None:
    if schema.min_length is not None and len(value) < schema.min_length:
        return f"has fewer than {counted(schema.min_length, 'character')}"
    if schema.max_length is not None and len(value) > schema.max_length:
        return f"has more than {counted(schema.max_length, 'character')}"
    return None


def _is_number(value: str) -> bool:
    return re.fullmatch(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?", value) is not None and math.isfinite(
        float(value)
    )


def _is_json(value: str) -> bool:
    try:
        parsed_json(value)
    except ValueError:
        return False
    return True


def _is_url(value: str) -> bool:
    if _JDBC.fullmatch(value):
        return True
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.scheme and parts.netloc) and not re.search(r"\s", value)


def _is_host(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        # Only digits and dots would be an IP address, but it is not a valid one.
        return _HOST.fullmatch(value) is not None and re.fullmatch(r"[0-9.]+", value) is None
    return True


_FORMS: dict[str, Callable[[str], bool]] = {
    "string": lambda _value: True,
    "integer": lambda value: re.fullmatch(r"[-+]?[0-9]{1,308}", value) is not None,
    "number": _is_number,
    "boolean": lambda value: value in ("true", "false"),
    "json": _is_json,
    "url": _is_url,
    "host": _is_host,
    "duration": lambda value: _DURATION.fullmatch(value) is not None,
}
