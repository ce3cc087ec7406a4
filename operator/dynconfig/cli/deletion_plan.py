"""What deleting an object would delete and retain, and what blocks it: computed, and shown as text or JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dynconfig.api import names
from dynconfig.cli.planning import Planned
from dynconfig.cli.terminal import Terminal
from dynconfig.model.declaration import Declaration
from dynconfig.model.plan import Delete, Plan, Release
from dynconfig.model.resource import Owner, Resource


@dataclass(frozen=True, slots=True)
class DeletionPlan:
    """Titles of resources, and messages."""

    deleted: tuple[str, ...]
    retained: tuple[tuple[str, str], ...]
    """Title and reason."""
    blockers: tuple[str, ...]


def deletion_plan(
    declaration: Declaration, plan: Plan, seen: Sequence[Resource], live: Mapping[str, Any] | None
) -> DeletionPlan:
    """Return the deletion plan from the resources in AWS and the live object."""
    annotations = ((live or {}).get("metadata") or {}).get("annotations") or {}
    deleted = tuple(step.resource.title for step in plan.steps if isinstance(step.change, Delete))
    retained = (*_retained(plan), *_of_others(declaration, seen))
    if annotations.get(names.ABANDON) == "true":
        why = f"the object is removed without deleting it (annotation {names.ABANDON})"
        retained = (*((title, why) for title in deleted), *retained)
        deleted = ()
    return DeletionPlan(deleted, retained, tuple(_blocks(declaration, plan)) if deleted or retained else ())


def document(planned: Planned) -> dict[str, Any]:
    """Return the deletion plan for JSON output."""
    found = _found(planned)
    stays = [{"resource": title, "because": why} for title, why in found.retained]
    return {"goes": list(found.deleted), "stays": stays, "blocks": list(found.blockers)}


def show(out: Terminal, planned: Planned) -> None:
    """Print the deletion plan: one line per resource and a summary."""
    found = _found(planned)
    for title in found.deleted:
        out.wrapped(f"  - delete {title}", "red")
    for title, why in found.retained:
        out.wrapped(f"  = keep {title}: {why}", "cyan")
    for why in found.blockers:
        out.wrapped(f"  ! {why}", "red")
    blocked = "; blocked, see above" if found.blockers else ""
    out.line(f"Deletion: {len(found.deleted)} to delete, {len(found.retained)} to keep{blocked}.")


def _found(planned: Planned) -> DeletionPlan:
    return deletion_plan(planned.declaration, planned.plan, planned.assessment.seen, planned.live)


def _retained(plan: Plan) -> Iterator[tuple[str, str]]:
    for step in plan.steps:
        if isinstance(step.change, Release):
            to = step.change.successor
            why = f"handed over to {to.owner.title}" if to else "retained without an owner (deletionPolicy: Retain)"
            yield step.resource.title, why


def _of_others(declaration: Declaration, seen: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    for resource in seen:
        if resource.owner != declaration.owner.tag:
            owner = Owner.parse(resource.owner)
            title = owner.title_beside(declaration.owner) if owner else resource.owner
            yield resource.title, f"owned by {title}" if title else "has no owner"


def _blocks(declaration: Declaration, plan: Plan) -> Iterator[str]:
    if declaration.suspended and plan.steps:
        yield "spec.suspend is true: nothing is deleted and the object is kept until it is false"
    for resource in plan.owned:
        if resource.pending:
            yield f"{resource.title} {resource.pending}; AWS accepts no other write until then"
