"""Polls the policy file and the namespace labels of a shared cluster, so that new grants take effect soon."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from dynconfig.kube.client import ApiConflict, ApiRefused, ApiUnavailable, Kube

log = logging.getLogger(__name__)

# The kubelet updates a mounted ConfigMap within about a minute.
INTERVAL_SECONDS = 10.0


class Grants(Protocol):
    """The grants of namespaces."""

    @property
    def needs_labels(self) -> bool:
        """Whether a rule selects namespaces by their labels."""

    def set_labels(self, labels: Mapping[str, Mapping[str, str]]) -> Collection[str]:
        """Set the labels of all namespaces; return the namespaces that may use something else now."""

    def reload(self) -> bool:
        """Reload a changed policy; return whether a new one is in effect."""


class PolicyWatch:
    """Checks policy and labels every few seconds, and calls `changed` after a change of what namespaces may use.

    `changed` is called with these namespaces; None means all.
    """

    def __init__(self, kube: Kube, grants: Grants, changed: Callable[[Collection[str] | None], None]) -> None:
        self._kube = kube
        self._grants = grants
        self._changed = changed
        self._is_denied = False

    async def run(self) -> None:
        """Check until cancelled; after a failure, the last known state stays in effect."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            await self.check()

    async def check(self) -> None:
        """Check policy and labels once."""
        is_reloaded = await asyncio.to_thread(self._grants.reload)
        changed = await self._update_labels() if self._grants.needs_labels else ()
        if is_reloaded or changed:
            self._changed(None if is_reloaded else changed)

    async def _update_labels(self) -> Collection[str]:
        try:
            labels = await self._kube.namespace_labels()
        except ApiRefused as error:
            if not self._is_denied:
                log.error("Rules with namespaceSelector grant nothing: cannot list namespaces: %s", error)
            self._is_denied = True
            return await asyncio.to_thread(self._grants.set_labels, {})
        except (ApiConflict, ApiUnavailable) as error:
            log.warning("Cannot list namespaces; their last known labels stay in effect: %s", error)
            return ()
        self._is_denied = False
        return await asyncio.to_thread(self._grants.set_labels, labels)
