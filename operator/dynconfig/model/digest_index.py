"""Which numbers belong to a digest: eight bytes for each pair, in sorted arrays."""

from array import array
from bisect import bisect_left, bisect_right, insort

_BITS = 32
_NEXT, _NUMBER = 1 << _BITS, (1 << _BITS) - 1
MOST_IN_PART = 512
"""A part with more values is divided; not between the numbers of one digest."""


class DigestIndex:
    """Numbers of 32 bits by digests of 64 bits, of which the first half counts: others may rarely be found, too. Not thread-safe.

    The effort depends on the numbers of the digest, and hardly on how many others there are.
    """

    def __init__(self) -> None:
        self._parts: list[array[int]] = [array("Q")]
        self._starts = [0]
        """The lowest value that each part may have."""

    def add(self, digest: int, number: int) -> None:
        """Add a number of a digest, which is not known yet."""
        at = self._place(digest)
        part = self._parts[at]
        insort(part, _first(digest) | number)
        if len(part) > MOST_IN_PART:
            self._divide(at)

    def discard(self, digest: int, number: int) -> None:
        """Remove a number of a digest that was added."""
        at = self._place(digest)
        part = self._parts[at]
        part.pop(bisect_left(part, _first(digest) | number))
        if not part and at:
            del self._parts[at], self._starts[at]

    def of(self, digest: int, start: int = 0, limit: int = _NUMBER) -> list[int]:
        """Return at most so many numbers of a digest, in ascending order from one on."""
        part, first = self._parts[self._place(digest)], _first(digest)
        at = bisect_left(part, first + start)
        end = min(bisect_left(part, first + _NEXT, at), at + limit)
        return [value & _NUMBER for value in part[at:end]]

    def _place(self, digest: int) -> int:
        return bisect_right(self._starts, digest) - 1

    def _divide(self, at: int) -> None:
        part = self._parts[at]
        start = _first(part[len(part) // 2])
        if (half := bisect_left(part, start)) == 0:
            start += _NEXT
            half = bisect_left(part, start)
        if half < len(part):
            self._parts[at : at + 1] = part[:half], part[half:]
            self._starts.insert(at + 1, start)


def _first(digest: int) -> int:
    """Return the lowest value for a digest."""
    return digest >> _BITS << _BITS
