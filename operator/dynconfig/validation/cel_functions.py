"""The functions and operators that rules may call. Other functions of the CEL library are rejected.

Some of them open files (time zones), leak memory, or compile a pattern on each call.
"""

from collections.abc import Iterator

from dynconfig.validation.cel_tree import Call, Constant, Node, parts

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
"""Without time zone argument, since that would be read as a file path."""
ALLOWED = OPERATORS | TEXTS | CONVERSIONS | TIMES


def fault(node: Node) -> str | None:
    """Return the error for a call that is not allowed, or None."""
    return next(_faults(node), None)


def patterns_in(node: Node) -> Iterator[str]:
    """Yield the regular expressions in a valid expression."""
    match node:
        case Call("matches", (*_, Constant(str(pattern)))):
            yield pattern
    for part in parts(node):
        yield from patterns_in(part)


def _faults(node: Node) -> Iterator[str]:
    match node:
        case Call(function) if function not in ALLOWED:
            named = ", ".join(sorted(ALLOWED - OPERATORS))
            yield f"calls {function}, which is not allowed in rules; use operators, macros, {named}"
        case Call(function, arguments) if function in TIMES and len(arguments) > 1:
            yield f"calls {function} with a time zone, which is not allowed in rules; use {function}() (UTC)"
        case Call("matches", (*_, Constant(str()))):
            pass
        case Call("matches"):
            yield "calls matches with a computed pattern, which is not allowed in rules; use a string literal"
    for part in parts(node):
        yield from _faults(part)
