"""Check values against the declared schema, with the operator's rules and messages; messages never contain the value.

Patterns and JSON Schemas are not checked here: the operator's engines are not in the standard library, and it has checked the
value before writing it.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
from urllib.parse import urlsplit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HOST = re.compile(
    r"(?=.{1,253}$)[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*\.?"
)
_NUMBERS = ("integer", "number")
_JDBC = re.compile(r"jdbc:[a-z0-9]+:\S+")
_DURATION = re.compile(r"([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+")


def fault(schema: Mapping[str, object], value: str) -> str | None:
    """Return why the value does not match the schema, as the end of a sentence; None if it matches."""
    kind = schema.get("type", "string")
    form = _FORMS.get(kind) if isinstance(kind, str) else None
    if form is None:
        return f"has a schema of the unknown type {kind}"
    if not form(value):
        return f"is not of type {kind}"
    return _enum_fault(schema, value) or _bounds_fault(schema, value) or _length_fault(schema, value)


def _enum_fault(schema: Mapping[str, object], value: str) -> str | None:
    allowed = schema.get("enum")
    if not isinstance(allowed, list) or value in allowed:
        return None
    return "is not one of the values in enum"


def _bounds_fault(schema: Mapping[str, object], value: str) -> str | None:
    if schema.get("type") not in _NUMBERS:
        return None
    minimum, maximum = schema.get("minimum"), schema.get("maximum")
    if isinstance(minimum, (int, float)) and float(value) < minimum:
        return f"is below the minimum {minimum:g}"
    if isinstance(maximum, (int, float)) and float(value) > maximum:
        return f"is above the maximum {maximum:g}"
    return None


def _length_fault(schema: Mapping[str, object], value: str) -> str | None:
    shortest, longest = schema.get("minLength"), schema.get("maxLength")
    if isinstance(shortest, int) and len(value) < shortest:
        return f"has fewer than {_characters(shortest)}"
    if isinstance(longest, int) and len(value) > longest:
        return f"has more than {_characters(longest)}"
    return None


def _characters(limit: int) -> str:
    return f"{limit} character{'' if limit == 1 else 's'}"


def _is_number(value: str) -> bool:
    return re.fullmatch(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", value) is not None and math.isfinite(
        float(value)
    )


def _is_json(value: str) -> bool:
    try:
        json.loads(value, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        return False
    return True


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        # Python accepts NaN and Infinity, which are not JSON.
        raise ValueError(text)
    return number


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
        # Only digits and dots: an invalid IP address, not a host name.
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
