"""Show what deleting an object would do, as text or JSON."""

from typing import Any

from dynconfig.cli.terminal import Terminal
from dynconfig.engine.goodbye import Goodbye, goodbye
from dynconfig.planning import Planned


def document(planned: Planned) -> dict[str, Any]:
    """Return the deletion plan for JSON output."""
    found = _found(planned)
    stays = [{"resource": title, "because": why} for title, why in found.stays]
    return {"goes": list(found.goes), "stays": stays, "blocks": list(found.blocks)}


def show(out: Terminal, planned: Planned) -> None:
    """Print the deletion plan: one line per resource and a summary."""
    found = _found(planned)
    for title in found.goes:
        out.wrapped(f"  - delete {title}", "red")
    for title, why in found.stays:
        out.wrapped(f"  = keep {title}: {why}", "cyan")
    for why in found.blocks:
        out.wrapped(f"  ! {why}", "red")
    blocked = "; blocked, see above" if found.blocks else ""
    out.line(f"Deletion: {len(found.goes)} to delete, {len(found.stays)} to keep{blocked}.")


def _found(planned: Planned) -> Goodbye:
    return goodbye(planned.declaration, planned.plan, planned.assessment.seen, planned.live)
