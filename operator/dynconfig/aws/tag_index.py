"""Indexes of parameters and alarms with the owner tag, each read once for all objects of a cluster."""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from dynconfig.api.names import OWNER_TAG
from dynconfig.aws.facts import indexed_types
from dynconfig.model.errors import Throttled
from dynconfig.model.resource import Owner

if TYPE_CHECKING:
    from mypy_boto3_resourcegroupstaggingapi.client import ResourceGroupsTaggingAPIClient
    from mypy_boto3_resourcegroupstaggingapi.type_defs import TagFilterTypeDef

PAGE = 100
# A refresh for one object reads only its own tag, unless all objects together take few pages.
FEW = 5 * PAGE
FRESH_SECONDS = 600.0
CLOSELY_SECONDS = 10.0
# The previous index is used for so long if the next one cannot be read because of the quota.
THROTTLED_SECONDS = 3600.0

# A read of all owners; no owner tag is empty.
_ALL = ""

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
        """Never held during a call: a call may wait for the quota, on behalf of one object."""
        self._in_progress: dict[str, threading.Event] = {}
        """The reads in progress, of an owner or of all, which are set at their end."""
        self._read_at = float("-inf")
        """When the last read of all began."""
        self._owner_read_at: dict[str, float] = {}
        """When the last read of an owner began, if that is later."""
        self._tags: dict[str, Pairs] = {}
        self._owned: dict[str, tuple[str, ...]] = {}

    def refresh(self, owner: Owner, *, bypass_cache: bool) -> float:
        """Refresh the index if it is older than ten minutes, or ten seconds with `bypass_cache`; return when it was read.

        While one object reads it as a whole, which may take a minute, others use the previous one.
        """
        read_all = partial(
            self._read_once, _ALL, partial(self._is_due, bypass_cache), partial(self._read_all, owner.cluster)
        )
        if self._read_at == float("-inf"):
            while not read_all(waits=True):
                pass
        else:
            try:
                # A small index is soon read, with one call for all that wait.
                read_all(waits=bypass_cache and len(self._tags) <= FEW)
            except Throttled:
                # Many reads of single owners may take its turns.
                if bypass_cache or self._clock() - self._read_at > THROTTLED_SECONDS:
                    raise
        is_due, read_one = partial(self._is_owner_due, owner.tag), partial(self._read_one, owner.tag)
        while bypass_cache and not self._read_once(owner.tag, is_due, read_one, waits=True):
            pass
        return self._owner_at(owner.tag)

    def tags(self, name: str) -> Pairs | None:
        """Return all tags of an owned resource, sorted, or None if it is not in the index."""
        return self._tags.get(name)

    def owned(self, owner: str) -> Sequence[str]:
        """Return the names of all resources with this owner tag."""
        return self._owned.get(owner, ())

    def _read_once(self, part: str, is_due: Callable[[], bool], read: Callable[[], None], *, waits: bool) -> bool:
        """Read a part if it is due and no other thread reads it; return whether it is not due, or was read here.

        With `waits`, wait for the end of a read by another thread, which may have failed.
        """
        with self._lock:
            if not is_due():
                return True
            other = self._in_progress.get(part)
            own = self._in_progress.setdefault(part, threading.Event())
        if other is not None:
            if waits:
                other.wait()
            return False
        try:
            read()
        finally:
            with self._lock:
                del self._in_progress[part]
            own.set()
        return True

    def _is_due(self, bypass_cache: bool) -> bool:
        age = self._clock() - self._read_at
        return age > FRESH_SECONDS or (bypass_cache and age > CLOSELY_SECONDS and len(self._tags) <= FEW)

    def _is_owner_due(self, owner: str) -> bool:
        return self._clock() - self._owner_at(owner) > CLOSELY_SECONDS

    def _owner_at(self, owner: str) -> float:
        return max(self._read_at, self._owner_read_at.get(owner, self._read_at))

    def _read_all(self, cluster: str) -> None:
        began = self._clock()
        found, owned = dict[str, Pairs](), dict[str, list[str]]()
        shared: dict[Pairs, Pairs] = {}
        for name, tags in self._pages({"Key": OWNER_TAG}):
            # A resource that was released meanwhile is listed without the tag.
            owner = _owner_of(tags)
            if owner.startswith(f"{cluster}/"):
                # The resources of an object mostly have the same tags: share one tuple, to save memory.
                found[name] = shared.setdefault(tags, tags)
                owned.setdefault(owner, []).append(name)
        names = {owner: tuple(names) for owner, names in owned.items()}
        with self._lock:
            # What was read of an owner meanwhile is newer; of each page, it is not known when AWS put it together.
            newer = {owner: at for owner, at in self._owner_read_at.items() if at >= began}
            for owner in sorted(newer, key=newer.__getitem__):
                own = ((name, self._tags.get(name, ())) for name in self.owned(owner))
                _replace(found, names, owner, {name: tags for name, tags in own if _owner_of(tags) == owner})
            self._tags, self._owned, self._owner_read_at, self._read_at = found, names, newer, began

    def _read_one(self, owner: str) -> None:
        began = self._clock()
        found = dict(self._pages({"Key": OWNER_TAG, "Values": [owner]}))
        with self._lock:
            # Otherwise a read of all that began later has ended meanwhile.
            if began >= self._read_at:
                _replace(self._tags, self._owned, owner, found)
                self._owner_read_at[owner] = began

    def _pages(self, tag: "TagFilterTypeDef") -> Iterator[tuple[str, Pairs]]:
        pages = self._tagging.get_paginator("get_resources").paginate(
            TagFilters=[tag],
            ResourceTypeFilters=[self.resource_type],
            PaginationConfig={"PageSize": PAGE},
        )
        # Resources with tags of their own still have the tags of their object in common.
        shared: dict[tuple[str, str], tuple[str, str]] = {}
        for resource in (item for page in pages for item in page["ResourceTagMappingList"]):
            name = sys.intern(resource["ResourceARN"].split(self.before_name, 1)[1])
            read = ((sys.intern(tag["Key"]), tag["Value"]) for tag in resource["Tags"])
            yield name, tuple(sorted(shared.setdefault(pair, pair) for pair in read))


def _owner_of(tags: Pairs) -> str:
    return dict(tags).get(OWNER_TAG, "")


def _replace(tags: dict[str, Pairs], owned: dict[str, tuple[str, ...]], owner: str, found: Mapping[str, Pairs]) -> None:
    """Replace what an index has of one owner. A resource that another owner has taken over stays in the index."""
    for name in set(owned.get(owner, ())) - set(found):
        if _owner_of(tags.get(name, ())) == owner:
            del tags[name]
    tags.update(found)
    owned[owner] = tuple(found)


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
