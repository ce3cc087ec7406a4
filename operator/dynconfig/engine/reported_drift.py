"""Removes drift that `driftPolicy: Report` does not correct from a plan, field by field, so that edits still apply. Pure."""

from dataclasses import replace

from dynconfig.api.spec import DriftPolicy
from dynconfig.model.declaration import Declaration
from dynconfig.model.plan import Delete, Difference, Plan, Step, Update, drifted
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.resource import Versioned, form_of
from dynconfig.model.secret import MASK, Secret

VALUE = "value"


def without_reported_drift(plan: Plan, declaration: Declaration) -> Plan:
    """Return the plan with drift moved from `steps` to `reported`; the plan itself under another policy."""
    applied = declaration.applied
    if declaration.drift_policy is not DriftPolicy.REPORT or declaration.deleting:
        return plan
    steps: list[Step] = []
    reported: list[Step] = []
    for step in plan.steps:
        theirs = _theirs(step, declaration, applied)
        ours = tuple(because for because in step.because if because not in theirs)
        if _writes_secret(step, ours):
            # The text of a Secret is never written in a form (type, key) that was changed in AWS.
            theirs = tuple(because for because in theirs if because.field not in form_of(step.resource))
            ours = tuple(because for because in step.because if because not in theirs)
        if theirs and ours and isinstance(step.change, Update):
            steps.append(_only(ours, step, step.change))
            reported.append(Step(step.kind, replace(step.change, because=theirs)))
        else:
            (reported if theirs else steps).append(step)
    used = {name for step in reported for name in (*_needs(step, "needs"), *_needs(step, "needs_current"))}
    # Uncorrected resources still use them.
    reported += [_following(step) for step in steps if _is_used(step, used)]
    steps = [step for step in steps if not _is_used(step, used)]
    if reported and all(step.is_derived for step in steps):
        # All remaining steps follow from the drift itself.
        steps, reported = [], [*reported, *steps]
    return replace(plan, steps=tuple(steps), reported=tuple(reported))


def _needs(step: Step, which: str) -> tuple[str, ...]:
    return tuple(getattr(step.kind, which, ()))


def _is_used(step: Step, used: set[str]) -> bool:
    is_other = step.is_removal and not isinstance(step.resource, Versioned)
    return is_other and step.resource.kind in used


def _following(step: Step) -> Step:
    """Return a removal that waits for reported drift and is not drift itself."""
    return Step(step.kind, Delete(replace(step.resource, follows=True)))


def _theirs(step: Step, declaration: Declaration, applied: PreviousStatus | None) -> tuple[Difference, ...]:
    """Return the differences that are drift. A step may mix them with an edit, e.g. of a Secret beside a changed tag."""
    is_versioned = isinstance(step.change, Update) and isinstance(step.resource, Versioned)
    if applied is not None and step.resource.name in applied.kept_drift and isinstance(step.resource, Versioned):
        return step.because
    if drifted(step, declaration):
        is_parted = is_versioned and applied is not None and _is_edited(step, applied)
        return tuple(item for item in step.because if not (is_parted and item.field == VALUE))
    if applied is None:
        return ()
    # After an edit of other fields, reported drift is still drift. Secrets are masked in status and may have been edited, so
    # they are written.
    is_edited = applied.generation != declaration.generation
    reported = tuple(
        item
        for item in step.because
        if applied.reported_drift(step.resource.title, item.field, item.brief)
        and not (is_edited and item.declared == MASK)
    )
    return reported if is_versioned or len(reported) == len(step.because) else ()


def _is_edited(step: Step, applied: PreviousStatus) -> bool:
    """Whether the value differs because of an edit: AWS still has the version last reported as ours."""
    observed = step.change.observed if isinstance(step.change, Update) else None
    is_ours = isinstance(observed, Versioned) and observed.version == applied.versions.get(observed.name)
    return is_ours and (step.resource.title, VALUE) not in applied.drift and not applied.is_drift_cut


def _writes_secret(step: Step, ours: tuple[Difference, ...]) -> bool:
    """Whether the step writes the text of a Secret."""
    desired = step.change.desired if isinstance(step.change, Update) else None
    return isinstance(getattr(desired, VALUE, None), Secret) and any(because.field == VALUE for because in ours)


def _only(because: tuple[Difference, ...], step: Step, change: Update) -> Step:
    """Return the step with these differences only; all other fields are written as observed."""
    others = [item.field for item in step.because if item not in because]
    kept = replace(change.desired, **{field: getattr(change.observed, field) for field in others})
    return Step(step.kind, replace(change, desired=kept, because=because))
