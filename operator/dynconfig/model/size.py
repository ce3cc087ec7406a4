"""The stored size of an object, and shortening of its status to the size limit of Kubernetes. Pure."""

import json
from collections.abc import Iterator, Mapping, Set
from typing import Any

from dynconfig.api.defaults import with_defaults
from dynconfig.api.status import MESSAGE_LENGTH
from dynconfig.model import drift_digest
from dynconfig.model.errors import InvalidSpec
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.stored import listed_names, spec_of

# etcd's default request limit, minus the key and some overhead.
# https://etcd.io/docs/v3.6/dev-guide/limit/
OBJECT_BYTES = 1_572_864 - 4_096
# Conditions, other resources, some drift, history, and managed fields of the operator.
STATUS_BYTES = 24_576
# Each entry has a name, a type, a version and whether it is secret.
_ENTRY_BYTES = 72
# Size of the managed fields of each applied list item, without its name.
# https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
_FIELD_BYTES = 80
OMITTED_BYTES = "omittedBytes"
"""Member of a document that was read in part: the size of the metadata that was left out."""
LARGE = 200_000
"""Heavier objects are rare; only a few are reconciled concurrently."""
SMALL = 20_000
"""Many objects of at most this weight may be kept in memory."""
# An empty list of three characters takes 56 bytes of memory, and an empty map 64.
_NODE_WEIGHT = 16
# A text from a Secret or ConfigMap has up to 8 KiB, and takes up to four times that in memory.
_SOURCE_WEIGHT = 3_000
_BRIEF_LENGTH = 512
_DRIFT_KEPT = 5
_NOTE = " (Status is truncated: the object is close to the size limit of Kubernetes.)"
_DRIFT = ("drift", "furtherDrift")
LOST: Mapping[str, Any] = {"statusLost": True}
"""The field of status which says that it does not list all of what others changed."""
# As in PreviousStatus.versions.
_UNKNOWN_VERSION = 0
_WHOLE = ("parameters", *_DRIFT, "history", "resources", "createdSinceStable")


def stored_bytes(document: Mapping[str, Any]) -> int:
    """Return the size of an object in bytes as the API server stores it: compact JSON in which Go escapes <, > and &."""
    text = compact(document)
    return len(text.encode(errors="replace")) + 5 * sum(map(text.count, "<>&")) + int(document.get(OMITTED_BYTES, 0))


def weight(document: Mapping[str, Any]) -> int:
    """Return a measure of the memory that an object needs while it is reconciled: its size, its lists and maps, its sources.

    Metadata that was left out counts, too: it is part of each request and response.
    """
    parts = (weight_of(compact(value)) for name, value in document.items() if name != OMITTED_BYTES)
    return sum(parts) + int(document.get(OMITTED_BYTES, 0))


def weight_of(text: str) -> int:
    """Return the weight of a part of an object, as compact JSON."""
    weight = len(text) + _NODE_WEIGHT * _brackets(text) + _SOURCE_WEIGHT * text.count('"valueFrom":')
    if weight <= SMALL:
        return weight
    # Brackets in strings are no lists; without escaped quotes, every other part between quotes is a string.
    outside = text.replace("\\\\", "").replace('\\"', "").split('"')[::2]
    return weight - _NODE_WEIGHT * (_brackets(text) - _brackets("".join(outside)))


def _brackets(text: str) -> int:
    return text.count("[") + text.count("{")


def compact(value: object) -> str:
    """Return a part of an object as compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)


def needed_bytes(document: Mapping[str, Any]) -> int:
    """Return the size in bytes of an object with its defaults and the shortest status that still lists each parameter."""
    if not (document.get("metadata") or {}).get("resourceVersion"):
        document = with_defaults(document)
    spec, metadata = spec_of(document), document.get("metadata") or {}
    names = listed_names(spec.get("parameters"))
    path = str(spec.get("path", ""))
    reported = sum(len(f"{path}/{name}") + _ENTRY_BYTES for name in names)
    managed = (
        0
        if metadata.get("managedFields") or OMITTED_BYTES in document
        else sum(len(name) + _FIELD_BYTES for name in names)
    )
    return stored_bytes(_bare(document)) + managed + reported + STATUS_BYTES


def check(document: Mapping[str, Any]) -> None:
    """Raise InvalidSpec if the object would be too large to store with its status."""
    needed = needed_bytes(document)
    if needed > OBJECT_BYTES:
        raise InvalidSpec(
            f"spec: the object needs {needed:,} bytes with its status, but Kubernetes stores at most {OBJECT_BYTES:,}; "
            "split its parameters into several objects, or move large values to ConfigMaps or Secrets"
        )


def fitting(document: Mapping[str, Any], status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the status, truncated to the size limit of the object if necessary; a truncated status says so."""
    room = OBJECT_BYTES - stored_bytes(_bare(document))
    return next((found for found in _ever_shorter(status) if stored_bytes(found) <= room), shortest(status))


def shortest(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the conditions and other scalar fields, without any list of AWS resources.

    If it reported drift, it says that this is lost: otherwise the next edit would overwrite it.
    """
    kept = {field: value for field, value in status.items() if field not in _WHOLE}
    kept |= LOST if any(status.get(field) for field in _DRIFT) else {}
    return _noted({**kept, "conditions": [_brief(item) for item in status.get("conditions") or ()]})


def _ever_shorter(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield status
    parameters = [_without(item, "lastModified") for item in status.get("parameters") or ()]
    history = [_without(item, "changed") for item in status.get("history") or ()]
    # Without this list a rollback deletes nothing, which is safe.
    kept = _without(status, "createdSinceStable")
    shorter = _noted({**kept, **_given(parameters=parameters, history=history)})
    yield shorter
    conditions = [_brief(item) for item in status.get("conditions") or ()]
    drift, cut = _split(list(status.get("drift") or ()))
    further = [*(status.get("furtherDrift") or ()), *cut]
    shorter = {**_without(shorter, "drift"), "conditions": conditions, **_given(drift=drift)}
    yield _noted({**shorter, **_given(furtherDrift=further)})
    # Parameters stay listed as long as possible, since the list has the deletion policies of those that leave spec.
    unsure = {drift_digest.title_in(digest) for digest in further}
    yield _noted({**_without(shorter, "furtherDrift"), **_given(parameters=_unknown(parameters, unsure)), **LOST})


def _unknown(parameters: list[dict[str, Any]], titles: Set[str]) -> list[dict[str, Any]]:
    """Return parameters, without the versions of those whose drift is lost: their next difference is no edit."""
    return [
        {**item, "version": _UNKNOWN_VERSION} if drift_digest.of_title(f"Parameter {item['name']}") in titles else item
        for item in parameters
    ]


def _split(drift: list[Any]) -> tuple[list[Any], list[str]]:
    """Return the first entries of drift, and the digests of the others."""
    reported = PreviousStatus.of({"drift": drift[_DRIFT_KEPT:]}).drift
    cut = [drift_digest.of_field(title, field, found) for (title, field), found in reported.items()]
    return drift[:_DRIFT_KEPT], cut


def _noted(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the status with a note in the Ready condition that it is truncated."""
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
