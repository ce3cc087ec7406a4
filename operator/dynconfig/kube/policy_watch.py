"""Follows the policy of a shared cluster and the labels of its namespaces, so that what is granted counts soon."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from dynconfig.kube.client import ApiConflict, ApiRefused, ApiUnavailable, Kube

log = logging.getLogger(__name__)

# The kubelet brings a changed ConfigMap within a minute or so.
SECONDS = 10.0


class Grants(Protocol):
    """What namespaces may use."""

    @property
    def needs_labels(self) -> bool:
        """Whether a rule selects namespaces by their labels."""

    def label(self, labels: Mapping[str, Mapping[str, str]]) -> bool:
        """Take the labels of all namespaces; answers whether they are others than before."""

    def reload(self) -> bool:
        """Read the policy again where it has changed; answers whether it has."""


class PolicyWatch:
    """Looks at both every few seconds, and has all objects looked at again after a change."""

    def __init__(self, kube: Kube, grants: Grants, changed: Callable[[], None]) -> None:
        self._kube = kube
        self._grants = grants
        self._changed = changed
        self._is_refused = False

    async def run(self) -> None:
        """Follow them, for ever; what cannot be read counts as it was read last."""
        while True:
            await asyncio.sleep(SECONDS)
            await self.look()

    async def look(self) -> None:
        """Look at both once."""
        is_reloaded = await asyncio.to_thread(self._grants.reload)
        is_labelled = await self._label() if self._grants.needs_labels else False
        if is_reloaded or is_labelled:
            self._changed()

    async def _label(self) -> bool:
        try:
            labels = await self._kube.namespace_labels()
        except ApiRefused as error:
            if not self._is_refused:
                log.error("Rules with namespaceSelector grant nothing: namespaces cannot be listed: %s", error)
            self._is_refused = True
            return self._grants.label({})
        except (ApiConflict, ApiUnavailable) as error:
            log.warning("The labels of namespaces count as they were: %s", error)
            return False
        self._is_refused = False
        return self._grants.label(labels)
