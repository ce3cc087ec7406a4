"""Computes the spec of an existing object after `kubectl apply`: fields of other managers are kept. Pure.

Client-side apply merges maps three ways and replaces lists of a custom resource as a whole; server-side apply merges maps and
lists with keys by field manager.
https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/#how-apply-calculates-differences-and-merges-changes
https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dynconfig.cli import managers

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

Document = Mapping[str, Any]
Fields = Sequence[Mapping[str, Any]]
"""The `fieldsV1` entries of several managers at one path."""


def applied_spec(document: Document, live: Document) -> Any:
    """Return the spec after applying the document, before defaults. Values that are not maps come from the document."""
    wanted, found = document.get("spec"), live.get("spec")
    if not isinstance(wanted, Mapping) or not isinstance(found, Mapping):
        return wanted
    if (last := _last_applied(live)) is not None:
        return _three_way(wanted, last, found)
    held = [entry["f:spec"] for entry in managers.updated(live) if "f:spec" in entry]
    return _beside_others(wanted, found, held, merges_lists=managers.is_applied(live))


def _last_applied(live: Document) -> Mapping[str, Any] | None:
    """Return the spec in the last-applied annotation; None if it is absent or unreadable."""
    text = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    try:
        spec = json.loads(text)["spec"] if text else None
    except (ValueError, TypeError, KeyError):
        return None
    return spec if isinstance(spec, Mapping) else None


def _three_way(wanted: Document, last: Document, found: Document) -> dict[str, Any]:
    """Return the desired fields, plus fields of the cluster that were not applied before."""
    kept = {name: value for name, value in found.items() if name not in wanted and name not in last}
    return {**kept, **{name: _inner(value, last.get(name), found.get(name)) for name, value in wanted.items()}}


def _inner(wanted: Any, last: Any, found: Any) -> Any:
    if not isinstance(wanted, Mapping) or not isinstance(found, Mapping):
        return wanted
    return _three_way(wanted, last if isinstance(last, Mapping) else {}, found)


def _beside_others(wanted: Any, found: Any, held: Fields, *, merges_lists: bool) -> Any:
    """Return the desired value, merged with the fields that other managers own."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        inside = {name: _below(held, f"f:{name}") for name in found}
        return {
            **{
                name: _beside_others(value, found.get(name), inside.get(name, ()), merges_lists=merges_lists)
                for name, value in wanted.items()
            },
            **{
                name: _others(found[name], fields, merges_lists=merges_lists)
                for name, fields in inside.items()
                if fields and name not in wanted
            },
        }
    is_mergeable = merges_lists and isinstance(wanted, list) and isinstance(found, list)
    return _items_beside_others(wanted, found, held) if is_mergeable else wanted


def _items_beside_others(wanted: list[Any], found: list[Any], held: Fields) -> list[Any]:
    """Merge the items of a keyed list or set with those of other managers. Managers own no items of other lists."""
    ours, theirs = ({managers.item_key(item): item for item in items} for items in (wanted, found))
    if len(ours) < len(wanted):
        return wanted
    inside = {key: _below(held, key) for key in theirs}
    merged = [
        _beside_others(item, theirs.get(key), inside.get(key, ()), merges_lists=True) for key, item in ours.items()
    ]
    kept = [
        _others(theirs[key], fields, merges_lists=True) for key, fields in inside.items() if fields and key not in ours
    ]
    return [*merged, *kept]


def _others(found: Any, held: Fields, *, merges_lists: bool) -> Any:
    """Return what is kept of a value the document does not name: all of it if a manager owns it whole, else its owned parts."""
    if all(held) and isinstance(found, Mapping):
        return _beside_others({}, found, held, merges_lists=merges_lists)
    if all(held) and isinstance(found, list):
        return _beside_others([], found, held, merges_lists=merges_lists) if merges_lists else found
    return found


def _below(held: Fields, step: str) -> Fields:
    return [fields[step] for fields in held if step in fields]
