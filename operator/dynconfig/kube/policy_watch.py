"""Polls the policy file and the namespace labels of a shared cluster, so that new grants take effect soon."""

import asyncio
import logging
from collections.abc import Callable, Mapping
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

    def set_labels(self, labels: Mapping[str, Mapping[str, str]]) -> bool:
        """Set the labels of all namespaces; return whether they changed."""

    def reload(self) -> bool:
        """Reload a changed policy; return whether a new one is in effect."""


class PolicyWatch:
    """Checks policy and labels every few seconds, and calls `changed` after a change."""

    def __init__(self, kube: Kube, grants: Grants, changed: Callable[[], None]) -> None:
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
        is_relabelled = await self._update_labels() if self._grants.needs_labels else False
        if is_reloaded or is_relabelled:
            self._changed()

    async def _update_labels(self) -> bool:
        try:
            labels = await self._kube.namespace_labels()
        except ApiRefused as error:
            if not self._is_denied:
                log.error("Rules with namespaceSelector grant nothing: cannot list namespaces: %s", error)
            self._is_denied = True
            return self._grants.set_labels({})
        except (ApiConflict, ApiUnavailable) as error:
            log.warning("Cannot list namespaces; their last known labels stay in effect: %s", error)
            return False
        self._is_denied = False
        return self._grants.set_labels(labels)
