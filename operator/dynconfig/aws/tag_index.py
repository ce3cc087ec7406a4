"""Indexes of parameters and alarms with the owner tag, each read once for all objects of a cluster."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from dynconfig.api.names import OWNER_TAG
from dynconfig.aws.facts import indexed_types
from dynconfig.model.resource import Owner

if TYPE_CHECKING:
    from mypy_boto3_resourcegroupstaggingapi.client import ResourceGroupsTaggingAPIClient
    from mypy_boto3_resourcegroupstaggingapi.type_defs import TagFilterTypeDef

PAGE = 100
# A refresh for one object reads only its own tag, unless all objects together take few pages.
FEW = 5 * PAGE
FRESH_SECONDS = 600.0
CLOSELY_SECONDS = 10.0

Pairs = tuple[tuple[str, str], ...]


class TagIndex:
    """An index, thread-safe; reads are shared. AWS's tag index lags, so its results are only hints.

    Not a TtlCache: it is read as a whole, and how old it may be depends on who asks.
    """

    resource_type: ClassVar[str]
    """The resource type in GetResources."""
    before_name: ClassVar[str]
    """The text before the name in an ARN."""

    def __init__(self, tagging: "ResourceGroupsTaggingAPIClient", clock: Callable[[], float]) -> None:
        self._tagging = tagging
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._tags: dict[str, Pairs] = {}
        self._owned: dict[str, tuple[str, ...]] = {}

    def refresh(self, owner: Owner, *, bypass_cache: bool) -> float:
        """Refresh the index if it is older than ten minutes, or ten seconds with `bypass_cache`; return when it was read."""
        with self._lock:
            now = self._clock()
            age = now - self._read_at
            if age > FRESH_SECONDS or (bypass_cache and age > CLOSELY_SECONDS and len(self._tags) <= FEW):
                self._read_all(owner.cluster)
                self._read_at = now
            elif bypass_cache and age > CLOSELY_SECONDS:
                self._read_one(owner)
                return now
            return self._read_at

    def tags(self, name: str) -> Pairs | None:
        """Return all tags of an owned resource, sorted, or None if it is not in the index."""
        return self._tags.get(name)

    def owned(self, owner: str) -> Sequence[str]:
        """Return the names of all resources with this owner tag."""
        return self._owned.get(owner, ())

    def _read_all(self, cluster: str) -> None:
        self._tags, owned = {}, dict[str, list[str]]()
        shared: dict[Pairs, Pairs] = {}
        for name, tags in self._pages({"Key": OWNER_TAG}):
            # A resource that was released meanwhile is listed without the tag.
            owner = dict(tags).get(OWNER_TAG, "")
            if owner.startswith(f"{cluster}/"):
                # The resources of an object mostly have the same tags: share one tuple, to save memory.
                self._tags[name] = shared.setdefault(tags, tags)
                owned.setdefault(owner, []).append(name)
        self._owned = {owner: tuple(found) for owner, found in owned.items()}

    def _read_one(self, owner: Owner) -> None:
        found = dict(self._pages({"Key": OWNER_TAG, "Values": [owner.tag]}))
        for name in set(self.owned(owner.tag)) - set(found):
            self._tags.pop(name, None)
        self._tags.update(found)
        self._owned[owner.tag] = tuple(found)

    def _pages(self, tag: "TagFilterTypeDef") -> Iterator[tuple[str, Pairs]]:
        pages = self._tagging.get_paginator("get_resources").paginate(
            TagFilters=[tag],
            ResourceTypeFilters=[self.resource_type],
            PaginationConfig={"PageSize": PAGE},
        )
        for resource in (item for page in pages for item in page["ResourceTagMappingList"]):
            name = sys.intern(resource["ResourceARN"].split(self.before_name, 1)[1])
            yield name, tuple(sorted((tag["Key"], tag["Value"]) for tag in resource["Tags"]))


class ParameterTagIndex(TagIndex):
    """The parameters with the owner tag; their names start with a slash."""

    resource_type = "ssm:parameter"
    before_name = ":parameter"


class AlarmTagIndex(TagIndex):
    """The metric and composite alarms with the owner tag."""

    resource_type = "cloudwatch:alarm"
    before_name = ":alarm:"


# Parameters are by far the most.
_TYPES = (
    (ParameterTagIndex.resource_type,),
    tuple(found for found in indexed_types() if found != ParameterTagIndex.resource_type),
)


def owner_tags(tagging: "ResourceGroupsTaggingAPIClient") -> Iterator[tuple[str, str]]:
    """Yield ARN and owner tag of all resources of a region that have one, of any cluster."""
    for types in _TYPES:
        pages = tagging.get_paginator("get_resources").paginate(
            TagFilters=[{"Key": OWNER_TAG}], ResourceTypeFilters=list(types), PaginationConfig={"PageSize": PAGE}
        )
        for resource in (item for page in pages for item in page["ResourceTagMappingList"]):
            tags = {tag["Key"]: tag["Value"] for tag in resource["Tags"]}
            yield resource["ResourceARN"], tags.get(OWNER_TAG, "")
