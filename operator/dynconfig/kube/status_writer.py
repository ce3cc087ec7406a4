"""Writes status and Events of objects."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from dynconfig.api import names
from dynconfig.engine.outcome import Outcome
from dynconfig.kube.client import ApiRefused, ApiUnavailable, Document, Kube
from dynconfig.kube.events import Recorder
from dynconfig.kube.metrics import Metrics
from dynconfig.kube.responses import INVALID
from dynconfig.model import size
from dynconfig.model.declaration import Place
from dynconfig.model.errors import DynConfigError
from dynconfig.model.fingerprint import fingerprint
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.stored import complete, recorded_place
from dynconfig.status import kube_events, progress, report
from dynconfig.status.kube_events import KubeEvent
from dynconfig.validation.declare import is_status_lost

log = logging.getLogger(__name__)


class Refusals:
    """Remembers a digest of the last rejection, by object and kind of write."""

    def __init__(self, state: ObjectState[Key]) -> None:
        self._last: dict[Key, dict[str, int]] = state.new_map()

    def log(self, key: Key, write: str, message: str) -> None:
        """Log a rejected write; a repeated message is logged at DEBUG."""
        known, found = self._last.setdefault(key, {}), fingerprint(message)
        log.log(logging.DEBUG if known.get(write) == found else logging.ERROR, "%s: %s", key, message)
        known[write] = found

    def clear(self, key: Key, write: str) -> None:
        """Forget the last rejection after a successful write."""
        self._last.get(key, {}).pop(write, None)


class StatusWriter:
    """The only writer of object status."""

    def __init__(self, kube: Kube, recorder: Recorder, metrics: Metrics, refusals: Refusals) -> None:
        self._kube = kube
        self._recorder = recorder
        self._metrics = metrics
        self._refusals = refusals

    async def write(self, key: Key, document: Document, status: Mapping[str, Any]) -> Document:
        """Replace the status of an object, shortened if it is too large; return the updated object.

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
                self._refusals.clear(key, "status")
                return written
        # Reconciles depend on spec and AWS only, and Events are still written. The API server validates spec at each status
        # write, and rejects it if a stored field has another type than in the CRD.
        message = next((item["message"] for item in status["conditions"]), "")
        self._refusals.log(key, "status", f"cannot write status ({refusal}); the message would be: {message}")
        return document

    async def _put(self, key: Key, document: Document, status: Mapping[str, Any]) -> Document:
        current = document.get("status")
        previous = current if isinstance(current, Mapping) else {}
        if not report.is_news(status, previous):
            return document
        removed = {field: None for field in previous if field not in status}
        # The UID makes the write fail if the object was deleted and created again.
        patch = {"metadata": {"uid": document["metadata"]["uid"]}, "status": {**removed, **status}}
        return await self._kube.patch_status(key, patch)

    async def write_start(self, key: Key, document: Document, place: Place, now: float) -> Document:
        """Report that writes start, and where: after a crash, incomplete changes must be neither orphaned nor taken for drift.

        Raises ApiRefused, also if the stored object is invalid and in a target: its place has to be known.
        """
        generation, previous = document["metadata"].get("generation", 1), PreviousStatus.of_object(document)
        is_lost = is_status_lost(document)
        status = report.starting(generation, now, place, previous, is_lost=is_lost)
        document = await self.write(key, document, status)
        if place.target is not None and not records(document, place):
            raise ApiRefused(INVALID, "its target cannot be recorded in status, so nothing was written")
        return document

    async def record_place(self, key: Key, document: Document, place: Place) -> Document:
        """Record where an object writes, and keep the rest of its status; return the object as the API server has it then."""
        before = PreviousStatus.of_object(document)
        # Only the status of an object that has the finalizer already may have been lost.
        seen = {} if before.or_none or is_status_lost(document) else {"observedGeneration": names.NO_GENERATION}
        status = {"conditions": [], **complete(before.document), **seen, **report.recorded(place)}
        return await self.write(key, document, status)

    async def write_seen(self, key: Key, document: Document) -> Document:
        """Write the first status of an object that is not written to AWS, unless it has or had one; return the object."""
        before = PreviousStatus.of_object(document)
        if before.or_none or is_status_lost(document):
            return document
        first = {"observedGeneration": names.NO_GENERATION}
        return await self.write(key, document, {"conditions": [], **complete(before.document), **first})

    async def write_failure(
        self,
        key: Key,
        document: Document,
        error: DynConfigError,
        now: float,
        last_change: Outcome | None = None,
    ) -> None:
        """Report an invalid spec or another failure; `now` in seconds since the epoch.

        `last_change` is the outcome of the baking change.
        """
        previous, metadata = PreviousStatus.of_object(document), document["metadata"]
        status = report.failure(
            error,
            metadata.get("generation", 1),
            previous,
            now,
            requested_at(document),
            deleting="deletionTimestamp" in metadata,
            is_lost=is_status_lost(document),
            last_change=last_change,
        )
        await self.write(key, document, status)
        rollback_events = (
            kube_events.events_of(last_change, previous, now)
            if last_change and last_change.declaration.rolled_back
            else []
        )
        await self.record(document, [*rollback_events, *kube_events.error_events(error, previous)])

    async def warn(self, key: Key, event: KubeEvent) -> None:
        """Record an Event on an object by key."""
        try:
            document = await self._kube.object(key)
        except (ApiUnavailable, ApiRefused) as error:
            log.warning("Cannot record an Event for %s (%s): %s", key, error, event.message)
            return
        if document is not None:
            await self.record(document, [event])

    async def record(self, document: Mapping[str, Any], events: Iterable[KubeEvent]) -> None:
        """Record and count Events."""
        for event in events:
            self._metrics.kube_event(event.reason)
            await self._recorder.record(document, event)


