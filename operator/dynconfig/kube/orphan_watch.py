"""Counts orphans for Prometheus: AWS resources whose object no longer exists."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from dynconfig.engine.orphans import Orphan
from dynconfig.kube.metrics import Metrics
from dynconfig.model.errors import DynConfigError

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 3600.0
Find = Callable[[str, frozenset[str]], Sequence[Orphan]]
"""Returns the orphans of a region, given the UIDs of all objects."""


@dataclass(frozen=True, slots=True)
class ExistingObjects:
    """UIDs and regions of all existing objects."""

    uids: frozenset[str]
    regions: frozenset[str]
    """Regions that they declare or report."""


class OrphanWatch:
    """Counts orphans at start and every hour."""

    def __init__(
        self,
        existing: Callable[[], ExistingObjects | None],
        metrics: Metrics,
        find: Find,
        region: str,
        *,
        searched: Collection[str],
        namespaces: tuple[str, ...] = (),
    ) -> None:
        self._existing = existing
        self._metrics = metrics
        self._find = find
        self._region = region
        self._searched = frozenset({region, *searched})
        self._namespaces = namespaces

    async def run(self) -> None:
        """Count until cancelled."""
        while True:
            await self.count()
            await asyncio.sleep(INTERVAL_SECONDS)

    async def count(self) -> None:
        """Count in each allowed region that is in use; skip the count while some objects are unknown."""
        existing = self._existing()
        if existing is None:
            log.warning("Orphaned AWS resources are not counted: not all namespaces can be listed. Retrying in an hour")
            return
        for region in sorted((existing.regions | {self._region}) & self._searched):
            await self._count(region, existing.uids)

    async def _count(self, region: str, uids: frozenset[str]) -> None:
        """Count in one region; on failure its metric is kept."""
        try:
            found = await asyncio.to_thread(self._find, region, uids)
        except DynConfigError as error:
            log.warning("Cannot count orphaned AWS resources in %s, retrying in an hour: %s", region, error)
        else:
            # The objects of other namespaces are unknown.
            counted = [orphan for orphan in found if not self._namespaces or orphan.owner.namespace in self._namespaces]
            self._metrics.orphans(region, len(counted))
