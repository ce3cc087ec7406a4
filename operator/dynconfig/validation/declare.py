"""Builds a Declaration from an object and its Secrets and ConfigMaps, with all checks before any write."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from dynconfig import __version__
from dynconfig.api import names
from dynconfig.api.parameter import DeletionPolicy, ParameterSpec, ParameterType
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.api.status import REQUEST_LENGTH, ConditionType
from dynconfig.model import size
from dynconfig.model.declaration import Declaration, DeclaredParameter, Place, ReadSource, Rollout, Source
from dynconfig.model.errors import InvalidSpec, NoSource, SourceMissing
from dynconfig.model.naming import Names, role_beside
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.resource import Owner
from dynconfig.model.secret import Secret, UnknownSecret, UnknownText
from dynconfig.model.stored import (
    deletion_policies_of,
    deletion_policy_of,
    function_names_of,
    is_parameter_name,
    is_suspended,
    listed_names,
    region_of,
    spec_of,
)
from dynconfig.validation import region_checks, secret_checks, tenancy
from dynconfig.validation.checking import Finding, findings_of, source_of, validation_findings, value_of
from dynconfig.validation.inspection import findings
from dynconfig.validation.secret_checks import Admit
from dynconfig.validation.tenancy import IsOwnLayer, Tenant

MAX_FAULTS = 10


def parse_spec(document: Mapping[str, Any]) -> DynamicConfigSpec:
    """Parse the spec of an object. Raises InvalidSpec that names every invalid field."""
    try:
        return DynamicConfigSpec.model_validate(document.get("spec") or {})
    except ValidationError as error:
        raise _invalid(validation_findings(error, document)) from None


def faults(document: Mapping[str, Any], read: ReadSource) -> tuple[str, ...]:
    """Return all faults of a document, as far as they are known if some sources cannot be read."""
    return tuple(map(str, findings(document, read).faults))


def checked_spec(
    document: Mapping[str, Any],
    *,
    default_region: str,
    tenant: Tenant,
    is_own_layer: IsOwnLayer = lambda _arn: False,
    is_region: Callable[[str], bool] = lambda _region: True,
    allowed_regions: tuple[str, ...] = (),
) -> DynamicConfigSpec:
    """Return the spec after all checks that need no Secret or ConfigMap: structure, size, tenancy, region.

    No source of an object is read before they pass. Raises InvalidSpec, PathNotAllowed, NotAllowed.
    """
    spec = parse_spec(document)
    size.check(document)
    tenancy.check(spec, tenant, default_region, is_own_layer, _named(document))
    region_checks.check_region(spec, default_region, is_region, PreviousStatus.of_object(document).region_of_resources)
    region_checks.check_allowed(spec.region, allowed_regions)
    region_checks.check_topics(spec, spec.region or default_region)
    return spec


def sources(spec: DynamicConfigSpec) -> tuple[Source, ...]:
    """Return every Secret and ConfigMap key that the spec refers to."""
    found = (source_of(parameter) for parameter in spec.parameters)
    return tuple(source for source in found if source is not None)


def declare(
    document: Mapping[str, Any],
    *,
    owner: Owner,
    default_region: str,
    read: ReadSource,
    tenant: Tenant,
    is_own_layer: IsOwnLayer = lambda _arn: False,
    is_region: Callable[[str], bool] = lambda _region: True,
    allowed_regions: tuple[str, ...] = (),
    admit: Admit | None = None,
) -> Declaration:
    """Return the declaration of an object.

    Pass `admit` if its author may not read the Secrets: it limits how often they learn whether checks over Secrets hold.

    Raises InvalidSpec, PathNotAllowed, NotAllowed, SecretCheckDelayed, or SourceMissing if a Secret, ConfigMap or key does not
    exist (yet).
    """
    spec = checked_spec(
        document,
        default_region=default_region,
        tenant=tenant,
        is_own_layer=is_own_layer,
        is_region=is_region,
        allowed_regions=allowed_regions,
    )
    metadata, annotations = document["metadata"], document["metadata"].get("annotations") or {}
    previous = PreviousStatus.of_object(document)
    applied = previous.or_none
    function, region = spec.function, spec.region or default_region
    parameters = _resolve(spec, read, applied.secrets if applied else frozenset(), admit)
    return Declaration(
        owner=owner,
        place=Place(region),
        names=_names(owner, region, (function.name, function.role_name) if function else (None, None), applied),
        path=spec.path,
        generation=metadata.get("generation", 1),
        parameters=parameters,
        tags=tuple(sorted(spec.tags.items())),
        cache=spec.cache,
        function=spec.function,
        revisions=previous.revisions,
        alarms=spec.alarms,
        dashboard=spec.dashboard,
        suspended=spec.suspend,
        drift_policy=spec.drift_policy,
        deletion_policy=spec.deletion_policy,
        deletion_policies=deletion_policies_of(document, applied.deletion_policies if applied else {}),
        adoption_policy=spec.adoption_policy,
        resync_seconds=spec.resync_seconds,
        applied=applied,
        status_lost=applied is None,
        approved_generation=_number(annotations.get(names.APPROVE_GENERATION)),
        never_written=names.FINALIZER not in (metadata.get("finalizers") or ()) and not was_observed(document),
        rollout=_rollout(spec, metadata),
        requested=is_requested(document),
        operator_version=__version__,
    )


def declare_deletion(document: Mapping[str, Any], *, owner: Owner, default_region: str) -> Declaration:
    """Return the declaration of a deleted object: nothing is desired, and invalid parts of spec and status are ignored."""
    spec, previous = spec_of(document), PreviousStatus.of_object(document)
    path, applied = spec.get("path"), previous.or_none
    declared = (f"{path}/{name}" for name in listed_names(spec.get("parameters")))
    reported = listed_names(_member(document.get("status"), "parameters"))
    known = {name: 0 for name in (*declared, *reported) if is_parameter_name(name)}
    versions = {**known, **{name: version for name, version in _versions(applied) if name in known}}
    # Resources stay in the region where they were created, even if the operator's default region has changed.
    region = region_of(document) or previous.region_of_resources or default_region
    return Declaration(
        owner=owner,
        place=Place(region),
        names=_names(owner, region, function_names_of(document), applied),
        path=path if isinstance(path, str) else "",
        generation=document["metadata"].get("generation", 1),
        parameters=(),
        suspended=is_suspended(document),
        deleting=True,
        deletion_policy=deletion_policy_of(document),
        deletion_policies=deletion_policies_of(document, applied.deletion_policies if applied else {}),
        applied=replace(applied, versions=versions) if applied else PreviousStatus(versions=versions),
        status_lost=applied is None,
    )


def keeping(declaration: Declaration) -> Declaration:
    """Return the declaration with all deletion policies set to Retain."""
    return replace(declaration, deletion_policy=DeletionPolicy.RETAIN, deletion_policies={})


def _named(document: Mapping[str, Any]) -> Owner:
    """Return the owner as far as names of resources are derived from it."""
    metadata = document["metadata"]
    return Owner("", metadata.get("namespace", ""), metadata.get("name", ""), "")


def _names(owner: Owner, region: str, given: tuple[str | None, str | None], applied: PreviousStatus | None) -> Names:
    """Return the names; the role gets another name if the role it replaces still has its own."""
    function, role = given
    is_taken = role is not None and applied is not None and applied.replaces(role)
    return Names.of(owner, region, function, role_beside(role) if role and is_taken else role)


def was_observed(document: Mapping[str, Any]) -> bool:
    """Whether AWS was ever observed for this object, so that resources of it may exist."""
    return bool(_member(document.get("status"), "lastObservedTime"))


def was_answered(document: Mapping[str, Any]) -> bool:
    """Whether status already tells if the Secret checks of this generation hold."""
    previous, generation = PreviousStatus.of_object(document), document["metadata"].get("generation", 1)
    if generation in (previous.generation, previous.tried_generation):
        return True
    ready = previous.conditions.get(ConditionType.READY)
    return ready is not None and ready.generation == generation and secret_checks.DOES_NOT_HOLD in ready.message


def is_written(document: Mapping[str, Any]) -> bool:
    """Whether AWS has resources of this object, or will have: false for a suspended object without resources."""
    return not is_suspended(document) or PreviousStatus.of_object(document).region_of_resources is not None


def is_requested(document: Mapping[str, Any]) -> bool:
    """Whether the reconcile annotation was set and not handled yet."""
    wanted = (document["metadata"].get("annotations") or {}).get(names.RECONCILE_REQUESTED_AT)
    return wanted is not None and wanted[:REQUEST_LENGTH] != _member(document.get("status"), "lastHandledReconcileAt")


def _member(status: object, name: str) -> Any:
    return status.get(name) if isinstance(status, Mapping) else None


def _versions(applied: PreviousStatus | None) -> Iterable[tuple[str, int]]:
    return applied.versions.items() if applied else ()


def _rollout(spec: DynamicConfigSpec, metadata: Mapping[str, Any]) -> Rollout | None:
    if spec.rollout is None:
        return None
    forced = _number((metadata.get("annotations") or {}).get(names.FORCE_GENERATION))
    is_forced = forced == metadata.get("generation", 1)
    return Rollout(spec.rollout.bake_seconds, spec.rollout.rollback_on_alarm, is_forced)


def _resolve(
    spec: DynamicConfigSpec, read: ReadSource, were_secret: frozenset[str], admit: Admit | None
) -> tuple[DeclaredParameter, ...]:
    """Resolve all parameters. All faults of parameters and rules are raised together, except those of Secrets."""
    found = {parameter.name: _read(parameter, read) for parameter in spec.parameters}
    known = {name: value for name, (value, _) in found.items()}
    wrong = secret_checks.plain_faults(spec, known) if admit else findings_of(spec, known).faults
    if wrong:
        raise _invalid(wrong)
    missing = [f"parameter {name}: {why}" for name, (value, why) in found.items() if value is None]
    if missing:
        raise SourceMissing(f"{_listed(missing)}; create it, or change the reference. Nothing was written")
    if admit and (asked := secret_checks.question(spec, known)):
        admit(asked)
        wrong = secret_checks.secret_faults(spec, known)
        if wrong:
            raise _invalid(wrong)
    return tuple(_declared(spec, parameter, known[parameter.name] or "", were_secret) for parameter in spec.parameters)


def _read(parameter: ParameterSpec, read: ReadSource) -> tuple[str | None, str]:
    """Return the value, or None and what is missing of its source."""
    try:
        value = value_of(parameter, read)
    except NoSource as error:
        return None, str(error)
    except InvalidSpec as error:
        raise InvalidSpec(f"parameter {parameter.name}: {error}") from None
    return value, "" if value is not None else f"{source_of(parameter)} does not exist"


def _declared(
    spec: DynamicConfigSpec, parameter: ParameterSpec, value: str, were_secret: frozenset[str]
) -> DeclaredParameter:
    name = f"{spec.path}/{parameter.name}"
    # A value that is compared with the text of a Secret is masked, too: both may be equal.
    is_secret = (
        parameter.resolved_type is ParameterType.SECURE_STRING
        or parameter.secret_ref is not None
        or name in were_secret
    )
    return DeclaredParameter(
        name=name,
        value=_secret(value) if is_secret else value,
        spec=parameter,
        tags=tuple(sorted({**spec.tags, **parameter.tags}.items())),
    )


def _secret(value: str) -> Secret:
    return UnknownSecret() if isinstance(value, UnknownText) else Secret(value)


def _invalid(wrong: Iterable[Finding]) -> InvalidSpec:
    faults = tuple(map(str, wrong))
    return InvalidSpec(_listed(faults), faults)


def _listed(messages: Sequence[object]) -> str:
    more = len(messages) - MAX_FAULTS
    return "; ".join(map(str, messages[:MAX_FAULTS])) + (f"; and {more} more" if more > 0 else "")


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,19}", text) else None  # a generation has 64 bits
