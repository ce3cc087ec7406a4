"""The defaults that the API server adds to an object, for objects that it has not stored yet."""

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from dynconfig.api.crd import Schema, definition


def with_defaults(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the defaults of its spec, as the API server stores it. Values of a wrong type are left as they are.

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
    """The fields that are set, and those with a default, each with the defaults below it."""
    return [
        (name, _filled(value[name] if name in value else deepcopy(schema["default"]), schema))
        for name, schema in properties.items()
        if name in value or "default" in schema
    ]
