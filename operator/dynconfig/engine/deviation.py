"""Where AWS is otherwise than declared, and why: somebody changed it there, or an edit is not carried out yet. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from dynconfig.engine.declaration import Declaration
from dynconfig.engine.describe import finer
from dynconfig.engine.plan import Difference, Plan, Step, Update, drifted
from dynconfig.engine.resource import Versioned


@dataclass(frozen=True, slots=True)
class Deviation:
    """One field that AWS has otherwise."""

    resource: str
    field: str
    declared: str
    observed: str
    is_drift: bool
    """Somebody changed it in AWS; else the operator has not carried out an edit yet."""
    by: str = ""
    """Who wrote the parameter last, where AWS tells."""


def deviations(plan: Plan, declaration: Declaration, *, is_known: bool) -> Iterator[Deviation]:
    """All fields that differ; of an object that no cluster knows, every one of them is drift."""
    for step in (*plan.steps, *plan.held, *plan.waiting):
        is_drift = not is_known or step in plan.reported or drifted(step, declaration)
        yield from (_deviation(step, because, is_drift=is_drift) for because in finer(step))


def _deviation(step: Step, because: Difference, *, is_drift: bool) -> Deviation:
    observed = step.change.observed if isinstance(step.change, Update) else None
    by = observed.modified_by if isinstance(observed, Versioned) and is_drift else None
    return Deviation(
        resource=step.resource.title,
        field=because.field,
        declared=because.declared,
        observed=because.observed,
        is_drift=is_drift,
        by=by or "",
    )
