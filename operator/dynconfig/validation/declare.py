"""Builds a Declaration from an object and its Secrets and ConfigMaps, with all checks before any write."""

import json
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
from dynconfig.model.errors import InvalidSpec, NoSource, SourceMissing, TargetTerminating
from dynconfig.model.fingerprint import fingerprint
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
    recorded_place,
    region_of,
    spec_of,
)
from dynconfig.model.target import Target
from dynconfig.validation import region_checks, secret_checks, tenancy
from dynconfig.validation.checking import Finding, findings_of, source_of, validation_findings, value_of
from dynconfig.validation.inspection import findings
from dynconfig.validation.kept_results import Checked, KeptResults
from dynconfig.validation.secret_checks import Admit
from dynconfig.validation.targets import check_tags
from dynconfig.validation.tenancy import IsOwnLayer, Tenant

MAX_FAULTS = 10
_KEPT = KeptResults()


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
    recorded = recorded_place(document.get("status"))
    region_checks.check_region(spec, default_region, is_region, recorded.region if recorded else "")
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
    target: Target | None = None,
) -> Declaration:
    """Return the declaration of an object.

    Of an object in a target, `default_region` and `tenant` are those of the target.

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
    return declaration_of(
        spec, document, owner=owner, default_region=default_region, read=read, admit=admit, target=target
    )


def declaration_of(
    spec: DynamicConfigSpec,
    document: Mapping[str, Any],
    *,
    owner: Owner,
    default_region: str,
    read: ReadSource,
    admit: Admit | None = None,
    target: Target | None = None,
) -> Declaration:
    """Return the declaration of an object whose spec was checked. Raises as `declare` does, except PathNotAllowed, NotAllowed."""
    metadata, annotations = document["metadata"], document["metadata"].get("annotations") or {}
    previous = PreviousStatus.of_object(document)
    applied = previous.or_none
    function, region = spec.function, spec.region or default_region
    if target is not None:
        check_tags(spec, target)
    tags = {**dict(target.tags if target else ()), **spec.tags}
    parameters = _resolve(spec, read, applied.secrets if applied else frozenset(), admit, _digest(document), tags)
    return Declaration(
        owner=owner,
        place=Place(region, target),
        names=_names(owner, region, (function.name, function.role_name) if function else (None, None), applied),
        path=spec.path,
        generation=metadata.get("generation", 1),
        parameters=parameters,
        tags=tuple(sorted(tags.items())),
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


def declare_deletion(
    document: Mapping[str, Any], *, owner: Owner, default_region: str, target: Target | None = None
) -> Declaration:
    """Return the declaration of a deleted object: nothing is desired, and invalid parts of spec and status are ignored."""
    spec, previous = spec_of(document), PreviousStatus.of_object(document)
    path, applied = spec.get("path"), previous.or_none
    declared = (f"{path}/{name}" for name in listed_names(spec.get("parameters")))
    reported = listed_names(_member(document.get("status"), "parameters"))
    known = {name: 0 for name in (*declared, *reported) if is_parameter_name(name)}
    versions = {**known, **{name: version for name, version in _versions(applied) if name in known}}
    # Resources stay in the region where they were created, even if the operator's default region has changed.
    recorded = previous.place.region if previous.place else ""
    region = target.region if target else region_of(document) or recorded or default_region
    return Declaration(
        owner=owner,
        place=Place(region, target),
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
    names = Names.of(owner, region, function, role_beside(role) if role and is_taken else role)
    return names.keeping(applied.titles) if applied else names


def was_observed(document: Mapping[str, Any]) -> bool:
    """Whether AWS was ever observed for this object, so that resources of it may exist."""
    return bool(_member(document.get("status"), "lastObservedTime"))


def wrote_nothing(document: Mapping[str, Any]) -> bool:
    """Whether nothing can have been written for this object: its status exists, and records no place."""
    return not is_place_lost(document) and recorded_place(document.get("status")) is None


def check_accepts(document: Mapping[str, Any], target: Mapping[str, Any]) -> None:
    """Raise TargetTerminating for an object that wrote nothing, if its AWSTarget is being deleted."""
    if "deletionTimestamp" in target["metadata"] and wrote_nothing(document):
        raise terminating(target["metadata"]["name"])


def terminating(target: str) -> TargetTerminating:
    """Return the error of an object whose AWSTarget is being deleted."""
    return TargetTerminating(
        f"AWSTarget {target} is being deleted and accepts no new objects, and nothing was written. Ask a cluster "
        "administrator to create it again, or use another target"
    )


def is_status_lost(document: Mapping[str, Any]) -> bool:
    """Whether the object has the finalizer, but no status from a reconcile, as after a restored backup.

    A status is written before the finalizer is added. One that was lost stays marked until everything has been tried: a
    failure, a conflict or a crash in between must not make what others changed look like an edit.
    """
    has_finalizer = names.FINALIZER in ((document.get("metadata") or {}).get("finalizers") or ())
    return has_finalizer and PreviousStatus.of_object(document).or_none is None


def is_place_lost(document: Mapping[str, Any]) -> bool:
    """Whether status was lost, so that it is not known either where the object has something."""
    return is_status_lost(document) and PreviousStatus.of_object(document).place is None


def was_answered(document: Mapping[str, Any]) -> bool:
    """Whether status already shows the result of the Secret checks of this generation."""
    previous, generation = PreviousStatus.of_object(document), document["metadata"].get("generation", 1)
    if generation in (previous.generation, previous.tried_generation):
        return True
    ready = previous.conditions.get(ConditionType.READY)
    return ready is not None and ready.generation == generation and secret_checks.DOES_NOT_HOLD in ready.message


def is_written(document: Mapping[str, Any]) -> bool:
    """Whether AWS has resources of this object, or will have: false for a suspended object without resources."""
    return not is_suspended(document) or PreviousStatus.of_object(document).has_resources


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


def _resolve(  # noqa: PLR0917 - called in one place
    spec: DynamicConfigSpec,
    read: ReadSource,
    were_secret: frozenset[str],
    admit: Admit | None,
    digest: int,
    inherited: Mapping[str, str],
) -> tuple[DeclaredParameter, ...]:
    """Resolve all parameters. All faults of parameters and rules are raised together, except those of Secrets.

    `digest` is that of the whole spec. Expensive checks of the same spec with the same texts are not repeated.
    """
    found = {parameter.name: _read(parameter, read) for parameter in spec.parameters}
    known = {name: value for name, (value, _) in found.items()}
    texts = _digest_of_sources(spec, known)

    def refuse(title: str, check: Callable[[], tuple[Finding, ...]]) -> None:
        wrong = _KEPT.faults(Checked(digest, texts, title), lambda: _shown(check()))
        if wrong:
            raise InvalidSpec("; ".join(wrong), wrong)

    if admit:
        refuse("plain", lambda: secret_checks.plain_faults(spec, known))
    else:
        refuse("all", lambda: findings_of(spec, known).faults)
    missing = [f"parameter {name}: {why}" for name, (value, why) in found.items() if value is None]
    if missing:
        raise SourceMissing(f"{_listed(missing)}; create it, or change the reference. Nothing was written")
    if admit and (asked := secret_checks.question(spec, known)):
        admit(asked)
        refuse("secret", lambda: secret_checks.secret_faults(spec, known))
    # A thousand parameters may have the same forty tags: their pairs are created once.
    tags = {key: (key, text) for key, text in inherited.items()}
    return tuple(
        _declared(f"{spec.path}/{parameter.name}", parameter, known[parameter.name] or "", tags, were_secret)
        for parameter in spec.parameters
    )


def _digest(document: Mapping[str, Any]) -> int:
    return fingerprint(json.dumps(document.get("spec"), default=str))


def _digest_of_sources(spec: DynamicConfigSpec, known: Mapping[str, str | None]) -> int:
    """Return a digest of the texts that are not in spec."""
    of_text: dict[str | None, int] = {None: 0}
    for parameter in spec.parameters:
        text = known[parameter.name]
        if parameter.value is None and text is not None and text not in of_text:
            of_text[text] = fingerprint(text)
    taken = (known[parameter.name] for parameter in spec.parameters if parameter.value is None)
    return fingerprint(",".join(str(of_text[text]) for text in taken))


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
    name: str,
    parameter: ParameterSpec,
    value: str,
    inherited: Mapping[str, tuple[str, str]],
    were_secret: frozenset[str],
) -> DeclaredParameter:
    own = {key: (key, text) for key, text in parameter.tags.items()}
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
        tags=tuple(sorted({**inherited, **own}.values())),
    )


def _secret(value: str) -> Secret:
    return UnknownSecret() if isinstance(value, UnknownText) else Secret(value)


def _invalid(wrong: Iterable[Finding]) -> InvalidSpec:
    faults = tuple(map(str, wrong))
    return InvalidSpec(_listed(faults), faults)


def _listed(messages: Sequence[object]) -> str:
    return "; ".join(_shown(messages))


def _shown(messages: Sequence[object]) -> tuple[str, ...]:
    """Return the first messages, and how many more there are."""
    more = len(messages) - MAX_FAULTS
    return (*map(str, messages[:MAX_FAULTS]), *((f"and {more} more",) if more > 0 else ()))


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,19}", text) else None  # a generation has 64 bits
