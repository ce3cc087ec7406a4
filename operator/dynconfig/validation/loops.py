"""Bounds the memory of one evaluation of a CEL rule by its loops: the evaluator frees nothing before the end. Pure.

The figures are measured: the growth of VmHWM in a process that evaluates one rule (tests/validation/test_rules.py).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dynconfig.validation.text_size import TextSize

MAX_LOOPS = 10_000
"""The evaluator's limit of iterations in one evaluation, including nested ones."""
MAX_BYTES = 8 * 2**20
"""Maximum memory of one evaluation."""
BUILDING = frozenset(("map", "filter"))
# In each iteration the evaluator copies the list that it has built so far: this many bytes for each item.
_PER_COPIED_ITEM = 17
ITEM_BYTES = 32
_PER_CREATED = 64


@dataclass(slots=True)
class Loop:
    """One macro of an expression."""

    form: str
    variable: str
    parent: int | None
    """The innermost macro around it."""
    keys: list[str | None] = field(default_factory=list)
    """The parameters that it is applied to. None: the whole map, or any parameter."""
    is_whole: bool = False
    """Whether it is applied to the whole map, so that its variable is a name."""
    commas: int = 0
    """In the list literal that it is applied to."""
    text_bytes: int = 0
    """Bytes of that literal."""
    binder: int | None = None
    """The macro whose variable it is applied to."""


@dataclass(frozen=True, slots=True)
class Created:
    """A bracket, a comma, a colon or a sum, which may create an item, a list or a text at each evaluation."""

    loop: int | None
    is_sum: bool


@dataclass(frozen=True, slots=True)
class Operand:
    """A use of a parameter, of the variable of a macro, or of a text: what a sum may be of."""

    loop: int | None
    """The innermost macro around it."""
    key: str | None = None
    binder: int | None = None
    text_bytes: int | None = None


def memory(
    loops: Sequence[Loop],
    created: Sequence[Created],
    operands: Sequence[Operand],
    values: Mapping[str, TextSize],
    widths: Mapping[str, int],
) -> int:
    """Return an upper bound of the bytes that one evaluation allocates with these values.

    widths: of each value, the most items of a list or map in it.
    """
    return _Bound(loops, operands, values, widths).memory(created)


def width(value: object) -> int:
    """Return the most items of a list or map in a value."""
    if isinstance(value, dict):
        return max(len(value), *map(width, value.values()), 1)
    return max(len(value), *map(width, value), 1) if isinstance(value, list) else 1


class _Bound:
    def __init__(
        self,
        loops: Sequence[Loop],
        operands: Sequence[Operand],
        values: Mapping[str, TextSize],
        widths: Mapping[str, int],
    ) -> None:
        self._loops = loops
        self._operands = operands
        self._items: dict[str | None, int] = {name: value.commas + 1 for name, value in values.items()}
        self._items[None] = len(values) + sum(self._items.values())
        self._bytes = {name: value.encoded + ITEM_BYTES * self._items[name] for name, value in values.items()}
        self._bytes_of_all = sum(self._bytes.values()) + ITEM_BYTES * len(values)
        self._width: dict[str | None, int] = {None: max(len(values), *widths.values(), 1)}
        self._width.update(widths.items())
        self._total: list[int] = []
        """The most items of all lists together that each macro is applied to, in all iterations of its binder."""
        self._longest: list[int] = []
        """The most items of one of them."""
        self._runs: list[int] = []
        """The most iterations of each macro in one evaluation, without the evaluator's limit."""
        for loop in loops:
            self._total.append(self._length(loop, self._total, self._items, sum))
            self._longest.append(self._length(loop, self._longest, self._width, max))
            self._runs.append(self._iterations(loop))

    def memory(self, created: Sequence[Created]) -> int:
        """Return the bytes of the lists that macros build, and of all that each iteration creates."""
        found = sum(
            min(MAX_LOOPS, runs) * longest * _PER_COPIED_ITEM
            for loop, longest, runs in zip(self._loops, self._longest, self._runs, strict=True)
            if loop.form in BUILDING
        )
        sums = {loop: self._sum(loop) for loop in {one.loop for one in created if one.is_sum}}
        for one in created:
            found += self._times(one.loop) * _PER_CREATED + (sums[one.loop] if one.is_sum else 0)
        return found

    def _sum(self, loop: int | None) -> int:
        """Bytes of one sum in all iterations of the macro: no more than all that is named in its body."""
        times = self._times(loop)
        inner = (at for at in range(len(self._loops)) if at != loop and self._is_inside(at, loop))
        found = times * sum(ITEM_BYTES * self._longest[at] for at in inner)
        for one in self._operands:
            if not self._is_inside(one.loop, loop):
                continue
            if loop is not None and one.binder == loop:
                # All items of a list are together no larger than the list.
                whole = self._total[loop] if self._loops[loop].binder is not None else self._longest[loop]
                found += min(times, -(-self._runs[loop] // whole)) * self._size(one)
            else:
                found += times * self._size(one)
        return found

    def _is_inside(self, at: int | None, loop: int | None) -> bool:
        while at is not None and at != loop:
            at = self._loops[at].parent
        return at == loop

    def _size(self, one: Operand) -> int:
        if one.text_bytes is not None:
            return one.text_bytes
        return self._of_key(one.key) if one.binder is None else self._of_loop(one.binder)

    def _of_key(self, key: str | None) -> int:
        return self._bytes_of_all if key is None else self._bytes.get(key, 0)

    def _of_loop(self, at: int) -> int:
        """Bytes of all that the macro is applied to."""
        binder = self._loops[at].binder
        own = self._loops[at].text_bytes + sum(map(self._of_key, self._loops[at].keys))
        return own if binder is None else self._of_loop(binder)

    def _length(
        self, loop: Loop, found: Sequence[int], of: Mapping[str | None, int], joined: Callable[[Iterable[int]], int]
    ) -> int:
        if loop.is_whole:
            return max(1, len(self._bytes))
        if loop.binder is not None:
            return found[loop.binder]
        return joined((loop.commas + 1, *(of.get(key, 0) for key in loop.keys)))

    def _times(self, loop: int | None) -> int:
        return 1 if loop is None else min(MAX_LOOPS, self._runs[loop])

    def _iterations(self, loop: Loop) -> int:
        """Upper bound of its iterations in one evaluation.

        The items of all items of a list are together no more than the commas of the list, so that a loop over the variable
        of another one takes no more iterations than that list has, for each iteration of the macros between both.
        """
        times = (self._longest if loop.binder is None else self._total)[len(self._runs)]
        for between in self._between(loop):
            times *= self._longest[between]
        outer = loop.parent if loop.binder is None else self._loops[loop.binder].parent
        return times * (1 if outer is None else self._runs[outer])

    def _between(self, loop: Loop) -> Iterator[int]:
        at = loop.parent if loop.binder is not None else None
        while at is not None and at != loop.binder:
            yield at
            at = self._loops[at].parent
