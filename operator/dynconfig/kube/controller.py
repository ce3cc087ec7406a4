"""The reconciler: reads an object and its Secrets, runs the engine, writes status and Events, and requeues."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import TypeVar

from dynconfig.api import names
from dynconfig.api.status import Reason
from dynconfig.aws.quota import Caller
from dynconfig.engine import drift
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import ALARM_SECONDS
from dynconfig.events.own_calls import collect_requests
from dynconfig.events.resource_index import ResourceIndex, adopts
from dynconfig.events.routing import EventPlaces, EventRouter
from dynconfig.kube.acceptance import Acceptance
from dynconfig.kube.client import ApiConflict, ApiRefused, ApiUnavailable, Document
from dynconfig.kube.declarations import Declarations
from dynconfig.kube.dependencies import Dependencies
from dynconfig.kube.event_warnings import EventWarnings
from dynconfig.kube.finalizer import DeletionCheck, has_finalizer, remove_finalizer
from dynconfig.kube.internal import bug
from dynconfig.kube.moves import Moves
from dynconfig.kube.object_tracker import ObjectTracker
from dynconfig.kube.orphan_watch import ExistingObjects
from dynconfig.kube.quota_reports import QuotaReports
from dynconfig.kube.references import References
from dynconfig.kube.requeue_policy import LONGEST_BACKOFF, RequeuePolicy, Turn
from dynconfig.kube.settled_objects import SettledObjects
from dynconfig.kube.shards import ObjectReceiver, ServedShards
from dynconfig.kube.status_writer import Announcement, Refusals, StatusWriter, log_failure, log_result, requested_at
from dynconfig.kube.traces import trace
from dynconfig.kube.work_queue import Backlog, Priority, WorkQueue
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import (
    GRANTS_NOTHING,
    PASSES_SOON,
    WITHOUT_ACCESS,
    AccessDenied,
    DynConfigError,
    Refused,
    Retryable,
)
from dynconfig.model.fence import LeaseLost
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.rollout.last_change import last_change
from dynconfig.status import kube_events, report
from dynconfig.status.readiness import rollback_message
from dynconfig.validation.declare import declare_deletion, is_written, keeping, was_observed, wrote_nothing
from dynconfig.validation.deletion_checks import check_region
from dynconfig.validation.secret_checks import AnswerBudget

log = logging.getLogger(__name__)

T = TypeVar("T")


class Controller:
    """Processes the work queue. An object is never reconciled concurrently with itself."""

    def __init__(self, dependencies: Dependencies, work_queue: WorkQueue, workers: int) -> None:
        self._deps = dependencies
        # What is remembered of an object: by UID; by key, of the object last reconciled, and of the one that exists, which
        # may be another one with the same name.
        self._objects = ObjectState[str]()
        self._reconciled, self._existing = ObjectState[Key](), ObjectState[Key]()
        self._shards = ServedShards(dependencies.shards)
        self._requeues = RequeuePolicy(
            work_queue,
            dependencies.clock,
            dependencies.now,
            self._reconciled,
            self._shards.serves,
            leave=self._shards.leave,
        )
        self._workers = workers
        self._progress_at = dependencies.clock()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="reconcile")
        self._answers = AnswerBudget(dependencies.clock)
        self.references = References(self._requeues.requeue)
        """Which objects refer to which Secret or ConfigMap."""
        self._declarations = Declarations(dependencies, self.references, self._answers)
        self._tracker = ObjectTracker(dependencies.clock, self._reconciled, self._existing)
        self._index = ResourceIndex(dependencies.region, dependencies.tenant_of, dependencies.targets)
        requeue_drifted = partial(self._requeues.requeue, priority=Priority.DRIFT)
        self.router = EventRouter(self._index, requeue_drifted, dependencies.now, self._existing, self._shards.shard_of)
        self.moves = Moves(
            self._index,
            self._requeues.requeue,
            dependencies.now,
            dependencies.clock,
            dependencies.move_seconds,
            reconciled=self._reconciled,
            existing=self._existing,
        )
        self._places = EventPlaces(dependencies.start_listener, dependencies.release_listener)
        self._refusals = Refusals(self._reconciled)
        self._status = StatusWriter(dependencies.kube, dependencies.recorder, dependencies.metrics, self._refusals)
        self._acceptance = Acceptance(dependencies, self._tracker, self._status, self._refusals)
        self._quota_reports = QuotaReports(dependencies.clock, self._reconciled)
        self._settled = SettledObjects(
            dependencies.engine,
            dependencies.now,
            tracker=self._tracker,
            requeues=self._requeues,
            state=self._reconciled,
        )
        self._deletion_check = DeletionCheck(dependencies.clock, dependencies.deletion_check_seconds, self._objects)
        for forget_uid in (dependencies.engine.forget, dependencies.recorder.forget):
            self._objects.on_forget(forget_uid)
        for forget_key in (self.references.forget, dependencies.metrics.forget, dependencies.quota.forget):
            self._reconciled.on_forget(forget_key)
        for forget_key in (self._index.forget, self._places.forget, self._forget_namespace_of):
            self._existing.on_forget(forget_key)
        self.objects = ObjectReceiver(
            shards=self._shards,
            tracker=self._tracker,
            index=self._index,
            requeues=self._requeues,
            moves=self.moves,
            router=self.router,
            places=self._places,
            existing=self._existing,
            forget=(self._reconciled.forget, self._forget_uid),
            unsettle=self._settled.forget,
            default_region=dependencies.region,
            targets=dependencies.targets,
        )
        """Takes objects from the API server, and shards from the leases."""
        self.event_warnings = EventWarnings(self.objects, self._index, self._places, self._requeues, self._status)

    def oldest_observation(self) -> float:
        """Return the age of the least recent observation of AWS among all objects, in seconds."""
        return self._requeues.oldest_observation()

    def existing(self) -> ExistingObjects:
        """Return UIDs and regions of all existing objects."""
        return self._tracker.existing()

    def standstill(self) -> float:
        """Return for how long objects have been due without a reconcile that began, called AWS or ended, in seconds."""
        seconds = min(self._deps.clock() - self._progress_at, self._deps.quota.idle())
        return seconds if self._requeues.waiting() else 0.0

    def waiting(self) -> int:
        """Return the number of objects that are due and not being reconciled yet."""
        return self._requeues.waiting()

    def backlogs(self) -> Mapping[Priority, Backlog]:
        """Return the objects of each priority that are due and not being reconciled yet."""
        return self._requeues.backlogs()

    def requeue(self, key: Key) -> None:
        """Reconcile an object now: one of its dependencies changed, or it may have been deleted."""
        self._requeues.requeue(key)

    def requeue_all(self, namespaces: Collection[str] | None = None) -> None:
        """Reconcile all objects, or those of some namespaces, with the lowest priority: their access rights changed."""
        self.objects.observe_rest()
        if namespaces is None:
            self._settled.forget_all()
        for key in self._requeues.tracked():
            if namespaces is None or key.namespace in namespaces:
                self._settled.forget(key)
                self._requeues.requeue(key, Priority.RESYNC)

    async def run(self) -> None:
        """Reconcile due objects until cancelled; running reconciles are finished first."""
        free = asyncio.Semaphore(self._workers)
        self._deps.quota.call_back = partial(self._requeue_from_thread, asyncio.get_running_loop())
        try:
            while True:
                await free.acquire()
                key = await self._requeues.next()
                self._progress_at = self._deps.clock()
                log.debug("Reconciling %s", key)
                task = asyncio.create_task(self._process(key), name=f"reconcile {key}")
                self._shards.running[task] = self._shards.shard_of(key)
                task.add_done_callback(partial(self._finish, key, free))
        finally:
            if self._shards.running:
                await asyncio.wait(self._shards.running)
            self._threads.shutdown()
            self._declarations.close()

    def _requeue_from_thread(self, loop: asyncio.AbstractEventLoop, key: Key) -> None:
        """Continue an object whose turn for an AWS quota is near; it is queued already, with its priority and for later."""
        loop.call_soon_threadsafe(self._requeues.requeue_after, key, 0.0, Priority.RESYNC)

    def _finish(self, key: Key, free: asyncio.Semaphore, task: asyncio.Task[None]) -> None:
        """Release the worker; log a failure that could not be reported in status, and retry with backoff."""
        self._shards.running.pop(task)
        self._progress_at = self._deps.clock()
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.error("Reporting the status of %s failed (operator bug):\n%s", key, trace(failure))
            self._requeues.continue_after(key, self._requeues.backoff(key), Priority.RESYNC)
        self._requeues.done(key)
        free.release()

    async def _process(self, key: Key) -> None:
        started, fence = self._deps.clock(), self._shards.fence(key)
        if fence is None:
            return
        try:
            with fence.within():
                reason = await self._reconcile_safely(key)
        except LeaseLost as error:
            reason = "LeaseLost"
            log.info("%s: stopped: %s", key, error)
            # The lease may only have been renewed late; if it is lost, this replica no longer serves the object.
            self._requeues.continue_after(key, self._requeues.backoff(key), self._requeues.priority(key))
        except (ApiUnavailable, ApiConflict) as error:
            reason = error.reason
            self._requeues.continue_after(key, self._requeues.retry_delay(key, error), self._requeues.priority(key))
        except ApiRefused as error:
            reason = "ApiRefused"
            self._refusals.log(key, "object", f"the API server rejected a write of the operator: {error}")
            self._requeues.continue_after(key, self._requeues.backoff(key), Priority.RESYNC)
        else:
            self._refusals.clear(key, "object")
        self._deps.metrics.reconciled(reason, self._deps.clock() - started)

    async def _reconcile_safely(self, key: Key) -> str:
        """Reconcile an object and return the reason; an unexpected exception is reported on the object."""
        try:
            return await self._reconcile(key)
        except (ApiUnavailable, ApiConflict, LeaseLost):
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
        has_events = self.router.take(key) is not None
        try:
            confirmed = await self._settled.confirm(key, self._in_thread, has_events=has_events)
            return confirmed or await self._reconcile_object(key)
        finally:
            # Whatever it did not observe, the next one does.
            self.router.end(key)

    async def _reconcile_object(self, key: Key) -> str:
        document = await self._read(key)
        if document is None:
            return "Gone"
        if "deletionTimestamp" in document["metadata"]:
            return await self._finalize(key, document)
        if was_observed(document):
            # `kubectl replace` drops finalizers. The object owns AWS resources, even if its spec is invalid now.
            document = await self._acceptance.ensure_finalizer_if_valid(key, document)
        try:
            declaration = await self._declarations.of(key, document)
        except DynConfigError as error:
            return await self._handle_declare_error(key, document, error)
        if is_written(document) and (fence := self._shards.fence(key)):
            self._places.track(key, declaration.place, fence)
        if not was_observed(document):
            document = await self._acceptance.start(key, document, declaration)
        return await self._reconcile_declaration(key, document, declaration)

    def _with_events(self, key: Key, declaration: Declaration) -> Declaration:
        """Return the declaration with the resources that events reported, to which it is limited if nothing else is due."""
        if (events := self.router.taken(key)) is None:
            return self._requeues.narrowed_if_polling(key, declaration)
        is_whole = events.is_repeated or self._requeues.is_whole(key)
        return replace(declaration, changed=dict(events.of), observes_all=is_whole)

    def _record_observed(self, key: Key, outcome: Outcome) -> None:
        """Record which events need no other reconcile, when the result of this one is in status."""
        if (events := self.router.taken(key)) is None:
            return
        first = self.router.observed(key, outcome.unobserved(events.of))
        if first is not None:
            self._deps.metrics.event_handled(self._deps.now() - first)

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

    async def _handle_declare_error(self, key: Key, document: Document, error: DynConfigError) -> str:
        """Report that spec is invalid or a source is missing. Raises ApiUnavailable if that is not known."""
        if isinstance(error, ApiUnavailable):
            raise error
        if adopts(document) and not isinstance(error, WITHOUT_ACCESS):
            try:
                document = await self._acceptance.receive(key, document)
            except WITHOUT_ACCESS as changed:
                # Its target was deleted or changed meanwhile.
                error = changed
        return await self._fail(key, document, error, await self._evaluate_last_change(key, document))

    async def _evaluate_last_change(self, key: Key, document: Document) -> Outcome | None:
        """Evaluate the baking change although spec is invalid, since it is still rolled back if an alarm fires."""
        try:
            target = self._deps.targets.chosen(document)
            rights = self._deps.rights_of(key.namespace, target)
            owner, default, tenant = self._deps.owner_of(document), rights["default_region"], rights["tenant"]
            declaration = last_change(document, owner=owner, default_region=default, tenant=tenant, target=target)
            if declaration is None:
                return None
            await self._deps.targets.verify(target)
        except DynConfigError:
            return None
        outcome, _document = await self._run_engine(key, document, declaration)
        if outcome.applied:
            log.info("%s: %s: %s", key, Reason.ROLLED_BACK, rollback_message(outcome))
        return outcome

    async def _run_engine(self, key: Key, document: Document, declaration: Declaration) -> tuple[Outcome, Document]:
        """Run the engine in a thread; return the outcome, and the object with the status written during the run."""
        declaration = self.moves.with_successors(key, declaration)
        turn = Turn(
            self._deps.clock,
            self._deps.turn_seconds,
            began=self._requeues.taken_at(key),
            may_continue=partial(self._requeues.may_continue, key),
        )
        announcement = Announcement(self._status, key, document)
        fence = self._shards.fence(key)
        caller, now = Caller(key, is_background=self._requeues.priority(key) is Priority.RESYNC), self._deps.now()

        def keep_going() -> bool:
            return turn.has_time_left() and self._shards.fence(key) is fence

        def announce(planned: Outcome) -> None:
            caller.writes = planned.writes
            announcement.announce(planned)
            turn.planned()

        def run() -> Outcome:
            found = self._deps.engine.run(declaration, keep_going, now, announce)
            return replace(found, quota_wait=self._deps.quota.longest_wait(caller, found.writes))

        requests: list[str] = []
        try:
            outcome = await self._in_thread(caller, partial(collect_requests, requests, run))
        except LeaseLost:
            raise
        except Exception as failure:  # noqa: BLE001 - reported in status, so that a deletion can be abandoned
            outcome = Outcome(declaration, stopped=bug(key, failure))
        self.router.record_own_writes(key, requests)
        return outcome, announcement.document

    async def _reconcile_declaration(self, key: Key, document: Document, declaration: Declaration) -> str:
        outcome, document = await self._run_engine(key, document, self._with_events(key, declaration))
        declaration = outcome.declaration
        previous, now = PreviousStatus.of_object(document), self._deps.now()
        self._deps.metrics.drifted(key, len(drift.new(outcome, previous)))
        status = report.status(outcome, previous, now, requested_at(document))
        is_background = self._requeues.priority(key) is Priority.RESYNC
        if self._quota_reports.is_due(key, outcome, previous, requested_at(document), is_background=is_background):
            document = await self._status.write(key, document, status)
            log_result(key, status, outcome)
        await self._status.record(document, kube_events.events_of(outcome, previous, now))
        self._record_observed(key, outcome)
        self._settled.record(key, outcome, document, status)
        self._requeues.schedule_next(key, outcome)
        self.moves.handle_outcome(key, outcome)
        if declaration.deleting and outcome.is_complete:
            if (delay := self._deletion_check.delay(outcome)) is None:
                await self._remove_finalizer(key, document)
            else:
                self._requeues.requeue_after(key, delay, Priority.EDIT)
        return str(status["conditions"][0]["reason"])

    async def _finalize(self, key: Key, document: Document) -> str:
        if not has_finalizer(document):
            self._forget(key, document["metadata"]["uid"])
            return "Gone"
        self._answers.forget(key.namespace, document["metadata"]["uid"])
        is_abandoned = (document["metadata"].get("annotations") or {}).get(names.ABANDON) == "true"
        if self._deps.has_nothing(document, self._index.target(document)):
            # Its author set the finalizer: no region or target is used for an object that its namespace may not have.
            await self._remove_finalizer(key, document)
            return "Gone"
        try:
            declaration = await self._declare_deletion(document)
        except ApiUnavailable:
            raise
        except DynConfigError as error:
            return await self._finalize_without_place(key, document, error, is_abandoned=is_abandoned)
        if is_abandoned:
            return await self._abandon(key, document, declaration)
        if await self._deps.kube.is_deleted_with_definition(document):
            # Deleting the CRD deletes all objects, but must not delete their AWS resources.
            declaration = keeping(declaration)
        return await self._reconcile_declaration(key, document, declaration)

    async def _declare_deletion(self, document: Document) -> Declaration:
        """Return the declaration of a deleted object. Raises DynConfigError if its target or region cannot be used."""
        target = await self._deps.target_of_deletion(document)
        default, owner = target.region if target else self._deps.region, self._deps.owner_of(document)
        declaration = declare_deletion(document, owner=owner, default_region=default, target=target)
        check_region(declaration.place.region, default, self._deps.is_region)
        return declaration

    async def _finalize_without_place(
        self, key: Key, document: Document, error: DynConfigError, *, is_abandoned: bool
    ) -> str:
        """Delete an object whose target or region cannot be used: only if nothing was written, or its resources are given up."""
        if isinstance(error, GRANTS_NOTHING) and wrote_nothing(document):
            await self._remove_finalizer(key, document)
            return "Gone"
        if not is_abandoned or isinstance(error, PASSES_SOON):
            return await self._fail(key, document, error)
        owner = self._deps.owner_of(document)
        declaration = declare_deletion(document, owner=owner, default_region=self._deps.region)
        return await self._leave(key, document, declaration, str(error))

    async def _leave(self, key: Key, document: Document, declaration: Declaration, marked: str) -> str:
        """Remove the finalizer of an abandoned object. `marked` says which marks are left, as kube_events.abandoned."""
        left = kube_events.abandoned(declaration, marked, status=document.get("status"))
        await self._status.record(document, [left])
        await self._remove_finalizer(key, document)
        return "Abandoned"

    async def _abandon(self, key: Key, document: Document, declaration: Declaration) -> str:
        """Remove the operator's tags and labels within one turn, and the finalizer if that was enough."""
        deadline = self._deps.clock() + self._deps.turn_seconds
        run = partial(self._deps.engine.abandon, declaration, lambda: self._deps.clock() < deadline)
        done = await self._in_thread(Caller(key), run)
        if done.is_over:
            return await self._leave(key, document, declaration, done.left)
        delay = self._requeues.retry_delay(key, done.throttled) if done.throttled else 0.0
        self._requeues.requeue_after(key, delay, Priority.EDIT)
        return "Abandoning"

    async def _in_thread(self, caller: Caller, work: Callable[[], T]) -> T:
        """Run work that calls AWS on behalf of an object in a thread, behind the fence of this task."""
        loop, within = asyncio.get_running_loop(), copy_context().run
        return await loop.run_in_executor(self._threads, within, self._deps.quota.run, caller, work)

    async def _fail(
        self,
        key: Key,
        document: Document,
        error: DynConfigError,
        last_change: Outcome | None = None,
    ) -> str:
        """Report an error in status and requeue. AWS is not modified, except for a rollback of the baking change."""
        await self._status.write_failure(key, document, error, self._deps.now(), last_change)
        log_failure(key, document, error)
        delay = self._requeues.retry_delay(key, error) if isinstance(error, Retryable) else LONGEST_BACKOFF
        if last_change is not None and not (last_change.is_complete and last_change.requeue_after is None):
            delay = min(delay, ALARM_SECONDS if last_change.requeue_after is None else last_change.requeue_after)
        self._requeues.schedule_failed(key, delay)
        return error.reason

    async def _remove_finalizer(self, key: Key, document: Document) -> None:
        await remove_finalizer(self._deps.kube, key, document["metadata"]["uid"])
        self._forget(key, document["metadata"]["uid"])

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

    def _forget_namespace_of(self, key: Key) -> None:
        """Forget what is known of a namespace after its last object."""
        if not self._tracker.has_objects(key.namespace):
            self._answers.forget_namespace(key.namespace)

    def _forget_uid(self, key: Key, uid: str) -> None:
        self._objects.forget(uid)
        self._answers.forget(key.namespace, uid)
