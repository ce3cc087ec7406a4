"""Which functions and operators a rule may call: those listed here. What the library has beside them is refused.

Some that it has open files (time zones), keep memory for good, or compile a pattern at each call.
"""

from collections.abc import Iterator

from dynconfig.engine.cel_tree import Call, Constant, Node, parts

_BETWEEN = ("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_+_", "_-_", "_*_", "_/_", "_%_", "_&&_", "_||_", "@in")
OPERATORS = frozenset((*_BETWEEN, "-_", "!_", "_?_:_", "_[_]", "@not_strictly_false"))
TEXTS = frozenset(("size", "contains", "startsWith", "endsWith", "matches"))
CONVERSIONS = frozenset(("bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"))
_PARTS = (
    "Date",
    "DayOfMonth",
    "DayOfWeek",
    "DayOfYear",
    "FullYear",
    "Hours",
    "Milliseconds",
    "Minutes",
    "Month",
    "Seconds",
)
TIMES = frozenset(f"get{part}" for part in _PARTS)
"""In UTC: a time zone would be the path of a file."""
ALLOWED = OPERATORS | TEXTS | CONVERSIONS | TIMES


def fault(node: Node) -> str | None:
    """What the expression calls that no rule may, as the end of a sentence; None if there is nothing."""
    return next(_faults(node), None)


def patterns_in(node: Node) -> Iterator[str]:
    """The regular expressions in an expression without faults."""
    match node:
        case Call("matches", (*_, Constant(str(pattern)))):
            yield pattern
    for part in parts(node):
        yield from patterns_in(part)


def _faults(node: Node) -> Iterator[str]:
    match node:
        case Call(function) if function not in ALLOWED:
            named = ", ".join(sorted(ALLOWED - OPERATORS))
            yield f"calls {function}, which rules may not; use operators, macros, {named}"
        case Call(function, arguments) if function in TIMES and len(arguments) > 1:
            yield f"calls {function} with a time zone, which rules may not; use {function}(), which is in UTC"
        case Call("matches", (*_, Constant(str()))):
            pass
        case Call("matches"):
            yield "calls matches with a computed pattern, which rules may not; write the pattern as one text in quotes"
    for part in parts(node):
        yield from _faults(part)
