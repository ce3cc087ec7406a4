"""The objects that the last reconcile found in sync: a resync of one reads AWS only, and confirms that nothing has changed.

docs/decisions/resyncs-confirm.md says which objects, and why.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from dynconfig.api.status import RENEWAL_SECONDS, Reason
from dynconfig.aws.quota import Caller
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.engine.settled import Settled
from dynconfig.kube.client import Document
from dynconfig.kube.object_tracker import ObjectTracker
from dynconfig.kube.requeue_policy import RequeuePolicy
from dynconfig.kube.work_queue import Priority
from dynconfig.model.errors import DynConfigError, Retryable, Throttled
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.model.timestamps import moment
from dynconfig.status import report

log = logging.getLogger(__name__)

InThread = Callable[[Caller, Callable[[], bool]], Awaitable[bool]]
"""Runs work that calls AWS on behalf of an object in a thread."""


@dataclass(frozen=True, slots=True)
class _Known:
    settled: Settled
    version: str
    """The resourceVersion of the object when its reconcile had ended."""
    reported: float
    """When it was last observed as its status says, in seconds since the epoch."""


class SettledObjects:
    """Remembers objects in sync, and confirms at their resyncs that they still are."""

    def __init__(
        self,
        engine: Engine,
        now: Callable[[], float],
        *,
        tracker: ObjectTracker,
        requeues: RequeuePolicy,
        state: ObjectState[Key],
    ) -> None:
        self._engine = engine
        self._now = now
        self._tracker = tracker
        self._requeues = requeues
        self._known: dict[Key, _Known] = state.new_map()
        self._epoch = 0
        """How often all objects were forgotten."""
        self._began: dict[Key, int] = state.new_map()
        """The epoch in which the turn of an object began."""

    def record(self, key: Key, outcome: Outcome, document: Document, status: Mapping[str, Any]) -> None:
        """Remember an object after a reconcile, if a resync need only confirm it and the API server has its status.

        Not if all objects were forgotten since its turn began: what changed then may not have been read.
        """
        is_current = self._began.pop(key, None) == self._epoch
        settled, stored = Settled.of(outcome), document.get("status") or {}
        if is_current and settled is not None and not report.is_news(status, stored):
            version, reported = document["metadata"]["resourceVersion"], moment(stored["lastObservedTime"])
            self._known[key] = _Known(settled, version, reported)

    def forget_all(self) -> None:
        """Reconcile each object at its next resync, since something else than AWS or the object has changed."""
        self._epoch += 1
        self._known.clear()

    def forget(self, key: Key) -> None:
        """Reconcile an object at its next resync."""
        self._began.pop(key, None)
        self._known.pop(key, None)

    async def confirm(self, key: Key, in_thread: InThread, *, has_events: bool) -> str | None:
        """Begin a turn: return its reason if it needs no reconcile, since the object is in sync or AWS does not answer.

        Its next turn is scheduled then. Otherwise it is forgotten until a reconcile finds it in sync again. Once an hour,
        when status has to be written, it is reconciled in any case.
        """
        self._began[key] = self._epoch
        known = self._known.pop(key, None)
        if known is None or has_events or self._requeues.priority(key) is not Priority.RESYNC:
            return None
        is_reported = 0.0 <= self._now() - known.reported < RENEWAL_SECONDS
        if not is_reported or self._tracker.version(key) != known.version:
            return None
        caller = Caller(key, is_background=True)
        try:
            is_unchanged = await in_thread(caller, partial(self._engine.is_unchanged, known.settled))
        except Retryable as error:
            # A reconcile at once would read the same again. The next turn is one, and reports it if it lasts.
            log.debug("%s was not confirmed: %s", key, error)
            if isinstance(error, Throttled) and self._began.get(key) == self._epoch:
                self._known[key] = known
            self._requeues.schedule_unconfirmed(key, known.settled.place, error)
            return error.reason
        except DynConfigError as error:
            log.debug("%s was not confirmed: %s", key, error)
            return None
        if not is_unchanged or self._began.get(key) != self._epoch:
            return None
        self._known[key] = known
        self._requeues.schedule_confirmed(key, known.settled.resync_seconds)
        return Reason.IN_SYNC
