"""How far an object is, in the words of its status: what a person watches a rollout by. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from dynconfig.api import names
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
        message=f"{ready.get('reason', '')}: {ready.get('message', '')}" if is_current else _waits(status),
    )


def gone(title: str) -> Progress:
    """An object that was deleted while somebody looked."""
    return Progress(
        title, Stage.GONE, message="The object is gone, and what it owned in AWS as its deletionPolicy says"
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
        return "The operator has not seen the object yet"
    return "The operator has not looked at this edit yet"


def _age(moment: str | None, now: float) -> str:
    if moment is None:
        return ""
    seconds = max(0, round(now - datetime.fromisoformat(moment).timestamp()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
