"""Resyncs of objects in sync, which only confirm that nothing has changed."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from tests.engine.fake_kind import FakeKind, Thing
from tests.kube.controller_harness import KEY, ControllerHarness, configured, running_controller

from dynconfig.api.status import RENEWAL_SECONDS
from dynconfig.aws.quota import Quota
from dynconfig.events.signals import Signal
from dynconfig.model.errors import AccessDenied, DynConfigError, Throttled, Unavailable
from dynconfig.model.fingerprint import Fingerprints, fingerprints
from dynconfig.model.resource import Owner
from dynconfig.model.writes import PUT


@dataclass
class ConfirmingKind(FakeKind):
    """A kind that remembers what was in its store when it was observed last."""

    before: dict[str, Thing] = field(default_factory=dict)
    failure: DynConfigError | None = None
    meanwhile: dict[str, Callable[[], None]] = field(default_factory=dict)
    """What happens once during a call."""

    def observe(self, *about: object) -> list[Thing]:
        """The resources."""
        self.meanwhile.pop("observe", lambda: None)()
        self.before = dict(self.store)
        return list(super().observe(*about))  # type: ignore[arg-type]  # as given

    def is_unchanged(self, owner: Owner, names: Fingerprints) -> bool:
        """Whether the store is the same."""
        assert (owner.name, names) == (KEY.name, fingerprints(["/app/a"]))
        self.calls.append("confirm")
        self.meanwhile.pop("confirm", lambda: None)()
        if self.failure is not None:
            raise self.failure
        return self.before == self.store


class Resyncs:
    """An object in sync, and what its resyncs do."""

    def __init__(self, found: ControllerHarness, kind: ConfirmingKind, quota: Quota, clock: "Clock") -> None:
        self.found = found
        self.kind = kind
        self.clock = clock
        self._quota = quota
        self._requests: list[str] = []
        found.server.before = self._record

    async def _record(self, request: web.Request) -> None:
        self._requests.append(request.method)

    async def resync(self) -> list[str]:
        """Let the resync begin; return the reads of AWS and the requests to the API server."""
        before, done = len(self.kind.calls), self._done
        self._requests.clear()
        self.call_back()
        await self.until_done(done)
        return [*self.kind.calls[before:], *self._requests]

    def call_back(self) -> None:
        """Let the resync begin."""
        self._quota.call_back(KEY)

    async def until_done(self, before: float) -> None:
        """Wait for the end of a reconcile after so many."""
        async with asyncio.timeout(10.0):
            controller = self.found.controller
            while self._done == before or controller.waiting() or controller._shards.running:
                await asyncio.sleep(0.01)

    @property
    def _done(self) -> float:
        registry = self.found.controller._deps.metrics.registry
        return sum(
            sample.value
            for metric in registry.collect()
            for sample in metric.samples
            if sample.name == "dynconfig_reconcile_seconds_count"
        )


@dataclass
class Clock:
    """The time of day, which tests advance."""

    skipped: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.skipped


@asynccontextmanager
async def in_sync() -> AsyncIterator[Resyncs]:
    """An object that the last reconcile found in sync."""
    kind, quota, clock = ConfirmingKind(), Quota(time.monotonic, time.sleep), Clock()
    async with running_controller(engine=kind.engine(), quota=quota, now=clock) as found:
        found.applied(configured({"a": "1"}, finalizers=[]))
        resyncs = Resyncs(found, kind, quota, clock)
        await resyncs.until_done(0.0)
        # What was written is observed once.
        assert await resyncs.resync() == ["observe", "GET"]
        yield resyncs


def test_resync_of_an_unchanged_object_reads_aws_once_and_nothing_else() -> None:
    async def act() -> None:
        async with in_sync() as resyncs:
            age = resyncs.found.controller.oldest_observation()
            assert await resyncs.resync() == ["confirm"]
            assert await resyncs.resync() == ["confirm"]
            assert resyncs.found.controller.oldest_observation() < age + 1.0

    asyncio.run(act())


def test_change_in_aws_is_corrected_in_the_same_resync() -> None:
    async def act() -> None:
        async with in_sync() as resyncs:
            resyncs.kind.by_hand("/app/a")
            assert (await resyncs.resync())[:3] == ["confirm", "observe", "put /app/a"]
            assert resyncs.kind.store["/app/a"].value == "1"
            assert (await resyncs.resync())[0] == "observe"
            assert await resyncs.resync() == ["confirm"]

    asyncio.run(act())


def test_failed_read_is_not_repeated_at_once_and_left_to_the_next_reconcile() -> None:
    async def act() -> None:
        async with in_sync() as resyncs:
            resyncs.kind.failure = Unavailable("no answer")
            assert await resyncs.resync() == ["confirm"]
            resyncs.kind.failure = None
            assert (await resyncs.resync())[0] == "observe"
            assert await resyncs.resync() == ["confirm"]

    asyncio.run(act())


def test_read_that_would_exceed_a_quota_is_confirmed_later() -> None:
    async def act() -> None:
        async with in_sync() as resyncs:
            resyncs.kind.failure = Throttled("the quota is used", delay=60.0)
            assert await resyncs.resync() == ["confirm"]
            assert await resyncs.resync() == ["confirm"]
            resyncs.kind.failure = None
            assert await resyncs.resync() == ["confirm"]

    asyncio.run(act())


def test_read_that_is_denied_is_reported_in_the_same_resync() -> None:
    async def act() -> None:
        async with in_sync() as resyncs:
            resyncs.kind.failure = AccessDenied("no permission")
            assert await resyncs.resync() == ["confirm", "observe", "GET"]

    asyncio.run(act())

    asyncio.run(act())


@pytest.mark.parametrize("change", ["version", "access", "event", "edit", "hour"])
def test_object_is_reconciled_if_anything_but_aws_may_have_changed(change: str) -> None:
    async def act() -> None:
        async with in_sync() as resyncs:
            found = resyncs.found
            document = found.server.objects[KEY]
            if change == "version":
                document["metadata"]["resourceVersion"] = "2"
                found.deliver("MODIFIED", document)
            elif change == "access":
                found.controller.requeue_all()
            elif change == "event":
                signal = Signal("eu-west-1", time.time(), PUT, parameters=("/app/a",))
                found.controller.router.route([signal], 0)
            elif change == "edit":
                found.controller.requeue(KEY)
            else:
                resyncs.clock.skipped = RENEWAL_SECONDS + 1.0
            assert (await resyncs.resync())[0] == "observe"

    asyncio.run(act())


@pytest.mark.parametrize(
    ("call", "expected"), [("confirm", ["confirm", "observe"]), ("observe", ["observe", "observe"])]
)
def test_access_that_changes_during_a_turn_is_noticed_in_the_next_one(call: str, expected: list[str]) -> None:
    async def act() -> None:
        async with in_sync() as resyncs:
            kind, controller, loop = resyncs.kind, resyncs.found.controller, asyncio.get_running_loop()

            async def change() -> None:
                controller.requeue_all()

            kind.meanwhile[call] = lambda: asyncio.run_coroutine_threadsafe(change(), loop).result(10.0)
            if call == "observe":
                controller.requeue(KEY)
            before = len(kind.calls)
            resyncs.call_back()
            async with asyncio.timeout(10.0):
                while len(kind.calls) < before + 2:
                    await asyncio.sleep(0.01)
            assert kind.calls[before : before + 2] == expected

    asyncio.run(act())


def test_reconcile_after_a_change_of_access_is_remembered() -> None:
    async def act() -> None:
        async with in_sync() as resyncs:
            resyncs.found.controller.requeue_all()
            assert (await resyncs.resync())[0] == "observe"
            assert await resyncs.resync() == ["confirm"]

    asyncio.run(act())
