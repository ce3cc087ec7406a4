"""The Kubernetes Events of a reconcile; each occurrence is reported once. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from dynconfig.api import names
from dynconfig.api.status import Reason
from dynconfig.engine import drift
from dynconfig.engine.outcome import Outcome
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import DynConfigError, InternalError, NotOwned, ReconcileLoop, SourceMissing, Terminal
from dynconfig.model.plan import Create, Delete, Difference, Release, Step, Update
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.resource import revision
from dynconfig.model.stored import RecordedPlace, recorded_place
from dynconfig.rollout.labels import REJECTED, STABLE
from dynconfig.rollout.state import RolloutPhase
from dynconfig.status.readiness import abandon_hint, rollback_message, why_kept
from dynconfig.status.report import is_deletion_failing

MAX_NAMES = 8
_REPORTED = (Terminal, ReconcileLoop, SourceMissing, InternalError)
MAX_FIELDS = 5


@dataclass(frozen=True, slots=True)
class KubeEvent:
    """An Event to create: type (Normal or Warning), reason and message."""

    type: str
    reason: str
    message: str


def events_of(outcome: Outcome, previous: PreviousStatus, now: float) -> tuple[KubeEvent, ...]:
    """Return the Events of a reconcile, without what the previous status already reports."""
    refused = error_events(outcome.error, previous) if outcome.error is not None else ()
    failing = _deletion_failing(outcome, previous) if is_deletion_failing(outcome, previous, now) else ()
    label_messages = [KubeEvent("Warning", Reason.LABEL_REMOVED, text) for text in outcome.label_messages]
    happened = (
        *_drift_events(outcome, previous),
        *_change_events(outcome),
        *_rollout_events(outcome, previous),
        *label_messages,
    )
    return (*happened, *refused, *failing)


def error_events(error: DynConfigError, previous: PreviousStatus) -> tuple[KubeEvent, ...]:
    """Return the Event of an error that needs attention, unless the previous status already reports it."""
    is_awaited = isinstance(error, NotOwned) and error.is_awaited
    if not isinstance(error, _REPORTED) or is_awaited or previous.reports(str(error)):
        return ()
    return (KubeEvent("Warning", error.reason, str(error)),)


def event_missing(place: str, name: str) -> KubeEvent:
    """Return the Event for missing AWS events."""
    text = (
        f"The event of the operator's own write of {name} has not arrived within 30 seconds. Until events from {place} arrive "
        "again, drift is only detected at the resync. See the operator's log for the result of the check"
    )
    return KubeEvent("Warning", Reason.EVENTS_MISSING, text)


def events_interrupted(place: str, repaired: str) -> KubeEvent:
    """Return the Event for AWS events that did not arrive for a while."""
    text = (
        f"Events from {place} did not arrive: {repaired}. Repaired; all objects there are reconciled to detect "
        "changes made meanwhile"
    )
    return KubeEvent("Warning", Reason.EVENTS_MISSING, text)


def abandoned(declaration: Declaration, marked: str = "", *, status: object = None) -> KubeEvent:
    """Return the Event of an abandoned deletion: what remains where in AWS, and why operator tags or labels do, if any."""
    left = _inventory(declaration)
    marks = f"tag {names.OWNER_TAG}, labels {STABLE} and {REJECTED}…"
    marks = f" Not all marks of the operator were removed ({marks}). Remove them manually: {marked}." if marked else ""
    message = f"Finalizer removed by annotation.{marks} Left in AWS ({_where(declaration, status)}): {left}"
    return KubeEvent("Warning", Reason.ABANDONED, message)


def _where(declaration: Declaration, status: object) -> str:
    """Return the region, and the target with its account, which may no longer exist."""
    recorded = recorded_place(status) or RecordedPlace()
    target = f"AWSTarget {recorded.target}" if recorded.target else ""
    account = f"account {recorded.account}" if recorded.account else ""
    return ", ".join(filter(None, (target, account, recorded.region or declaration.place.region)))


def _deletion_failing(outcome: Outcome, previous: PreviousStatus) -> tuple[KubeEvent, ...]:
    if any(item.reason == Reason.DELETION_FAILING for item in previous.conditions.values()):
        return ()
    left = _inventory(outcome.declaration)
    return (KubeEvent("Warning", Reason.DELETION_FAILING, f"{abandon_hint(outcome)}. Would be left in AWS: {left}"),)


def _inventory(declaration: Declaration) -> str:
    """List everything that may be in AWS, parameters last."""
    reported = declaration.applied.titles if declaration.applied else ()
    return ", ".join([*(f"{kind} {name}" for kind, name in reported), *declaration.known]) or "nothing"


_REASONS = {Create: Reason.CREATED, Update: Reason.UPDATED, Delete: Reason.DELETED, Release: Reason.RETAINED}
_PHRASES = {
    Reason.RETAINED: "Retained in AWS without an owner",
    Reason.HANDED_OVER: "Handed over",
    Reason.DRIFT_CORRECTED: "Drift corrected",
}


def _change_events(outcome: Outcome) -> list[KubeEvent]:
    corrected = {id(step) for step in outcome.drift}
    groups: dict[Reason, list[str]] = {}
    for step in outcome.applied:
        reason = Reason.DRIFT_CORRECTED if id(step) in corrected else _reason(step)
        groups.setdefault(reason, []).append(_title(step))
    return [KubeEvent("Normal", reason, _sentence(reason, titles)) for reason, titles in groups.items()]


def _reason(step: Step) -> Reason:
    is_handed_over = isinstance(step.change, Release) and step.change.successor
    return Reason.HANDED_OVER if is_handed_over else _REASONS[type(step.change)]


def _title(step: Step) -> str:
    successor = step.change.successor if isinstance(step.change, Release) else None
    return f"{step.resource.title} to {successor.owner.title}" if successor else step.resource.title


def _rollout_events(outcome: Outcome, previous: PreviousStatus) -> list[KubeEvent]:
    """Return the Event for the end of a rollout: rolled back or stable."""
    declaration = outcome.declaration
    if declaration.rolled_back:
        was_told = previous.rolled_back_generation == declaration.generation
        return [] if was_told else [KubeEvent("Warning", Reason.ROLLED_BACK, rollback_message(outcome))]
    if not previous.is_baking or not outcome.is_complete or outcome.rollout_state.phase is not RolloutPhase.STABLE:
        return []
    return [KubeEvent("Normal", Reason.STABLE, f"Revision {revision(outcome.owned)} is stable: {_why_stable(outcome)}")]


def _why_stable(outcome: Outcome) -> str:
    rollout_state = outcome.rollout_state
    if not rollout_state.changed:
        # An edit restored them, or the process that labelled them died before it wrote the status.
        return "its values were already stable"
    if rollout_state.alarm:
        fired = f"alarm {rollout_state.alarm} fired in it and is OK again"
        return f"the bake time is over; {fired}; not rolled back {why_kept(outcome)}"
    if rollout_state.unknown:
        return f"the bake time is over; an alarm may have fired before it began anew: {rollout_state.unknown}"
    return (
        "no alarm fired during the bake time" if outcome.is_watched else "the bake time is over (no alarm watches it)"
    )


def _sentence(reason: Reason, titles: Sequence[str]) -> str:
    more = f" and {len(titles) - MAX_NAMES} more" if len(titles) > MAX_NAMES else ""
    return f"{_PHRASES.get(reason, reason.value)}: {', '.join(titles[:MAX_NAMES])}{more}"


def _drift_events(outcome: Outcome, previous: PreviousStatus) -> list[KubeEvent]:
    new = [
        _drift_message(step, because, drift.author_of(step, outcome.declaration))
        for step, because in drift.new(outcome, previous)
    ]
    more = f"; and {len(new) - MAX_FIELDS} more" if len(new) > MAX_FIELDS else ""
    return [KubeEvent("Warning", Reason.DRIFT_FOUND, "; ".join(new[:MAX_FIELDS]) + more)] if new else []


def _drift_message(step: Step, because: Difference, who: str | None) -> str:
    by = f" (by {who})" if who else ""
    if isinstance(step.change, Create):
        return f"{step.resource.title} is missing{by}"
    observed, declared = because.brief.observed or "empty", because.brief.declared or "empty"
    return f"{step.resource.title}: {because.field} is {observed}, declared {declared}{by}"
