"""Find the subschemas of a JSON Schema (draft 2020-12). Only these may be the target of a reference."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

Path = tuple[str | int, ...]

# https://json-schema.org/draft/2020-12/json-schema-core#section-10
_ONE = (
    *("additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then"),
    *("unevaluatedItems", "unevaluatedProperties"),
)
_LISTED = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")


def schemas(schema: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield a valid schema and all its subschemas with their paths; each is an object, true or false."""
    yield path, schema
    for below, inner in _inner(schema) if isinstance(schema, dict) else ():
        yield from schemas(inner, (*path, *below))


def unresolved_references(schema: Any) -> Iterator[tuple[Path, str, str]]:
    """Yield path, keyword and text of each reference whose target is not a subschema.

    Other targets are not checked against the meta-schema, so using them for validation could fail in any way.
    """
    found = [*schemas(schema)]
    objects = [(path, node) for path, node in found if isinstance(node, dict)]
    places = {f"#{''.join(f'/{_escaped(part)}' for part in path)}" for path, _ in found}
    anchors = {f"#{node[key]}" for _, node in objects for key in ("$anchor", "$dynamicAnchor") if key in node}
    for path, node in objects:
        for key in ("$ref", "$dynamicRef"):
            if key in node and node[key] not in anchors and unquote(node[key]) not in places:
                yield path, key, node[key]


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
