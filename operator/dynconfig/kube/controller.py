"""From a key to a status: reads the object and its Secrets, runs the engine, writes the report, says when to come back."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from dynconfig.api import names
from dynconfig.api.status import Reason
from dynconfig.engine import drift, kube_events, report, size
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.declare import declare, declare_deletion, keeping, parse_spec, sources, was_answered, was_observed
from dynconfig.engine.errors import AccessDenied, DynConfigError, Refused, Retryable
from dynconfig.engine.last_change import last_change
from dynconfig.engine.orphans import region_in_use
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.own_calls import collecting
from dynconfig.engine.reconcile import ALARM_SECONDS, Abandonment
from dynconfig.engine.resource_index import adopts
from dynconfig.engine.secret_checks import AnswerBudget
from dynconfig.engine.signals import Signal
from dynconfig.engine.stored import spec_of, status_of
from dynconfig.engine.traces import trace
from dynconfig.engine.verdict import undone
from dynconfig.engine.work_queue import Key, Priority, WorkQueue
from dynconfig.kube import sources as references
from dynconfig.kube.client import ApiConflict, ApiRefused, ApiUnavailable, Document
from dynconfig.kube.dependencies import Dependencies
from dynconfig.kube.event_regions import EventRegions
from dynconfig.kube.event_router import EventRouter
from dynconfig.kube.finalizer import has_finalizer, hold, release
from dynconfig.kube.internal import bug
from dynconfig.kube.moves import Moves
from dynconfig.kube.object_tracker import ObjectTracker
from dynconfig.kube.orphan_watch import Existing
from dynconfig.kube.refusals import Refusals
from dynconfig.kube.requeue_policy import LONGEST_BACKOFF, RequeuePolicy, Turn
from dynconfig.kube.responses import INVALID
from dynconfig.kube.second_look import SecondLook
from dynconfig.kube.status_writer import Announcement, StatusWriter, log_failure, log_result, requested_at
from dynconfig.kube.turns import AT_ONCE, Turns

log = logging.getLogger(__name__)

# A region may have thousands of objects, and each Event is a write to the API server.
WARNED = 20
T = TypeVar("T")


class Controller:
    """Serves the work queue. One object is never reconciled twice at the same time."""

    def __init__(self, dependencies: Dependencies, work_queue: WorkQueue, workers: int) -> None:
        self._deps = dependencies
        self._requeues = RequeuePolicy(work_queue, dependencies.clock, dependencies.now)
        self._workers = workers
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="reconcile")
        self._checks = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="check")
        self._turns = Turns(AT_ONCE)
        self._answers = AnswerBudget(dependencies.clock)
        self._references = references.References(lambda key: self.wake(key))
        self._tracker = ObjectTracker(dependencies.clock)
        self._router = EventRouter(dependencies.region, self._requeues.wake, dependencies.tenant_of, dependencies.now)
        self.moves = Moves(self._router, self._requeues.wake, dependencies.now, dependencies.move_seconds)
        self._regions = EventRegions(dependencies.start_listener, dependencies.release_listener)
        self._refusals = Refusals()
        self._status = StatusWriter(dependencies.kube, dependencies.recorder, dependencies.metrics, self._refusals)
        self._second_look = SecondLook(dependencies.clock, dependencies.second_look_seconds)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def references(self) -> references.References:
        """Who refers to which Secret or ConfigMap."""
        return self._references

    def oldest_observation(self) -> float:
        """Seconds since the least recent look at AWS among all objects."""
        return self._requeues.oldest_observation()

    def existing(self) -> Existing:
        """All objects that exist."""
        return self._tracker.existing()

    def waiting(self) -> int:
        """Objects that are due and not served yet."""
        return self._requeues.waiting()

    def noticed(self, document: Mapping[str, Any], event: str | None) -> None:
        """The API server spoke of an object: listed (None), ADDED, MODIFIED or DELETED."""
        key = Key(document["metadata"]["namespace"], document["metadata"]["name"])
        try:
            self._note(key, document, event)
        except Exception as failure:  # noqa: BLE001 - one object must not keep the operator from hearing of others
            log.error("Noticing %s failed with a bug in the operator:\n%s", key, trace(failure))
            self._requeues.wake(key)

    def _note(self, key: Key, document: Mapping[str, Any], event: str | None) -> None:
        if event == "DELETED":
            self._router.forget(key)
            self._requeues.wake(key)
            return
        self.moves.noticed(key, document["metadata"])
        self._tracker.noticed(key, document, region_in_use(document, self._deps.region))
        is_large = size.stored_bytes(document) > size.LARGE_BYTES
        self._requeues.weigh(key, is_large=is_large)
        region = self._router.note(key, document)
        if was_observed(document):
            self._regions.track(key, document, region)
        if not self._tracker.needs_reconcile(key, document):
            return
        if event is None:
            self._requeues.listed(key, document)
            self._router.replay_unmatched(key)
            if not self._deps.tenant_of(key.namespace).may_use_path(str(spec_of(document).get("path", ""))):
                # It may have been in order before an upgrade or a change of the policy.
                self._requeues.wake(key)
            return
        log.debug("Noticed %s (%s)", key, event)
        self._requeues.noticed(key)
        self._router.declared(key)
        if event == "ADDED" and not is_large:
            self._tracker.created(key, document)
        self._requeues.wake(key)

    def wake(self, key: Key) -> None:
        """Reconcile an object now, because something that it depends on has changed."""
        self._requeues.wake(key)

    def look_at_all(self) -> None:
        """Reconcile every object when its turn comes, because what they may use has changed."""
        for key in self._requeues.known():
            self._requeues.again(key, 0.0, Priority.ROUTINE)

    def signalled(self, signals: Sequence[Signal]) -> None:
        """AWS spoke of something: wake the objects that it concerns, and no others."""
        self._router.heard(signals)

    async def event_is_missing(self, region: str, name: str) -> None:
        """AWS does not report an own write of this parameter: a Warning beside the objects that declare it."""
        for key in self._router.concerned(region, name):
            await self._status.warn(key, kube_events.event_missing(region, name))

    async def events_were_interrupted(self, region: str, repaired: str) -> None:
        """Events of a region did not arrive until this was repaired: a look at its objects, and a Warning beside some."""
        concerned = self._regions.objects(region)
        for key in concerned:
            self._requeues.again(key, 0.0, Priority.ROUTINE)
        for key in concerned[:WARNED]:
            await self._status.warn(key, kube_events.events_interrupted(region, repaired))

    async def serve(self) -> None:
        """Reconcile what is due, for ever. When cancelled, what is under way is finished first."""
        free = asyncio.Semaphore(self._workers)
        try:
            while True:
                await free.acquire()
                key = await self._requeues.next()
                log.debug("Reconciling %s", key)
                task = asyncio.create_task(self._serve(key), name=f"reconcile {key}")
                self._tasks.add(task)
                task.add_done_callback(partial(self._served, key, free))
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks)
            self._threads.shutdown()
            self._checks.shutdown()

    def _served(self, key: Key, free: asyncio.Semaphore, task: asyncio.Task[None]) -> None:
        """What could not even be reported on the object is in the log, and the object is tried again, slowly."""
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.error("Reporting on %s failed with a bug in the operator:\n%s", key, trace(failure))
            self._requeues.again(key, self._requeues.backoff(key), Priority.ROUTINE)
        self._requeues.done(key)
        free.release()

    async def _serve(self, key: Key) -> None:
        started = self._deps.clock()
        try:
            reason = await self._reconciled(key)
        except (ApiUnavailable, ApiConflict) as error:
            reason = error.reason
            self._requeues.again(key, self._requeues.patience(key, error), Priority.CHANGE)
        except ApiRefused as error:
            reason = "ApiRefused"
            self._refusals.log(key, "object", f"the API server refuses what the operator writes: {error}")
            self._requeues.again(key, self._requeues.backoff(key), Priority.ROUTINE)
        else:
            self._refusals.end(key, "object")
        self._deps.metrics.reconciled(reason, self._deps.clock() - started)

    async def _reconciled(self, key: Key) -> str:
        """The reason that a reconcile ended with; a bug ends with one as well, and is no matter of other objects."""
        try:
            return await self._reconcile(key)
        except (ApiUnavailable, ApiConflict):
            raise
        except ApiRefused as refusal:
            return await self._refused(key, refusal)
        except Exception as failure:  # noqa: BLE001 - whatever fails is reported on the object
            error = bug(key, failure)
            document = await self._deps.kube.object(key)
            return await self._fail(key, document, error) if document else "Gone"

    async def _refused(self, key: Key, error: ApiRefused) -> str:
        """A write was refused: the object is gone meanwhile, or status says why, if that can be written. Raises ApiRefused."""
        document = await self._read(key)
        if document is None:
            return "Gone"
        kind = AccessDenied if error.status in (401, 403) else Refused
        return await self._fail(key, document, kind(f"the operator cannot write this object: {error}"))

    async def _reconcile(self, key: Key) -> str:
        # Where this fails, the next look is a whole one.
        pending = self._router.take(key)
        document = await self._read(key)
        if document is None:
            return "Gone"
        if "deletionTimestamp" in document["metadata"]:
            return await self._say_goodbye(key, document)
        if was_observed(document):
            # `kubectl replace` drops finalizers; whatever is wrong with the spec, there is something to lose sight of.
            document = await self._held_if_valid(key, document)
        try:
            declaration = await self._declare(key, document)
        except DynConfigError as error:
            return await self._undeclared(key, document, error)
        self._regions.track(key, document, declaration.place.region)
        if not was_observed(document):
            document = await self._begin(key, document, declaration)
        if pending is None:
            return await self._run(key, document, self._requeues.polled(key, declaration))
        reason = await self._run(key, document, replace(declaration, heard=pending.of))
        self._deps.metrics.event_handled(self._deps.now() - pending.at)
        return reason

    async def _read(self, key: Key) -> Document | None:
        """The object as it stands, or None if it is gone."""
        handled, spoken_of = self._tracker.uids(key)
        document = self._tracker.take_created(key) or await self._deps.kube.object(key)
        if handled is not None and (document is None or document["metadata"]["uid"] != handled):
            # It went without the operator's word: somebody took the finalizer off.
            self._deps.engine.forget(handled)
            self._answers.forget(key.namespace, handled)
        if document is None:
            self._forget(key, spoken_of)
        else:
            self._tracker.handled(key, document)
        return document

    async def _declare(self, key: Key, document: Document) -> Declaration:
        wanted = await self._checked(key, lambda: sources(parse_spec(document)))
        self._references.note(key, wanted)
        try:
            read = await references.read(self._deps.kube, key.namespace, wanted)
        except ApiRefused as error:
            raise AccessDenied(f"a Secret or ConfigMap cannot be read: {error}") from None
        made = partial(
            declare,
            document,
            owner=self._deps.owner_of(document),
            default_region=self._deps.region,
            read=read,
            tenant=self._deps.tenant_of(key.namespace),
            is_own_layer=self._deps.is_own_layer,
            is_region=self._deps.is_region,
            allowed_regions=self._deps.allowed_regions,
            admit=partial(
                self._answers.admit, key.namespace, document["metadata"]["uid"], was_answered=was_answered(document)
            ),
        )
        return await self._checked(key, made)

    async def _checked(self, key: Key, work: Callable[[], T]) -> T:
        """What comes of work on a spec: a large one, its patterns, JSON Schemas and rules take their time, and the others are
        served meanwhile."""
        async with self._turns.of(key.namespace):
            return await asyncio.get_running_loop().run_in_executor(self._checks, work)

    async def _begin(self, key: Key, document: Document, declaration: Declaration) -> Document:
        document = await self._held(key, document)
        if declaration.suspended:
            return document
        return await self._status.write_start(key, document, self._deps.now())

    async def _held(self, key: Key, document: Document) -> Document:
        """The finalizer before the first write to AWS, so that nothing written is ever lost sight of."""
        if has_finalizer(document):
            return document
        document = await hold(self._deps.kube, key, document)
        self._tracker.handled(key, document)
        return document

    async def _held_if_valid(self, key: Key, document: Document) -> Document:
        """The same of an object that is in AWS already: it is served, also where its spec does not fit the CRD any more."""
        try:
            document = await self._held(key, document)
        except ApiRefused as error:
            if error.status != INVALID:
                raise
            self._refusals.log(
                key, "finalizer", f"the finalizer cannot be added, so its deletion leaves AWS as it is: {error}"
            )
        else:
            self._refusals.end(key, "finalizer")
        return document

    async def _undeclared(self, key: Key, document: Document, error: DynConfigError) -> str:
        """Spec cannot be used now. Raises ApiUnavailable where it is not known whether it can."""
        if isinstance(error, ApiUnavailable):
            raise error
        if adopts(document):
            # Another object may hand a parameter over to it, whatever is wrong with it.
            document = await self._held_if_valid(key, document)
        return await self._fail(key, document, error, await self._watch_last_change(key, document))

    async def _watch_last_change(self, key: Key, document: Document) -> Outcome | None:
        """Spec cannot be used: what has become of the change that bakes, which is undone all the same if an alarm fires."""
        declaration = last_change(
            document,
            owner=self._deps.owner_of(document),
            default_region=self._deps.region,
            tenant=self._deps.tenant_of(key.namespace),
            allowed_regions=self._deps.allowed_regions,
        )
        if declaration is None:
            return None
        outcome, _document = await self._carry_out(key, document, declaration)
        if outcome.applied:
            log.info("%s: %s: %s", key, Reason.ROLLED_BACK, undone(outcome))
        return outcome

    async def _carry_out(self, key: Key, document: Document, declaration: Declaration) -> tuple[Outcome, Document]:
        """What came of a reconcile, and the object as it is since."""
        declaration = self.moves.beside(key, declaration)
        turn = Turn(self._deps.clock, self._deps.turn_seconds)
        announcement = Announcement(self._status, key, document)
        run = partial(self._deps.engine.run, declaration, turn.goes_on, self._deps.now(), announcement.announce)
        requests: list[str] = []
        try:
            outcome = await asyncio.get_running_loop().run_in_executor(self._threads, collecting, requests, run)
        except Exception as failure:  # noqa: BLE001 - reported as any other failure, with a way out of a deletion
            outcome = Outcome(declaration, stopped=bug(key, failure))
        self._router.served(key, requests)
        return outcome, announcement.document

    async def _run(self, key: Key, document: Document, declaration: Declaration) -> str:
        outcome, document = await self._carry_out(key, document, declaration)
        declaration = outcome.declaration
        previous, now = status_of(document), self._deps.now()
        self._deps.metrics.drifted(key.namespace, key.name, len(drift.new(outcome, previous)))
        status = report.status(outcome, previous, now, requested_at(document))
        await self._status.write(key, document, status)
        await self._status.record(document, kube_events.events_of(outcome, previous, now))
        log_result(key, status, outcome)
        self._requeues.served(key, outcome)
        self.moves.served(key, outcome)
        if declaration.deleting and outcome.is_complete:
            if (delay := self._second_look.due(outcome)) is None:
                await self._release(key, document)
            else:
                self._requeues.again(key, delay, Priority.CHANGE)
        return str(status["conditions"][0]["reason"])

    async def _say_goodbye(self, key: Key, document: Document) -> str:
        if not has_finalizer(document):
            self._forget(key, document["metadata"]["uid"])
            return "Gone"
        declaration = declare_deletion(document, owner=self._deps.owner_of(document), default_region=self._deps.region)
        if (document["metadata"].get("annotations") or {}).get(names.ABANDON) == "true":
            abandonment = await self._abandoned(declaration)
            if not abandonment.is_over:
                self._requeues.again(key, 0.0, Priority.CHANGE)
                return "Abandoning"
            await self._status.record(document, [kube_events.abandoned(declaration, abandonment.left)])
            await self._release(key, document)
            return "Abandoned"
        if await self._deps.kube.is_deleted_with_definition(document):
            # The API server deletes all objects with their definition; nobody asked for what they own in AWS to go.
            declaration = keeping(declaration)
        return await self._run(key, document, declaration)

    async def _abandoned(self, declaration: Declaration) -> Abandonment:
        """How far our marks are removed in one turn."""
        deadline = self._deps.clock() + self._deps.turn_seconds
        run = partial(self._deps.engine.abandon, declaration, lambda: self._deps.clock() < deadline)
        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    async def _fail(
        self, key: Key, document: Document, error: DynConfigError, last_change: Outcome | None = None
    ) -> str:
        """Nothing can be declared; AWS is left as it is, but for the change that bakes."""
        await self._status.write_failure(key, document, error, self._deps.now(), last_change)
        log_failure(key, document, error)
        delay = self._requeues.patience(key, error) if isinstance(error, Retryable) else LONGEST_BACKOFF
        if last_change is not None and not (last_change.is_complete and last_change.again is None):
            delay = min(delay, ALARM_SECONDS if last_change.again is None else last_change.again)
        self._requeues.again(key, delay, Priority.ROUTINE)
        return error.reason

    async def _release(self, key: Key, document: Document) -> None:
        uid = document["metadata"]["uid"]
        await release(self._deps.kube, key, uid)
        self._forget(key, uid)

    def _forget(self, key: Key, uid: str | None) -> None:
        """The object of this uid is gone, or goes without the operator."""
        self._requeues.forget(key)
        self._references.forget(key)
        self._refusals.forget(key)
        self.moves.forget(key, uid)
        self._deps.metrics.forget(key.namespace, key.name)
        self._tracker.forget(key, uid)
        if uid is not None:
            self._deps.engine.forget(uid)
            self._answers.forget(key.namespace, uid)
            self._second_look.forget(uid)
        if self._tracker.is_taken_anew(key, uid):
            # Another came into being before the API server had answered that this one is gone.
            self._requeues.noticed(key)
            self._requeues.wake(key)
        else:
            self._router.forget(key)
            self._regions.forget(key)
