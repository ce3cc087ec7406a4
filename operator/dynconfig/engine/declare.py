"""Turns an object and the Secrets it refers to into a Declaration: checked as a whole, before anything is written."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from dynconfig import __version__
from dynconfig.api import names
from dynconfig.api.alarms import region_of
from dynconfig.api.parameter import ParameterSpec, ParameterType
from dynconfig.api.spec import DeletionPolicy, DynamicConfigSpec
from dynconfig.api.status import MAX_DRIFT, REQUEST_LENGTH
from dynconfig.engine import paths
from dynconfig.engine.checking import findings, findings_of, source_of, told, value_of
from dynconfig.engine.declaration import Applied, Declaration, DeclaredParameter, Place, ReadSource, Source
from dynconfig.engine.errors import InvalidSpec, PathNotAllowed, SourceMissing
from dynconfig.engine.naming import Names
from dynconfig.engine.resource import Owner
from dynconfig.engine.rollout import Rollout
from dynconfig.engine.secret import Secret
from dynconfig.engine.window import Brief

MAX_FAULTS_TOLD = 10


def parse_spec(document: Mapping[str, Any]) -> DynamicConfigSpec:
    """The spec of an object. Raises InvalidSpec, naming every field that is wrong."""
    try:
        return DynamicConfigSpec.model_validate(document.get("spec") or {})
    except ValidationError as error:
        raise InvalidSpec(_listed(told(error, document))) from None


def faults(document: Mapping[str, Any], read: ReadSource) -> tuple[str, ...]:
    """All that is wrong with a document, as far as it can be known where some sources cannot be read."""
    return tuple(map(str, findings(document, read).faults))


def sources(spec: DynamicConfigSpec) -> tuple[Source, ...]:
    """Every Secret and ConfigMap key that the spec refers to."""
    found = (source_of(parameter) for parameter in spec.parameters)
    return tuple(source for source in found if source is not None)


def declare(
    document: Mapping[str, Any],
    *,
    owner: Owner,
    default_region: str,
    read: ReadSource,
    allowed_paths: tuple[str, ...] = (),
    is_region: Callable[[str], bool] = lambda _region: True,
) -> Declaration:
    """The declaration of an object.

    Raises InvalidSpec, PathNotAllowed, or SourceMissing where a Secret, ConfigMap or key is not there (yet).
    """
    spec = parse_spec(document)
    _check_path(spec.path, allowed_paths, owner.namespace)
    _check_region(spec, default_region, is_region, _region_of_resources(document))
    metadata, annotations = document["metadata"], document["metadata"].get("annotations") or {}
    function, region, applied = spec.function, spec.region or default_region, applied_of(document.get("status"))
    _check_topics(spec, region)
    parameters = _resolve(spec, read, applied.secrets if applied else frozenset())
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
        revisions=_revisions(document.get("status")),
        alarms=spec.alarms,
        dashboard=spec.dashboard,
        suspended=spec.suspend,
        drift_policy=spec.drift_policy,
        deletion_policy=spec.deletion_policy,
        adoption_policy=spec.adoption_policy,
        resync_seconds=spec.resync_seconds,
        applied=applied,
        blind=applied is None,
        approved_generation=_number(annotations.get(names.APPROVE_GENERATION)),
        untouched=names.FINALIZER not in (metadata.get("finalizers") or ()) and not was_observed(document),
        rollout=_rollout(spec, metadata),
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
    function = spec.get("function") or {}
    # What was made stays where it was made, whatever region the operator is set to meanwhile.
    region = spec.get("region") or _region_of_resources(document) or default_region
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


def keeping(declaration: Declaration) -> Declaration:
    """The deletion of an object that leaves everything in AWS, without an owner, whatever its policy."""
    return replace(declaration, deletion_policy=DeletionPolicy.RETAIN)


def applied_of(status: Mapping[str, Any] | None) -> Applied | None:
    """What a status says was applied, or None where there is no status yet."""
    if not status or status.get("observedGeneration", names.UNSEEN) == names.UNSEEN:
        return None
    versions = {item["name"]: item["version"] for item in status.get("parameters") or ()}
    drift = status.get("drift") or ()
    resources = tuple((item["kind"], item["name"]) for item in status.get("resources") or ())
    bake = status.get("bake") or {}
    return Applied(
        status.get("appliedGeneration"),
        versions,
        {(item["resource"], item["field"]): _reported(item) for item in drift},
        len(drift) >= MAX_DRIFT,
        resources,
        status.get("operatorVersion"),
        undone_generation=(status.get("rollback") or {}).get("generation"),
        undone_because=(status.get("rollback") or {}).get("reason", ""),
        baking_until=_moment(bake["until"]) if "until" in bake else None,
        baking_generation=bake.get("generation"),
        secrets=frozenset(item["name"] for item in status.get("parameters") or () if item.get("secret")),
        created=frozenset(status.get("createdSinceStable") or ()),
    )


def _reported(drift: Mapping[str, Any]) -> Brief:
    return Brief(drift.get("declared", ""), drift.get("observed", ""), drift.get("digest", ""))


def was_observed(document: Mapping[str, Any]) -> bool:
    """Whether AWS was ever looked at for this object, so that there may be something of it."""
    return bool((document.get("status") or {}).get("lastObservedTime"))


def is_requested(document: Mapping[str, Any]) -> bool:
    """Whether a fresh look was asked for by annotation and not had yet."""
    wanted = (document["metadata"].get("annotations") or {}).get(names.RECONCILE_REQUESTED_AT)
    return wanted is not None and wanted[:REQUEST_LENGTH] != (document.get("status") or {}).get(
        "lastHandledReconcileAt"
    )


def _region_of_resources(document: Mapping[str, Any]) -> str | None:
    """Where the last report saw something of this object; None where it saw nothing."""
    status = document.get("status") or {}
    return status.get("region") if status.get("parameters") or status.get("resources") else None


def _rollout(spec: DynamicConfigSpec, metadata: Mapping[str, Any]) -> Rollout | None:
    if spec.rollout is None:
        return None
    forced = _number((metadata.get("annotations") or {}).get(names.FORCE_GENERATION))
    is_forced = forced == metadata.get("generation", 1)
    return Rollout(spec.rollout.bake_seconds, spec.rollout.rollback_on_alarm, is_forced)


def _resolve(spec: DynamicConfigSpec, read: ReadSource, were_secret: frozenset[str]) -> tuple[DeclaredParameter, ...]:
    """All parameters with their values; every fault of every parameter and rule is told at once."""
    known = {parameter.name: value_of(parameter, read) for parameter in spec.parameters}
    wrong = findings_of(spec, known).faults
    if wrong:
        raise InvalidSpec(_listed(wrong))
    missing = [
        f"parameter {parameter.name}: {source_of(parameter)} does not exist"
        for parameter in spec.parameters
        if known[parameter.name] is None
    ]
    if missing:
        raise SourceMissing(f"{_listed(missing)}; create it, or change the reference. Nothing was written")
    return tuple(_declared(spec, parameter, known[parameter.name] or "", were_secret) for parameter in spec.parameters)


def _declared(
    spec: DynamicConfigSpec, parameter: ParameterSpec, value: str, were_secret: frozenset[str]
) -> DeclaredParameter:
    name = f"{spec.path}/{parameter.name}"
    # What is compared with the text of a Secret is masked like it: the two may be the same.
    is_secret = (
        parameter.resolved_type is ParameterType.SECURE_STRING
        or parameter.secret_ref is not None
        or name in were_secret
    )
    return DeclaredParameter(
        name=name,
        value=Secret(value) if is_secret else value,
        spec=parameter,
        tags=tuple(sorted({**spec.tags, **parameter.tags}.items())),
    )


def _check_path(path: str, allowed: tuple[str, ...], namespace: str) -> None:
    if not paths.is_allowed(path, allowed):
        raise PathNotAllowed(
            f"namespace {namespace} may not use path {path}; it may use {paths.told(allowed)}. "
            "Ask the operator's administrator to allow this one, or choose a path that is allowed"
        )


def _check_region(spec: DynamicConfigSpec, default: str, is_region: Callable[[str], bool], known: str | None) -> None:
    if not spec.region and known not in (None, default):
        raise InvalidSpec(
            f"spec.region: this object names none, and its resources are in {known}, while the operator's region is {default} "
            f"now; nothing is moved from region to region, so set the operator's region back to {known}"
        )
    if spec.region and spec.region != default and not is_region(spec.region):
        raise InvalidSpec(
            f"spec.region: {spec.region} is no region of AWS that this operator knows; a region cannot be edited, so delete "
            "this object and declare it anew with another one, or update the operator if the region is new"
        )


def _check_topics(spec: DynamicConfigSpec, region: str) -> None:
    """CEL knows the region only where the spec names it."""
    elsewhere = [topic for topic in (spec.alarms.notify if spec.alarms else ()) if region_of(topic) != region]
    if elsewhere:
        raise InvalidSpec(
            f"spec.alarms.notify: topic {elsewhere[0]} is not in {region}, the region of this object; CloudWatch notifies "
            "topics of its own region only"
        )


def _listed(messages: Sequence[object]) -> str:
    more = len(messages) - MAX_FAULTS_TOLD
    return "; ".join(map(str, messages[:MAX_FAULTS_TOLD])) + (f"; and {more} more" if more > 0 else "")


def _revisions(status: Mapping[str, Any] | None) -> tuple[tuple[float, str], ...]:
    history = (status or {}).get("history") or ()
    return tuple((_moment(item["time"]), item["revision"]) for item in reversed(history))


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _number(text: str | None) -> int | None:
    # A generation has 64 bits.
    return int(text) if text and re.fullmatch(r"[0-9]{1,19}", text) else None
