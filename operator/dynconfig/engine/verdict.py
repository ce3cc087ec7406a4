"""What the conditions are made of, from what came of a reconcile. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from dynconfig.api import names
from dynconfig.api.status import MESSAGE_LENGTH, Reason
from dynconfig.engine.counting import agreeing, counted
from dynconfig.engine.errors import DynConfigError, Terminal
from dynconfig.engine.moment import timestamp
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.resource import Versioned
from dynconfig.engine.rollout import Judgement, Stage

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


_OVERDUE = "For more than 5 minutes (still retried): "


def verdict(outcome: Outcome, *, is_hopeless: bool, is_overdue: bool = False) -> Verdict:
    """Ready's value, its reason, and what goes with it."""
    if is_hopeless:
        return Verdict("False", Reason.DELETION_FAILING, abandon_hint(outcome)[:MESSAGE_LENGTH], stalled=True)
    plan = outcome.plan
    done, total = len(outcome.applied), len(plan.steps) + len(plan.refused) + len(plan.blocked)
    made = f"{done} of {counted(total, 'change')} {agreeing(total, 'is', 'are')} made"
    if outcome.error is not None:
        return error_verdict(outcome.error, f"{made}; then: " if done else "", is_overdue=is_overdue)
    if outcome.is_held:
        return _held_verdict(outcome)
    if outcome.remaining:
        reason = Reason.DELETING if outcome.declaration.deleting else Reason.APPLYING
        return Verdict("Unknown", reason, f"{made}; the rest follows", reconciling=True)
    if outcome.declaration.deleting:
        text = "Nothing of it is left in AWS; a second look confirms that before the object is removed"
        return Verdict("Unknown", Reason.DELETING, text, reconciling=True)
    return _rollout_verdict(outcome) or _reported(outcome) or _in_sync(outcome)


def _reported(outcome: Outcome) -> Verdict | None:
    """What driftPolicy Report leaves as it is, if there is any."""
    count = len({step.resource.title for step in outcome.plan.held})
    if not count:
        return None
    differ = f"{counted(count, 'resource')} {agreeing(count, 'differs', 'differ')}"
    it = agreeing(count, "it", "them")
    return Verdict("True", Reason.DRIFT_REPORTED, f"{differ} in AWS; driftPolicy Report leaves {it} so")


def _in_sync(outcome: Outcome) -> Verdict:
    declared, expired = outcome.plan.declared, outcome.declaration.expired
    count = sum(isinstance(resource, Versioned) for resource in declared)
    others = len(declared) - count
    parts = [counted(count, "parameter")] if count else []
    parts += [counted(others, "other resource" if count else "resource")] if others else []
    text = f"{' and '.join(parts)} {agreeing(len(declared), 'is', 'are')} in AWS as declared" if parts else NOTHING
    if expired:
        more = f" and {len(expired) - 1} more" if len(expired) > 1 else ""
        text += f". Expired: {expired[0]}{more}, which AWS deletes; remove it from spec, or set a later Timestamp"
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
            f"Deletion waits: spec.suspend is true, and {counted(waiting, 'resource')} "
            f"{agreeing(waiting, 'is', 'are')} still in AWS. Set suspend: false to go on"
        )
        return Verdict("Unknown", Reason.SUSPENDED, text)
    drift = {id(step) for step in outcome.drift}
    if any(id(step) not in drift for step in outcome.plan.steps):
        waits = agreeing(waiting, "waits", "wait")
        return Verdict("Unknown", Reason.SUSPENDED, f"{counted(waiting, 'change')} {waits}, since spec.suspend is true")
    return Verdict("True", Reason.SUSPENDED, "spec.suspend is true: AWS is observed and not written")


def abandon_hint(outcome: Outcome) -> str:
    """How to give up on a deletion."""
    owner = outcome.declaration.owner
    return (
        f"Deletion has been failing for an hour: {outcome.error}. To let the object go and leave its resources in AWS: "
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
            text += (
                f". SSM keeps 100 versions, and the stable one of {judgement.lost[0]} is gone: it could not be put back"
            )
        return Verdict("True", Reason.BAKING, text, baking=True)
    if judgement.stage is Stage.ALARMED:
        return _alarmed(judgement, outcome)
    return None


def _watched(outcome: Outcome) -> str:
    """What the alarms say, if there are any."""
    return (
        "no alarm fires"
        if outcome.is_watched
        else "no alarm watches it, so that nothing rolls it back: declare spec.alarms"
    )


def _changes(judgement: Judgement) -> str:
    changed = judgement.changed
    return f"{counted(changed, 'changed parameter')} {agreeing(changed, 'bakes', 'bake')}"


def _alarmed(judgement: Judgement, outcome: Outcome) -> Verdict:
    rollout = outcome.declaration.rollout
    if not judgement.is_blamed:
        text = f"alarm {judgement.alarm} has fired since before the change, which bakes on until it is OK"
        return Verdict("True", Reason.ALARM_FIRING, text, baking=True)
    if judgement.lost:
        why = (
            f"it was not rolled back, because no stable version of {_listed(judgement.lost)} can be read, and nothing was "
            "written. Edit spec to set the values you want"
        )
    elif rollout is not None and rollout.is_forced:
        why = "the generation was forced by annotation, so that it stays"
    elif rollout is not None and not rollout.rolls_back:
        why = "rollbackOnAlarm is false, so that it stays"
    else:
        why = "there is no stable revision to go back to; edit spec"
    return Verdict("False", Reason.ALARM_FIRING, f"alarm {judgement.alarm} fires since the change; {why}", stalled=True)


def undone(outcome: Outcome) -> str:
    """That a generation was undone, and what to do."""
    declaration = outcome.declaration
    owner, generation = declaration.owner, declaration.generation
    told = declaration.applied.undone_because if declaration.applied else ""
    reason = f"alarm {outcome.judgement.alarm} fired" if outcome.judgement.alarm else told
    because = f": {reason}" if reason else ""
    return (
        f"generation {generation} was undone{because}; the last stable values are back{_kept(outcome)}. Edit spec to try "
        f"something else, or take it whatever the alarms say: kubectl -n {owner.namespace} annotate dcfg {owner.name} "
        f"--overwrite {names.FORCE_GENERATION}={generation}"
    )


def _kept(outcome: Outcome) -> str:
    """What a rollback left as it was: it deletes little at once, and nothing that may be older than the change."""
    restored = {item.name for item in outcome.declaration.parameters if not item.is_leaving}
    kept = sorted(s.resource.name for s in outcome.plan.waiting if s.resource.name not in restored)
    created = [name for name in kept if name in outcome.declaration.undone_created]
    others = [name for name in kept if name not in outcome.declaration.undone_created]
    told = f"; kept as they are, without a stable version: {_listed(others)}" if others else ""
    return told + (f"; created by it and kept until spec declares them no more: {_listed(created)}" if created else "")


def _listed(listed: Sequence[str]) -> str:
    more = f" and {len(listed) - NAMES_TOLD} more" if len(listed) > NAMES_TOLD else ""
    return ", ".join(listed[:NAMES_TOLD]) + more
