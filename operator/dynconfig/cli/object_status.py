"""The rollout status of an object as one table row, computed from its status. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from dynconfig.api import names
from dynconfig.api.duration import seconds
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.api.status import RENEWAL_SECONDS, ConditionType
from dynconfig.model.stored import RecordedPlace, recorded_place


class ObjectStage(StrEnum):
    """The rollout stage of an object."""

    READY = "Ready"
    BAKING = "Baking"
    """AWS is in sync, and the bake time of the change is not over."""
    WORKING = "Working"
    STALLED = "Stalled"
    GONE = "Gone"


@dataclass(frozen=True, slots=True)
class ObjectStatus:
    """One row of `dynconfig status`."""

    title: str
    stage: ObjectStage
    in_sync: str = ""
    drifted: str = ""
    revision: str = ""
    target: str = ""
    """The AWSTarget in whose account it is; empty for the operator's own."""
    account: str = ""
    """The account of the target; empty without a target."""
    region: str = ""
    observed: str = ""
    """Age of the last observation of AWS."""
    message: str = ""


def object_status(document: Mapping[str, Any], now: float) -> ObjectStatus:
    """Return the status of an object at `now`, in seconds since the epoch."""
    metadata, status = document["metadata"], document.get("status") or {}
    conditions = {item["type"]: item for item in status.get("conditions") or ()}
    ready = conditions.get(ConditionType.READY, {})
    is_current = status.get("observedGeneration") == metadata.get("generation")
    place = recorded_place(status) or RecordedPlace()
    return ObjectStatus(
        title=f"{metadata['namespace']}/{metadata['name']}",
        stage=_stage(metadata, conditions, is_current=is_current),
        in_sync=(status.get("counts") or {}).get("summary", ""),
        drifted="yes" if ConditionType.DRIFTED in conditions else "",
        revision=status.get("revision", ""),
        target=place.target,
        account=place.account,
        region=place.region,
        observed=_age(status.get("lastObservedTime"), now),
        message=_message(ready if is_current else None, status, missing_operator(document, now)),
    )


DEFAULT_RESYNC: str = DynamicConfigSpec.model_fields["resync_interval"].default
QUIET_SECONDS = 30.0
"""The longest time after which a running operator processes an edit, also just after its start."""
_CHECK_OPERATOR = (
    "the operator may not be running or may not serve this namespace; check with: "
    "kubectl get pods -A -l app.kubernetes.io/name=dynconfig-operator"
)


def missing_operator(document: Mapping[str, Any], now: float) -> str:
    """Return why probably no operator serves the object, as a sentence without a full stop; empty if one does."""
    metadata, status = document["metadata"], document.get("status") or {}
    if status.get("observedGeneration") != metadata.get("generation"):
        edited = _edited(metadata)
        is_late = edited is not None and now - _seconds(edited) > QUIET_SECONDS
        return f"not reconciled for {_age(edited, now)}; {_CHECK_OPERATOR}" if is_late else ""
    observed = status.get("lastObservedTime")
    if observed is None or now - _seconds(observed) <= RENEWAL_SECONDS + 2 * _resync(document) + QUIET_SECONDS:
        return ""
    return f"AWS was last observed {_age(observed, now)} ago; {_CHECK_OPERATOR}"


def _edited(metadata: Mapping[str, Any]) -> str | None:
    """Return when the object was last written, except for writes of its status.

    https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
    """
    written = [item.get("time") for item in metadata.get("managedFields") or () if not item.get("subresource")]
    times = [metadata.get("creationTimestamp"), metadata.get("deletionTimestamp"), *written]
    return max((time for time in times if time), key=_seconds, default=None)


def _resync(document: Mapping[str, Any]) -> int:
    interval = (document.get("spec") or {}).get("resyncInterval")
    return seconds(interval if isinstance(interval, str) else DEFAULT_RESYNC)


def _message(ready: Mapping[str, Any] | None, status: Mapping[str, Any], warning: str) -> str:
    found = f"{ready.get('reason', '')}: {ready.get('message', '')}" if ready is not None else _pending_message(status)
    return f"{found}. {warning[0].upper()}{warning[1:]}" if warning else found


def deleted(title: str) -> ObjectStatus:
    """Return the status of an object that was deleted while it was watched."""
    return ObjectStatus(
        title,
        ObjectStage.GONE,
        message="The object was deleted; its AWS resources were deleted or retained by deletionPolicy",
    )


def _stage(metadata: Mapping[str, Any], conditions: Mapping[str, Any], *, is_current: bool) -> ObjectStage:
    if not is_current:
        return ObjectStage.WORKING
    if ConditionType.STALLED in conditions:
        return ObjectStage.STALLED
    if conditions.get(ConditionType.READY, {}).get("status") != "True" or "deletionTimestamp" in metadata:
        return ObjectStage.WORKING
    return ObjectStage.BAKING if ConditionType.BAKING in conditions else ObjectStage.READY


def _pending_message(status: Mapping[str, Any]) -> str:
    if status.get("observedGeneration", names.UNSEEN) in (names.UNSEEN, names.NO_GENERATION):
        return "Waiting for the operator to reconcile the object for the first time"
    return "Waiting for the operator to reconcile this edit"


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
