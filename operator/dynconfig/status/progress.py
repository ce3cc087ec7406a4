"""Computes the rollout fields of status: the baking change, the rollback and the revision history. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from dynconfig.engine.outcome import Outcome
from dynconfig.model.plan import Create, Delete, Step
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.resource import Versioned, revision
from dynconfig.model.timestamps import moment, timestamp
from dynconfig.rollout.state import RolloutPhase

LENGTH = 10
MAX_NAMES = 20

Entry = Mapping[str, Any]


def of(outcome: Outcome, previous: PreviousStatus, now: str) -> dict[str, Any]:
    """Return the fields of status; those that do not apply are omitted."""
    found: dict[str, Any] = {"history": _history(outcome, previous)}
    if outcome.declaration.rollout is None:
        # Until the labels of an earlier rollout are removed, status records that they exist.
        is_over = outcome.is_complete and not outcome.is_suspended
        return found if is_over else {**found, "stable_generation": previous.stable_generation}
    found["created_since_stable"] = _created(outcome, previous)
    generation, rollout_state = outcome.declaration.generation, outcome.rollout_state
    kept = {"stable_generation": previous.stable_generation, "stable_revision": previous.stable_revision}
    if outcome.declaration.rolled_back:
        return {**found, **kept, "rollback": _rollback(outcome, previous, now)}
    if rollout_state.phase in (RolloutPhase.BAKING, RolloutPhase.ALARMED):
        since, until = timestamp(rollout_state.since), timestamp(rollout_state.until)
        return {**found, **kept, "bake": {"generation": generation, "since": since, "until": until}}
    if not outcome.is_complete:
        return {**found, **kept, "bake": previous.document.get("bake")}
    if outcome.plan.reported and previous.stable_generation == generation:
        # Reported drift is not a revision of the object.
        return {**found, **kept}
    return {**found, "stable_generation": generation, "stable_revision": revision(outcome.owned)}


def with_creations(planned: Outcome, previous: PreviousStatus) -> dict[str, Any] | None:
    """Return the previous status plus the parameters about to be created; None if there are none.

    It is written before the creations: if the process dies afterwards, a rollback still knows what it may delete.
    """
    before = previous.created
    created = before | _creations(planned.plan.steps, previous)
    is_watched = planned.declaration.rollout is not None and not planned.declaration.deleting
    if created == before or not is_watched or planned.declaration.rolled_back or not previous.stable_generation:
        return None
    return {**previous.document, "createdSinceStable": sorted(created)}


def _created(outcome: Outcome, previous: PreviousStatus) -> list[str]:
    """Return parameters that did not exist in the last stable revision. Recreated parameters did exist."""
    is_settled = outcome.is_complete and outcome.rollout_state.phase is RolloutPhase.STABLE
    before = previous.created
    # After a rollback it is kept across restarts: only these parameters may be deleted.
    if (is_settled and not outcome.declaration.rolled_back) or not previous.stable_generation:
        return []
    created = before if outcome.declaration.rolled_back else before | _creations(outcome.applied, previous)
    return sorted(item.name for item in outcome.owned if isinstance(item, Versioned) and item.name in created)


def _creations(steps: Sequence[Step], previous: PreviousStatus) -> set[str]:
    created = (step.resource for step in steps if isinstance(step.change, Create))
    return {item.name for item in created if isinstance(item, Versioned)} - previous.versions.keys()


def _rollback(outcome: Outcome, previous: PreviousStatus, now: str) -> dict[str, Any]:
    generation, before = outcome.declaration.generation, previous.document.get("rollback") or {}
    alarm = outcome.rollout_state.alarm
    reason = f"alarm {alarm} fired" if alarm else "an alarm fired during the bake time"
    kept = before if before.get("generation") == generation else {"reason": reason, "time": now}
    return {**kept, "generation": generation, "to": revision(outcome.owned, outcome.declaration.unread)}


def _history(outcome: Outcome, previous: PreviousStatus) -> list[Entry]:
    """Return the revisions, newest first, without one that is still being written."""
    before: Sequence[Entry] = previous.history
    if not outcome.is_complete or outcome.declaration.deleting:
        return list(before)
    current = revision(outcome.owned)
    is_only_reported = bool(outcome.plan.reported) and not outcome.applied
    if before and (is_only_reported or before[0]["revision"] == current):
        return [{**before[0], "outcome": _outcome(outcome, before[0])}, *before[1:]]
    entry = {
        "revision": current,
        "generation": outcome.declaration.generation,
        "time": timestamp(outcome.declaration.now),
        "outcome": _outcome(outcome, None),
        "changed": _changed(outcome, before),
        **({"rolledBackTo": restored(outcome, previous)} if outcome.declaration.rolled_back else {}),
    }
    return [entry, *(_superseded(item, outcome) for item in before[:1]), *before[1:]][:LENGTH]


def restored(outcome: Outcome, previous: PreviousStatus) -> str:
    """Return the stable revision whose values AWS has after a rollback."""
    return str(previous.stable_revision or revision(outcome.owned))


def _outcome(outcome: Outcome, entry: Entry | None) -> str:
    if outcome.declaration.rollout is None:
        return "Applied"
    is_settled = entry is not None and entry["outcome"] in ("Stable", "RolledBack")
    is_proved = outcome.declaration.rolled_back or outcome.rollout_state.phase is RolloutPhase.STABLE
    return "Stable" if is_settled or is_proved else "Baking"


def _superseded(entry: Entry, outcome: Outcome) -> Entry:
    if entry["outcome"] != "Baking":
        return entry
    if outcome.declaration.rolled_back:
        return {**entry, "outcome": "RolledBack"}
    # Deletions are carried out at the end of the bake time, and make another revision of the same generation.
    is_proved = entry["generation"] == outcome.declaration.generation and _outcome(outcome, None) == "Stable"
    return {**entry, "outcome": "Stable" if is_proved else "Replaced"}


def _changed(outcome: Outcome, before: Sequence[Entry]) -> list[str]:
    """Return what was written since the last revision, also by incomplete reconciles, and what this one deleted or released."""
    since = moment(before[0]["time"]) if before else 0.0
    listed = set(before[0].get("changed") or ()) if before else set()
    prefix = f"{outcome.declaration.path}/"
    written = (
        f"{item.name.removeprefix(prefix)}@{item.version}"
        for item in outcome.owned
        if isinstance(item, Versioned) and (item.last_modified is None or item.last_modified >= since)
    )
    removed = (
        f"{step.resource.name.removeprefix(prefix)} {'deleted' if isinstance(step.change, Delete) else 'released'}"
        for step in outcome.applied
        if not step.is_put and isinstance(step.resource, Versioned)
    )
    return sorted({*written, *removed} - listed)[:MAX_NAMES]
