"""What `dynconfig validate` says of manifests: every fault, with file and line, and what it could not check."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from enum import StrEnum
from itertools import groupby
from typing import Any

from dynconfig.api.function import Mode
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.engine import checking, expiration, inspection
from dynconfig.engine.advice import advice
from dynconfig.engine.declaration import Declaration, DeclaredParameter, Place, ReadSource, Source
from dynconfig.engine.declare import parse_spec
from dynconfig.engine.errors import InvalidSpec
from dynconfig.engine.inspection import RegionFault
from dynconfig.engine.naming import Names
from dynconfig.engine.resource import Owner
from dynconfig.engine.size import OBJECT_BYTES, needed_bytes, stored_bytes
from dynconfig.files import BadFile, Document, Manifests, Origin, metadata_faults
from dynconfig.kinds import function_access


class Weight(StrEnum):
    """How much a remark matters; only a fault makes an object invalid."""

    FAULT = "fault"
    WARNING = "warning"
    UNCHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to report about a line of a file."""

    place: str
    weight: Weight
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {'' if self.weight is Weight.FAULT else f'{self.weight}: '}{self.text}"


@dataclass(frozen=True, slots=True)
class Report:
    """What there is to say of one object."""

    title: str
    parameters: int
    remarks: tuple[Remark, ...]

    @property
    def faults(self) -> int:
        """How many faults it has."""
        return sum(remark.weight is Weight.FAULT for remark in self.remarks)


# Behind something, since a comment of its own line may belong to what comes after it.
_ALLOWED = re.compile(r"^\s*[^#\s].*#\s*dynconfig:\s*allow-plaintext\b")
# kubectl apply stores the whole object in an annotation, and annotations have so many bytes altogether.
# https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/
ANNOTATION_BYTES = 262_144
_ANNOTATION_NAME = len("kubectl.kubernetes.io/last-applied-configuration")


def reports(manifests: Manifests, now: datetime, region_fault: RegionFault = lambda _region: "") -> Iterator[Report]:
    """A report on each file with documents that cannot be used, and on each object; `now` has a zone."""
    for file, faults in groupby(manifests.faults, lambda fault: fault.file):
        yield Report(file, 0, tuple(Remark(fault.place, Weight.FAULT, fault.text) for fault in faults))
    seen: dict[str, str] = {}
    for document, origin in zip(manifests.configs, manifests.origins, strict=True):
        metadata, spec = document["metadata"], document.get("spec")
        title = f"{metadata['namespace']}/{metadata.get('name') or '(no name)'}"
        repeated = _repeated(title, origin, seen)
        listed = spec.get("parameters") if isinstance(spec, dict) else None
        yield Report(
            title,
            len(listed) if isinstance(listed, list) else 0,
            (*repeated, *_remarks(document, origin, manifests, now, region_fault)),
        )


def _repeated(title: str, origin: Origin, seen: dict[str, str]) -> tuple[Remark, ...]:
    place = origin.place(("metadata", "name"))
    first = seen.setdefault(title, place)
    return (
        () if first == place else (Remark(place, Weight.FAULT, f"object {title} is declared twice, first in {first}"),)
    )


def _reading(manifests: Manifests, namespace: str) -> ReadSource:
    def read(source: Source) -> str | None:
        try:
            return manifests.text(namespace, source)
        except BadFile:
            # Reported beside the reference.
            return None

    return read


def _remarks(
    document: Document, origin: Origin, manifests: Manifests, now: datetime, region_fault: RegionFault
) -> Iterator[Remark]:
    namespace = str(document["metadata"]["namespace"])
    for fault in metadata_faults(document, origin):
        yield Remark(fault.place, Weight.FAULT, fault.text)
    yield from _size(document, origin)
    yield from _attached(document, origin)
    yield from _own_destination(document, origin)
    found = inspection.findings(document, _reading(manifests, namespace), region_fault)
    said: tuple[tuple[Weight, Iterable[checking.Finding]], ...] = (
        (Weight.FAULT, (*found.faults, *_references(document, manifests, namespace), *_expired(document, now))),
        (Weight.WARNING, advice(document, now.date(), lambda index: _is_allowed(origin, index))),
        (Weight.UNCHECKED, found.unchecked),
    )
    for weight, findings in said:
        for finding in findings:
            yield Remark(origin.place(finding.path), weight, finding.text)


