"""How far an object is, in the words of its status: what a person watches a rollout by. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from dynconfig.api import names
from dynconfig.api.duration import seconds
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.api.status import ConditionType


class Stage(StrEnum):
    """Where an object stands."""

    READY = "Ready"
    BAKING = "Baking"
    """AWS is as declared, and the change has not proved itself yet."""
    WORKING = "Working"
    STALLED = "Stalled"
    GONE = "Gone"


@dataclass(frozen=True, slots=True)
class Progress:
    """One object as a row."""

    title: str
    stage: Stage
    in_sync: str = ""
    drifted: str = ""
    revision: str = ""
    observed: str = ""
    """How long ago AWS was looked at."""
    message: str = ""


def progress(document: Mapping[str, Any], now: float) -> Progress:
    """How far an object is at `now`, in seconds since the epoch."""
    metadata, status = document["metadata"], document.get("status") or {}
    conditions = {item["type"]: item for item in status.get("conditions") or ()}
    ready = conditions.get(ConditionType.READY, {})
    is_current = status.get("observedGeneration") == metadata.get("generation")
    return Progress(
        title=f"{metadata['namespace']}/{metadata['name']}",
        stage=_stage(metadata, conditions, is_current=is_current),
        in_sync=(status.get("counts") or {}).get("summary", ""),
        drifted="yes" if ConditionType.DRIFTED in conditions else "",
        revision=status.get("revision", ""),
        observed=_age(status.get("lastObservedTime"), now),
        message=_message(ready if is_current else None, status, unattended(document, now)),
    )


DEFAULT_RESYNC: str = DynamicConfigSpec.model_fields["resync_interval"].default
QUIET_SECONDS = 30.0
"""How long an operator that runs leaves an edit alone at most, also just after its start."""
_RUNS = (
    "the operator may not be running or may not watch this namespace: "
    "kubectl get pods -A -l app.kubernetes.io/name=dynconfig-operator"
)


def unattended(document: Mapping[str, Any], now: float) -> str:
    """Why it is likely that no operator serves an object, in a sentence without a full stop; empty where one does."""
    metadata, status = document["metadata"], document.get("status") or {}
    if status.get("observedGeneration") != metadata.get("generation"):
        edited = _edited(metadata)
        is_late = edited is not None and now - _seconds(edited) > QUIET_SECONDS
        return f"not reconciled for {_age(edited, now)}; {_RUNS}" if is_late else ""
    observed = status.get("lastObservedTime")
    if observed is None or now - _seconds(observed) <= 2 * _resync(document) + QUIET_SECONDS:
        return ""
    return f"AWS was last observed {_age(observed, now)} ago; {_RUNS}"


def _edited(metadata: Mapping[str, Any]) -> str | None:
    """When anyone but the writer of status last wrote the object.

    https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
    """
    written = [item.get("time") for item in metadata.get("managedFields") or () if not item.get("subresource")]
    times = [metadata.get("creationTimestamp"), metadata.get("deletionTimestamp"), *written]
    return max((time for time in times if time), key=_seconds, default=None)


def _resync(document: Mapping[str, Any]) -> int:
    interval = (document.get("spec") or {}).get("resyncInterval")
    return seconds(interval if isinstance(interval, str) else DEFAULT_RESYNC)


def _message(ready: Mapping[str, Any] | None, status: Mapping[str, Any], unattended: str) -> str:
    found = f"{ready.get('reason', '')}: {ready.get('message', '')}" if ready is not None else _waits(status)
    return f"{found}. {unattended[0].upper()}{unattended[1:]}" if unattended else found


def gone(title: str) -> Progress:
    """An object that was deleted while somebody looked."""
    return Progress(
        title,
        Stage.GONE,
        message="The object was deleted; its AWS resources were deleted or retained by deletionPolicy",
    )


def _stage(metadata: Mapping[str, Any], conditions: Mapping[str, Any], *, is_current: bool) -> Stage:
    if not is_current:
        return Stage.WORKING
    if ConditionType.STALLED in conditions:
        return Stage.STALLED
    if conditions.get(ConditionType.READY, {}).get("status") != "True" or "deletionTimestamp" in metadata:
        return Stage.WORKING
    return Stage.BAKING if ConditionType.BAKING in conditions else Stage.READY


def _waits(status: Mapping[str, Any]) -> str:
    if status.get("observedGeneration", names.UNSEEN) == names.UNSEEN:
        return "The operator has not observed the object yet"
    return "The operator has not observed this edit yet"


def _age(moment: str | None, now: float) -> str:
    if moment is None:
        return ""
    passed = max(0, round(now - _seconds(moment)))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if passed >= 2 * size:
            return f"{passed // size}{unit}"
    return f"{passed}s"


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
