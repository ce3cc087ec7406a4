"""AWS resources of objects that no longer exist, because the finalizer was removed or the cluster was lost. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dynconfig.model.resource import Owner
from dynconfig.model.stored import region_of


@dataclass(frozen=True, slots=True)
class Orphan:
    """A resource whose owner tag names an object that does not exist."""

    arn: str
    owner: Owner
    region: str


def region_in_use(document: Mapping[str, Any], default: str) -> str:
    """Return the region in an object's spec or status. It is not validated, so it may not exist or not be allowed."""
    status = document.get("status")
    reported = status.get("region") if isinstance(status, Mapping) else None
    return region_of(document) or (reported if isinstance(reported, str) and reported else default)


def orphans(tagged: Iterable[tuple[str, str]], region: str, cluster: str, uids: frozenset[str]) -> tuple[Orphan, ...]:
    """Return the orphans among (ARN, owner tag) pairs of a region, sorted by ARN; `uids` are those of all existing objects."""
    pairs = ((arn, Owner.parse(tag)) for arn, tag in tagged)
    found = [Orphan(arn, owner, region) for arn, owner in pairs if owner is not None]
    return tuple(
        sorted(
            (orphan for orphan in found if orphan.owner.cluster == cluster and orphan.owner.uid not in uids),
            key=lambda orphan: orphan.arn,
        )
    )
