"""Reads JSON from the API server, no deeper and no wider than the operator can take.

The API server takes JSON of 10,000 levels, and a list of two characters that is forty times as large in memory, where the
definition of a kind does not describe a field. What is too deep is cut, and what is too wide is left out, so that the models
refuse that one object by its field and every other object of the same list or watch is served.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from dynconfig.api.parameter import MAX_NODES, OMITTED

MAX_LEVELS = 120
"""Levels of a document that are read. A JSON Schema of 64 levels (api/parameter.py) is within 75, also in managedFields."""

# What is put below it is not described by the definition; managedFields are as deep, and begin the name with f:.
_OPEN_NAME = '"jsonSchema"'
_OPEN_FIELD = re.compile(r'(?<!\\)"(?P<prefix>f:)?jsonSchema"\s*:\s*(?=[\[{])')
_STRING = r'"(?:[^"\\]|\\.)*+"'
_OPENING = frozenset("[{")


def _nested(levels: int) -> str:
    """A pattern of a list or map that has no more levels: it skips one without a step of Python, in linear time."""
    found = ""
    for _ in range(levels):
        found = rf'[\[{{](?:[^"\[\]{{}}]++|{_STRING}{"|" if found else ""}{found})*+[\]}}]'
    return found


_TEXT = re.compile(_STRING, re.DOTALL)
# The next bracket that is neither in a text nor of a small value.
_BRACKET = re.compile(rf'(?:[^"\[\]{{}}]++|{_STRING}|{_nested(2)})*+([\[\]{{}}])', re.DOTALL)
_MEMBER = re.compile(rf"\s*({_STRING})\s*:\s*", re.DOTALL)
_SCALAR = re.compile(rf"{_STRING}|[^,\[\]{{}}\s]+", re.DOTALL)
_SEPARATOR = re.compile(r"\s*,?\s*")


def loads(text: str | bytes) -> Any:
    """The value of a JSON text that holds one object, without what lies below MAX_LEVELS.

    Where it has more than MAX_NODES lists and maps, OMITTED stands in the place of each JSON Schema. Raises ValueError.
    """
    text = _decoded(text)
    # The definition describes every other field, and the API server drops what it does not describe.
    if _OPEN_NAME in text:
        text = _bounded(text)
    try:
        return json.loads(text)
    except RecursionError:
        # Of another server, or of an older definition.
        return json.loads(_cut(text))


def page(text: str | bytes) -> Any:
    """The value of a JSON text, as `loads`; its `items` are parsed one by one as they are taken. Raises ValueError.

    All of a page at once would be in memory, and what bounds an object must not depend on those beside it.
    """
    text = _decoded(text)
    found: dict[str, Any] = {}
    begin = text.find("{") + 1
    while begin and (member := _MEMBER.match(text, begin)):
        name, at = json.loads(member[1]), member.end()
        if name == "items" and text[at : at + 1] == "[":
            spans, end = _spans(text, at + 1)
            found[name] = (loads(text[first:last]) for first, last in spans)
        else:
            end = _end(text, at)
            found[name] = loads(text[at:end])
        begin = _after_separator(text, end)
    if text[begin : begin + 1] != "}":
        raise ValueError("not a JSON object")
    return found


@cache
def _value() -> re.Pattern[str]:
    """A list or map; compiled when it is first needed, since it has thousands of characters."""
    return re.compile(_nested(MAX_LEVELS), re.DOTALL)


def _spans(text: str, begin: int) -> tuple[list[tuple[int, int]], int]:
    """Where each item of a list is, and where the list ends."""
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
    elif (found := _value().match(text, begin)) is None:
        return next((at + 1 for at, level in _brackets(text, begin) if not level), 0) or _broken()
    return found.end() if found else _broken()


def _broken() -> int:
    raise ValueError("the JSON text ends too soon")


def _bounded(text: str) -> str:
    if any(end is None for _field, end in _open_fields(text)):
        text = _cut(text)
    if not _is_wide(text):
        return text
    kept, begin = list[str](), 0
    for field, end in _open_fields(text):
        kept += (text[begin : field.end()], "{}" if field["prefix"] else json.dumps(OMITTED))
        begin = end or len(text)
    return "".join((*kept, text[begin:]))


def _open_fields(text: str) -> Iterator[tuple[re.Match[str], int | None]]:
    """Each field that the definition does not describe, but for those within one, and where its value ends if that is found."""
    field = _OPEN_FIELD.search(text)
    while field:
        found = _value().match(text, field.end())
        yield field, found and found.end()
        field = _OPEN_FIELD.search(text, found.end()) if found else None


def _is_wide(text: str) -> bool:
    # Brackets in texts are no lists; most objects have few of either, and counting twice takes its time.
    return _nodes(text) > MAX_NODES and _nodes(_TEXT.sub("", text)) > MAX_NODES


def _nodes(text: str) -> int:
    return text.count("[") + text.count("{")


def _cut(text: str) -> str:
    """The text without what lies below the last level that is read; the brackets of that level stay, and are empty."""
    kept: list[str] = []
    begun = 0
    for at, level in _brackets(text, 0):
        if level == MAX_LEVELS + 1 and text[at] in _OPENING:
            kept.append(text[begun : at + 1])
        elif level == MAX_LEVELS and text[at] not in _OPENING:
            begun = at
    return "".join((*kept, text[begun:])) if kept else text


def _brackets(text: str, begin: int) -> Iterator[tuple[int, int]]:
    """Where brackets are that are no part of a text or of a small value, and the level that begins or is left there."""
    level = 0
    while bracket := _BRACKET.match(text, begin):
        begin = bracket.end()
        level += 1 if bracket[1] in _OPENING else -1
        yield begin - 1, level


def _decoded(text: str | bytes) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else text
