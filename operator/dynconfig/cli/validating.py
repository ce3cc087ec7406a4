"""Validate manifests: report every error with file and line, and what could not be checked."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Any

from dynconfig.api import metadata
from dynconfig.api.function import Mode
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.cli.files import BadFile, Document, Manifests, Origin, metadata_faults
from dynconfig.engine import expiration
from dynconfig.kinds._shared import function_access
from dynconfig.model.declaration import Declaration, DeclaredParameter, Place, ReadSource, Source
from dynconfig.model.errors import InvalidSpec
from dynconfig.model.naming import Names
from dynconfig.model.resource import Owner
from dynconfig.model.size import OBJECT_BYTES, needed_bytes, stored_bytes
from dynconfig.validation import checking, inspection
from dynconfig.validation.advice import advice
from dynconfig.validation.declare import parse_spec
from dynconfig.validation.inspection import RegionFault
from dynconfig.validation.targets import target_findings


class Severity(StrEnum):
    """The severity of a remark; only a fault makes an object invalid."""

    FAULT = "fault"
    WARNING = "warning"
    UNCHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding at a line of a file."""

    place: str
    severity: Severity
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {'' if self.severity is Severity.FAULT else f'{self.severity}: '}{self.text}"


@dataclass(frozen=True, slots=True)
class Report:
    """The remarks on one object."""

    title: str
    parameters: int | None
    """Their number; None for an AWSTarget."""
    remarks: tuple[Remark, ...]

    @property
    def faults(self) -> int:
        """The number of faults."""
        return sum(remark.severity is Severity.FAULT for remark in self.remarks)


# Only at the end of a line, since a comment on a line of its own may belong to the next field.
_ALLOWED = re.compile(r"^\s*[^#\s].*#\s*dynconfig:\s*allow-plaintext\b")
# kubectl apply stores the whole object in an annotation; the total size of annotations is limited.
# https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/
ANNOTATION_BYTES = 262_144
_ANNOTATION_NAME = len("kubectl.kubernetes.io/last-applied-configuration")


def reports(manifests: Manifests, now: datetime, region_fault: RegionFault = lambda _region: "") -> Iterator[Report]:
    """Yield a report for each file with unusable documents, each object and each AWSTarget; `now` is timezone-aware."""
    for file, faults in groupby(manifests.faults, lambda fault: fault.file):
        yield Report(file, 0, tuple(Remark(fault.place, Severity.FAULT, fault.text) for fault in faults))
    seen: dict[str, str] = {}
    for document, origin in zip(manifests.configs, manifests.origins, strict=True):
        about, spec = document["metadata"], document.get("spec")
        title = f"{about['namespace']}/{about.get('name') or '(no name)'}"
        repeated = _repeated(title, origin, seen)
        listed = spec.get("parameters") if isinstance(spec, dict) else None
        yield Report(
            title,
            len(listed) if isinstance(listed, list) else 0,
            (*repeated, *_remarks(document, origin, manifests, now, region_fault)),
        )

    for document, origin in manifests.targets:
        title = f"AWSTarget {document['metadata'].get('name') or '(no name)'}"
        yield Report(title, None, (*_repeated(title, origin, seen), *_of_target(document, origin)))


def _of_target(document: Document, origin: Origin) -> Iterator[Remark]:
    for path, text in metadata.faults(document):
        # It has no namespace.
        if path != ("metadata", "namespace"):
            yield Remark(origin.place(path), Severity.FAULT, f"{'.'.join(path)} {text}")
    for finding in target_findings(document):
        yield Remark(origin.place(finding.path), Severity.FAULT, finding.text)


def _repeated(title: str, origin: Origin, seen: dict[str, str]) -> tuple[Remark, ...]:
    place = origin.place(("metadata", "name"))
    first = seen.setdefault(title, place)
    return (
        ()
        if first == place
        else (Remark(place, Severity.FAULT, f"object {title} is declared twice; the first one is at {first}"),)
    )


def _reader(manifests: Manifests, namespace: str) -> ReadSource:
    def read(source: Source) -> str | None:
        try:
            return manifests.text(namespace, source)
        except BadFile:
            # Reported with the reference.
            return None

    return read


def _remarks(
    document: Document, origin: Origin, manifests: Manifests, now: datetime, region_fault: RegionFault
) -> Iterator[Remark]:
    namespace = str(document["metadata"]["namespace"])
    for fault in metadata_faults(document, origin):
        yield Remark(fault.place, Severity.FAULT, fault.text)
    yield from _size(document, origin)
    yield from _attached(document, origin)
    yield from _own_destination(document, origin)
    found = inspection.findings(document, _reader(manifests, namespace), region_fault)
    remarks: tuple[tuple[Severity, Iterable[checking.Finding]], ...] = (
        (Severity.FAULT, (*found.faults, *_references(document, manifests, namespace), *_expired(document, now))),
        (Severity.WARNING, advice(document, now.date(), lambda index: _is_allowed(origin, index))),
        (Severity.UNCHECKED, found.unchecked),
    )
    for severity, findings in remarks:
        for finding in findings:
            yield Remark(origin.place(finding.path), severity, finding.text)


def _expired(document: Document, now: datetime) -> Iterator[checking.Finding]:
    """Report expiration dates in the past: files do not show whether the parameter was ever written."""
    return expiration.past(inspection.parameters(document), now.timestamp())


