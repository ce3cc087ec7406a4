"""The syntax tree of a CEL expression, and the parameters that it reads.

The form is cel.expr.CheckedExpr: https://github.com/google/cel-spec/blob/master/proto/cel/expr/checked.proto
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from google.protobuf.any_pb2 import Any
from google.protobuf.empty_pb2 import Empty
from google.protobuf.unknown_fields import UnknownFieldSet

EXPR = 4
"""The field number of the expression in CheckedExpr."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal, with its text if it is a string."""

    text: str | None
    size: int


@dataclass(frozen=True, slots=True)
class Name:
    """A variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """A field selection, or a has() test for the field."""

    operand: "Node"
    field: str
    is_test: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function or operator. The target of a method is the first argument. Also a message constructor."""

    function: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Several:
    """A list or map literal, with its elements."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """A comprehension: the expansion of the macros all, exists, exists_one, map and filter."""

    variable: str
    over: "Node"
    result: str
    start: "Node"
    condition: "Node"
    step: "Node"
    answer: "Node"


Node = Constant | Name | Select | Call | Several | Loop


@dataclass(slots=True)
class Reading:
    """The parameters that an expression reads."""

    read: set[str] = field(default_factory=set)
    asked_for: set[str] = field(default_factory=set)
    """Parameters whose presence it tests with has() or in; they need not be declared."""
    is_open: bool = False
    """Whether it reads parameters whose names are only known during evaluation."""


def tree(serialized: bytes) -> Node:
    """Return the tree of a serialized CheckedExpr."""
    (expression,) = _all(Any.FromString(serialized).value, EXPR)
    return _node(expression)


def reading(node: Node, variable: str) -> Reading:
    """Return the keys that the expression reads from a map in a variable."""
    found = Reading()
    _read(node, variable, found)
    return found


def hides(node: Node, variable: str) -> bool:
    """Whether a macro in the expression shadows this variable."""
    is_hidden = isinstance(node, Loop) and variable in (node.variable, node.result)
    return is_hidden or any(hides(part, variable) for part in parts(node))


def _read(node: Node, variable: str, found: Reading) -> None:
    match node:
        case Call("_[_]", (Name(name), Constant(str(key)))) if name == variable:
            found.read.add(key)
        case Select(Name(name), key, is_test) if name == variable:
            (found.asked_for if is_test else found.read).add(key)
        case Call("@in", (Constant(str(key)), Name(name))) if name == variable:
            found.asked_for.add(key)
        case Name(name) if name == variable:
            found.is_open = True
        case _:
            for part in parts(node):
                _read(part, variable, found)


def parts(node: Node) -> tuple[Node, ...]:
    """Return the direct children of a node."""
    match node:
        case Select(operand):
            return (operand,)
        case Call(_, arguments):
            return arguments
        case Several(inner):
            return inner
        case Loop():
            return (node.over, node.start, node.condition, node.step, node.answer)
        case _:
            return ()


def _node(data: bytes) -> Node:
    """Parse a message Expr; its field number determines its type."""
    for number, content in _fields(data):
        if number in _KINDS and isinstance(content, bytes):
            return _KINDS[number](content)
    return Constant(None, 1)


def _constant(data: bytes) -> Constant:
    texts = _all(data, 6)
    if texts:
        return Constant(texts[0].decode(), len(texts[0]) + 1)
    return Constant(None, max(1, len(data)))


def _name(data: bytes) -> Name:
    return Name(_text(data, 1))


def _select(data: bytes) -> Select:
    is_test = any(number == 3 and content for number, content in _fields(data))
    return Select(_child(data, 1), _text(data, 2), is_test)


def _call(data: bytes) -> Call:
    arguments = (*_all(data, 1), *_all(data, 3))
    return Call(_text(data, 2), tuple(map(_node, arguments)))


def _list(data: bytes) -> Several:
    return Several(tuple(map(_node, _all(data, 1))))


def _struct(data: bytes) -> Several | Call:
    # A map entry has its key in field 3 and its value in field 4; a message field has the value only.
    inner = tuple(_node(part) for entry in _all(data, 2) for key in (3, 4) for part in _all(entry, key))
    message = _text(data, 1)
    return Call(f"{message}{{}}", inner) if message else Several(inner)


def _loop(data: bytes) -> Loop:
    over, start, condition, step, answer = (_child(data, number) for number in (2, 4, 5, 6, 7))
    return Loop(_text(data, 1), over, _text(data, 3), start, condition, step, answer)


_KINDS: dict[int, Callable[[bytes], Node]] = {
    3: _constant,
    4: _name,
    5: _select,
    6: _call,
    7: _list,
    8: _struct,
    9: _loop,
}


def _child(data: bytes, number: int) -> Node:
    (content,) = _all(data, number)
    return _node(content)


def _text(data: bytes, number: int) -> str:
    return next((content.decode() for content in _all(data, number)), "")


def _all(data: bytes, number: int) -> list[bytes]:
    return [content for found, content in _fields(data) if found == number and isinstance(content, bytes)]


def _fields(data: bytes) -> Iterator[tuple[int, object]]:
    # An Empty message keeps all fields as unknown fields.
    found = UnknownFieldSet(Empty.FromString(data))
    return ((found[index].field_number, found[index].data) for index in range(len(found)))
