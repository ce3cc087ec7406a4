"""Computes the Ready condition and its companions from the outcome of a reconcile. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from dynconfig.api import names
from dynconfig.api.status import MESSAGE_LENGTH, Reason
from dynconfig.engine.outcome import Outcome
from dynconfig.model.counting import agreeing, counted
from dynconfig.model.errors import DynConfigError, Terminal, Throttled
from dynconfig.model.resource import Versioned
from dynconfig.model.timestamps import timestamp
from dynconfig.rollout.state import RolloutPhase, RolloutState

MAX_NAMES = 5
NOTHING = "Nothing is declared"


@dataclass(frozen=True, slots=True)
class Readiness:
    """The status, reason and message of Ready, and which other conditions are set."""

    ready: str
    reason: str
    message: str
    reconciling: bool = False
    stalled: bool = False
    baking: bool = False
    """Whether a change is baking; AWS is in sync all the same."""


_OVERDUE = "Failing for more than 5 minutes (still retrying): "


def readiness(outcome: Outcome, *, is_hopeless: bool, is_overdue: bool = False) -> Readiness:
    """Return the readiness after a reconcile."""
    if is_hopeless:
        return Readiness("False", Reason.DELETION_FAILING, abandon_hint(outcome)[:MESSAGE_LENGTH], stalled=True)
    plan = outcome.plan
    done, total = len(outcome.applied), len(plan.steps) + len(plan.refused) + len(plan.blocked)
    made = f"{done} of {counted(total, 'change')} applied"
    if outcome.error is not None:
        progress = f"{made}; {'' if _waits_for_quota(outcome.error) else 'then: '}" if done else ""
        return error_readiness(outcome.error, progress, is_overdue=is_overdue)
    if outcome.is_suspended:
        return _suspended(outcome)
    if outcome.remaining:
        reason = Reason.DELETING if outcome.declaration.deleting else Reason.APPLYING
        text = f"{made}; {outcome.quota_wait or 'applying the rest'}"
        return Readiness("Unknown", reason, text, reconciling=True)
    if outcome.declaration.deleting:
        text = "No owned resources are left in AWS; checking once more before the finalizer is removed"
        return Readiness("Unknown", Reason.DELETING, text, reconciling=True)
    return _rollout_readiness(outcome) or _reported(outcome) or _in_sync(outcome)


def _reported(outcome: Outcome) -> Readiness | None:
    """Return the readiness if there is drift that is only reported, else None."""
    count = len({step.resource.title for step in outcome.plan.reported})
    if not count:
        return None
    drifted = f"{counted(count, 'resource')} {agreeing(count, 'has', 'have')} drifted"
    return Readiness("True", Reason.DRIFT_REPORTED, f"{drifted}; not corrected (driftPolicy: Report)")


def _in_sync(outcome: Outcome) -> Readiness:
    declared, expired = outcome.plan.declared, outcome.declaration.expired
    count = sum(isinstance(resource, Versioned) for resource in declared)
    others = len(declared) - count
    parts = [counted(count, "parameter")] if count else []
    parts += [counted(others, "other resource" if count else "resource")] if others else []
    text = f"{' and '.join(parts)} {agreeing(len(declared), 'is', 'are')} in sync with AWS" if parts else NOTHING
    if expired:
        more = f" and {len(expired) - 1} more" if len(expired) > 1 else ""
        text += f". Expired: {expired[0]}{more} (deleted by AWS). Remove it from spec or set a later Timestamp"
    return Readiness("True", Reason.IN_SYNC, text)


def error_readiness(error: DynConfigError, progress: str = "", *, is_overdue: bool = False) -> Readiness:
    """Return the readiness for an error. An overdue transient error stalls the object and is still retried."""
    text = str(error)
    message = f"{progress}{text}" if progress else f"{text[:1].upper()}{text[1:]}" if _waits_for_quota(error) else text
    message = message[:MESSAGE_LENGTH]
    if is_overdue:
        return Readiness("False", error.reason, f"{_OVERDUE}{message}"[:MESSAGE_LENGTH], stalled=True)
    if isinstance(error, Terminal):
        return Readiness("False", error.reason, message, stalled=True)
    return Readiness("Unknown", error.reason, message, reconciling=True)


def _waits_for_quota(error: DynConfigError) -> bool:
    return isinstance(error, Throttled) and error.wait is not None


def _suspended(outcome: Outcome) -> Readiness:
    waiting = len(outcome.plan.steps)
    if outcome.declaration.deleting:
        text = (
            f"Deletion is suspended: spec.suspend is true and {counted(waiting, 'resource')} "
            f"{agreeing(waiting, 'is', 'are')} still in AWS. Set suspend: false to continue"
        )
        return Readiness("Unknown", Reason.SUSPENDED, text)
    drift = {id(step) for step in outcome.drift}
    if any(id(step) not in drift for step in outcome.plan.steps):
        return Readiness("Unknown", Reason.SUSPENDED, f"{counted(waiting, 'change')} pending: spec.suspend is true")
    return Readiness("True", Reason.SUSPENDED, "spec.suspend is true: AWS is observed but not changed")


def abandon_hint(outcome: Outcome) -> str:
    """Return the message that explains how to abandon a failing deletion."""
    owner = outcome.declaration.owner
    return (
        f"Deletion has been failing for an hour: {outcome.error}. To remove the object and leave its resources in AWS: "
        f"kubectl -n {owner.namespace} annotate dcfg {owner.name} {names.ABANDON}=true"
    )


def _rollout_readiness(outcome: Outcome) -> Readiness | None:
    """Return the readiness of a change that is baking, alarmed or rolled back; else None."""
    rollout_state, declaration = outcome.rollout_state, outcome.declaration
    if declaration.rolled_back:
        return Readiness("False", Reason.ROLLED_BACK, rollback_message(outcome), stalled=True)
    if rollout_state.phase is RolloutPhase.BAKING:
        text = f"{_changes(rollout_state)} until {timestamp(rollout_state.until)}; {_watched(outcome)}"
        if rollout_state.unknown:
            text += f". The bake time began anew, because an alarm may have fired before: {rollout_state.unknown}"
        if rollout_state.not_restorable:
            name = rollout_state.not_restorable[0]
            text += f". SSM keeps 100 versions and no longer has the stable version of {name}: it cannot be restored"
        return Readiness("True", Reason.BAKING, text, baking=True)
    if rollout_state.phase is RolloutPhase.ALARMED:
        return _alarmed(rollout_state, outcome)
    return None


def _watched(outcome: Outcome) -> str:
    """Return the alarm part of the message."""
    return (
        "no alarm is firing"
        if outcome.is_watched
        else "no alarm is configured, so it cannot be rolled back automatically; set spec.alarms"
    )


def _changes(rollout_state: RolloutState) -> str:
    changed = rollout_state.changed
    return f"{counted(changed, 'changed parameter')} {agreeing(changed, 'is', 'are')} baking"


def _alarmed(rollout_state: RolloutState, outcome: Outcome) -> Readiness:
    rollout = outcome.declaration.rollout
    if not rollout_state.caused_by_change:
        text = f"Alarm {rollout_state.alarm} was already firing before the change; baking continues until it is OK"
        return Readiness("True", Reason.ALARM_FIRING, text, baking=True)
    text = f"Alarm {rollout_state.alarm} fired after this change; not rolled back {why_kept(outcome)}"
    if rollout_state.not_restorable:
        owner = outcome.declaration.owner
        text += (
            ", and nothing was written. Edit spec to set the values you want, or accept these: "
            f"kubectl -n {owner.namespace} annotate dcfg {owner.name} --overwrite "
            f"{names.FORCE_GENERATION}={outcome.declaration.generation}"
        )
    elif rollout is not None and rollout.rolls_back and not rollout.is_forced:
        text += ". Edit spec"
    return Readiness("False", Reason.ALARM_FIRING, text, stalled=True)


def why_kept(outcome: Outcome) -> str:
    """Return why a change is not rolled back although an alarm fired, in parentheses."""
    rollout_state, rollout = outcome.rollout_state, outcome.declaration.rollout
    if rollout_state.not_restorable:
        return f"(no stable version of {_listed(rollout_state.not_restorable)} can be read)"
    if rollout is not None and rollout.is_forced:
        return "(generation forced by annotation)"
    if rollout is not None and not rollout.rolls_back:
        return "(rollbackOnAlarm: false)"
    return "(there is no stable revision)"


def rollback_message(outcome: Outcome) -> str:
    """Return the message that a generation was rolled back, and what to do."""
    declaration = outcome.declaration
    owner, generation = declaration.owner, declaration.generation
    reported = declaration.applied.rollback_reason if declaration.applied else ""
    reason = f"alarm {outcome.rollout_state.alarm} fired" if outcome.rollout_state.alarm else reported
    because = f": {reason}" if reason else ""
    return (
        f"Generation {generation} was rolled back{because}; the last stable values are restored{_kept(outcome)}. Edit spec to "
        f"try other values, or apply it despite the alarms: kubectl -n {owner.namespace} annotate dcfg {owner.name} "
        f"--overwrite {names.FORCE_GENERATION}={generation}"
    )


def _kept(outcome: Outcome) -> str:
    """Return which parameters a rollback kept: those that may be older than the change, and deletions that need approval."""
    restored = {item.name for item in outcome.declaration.parameters if not item.awaits_deletion}
    kept = sorted(s.resource.name for s in outcome.plan.waiting if s.resource.name not in restored)
    created = [name for name in kept if name in outcome.declaration.rolled_back_created]
    others = [name for name in kept if name not in outcome.declaration.rolled_back_created]
    text = f"; left unchanged (removed by the change, or without a stable version): {_listed(others)}" if others else ""
    return text + (f"; created by it and kept until removed from spec: {_listed(created)}" if created else "")


def _listed(listed: Sequence[str]) -> str:
    more = f" and {len(listed) - MAX_NAMES} more" if len(listed) > MAX_NAMES else ""
    return ", ".join(listed[:MAX_NAMES]) + more
