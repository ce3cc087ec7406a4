"""An index of the parameters that carry the owner tag, read for all objects of a cluster in one go."""

import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dynconfig.api.names import OWNER_TAG

if TYPE_CHECKING:
    from mypy_boto3_resourcegroupstaggingapi.client import ResourceGroupsTaggingAPIClient

PAGE = 100
FRESH_SECONDS = 600.0
CLOSELY_SECONDS = 10.0

Pairs = tuple[tuple[str, str], ...]


class TaggedParameters:
    """The index; one reads it, the others wait for that read. AWS's own index lags, so what it says is only a hint."""

    def __init__(self, tagging: "ResourceGroupsTaggingAPIClient", clock: Callable[[], float]) -> None:
        self._tagging = tagging
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._tags: dict[str, Pairs] = {}
        self._owned: dict[str, list[str]] = {}

    def look(self, cluster: str, *, closely: bool) -> float:
        """Have the index no older than ten minutes, or ten seconds for a close look; answers when it was read."""
        with self._lock:
            now = self._clock()
            if now - self._read_at > (CLOSELY_SECONDS if closely else FRESH_SECONDS):
                self._read(cluster)
                self._read_at = now
            return self._read_at

    def tags(self, name: str) -> Pairs | None:
        """All tags of an owned parameter, sorted, or None where the index does not have it."""
        return self._tags.get(name)

    def owned(self, owner: str) -> Sequence[str]:
        """Names of the parameters that carry this owner tag."""
        return tuple(self._owned.get(owner, ()))

    def _read(self, cluster: str) -> None:
        pages = self._tagging.get_paginator("get_resources").paginate(
            TagFilters=[{"Key": OWNER_TAG}],
            ResourceTypeFilters=["ssm:parameter"],
            PaginationConfig={"PageSize": PAGE},
        )
        shared: dict[Pairs, Pairs] = {}
        tags: dict[str, Pairs] = {}
        owned: dict[str, list[str]] = {}
        for resource in (item for page in pages for item in page["ResourceTagMappingList"]):
            found = tuple(sorted((tag["Key"], tag["Value"]) for tag in resource["Tags"]))
            owner = dict(found)[OWNER_TAG]
            if owner.startswith(f"{cluster}/"):
                # The parameters of an object share their tags, and twenty thousand of them one tuple for each object.
                name = sys.intern(resource["ResourceARN"].split(":parameter", 1)[1])
                tags[name] = shared.setdefault(found, found)
                owned.setdefault(owner, []).append(name)
        self._tags, self._owned = tags, owned
