"""How large an object is where Kubernetes stores it, and what of a status fits beside its spec. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from dynconfig.api.defaults import with_defaults
from dynconfig.api.status import MESSAGE_LENGTH
from dynconfig.engine.errors import InvalidSpec
from dynconfig.engine.stored import listed_names, spec_of

# etcd's default limit of a request, which holds the key and some framing beside the object.
# https://etcd.io/docs/v3.6/dev-guide/limit/
OBJECT_BYTES = 1_572_864 - 4_096
# Conditions, other resources, some drift, history, and what Kubernetes notes of the fields that the operator writes.
STATUS_BYTES = 24_576
# A name stands beside its type, its version and whether it is secret.
_ENTRY_BYTES = 72
# What Kubernetes notes of each item of a list that somebody applies, beside its name.
# https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
_FIELD_BYTES = 80
LARGE_BYTES = 200_000
"""Objects above are few, and are served a few at a time."""
_BRIEF_LENGTH = 512
_DRIFT_KEPT = 5
_NOTE = " (Status is shortened: the object is close to the size limit of Kubernetes.)"
_WHOLE = ("parameters", "drift", "history", "resources", "createdSinceStable")


def stored_bytes(document: Mapping[str, Any]) -> int:
    """Bytes of an object as the API server stores it: compact JSON in which Go escapes <, > and &."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, default=str)
    return len(text.encode(errors="replace")) + 5 * sum(map(text.count, "<>&"))


def needed_bytes(document: Mapping[str, Any]) -> int:
    """Bytes of an object with its defaults and the shortest status that still reports on each parameter."""
    if not (document.get("metadata") or {}).get("resourceVersion"):
        document = with_defaults(document)
    spec, metadata = spec_of(document), document.get("metadata") or {}
    names = listed_names(spec.get("parameters"))
    path = str(spec.get("path", ""))
    reported = sum(len(f"{path}/{name}") + _ENTRY_BYTES for name in names)
    managed = 0 if metadata.get("managedFields") else sum(len(name) + _FIELD_BYTES for name in names)
    return stored_bytes(_bare(document)) + managed + reported + STATUS_BYTES


def check(document: Mapping[str, Any]) -> None:
    """Raise InvalidSpec if Kubernetes could not store a report on this object beside its spec."""
    needed = needed_bytes(document)
    if needed > OBJECT_BYTES:
        raise InvalidSpec(
            f"spec: the object needs {needed:,} bytes with its status, and Kubernetes stores at most {OBJECT_BYTES:,}; "
            "divide its parameters between several objects, or take large values from ConfigMaps or Secrets"
        )


def fitting(document: Mapping[str, Any], status: Mapping[str, Any]) -> Mapping[str, Any]:
    """The status, or as much of it as Kubernetes stores beside the rest of the object; the shorter one says so."""
    room = OBJECT_BYTES - stored_bytes(_bare(document))
    return next((found for found in _ever_shorter(status) if stored_bytes(found) <= room), shortest(status))


def shortest(status: Mapping[str, Any]) -> dict[str, Any]:
    """The conditions and what else says how far the object is, without any list of what is in AWS."""
    kept = {field: value for field, value in status.items() if field not in _WHOLE}
    return _noted({**kept, "conditions": [_brief(item) for item in status.get("conditions") or ()]})


def _ever_shorter(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield status
    parameters = [_without(item, "lastModified") for item in status.get("parameters") or ()]
    history = [_without(item, "changed") for item in status.get("history") or ()]
    # Without the list a rollback deletes nothing, which is safe.
    kept = _without(status, "createdSinceStable")
    shorter = _noted({**kept, **_given(parameters=parameters, history=history)})
    yield shorter
    conditions = [_brief(item) for item in status.get("conditions") or ()]
    drift = list(status.get("drift") or ())[:_DRIFT_KEPT]
    yield _noted({**_without(shorter, "drift"), "conditions": conditions, **_given(drift=drift)})


def _noted(status: Mapping[str, Any]) -> dict[str, Any]:
    """The status with a word of its being shortened in Ready."""
    conditions = [
        {**item, "message": _with_note(item["message"])} if item["type"] == "Ready" else item
        for item in status.get("conditions") or ()
    ]
    return {**status, "conditions": conditions}


def _with_note(message: str) -> str:
    return f"{message.removesuffix(_NOTE)[: MESSAGE_LENGTH - len(_NOTE)]}{_NOTE}"


def _brief(condition: Mapping[str, Any]) -> dict[str, Any]:
    return {**condition, "message": condition["message"].removesuffix(_NOTE)[:_BRIEF_LENGTH]}


def _bare(document: Mapping[str, Any]) -> dict[str, Any]:
    return _without(document, "status")


def _without(item: Mapping[str, Any], field: str) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != field}


def _given(**members: list[Any]) -> dict[str, list[Any]]:
    return {name: value for name, value in members.items() if value}
