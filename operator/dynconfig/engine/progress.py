"""How changes are doing, as status tells it: the one that bakes, the one that was undone, and the last revisions. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dynconfig.engine.outcome import Outcome
from dynconfig.engine.plan import Create, Step
from dynconfig.engine.resource import Versioned
from dynconfig.engine.revision import revision
from dynconfig.engine.rollout import Stage
from dynconfig.engine.timestamps import timestamp

LENGTH = 10
NAMES_TOLD = 20

Entry = Mapping[str, Any]


def of(outcome: Outcome, previous: Mapping[str, Any], now: str) -> dict[str, Any]:
    """Members of the status; those that do not apply are left out."""
    found: dict[str, Any] = {"history": _history(outcome, previous)}
    if outcome.declaration.rollout is None:
        # Until the labels of an earlier rollout are removed, the report remembers that there are some.
        is_over = outcome.is_complete and not outcome.is_held
        return found if is_over else {**found, "stable_generation": previous.get("stableGeneration")}
    found["created_since_stable"] = _created(outcome, previous)
    generation, judgement = outcome.declaration.generation, outcome.judgement
    kept = {"stable_generation": previous.get("stableGeneration"), "stable_revision": previous.get("stableRevision")}
    if outcome.declaration.undone:
        return {**found, **kept, "rollback": _rollback(outcome, previous, now)}
    if judgement.stage in (Stage.BAKING, Stage.ALARMED):
        since, until = timestamp(judgement.since), timestamp(judgement.until)
        return {**found, **kept, "bake": {"generation": generation, "since": since, "until": until}}
    if not outcome.is_complete:
        return {**found, **kept, "bake": previous.get("bake")}
    if outcome.plan.held and previous.get("stableGeneration") == generation:
        # What somebody else wrote is no revision of ours.
        return {**found, **kept}
    return {**found, "stable_generation": generation, "stable_revision": revision(outcome.owned)}


def with_creations(planned: Outcome, previous: Mapping[str, Any]) -> dict[str, Any] | None:
    """The previous status with what is about to be created since the last stable revision; None if it adds nothing.

    It is written before the creations themselves: if the process dies after them, a rollback still knows what it may delete.
    """
    before = set(previous.get("createdSinceStable") or ())
    created = before | _creations(planned.plan.steps, previous)
    is_watched = planned.declaration.rollout is not None and not planned.declaration.deleting
    if created == before or not is_watched or planned.declaration.undone or not previous.get("stableGeneration"):
        return None
    return {**previous, "createdSinceStable": sorted(created)}


def _created(outcome: Outcome, previous: Mapping[str, Any]) -> list[str]:
    """What did not exist when the last revision was stable; what was deleted by others and is back did exist."""
    is_settled = outcome.is_complete and outcome.judgement.stage is Stage.PROVED
    before = set(previous.get("createdSinceStable") or ())
    # What was undone is still known by it after a restart: what is left of it may be deleted, and nothing else.
    if (is_settled and not outcome.declaration.undone) or not previous.get("stableGeneration"):
        return []
    created = before if outcome.declaration.undone else before | _creations(outcome.applied, previous)
    return sorted(item.name for item in outcome.owned if isinstance(item, Versioned) and item.name in created)


def _creations(steps: Sequence[Step], previous: Mapping[str, Any]) -> set[str]:
    created = (step.resource for step in steps if isinstance(step.change, Create))
    reported = {item["name"] for item in previous.get("parameters") or ()}
    return {item.name for item in created if isinstance(item, Versioned)} - reported


def _rollback(outcome: Outcome, previous: Mapping[str, Any], now: str) -> dict[str, Any]:
    generation, before = outcome.declaration.generation, previous.get("rollback") or {}
    alarm = outcome.judgement.alarm
    reason = f"alarm {alarm} fired" if alarm else "an alarm fired during the bake time"
    kept = before if before.get("generation") == generation else {"reason": reason, "time": now}
    return {**kept, "generation": generation, "to": revision(outcome.owned, outcome.declaration.unread)}


def _history(outcome: Outcome, previous: Mapping[str, Any]) -> list[Entry]:
    """The revisions, the newest first; one that is still being written is not told yet."""
    before: Sequence[Entry] = previous.get("history") or ()
    if not outcome.is_complete or outcome.declaration.deleting:
        return list(before)
    current = revision(outcome.owned)
    is_told = bool(outcome.plan.held) and not outcome.applied
    if before and (is_told or before[0]["revision"] == current):
        return [{**before[0], "outcome": _outcome(outcome, before[0])}, *before[1:]]
    entry = {
        "revision": current,
        "generation": outcome.declaration.generation,
        "time": timestamp(outcome.declaration.now),
        "outcome": _outcome(outcome, None),
        "changed": _changed(outcome, before),
        **({"rolledBackTo": restored(outcome, previous)} if outcome.declaration.undone else {}),
    }
    return [entry, *(_superseded(item, outcome) for item in before[:1]), *before[1:]][:LENGTH]


def restored(outcome: Outcome, previous: Mapping[str, Any]) -> str:
    """The stable revision whose values AWS has after a rollback."""
    return str(previous.get("stableRevision") or revision(outcome.owned))


def _outcome(outcome: Outcome, entry: Entry | None) -> str:
    if outcome.declaration.rollout is None:
        return "Applied"
    is_settled = entry is not None and entry["outcome"] in ("Stable", "RolledBack")
    is_proved = outcome.declaration.undone or outcome.judgement.stage is Stage.PROVED
    return "Stable" if is_settled or is_proved else "Baking"


def _superseded(entry: Entry, outcome: Outcome) -> Entry:
    if entry["outcome"] != "Baking":
        return entry
    return {**entry, "outcome": "RolledBack" if outcome.declaration.undone else "Replaced"}


def _changed(outcome: Outcome, before: Sequence[Entry]) -> list[str]:
    """What was written since the last revision, also by walks that did not come to their end."""
    since = datetime.fromisoformat(before[0]["time"]).timestamp() if before else 0.0
    told = set(before[0].get("changed") or ()) if before else set()
    prefix = f"{outcome.declaration.path}/"
    written = (
        f"{item.name.removeprefix(prefix)}@{item.version}"
        for item in outcome.owned
        if isinstance(item, Versioned) and (item.last_modified is None or item.last_modified >= since)
    )
    return sorted(set(written) - told)[:NAMES_TOLD]
