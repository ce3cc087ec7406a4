"""Field managers that own fields which an apply removes: server-side apply does not remove fields of other managers. Pure.

https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_EITHER = ("value", "valueFrom")
# kubectl migrates these when it switches to server-side apply, and removes fields itself before that.
_CLIENT_SIDE = "kubectl-client-side-apply"
# Helm 3 uses updates, and removes fields that are no longer in its chart. https://helm.sh/docs/faq/changes_since_helm2/
_APPLIERS = (_CLIENT_SIDE, "helm")

Document = Mapping[str, Any]


def owned_elsewhere(document: Document, live: Document) -> Iterator[str]:
    """Yield a warning for each parameter that switches between `value` and `valueFrom` if another manager owns the old field."""
    before = {item["name"]: item for item in live.get("spec", {}).get("parameters", ())}
    for item in (document.get("spec") or {}).get("parameters") or ():
        for field, other in (_EITHER, _EITHER[::-1]):
            if field in item and other not in item and other in before.get(item.get("name"), {}):
                owners = _owners(live, item["name"], other)
                if _may_stay(owners):
                    yield (
                        f"parameter {item['name']}: {other} is owned by {' and '.join(sorted({name for name, _ in owners}))}, "
                        "so server-side apply does not remove it. Run `kubectl replace -f FILE` once, then apply as before"
                    )


def updated(live: Document) -> list[Mapping[str, Any]]:
    """Return the fields, in `fieldsV1` format, of each manager that updates the object without applying it."""
    return [
        entry.get("fieldsV1") or {}
        for entry in live["metadata"].get("managedFields") or ()
        if entry.get("operation") == "Update" and entry.get("manager") not in _APPLIERS
    ]


def is_applied(live: Document) -> bool:
    """Whether spec was written by server-side apply."""
    return any(
        entry.get("operation") == "Apply" and "f:spec" in (entry.get("fieldsV1") or {})
        for entry in live["metadata"].get("managedFields") or ()
    )


def item_key(item: Any) -> str:
    """Return the key of a list item in `fieldsV1`: its name, as for all list-maps of a DynamicConfig, or its value."""
    is_named = isinstance(item, Mapping) and "name" in item
    key = json.dumps(
        {"name": item["name"]} if is_named else item, separators=(",", ":"), ensure_ascii=False, default=str
    )
    return f"{'k' if is_named else 'v'}:{key}"


def _owners(live: Document, parameter: str, field: str) -> list[tuple[str, str]]:
    """Return manager and operation of each owner of a field of a parameter."""
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


def _may_stay(owners: Sequence[tuple[str, str]]) -> bool:
    """Whether the field remains after an apply: it has several owners, or one that uses updates."""
    updaters = [name for name, operation in owners if operation == "Update" and name != _CLIENT_SIDE]
    return len(owners) > 1 or bool(updaters)
