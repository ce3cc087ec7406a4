"""A new field of an existing object has no default: the API server would add it to stored objects, and an operator of the
previous version, which may still run when the CRD is applied, rejects unknown fields.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting
"""

from collections.abc import Iterator
from typing import Any

import yaml
from tests.upgrade.cluster import PREVIOUS

from dynconfig.api import crd

Schema = dict[str, Any]


def added_defaults(new: Schema, old: Schema, path: str) -> Iterator[str]:
    """Yield the new fields below objects that both schemas have, if the API server would add them."""
    for name, inner in new.get("properties", {}).items():
        before = old.get("properties", {}).get(name)
        if before is not None:
            yield from added_defaults(inner, before, f"{path}.{name}")
        elif "default" in inner:
            yield f"{path}.{name}"
    for part in ("items", "additionalProperties"):
        if isinstance(new.get(part), dict) and isinstance(old.get(part), dict):
            yield from added_defaults(new[part], old[part], f"{path}[]")


def schema(definition: Schema) -> Schema:
    found: Schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def test_new_fields_of_existing_objects_have_no_default() -> None:
    previous = schema(yaml.safe_load((PREVIOUS / "crd.yaml").read_text()))
    assert list(added_defaults(schema(crd.definition()), previous, "")) == []


def test_new_default_is_found() -> None:
    old: Schema = {"properties": {"alarms": {"items": {"properties": {"a": {}}}}}}
    new: Schema = {"properties": {"alarms": {"items": {"properties": {"a": {"default": 1}, "b": {"default": False}}}}}}
    assert list(added_defaults(new, old, "")) == [".alarms[].b"]
