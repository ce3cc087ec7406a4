"""Watches the leases, so that a replica need not wait for its next step to acquire one that was released.

It is only a hint: each step lists all leases, and if they cannot be watched, steps follow at the retry period as before.
"""

import asyncio
import logging
import re
from collections.abc import Callable

from dynconfig.kube.client import ApiRefused, ApiUnavailable, Document, Kube, WatchExpired
from dynconfig.kube.sources import WatchBackoff

log = logging.getLogger(__name__)

SHARD = re.compile(r"dynconfig-shard-([0-9]{1,3})")
REPLICA = "dynconfig-replica-"


async def watch_freed(kube: Kube, namespace: str, freed: Callable[[], object]) -> None:
    """Call `freed` whenever the lease of a shard has no holder or a lease was deleted, until cancelled."""
    backoff, loop, was_refused = WatchBackoff(), asyncio.get_running_loop(), False
    while True:
        began, is_failed = loop.time(), False
        try:
            async for event, document in kube.watch_leases(namespace):
                if _is_freed(event, document):
                    freed()
        except WatchExpired:
            log.debug("The watch of leases expired")
        except (ApiUnavailable, ApiRefused) as error:
            is_failed, is_refused = True, isinstance(error, ApiRefused)
            level = logging.WARNING if is_refused and not was_refused else logging.DEBUG
            log.log(level, "Leases are not watched, so that shards are taken over later: %s", error)
            was_refused = is_refused
        await asyncio.sleep(backoff.delay(loop.time() - began, is_failed=is_failed))


def _is_freed(event: str, document: Document) -> bool:
    name = str((document.get("metadata") or {}).get("name", ""))
    if event == "DELETED":
        return bool(SHARD.fullmatch(name)) or name.startswith(REPLICA)
    return bool(SHARD.fullmatch(name)) and not (document.get("spec") or {}).get("holderIdentity")
