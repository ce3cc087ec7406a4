"""The baking change while spec is invalid: it is still evaluated, and rolled back if an alarm fires. Pure.

A Secret may be missing, or a later edit may be invalid. The written values are read from AWS, and only values are restored.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from dynconfig.api import names
from dynconfig.api.parameter import ParameterSpec, ParameterType, ValuePolicy
from dynconfig.api.rollout import RolloutSpec
from dynconfig.api.spec import AdoptionPolicy
from dynconfig.model.declaration import Declaration, DeclaredParameter, Rollout
from dynconfig.model.plan import Plan, Step, Update
from dynconfig.model.previous_status import PreviousStatus, ReportedParameter
from dynconfig.model.resource import Owner, Resource, Versioned
from dynconfig.model.secret import Secret, UnknownSecret
from dynconfig.model.stored import spec_of
from dynconfig.model.target import Target
from dynconfig.validation.declare import declare_deletion
from dynconfig.validation.tenancy import Tenant


def last_change(
    document: Mapping[str, Any],
    *,
    owner: Owner,
    default_region: str,
    tenant: Tenant,
    target: Target | None = None,
) -> Declaration | None:
    """Return the baking change from status; None if there is none or its namespace may no longer write there."""
    previous = PreviousStatus.of_object(document)
    generation = previous.baking_generation
    rollout = _rollout_of(document, generation)
    known = declare_deletion(document, owner=owner, default_region=default_region, target=target)
    if rollout is None or generation is None or known.applied is None or known.suspended:
        return None
    region = known.place.region
    if not tenant.may_write_parameters(known.path, "" if region == default_region else region):
        return None
    secrets, left_alone = known.applied.secrets, _left_alone(document)
    reported = (item for item in previous.parameters if item.name not in left_alone)
    return replace(
        known,
        deleting=False,
        generation=generation,
        rollout=rollout,
        # Parameters it created are kept until spec is valid.
        adoption_policy=AdoptionPolicy.IF_UNOWNED,
        parameters=tuple(_parameter(item, secrets) for item in reported if item.type in list(ParameterType)),
        is_last_change=True,
    )


def with_values(declaration: Declaration, observed: Iterable[Resource]) -> Declaration:
    """Return the declaration with the values in AWS of owned parameters whose version is still the reported one."""
    reported = declaration.applied.versions if declaration.applied else {}
    own: dict[str, str | Secret] = {}
    for item in observed:
        if not isinstance(item, Versioned) or item.owner != declaration.owner.tag:
            continue
        value = getattr(item, "value", None)
        if item.version == reported.get(item.name) and value is not None:
            own[item.name] = value
    found = (replace(item, value=own[item.name]) for item in declaration.parameters if item.name in own)
    return replace(declaration, parameters=tuple(found))


def only_values(plan: Plan, declaration: Declaration) -> Plan:
    """Return the plan reduced to restoring values at the reported version: newer versions were written outside."""
    reported = declaration.applied.versions if declaration.applied else {}
    steps = tuple(step for step in plan.steps if _puts_back(step, reported))
    refused = tuple(item for item in plan.refused if issubclass(item.kind.value, Versioned))
    return replace(plan, steps=steps, refused=refused, blocked=())


def _puts_back(step: Step, reported: Mapping[str, int]) -> bool:
    observed = step.change.observed if isinstance(step.change, Update) else None
    return isinstance(observed, Versioned) and observed.version == reported.get(observed.name)


def _parameter(reported: ReportedParameter, secrets: frozenset[str]) -> DeclaredParameter:
    name, kind = reported.name, ParameterType(reported.type)
    is_secret = kind is ParameterType.SECURE_STRING or name in secrets
    spec = ParameterSpec.model_construct(name=name, type=kind)
    return DeclaredParameter(name, UnknownSecret() if is_secret else "", spec, (), is_value_only=True)


def _left_alone(document: Mapping[str, Any]) -> frozenset[str]:
    """Return full names of parameters with valuePolicy CreateOnly."""
    spec, listed = spec_of(document), spec_of(document).get("parameters")
    items = [item for item in listed if isinstance(item, Mapping)] if isinstance(listed, Sequence) else []
    kept = (item.get("name") for item in items if item.get("valuePolicy") == ValuePolicy.CREATE_ONLY)
    return frozenset(f"{spec.get('path')}/{name}" for name in kept)


def _rollout_of(document: Mapping[str, Any], generation: int | None) -> Rollout | None:
    """Return the rollout settings, or the defaults if they are invalid; None if no rollout is declared any more."""
    found = spec_of(document).get("rollout")
    if found is None:
        return None
    try:
        spec = RolloutSpec.model_validate(found)
    except ValidationError:
        spec = RolloutSpec()
    annotations = (document.get("metadata") or {}).get("annotations") or {}
    is_forced = generation is not None and annotations.get(names.FORCE_GENERATION) == str(generation)
    return Rollout(spec.bake_seconds, spec.rollback_on_alarm, is_forced)
