"""Finds how deep JSON text is, without parsing it, in time that does not depend on how brackets are arranged.

A text of a megabyte may have a million brackets. It is looked at in slices with functions that take many characters at
once; between two slices other threads run.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, compress, repeat
from operator import mul

_FIRST_SLICE, _LONGEST_SLICE = 512, 4096
_OPENING, _CLOSING = "[{", "]}"
# 1 and -1 as signed bytes for brackets, 0 for all else.
_DELTAS = bytes(1 if chr(code) in _OPENING else 255 if chr(code) in _CLOSING else 0 for code in range(256))
_NOT = bytes((1, *(0 for _ in range(255))))


@dataclass(frozen=True, slots=True)
class _Slice:
    begin: int
    end: int
    level: int
    """Of its first character: the lists and maps that are open before it."""
    deltas: memoryview
    opened: int
    closed: int

    def levels(self) -> Iterator[int]:
        """Yield the level before each character, and after the last one."""
        return accumulate(self.deltas, initial=self.level)

    def lowest(self) -> int:
        """Return the lowest level after a bracket; that of the first character if there is none."""
        levels = self._levels_at_brackets()
        return min(levels[1:], default=self.level)

    def highest(self) -> int:
        """Return the highest level."""
        return max(self._levels_at_brackets())

    def _levels_at_brackets(self) -> Sequence[int]:
        """Return the level of the first character and after each bracket, which are fewer than characters."""
        brackets = memoryview(self.deltas.tobytes().translate(None, b"\0")).cast("b")
        return tuple(accumulate(brackets, initial=self.level))

    def is_deeper(self, limit: int) -> bytes:
        """Return whether the level is above a limit, before each character and after the last one."""
        return bytes(map(limit.__lt__, self.levels()))


def end(text: str, begin: int) -> int | None:
    """Return where the list or map ends that begins here; None if it does not end."""
    for each in _slices(text, begin):
        if each.level > each.closed or each.lowest() > 0:
            continue
        # The first character opens the value.
        at = each.is_deeper(0).find(0, 2 if each.begin == begin else 1)
        if at >= 0:
            return each.begin + at
    return None


def cut(text: str, limit: int) -> tuple[str, int]:
    """Return JSON text without everything below a level, and the number of its lists and maps; those of that level are empty."""
    kept, nodes = list[str](), 0
    for each in _slices(text, 0):
        part = text[each.begin : each.end]
        if each.level + each.opened <= limit or each.highest() <= limit:
            kept.append(part)
            nodes += each.opened
        elif each.level - each.closed <= limit:
            deeper = each.is_deeper(limit)
            # A character between two deeper levels is below; one that begins or ends the deeper level is its bracket.
            below = int.from_bytes(deeper[:-1], "big") & int.from_bytes(deeper[1:], "big")
            is_kept = below.to_bytes(len(part), "big").translate(_NOT)
            kept.append("".join(compress(part, is_kept)))
            nodes += bytes(compress(each.deltas.cast("B"), is_kept)).count(1)
    return "".join(kept), nodes


def _slices(text: str, begin: int) -> Iterator[_Slice]:
    """Yield a text in slices, from a place outside of strings."""
    is_string, level, length = False, 0, _FIRST_SLICE
    while begin < len(text):
        part = text[begin : begin + length]
        if (len(part) - len(part.rstrip("\\"))) % 2:
            # It would split an escape sequence.
            part = text[begin : begin + length + 1]
        length = min(2 * length, _LONGEST_SLICE)
        stop = begin + len(part)
        parts = part.replace("\\\\", "  ").replace('\\"', "  ").split('"')
        strings = slice(0 if is_string else 1, None, 2)
        parts[strings] = map(mul, repeat(" "), map(len, parts[strings]))
        plain = " ".join(parts)
        opened, closed = sum(map(plain.count, _OPENING)), sum(map(plain.count, _CLOSING))
        deltas = memoryview(plain.encode("latin-1", "replace").translate(_DELTAS)).cast("b")
        yield _Slice(begin, stop, level, deltas, opened, closed)
        is_string ^= len(parts) % 2 == 0
        level += opened - closed
        begin = stop