def _expired(document: Document, now: datetime) -> Iterator[checking.Finding]:
    """Dates that have passed: files do not say whether the parameter was ever written."""
    return expiration.past(inspection.parameters(document), now.timestamp())


def _is_allowed(origin: Origin, index: int) -> bool:
    return any(_ALLOWED.search(line) for line in origin.lines(("spec", "parameters", index)))


def _size(document: Document, origin: Origin) -> Iterator[Remark]:
    size, needed = stored_bytes(document), needed_bytes(document)
    if needed > OBJECT_BYTES:
        told = (
            f"the object has {size:,} bytes and needs {needed:,} with its status, more than the {OBJECT_BYTES:,} that "
            "Kubernetes stores; divide it, or take large values from ConfigMaps or Secrets"
        )
        yield Remark(origin.place(), Weight.FAULT, told)
    elif size + _ANNOTATION_NAME > ANNOTATION_BYTES:
        told = (
            f"the object has {size:,} bytes, too many for the annotation of a client-side kubectl apply "
            f"({ANNOTATION_BYTES:,}); apply it with kubectl apply --server-side"
        )
        yield Remark(origin.place(), Weight.WARNING, told)


def _attached(document: Document, origin: Origin) -> Iterator[Remark]:
    """An attached function has the list of parameters in its environment, which takes 4 KB."""
    try:
        spec = parse_spec(document)
    except InvalidSpec:
        return
    if spec.function is None or spec.function.mode is not Mode.ATTACH:
        return
    size = function_access.size(function_access.environment(_read_by(spec, document["metadata"]), spec.function))
    if size > function_access.ENVIRONMENT_BYTES:
        fit = len(spec.parameters) * function_access.ENVIRONMENT_BYTES // size
        told = (
            f"spec.function: {len(spec.parameters)} parameters need {size:,} bytes in the environment of the attached "
            f"function, which takes {function_access.ENVIRONMENT_BYTES:,} with all that it has itself (about {fit} parameters "
            "like these); declare fewer or shorter names and schemas, or use mode: Managed"
        )
        yield Remark(origin.place(("spec", "function")), Weight.FAULT, told)


def _own_destination(document: Document, origin: Origin) -> Iterator[Remark]:
    """A file does not say in which account its function is made."""
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
        told = (
            f"spec.function.onFailure: {name} is the function of this object; in its own account it cannot be the destination "
            "of its own failed events; name another function, a queue, a topic or an event bus"
        )
        yield Remark(origin.place(("spec", "function", "onFailure")), Weight.WARNING, told)


def _owner(metadata: Mapping[str, Any]) -> Owner:
    return Owner("", str(metadata["namespace"]), str(metadata.get("name")), "")


def _read_by(spec: DynamicConfigSpec, metadata: Mapping[str, Any]) -> Declaration:
    """What a function would be given to read; no value is needed for it."""
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
    """References that the files themselves show to be wrong."""
    for index, parameter in inspection.parameters(document):
        source = checking.source_of(parameter)
        fault = _reference_fault(manifests, namespace, source) if source else None
        if source and fault:
            field = "secretKeyRef" if source.kind == "Secret" else "configMapKeyRef"
            path = ("spec", "parameters", index, "valueFrom", field, fault.field)
            yield checking.Finding(path, f"parameter {parameter.name}: {fault.text}")


@dataclass(frozen=True, slots=True)
class _ReferenceFault:
    """What is wrong with a field of a reference."""

    field: str
    text: str


def _reference_fault(manifests: Manifests, namespace: str, source: Source) -> _ReferenceFault | None:
    keys = manifests.keys(namespace, source)
    if keys is None:
        renamed = manifests.renamed(namespace, source)
        return _ReferenceFault("name", f"{source.kind} {source.name} {_RENAMED.format(renamed)}") if renamed else None
    if source.key not in keys:
        return _ReferenceFault(
            "key", f"{source.kind} {source.name} has no key {source.key}{_instead(source.key, keys)}"
        )
    try:
        manifests.text(namespace, source)
    except BadFile as error:
        return _ReferenceFault("key", str(error))
    return None


_RENAMED = (
    "is called {} by kustomize, which does not know this reference: add it to kustomize's nameReference configuration, or set "
    "generatorOptions.disableNameSuffixHash and no prefix"
)


def _instead(key: str, keys: tuple[str, ...]) -> str:
    near = get_close_matches(key, keys, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; it has {', '.join(keys[:5])}" if keys else "; it has none"
