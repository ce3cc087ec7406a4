"""Show what deleting an object would do, as text or JSON."""

from typing import Any

from dynconfig.cli.deletion_plan import DeletionPlan, deletion_plan
from dynconfig.cli.planning import Planned
from dynconfig.cli.terminal import Terminal


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
