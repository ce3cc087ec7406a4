"""Writes what is reported on an object: its status, and the Events beside it."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from dynconfig.api import names
from dynconfig.engine import kube_events, progress, report, size
from dynconfig.engine.errors import DynConfigError
from dynconfig.engine.kube_events import KubeEvent
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.stored import status_of
from dynconfig.engine.work_queue import Key
from dynconfig.kube.client import ApiRefused, ApiUnavailable, Document, Kube
from dynconfig.kube.events import Recorder
from dynconfig.kube.metrics import Metrics
from dynconfig.kube.refusals import Refusals
from dynconfig.kube.responses import INVALID

log = logging.getLogger(__name__)


class StatusWriter:
    """The only place that writes to the status of an object."""

    def __init__(self, kube: Kube, recorder: Recorder, metrics: Metrics, refusals: Refusals) -> None:
        self._kube = kube
        self._recorder = recorder
        self._metrics = metrics
        self._refusals = refusals

    async def write(self, key: Key, document: Document, status: Mapping[str, Any]) -> Document:
        """The object with this status in the place of its own, shortened where it would not fit.

        Raises ApiConflict, ApiRefused, ApiUnavailable.
        """
        for shortened in (size.fitting(document, status), size.shortest(status)):
            try:
                written = await self._put(key, document, shortened)
            except ApiRefused as error:
                if not (error.is_too_large or error.status == INVALID):
                    raise
                refusal = error
            else:
                self._refusals.end(key, "status")
                return written
        # Nothing depends on it: what is to be done follows from spec and AWS, and Events are written all the same. The API
        # server evaluates the rules of spec at each write of a status, and they fail on a field of another type than the CRD's.
        message = status["conditions"][0]["message"]
        self._refusals.log(key, "status", f"status cannot be written ({refusal}); it would be: {message}")
        return document

    async def _put(self, key: Key, document: Document, status: Mapping[str, Any]) -> Document:
        found = document.get("status")
        previous = found if isinstance(found, Mapping) else {}
        if status == previous:
            return document
        gone = {field: None for field in previous if field not in status}
        # The uid makes this fail, rather than report on another object, where the name was taken anew meanwhile.
        about = {"metadata": {"uid": document["metadata"]["uid"]}, "status": {**gone, **status}}
        return await self._kube.patch_status(key, about)

    async def write_start(self, key: Key, document: Document, now: float) -> Document:
        """Report that writing begins: a large object takes long, and what differs might be taken for drift after a crash."""
        generation = document["metadata"].get("generation", 1)
        return await self.write(key, document, report.starting(generation, now, status_of(document)))

    async def write_failure(
        self, key: Key, document: Document, error: DynConfigError, now: float, last_change: Outcome | None = None
    ) -> None:
        """Report that nothing could be declared, or that the operator failed, `now` in seconds since the epoch.

        `last_change` is what has become of the change that bakes meanwhile.
        """
        previous, metadata = status_of(document), document["metadata"]
        status = report.failure(
            error,
            metadata.get("generation", 1),
            previous,
            now,
            requested_at(document),
            deleting="deletionTimestamp" in metadata,
            last_change=last_change,
        )
        await self.write(key, document, status)
        undone = (
            kube_events.events_of(last_change, previous, now) if last_change and last_change.declaration.undone else []
        )
        await self.record(document, [*undone, *kube_events.error_events(error, previous)])

    async def warn(self, key: Key, note: KubeEvent) -> None:
        """Post an Event beside an object that nothing else is to be done about."""
        try:
            document = await self._kube.object(key)
        except (ApiUnavailable, ApiRefused) as error:
            log.warning("No Event could be written about %s (%s): %s", key, error, note.message)
            return
        if document is not None:
            await self.record(document, [note])

    async def record(self, document: Mapping[str, Any], happened: Iterable[KubeEvent]) -> None:
        """Post Events, and count them."""
        for note in happened:
            self._metrics.kube_event(note.reason)
            await self._recorder.record(document, note)


class Announcement:
    """Writes to the status of one object what is about to be created, from the thread of a reconcile, if that is needed."""

    def __init__(self, writer: StatusWriter, key: Key, document: Document) -> None:
        self.document = document
        """The object as it was last written or read."""
        self._writer = writer
        self._key = key
        self._loop = asyncio.get_running_loop()

    def announce(self, planned: Outcome) -> None:
        """Write it, and wait for the answer. Raises ApiConflict, ApiUnavailable."""
        status = progress.with_creations(planned, status_of(self.document))
        if status is None:
            return
        writing = self._writer.write(self._key, self.document, status)
        try:
            self.document = asyncio.run_coroutine_threadsafe(writing, self._loop).result()
        except ApiRefused as error:
            raise ApiUnavailable(f"status cannot be written, so nothing was created: {error}") from None


def requested_at(document: Mapping[str, Any]) -> str | None:
    """The request for a fresh look, where there is one."""
    found: str | None = (document["metadata"].get("annotations") or {}).get(names.RECONCILE_REQUESTED_AT)
    return found


def log_result(key: Key, status: Mapping[str, Any], outcome: Outcome) -> None:
    """One line for each reconcile that did something, or failed."""
    ready = status["conditions"][0]
    level = logging.INFO if outcome.applied or outcome.error else logging.DEBUG
    log.log(level, "%s: %s: %s (%d changes made)", key, ready["reason"], ready["message"], len(outcome.applied))


def log_failure(key: Key, document: Mapping[str, Any], error: DynConfigError) -> None:
    """One line for each generation that nothing can be declared of; `document` is as it was before this was reported."""
    previous, generation = status_of(document), document["metadata"].get("generation", 1)
    seen = {item.get("observedGeneration") for item in previous.get("conditions") or ()}
    level = logging.DEBUG if generation in seen and kube_events.is_reported(str(error), previous) else logging.INFO
    log.log(level, "%s: %s: %s", key, error.reason, error)
