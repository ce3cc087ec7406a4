"""Drift as status and Events tell it: what stands, what is new, and who did it. Pure."""

from collections.abc import Mapping
from typing import Any

from dynconfig.api.status import AUTHOR_LENGTH, MAX_DRIFT, Drift
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.plan import Difference, Step, Update
from dynconfig.engine.resource import Versioned


def standing(outcome: Outcome, previous: Mapping[str, Any], now: str) -> list[Drift]:
    """Drift that still stands: what was corrected in this very run is told by an Event, not by status."""
    since = {(item["resource"], item["field"]): item.get("since") for item in previous.get("drift") or ()}
    return [
        Drift(
            resource=step.resource.title,
            field=because.field,
            declared=because.brief.declared,
            observed=because.brief.observed,
            digest=because.brief.digest or None,
            since=since.get((step.resource.title, because.field)) or now,
            last_modified_by=author(step, outcome),
        )
        for step in outcome.standing
        for because in step.because
    ]


def new(outcome: Outcome, previous: Mapping[str, Any]) -> list[tuple[Step, Difference]]:
    """Drift that the previous status does not tell of, so that each is told and counted once."""
    told = {(item["resource"], item["field"]) for item in previous.get("drift") or ()}
    # A full list does not say whether what is not in it was told of.
    if len(told) >= MAX_DRIFT:
        return []
    found = ((step, because) for step in outcome.drift for because in step.because)
    return [(step, because) for step, because in found if (step.resource.title, because.field) not in told]


def author(step: Step, outcome: Outcome) -> str | None:
    """Who changed a resource behind our back, where AWS told."""
    return author_of(step, outcome.declaration)


def author_of(step: Step, declaration: Declaration) -> str | None:
    """Who wrote a resource last, where AWS or an event of this look told."""
    observed = step.change.observed if isinstance(step.change, Update) else None
    by_aws = observed.modified_by if isinstance(observed, Versioned) else None
    who = by_aws or declaration.heard.get(step.resource.name)
    return who[:AUTHOR_LENGTH] if who else None