def records(document: Mapping[str, Any], place: Place) -> bool:
    """Whether status has target and account of a place: the API server drops fields that an older CRD does not have."""
    recorded, target = recorded_place(document.get("status")), place.target
    named = (target.name, target.account) if target else ("", "")
    return recorded is not None and (recorded.target, recorded.account) == named


class Announcement:
    """Records resources in status before they are created, from the thread of a reconcile."""

    def __init__(self, writer: StatusWriter, key: Key, document: Document) -> None:
        self.document = document
        """The object as last read or written."""
        self._writer = writer
        self._key = key
        self._loop = asyncio.get_running_loop()

    def announce(self, planned: Outcome) -> None:
        """Write planned creations to status, if any, and wait for the response. Raises ApiConflict, ApiUnavailable."""
        status = progress.with_creations(planned, PreviousStatus.of_object(self.document))
        if status is None:
            return
        writing = self._writer.write(self._key, self.document, status)
        try:
            self.document = asyncio.run_coroutine_threadsafe(writing, self._loop).result()
        except ApiRefused as error:
            raise ApiUnavailable(f"cannot write status, so nothing was created: {error}") from None


def requested_at(document: Mapping[str, Any]) -> str | None:
    """Return the value of the reconcile-requested-at annotation, if any."""
    found: str | None = (document["metadata"].get("annotations") or {}).get(names.RECONCILE_REQUESTED_AT)
    return found


def log_result(key: Key, status: Mapping[str, Any], outcome: Outcome) -> None:
    """Log a reconcile: at INFO if it made changes or failed, else at DEBUG."""
    ready = status["conditions"][0]
    level = logging.INFO if outcome.applied or outcome.error else logging.DEBUG
    log.log(level, "%s: %s: %s (%d changes)", key, ready["reason"], ready["message"], len(outcome.applied))


def log_failure(key: Key, document: Mapping[str, Any], error: DynConfigError) -> None:
    """Log a failure: at INFO once per generation, else at DEBUG; `document` holds the status before this failure."""
    previous, generation = PreviousStatus.of_object(document), document["metadata"].get("generation", 1)
    seen = {item.generation for item in previous.conditions.values()}
    level = logging.DEBUG if generation in seen and previous.reports(str(error)) else logging.INFO
    log.log(level, "%s: %s: %s", key, error.reason, error)
