"""What AWS has of objects that are gone without a deletion: their finalizer was taken off, or the cluster lost them. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dynconfig.engine.resource import Owner
from dynconfig.engine.stored import region_of


@dataclass(frozen=True, slots=True)
class Orphan:
    """A resource whose owner tag names an object that does not exist."""

    arn: str
    owner: Owner
    region: str


def region_in_use(document: Mapping[str, Any], default: str) -> str:
    """The region that an object names or reports, as it is written: it may not exist, or may not be allowed."""
    status = document.get("status")
    reported = status.get("region") if isinstance(status, Mapping) else None
    return region_of(document) or (reported if isinstance(reported, str) and reported else default)


def orphans(tagged: Iterable[tuple[str, str]], region: str, cluster: str, uids: frozenset[str]) -> tuple[Orphan, ...]:
    """The orphans among ARNs and owner tags of a region, by ARN; `uids` are those of all objects of the cluster."""
    pairs = ((arn, Owner.parse(tag)) for arn, tag in tagged)
    found = [Orphan(arn, owner, region) for arn, owner in pairs if owner is not None]
    return tuple(
        sorted(
            (orphan for orphan in found if orphan.owner.cluster == cluster and orphan.owner.uid not in uids),
            key=lambda orphan: orphan.arn,
        )
    )