def _is_allowed(origin: Origin, index: int) -> bool:
    return any(_ALLOWED.search(line) for line in origin.lines(("spec", "parameters", index)))


def _size(document: Document, origin: Origin) -> Iterator[Remark]:
    size, needed = stored_bytes(document), needed_bytes(document)
    if needed > OBJECT_BYTES:
        message = (
            f"the object has {size:,} bytes and needs {needed:,} with its status, more than the Kubernetes limit of "
            f"{OBJECT_BYTES:,}; split it, or move large values to ConfigMaps or Secrets"
        )
        yield Remark(origin.place(), Severity.FAULT, message)
    elif size + _ANNOTATION_NAME > ANNOTATION_BYTES:
        message = (
            f"the object has {size:,} bytes, too many for client-side kubectl apply (annotation limit {ANNOTATION_BYTES:,}); "
            "use kubectl apply --server-side"
        )
        yield Remark(origin.place(), Severity.WARNING, message)


def _attached(document: Document, origin: Origin) -> Iterator[Remark]:
    """Report if the list of parameters exceeds the environment of an attached function (4 KB)."""
    try:
        spec = parse_spec(document)
    except InvalidSpec:
        return
    if spec.function is None or spec.function.mode is not Mode.ATTACH:
        return
    size = function_access.size(function_access.environment(_read_by(spec, document["metadata"]), spec.function))
    if size > function_access.ENVIRONMENT_BYTES:
        fit = len(spec.parameters) * function_access.ENVIRONMENT_BYTES // size
        message = (
            f"spec.function: {len(spec.parameters)} parameters need {size:,} bytes in the environment of the attached "
            f"function; the limit is {function_access.ENVIRONMENT_BYTES:,} including its own variables (about {fit} such "
            "parameters). Declare fewer parameters, or shorter names and schemas, or use mode: Managed"
        )
        yield Remark(origin.place(("spec", "function")), Severity.FAULT, message)


def _own_destination(document: Document, origin: Origin) -> Iterator[Remark]:
    """Warn if onFailure may be the function itself; a file does not show the account of the function."""
    try:
        spec = parse_spec(document)
    except InvalidSpec:
        return
    if spec.function is None or not spec.function.on_failure:
        return
    owner, region = _owner(document["metadata"]), spec.region or ""
    name = Names.of(owner, region, spec.function.name, spec.function.role_name).function
    service, where, _account, _kind, called, *_ = [*spec.function.on_failure.split(":")[2:], *[""] * 5]
    if service == "lambda" and called == name and region in ("", where):
        message = (
            f"spec.function.onFailure: {name} is the function of this object, and a function cannot be the destination of its "
            "own failed events in the same account; use another function, a queue, a topic or an event bus"
        )
        yield Remark(origin.place(("spec", "function", "onFailure")), Severity.WARNING, message)


def _owner(metadata: Mapping[str, Any]) -> Owner:
    return Owner("", str(metadata["namespace"]), str(metadata.get("name")), "")


def _read_by(spec: DynamicConfigSpec, metadata: Mapping[str, Any]) -> Declaration:
    """Return a declaration of what the function reads; values are not needed."""
    owner = _owner(metadata)
    parameters = (DeclaredParameter(f"{spec.path}/{item.name}", "", item, ()) for item in spec.parameters)
    region = spec.region or ""
    return Declaration(
        owner,
        Place(region),
        Names.of(owner, region, None, None),
        spec.path,
        generation=1,
        parameters=tuple(parameters),
        cache=spec.cache,
    )


def _references(document: Document, manifests: Manifests, namespace: str) -> Iterator[checking.Finding]:
    """Yield references that are wrong according to the files."""
    for index, parameter in inspection.parameters(document):
        source = checking.source_of(parameter)
        fault = _reference_fault(manifests, namespace, source) if source else None
        if source and fault:
            field = "secretKeyRef" if source.kind == "Secret" else "configMapKeyRef"
            path = ("spec", "parameters", index, "valueFrom", field, fault.field)
            yield checking.Finding(path, f"parameter {parameter.name}: {fault.text}")


@dataclass(frozen=True, slots=True)
class _ReferenceFault:
    """An error in a field of a reference."""

    field: str
    text: str


def _reference_fault(manifests: Manifests, namespace: str, source: Source) -> _ReferenceFault | None:
    keys = manifests.keys(namespace, source)
    if keys is None:
        renamed = manifests.renamed(namespace, source)
        return _ReferenceFault("name", f"{source.kind} {source.name} {_RENAMED.format(renamed)}") if renamed else None
    if source.key not in keys:
        return _ReferenceFault(
            "key", f"{source.kind} {source.name} has no key {source.key}{_suggestion(source.key, keys)}"
        )
    try:
        manifests.text(namespace, source)
    except BadFile as error:
        return _ReferenceFault("key", str(error))
    return None


_RENAMED = (
    "is renamed to {} by kustomize, which does not update this reference: add it to the nameReference configuration of "
    "kustomize, or set generatorOptions.disableNameSuffixHash and no prefix"
)


def _suggestion(key: str, keys: tuple[str, ...]) -> str:
    if meant := metadata.near(key, keys):
        return f"; did you mean {meant}?"
    return f"; its keys are {', '.join(keys[:5])}" if keys else "; it has no keys"
