"""What `driftPolicy: Report` leaves as it is: taken out of a plan, field by field, so that edits beside it go on. Pure."""

from dataclasses import replace

from dynconfig.api.spec import DriftPolicy
from dynconfig.engine.declaration import Applied, Declaration
from dynconfig.engine.plan import Delete, Difference, Plan, Step, Update, drifted
from dynconfig.engine.resource import Versioned, form_of
from dynconfig.engine.secret import MASK, Secret

VALUE = "value"


def without_reported(plan: Plan, declaration: Declaration) -> Plan:
    """The plan without drift that is only told of, which it holds instead; the plan itself under another policy."""
    applied = declaration.applied
    if declaration.drift_policy is not DriftPolicy.REPORT or declaration.deleting:
        return plan
    steps: list[Step] = []
    held: list[Step] = []
    for step in plan.steps:
        theirs = _theirs(step, declaration, applied)
        ours = tuple(because for because in step.because if because not in theirs)
        if _writes_secret(step, ours):
            # The text of a Secret is never written in a form that others have chosen.
            theirs = tuple(because for because in theirs if because.field not in form_of(step.resource))
            ours = tuple(because for because in step.because if because not in theirs)
        if theirs and ours and isinstance(step.change, Update):
            steps.append(_only(ours, step, step.change))
            held.append(Step(step.kind, replace(step.change, because=theirs)))
        else:
            (held if theirs else steps).append(step)
    used = {name for step in held for name in (*_needs(step, "needs"), *_needs(step, "needs_current"))}
    # What is left as it is still uses them.
    held += [_following(step) for step in steps if _is_used(step, used)]
    steps = [step for step in steps if not _is_used(step, used)]
    if held and all(step.is_derived for step in steps):
        # They follow from the drift itself.
        steps, held = [], [*held, *steps]
    return replace(plan, steps=tuple(steps), held=tuple(held))


def _needs(step: Step, which: str) -> tuple[str, ...]:
    return tuple(getattr(step.kind, which, ()))


def _is_used(step: Step, used: set[str]) -> bool:
    is_other = step.is_removal and not isinstance(step.resource, Versioned)
    return is_other and step.resource.kind in used


def _following(step: Step) -> Step:
    """A removal that waits for what is only reported, and is no drift itself."""
    return Step(step.kind, Delete(replace(step.resource, follows=True)))


def _theirs(step: Step, declaration: Declaration, applied: Applied | None) -> tuple[Difference, ...]:
    """Those differences that somebody else made. An edit may stand beside them: a Secret changes, and a tag had been."""
    is_versioned = isinstance(step.change, Update) and isinstance(step.resource, Versioned)
    if step.resource.name in declaration.undone_reported and isinstance(step.resource, Versioned):
        return step.because
    if drifted(step, declaration):
        is_parted = is_versioned and applied is not None and _is_edited(step, applied)
        return tuple(item for item in step.because if not (is_parted and item.field == VALUE))
    if applied is None or applied.generation == declaration.generation or declaration.undone:
        return ()
    # With an edit of something else, what was reported is still nobody's wish here. A report does not tell secrets, which
    # may have been edited: they are written.
    told = tuple(
        item
        for item in step.because
        if applied.drift.get((step.resource.title, item.field)) == item.brief and item.declared != MASK
    )
    return told if is_versioned or len(told) == len(step.because) else ()


def _is_edited(step: Step, applied: Applied) -> bool:
    """Whether the value differs for what was declared: AWS has the version that we last saw as ours."""
    observed = step.change.observed if isinstance(step.change, Update) else None
    is_ours = isinstance(observed, Versioned) and observed.version == applied.versions.get(observed.name)
    return is_ours and (step.resource.title, VALUE) not in applied.drift and not applied.is_drift_cut


def _writes_secret(step: Step, ours: tuple[Difference, ...]) -> bool:
    """Whether the step writes the text of a Secret."""
    desired = step.change.desired if isinstance(step.change, Update) else None
    return isinstance(getattr(desired, VALUE, None), Secret) and any(because.field == VALUE for because in ours)


def _only(because: tuple[Difference, ...], step: Step, change: Update) -> Step:
    """The step with these differences alone: all else is written as AWS has it."""
    others = [item.field for item in step.because if item not in because]
    kept = replace(change.desired, **{field: getattr(change.observed, field) for field in others})
    return Step(step.kind, replace(change, desired=kept, because=because))
