"""The reconciler: reads an object and its Secrets, runs the engine, writes status and Events, and requeues."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from dynconfig.api import names
from dynconfig.api.status import Reason
from dynconfig.engine import drift
from dynconfig.engine.orphans import region_in_use
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import ALARM_SECONDS, Abandonment
from dynconfig.events.own_calls import collect_requests
from dynconfig.events.resource_index import ResourceIndex, adopts
from dynconfig.events.routing import EventRegions, EventRouter
from dynconfig.kube import sources as source_objects
from dynconfig.kube.client import ApiConflict, ApiRefused, ApiUnavailable, Document
from dynconfig.kube.dependencies import Dependencies
from dynconfig.kube.finalizer import DeletionCheck, add_finalizer, has_finalizer, remove_finalizer
from dynconfig.kube.internal import bug
from dynconfig.kube.moves import Moves
from dynconfig.kube.namespace_limiter import MAX_CONCURRENT, NamespaceLimiter
from dynconfig.kube.object_tracker import ObjectTracker
from dynconfig.kube.orphan_watch import ExistingObjects
from dynconfig.kube.requeue_policy import LONGEST_BACKOFF, RequeuePolicy, Turn
from dynconfig.kube.responses import INVALID
from dynconfig.kube.status_writer import Announcement, Refusals, StatusWriter, log_failure, log_result, requested_at
from dynconfig.kube.traces import trace
from dynconfig.kube.work_queue import Priority, WorkQueue
from dynconfig.model import size
from dynconfig.model.declaration import Declaration, ReadSource
from dynconfig.model.errors import AccessDenied, DynConfigError, Refused, Retryable
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.stored import spec_of
from dynconfig.rollout.last_change import last_change
from dynconfig.status import kube_events, report
from dynconfig.status.readiness import rollback_message
from dynconfig.validation.declare import (
    checked_spec,
    declare,
    declare_deletion,
    keeping,
    sources,
    was_answered,
    was_observed,
)
from dynconfig.validation.secret_checks import AnswerBudget

log = logging.getLogger(__name__)

# Limit of Events for a whole region: it may have thousands of objects, and each Event is an API write.
MAX_REGION_EVENTS = 20
T = TypeVar("T")


class Controller:
    """Processes the work queue. An object is never reconciled concurrently with itself."""

    def __init__(self, dependencies: Dependencies, work_queue: WorkQueue, workers: int) -> None:
        self._deps = dependencies
        # What is remembered of an object: by UID; by key, of the object last reconciled, and of the one that exists, which
        # may be another one with the same name.
        self._objects = ObjectState[str]()
        self._reconciled, self._existing = ObjectState[Key](), ObjectState[Key]()
        self._requeues = RequeuePolicy(work_queue, dependencies.clock, dependencies.now, self._reconciled)
        self._workers = workers
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="reconcile")
        self._checks = ThreadPoolExecutor(MAX_CONCURRENT, thread_name_prefix="check")
        self._limiter = NamespaceLimiter(MAX_CONCURRENT)
        self._answers = AnswerBudget(dependencies.clock)
        self.references = source_objects.References(self._requeues.requeue)
        """Which objects refer to which Secret or ConfigMap."""
        self._tracker = ObjectTracker(dependencies.clock, self._reconciled, self._existing)
        self._index = ResourceIndex(dependencies.region, dependencies.tenant_of)
        self.router = EventRouter(self._index, self._requeues.requeue, dependencies.now, self._existing)
        self.moves = Moves(
            self._index,
            self._requeues.requeue,
            dependencies.now,
            dependencies.move_seconds,
            reconciled=self._reconciled,
            existing=self._existing,
        )
        self._regions = EventRegions(dependencies.start_listener, dependencies.release_listener)
        self._refusals = Refusals(self._reconciled)
        self._status = StatusWriter(dependencies.kube, dependencies.recorder, dependencies.metrics, self._refusals)
        self._deletion_check = DeletionCheck(dependencies.clock, dependencies.deletion_check_seconds, self._objects)
        for forget_uid in (dependencies.engine.forget, dependencies.recorder.forget):
            self._objects.on_forget(forget_uid)
        for forget_key in (self.references.forget, dependencies.metrics.forget):
            self._reconciled.on_forget(forget_key)
        for forget_key in (self._index.forget, self._regions.forget):
            self._existing.on_forget(forget_key)
        self._tasks: set[asyncio.Task[None]] = set()

    def oldest_observation(self) -> float:
        """Return the age of the least recent observation of AWS among all objects, in seconds."""
        return self._requeues.oldest_observation()

    def existing(self) -> ExistingObjects:
        """Return UIDs and regions of all existing objects."""
        return self._tracker.existing()

    def waiting(self) -> int:
        """Return the number of objects that are due and not being reconciled yet."""
        return self._requeues.waiting()

    def object_changed(self, document: Mapping[str, Any], event: str | None) -> None:
        """Handle an object that was listed (None), ADDED, MODIFIED or DELETED."""
        key = Key(document["metadata"]["namespace"], document["metadata"]["name"])
        try:
            self._handle_change(key, document, event)
        except Exception as failure:  # noqa: BLE001 - one object must not stop the watch
            log.error("Handling a change of %s failed (operator bug):\n%s", key, trace(failure))
            self._requeues.requeue(key)

    def _handle_change(self, key: Key, document: Mapping[str, Any], event: str | None) -> None:
        if event == "DELETED":
            self._index.forget(key)
            self._requeues.requeue(key)
            return
        self.moves.record_generation(key, document["metadata"])
        self._tracker.record(key, document, region_in_use(document, self._deps.region))
        weight = size.weight(document)
        self._requeues.weigh(key, is_large=weight > size.LARGE)
        region = self._index.update(key, document)
        if was_observed(document):
            self._regions.track(key, document, region)
        if not self._tracker.needs_reconcile(key, document):
            return
        if event is None:
            self._requeues.schedule_listed(key, document)
            self.router.replay_unmatched(key)
            if not self._deps.tenant_of(key.namespace).may_use_path(str(spec_of(document).get("path", ""))):
                # The operator or the policy may have changed since the status was written.
                self._requeues.requeue(key)
            return
        log.debug("Received %s (%s)", key, event)
        self._requeues.track(key)
        self.moves.object_edited(key)
        if event == "ADDED" and weight <= size.SMALL:
            self._tracker.cache_created(key, document)
        self._requeues.requeue(key)

    def requeue(self, key: Key) -> None:
        """Reconcile an object now, because one of its dependencies changed."""
        self._requeues.requeue(key)

    def requeue_all(self) -> None:
        """Reconcile all objects with routine priority, because their access rights changed."""
        for key in self._requeues.tracked():
            self._requeues.requeue_after(key, 0.0, Priority.ROUTINE)

    async def warn_event_missing(self, region: str, name: str) -> None:
        """Record a Warning Event on the objects that declare a parameter whose event did not arrive."""
        for key in self._index.naming(region, name):
            await self._status.warn(key, kube_events.event_missing(region, name))

    async def handle_interrupted_events(self, region: str, repaired: str) -> None:
        """Requeue the objects of a region after event delivery was repaired, and record a Warning Event on some."""
        concerned = self._regions.objects(region)
        for key in concerned:
            self._requeues.requeue_after(key, 0.0, Priority.ROUTINE)
        for key in concerned[:MAX_REGION_EVENTS]:
            await self._status.warn(key, kube_events.events_interrupted(region, repaired))

    async def run(self) -> None:
        """Reconcile due objects until cancelled; running reconciles are finished first."""
        free = asyncio.Semaphore(self._workers)
        try:
            while True:
                await free.acquire()
                key = await self._requeues.next()
                log.debug("Reconciling %s", key)
                task = asyncio.create_task(self._process(key), name=f"reconcile {key}")
                self._tasks.add(task)
                task.add_done_callback(partial(self._finish, key, free))
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks)
            self._threads.shutdown()
            self._checks.shutdown()

    def _finish(self, key: Key, free: asyncio.Semaphore, task: asyncio.Task[None]) -> None:
        """Release the worker; log a failure that could not be reported in status, and retry with backoff."""
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.error("Reporting the status of %s failed (operator bug):\n%s", key, trace(failure))
            self._requeues.requeue_after(key, self._requeues.backoff(key), Priority.ROUTINE)
        self._requeues.done(key)
        free.release()

    async def _process(self, key: Key) -> None:
        started = self._deps.clock()
        try:
            reason = await self._reconcile_safely(key)
        except (ApiUnavailable, ApiConflict) as error:
            reason = error.reason
            self._requeues.requeue_after(key, self._requeues.retry_delay(key, error), Priority.CHANGE)
        except ApiRefused as error:
            reason = "ApiRefused"
            self._refusals.log(key, "object", f"the API server rejected a write of the operator: {error}")
            self._requeues.requeue_after(key, self._requeues.backoff(key), Priority.ROUTINE)
        else:
            self._refusals.clear(key, "object")
        self._deps.metrics.reconciled(reason, self._deps.clock() - started)

    async def _reconcile_safely(self, key: Key) -> str:
        """Reconcile an object and return the reason; an unexpected exception is reported on the object."""
        try:
            return await self._reconcile(key)
        except (ApiUnavailable, ApiConflict):
            raise
        except ApiRefused as refusal:
            return await self._handle_rejected_write(key, refusal)
        except Exception as failure:  # noqa: BLE001 - reported on the object
            error = bug(key, failure)
            document = await self._deps.kube.object(key)
            return await self._fail(key, document, error) if document else "Gone"

    async def _handle_rejected_write(self, key: Key, error: ApiRefused) -> str:
        """Report a rejected write in status, unless the object no longer exists. Raises ApiRefused if status is rejected, too."""
        document = await self._read(key)
        if document is None:
            return "Gone"
        kind = AccessDenied if error.status in (401, 403) else Refused
        return await self._fail(key, document, kind(f"the operator cannot write this object: {error}"))

    async def _reconcile(self, key: Key) -> str:
        # The events are consumed: if this reconcile fails, the next one observes all resources.
        pending = self.router.take(key)
        document = await self._read(key)
        if document is None:
            return "Gone"
        if "deletionTimestamp" in document["metadata"]:
            return await self._finalize(key, document)
        if was_observed(document):
            # `kubectl replace` drops finalizers. The object owns AWS resources, even if its spec is invalid now.
            document = await self._ensure_finalizer_if_valid(key, document)
        try:
            declaration = await self._declare(key, document)
        except DynConfigError as error:
            return await self._handle_declare_error(key, document, error)
        self._regions.track(key, document, declaration.place.region)
        if not was_observed(document):
            document = await self._start(key, document, declaration)
        if pending is None:
            return await self._reconcile_declaration(
                key, document, self._requeues.narrowed_if_polling(key, declaration)
            )
        reason = await self._reconcile_declaration(key, document, replace(declaration, changed=pending.of))
        self._deps.metrics.event_handled(self._deps.now() - pending.at)
        return reason

    async def _read(self, key: Key) -> Document | None:
        """Return the current object, or None if it no longer exists."""
        reconciled, listed = self._tracker.uids(key)
        document = self._tracker.take_created(key) or await self._deps.kube.object(key)
        if reconciled is not None and (document is None or document["metadata"]["uid"] != reconciled):
            # The object was deleted although it had the finalizer: someone else removed it.
            self._forget_uid(key, reconciled)
        if document is None:
            self._forget(key, listed)
        else:
            self._tracker.record_reconciled(key, document)
        return document

    async def _declare(self, key: Key, document: Document) -> Declaration:
        rights: dict[str, Any] = {
            "default_region": self._deps.region,
            "tenant": self._deps.tenant_of(key.namespace),
            "is_own_layer": self._deps.is_own_layer,
            "is_region": self._deps.is_region,
            "allowed_regions": self._deps.allowed_regions,
        }
        uid = document["metadata"]["uid"]
        with self._answers.turn(key.namespace, uid, was_answered=was_answered(document)) as admit:
            read = await self._read_sources(key, document, rights)
            owner = self._deps.owner_of(document)
            return await self._run_check(key, partial(declare, document, owner=owner, read=read, admit=admit, **rights))

    async def _read_sources(self, key: Key, document: Document, rights: Mapping[str, Any]) -> ReadSource:
        """Read the Secrets and ConfigMaps of an object that its namespace may have."""
        try:
            needed = await self._run_check(key, lambda: sources(checked_spec(document, **rights)))
        except DynConfigError:
            # An object that its namespace may not have causes no read of a Secret, nor does a change of one reconcile it.
            self.references.forget(key)
            raise
        self.references.set_sources(key, needed)
        try:
            return await source_objects.read(self._deps.kube, key.namespace, needed)
        except ApiRefused as error:
            raise AccessDenied(f"cannot read a Secret or ConfigMap: {error}") from None

    async def _run_check(self, key: Key, work: Callable[[], T]) -> T:
        """Run CPU-bound work on a spec (patterns, JSON Schemas, rules) in a thread, limited per namespace."""
        async with self._limiter.slot(key.namespace):
            return await asyncio.get_running_loop().run_in_executor(self._checks, work)

    async def _start(self, key: Key, document: Document, declaration: Declaration) -> Document:
        document = await self._ensure_finalizer(key, document)
        if declaration.suspended:
            return document
        return await self._status.write_start(key, document, self._deps.now())

    async def _ensure_finalizer(self, key: Key, document: Document) -> Document:
        """Add the finalizer before the first write to AWS, so that no resource is orphaned; return the object."""
        if has_finalizer(document):
            return document
        document = await add_finalizer(self._deps.kube, key, document)
        self._tracker.record_reconciled(key, document)
        return document

    async def _ensure_finalizer_if_valid(self, key: Key, document: Document) -> Document:
        """As `_ensure_finalizer`, but continue without it if the stored object no longer matches the CRD."""
        try:
            document = await self._ensure_finalizer(key, document)
        except ApiRefused as error:
            if error.status != INVALID:
                raise
            self._refusals.log(
                key,
                "finalizer",
                f"cannot add the finalizer, so deleting the object will not delete its AWS resources: {error}",
            )
        else:
            self._refusals.clear(key, "finalizer")
        return document

    async def _handle_declare_error(self, key: Key, document: Document, error: DynConfigError) -> str:
        """Report that spec is invalid or a source is missing. Raises ApiUnavailable if that is not known."""
        if isinstance(error, ApiUnavailable):
            raise error
        if adopts(document):
            # Another object may hand over a parameter to it, even if its spec is invalid.
            document = await self._ensure_finalizer_if_valid(key, document)
        return await self._fail(key, document, error, await self._evaluate_last_change(key, document))

    async def _evaluate_last_change(self, key: Key, document: Document) -> Outcome | None:
        """Evaluate the baking change although spec is invalid, since it is still rolled back if an alarm fires."""
        declaration = last_change(
            document,
            owner=self._deps.owner_of(document),
            default_region=self._deps.region,
            tenant=self._deps.tenant_of(key.namespace),
            allowed_regions=self._deps.allowed_regions,
        )
        if declaration is None:
            return None
        outcome, _document = await self._run_engine(key, document, declaration)
        if outcome.applied:
            log.info("%s: %s: %s", key, Reason.ROLLED_BACK, rollback_message(outcome))
        return outcome

    async def _run_engine(self, key: Key, document: Document, declaration: Declaration) -> tuple[Outcome, Document]:
        """Run the engine in a thread; return the outcome, and the object with the status written during the run."""
        declaration = self.moves.with_successors(key, declaration)
        turn = Turn(self._deps.clock, self._deps.turn_seconds)
        announcement = Announcement(self._status, key, document)
        run = partial(self._deps.engine.run, declaration, turn.has_time_left, self._deps.now(), announcement.announce)
        requests: list[str] = []
        try:
            outcome = await asyncio.get_running_loop().run_in_executor(self._threads, collect_requests, requests, run)
        except Exception as failure:  # noqa: BLE001 - reported in status, so that a deletion can be abandoned
            outcome = Outcome(declaration, stopped=bug(key, failure))
        self.router.record_own_writes(key, requests)
        return outcome, announcement.document

    async def _reconcile_declaration(self, key: Key, document: Document, declaration: Declaration) -> str:
        outcome, document = await self._run_engine(key, document, declaration)
        declaration = outcome.declaration
        previous, now = PreviousStatus.of_object(document), self._deps.now()
        self._deps.metrics.drifted(key, len(drift.new(outcome, previous)))
        status = report.status(outcome, previous, now, requested_at(document))
        await self._status.write(key, document, status)
        await self._status.record(document, kube_events.events_of(outcome, previous, now))
        log_result(key, status, outcome)
        self._requeues.schedule_next(key, outcome)
        self.moves.handle_outcome(key, outcome)
        if declaration.deleting and outcome.is_complete:
            if (delay := self._deletion_check.delay(outcome)) is None:
                await self._remove_finalizer(key, document)
            else:
                self._requeues.requeue_after(key, delay, Priority.CHANGE)
        return str(status["conditions"][0]["reason"])

    async def _finalize(self, key: Key, document: Document) -> str:
        if not has_finalizer(document):
            self._forget(key, document["metadata"]["uid"])
            return "Gone"
        self._answers.forget(key.namespace, document["metadata"]["uid"])
        declaration = declare_deletion(document, owner=self._deps.owner_of(document), default_region=self._deps.region)
        if (document["metadata"].get("annotations") or {}).get(names.ABANDON) == "true":
            abandonment = await self._abandon(declaration)
            if not abandonment.is_over:
                self._requeues.requeue_after(key, 0.0, Priority.CHANGE)
                return "Abandoning"
            await self._status.record(document, [kube_events.abandoned(declaration, abandonment.left)])
            await self._remove_finalizer(key, document)
            return "Abandoned"
        if await self._deps.kube.is_deleted_with_definition(document):
            # Deleting the CRD deletes all objects, but must not delete their AWS resources.
            declaration = keeping(declaration)
        return await self._reconcile_declaration(key, document, declaration)

    async def _abandon(self, declaration: Declaration) -> Abandonment:
        """Remove the operator's tags and labels, within one turn."""
        deadline = self._deps.clock() + self._deps.turn_seconds
        run = partial(self._deps.engine.abandon, declaration, lambda: self._deps.clock() < deadline)
        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    async def _fail(
        self, key: Key, document: Document, error: DynConfigError, last_change: Outcome | None = None
    ) -> str:
        """Report an error in status and requeue. AWS is not modified, except for a rollback of the baking change."""
        await self._status.write_failure(key, document, error, self._deps.now(), last_change)
        log_failure(key, document, error)
        delay = self._requeues.retry_delay(key, error) if isinstance(error, Retryable) else LONGEST_BACKOFF
        if last_change is not None and not (last_change.is_complete and last_change.requeue_after is None):
            delay = min(delay, ALARM_SECONDS if last_change.requeue_after is None else last_change.requeue_after)
        self._requeues.requeue_after(key, delay, Priority.ROUTINE)
        return error.reason

    async def _remove_finalizer(self, key: Key, document: Document) -> None:
        uid = document["metadata"]["uid"]
        await remove_finalizer(self._deps.kube, key, uid)
        self._forget(key, uid)

    def _forget(self, key: Key, uid: str | None) -> None:
        """Forget a deleted object."""
        self._reconciled.forget(key)
        if uid is not None:
            self._forget_uid(key, uid)
        if self._tracker.is_replaced(key, uid):
            # An object with the same name was created before the deletion was observed.
            self._requeues.track(key)
            self._requeues.requeue(key)
        else:
            self._existing.forget(key)

    def _forget_uid(self, key: Key, uid: str) -> None:
        self._objects.forget(uid)
        self._answers.forget(key.namespace, uid)
