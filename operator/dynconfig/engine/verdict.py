"""What the conditions are made of, from what came of a reconcile. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from dynconfig.api import names
from dynconfig.api.status import MESSAGE_LENGTH, Reason
from dynconfig.engine.counting import agreeing, counted
from dynconfig.engine.errors import DynConfigError, Terminal
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.resource import Versioned
from dynconfig.engine.rollout import Judgement, Stage
from dynconfig.engine.timestamps import timestamp

NAMES_TOLD = 5
NOTHING = "Nothing is declared"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the conditions are made of: Ready's value and what goes with it."""

    ready: str
    reason: str
    message: str
    reconciling: bool = False
    stalled: bool = False
    baking: bool = False
    """Whether a change has not proved itself yet; AWS is as declared all the same."""


_OVERDUE = "Failing for more than 5 minutes (still retrying): "


def verdict(outcome: Outcome, *, is_hopeless: bool, is_overdue: bool = False) -> Verdict:
    """Ready's value, its reason, and what goes with it."""
    if is_hopeless:
        return Verdict("False", Reason.DELETION_FAILING, abandon_hint(outcome)[:MESSAGE_LENGTH], stalled=True)
    plan = outcome.plan
    done, total = len(outcome.applied), len(plan.steps) + len(plan.refused) + len(plan.blocked)
    made = f"{done} of {counted(total, 'change')} applied"
    if outcome.error is not None:
        return error_verdict(outcome.error, f"{made}; then: " if done else "", is_overdue=is_overdue)
    if outcome.is_held:
        return _held_verdict(outcome)
    if outcome.remaining:
        reason = Reason.DELETING if outcome.declaration.deleting else Reason.APPLYING
        return Verdict("Unknown", reason, f"{made}; applying the rest", reconciling=True)
    if outcome.declaration.deleting:
        text = "No owned resources are left in AWS; checking once more before the finalizer is removed"
        return Verdict("Unknown", Reason.DELETING, text, reconciling=True)
    return _rollout_verdict(outcome) or _reported(outcome) or _in_sync(outcome)


def _reported(outcome: Outcome) -> Verdict | None:
    """What driftPolicy Report leaves as it is, if there is any."""
    count = len({step.resource.title for step in outcome.plan.held})
    if not count:
        return None
    drifted = f"{counted(count, 'resource')} {agreeing(count, 'has', 'have')} drifted"
    return Verdict("True", Reason.DRIFT_REPORTED, f"{drifted}; not corrected (driftPolicy: Report)")


def _in_sync(outcome: Outcome) -> Verdict:
    declared, expired = outcome.plan.declared, outcome.declaration.expired
    count = sum(isinstance(resource, Versioned) for resource in declared)
    others = len(declared) - count
    parts = [counted(count, "parameter")] if count else []
    parts += [counted(others, "other resource" if count else "resource")] if others else []
    text = f"{' and '.join(parts)} {agreeing(len(declared), 'is', 'are')} in sync with AWS" if parts else NOTHING
    if expired:
        more = f" and {len(expired) - 1} more" if len(expired) > 1 else ""
        text += f". Expired: {expired[0]}{more} (deleted by AWS). Remove it from spec or set a later Timestamp"
    return Verdict("True", Reason.IN_SYNC, text)


def error_verdict(error: DynConfigError, progress: str = "", *, is_overdue: bool = False) -> Verdict:
    """What an error means for the object; one that may pass and is overdue stalls it, and is retried all the same."""
    message = f"{progress}{error}"[:MESSAGE_LENGTH]
    if is_overdue:
        return Verdict("False", error.reason, f"{_OVERDUE}{message}"[:MESSAGE_LENGTH], stalled=True)
    if isinstance(error, Terminal):
        return Verdict("False", error.reason, message, stalled=True)
    return Verdict("Unknown", error.reason, message, reconciling=True)


def _held_verdict(outcome: Outcome) -> Verdict:
    waiting = len(outcome.plan.steps)
    if outcome.declaration.deleting:
        text = (
            f"Deletion is suspended: spec.suspend is true and {counted(waiting, 'resource')} "
            f"{agreeing(waiting, 'is', 'are')} still in AWS. Set suspend: false to continue"
        )
        return Verdict("Unknown", Reason.SUSPENDED, text)
    drift = {id(step) for step in outcome.drift}
    if any(id(step) not in drift for step in outcome.plan.steps):
        return Verdict("Unknown", Reason.SUSPENDED, f"{counted(waiting, 'change')} pending: spec.suspend is true")
    return Verdict("True", Reason.SUSPENDED, "spec.suspend is true: AWS is observed but not changed")


