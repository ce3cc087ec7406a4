"""Counts for Prometheus what AWS has of objects that are gone without a deletion."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence

from dynconfig.engine.errors import DynConfigError
from dynconfig.engine.orphans import Orphan, region_in_use
from dynconfig.kube.client import ApiConflict, ApiRefused, ApiUnavailable, Kube
from dynconfig.kube.metrics import Metrics

log = logging.getLogger(__name__)

SECONDS = 3600.0
Find = Callable[[str, frozenset[str]], Sequence[Orphan]]
"""Answers the orphans of a region, by the uids of all objects."""


class OrphanWatch:
    """Counts orphans at the start and every hour."""

    def __init__(
        self,
        kube: Kube,
        metrics: Metrics,
        find: Find,
        region: str,
        *,
        searched: Collection[str],
        namespaces: tuple[str, ...] = (),
    ) -> None:
        self._kube = kube
        self._metrics = metrics
        self._find = find
        self._region = region
        self._searched = frozenset({region, *searched})
        self._namespaces = namespaces

    async def run(self) -> None:
        """Count, for ever; what fails is counted the next time."""
        while True:
            try:
                await self.count()
            except (ApiConflict, ApiRefused, ApiUnavailable) as error:
                log.warning("Orphans in AWS could not be counted: %s", error)
            await asyncio.sleep(SECONDS)

    async def count(self) -> None:
        """Count in every region in use that objects may name. Raises ApiConflict, ApiRefused, ApiUnavailable."""
        regions, uids = {self._region}, set[str]()
        for namespace in self._namespaces or (None,):
            async for document in self._kube.objects(namespace):
                uids.add(document["metadata"]["uid"])
                regions.add(region_in_use(document, self._region))
        for region in sorted(regions & self._searched):
            await self._count(region, frozenset(uids))

    async def _count(self, region: str, uids: frozenset[str]) -> None:
        """Count in one region; where that fails, its metric stays as it is, and the other regions are counted."""
        try:
            found = await asyncio.to_thread(self._find, region, uids)
        except DynConfigError as error:
            log.warning("Orphans in %s could not be counted, which is tried again in an hour: %s", region, error)
        else:
            # Of namespaces that are not served, it is not known which objects exist.
            mine = [orphan for orphan in found if not self._namespaces or orphan.owner.namespace in self._namespaces]
            self._metrics.orphans(region, len(mine))
