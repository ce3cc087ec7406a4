"""Evaluate a JSON value against a JSON Schema (draft 2020-12) in limited time and memory.

A subschema that is referenced many times is evaluated once for each part of the value, every step checks the deadline,
and an error consists of a part of the value and a keyword, without a message.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dynconfig.validation import deadline
from dynconfig.validation.json_keywords import KEYWORDS
from dynconfig.validation.json_values import Broken, Node
from dynconfig.validation.subschemas import Path, links

_ALL_ITEMS = frozenset(("items", "unevaluatedItems"))
_ALL_PROPERTIES = frozenset(("additionalProperties", "unevaluatedProperties"))
KEPT = 65_536
"""Results of subschemas that are kept at a time, 100 bytes each."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A valid schema and the targets of its references, by the identity of the subschema and the keyword."""

    root: Any
    targets: Mapping[tuple[int, str], Any]


def compiled(schema: Any) -> Compiled:
    """Return a schema whose references are all within it."""
    return Compiled(schema, links(schema))


def broken(schema: Compiled, value: object) -> Iterator[Broken]:
    """Yield the errors of the value. Raises DeadlineExceeded, RecursionError, OverflowError."""
    yield from Evaluation(schema).errors(schema.root, Node(value))


def path(node: Node) -> Path:
    """Return the keys and indexes from the root of the value."""
    steps: list[str | int] = []
    while node.parent is not None and node.key is not None:
        steps.append(node.key)
        node = node.parent
    return tuple(reversed(steps))


class Evaluation:
    """The evaluation of one value. Errors of a subschema that occur again at the same part of the value are omitted."""

    def __init__(self, schema: Compiled) -> None:
        self._schema = schema
        self._valid: dict[int, bool] = {}
        self._evaluated: dict[int, int] = {}
        self._reported: dict[int, bool] = {}
        # Within `is_valid`, one error is enough.
        self._first_only = False

    def target(self, schema: Mapping[str, Any], keyword: str) -> Any:
        """Return the target of a reference."""
        return self._schema.targets[id(schema), keyword]

    def errors(self, schema: Any, node: Node) -> Iterator[Broken]:
        """Yield the errors of a part of the value."""
        if isinstance(schema, bool):
            if not schema:
                yield Broken(node, None, False)
            return
        deadline.remaining()
        key = _key(schema, node)
        if self._valid.get(key) or (not self._first_only and key in self._reported):
            return
        valid = True
        for keyword, wanted in schema.items():
            if function := KEYWORDS.get(keyword):
                for error in function(self, wanted, node, schema):
                    valid = False
                    yield error
        _keep(self._valid, key, valid)
        if not self._first_only:
            _keep(self._reported, key, True)

    def is_valid(self, schema: Any, node: Node) -> bool:
        """Whether a part of the value matches the subschema."""
        if isinstance(schema, bool):
            return schema
        key = _key(schema, node)
        found = self._valid.get(key)
        if found is None:
            before, self._first_only = self._first_only, True
            try:
                found = next(self.errors(schema, node), None) is None
            finally:
                self._first_only = before
            _keep(self._valid, key, found)
        return found

    def evaluated(self, schema: Any, node: Node) -> int:
        """Return which items or properties the matching subschema evaluates: a bit for each, in their order.

        https://json-schema.org/draft/2020-12/json-schema-core#section-11
        """
        if isinstance(schema, bool) or not node.children or not self.is_valid(schema, node):
            return 0
        return (
            node.all_bits
            if (_ALL_PROPERTIES if node.is_object else _ALL_ITEMS) & schema.keys()
            else self.evaluated_beside(schema, node)
        )

    def evaluated_beside(self, schema: Mapping[str, Any], node: Node) -> int:
        """Return the same, without what `unevaluatedItems` and `unevaluatedProperties` of this subschema evaluate."""
        key = _key(schema, node)
        found = self._evaluated.get(key)
        if found is None:
            found = 0
            for bits in self._parts(schema, node):
                deadline.remaining()
                found |= bits
                if found == node.all_bits:
                    break
            _keep(self._evaluated, key, found)
        return found

    def _parts(self, schema: Mapping[str, Any], node: Node) -> Iterator[int]:
        own = self._own_properties if node.is_object else self._own_items
        yield from own(schema, node)
        for inner in self._in_place(schema, node):
            yield self.evaluated(inner, node)

    def _in_place(self, schema: Mapping[str, Any], node: Node) -> Iterator[Any]:
        """Yield the subschemas that apply to the same part of the value."""
        yield from (self.target(schema, keyword) for keyword in ("$ref", "$dynamicRef") if keyword in schema)
        for keyword in ("allOf", "anyOf", "oneOf"):
            yield from schema.get(keyword, ())
        if "if" in schema:
            yield schema["if"]
            yield schema.get("then" if self.is_valid(schema["if"], node) else "else", True)
        if node.is_object:
            dependent = schema.get("dependentSchemas", {}).items()
            yield from (inner for name, inner in dependent if name in node.children)

    def _own_items(self, schema: Mapping[str, Any], node: Node) -> Iterator[int]:
        if "items" in schema:
            yield node.all_bits
        yield (1 << min(len(schema.get("prefixItems", ())), len(node.children))) - 1
        if "contains" in schema:
            yield _bits(node, lambda key: self.is_valid(schema["contains"], node.children[key]))

    def _own_properties(self, schema: Mapping[str, Any], node: Node) -> Iterator[int]:
        if "additionalProperties" in schema:
            yield node.all_bits
        if declared := schema.get("properties"):
            yield _bits(node, declared.__contains__)
        for pattern in schema.get("patternProperties", ()):
            yield _bits(node, lambda key, pattern=pattern: node.matches(pattern, key))  # type: ignore[misc]


def _bits(node: Node, holds: Callable[[Any], bool]) -> int:
    return sum(1 << place for place, key in enumerate(node.children) if holds(key))


def _key(schema: Mapping[str, Any], node: Node) -> int:
    # Both exist as long as the evaluation.
    return id(schema) << 64 | id(node)


def _keep(results: dict[int, Any], key: int, result: Any) -> None:
    if len(results) >= KEPT:
        results.clear()
    results[key] = result