def abandon_hint(outcome: Outcome) -> str:
    """How to give up on a deletion."""
    owner = outcome.declaration.owner
    return (
        f"Deletion has been failing for an hour: {outcome.error}. To remove the object and leave its resources in AWS: "
        f"kubectl -n {owner.namespace} annotate dcfg {owner.name} {names.ABANDON}=true"
    )


def _rollout_verdict(outcome: Outcome) -> Verdict | None:
    """What is to be said of a change that has not proved itself; None where there is none."""
    judgement, declaration = outcome.judgement, outcome.declaration
    if declaration.undone:
        return Verdict("False", Reason.ROLLED_BACK, undone(outcome), stalled=True)
    if judgement.stage is Stage.BAKING:
        text = f"{_changes(judgement)} until {timestamp(judgement.until)}; {_watched(outcome)}"
        if judgement.lost:
            text += f". SSM keeps 100 versions and no longer has the stable version of {judgement.lost[0]}: it cannot be restored"
        return Verdict("True", Reason.BAKING, text, baking=True)
    if judgement.stage is Stage.ALARMED:
        return _alarmed(judgement, outcome)
    return None


def _watched(outcome: Outcome) -> str:
    """What the alarms say, if there are any."""
    return (
        "no alarm is firing"
        if outcome.is_watched
        else "no alarm is configured, so it cannot be rolled back automatically; set spec.alarms"
    )


def _changes(judgement: Judgement) -> str:
    changed = judgement.changed
    return f"{counted(changed, 'changed parameter')} {agreeing(changed, 'is', 'are')} baking"


def _alarmed(judgement: Judgement, outcome: Outcome) -> Verdict:
    rollout = outcome.declaration.rollout
    if not judgement.is_blamed:
        text = f"Alarm {judgement.alarm} was already firing before the change; baking continues until it is OK"
        return Verdict("True", Reason.ALARM_FIRING, text, baking=True)
    if judgement.lost:
        why = (
            f"(no stable version of {_listed(judgement.lost)} can be read), and nothing was "
            "written. Edit spec to set the values you want"
        )
    elif rollout is not None and rollout.is_forced:
        why = "(generation forced by annotation)"
    elif rollout is not None and not rollout.rolls_back:
        why = "(rollbackOnAlarm: false)"
    else:
        why = "(there is no stable revision). Edit spec"
    text = f"Alarm {judgement.alarm} fired after this change; not rolled back {why}"
    return Verdict("False", Reason.ALARM_FIRING, text, stalled=True)


def undone(outcome: Outcome) -> str:
    """That a generation was undone, and what to do."""
    declaration = outcome.declaration
    owner, generation = declaration.owner, declaration.generation
    told = declaration.applied.undone_because if declaration.applied else ""
    reason = f"alarm {outcome.judgement.alarm} fired" if outcome.judgement.alarm else told
    because = f": {reason}" if reason else ""
    return (
        f"Generation {generation} was rolled back{because}; the last stable values are restored{_kept(outcome)}. Edit spec to "
        f"try other values, or apply it despite the alarms: kubectl -n {owner.namespace} annotate dcfg {owner.name} "
        f"--overwrite {names.FORCE_GENERATION}={generation}"
    )


def _kept(outcome: Outcome) -> str:
    """What a rollback left as it was: it deletes little at once, and nothing that may be older than the change."""
    restored = {item.name for item in outcome.declaration.parameters if not item.is_leaving}
    kept = sorted(s.resource.name for s in outcome.plan.waiting if s.resource.name not in restored)
    created = [name for name in kept if name in outcome.declaration.undone_created]
    others = [name for name in kept if name not in outcome.declaration.undone_created]
    told = f"; left unchanged (no stable version): {_listed(others)}" if others else ""
    return told + (f"; created by it and kept until removed from spec: {_listed(created)}" if created else "")


def _listed(listed: Sequence[str]) -> str:
    more = f" and {len(listed) - NAMES_TOLD} more" if len(listed) > NAMES_TOLD else ""
    return ", ".join(listed[:NAMES_TOLD]) + more
