"""A JSON value as a tree whose parts know their place, and errors about its parts. Pure."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dynconfig.validation import deadline, patterns

if TYPE_CHECKING:
    from collections.abc import Mapping


class Node:
    """A part of a JSON value: its key in its parent is a property's name or an index."""

    def __init__(self, value: Any, parent: "Node | None" = None, key: str | int | None = None) -> None:
        self.value = value
        self.parent = parent
        self.key = key

    @property
    def is_object(self) -> bool:
        """Whether it is an object."""
        return isinstance(self.value, dict)

    @property
    def is_array(self) -> bool:
        """Whether it is an array."""
        return isinstance(self.value, list)

    @cached_property
    def children(self) -> "Mapping[str | int, Node]":
        """The items by index or the properties by name; none of other values."""
        if self.is_object:
            return {name: Node(inner, self, name) for name, inner in self.value.items()}
        return {index: Node(item, self, index) for index, item in enumerate(self.value)} if self.is_array else {}

    @cached_property
    def names(self) -> "tuple[Node, ...]":
        """The names of the properties; their place is that of the object."""
        return tuple(Node(name, self.parent, self.key) for name in self.children)

    @cached_property
    def all_bits(self) -> int:
        """A bit for each child."""
        return (1 << len(self.children)) - 1

    @staticmethod
    def matches(pattern: str, text: str) -> bool:
        """Whether a pattern matches. Raises DeadlineExceeded."""
        # A schema may have many patterns.
        deadline.remaining()
        return patterns.matches(pattern, text)


@dataclass(frozen=True, slots=True)
class Broken:
    """A keyword that a part of the value does not match. No keyword: the schema is `false`."""

    node: Node
    keyword: str | None
    wanted: Any
