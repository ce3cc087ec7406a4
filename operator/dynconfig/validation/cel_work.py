"""An upper bound of the evaluation cost of an expression, so that one rule cannot block the operator.

The evaluator limits iterations, but neither the size of what they build nor the cost of one step: `[s].map(a, a + a)`,
chained, doubles a string each time.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dynconfig.validation import patterns
from dynconfig.validation.cel_tree import Call, Constant, Loop, Name, Node, Select, Several, parts

MAX_LOOPS = 10_000
"""The evaluator's limit of iterations in one evaluation, including nested ones."""

_COMPARISONS = frozenset(
    ("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in", "_&&_", "_||_", "!_", "@not_strictly_false")
)
_ANSWERS = _COMPARISONS | frozenset(("size", "matches", "contains", "startsWith", "endsWith", "type"))

# The evaluator compiles a pattern on each call. Its cost was measured, with 10 ns for one unit of work, and rounded up.
_PER_CHARACTER = 200
_PER_CHARACTER_OF_CLASSES = 5_000
_PER_REPETITION = 4
_PER_INSTRUCTION = 500
# RE2 processes a part of its program for each character; all of it if it has flushed its state cache.
_PER_STEP = 3
_MAX_REPETITIONS = 1_000
# Unicode classes, and case-insensitive matching.
_CLASSES = re.compile(r"\\[pP]|\(\?[a-zU]*i")
_REPETITION = re.compile(r"\{(\d{1,4})?(?:,(\d{1,4})?)?\}")


@dataclass(frozen=True, slots=True)
class Extent:
    """Upper bounds of a value: size in characters, number of items, and size of an item."""

    size: int
    items: int
    item: int


ONE = Extent(1, 0, 0)


def extent(value: object) -> Extent:
    """Return the extent of a value."""
    match value:
        case str():
            return Extent(len(value) + 1, 0, 0)
        case Mapping():
            # A loop over a map iterates over its keys; a selection returns one of its values.
            sizes = [max(len(key) + 1, extent(inner).size) for key, inner in value.items()]
            return Extent(1 + sum(2 * size for size in sizes), len(sizes), max(sizes, default=1))
        case list():
            sizes = [extent(inner).size for inner in value]
            return Extent(1 + sum(sizes), len(sizes), max(sizes, default=1))
        case _:
            return ONE


def work(node: Node, variable: str, values: Mapping[str, object]) -> int:
    """Return an upper bound of the evaluation cost, in characters read or created."""
    estimate = _Estimate(variable, {name: extent(value) for name, value in values.items()})
    estimate.of(node, {variable: extent(values)})
    return estimate.cost


class _Estimate:
    def __init__(self, variable: str, values: Mapping[str, Extent]) -> None:
        self._variable = variable
        self._values = values
        self.cost = 0

    def of(self, node: Node, known: Mapping[str, Extent], times: int = 1) -> Extent:
        """Return the extent of a node's result, and add the cost of evaluating it this many times."""
        match node:
            case Constant(_, size):
                return Extent(size, 0, 0)
            case Name(name):
                return known.get(name, ONE)
            case Call("_[_]", (Name(name), Constant(str(key)))) | Select(Name(name), key) if name == self._variable:
                return self._values.get(key, ONE)
            case Loop():
                return self._loop(node, known, times)
            case _:
                return self._combined(node, [self.of(part, known, times) for part in parts(node)], times)

    def _combined(self, node: Node, found: list[Extent], times: int) -> Extent:
        size = 1 + sum(part.size for part in found)
        match node:
            case Call("matches", (_, Constant(str(pattern)))):
                self.cost += times * (size + _matching(pattern, found[0].size))
            case Call("contains"):
                self.cost += times * found[0].size * found[-1].size
            case _:
                self.cost += times * size
        match node:
            case Call(function) if function in _ANSWERS:
                return ONE
            case Several():
                return Extent(size, len(found), max((part.size for part in found), default=1))
            case Select():
                return _inside(found[0])
            case Call("_[_]"):
                return _inside(found[0])
        items = sum(part.items for part in found)
        return Extent(size, items, max((part.item for part in found), default=1))

    def _loop(self, loop: Loop, known: Mapping[str, Extent], times: int) -> Extent:
        over = self.of(loop.over, known, times)
        loops = min(MAX_LOOPS, over.items)
        inner = {**known, loop.variable: _inside(over), loop.result: ONE}
        self.of(loop.condition, inner, min(MAX_LOOPS, times * loops))
        step = self.of(loop.step, inner, min(MAX_LOOPS, times * loops))
        if not isinstance(loop.start, Several):
            return ONE
        grown = Extent(1 + loops * step.size, loops * max(1, step.items), step.size)
        self.cost += times * grown.size
        return grown


def _matching(pattern: str, text: int) -> int:
    """Return the cost of compiling a pattern and searching it in a text of this length."""
    instructions = patterns.instructions(pattern)
    repetitions = 1
    for counts in _REPETITION.findall(pattern):
        repetitions = min(_MAX_REPETITIONS, repetitions * max(1, *(int(count or 0) for count in counts)))
    each = _PER_CHARACTER_OF_CLASSES if _CLASSES.search(pattern) else _PER_CHARACTER
    compiling = len(pattern) * (each + _PER_REPETITION * repetitions) + _PER_INSTRUCTION * instructions
    return compiling + _PER_STEP * text * instructions


def _inside(outer: Extent) -> Extent:
    """Return the extent of one item; nested items are at most as large."""
    return Extent(outer.item, outer.item, outer.item)
