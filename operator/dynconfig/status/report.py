"""Computes status from an outcome. Pure, and the only place that creates conditions."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from dynconfig.api.parameter import DeletionPolicy
from dynconfig.api.spec import AdoptionPolicy
from dynconfig.api.status import (
    MAX_DRIFT,
    MAX_EXPIRED,
    MESSAGE_LENGTH,
    RENEWAL_SECONDS,
    REQUEST_LENGTH,
    Condition,
    ConditionType,
    Counts,
    Drift,
    DynamicConfigStatus,
    ParameterStatus,
    Reason,
    ResourceStatus,
)
from dynconfig.engine.drift import drift_entries, further_drift
from dynconfig.engine.outcome import Outcome
from dynconfig.model.declaration import Declaration, Place
from dynconfig.model.errors import DynConfigError, SourceMissing
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.resource import Resource, Versioned, revision
from dynconfig.model.size import LOST
from dynconfig.model.stored import complete
from dynconfig.model.timestamps import moment, timestamp
from dynconfig.rollout.state import RolloutPhase
from dynconfig.status import incomplete, progress
from dynconfig.status.origin import plaintext_secrets
from dynconfig.status.readiness import Readiness, error_readiness, readiness

DELETION_FAILING_SECONDS = 3600
# How long a source may be missing before the object counts as stalled.
SOURCE_SECONDS = 300
NO_STATUS = PreviousStatus()
_OBSERVED = "lastObservedTime"
_PLACE = ("region", "target", "account")
COMPARING = "The earlier status of this object was lost: comparing AWS with spec before anything is written"
FUNCTION_KINDS = ("Function", "Attachment")


def status(outcome: Outcome, previous: PreviousStatus, now: float, requested_at: str | None) -> dict[str, Any]:
    """Return the whole status after a reconcile at `now` (seconds since the epoch), as a plain document."""
    before = _Before(previous, now)
    is_overdue = _is_overdue(outcome.error, previous, now)
    found = readiness(outcome, is_hopeless=is_deletion_failing(outcome, previous, now), is_overdue=is_overdue)
    drift = drift_entries(outcome, previous, before.now)
    if not outcome.was_observed:
        return _unobserved(outcome, found, before, requested_at)
    return _document(
        DynamicConfigStatus(
            observed_generation=outcome.declaration.generation,
            applied_generation=_applied_generation(outcome, before),
            revision=revision(outcome.owned, outcome.declaration.unread),
            conditions=_conditions(found, outcome.declaration.generation, before, drift),
            parameters=_parameters(outcome, before),
            drift=drift[:MAX_DRIFT],
            further_drift=further_drift(outcome, previous, drift),
            status_lost=incomplete.is_still_lost(outcome, previous) or None,
            resources=[
                *(_resource(item) for item in outcome.owned if not isinstance(item, Versioned)),
                *incomplete.unread_resources(outcome, previous),
            ],
            refused=incomplete.refused(outcome),
            expired=list(outcome.declaration.expired)[:MAX_EXPIRED],
            tried_generation=incomplete.tried_generation(outcome, previous),
            counts=_counts(outcome, previous),
            function=_function(outcome.owned),
            served_revision=_served(outcome.owned),
            operator_version=outcome.declaration.operator_version,
            **progress.of(outcome, previous, before.now),
            last_observed_time=_last_observed(outcome, before),
            last_handled_reconcile_at=_echo(requested_at),
            failing_since=_since(outcome, before),
            **_fields_of(outcome.declaration.place),
            target_digest=target.digest if (target := outcome.declaration.place.target) else None,
        )
    )


def _fields_of(place: Place) -> dict[str, str | None]:
    """Return the fields that record a place, by name in the model."""
    target = place.target
    return {
        "region": place.region,
        "target": target.name if target else None,
        "account": target.account if target else None,
    }


def failure(
    error: DynConfigError,
    generation: int,
    previous: PreviousStatus,
    now: float,
    requested_at: str | None,
    *,
    deleting: bool = False,
    is_lost: bool = False,
    last_change: Outcome | None = None,
) -> dict[str, Any]:
    """Return the status if no declaration could be built; what was last observed in AWS is kept.

    `is_lost` says that the status before was lost, which stays known until everything has been observed and tried.
    `last_change` is the outcome of the baking change, if there is one.
    """
    before = _Before(previous, now)
    found = error_readiness(error, is_overdue=_is_overdue(error, previous, now))
    since = _failing_since(error, before, deleting=deleting)
    if last_change is not None and last_change.declaration.rolled_back:
        bake = {} if last_change.is_complete else {"bake": previous.document.get("bake")}
        before = _Before(PreviousStatus.of({**status(last_change, previous, now, requested_at), **bake}), now)
    about = "" if deleting else _about_last_change(before.previous, last_change)
    found = replace(found, message=f"{found.message[: MESSAGE_LENGTH - len(about)]}{about}")
    document = _failing(_kept(found, generation, before, requested_at), since)
    return {**document, **LOST} if is_lost else document


def _about_last_change(previous: PreviousStatus, outcome: Outcome | None) -> str:
    """Return what happens to the baking change while spec is invalid, as the end of a message."""
    if previous.was_rolled_back:
        reason = previous.rollback_reason or "an alarm fired"
        return f". Generation {previous.rolled_back_generation} was rolled back: {reason}"
    if not previous.is_baking or previous.baking_until is None:
        return ""
    if outcome is None:
        return ". Until this is fixed, the baking change is not rolled back even if its alarms fire"
    rollout = outcome.declaration.rollout
    if (
        outcome.rollout_state.phase is not RolloutPhase.BAKING
        or rollout is None
        or not rollout.rolls_back
        or rollout.is_forced
    ):
        return ""
    return (
        f". Generation {previous.baking_generation} is still baking and is rolled back if an alarm fires before "
        f"{timestamp(previous.baking_until)}"
    )


def starting(
    generation: int, now: float, place: Place, previous: PreviousStatus = NO_STATUS, *, is_lost: bool = False
) -> dict[str, Any]:
    """Return the status of a new object, written before the first write to AWS: it records the place for good.

    `is_lost` says that the status before was lost, which stays known until everything has been observed and tried.
    """
    message = COMPARING if is_lost else "Writing the parameters for the first time"
    readiness = Readiness("Unknown", Reason.APPLYING, message, reconciling=True)
    found = {**_kept(readiness, generation, _Before(previous, now), None), **recorded(place)}
    return {**found, **LOST} if is_lost else found


def recorded(place: Place) -> dict[str, Any]:
    """Return the fields of status that record a place."""
    return {name: value for name, value in _fields_of(place).items() if value is not None}


def is_deletion_failing(outcome: Outcome, previous: PreviousStatus, now: float) -> bool:
    """Whether a deletion has been failing for an hour, so that the message should offer a way out."""
    since = previous.failing_since
    if not outcome.declaration.deleting or outcome.error is None or outcome.applied or since is None:
        return False
    return not _awaited_source(previous) and now - moment(since) >= DELETION_FAILING_SECONDS


def _is_overdue(error: DynConfigError | None, previous: PreviousStatus, now: float) -> bool:
    since = previous.failing_since
    if not isinstance(error, SourceMissing) or not _awaited_source(previous) or since is None:
        return False
    return now - moment(since) >= SOURCE_SECONDS


def _awaited_source(previous: PreviousStatus) -> bool:
    """Whether the last status reported a missing source."""
    return previous.reason(ConditionType.READY) == SourceMissing.__name__


class _Before:
    """The previous status, and the time."""

    def __init__(self, previous: PreviousStatus, now: float) -> None:
        self.previous = previous
        self.now = timestamp(now)
        self.modified = {
            (item.name, item.version): item.last_modified for item in previous.parameters if item.last_modified
        }

    def since(self, condition: ConditionType, value: str) -> str:
        """Return when the condition took this value."""
        before = self.previous.conditions.get(condition)
        return before.since or self.now if before is not None and before.status == value else self.now


def _conditions(readiness: Readiness, generation: int, before: _Before, drift: Sequence[Drift]) -> list[Condition]:
    def condition(kind: ConditionType, value: str, reason: str, message: str) -> Condition:
        return Condition.model_validate(
            {
                "type": kind,
                "status": value,
                "reason": reason,
                "message": message[:MESSAGE_LENGTH],
                "lastTransitionTime": before.since(kind, value),
                "observedGeneration": generation,
            }
        )

    found = [condition(ConditionType.READY, readiness.ready, readiness.reason, readiness.message)]
    if readiness.reconciling:
        found.append(condition(ConditionType.RECONCILING, "True", readiness.reason, readiness.message))
    if readiness.stalled:
        found.append(condition(ConditionType.STALLED, "True", readiness.reason, readiness.message))
    if readiness.baking:
        found.append(condition(ConditionType.BAKING, "True", readiness.reason, readiness.message))
    if drift:
        fields = ", ".join(f"{item.resource} {item.field}" for item in drift[:5])
        more = f" and {len(drift) - 5} more" if len(drift) > 5 else ""
        found.append(condition(ConditionType.DRIFTED, "True", Reason.DRIFT_FOUND, f"Drift detected: {fields}{more}"))
    return found


def _unobserved(outcome: Outcome, readiness: Readiness, before: _Before, requested_at: str | None) -> dict[str, Any]:
    document = _failing(_kept(readiness, outcome.declaration.generation, before, requested_at), _since(outcome, before))
    if incomplete.is_lost(outcome.declaration):
        document.update(LOST)
    if not outcome.tried_nothing or _may_have_written(outcome.declaration, before.previous):
        return document
    # This reconcile was the first one and wrote nothing: the region or the default target may still be corrected.
    return {name: value for name, value in document.items() if name not in _PLACE}


def _may_have_written(declaration: Declaration, previous: PreviousStatus) -> bool:
    """Whether AWS may have something of an object before this reconcile, also because another object handed it over."""
    was_recorded = declaration.applied is not None and declaration.applied.place is not None
    adopts = declaration.adoption_policy is AdoptionPolicy.IF_UNOWNED
    return was_recorded or incomplete.is_lost(declaration) or bool(previous.last_observed) or adopts


def _failing(document: Mapping[str, Any], since: str | None) -> dict[str, Any]:
    return {**document, "failingSince": since} if since else dict(document)


def _kept(readiness: Readiness, generation: int, before: _Before, requested_at: str | None) -> dict[str, Any]:
    """Return the previous status with new conditions: the last observation of AWS is still the best there is."""
    previous = complete(before.previous.document)
    drift = [Drift.model_validate(item) for item in previous.get("drift") or ()]
    conditions = _conditions(readiness, generation, before, drift)
    kept = {key: value for key, value in previous.items() if key not in ("lastHandledReconcileAt", "failingSince")}
    fresh = DynamicConfigStatus(
        observed_generation=generation, conditions=conditions, last_handled_reconcile_at=_echo(requested_at)
    )
    return {**kept, **_document(fresh)}


def _document(model: DynamicConfigStatus) -> dict[str, Any]:
    document = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {key: value for key, value in document.items() if value != [] or key == "conditions"}


def _echo(requested_at: str | None) -> str | None:
    return requested_at[:REQUEST_LENGTH] if requested_at else requested_at


def is_news(status: Mapping[str, Any], previous: Mapping[str, Any]) -> bool:
    """Return whether a status has to be written: something changed, or the last observation was reported an hour ago."""
    if status.keys() != previous.keys() or any(status[name] != previous[name] for name in status if name != _OBSERVED):
        return True
    before, after = (_seconds(item.get(_OBSERVED)) for item in (previous, status))
    return before != after and (before is None or after is None or not 0 <= after - before < RENEWAL_SECONDS)


def _seconds(text: object) -> float | None:
    """Return a timestamp in seconds since the epoch; None if it is none."""
    with suppress(ValueError):
        return moment(text) if isinstance(text, str) else None
    return None


def _last_observed(outcome: Outcome, before: _Before) -> str:
    """Return when everything was last observed: a partial observation does not count."""
    last = before.previous.last_observed if outcome.declaration.is_partial else None
    return str(last or before.now)


def _applied_generation(outcome: Outcome, before: _Before) -> int | None:
    # What is refused, such as a parameter of another owner, is not as this generation declares it.
    is_in_sync = outcome.error is None and (outcome.is_only_drift or outcome.plan.is_empty)
    if outcome.is_complete or (outcome.is_suspended and is_in_sync):
        return outcome.declaration.generation
    return before.previous.generation


def _since(outcome: Outcome, before: _Before) -> str | None:
    since = _failing_since(outcome.error, before, deleting=outcome.declaration.deleting)
    # A deletion that makes progress, however slowly, is not failing.
    return before.now if since and outcome.applied else since


def _failing_since(error: DynConfigError | None, before: _Before, *, deleting: bool) -> str | None:
    """Return since when a deletion has been failing or a source missing; each has its own start."""
    if error is None or not (deleting or isinstance(error, SourceMissing)):
        return None
    is_same = _awaited_source(before.previous) is not deleting
    since = before.previous.failing_since if is_same else None
    return since or before.now


def _counts(outcome: Outcome, previous: PreviousStatus) -> Counts:
    declared = [resource for resource in outcome.plan.declared if isinstance(resource, Versioned)]
    behind = {step.resource.title for step in (*outcome.remaining, *outcome.plan.reported) if step.is_put}
    behind |= incomplete.names_behind(outcome)
    in_sync = sum(resource.title not in behind for resource in declared)
    revision = progress.restored(outcome, previous) if outcome.declaration.rolled_back else None
    summary = f"{in_sync}/{len(declared)} of {revision}" if revision else f"{in_sync}/{len(declared)}"
    return Counts(declared=len(declared), in_sync=in_sync, compared_with=revision, summary=summary)


def _by_name(resources: Iterable[Resource]) -> list[Resource]:
    return sorted(resources, key=lambda resource: resource.name)


def _parameters(outcome: Outcome, before: _Before) -> list[ParameterStatus]:
    secrets, policies = plaintext_secrets(outcome, before.previous), outcome.declaration.deletion_policies
    owned = (item for item in _by_name(outcome.owned) if isinstance(item, Versioned))
    found = [_parameter(item, before, policies.get(item.name), is_secret=item.name in secrets) for item in owned]
    return sorted([*found, *incomplete.unread_parameters(outcome, before.previous)], key=lambda item: item.name)


def _parameter(
    resource: Versioned, before: _Before, policy: DeletionPolicy | None, *, is_secret: bool
) -> ParameterStatus:
    known = before.modified.get((resource.name, resource.version), before.now)
    modified = known if resource.last_modified is None else timestamp(resource.last_modified)
    return ParameterStatus(
        name=resource.name,
        type=resource.type,
        version=resource.version,
        last_modified=modified,
        secret=is_secret or None,
        deletion_policy=policy,
    )


def _function(owned: Iterable[Resource]) -> str | None:
    return next((item.name for item in owned if item.kind in FUNCTION_KINDS), None)


def _served(owned: Iterable[Resource]) -> str | None:
    """Return the revision the function serves, once AWS has replaced all execution environments."""
    served = (getattr(item, "revision", "") for item in owned if not item.pending)
    return next((str(name) for name in served if name), None)


def _resource(resource: Resource) -> ResourceStatus:
    return ResourceStatus(
        kind=resource.kind,
        name=resource.name,
        arn=str(getattr(resource, "arn", "")),
        url=getattr(resource, "url", None) or None,
        layer=getattr(resource, "used_layer", None) or None,
        attached=incomplete.attached_status(getattr(resource, "attached", None)),
    )
