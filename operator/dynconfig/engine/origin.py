"""Which values came from a Secret and are kept in plain text by AWS, so that every output masks them. Pure."""

from collections.abc import Mapping
from typing import Any

from dynconfig.api.parameter import ParameterSpec, ValuePolicy
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.plan import Update
from dynconfig.engine.resource import Versioned
from dynconfig.engine.rollout import Stage


def plaintext_secrets(outcome: Outcome, previous: Mapping[str, Any]) -> frozenset[str]:
    """Names of parameters, no SecureStrings, whose value came from a Secret, or whose earlier value may return."""
    declared = {parameter.name for parameter in outcome.declaration.parameters if parameter.spec.is_plaintext_secret}
    marked = {item.name for item in outcome.owned if isinstance(item, Versioned) and item.from_secret}
    before = {item["name"] for item in previous.get("parameters") or () if item.get("secret")} | _marked_before(outcome)
    return frozenset(declared | marked | (before if _may_return(outcome) else before & _not_written(outcome)))


def _marked_before(outcome: Outcome) -> set[str]:
    """Those that bore the mark when they were looked at, such as one that another object handed over."""
    changes = (step.change for step in (*outcome.plan.steps, *outcome.plan.held))
    observed = (change.observed for change in changes if isinstance(change, Update))
    return {item.name for item in observed if isinstance(item, Versioned) and item.from_secret}


def _may_return(outcome: Outcome) -> bool:
    """Whether a rollback may write values again that came before those of this generation."""
    if outcome.declaration.rollout is None:
        return False
    is_proved = outcome.is_complete and outcome.judgement.stage is Stage.PROVED and not outcome.declaration.undone
    return not is_proved or bool(outcome.plan.held)


def _not_written(outcome: Outcome) -> set[str]:
    """Those that AWS has otherwise than declared, or that are not declared: their values are those of before."""
    declared = {parameter.name for parameter in outcome.declaration.parameters if not _is_kept(parameter.spec)}
    steps = (*outcome.remaining, *outcome.plan.held, *outcome.plan.waiting)
    owned = {item.name for item in outcome.owned if isinstance(item, Versioned)}
    return {step.resource.name for step in steps} | (owned - declared)


def _is_kept(spec: ParameterSpec) -> bool:
    """Whether its value is left as it is once it exists."""
    return spec.value_policy is ValuePolicy.CREATE_ONLY
