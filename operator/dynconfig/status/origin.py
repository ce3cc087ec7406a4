"""The values from Secrets that AWS stores in plaintext; all output masks them. Pure."""

from dynconfig.api.parameter import ParameterSpec, ValuePolicy
from dynconfig.engine.outcome import Outcome
from dynconfig.model.plan import Update
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.resource import Versioned
from dynconfig.rollout.state import RolloutPhase


def plaintext_secrets(outcome: Outcome, previous: PreviousStatus) -> frozenset[str]:
    """Return the names of parameters other than SecureStrings whose current or restorable value comes from a Secret."""
    declared = {parameter.name for parameter in outcome.declaration.parameters if parameter.spec.is_plaintext_secret}
    marked = {item.name for item in outcome.owned if isinstance(item, Versioned) and item.from_secret.is_masked}
    before = previous.secrets | _marked_before(outcome)
    return frozenset(declared | marked | (before if _may_return(outcome) else before & _not_written(outcome)))


def _marked_before(outcome: Outcome) -> set[str]:
    """Return the parameters that were tagged when observed, such as one that another object handed over."""
    changes = (step.change for step in (*outcome.plan.steps, *outcome.plan.reported))
    observed = (change.observed for change in changes if isinstance(change, Update))
    return {item.name for item in observed if isinstance(item, Versioned) and item.from_secret.is_masked}


def _may_return(outcome: Outcome) -> bool:
    """Whether a rollback may restore values of earlier generations."""
    if outcome.declaration.rollout is None:
        return False
    is_proved = (
        outcome.is_complete
        and outcome.rollout_state.phase is RolloutPhase.STABLE
        and not outcome.declaration.rolled_back
    )
    return not is_proved or bool(outcome.plan.reported)


def _not_written(outcome: Outcome) -> set[str]:
    """Return the parameters that are out of sync or not declared, so their values are the earlier ones."""
    declared = {parameter.name for parameter in outcome.declaration.parameters if not _is_kept(parameter.spec)}
    steps = (*outcome.remaining, *outcome.plan.reported, *outcome.plan.waiting)
    owned = {item.name for item in outcome.owned if isinstance(item, Versioned)}
    return {step.resource.name for step in steps} | (owned - declared)


def _is_kept(spec: ParameterSpec) -> bool:
    """Whether its value is not changed after creation."""
    return spec.value_policy is ValuePolicy.CREATE_ONLY
