"""Find the subschemas of a JSON Schema (draft 2020-12). Only these may be the target of a reference."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

Path = tuple[str | int, ...]

# https://json-schema.org/draft/2020-12/json-schema-core#section-10
_ONE = (
    *("additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then"),
    *("unevaluatedItems", "unevaluatedProperties"),
)
_LISTED = ("allOf", "anyOf", "oneOf", "prefixItems")
_ANCHORS = ("$anchor", "$dynamicAnchor")
_NAMED = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")


def schemas(schema: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield a valid schema and all its subschemas with their paths; each is an object, true or false."""
    yield path, schema
    for below, inner in _inner(schema) if isinstance(schema, dict) else ():
        yield from schemas(inner, (*path, *below))


def targets(schema: Any) -> dict[str, Any]:
    """Return the subschemas by the references to them: as JSON Pointers without percent-encoding, and anchors."""
    found = [*schemas(schema)]
    places = {f"#{''.join(f'/{_escaped(part)}' for part in path)}": node for path, node in found}
    objects = [node for _, node in found if isinstance(node, dict)]
    return places | {f"#{node[key]}": node for node in objects for key in _ANCHORS if key in node}


def links(schema: Any) -> dict[tuple[int, str], Any]:
    """Return the targets of all references to subschemas, by the identity of the referring subschema and the keyword."""
    known = targets(schema)
    return {
        (id(node), key): known[place]
        for _, node, key in _references(schema)
        if (place := _place(node[key], known)) is not None
    }


def unresolved_references(schema: Any) -> Iterator[tuple[Path, str, str]]:
    """Yield path, keyword and text of each reference whose target is not a subschema.

    Other targets are not checked against the meta-schema, so using them for validation could fail in any way.
    """
    known = targets(schema)
    for path, node, key in _references(schema):
        if _place(node[key], known) is None:
            yield path, key, node[key]


def _references(schema: Any) -> Iterator[tuple[Path, dict[str, Any], str]]:
    for path, node in schemas(schema):
        if isinstance(node, dict):
            yield from ((path, node, key) for key in ("$ref", "$dynamicRef") if key in node)


def _place(reference: str, known: Mapping[str, Any]) -> str | None:
    place = unquote(reference) if reference.startswith("#/") else reference
    return place if place in known else None


def _inner(schema: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    for key, inner in schema.items():
        if key in _ONE:
            yield (key,), inner
        elif key in _LISTED:
            yield from (((key, index), one) for index, one in enumerate(inner))
        elif key in _NAMED:
            yield from (((key, name), one) for name, one in inner.items())


def _escaped(part: str | int) -> str:
    """Escape a token of a JSON Pointer, https://www.rfc-editor.org/rfc/rfc6901#section-3."""
    return str(part).replace("~", "~0").replace("/", "~1")
