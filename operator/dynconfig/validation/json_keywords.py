"""The keywords of JSON Schema: those with subschemas, patterns and lists are our own, the others those of jsonschema."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from dynconfig.validation.json_values import Broken, Node

if TYPE_CHECKING:
    from dynconfig.validation.json_evaluation import Evaluation

Keyword = Callable[["Evaluation", Any, Node, Mapping[str, Any]], Iterator[Broken]]


def _reference(keyword: str) -> Keyword:
    def errors(run: "Evaluation", _wanted: Any, node: Node, schema: Mapping[str, Any]) -> Iterator[Broken]:
        yield from run.errors(run.target(schema, keyword), node)

    return errors


def _all_of(run: "Evaluation", wanted: Any, node: Node, _schema: object) -> Iterator[Broken]:
    for inner in wanted:
        yield from run.errors(inner, node)


def _any_of(run: "Evaluation", wanted: Any, node: Node, _schema: object) -> Iterator[Broken]:
    if not any(run.is_valid(inner, node) for inner in wanted):
        yield Broken(node, "anyOf", wanted)


def _one_of(run: "Evaluation", wanted: Any, node: Node, _schema: object) -> Iterator[Broken]:
    valid = (inner for inner in wanted if run.is_valid(inner, node))
    nothing = object()
    if next(valid, nothing) is nothing or next(valid, nothing) is not nothing:
        yield Broken(node, "oneOf", wanted)


def _not(run: "Evaluation", wanted: Any, node: Node, _schema: object) -> Iterator[Broken]:
    if run.is_valid(wanted, node):
        yield Broken(node, "not", wanted)


def _if(run: "Evaluation", wanted: Any, node: Node, schema: Mapping[str, Any]) -> Iterator[Broken]:
    yield from run.errors(schema.get("then" if run.is_valid(wanted, node) else "else", True), node)


def _dependent_schemas(run: "Evaluation", wanted: Any, node: Node, _schema: object) -> Iterator[Broken]:
    if node.is_object:
        for name, inner in wanted.items():
            if name in node.children:
                yield from run.errors(inner, node)


def _properties(run: "Evaluation", wanted: Any, node: Node, _schema: object) -> Iterator[Broken]:
    if node.is_object and node.children:
        for name, inner in wanted.items():
            if name in node.children:
                yield from run.errors(inner, node.children[name])


def _pattern_properties(run: "Evaluation", wanted: Any, node: Node, _schema: object) -> Iterator[Broken]:
    if node.is_object:
        for pattern, inner in wanted.items():
            for name, child in node.children.items():
                if node.matches(pattern, str(name)):
                    yield from run.errors(inner, child)


def _additional_properties(run: "Evaluation", wanted: Any, node: Node, schema: Mapping[str, Any]) -> Iterator[Broken]:
    if not node.is_object:
        return
    declared, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, child in node.children.items():
        if name in declared or any(node.matches(pattern, str(name)) for pattern in patterns):
            continue
        if wanted is False:
            yield Broken(node, "additionalProperties", wanted)
            return
        yield from run.errors(wanted, child)


def _property_names(run: "Evaluation", wanted: Any, node: Node, _schema: object) -> Iterator[Broken]:
    if node.is_object:
        for name in node.names:
            yield from run.errors(wanted, name)


def _prefix_items(run: "Evaluation", wanted: Any, node: Node, _schema: object) -> Iterator[Broken]:
    if node.is_array:
        for child, inner in zip(node.children.values(), wanted, strict=False):
            yield from run.errors(inner, child)


def _items(run: "Evaluation", wanted: Any, node: Node, schema: Mapping[str, Any]) -> Iterator[Broken]:
    if not node.is_array:
        return
    first = len(schema.get("prefixItems", ()))
    if wanted is False and len(node.children) > first:
        yield Broken(node, "items", wanted)
        return
    for index in range(first, len(node.children)):
        yield from run.errors(wanted, node.children[index])


def _contains(run: "Evaluation", wanted: Any, node: Node, schema: Mapping[str, Any]) -> Iterator[Broken]:
    if not node.is_array:
        return
    least, most = schema.get("minContains", 1), schema.get("maxContains", len(node.children))
    found = 0
    for child in node.children.values():
        found += run.is_valid(wanted, child)
        if found > most:
            yield Broken(node, "maxContains", most)
            return
    if found < least:
        yield Broken(node, "minContains", least) if found else Broken(node, "contains", wanted)


def _unevaluated(keyword: str) -> Keyword:
    def errors(run: "Evaluation", wanted: Any, node: Node, schema: Mapping[str, Any]) -> Iterator[Broken]:
        if not (node.is_array if keyword == "unevaluatedItems" else node.is_object):
            return
        evaluated = run.evaluated_beside(schema, node)
        if evaluated == node.all_bits:
            return
        for place, child in enumerate(node.children.values()):
            if not evaluated >> place & 1 and not run.is_valid(wanted, child):
                yield Broken(node, keyword, wanted)
                return

    return errors


def _pattern(_run: object, wanted: Any, node: Node, _schema: object) -> Iterator[Broken]:
    if isinstance(node.value, str) and not node.matches(wanted, node.value):
        yield Broken(node, "pattern", wanted)


def _required(_run: object, wanted: Any, node: Node, _schema: object) -> Iterator[Broken]:
    # The one of jsonschema reports each name.
    if node.is_object and not all(name in node.value for name in wanted):
        yield Broken(node, "required", wanted)


def _unique_items(_run: object, wanted: Any, node: Node, _schema: object) -> Iterator[Broken]:
    # The one of jsonschema compares each item with each.
    if wanted and node.is_array and len({_identity(item) for item in node.value}) < len(node.value):
        yield Broken(node, "uniqueItems", wanted)


def _identity(item: object) -> object:
    """Return a key that is equal for items that are equal in JSON Schema: 1 and 1.0 are, 1 and true are not."""
    if isinstance(item, bool):
        return ("boolean", item)
    if isinstance(item, Mapping):
        return frozenset((name, _identity(inner)) for name, inner in item.items())
    if isinstance(item, Sequence) and not isinstance(item, str):
        return tuple(_identity(inner) for inner in item)
    return item


class _Text(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return ""


class _List(list[Any]):
    def __repr__(self) -> str:
        return ""


class _Object(dict[str, Any]):
    def __repr__(self) -> str:
        return ""


_QUIET: dict[type, Callable[[Any], Any]] = {str: _Text, list: _List, dict: _Object}


def _of_library(keyword: str) -> Keyword:
    function = Draft202012Validator.VALIDATORS[keyword]
    types = Draft202012Validator({})

    def errors(_run: object, wanted: Any, node: Node, schema: Mapping[str, Any]) -> Iterator[Broken]:
        # The messages of jsonschema contain the value: thus no text is made of it.
        value = _QUIET.get(type(node.value), lambda same: same)(node.value)
        if next(iter(function(types, wanted, value, schema) or ()), None) is not None:
            yield Broken(node, keyword, wanted)

    return errors


# `format` is an annotation.
_LIBRARY = (
    *("const", "dependentRequired", "enum", "exclusiveMaximum", "exclusiveMinimum", "maxItems", "maxLength"),
    *("maxProperties", "maximum", "minItems", "minLength", "minProperties", "minimum", "multipleOf", "type"),
)

KEYWORDS: dict[str, Keyword] = {
    **{keyword: _of_library(keyword) for keyword in _LIBRARY},
    "$ref": _reference("$ref"),
    "$dynamicRef": _reference("$dynamicRef"),
    "additionalProperties": _additional_properties,
    "allOf": _all_of,
    "anyOf": _any_of,
    "contains": _contains,
    "dependentSchemas": _dependent_schemas,
    "if": _if,
    "items": _items,
    "not": _not,
    "oneOf": _one_of,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "prefixItems": _prefix_items,
    "properties": _properties,
    "propertyNames": _property_names,
    "required": _required,
    "unevaluatedItems": _unevaluated("unevaluatedItems"),
    "unevaluatedProperties": _unevaluated("unevaluatedProperties"),
    "uniqueItems": _unique_items,
}
