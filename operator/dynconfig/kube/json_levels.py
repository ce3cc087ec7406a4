"""Parses JSON from the API server with limits on depth and size.

In fields that the CRD does not describe, the API server accepts JSON with 10,000 levels, and lists that need forty times
their size in memory. Values that are too deep are cut, and values with too many nodes are omitted, so that validation
rejects only that object, and the other objects of the list or watch are reconciled.
"""

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from dynconfig.api.parameter import MAX_NODES, OMITTED
from dynconfig.kube import json_depth

MAX_LEVELS = 120
"""Maximum depth of a document. A JSON Schema with 64 levels (api/parameter.py) needs 75 levels, also in managedFields."""

# The CRD does not describe the value of this field; in managedFields, its name has the prefix f:.
_OPEN_NAME = '"jsonSchema"'
_OPEN_FIELD = re.compile(r'(?<!\\)"(?P<prefix>f:)?jsonSchema"\s*:\s*(?=[\[{])')
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_OPENING = frozenset("[{")


def _nested(levels: int) -> str:
    """Return a pattern for a list or map with at most `levels` levels, which matches in linear time."""
    found = ""
    for _ in range(levels):
        found = rf'[\[{{](?:[^"\[\]{{}}]++|{_STRING}{"|" if found else ""}{found})*+[\]}}]'
    return found


# A pattern holds the interpreter until it has matched, at most 0.3 ms for a value of this length; most objects are shorter.
_SHORT = 16_000
_MEMBER = re.compile(rf"\s*({_STRING})\s*:\s*", re.DOTALL)
_SCALAR = re.compile(rf"{_STRING}|[^,\[\]{{}}\s]+", re.DOTALL)
_SEPARATOR = re.compile(r"\s*,?\s*")


def loads(text: str | bytes) -> Any:
    """Parse one object, without values below MAX_LEVELS.

    If it has more than MAX_NODES lists and maps, each JSON Schema is replaced by OMITTED. Raises ValueError.
    """
    text = _decoded(text)
    # The CRD describes all other fields, and the API server prunes unknown ones.
    if _OPEN_NAME in text:
        text = _bounded(text)
    try:
        return json.loads(text)
    except RecursionError:
        # From another server, or an older CRD.
        return json.loads(json_depth.cut(text, MAX_LEVELS)[0])


def page(content: str | bytes, parse: Callable[[bytes], Any] = loads) -> Any:
    """Parse a list, as `loads`; its `items` are parsed lazily, one by one, by `parse`. Raises ValueError.

    This saves memory, and applies the limits to each object on its own.
    """
    # A character for each byte: in a text with one emoji each would take four bytes.
    text = (content.encode() if isinstance(content, str) else content).decode("latin-1")
    found: dict[str, Any] = {}
    begin = text.find("{") + 1
    while begin and (member := _MEMBER.match(text, begin)):
        name, at = json.loads(member[1]), member.end()
        if name == "items" and text[at : at + 1] == "[":
            spans, end = _spans(text, at + 1)
            found[name] = (parse(text[first:last].encode("latin-1")) for first, last in spans)
        else:
            end = _end(text, at)
            found[name] = loads(text[at:end].encode("latin-1"))
        begin = _after_separator(text, end)
    if text[begin : begin + 1] != "}":
        raise ValueError("not a JSON object")
    return found


def member_at(text: str, at: int) -> tuple[str, int] | None:
    """Return the name, in quotes, of the member that begins here, and where its value begins; None at the end of the object.

    Raises ValueError.
    """
    member = _MEMBER.match(text, at)
    if member:
        return member[1], member.end()
    if text[at : at + 1] != "}":
        raise ValueError("not a JSON object")
    return None


def value_end(text: str, at: int) -> int:
    """Return where the value ends that begins here, without parsing it. Raises ValueError."""
    return _end(text, at)


def after_separator(text: str, at: int) -> int:
    """Return where the next member begins after a value that ends here, or the end of the object."""
    return _after_separator(text, at)


@cache
def _value() -> re.Pattern[str]:
    """Return the pattern of a list or map; compiled on first use, since it has thousands of characters."""
    return re.compile(_nested(MAX_LEVELS), re.DOTALL)


def _spans(text: str, begin: int) -> tuple[list[tuple[int, int]], int]:
    """Return the spans of the items of a list, and the end of the list."""
    found: list[tuple[int, int]] = []
    begin = _after_separator(text, begin)
    while text[begin : begin + 1] != "]":
        end = _end(text, begin)
        found.append((begin, end))
        begin = _after_separator(text, end)
    return found, begin + 1


def _after_separator(text: str, at: int) -> int:
    found = _SEPARATOR.match(text, at)
    return found.end() if found else at


def _end(text: str, begin: int) -> int:
    """Where the value that begins here ends. Raises ValueError."""
    if text[begin : begin + 1] not in _OPENING:
        found = _SCALAR.match(text, begin)
    elif (found := _value().match(text, begin, begin + _SHORT)) is None:
        return json_depth.end(text, begin) or _broken()
    return found.end() if found else _broken()


def _broken() -> int:
    raise ValueError("the JSON text is incomplete")


def _bounded(text: str) -> str:
    text, nodes = json_depth.cut(text, MAX_LEVELS)
    if nodes <= MAX_NODES:
        return text
    kept, begin = list[str](), 0
    while field := _OPEN_FIELD.search(text, begin):
        kept += (text[begin : field.end()], "{}" if field["prefix"] else json.dumps(OMITTED))
        begin = _end(text, field.end())
    return "".join((*kept, text[begin:]))


def _decoded(text: str | bytes) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else text
