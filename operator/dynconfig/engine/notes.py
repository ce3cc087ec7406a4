"""What happened in a reconcile, as the Events that are written beside the object: each thing once. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dynconfig.api import names
from dynconfig.api.status import MESSAGE_LENGTH, Reason
from dynconfig.engine import drift
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import DynConfigError, InternalError, NotOwned, ReconcileLoop, SourceMissing, Terminal
from dynconfig.engine.labels import REJECTED, STABLE
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.plan import Create, Delete, Difference, Release, Step, Update
from dynconfig.engine.report import patience_is_over
from dynconfig.engine.revision import revision
from dynconfig.engine.rollout import Stage
from dynconfig.engine.verdict import abandon_hint, undone

NAMES_TOLD = 8
_REPORTED = (Terminal, ReconcileLoop, SourceMissing, InternalError)
FIELDS_TOLD = 5


@dataclass(frozen=True, slots=True)
class Note:
    """An Event to be: Normal or Warning, a reason, a message."""

    type: str
    reason: str
    message: str


def of(outcome: Outcome, previous: Mapping[str, Any], now: float) -> tuple[Note, ...]:
    """The notes of a reconcile; what the previous status tells already is left out."""
    refused = refusals(outcome.error, previous) if outcome.error is not None else ()
    hopeless = _hopeless(outcome, previous) if patience_is_over(outcome, previous, now) else ()
    unlabelled = [Note("Warning", Reason.LABEL_REMOVED, text) for text in outcome.unlabelled]
    happened = (*_drift_found(outcome, previous), *_done(outcome), *_proved(outcome, previous), *unlabelled)
    return (*happened, *refused, *hopeless)


def refusals(error: DynConfigError, previous: Mapping[str, Any]) -> tuple[Note, ...]:
    """The note of an error that a person has to know of, unless the previous status says the same."""
    is_awaited = isinstance(error, NotOwned) and error.is_awaited
    if not isinstance(error, _REPORTED) or is_awaited or is_told(str(error), previous):
        return ()
    return (Note("Warning", error.reason, str(error)),)


def event_missing(region: str, name: str) -> Note:
    """That AWS does not report changes any more."""
    text = (
        f"The event of the operator's own write of {name} has not arrived within 30 seconds. Until events from {region} arrive "
        "again, drift is detected at the resync only; the operator's log says what is checked"
    )
    return Note("Warning", Reason.EVENTS_MISSING, text)


def events_interrupted(region: str, repaired: str) -> Note:
    """That AWS did not report changes for a while."""
    text = (
        f"Events from {region} did not arrive: {repaired}. It is repaired, and all objects there are looked at again "
        "for changes that were made meanwhile"
    )
    return Note("Warning", Reason.EVENTS_MISSING, text)


def abandoned(declaration: Declaration, marked: str = "") -> Note:
    """The inventory of what stays behind when a person gives up on a deletion, and why marks of ours do, if any do."""
    left = _inventory(declaration)
    marks = f"tag {names.OWNER_TAG}, labels {STABLE} and {REJECTED}…"
    marks = f" Not all marks of the operator were removed ({marks}); remove them by hand: {marked}." if marked else ""
    told = f"Let go by annotation.{marks} Left in AWS ({declaration.place.region}): {left}"
    return Note("Warning", Reason.ABANDONED, told)


def _hopeless(outcome: Outcome, previous: Mapping[str, Any]) -> tuple[Note, ...]:
    if any(item.get("reason") == Reason.DELETION_FAILING for item in previous.get("conditions") or ()):
        return ()
    left = _inventory(outcome.declaration)
    return (Note("Warning", Reason.DELETION_FAILING, f"{abandon_hint(outcome)}. What would be left: {left}"),)


def _inventory(declaration: Declaration) -> str:
    """All that may be in AWS; what is not a parameter first, since it is little."""
    reported = declaration.applied.resources if declaration.applied else ()
    return ", ".join([*(f"{kind} {name}" for kind, name in reported), *declaration.known]) or "nothing"


def is_told(message: str, previous: Mapping[str, Any]) -> bool:
    """Whether a status says so already."""
    shortened = message[:MESSAGE_LENGTH]
    return any(shortened in str(item.get("message", "")) for item in previous.get("conditions") or ())


_REASONS = {Create: Reason.CREATED, Update: Reason.UPDATED, Delete: Reason.DELETED, Release: Reason.RETAINED}
_PHRASES = {
    Reason.RETAINED: "Left in AWS without an owner",
    Reason.HANDED_OVER: "Handed over",
    Reason.DRIFT_CORRECTED: "Put back as declared",
}


def _done(outcome: Outcome) -> list[Note]:
    corrected = {id(step) for step in outcome.drift}
    groups: dict[Reason, list[str]] = {}
    for step in outcome.applied:
        reason = Reason.DRIFT_CORRECTED if id(step) in corrected else _reason(step)
        groups.setdefault(reason, []).append(_title(step))
    return [Note("Normal", reason, _sentence(reason, titles)) for reason, titles in groups.items()]


def _reason(step: Step) -> Reason:
    is_handed_over = isinstance(step.change, Release) and step.change.successor
    return Reason.HANDED_OVER if is_handed_over else _REASONS[type(step.change)]


def _title(step: Step) -> str:
    successor = step.change.successor if isinstance(step.change, Release) else None
    return f"{step.resource.title} to {successor.owner.title}" if successor else step.resource.title


def _proved(outcome: Outcome, previous: Mapping[str, Any]) -> list[Note]:
    """How a change ended: it was undone, or it is stable."""
    declaration = outcome.declaration
    if declaration.undone:
        was_told = (previous.get("rollback") or {}).get("generation") == declaration.generation
        return [] if was_told else [Note("Warning", Reason.ROLLED_BACK, undone(outcome))]
    if not previous.get("bake") or not outcome.is_complete or outcome.judgement.stage is not Stage.PROVED:
        return []
    why = "no alarm fired while it baked" if outcome.is_watched else "its bake time is over, and no alarm watches it"
    return [Note("Normal", Reason.STABLE, f"revision {revision(outcome.owned)} is stable: {why}")]


def _sentence(reason: Reason, titles: Sequence[str]) -> str:
    more = f" and {len(titles) - NAMES_TOLD} more" if len(titles) > NAMES_TOLD else ""
    return f"{_PHRASES.get(reason, reason.value)}: {', '.join(titles[:NAMES_TOLD])}{more}"


def _drift_found(outcome: Outcome, previous: Mapping[str, Any]) -> list[Note]:
    new = [_told(step, because, drift.author(step, outcome)) for step, because in drift.new(outcome, previous)]
    more = f"; and {len(new) - FIELDS_TOLD} more" if len(new) > FIELDS_TOLD else ""
    return [Note("Warning", Reason.DRIFT_FOUND, "; ".join(new[:FIELDS_TOLD]) + more)] if new else []


def _told(step: Step, because: Difference, who: str | None) -> str:
    observed, declared = because.brief.observed or "empty", because.brief.declared or "empty"
    by = f" (by {who})" if who else ""
    return f"{step.resource.title}: {because.field} is {observed}, declared {declared}{by}"
