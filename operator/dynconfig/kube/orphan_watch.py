"""Counts for Prometheus what AWS has of objects that are gone without a deletion."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from dynconfig.engine.errors import DynConfigError
from dynconfig.engine.orphans import Orphan
from dynconfig.kube.metrics import Metrics

log = logging.getLogger(__name__)

SECONDS = 3600.0
Find = Callable[[str, frozenset[str]], Sequence[Orphan]]
"""Answers the orphans of a region, by the uids of all objects."""


@dataclass(frozen=True, slots=True)
class Existing:
    """All objects that exist."""

    uids: frozenset[str]
    regions: frozenset[str]
    """Those that they name or report."""


class OrphanWatch:
    """Counts orphans at the start and every hour."""

    def __init__(
        self,
        existing: Callable[[], Existing | None],
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
        """Count, for ever; what fails is counted the next time."""
        while True:
            await self.count()
            await asyncio.sleep(SECONDS)

    async def count(self) -> None:
        """Count in every region in use that objects may name; nothing while some objects are unknown."""
        existing = self._existing()
        if existing is None:
            log.warning(
                "Orphans in AWS are not counted, since not all namespaces could be read; tried again in an hour"
            )
            return
        for region in sorted((existing.regions | {self._region}) & self._searched):
            await self._count(region, existing.uids)

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
