"""Whether a plan deletes more parameters than an edit may delete without approval. Pure."""

from dynconfig.api import names
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import UnsafePlan
from dynconfig.engine.plan import Plan
from dynconfig.engine.resource import Versioned

# One or two deletions are an edit; most of the configuration at once is more likely a mistake.
FEWEST_UNSAFE_DELETIONS = 3
SAFE_DELETED_SHARE = 0.5
NAMES_SHOWN = 5


def check(plan: Plan, declaration: Declaration) -> None:
    """Raise UnsafePlan if an edit, not the object's deletion, would delete most parameters and nobody approved it."""
    if is_safe(plan, declaration):
        return
    doomed, owner = _deleted_parameters(plan), declaration.owner
    more = len(doomed) - NAMES_SHOWN
    listed = ", ".join(sorted(doomed)[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
    raise UnsafePlan(
        f"{len(doomed)} of {_count_parameters(plan)} parameters would be deleted, so nothing was changed: {listed}. Restore "
        f"them in spec, or approve the deletion: kubectl -n {owner.namespace} annotate dcfg {owner.name} --overwrite "
        f"{names.APPROVE_GENERATION}={declaration.generation}"
    )


def is_safe(plan: Plan, declaration: Declaration) -> bool:
    """Whether a plan deletes no more parameters than an edit may delete, or than a person approved."""
    count = len(_deleted_parameters(plan))
    is_little = count < FEWEST_UNSAFE_DELETIONS or count <= SAFE_DELETED_SHARE * _count_parameters(plan)
    return declaration.deleting or is_little or declaration.approved_generation == declaration.generation


def _deleted_parameters(plan: Plan) -> list[str]:
    return [step.resource.name for step in plan.steps if step.deletes_parameter]


def _count_parameters(plan: Plan) -> int:
    return sum(isinstance(resource, Versioned) for resource in plan.owned)
