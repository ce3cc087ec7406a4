"""Which field managers hold what an apply takes out of an object: server-side apply removes nothing that others hold. Pure.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_EITHER = ("value", "valueFrom")
# kubectl moves these to its own name when it goes over to server-side apply, and removes them by itself before.
_CLIENT_SIDE = "kubectl-client-side-apply"
# Helm 3 writes by update, and removes what its chart no longer names. https://helm.sh/docs/faq/changes_since_helm2/
_APPLIERS = (_CLIENT_SIDE, "helm")

Document = Mapping[str, Any]


def held_elsewhere(document: Document, live: Document) -> Iterator[str]:
    """For each parameter whose value moved between `value` and `valueFrom`: who else holds the old field, and what to do."""
    before = {item["name"]: item for item in live.get("spec", {}).get("parameters", ())}
    for item in (document.get("spec") or {}).get("parameters") or ():
        for field, other in (_EITHER, _EITHER[::-1]):
            if field in item and other not in item and other in before.get(item.get("name"), {}):
                holders = _holders(live, item["name"], other)
                if _may_stay(holders):
                    yield (
                        f"parameter {item['name']}: {other} is held by {' and '.join(sorted({name for name, _ in holders}))}, "
                        "and server-side apply does not remove it: run `kubectl replace -f FILE` once, then apply as before"
                    )


def updated(live: Document) -> list[Mapping[str, Any]]:
    """What each manager holds, as `fieldsV1` writes it, that edits the object and never applies it."""
    return [
        entry.get("fieldsV1") or {}
        for entry in live["metadata"].get("managedFields") or ()
        if entry.get("operation") == "Update" and entry.get("manager") not in _APPLIERS
    ]


def is_applied(live: Document) -> bool:
    """Whether any spec was applied by the server."""
    return any(
        entry.get("operation") == "Apply" and "f:spec" in (entry.get("fieldsV1") or {})
        for entry in live["metadata"].get("managedFields") or ()
    )


def item_key(item: Any) -> str:
    """How `fieldsV1` calls an item of a list: by its name, as all lists with keys of a DynamicConfig, or by its value."""
    is_named = isinstance(item, Mapping) and "name" in item
    key = json.dumps(
        {"name": item["name"]} if is_named else item, separators=(",", ":"), ensure_ascii=False, default=str
    )
    return f"{'k' if is_named else 'v'}:{key}"


def _holders(live: Document, parameter: str, field: str) -> list[tuple[str, str]]:
    """Manager and operation of each that holds a field of a parameter."""
    path = ("f:spec", "f:parameters", item_key({"name": parameter}), f"f:{field}")
    return [
        (str(entry.get("manager", "")), str(entry.get("operation", "")))
        for entry in live["metadata"].get("managedFields") or ()
        if _has(entry.get("fieldsV1") or {}, path)
    ]


def _has(fields: Mapping[str, Any], path: Sequence[str]) -> bool:
    for step in path:
        if step not in fields:
            return False
        fields = fields[step]
    return True


def _may_stay(holders: Sequence[tuple[str, str]]) -> bool:
    """Whether the field outlives an apply: more than one holds it, or one that never applies."""
    updaters = [name for name, operation in holders if operation == "Update" and name != _CLIENT_SIDE]
    return len(holders) > 1 or bool(updaters)
