"""Writes what is reported on an object: its status, and the Events beside it."""

from collections.abc import Iterable, Mapping
from typing import Any

from dynconfig.api import names
from dynconfig.engine import notes, report
from dynconfig.engine.agenda import Key
from dynconfig.engine.errors import DynConfigError
from dynconfig.engine.notes import Note
from dynconfig.engine.stored import status_of
from dynconfig.kube.client import Document, Kube
from dynconfig.kube.events import Recorder
from dynconfig.kube.metrics import Metrics


class StatusWriter:
    """The only place that writes to the status of an object."""

    def __init__(self, kube: Kube, recorder: Recorder, metrics: Metrics) -> None:
        self._kube = kube
        self._recorder = recorder
        self._metrics = metrics

    async def write(self, key: Key, document: Document, status: Mapping[str, Any]) -> Document:
        """The object with this status in the place of its own. Raises ApiConflict, ApiRefused, ApiUnavailable."""
        found = document.get("status")
        previous = found if isinstance(found, Mapping) else {}
        if status == previous:
            return document
        gone = {field: None for field in previous if field not in status}
        # The uid makes this fail, rather than report on another object, where the name was taken anew meanwhile.
        about = {"metadata": {"uid": document["metadata"]["uid"]}, "status": {**gone, **status}}
        return await self._kube.patch_status(key, about)

    async def write_failure(self, key: Key, document: Document, error: DynConfigError, now: float) -> None:
        """Report that nothing could be declared, or that the operator failed, `now` in seconds since the epoch."""
        previous, metadata = status_of(document), document["metadata"]
        status = report.failure(
            error,
            metadata.get("generation", 1),
            previous,
            now,
            requested_at(document),
            deleting="deletionTimestamp" in metadata,
        )
        await self.write(key, document, status)
        await self.record(document, notes.refusals(error, previous))

    async def record(self, document: Mapping[str, Any], happened: Iterable[Note]) -> None:
        """Post Events, and count them."""
        for note in happened:
            self._metrics.told(note.reason)
            await self._recorder.record(document, note)


def requested_at(document: Mapping[str, Any]) -> str | None:
    """The request for a fresh look, where there is one."""
    found: str | None = (document["metadata"].get("annotations") or {}).get(names.RECONCILE_REQUESTED_AT)
    return found
