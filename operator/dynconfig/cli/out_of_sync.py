"""The fields that differ between spec and AWS: drift, or an edit that is not applied yet. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from dynconfig.cli.describe import per_key
from dynconfig.model.declaration import Declaration
from dynconfig.model.plan import Difference, Plan, Step, Update, drifted
from dynconfig.model.resource import Versioned


@dataclass(frozen=True, slots=True)
class OutOfSyncField:
    """One field that is out of sync."""

    resource: str
    field: str
    declared: str
    observed: str
    is_drift: bool
    """Whether it was changed in AWS. Otherwise, an edit is not applied yet."""
    by: str = ""
    """Who modified the parameter last, if AWS reports it."""


def out_of_sync_fields(plan: Plan, declaration: Declaration, *, is_known: bool) -> Iterator[OutOfSyncField]:
    """Yield all fields that are out of sync. If the object is not in the cluster, all of them are drift."""
    for step in (*plan.steps, *plan.reported, *plan.waiting):
        is_drift = not is_known or step in plan.reported_drift or drifted(step, declaration)
        yield from (_field(step, because, is_drift=is_drift) for because in per_key(step))


def _field(step: Step, because: Difference, *, is_drift: bool) -> OutOfSyncField:
    observed = step.change.observed if isinstance(step.change, Update) else None
    by = observed.modified_by if isinstance(observed, Versioned) and is_drift else None
    return OutOfSyncField(
        resource=step.resource.title,
        field=because.field,
        declared=because.declared,
        observed=because.observed,
        is_drift=is_drift,
        by=by or "",
    )
