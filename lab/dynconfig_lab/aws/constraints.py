"""What AWS rejects by the API model of a request: lengths, ranges, patterns, enums, required fields. Pure.

The texts are those of AWS: "1 validation error detected: Value '…' at 'alarmName' failed to satisfy constraint: …".
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CommonErrors.html
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dynconfig_lab.aws.answers import AwsError


def check(shape: Any, request: Mapping[str, Any], code: str = "ValidationError") -> None:
    """Raise AwsError if the request violates the model."""
    found = [
        f"Value {_shown(value)} at '{path}' failed to satisfy constraint: {text}"
        for path, value, text in _violations(shape, request, "")
    ]
    if found:
        errors = "error" if len(found) == 1 else "errors"
        raise AwsError(code, f"{len(found)} validation {errors} detected: {'; '.join(found)}")


def _violations(shape: Any, value: Any, path: str) -> Iterator[tuple[str, Any, str]]:
    match shape.type_name:
        case "structure":
            yield from _of_structure(shape, value, path)
        case "list":
            yield from _of_size(shape, value, path, len(value), "length")
            for number, item in enumerate(value, 1):
                yield from _violations(shape.member, item, f"{path}.{number}.member")
        case "string":
            yield from _of_text(shape, value, path)
        case "integer" | "long":
            yield from _of_size(shape, value, path, value, "value")


def _of_structure(shape: Any, value: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any, str]]:
    for name, member in shape.members.items():
        below = f"{path}.{_lowered(name)}" if path else _lowered(name)
        if value.get(name) is not None:
            yield from _violations(member, value[name], below)
        elif name in shape.required_members:
            yield below, None, "Member must not be null"


def _of_text(shape: Any, value: str, path: str) -> Iterator[tuple[str, Any, str]]:
    yield from _of_size(shape, value, path, len(value), "length")
    if shape.enum and value not in shape.enum:
        yield path, value, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        yield path, value, f"Member must satisfy regular expression pattern: {pattern}"


def _of_size(shape: Any, value: Any, path: str, size: int, what: str) -> Iterator[tuple[str, Any, str]]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield path, value, f"Member must have {what} greater than or equal to {least}"
    if most is not None and size > most:
        yield path, value, f"Member must have {what} less than or equal to {most}"


def _lowered(name: str) -> str:
    return name[:1].lower() + name[1:]


def _shown(value: Any) -> str:
    return "null" if value is None else f"'{value}'"
