"""From a key to a status: reads the object and its Secrets, runs the engine, writes the report, says when to come back."""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from dynconfig.api import names
from dynconfig.api.spec import DriftPolicy
from dynconfig.engine import notes, report
from dynconfig.engine.agenda import Agenda, Key, Lane
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.declare import declare, declare_deletion, parse_spec, sources
from dynconfig.engine.errors import AccessDenied, DynConfigError, Retryable
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.engine.resource import Owner
from dynconfig.kube import sources as references
from dynconfig.kube.client import ApiConflict, ApiRefused, ApiUnavailable, Document, Kube
from dynconfig.kube.events import Recorder
from dynconfig.kube.heard import Heard
from dynconfig.kube.metrics import Metrics

log = logging.getLogger(__name__)

FIRST_BACKOFF = 0.5
LONGEST_BACKOFF = 60.0
JITTER = 0.1


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a controller stands on."""

    kube: Kube
    engine: Engine
    recorder: Recorder
    metrics: Metrics
    cluster: str
    region: str
    paths_of: Callable[[str], tuple[str, ...]]
    now: Callable[[], float]
    """Seconds since the epoch."""
    clock: Callable[[], float]
    """Seconds that never go back."""
    turn_seconds: float


class Controller:
    """Serves the agenda. One object is never reconciled twice at the same time."""

    def __init__(self, surroundings: Surroundings, agenda: Agenda, workers: int) -> None:
        self._on = surroundings
        self._agenda = agenda
        self._workers = workers
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="reconcile")
        self._references = references.References(lambda key: self.wake(key))
        self._heard = Heard(surroundings.clock)
        self._failures: dict[Key, int] = {}
        self._observed: dict[Key, float] = {}
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def references(self) -> references.References:
        """Who refers to which Secret or ConfigMap."""
        return self._references

    def oldest_observation(self) -> float:
        """Seconds since the least recent look at AWS among all objects."""
        return self._on.now() - min(self._observed.values()) if self._observed else 0.0

    def waiting(self) -> int:
        """Objects that are due and not served yet."""
        return self._agenda.waiting(self._on.clock())

    def noticed(self, document: Mapping[str, Any], event: str | None) -> None:
        """The API server spoke of an object: listed (None), ADDED, MODIFIED or DELETED."""
        key = Key(document["metadata"]["namespace"], document["metadata"]["name"])
        if event == "DELETED":
            self._agenda.add(key, self._on.clock(), Lane.CHANGE)
        elif self._heard.is_news(key, document):
            self._agenda.add(key, self._on.clock(), Lane.ROUTINE if event is None else Lane.CHANGE)
            if event == "ADDED":
                self._heard.created(key, document)
        self._news.set()

    def wake(self, key: Key) -> None:
        """Reconcile an object now, because something that it depends on has changed."""
        self._agenda.add(key, self._on.clock(), Lane.CHANGE)
        self._news.set()

    async def serve(self) -> None:
        """Reconcile what is due, for ever. When cancelled, what is under way is finished first."""
        free = asyncio.Semaphore(self._workers)
        try:
            while True:
                await free.acquire()
                key = await self._next()
                task = asyncio.create_task(self._serve(key), name=f"reconcile {key}")
                self._tasks.add(task)
                task.add_done_callback(partial(self._served, key, free))
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks)
            self._threads.shutdown()

    async def _next(self) -> Key:
        while True:
            self._news.clear()
            key = self._agenda.take(self._on.clock())
            if key is not None:
                return key
            at = self._agenda.next_at()
            timeout = None if at is None else max(0.0, at - self._on.clock())
            try:
                await asyncio.wait_for(self._news.wait(), timeout)
            except TimeoutError:
                continue

    def _served(self, key: Key, free: asyncio.Semaphore, task: asyncio.Task[None]) -> None:
        """A failure that no table knows is a bug: told in full, and the object is tried again, slowly."""
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.error("Reconciling %s failed with a bug in the operator", key, exc_info=failure)
            self._again(key, self._backoff(key), Lane.ROUTINE)
        self._agenda.done(key)
        self._news.set()
        free.release()

    async def _serve(self, key: Key) -> None:
        started = self._on.clock()
        try:
            reason = await self._reconcile(key)
        except (ApiUnavailable, ApiConflict) as error:
            reason = error.reason
            self._again(key, error.delay or self._backoff(key), Lane.CHANGE)
        except ApiRefused as error:
            reason = "ApiRefused"
            log.error("The API server refuses what the operator writes about %s: %s", key, error)
            self._again(key, self._backoff(key), Lane.ROUTINE)
        self._on.metrics.reconciled(reason, self._on.clock() - started)

    async def _reconcile(self, key: Key) -> str:
        document = self._heard.take_created(key) or await self._on.kube.object(key)
        if document is None:
            self._forget(key)
            return "Gone"
        self._heard.handled(key, document)
        if "deletionTimestamp" in document["metadata"]:
            return await self._say_goodbye(key, document)
        try:
            declaration = await self._declare(key, document)
        except ApiRefused as error:
            return await self._fail(key, document, AccessDenied(f"a Secret or ConfigMap cannot be read: {error}"))
        except DynConfigError as error:
            if isinstance(error, ApiUnavailable):
                raise
            return await self._fail(key, document, error)
        if declaration.untouched:
            document = await self._begin(key, document, declaration)
        return await self._run(key, document, declaration)

    async def _declare(self, key: Key, document: Document) -> Declaration:
        wanted = sources(parse_spec(document))
        self._references.note(key, wanted)
        read = await references.read(self._on.kube, key.namespace, wanted)
        made = partial(
            declare,
            document,
            owner=self._owner(document),
            default_region=self._on.region,
            read=read,
            allowed_paths=self._on.paths_of(key.namespace),
        )
        # Patterns, JSON Schemas and rules of one tenant may take their time; the others are served meanwhile.
        return await asyncio.get_running_loop().run_in_executor(self._threads, made)

    async def _begin(self, key: Key, document: Document, declaration: Declaration) -> Document:
        """The finalizer before the first write to AWS, so that nothing written is ever lost sight of."""
        metadata = document["metadata"]
        finalizers = [*(metadata.get("finalizers") or ()), names.FINALIZER]
        patch = {"metadata": {"finalizers": finalizers, "resourceVersion": metadata["resourceVersion"]}}
        document = await self._on.kube.patch(key, patch)
        if declaration.drift_policy is DriftPolicy.REPORT:
            # Without a report, what differs in AWS would be taken for drift if this process died half-way.
            status = report.starting(declaration.generation, self._on.now())
            document = await self._on.kube.patch_status(key, {"status": status})
        return document

    async def _run(self, key: Key, document: Document, declaration: Declaration) -> str:
        deadline = self._on.clock() + self._on.turn_seconds
        run = partial(self._on.engine.run, declaration, lambda: self._on.clock() < deadline, self._on.now())
        outcome = await asyncio.get_running_loop().run_in_executor(self._threads, run)
        previous, now = document.get("status") or {}, self._on.now()
        if outcome.was_observed:
            self._observed[key] = now
        self._on.metrics.drifted(key.namespace, key.name, sum(len(step.because) for step in outcome.drift))
        status = report.status(outcome, previous, now, _requested_at(document))
        await self._write(key, document, status)
        for note in notes.of(outcome, previous, now):
            await self._on.recorder.record(document, note)
        self._log(key, status, outcome)
        self._schedule(key, outcome)
        if declaration.deleting and outcome.is_complete:
            await self._release(key, document)
        return str(status["conditions"][0]["reason"])

    async def _say_goodbye(self, key: Key, document: Document) -> str:
        if names.FINALIZER not in (document["metadata"].get("finalizers") or ()):
            self._forget(key)
            return "Gone"
        declaration = declare_deletion(document, owner=self._owner(document), default_region=self._on.region)
        if (document["metadata"].get("annotations") or {}).get(names.ABANDON) == "true":
            await self._on.recorder.record(document, notes.abandoned(declaration))
            await self._release(key, document)
            return "Abandoned"
        return await self._run(key, document, declaration)

    async def _fail(self, key: Key, document: Document, error: DynConfigError) -> str:
        """Nothing can be declared; AWS is left as it is."""
        previous = document.get("status") or {}
        generation = document["metadata"].get("generation", 1)
        status = report.failure(error, generation, previous, self._on.now(), _requested_at(document))
        await self._write(key, document, status)
        for note in notes.refusals(error, previous):
            await self._on.recorder.record(document, note)
        log.info("%s: %s: %s", key, error.reason, error)
        delay = error.delay if isinstance(error, Retryable) else LONGEST_BACKOFF
        self._again(key, delay or self._backoff(key), Lane.ROUTINE)
        return error.reason

    async def _write(self, key: Key, document: Document, status: Mapping[str, Any]) -> None:
        previous = document.get("status") or {}
        if status == previous:
            return
        gone = {field: None for field in previous if field not in status}
        # The uid makes this fail, rather than speak of another object, where the name was taken anew meanwhile.
        await self._on.kube.patch_status(
            key, {"metadata": {"uid": document["metadata"]["uid"]}, "status": {**gone, **status}}
        )

    async def _release(self, key: Key, document: Document) -> None:
        fresh = await self._on.kube.object(key)
        if fresh is not None and fresh["metadata"]["uid"] == document["metadata"]["uid"]:
            left = [name for name in fresh["metadata"].get("finalizers") or () if name != names.FINALIZER]
            version = fresh["metadata"]["resourceVersion"]
            await self._on.kube.patch(key, {"metadata": {"finalizers": left, "resourceVersion": version}})
        self._on.engine.forget(document["metadata"]["uid"])
        self._forget(key)

    def _schedule(self, key: Key, outcome: Outcome) -> None:
        error = outcome.error
        if isinstance(error, Retryable):
            self._again(key, error.delay or self._backoff(key), Lane.CHANGE)
        elif outcome.remaining and error is None and not outcome.is_held:
            self._again(key, 0.0, Lane.CHANGE)
        elif outcome.again is not None:
            self._failures.pop(key, None)
            self._again(key, outcome.again, Lane.CHANGE)
        else:
            self._failures.pop(key, None)
            seconds = outcome.declaration.resync_seconds
            self._again(key, seconds * random.uniform(1 - JITTER, 1 + JITTER), Lane.ROUTINE)  # noqa: S311 - not a secret

    def _again(self, key: Key, delay: float, lane: Lane) -> None:
        self._agenda.add(key, self._on.clock() + delay, lane)
        self._news.set()

    def _backoff(self, key: Key) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        longest = min(FIRST_BACKOFF * 2 ** min(failures - 1, 10), LONGEST_BACKOFF)
        return random.uniform(longest / 2, longest)  # noqa: S311 - not a secret

    def _forget(self, key: Key) -> None:
        self._agenda.forget(key)
        self._references.forget(key)
        self._on.metrics.forget(key.namespace, key.name)
        self._heard.forget(key)
        self._failures.pop(key, None)
        self._observed.pop(key, None)

    def _owner(self, document: Document) -> Owner:
        metadata = document["metadata"]
        return Owner(self._on.cluster, metadata["namespace"], metadata["name"], metadata["uid"])

    def _log(self, key: Key, status: Mapping[str, Any], outcome: Outcome) -> None:
        ready = status["conditions"][0]
        level = logging.INFO if outcome.applied or outcome.error else logging.DEBUG
        log.log(level, "%s: %s: %s (%d changes made)", key, ready["reason"], ready["message"], len(outcome.applied))


def _requested_at(document: Mapping[str, Any]) -> str | None:
    return (document["metadata"].get("annotations") or {}).get(names.RECONCILE_REQUESTED_AT)
