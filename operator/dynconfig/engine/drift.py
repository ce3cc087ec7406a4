"""Drift for status and Events: current entries, new entries, and who made the change. Pure."""

from dynconfig.api.status import AUTHOR_LENGTH, Drift
from dynconfig.engine.outcome import Outcome
from dynconfig.model.declaration import Declaration
from dynconfig.model.plan import Difference, Step, Update
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.resource import Versioned


def drift_entries(outcome: Outcome, previous: PreviousStatus, now: str) -> list[Drift]:
    """Return the entries of uncorrected drift. Drift that was corrected in this reconcile is only reported as an Event."""
    return [
        Drift(
            resource=step.resource.title,
            field=because.field,
            declared=because.brief.declared,
            observed=because.brief.observed,
            digest=because.brief.digest or None,
            since=previous.drift_since.get((step.resource.title, because.field)) or now,
            last_modified_by=author_of(step, outcome.declaration),
        )
        for step in outcome.uncorrected_drift
        for because in step.because
    ]


def new(outcome: Outcome, previous: PreviousStatus) -> list[tuple[Step, Difference]]:
    """Return the drift that is not in the previous status, so that each entry is reported and counted once."""
    # If the list is full, unlisted drift may have been reported already.
    if previous.is_drift_cut:
        return []
    found = ((step, because) for step in outcome.drift for because in step.because)
    return [(step, because) for step, because in found if (step.resource.title, because.field) not in previous.drift]


def author_of(step: Step, declaration: Declaration) -> str | None:
    """Return who modified a resource last, if AWS or an event reported it."""
    observed = step.change.observed if isinstance(step.change, Update) else None
    by_aws = observed.modified_by if isinstance(observed, Versioned) else None
    who = by_aws or declaration.changed.get(step.resource.name)
    return who[:AUTHOR_LENGTH] if who else None
