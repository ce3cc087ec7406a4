"""What `dynconfig validate` says of manifests: every fault, with file and line, and what it could not check."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import groupby

from dynconfig.engine import checking
from dynconfig.engine.advice import advice
from dynconfig.engine.declaration import ReadSource, Source
from dynconfig.files import Document, Manifests, Origin, metadata_faults


class Weight(StrEnum):
    """How much a remark matters; only a fault makes an object invalid."""

    FAULT = "fault"
    WARNING = "warning"
    UNCHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to tell about a line of a file."""

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


def reports(manifests: Manifests, today: date) -> Iterator[Report]:
    """A report on each file with documents that cannot be used, and on each object."""
    for file, faults in groupby(manifests.faults, lambda fault: fault.file):
        yield Report(file, 0, tuple(Remark(fault.place, Weight.FAULT, fault.text) for fault in faults))
    for document, origin in zip(manifests.configs, manifests.origins, strict=True):
        metadata, spec = document["metadata"], document.get("spec")
        listed = spec.get("parameters") if isinstance(spec, dict) else None
        yield Report(
            f"{metadata['namespace']}/{metadata.get('name') or '(no name)'}",
            len(listed) if isinstance(listed, list) else 0,
            tuple(_remarks(document, origin, _reading(manifests, str(metadata["namespace"])), today)),
        )


def _reading(manifests: Manifests, namespace: str) -> ReadSource:
    def read(source: Source) -> str | None:
        return manifests.text(namespace, source)

    return read


def _remarks(document: Document, origin: Origin, read: ReadSource, today: date) -> Iterator[Remark]:
    for fault in metadata_faults(document, origin):
        yield Remark(fault.place, Weight.FAULT, fault.text)
    found = checking.findings(document, read)
    said: tuple[tuple[Weight, Iterable[checking.Finding]], ...] = (
        (Weight.FAULT, found.faults),
        (Weight.WARNING, advice(document, today)),
        (Weight.UNCHECKED, found.unchecked),
    )
    for weight, findings in said:
        for finding in findings:
            yield Remark(origin.place(finding.path), weight, finding.text)
