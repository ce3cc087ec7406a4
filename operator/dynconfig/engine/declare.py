"""Turns an object and the Secrets it refers to into a Declaration: checked as a whole, before anything is written."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from dynconfig import __version__
from dynconfig.api import names
from dynconfig.api.parameter import KeyRef, ParameterSpec, ParameterType
from dynconfig.api.spec import DeletionPolicy, DynamicConfigSpec
from dynconfig.engine import values
from dynconfig.engine.declaration import Applied, Declaration, DeclaredParameter, Place, ReadSource, Source
from dynconfig.engine.errors import InvalidSpec, PathNotAllowed, SourceMissing
from dynconfig.engine.naming import Names
from dynconfig.engine.resource import Owner
from dynconfig.engine.secret import Secret

MAX_FAULTS_TOLD = 10


def parse_spec(document: Mapping[str, Any]) -> DynamicConfigSpec:
    """The spec of an object. Raises InvalidSpec, naming every field that is wrong."""
    try:
        return DynamicConfigSpec.model_validate(document.get("spec") or {})
    except ValidationError as error:
        raise InvalidSpec(_listed(_told(error, document))) from None


def faults(document: Mapping[str, Any], read: ReadSource) -> tuple[str, ...]:
    """All that is wrong with a document, as far as it can be known where some sources cannot be read."""
    try:
        spec = DynamicConfigSpec.model_validate(document.get("spec") or {})
    except ValidationError as error:
        return tuple(_told(error, document))
    return tuple(fault for parameter in spec.parameters for fault in _faults(parameter, _value(parameter, read)))


def sources(spec: DynamicConfigSpec) -> tuple[Source, ...]:
    """Every Secret and ConfigMap key that the spec refers to."""
    found = (source_of(parameter) for parameter in spec.parameters)
    return tuple(source for source in found if source is not None)


def source_of(parameter: ParameterSpec) -> Source | None:
    """The Secret's or ConfigMap's key that holds the value of a parameter, if one does."""

    def of(kind: str, ref: KeyRef) -> Source:
        return Source(kind, ref.name, ref.key)

    if parameter.secret_ref:
        return of("Secret", parameter.secret_ref)
    return of("ConfigMap", parameter.config_map_ref) if parameter.config_map_ref else None


def declare(
    document: Mapping[str, Any],
    *,
    owner: Owner,
    default_region: str,
    read: ReadSource,
    allowed_paths: tuple[str, ...] = (),
) -> Declaration:
    """The declaration of an object.

    Raises InvalidSpec, PathNotAllowed, or SourceMissing where a Secret, ConfigMap or key is not there (yet).
    """
    spec = parse_spec(document)
    _check_path(spec.path, allowed_paths, owner.namespace)
    parameters = _resolve(spec, read)
    metadata, annotations = document["metadata"], document["metadata"].get("annotations") or {}
    function, region, applied = spec.function, spec.region or default_region, applied_of(document.get("status"))
    return Declaration(
        owner=owner,
        place=Place(region),
        names=Names.of(owner, region, function.name if function else None, function.role_name if function else None),
        path=spec.path,
        generation=metadata.get("generation", 1),
        parameters=parameters,
        tags=tuple(sorted(spec.tags.items())),
        cache=spec.cache,
        function=spec.function,
        suspended=spec.suspend,
        drift_policy=spec.drift_policy,
        deletion_policy=spec.deletion_policy,
        adoption_policy=spec.adoption_policy,
        resync_seconds=spec.resync_seconds,
        applied=applied,
        blind=applied is None,
        approved_generation=_number(annotations.get(names.APPROVE_GENERATION)),
        untouched=names.FINALIZER not in (metadata.get("finalizers") or ()),
        requested=is_requested(document),
        operator_version=__version__,
    )


def declare_deletion(document: Mapping[str, Any], *, owner: Owner, default_region: str) -> Declaration:
    """The declaration of an object that goes: nothing is desired, and nothing in it needs to be valid any more."""
    spec = document.get("spec") or {}
    path = str(spec.get("path", ""))
    applied = applied_of(document.get("status"))
    declared = {f"{path}/{item['name']}": 0 for item in spec.get("parameters") or () if "name" in item}
    versions = {**declared, **(applied.versions if applied else {})}
    function, region = spec.get("function") or {}, spec.get("region") or default_region
    return Declaration(
        owner=owner,
        place=Place(region),
        names=Names.of(owner, region, function.get("name"), function.get("roleName")),
        path=path,
        generation=document["metadata"].get("generation", 1),
        parameters=(),
        suspended=bool(spec.get("suspend")),
        deleting=True,
        deletion_policy=DeletionPolicy(spec.get("deletionPolicy", DeletionPolicy.DELETE)),
        applied=replace(applied, versions=versions) if applied else Applied(None, versions),
        blind=applied is None,
    )


def applied_of(status: Mapping[str, Any] | None) -> Applied | None:
    """What a status says was applied, or None where there is no status yet."""
    if not status or "observedGeneration" not in status:
        return None
    versions = {item["name"]: item["version"] for item in status.get("parameters") or ()}
    drifted = frozenset(item["resource"] for item in status.get("drift") or ())
    resources = tuple((item["kind"], item["name"]) for item in status.get("resources") or ())
    return Applied(status.get("appliedGeneration"), versions, drifted, resources, status.get("operatorVersion"))


def is_requested(document: Mapping[str, Any]) -> bool:
    """Whether a fresh look was asked for by annotation and not had yet."""
    wanted = (document["metadata"].get("annotations") or {}).get(names.RECONCILE_REQUESTED_AT)
    return wanted is not None and wanted != (document.get("status") or {}).get("lastHandledReconcileAt")


def _resolve(spec: DynamicConfigSpec, read: ReadSource) -> tuple[DeclaredParameter, ...]:
    """All parameters with their values; every fault of every parameter is told at once."""
    faults: list[str] = []
    missing: list[str] = []
    resolved: list[DeclaredParameter] = []
    for parameter in spec.parameters:
        value = _value(parameter, read)
        faults += _faults(parameter, value)
        if value is None:
            missing.append(f"parameter {parameter.name}: {source_of(parameter)} does not exist")
        else:
            resolved.append(_declared(spec, parameter, value))
    if faults:
        raise InvalidSpec(_listed(faults))
    if missing:
        raise SourceMissing(f"{_listed(missing)}; create it, or change the reference. Nothing was written")
    return tuple(resolved)


def _declared(spec: DynamicConfigSpec, parameter: ParameterSpec, value: str) -> DeclaredParameter:
    is_secret = parameter.resolved_type is ParameterType.SECURE_STRING or parameter.secret_ref is not None
    return DeclaredParameter(
        name=f"{spec.path}/{parameter.name}",
        value=Secret(value) if is_secret else value,
        spec=parameter,
        tags=tuple(sorted({**spec.tags, **parameter.tags}.items())),
    )


def _value(parameter: ParameterSpec, read: ReadSource) -> str | None:
    source = source_of(parameter)
    return parameter.value if source is None else read(source)


def _faults(parameter: ParameterSpec, value: str | None) -> list[str]:
    """What is wrong with the patterns, or else with the value, as far as it is known."""
    found = _pattern_faults(parameter)
    if found or value is None:
        return found
    fault = values.fault(parameter, value)
    return [f"parameter {parameter.name}: the value {fault}"] if fault else []


def _pattern_faults(parameter: ParameterSpec) -> list[str]:
    patterns = {"allowedPattern": parameter.allowed_pattern or None}
    if parameter.schema_:
        patterns["schema.pattern"] = parameter.schema_.pattern
    found = ((field, values.pattern_fault(pattern)) for field, pattern in patterns.items() if pattern)
    return [f"parameter {parameter.name}: {field} {fault}" for field, fault in found if fault]


def _check_path(path: str, allowed: tuple[str, ...], namespace: str) -> None:
    if allowed and not any(f"{path}/".startswith(f"{prefix.rstrip('/')}/") for prefix in allowed):
        raise PathNotAllowed(
            f"namespace {namespace} may not use path {path}; it may use paths below {', '.join(allowed)}. "
            "Choose such a path, or ask the operator's administrator to allow this one"
        )


def _told(error: ValidationError, document: Mapping[str, Any]) -> list[str]:
    return [
        f"{_field(problem['loc'], document)}: {_reworded(problem['msg'])}"
        for problem in error.errors(include_input=False)
    ]


def _reworded(message: str) -> str:
    return message.removeprefix("Value error, ")


def _field(location: tuple[int | str, ...], document: Mapping[str, Any]) -> str:
    """The field as a path in the document, a parameter by its name."""
    parts: list[str] = ["spec"]
    listed = (document.get("spec") or {}).get("parameters")
    for index, part in enumerate(location):
        if isinstance(part, int) and index == 1 and isinstance(listed, list) and isinstance(listed[part], Mapping):
            parts[-1] += f"[{listed[part].get('name', part)}]"
        elif isinstance(part, int):
            parts[-1] += f"[{part}]"
        else:
            parts.append(part)
    return ".".join(parts)


def _listed(messages: list[str]) -> str:
    more = len(messages) - MAX_FAULTS_TOLD
    return "; ".join(messages[:MAX_FAULTS_TOLD]) + (f"; and {more} more" if more > 0 else "")


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
