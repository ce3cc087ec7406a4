"""What a report says about one object, without any value but those in status.drift, where secrets are masked. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dynconfig.api.parameter import ParameterSpec
from dynconfig.api.status import ConditionType
from dynconfig.cli.object_status import object_status
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.stored import (
    RecordedPlace,
    deletion_policies_of,
    deletion_policy_of,
    recorded_place,
    region_of,
    spec_of,
    status_of,
    target_of,
    with_valid_status,
)

PARAMETER = "Parameter"
ATTACHED = "attached"
"""Instead of an SSM type: a function that exists without the operator, to which the object adds its configuration."""


@dataclass(frozen=True, slots=True)
class Managed:
    """One AWS resource of an object."""

    kind: str
    name: str
    deletion_policy: str
    type: str = ""
    """SSM type of a parameter, or ATTACHED."""
    version: int | None = None
    last_modified: str = ""
    arn: str = ""
    """ARN of a resource that is not a parameter."""


@dataclass(frozen=True, slots=True)
class PlaintextSecret:
    """A parameter that is not a SecureString, but has a value from a Secret."""

    name: str
    type: str
    secret: str
    """NAME:KEY of the Secret; empty if spec no longer declares the parameter so."""


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A generation that was rolled back."""

    time: str
    generation: int
    to: str
    """The revision that was restored."""
    reason: str
    """The alarm that fired; empty if another generation was rolled back since."""
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuditedObject:
    """One object."""

    namespace: str
    name: str
    place: RecordedPlace
    path: str
    stage: str
    message: str
    is_drifted: bool
    in_sync: str
    deletion_policy: str
    observed: str
    managers: tuple[str, ...]
    """Field managers of spec, each with the time of its last write, as far as the API server records it."""
    managed: tuple[Managed, ...]
    drift: tuple[Mapping[str, Any], ...]
    """As in status."""
    rollbacks: tuple[RolledBack, ...]
    plaintext: tuple[PlaintextSecret, ...]


def audited(document: Mapping[str, Any], now: float) -> AuditedObject:
    """Return the part of an object that a report needs; `now` is in seconds since the epoch."""
    document = with_valid_status(document)
    spec, status = spec_of(document), status_of(document)
    previous = PreviousStatus.of(status)
    shown = object_status(document, now)
    recorded = recorded_place(status) or RecordedPlace()
    return AuditedObject(
        namespace=document["metadata"]["namespace"],
        name=document["metadata"]["name"],
        place=RecordedPlace(target_of(document, ""), recorded.account, recorded.region or region_of(document) or ""),
        path=str(spec.get("path") or ""),
        stage=shown.stage.value,
        message=shown.message,
        is_drifted=ConditionType.DRIFTED in previous.conditions,
        in_sync=shown.in_sync,
        deletion_policy=deletion_policy_of(document).value,
        observed=previous.last_observed or "",
        managers=tuple(_managers(document["metadata"])),
        managed=tuple(_managed(document, previous)),
        drift=tuple(status.get("drift") or ()),
        rollbacks=tuple(_rollbacks(previous)),
        plaintext=tuple(_plaintext(spec, previous)),
    )


def _managers(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Yield who wrote spec. The API server records the client, not the user.

    https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
    """
    entries = [
        entry
        for entry in metadata.get("managedFields") or ()
        if "f:spec" in (entry.get("fieldsV1") or {}) and not entry.get("subresource")
    ]
    for entry in sorted(entries, key=lambda entry: str(entry.get("time", "")), reverse=True):
        yield f"{entry.get('manager', '')} ({entry.get('operation', '')} {entry.get('time', '')})".replace(" )", ")")


def _managed(document: Mapping[str, Any], status: PreviousStatus) -> Iterator[Managed]:
    usual = deletion_policy_of(document)
    own = deletion_policies_of(document, status.deletion_policies)
    for item in status.parameters:
        policy = own.get(item.name, usual).value
        yield Managed(PARAMETER, item.name, policy, item.type, item.version, item.last_modified or "")
    for resource in status.resources:
        how = ATTACHED if resource.attached else ""
        yield Managed(resource.kind, resource.name, usual.value, how, arn=resource.arn)


def _rollbacks(status: PreviousStatus) -> Iterator[RolledBack]:
    """Yield the rollbacks in the history, newest first, and that of status.rollback."""
    restored = [entry for entry in status.history if entry.get("rolledBackTo")]
    last = status.document.get("rollback")
    if last and all(entry["generation"] != last["generation"] for entry in restored):
        yield RolledBack(last["time"], last["generation"], last["to"], last["reason"], ())
    for entry in restored:
        reason = status.rollback_reason if status.rolled_back_generation == entry["generation"] else ""
        changed = tuple(entry.get("changed") or ())
        yield RolledBack(entry["time"], entry["generation"], entry["rolledBackTo"], reason, changed)


def _plaintext(spec: Mapping[str, Any], status: PreviousStatus) -> Iterator[PlaintextSecret]:
    declared = {found.name: found for found in _declared_plaintext(spec)}
    yield from declared.values()
    for item in status.parameters:
        if item.is_secret and item.name not in declared:
            yield PlaintextSecret(item.name, item.type, "")


def _declared_plaintext(spec: Mapping[str, Any]) -> Iterator[PlaintextSecret]:
    listed = spec.get("parameters")
    for item in listed if isinstance(listed, list) else ():
        # Only these can be plain text, and each validation takes time.
        if not (isinstance(item, dict) and item.get("type") and item.get("valueFrom")):
            continue
        try:
            parameter = ParameterSpec.model_validate(item)
        except ValidationError:
            continue
        if parameter.is_plaintext_secret and (source := parameter.secret_ref):
            kind, name = parameter.resolved_type.value, f"{spec.get('path')}/{parameter.name}"
            yield PlaintextSecret(name, kind, f"{source.name}:{source.key}")
