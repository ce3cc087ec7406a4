"""Differences within two values: JSON members by path, or lines of multi-line text. Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from dynconfig.model.secret import MASK
from dynconfig.model.window import brief, common

EMPTY = "(empty)"
ABSENT = "(absent)"
# Above this product of line counts, lines are not matched, since the time grows with it.
_MAX_PAIRS = 250_000
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


@dataclass(frozen=True, slots=True)
class Part:
    """One JSON member that differs; None on the side where it is missing."""

    path: str
    before: str | None
    after: str | None

    @property
    def joint(self) -> str:
        """The path, to be appended to the name of the field."""
        return self.path if self.path.startswith("[") else f".{self.path}"


def parts(before: str, after: str) -> tuple[Part, ...]:
    """Return the members in which two JSON objects or arrays differ; none for other values."""
    if before == after or MASK in (before, after):
        return ()
    one, other = _container(before), _container(after)
    if one is None or type(one) is not type(other):
        return ()
    try:
        return tuple(_parts(one, other, ""))
    except RecursionError:
        return ()


def lines(field: str, before: str, after: str) -> Iterator[str]:
    """Yield the difference of a field as lines of text, from before to after."""
    if found := parts(before, after):
        for part in found:
            yield _line(f"{field}{part.joint}", _member_text(part.before), _member_text(part.after))
    elif _is_of_lines(before) or _is_of_lines(after):
        yield f"{field}:"
        yield from (f"  {line}" for line in _changed_lines(before, after))
    else:
        yield _line(field, before or EMPTY, after or EMPTY)


def _line(field: str, before: str, after: str) -> str:
    excerpt = brief(after, before)
    return f"{field}: {excerpt.observed} → {excerpt.declared}"


def _member_text(text: str | None) -> str:
    return ABSENT if text is None else text


def _container(text: str) -> dict[str, Any] | list[Any] | None:
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        found = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is written twice")
    return found


def _parts(before: Any, after: Any, path: str) -> Iterator[Part]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            yield from _member(before, after, key, f"{path}.{key}" if path and _is_plain(key) else _key(path, key))
    elif isinstance(before, list) and isinstance(after, list):
        for index, (one, other) in enumerate(zip_longest(before, after, fillvalue=_Missing)):
            yield from _compared(one, other, f"{path}[{index}]")
    elif _written(before) != _written(after):
        yield Part(path, _written(before), _written(after))


class _Missing:
    """Placeholder for a missing member, which differs from null."""


def _member(before: dict[str, Any], after: dict[str, Any], key: str, path: str) -> Iterator[Part]:
    yield from _compared(before.get(key, _Missing), after.get(key, _Missing), path)


def _compared(one: Any, other: Any, path: str) -> Iterator[Part]:
    if _Missing in (one, other):
        yield Part(path, *(None if side is _Missing else _written(side) for side in (one, other)))
    else:
        yield from _parts(one, other, path)


def _key(path: str, key: str) -> str:
    return key if not path and _is_plain(key) else f"{path}[{json.dumps(key)}]"


def _is_plain(key: str) -> bool:
    return bool(key) and set(key) <= _PLAIN


def _written(value: Any) -> str:
    # An unpaired surrogate cannot be printed, except escaped.
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isascii() or _is_printable(text) else json.dumps(value)


def _is_printable(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _is_of_lines(text: str) -> bool:
    return "\n" in text.rstrip("\n")


def _changed_lines(before: str, after: str) -> Iterator[str]:
    """Yield removed lines with -, added lines with +, and their positions."""
    old, new = before.split("\n"), after.split("\n")
    for (start, end), (first, last) in _opcodes(old, new):
        yield f"@@ line {start + 1} @@"
        yield from (f"- {line}" for line in old[start:end])
        yield from (f"+ {line}" for line in new[first:last])


def _opcodes(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield the ranges of lines that differ."""
    head = common(old, new)
    tail = common(old[head:][::-1], new[head:][::-1])
    old, new = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(old) * len(new) > _MAX_PAIRS:
        yield (head, head + len(old)), (head, head + len(new))
        return
    # Imported lazily: most differences are in a single line.
    from difflib import SequenceMatcher

    for tag, start, end, first, last in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            yield (head + start, head + end), (head + first, head + last)
