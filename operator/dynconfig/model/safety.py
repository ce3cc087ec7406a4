"""Protection against edits that delete most parameters without approval. Pure."""

from dynconfig.api import names
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import UnsafePlan
from dynconfig.model.plan import Plan
from dynconfig.model.resource import Versioned

# One or two deletions are normal; deleting most of the configuration at once is probably a mistake.
FEWEST_UNSAFE_DELETIONS = 3
SAFE_DELETED_SHARE = 0.5
NAMES_SHOWN = 5


def check(plan: Plan, declaration: Declaration) -> None:
    """Raise UnsafePlan if an edit would delete most parameters without approval. Deletion of the object is not checked."""
    if is_safe(plan, declaration):
        return
    deleted, owner = _deleted_parameters(plan), declaration.owner
    more = len(deleted) - NAMES_SHOWN
    listed = ", ".join(sorted(deleted)[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
    raise UnsafePlan(
        f"{len(deleted)} of {_count_parameters(plan)} parameters would be deleted, so nothing was applied: {listed}. Restore "
        f"them in spec, or approve the deletion: kubectl -n {owner.namespace} annotate dcfg {owner.name} --overwrite "
        f"{names.APPROVE_GENERATION}={declaration.generation}"
    )


def is_safe(plan: Plan, declaration: Declaration) -> bool:
    """Whether a plan deletes few parameters, or its deletions are approved."""
    count = len(_deleted_parameters(plan))
    is_small = count < FEWEST_UNSAFE_DELETIONS or count <= SAFE_DELETED_SHARE * _count_parameters(plan)
    return declaration.deleting or is_small or declaration.approved_generation == declaration.generation


def _deleted_parameters(plan: Plan) -> list[str]:
    return [step.resource.name for step in plan.steps if step.deletes_parameter]


def _count_parameters(plan: Plan) -> int:
    return sum(isinstance(resource, Versioned) for resource in plan.owned)
