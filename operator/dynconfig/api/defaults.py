"""The defaults that the API server would add to an object that is not stored yet."""

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from dynconfig.api.crd import Schema, definition


def with_defaults(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with the defaults of its spec, as the API server stores it. Values of a wrong type are not changed.

    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting
    """
    return {**document, "spec": _filled(document.get("spec"), _spec_schema())}


@cache
def _spec_schema() -> Schema:
    (version,) = definition()["spec"]["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return schema


def _filled(value: Any, schema: Schema) -> Any:
    properties, items = schema.get("properties"), schema.get("items")
    if properties and isinstance(value, Mapping):
        return {**value, **dict(_members(value, properties))}
    if items and isinstance(value, list):
        return [_filled(item, items) for item in value]
    return value


def _members(value: Mapping[str, Any], properties: Schema) -> list[tuple[str, Any]]:
    """Return the fields that are set or have a default, with nested defaults applied."""
    return [
        (name, _filled(value[name] if name in value else deepcopy(schema["default"]), schema))
        for name, schema in properties.items()
        if name in value or "default" in schema
    ]
