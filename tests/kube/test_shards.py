"""A controller that serves some shards: it knows all objects, and reconciles its own only."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import kopf
import pytest
from aiohttp import web
from tests.kube.apiserver import status
from tests.kube.controller_harness import KEY, REGION, ControllerHarness, configured, running_controller

from dynconfig import handlers
from dynconfig.aws.quota import Caller, Quota
from dynconfig.events.signals import Signal
from dynconfig.kube.work_queue import Priority
from dynconfig.model.declaration import Place
from dynconfig.model.fence import Fence, LeaseLost, shard_of
from dynconfig.model.key import Key
from dynconfig.model.writes import PUT
from dynconfig.validation.secret_checks import AnswerBudget

SHARDS = 2
OWN = shard_of(KEY, SHARDS)
OTHER = next(
    Key(KEY.namespace, f"app-{number}")
    for number in range(9)
    if shard_of(Key(KEY.namespace, f"app-{number}"), SHARDS) != OWN
)
FOREVER = float("inf")


def named(key: Key, values: dict[str, str], **about: Any) -> dict[str, Any]:
    """An object with another name."""
    found = configured(values, **about)
    found["metadata"].update(name=key.name, uid=f"uid-{key.name}")
    return found


def reason(found: ControllerHarness, key: Key) -> str:
    """The reason of the condition Ready of an object."""
    conditions = (found.server.objects[key].get("status") or {}).get("conditions")
    return str(conditions[0]["reason"]) if conditions else ""


async def give_away(found: ControllerHarness) -> None:
    """Serve the own shard only."""
    found.controller.objects.ending(1 - OWN)
    await found.controller.objects.lost(1 - OWN)


def test_objects_of_other_shards_are_not_reconciled_until_their_shard_is_acquired() -> None:
    async def act() -> None:
        async with running_controller(shards=SHARDS) as found:
            await give_away(found)
            found.applied(named(OTHER, {"b": "1"}, finalizers=[]))
            found.applied(configured({"a": "1"}, finalizers=[]))
            await found.server.until(lambda: found.reason == "InSync")
            assert reason(found, OTHER) == ""
            assert found.listened == [REGION]
            fence = Fence(1 - OWN, time.monotonic, 0.0, FOREVER)
            found.controller.objects.acquired(fence, is_whole=False)
            await found.server.until(lambda: reason(found, OTHER) == "InSync")

    asyncio.run(act())


def test_object_of_a_lost_shard_is_forgotten_and_observed_again_when_it_returns() -> None:
    async def act() -> None:
        async with running_controller(shards=SHARDS) as found:
            found.applied(configured({"a": "1"}, finalizers=[]))
            await found.server.until(lambda: found.reason == "InSync")
            objects = found.controller.objects
            objects.ending(OWN)
            await objects.ended(OWN)
            await objects.lost(OWN)
            # Another replica deletes the parameter meanwhile.
            found.fake.store.clear()
            found.controller.requeue(KEY)
            found.controller.router.route([Signal(REGION, time.time(), PUT, parameters=("/app/a",))], OWN)
            assert found.controller.waiting() == 0
            objects.acquired(Fence(OWN, time.monotonic, 0.0, FOREVER), is_whole=False)
            await found.server.until(lambda: "/app/a" in found.fake.store)

    asyncio.run(act())


def drift(found: ControllerHarness) -> None:
    """The event of a change in AWS."""
    found.controller.router.route([Signal(REGION, time.time(), PUT, parameters=("/app/a",))], OWN)


def secret(found: ControllerHarness) -> None:
    """A change of a Secret."""
    found.controller.requeue(KEY)


def rights(found: ControllerHarness) -> None:
    """A change of what all namespaces may use."""
    found.controller.requeue_all()


def target(found: ControllerHarness) -> None:
    """A change of the target of the object, which is reconciled after others."""
    found.controller._index.update(KEY, {**found.server.objects[KEY], "spec": {"target": "prod", "path": "/app"}})
    found.controller.objects.requeue_target("prod")


def silence(found: ControllerHarness) -> None:
    """A repair of the rules of a region."""
    with suppress(StopIteration):
        found.controller.event_warnings.began(Place(REGION), OWN).send(None)


def resync(found: ControllerHarness) -> None:
    """The resync of an object in sync."""
    found.controller._requeues.requeue_after(KEY, 0.0, Priority.RESYNC)


def bake(found: ControllerHarness) -> None:
    """A change whose bake time ends later."""
    found.controller._requeues.requeue_after(KEY, 60.0, Priority.EDIT)


@pytest.mark.parametrize(
    ("before", "after", "is_left"),
    [
        (None, None, False),
        (resync, None, False),
        (bake, None, False),
        *((change, None, True) for change in (drift, secret, rights, target, silence)),
        *((None, change, True) for change in (secret, rights, target, silence)),
    ],
)
def test_end_of_a_shard_tells_whether_a_received_change_is_left(
    before: Callable[[ControllerHarness], None] | None,
    after: Callable[[ControllerHarness], None] | None,
    *,
    is_left: bool,
) -> None:
    async def act() -> None:
        async with running_controller(shards=SHARDS) as found:
            found.applied(configured({"a": "1"}, finalizers=[]))
            await found.server.until(lambda: found.reason == "InSync")
            objects = found.controller.objects
            await objects.ended(OWN)
            if before is not None:
                before(found)
            objects.ending(OWN)
            if after is not None:
                after(found)
            # The workers take what is due, and do not reconcile it.
            for _ in range(20):
                await asyncio.sleep(0)
            assert await objects.ended(1 - OWN) is False
            assert await objects.ended(OWN) is is_left

    asyncio.run(act())


def test_drift_whose_reconcile_failed_and_waits_for_its_next_try_is_left() -> None:
    async def act() -> None:
        async with running_controller(shards=SHARDS) as found:
            found.applied(configured({"a": "1"}, finalizers=[]))
            await found.server.until(lambda: found.reason == "InSync")
            objects, failures = found.controller.objects, 0
            await objects.ended(OWN)

            async def unavailable(_request: web.Request) -> web.Response:
                nonlocal failures
                failures += 1
                return status(503, "unavailable")

            found.server.before = unavailable
            drift(found)
            await found.server.until(lambda: failures > 0)
            while found.controller._shards.running or found.controller.waiting():
                await asyncio.sleep(0)
            objects.ending(OWN)
            assert await objects.ended(OWN) is True

    asyncio.run(act())


@pytest.mark.parametrize("is_missing", [True, False])
def test_drift_that_was_not_observed_because_of_a_missing_source_is_left(*, is_missing: bool) -> None:
    async def act() -> None:
        async with running_controller(shards=SHARDS) as found:
            found.applied(configured({"a": "1"}, finalizers=[]))
            await found.server.until(lambda: found.reason == "InSync")
            objects = found.controller.objects
            await objects.ended(OWN)
            if is_missing:
                source = {"configMapKeyRef": {"name": "flags", "key": "a"}}
                found.server.objects[KEY]["spec"]["parameters"] = [{"name": "a", "valueFrom": source}]
            observed = found.fake.calls.count("observe")
            drift(found)
            await found.server.until(lambda: found.reason == "SourceMissing" if is_missing else bool(found.fake.calls))
            while found.controller._shards.running or found.controller.waiting():
                await asyncio.sleep(0)
            assert (found.fake.calls.count("observe") == observed) is is_missing
            objects.ending(OWN)
            assert await objects.ended(OWN) is is_missing

    asyncio.run(act())


def test_end_of_a_shard_tells_whether_objects_of_a_killed_holder_are_not_observed_yet() -> None:
    async def act() -> None:
        async with running_controller(shards=SHARDS) as found:
            found.applied(configured({"a": "1"}, finalizers=[]))
            await found.server.until(lambda: found.reason == "InSync")
            objects = found.controller.objects
            for is_cut_short in (True, False):
                objects.ending(OWN)
                await objects.ended(OWN)
                await objects.lost(OWN)
                objects.acquired(Fence(OWN, time.monotonic, 0.0, FOREVER), is_whole=True)
                while not is_cut_short and (found.controller.waiting() or found.controller._shards.running):
                    await asyncio.sleep(0.01)
                objects.ending(OWN)
                assert await objects.ended(OWN) is is_cut_short

    asyncio.run(act())


def test_waiting_checks_of_a_lost_shard_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    # Otherwise those of the objects that are still served wait for them for ever.
    forgotten = list[tuple[str, str]]()
    monkeypatch.setattr(AnswerBudget, "forget", lambda _self, namespace, uid: forgotten.append((namespace, uid)))

    async def act() -> None:
        async with running_controller(shards=SHARDS) as found:
            found.applied(configured({"a": "1"}, finalizers=[]))
            await found.server.until(lambda: found.reason == "InSync")
            uid = found.server.objects[KEY]["metadata"]["uid"]
            found.controller.objects.ending(OWN)
            await found.controller.objects.ended(OWN)
            assert (KEY.namespace, uid) not in forgotten
            await found.controller.objects.lost(OWN)
            assert (KEY.namespace, uid) in forgotten

    asyncio.run(act())


def ready(found: ControllerHarness) -> dict[str, tuple[bool, str]]:
    """Names and Ready conditions of the objects that are served."""
    return {key.name: (condition.is_ready, condition.reason) for key, condition in found.controller.objects.readiness()}


def test_readiness_is_that_of_the_served_objects_as_the_api_server_last_returned_it() -> None:
    async def act() -> None:
        async with running_controller(shards=SHARDS) as found:
            in_sync = {"conditions": [{"type": "Ready", "status": "True", "reason": "InSync"}]}
            found.deliver("ADDED", named(KEY, {"a": "1"}))
            found.deliver("ADDED", {**named(OTHER, {"b": "1"}), "status": in_sync})
            assert ready(found) == {KEY.name: (False, "Unknown"), OTHER.name: (True, "InSync")}
            stalled = {"conditions": [{"type": "Ready", "status": "False", "reason": "InvalidSpec"}]}
            found.deliver("MODIFIED", {**named(KEY, {"a": "1"}), "status": stalled})
            await give_away(found)
            assert ready(found) == {KEY.name: (False, "InvalidSpec")}
            found.controller.objects.acquired(Fence(1 - OWN, time.monotonic, 0.0, FOREVER), is_whole=False)
            assert ready(found)[OTHER.name] == (True, "InSync")

    asyncio.run(act())


@pytest.mark.parametrize("status", [None, [], {"conditions": {}}, {"conditions": ["Ready", {"type": "Ready"}]}])
def test_object_without_a_valid_condition_is_not_ready(status: object) -> None:
    async def act() -> None:
        async with running_controller(shards=SHARDS) as found:
            found.deliver("ADDED", {**named(KEY, {"a": "1"}), "status": status})
            assert ready(found) == {KEY.name: (False, "Unknown")}

    asyncio.run(act())


def test_deleted_object_has_no_readiness() -> None:
    async def act() -> None:
        async with running_controller(shards=SHARDS) as found:
            found.applied(configured({"a": "1"}, finalizers=[]))
            await found.server.until(lambda: found.reason == "InSync")
            assert list(ready(found)) == [KEY.name]
            found.deliver("DELETED", found.server.objects.pop(KEY))
            while ready(found):
                await asyncio.sleep(0)

    asyncio.run(act())


def test_event_from_the_queue_of_another_shard_is_dropped() -> None:
    async def act() -> None:
        async with running_controller(shards=SHARDS) as found:
            found.applied(configured({"a": "1"}, finalizers=[]))
            await found.server.until(lambda: found.reason == "InSync")
            await found.controller.objects.ended(OWN)
            signal = Signal(REGION, time.time(), PUT, parameters=("/app/a",))
            found.controller.router.route([signal], 1 - OWN)
            assert found.controller.waiting() == 0
            found.controller.router.route([signal], OWN)
            assert found.controller.waiting() == 1

    asyncio.run(act())


def test_deleted_object_of_another_shard_is_forgotten() -> None:
    async def act() -> None:
        async with running_controller(shards=SHARDS) as found:
            await give_away(found)
            other = named(OTHER, {"b": "1"})
            found.deliver("ADDED", other)
            assert len(found.controller.existing().uids) == 1
            found.deliver("DELETED", other)
            assert not found.controller.existing().uids

    asyncio.run(act())


def test_reconcile_stops_when_the_lease_ends_and_nothing_more_is_written() -> None:
    async def act() -> None:
        async with running_controller(shards=SHARDS) as found:
            fence = Fence(OWN, time.monotonic, 0.0, FOREVER)
            found.controller.objects.ending(OWN)
            found.controller.objects.acquired(fence, is_whole=False)

            async def revoke(request: Any) -> None:
                if request.method == "PATCH":
                    fence.revoke()

            found.server.before = revoke
            found.applied(configured({"a": "1"}, finalizers=[]))
            await asyncio.wait_for(until_lost(found), 10.0)
            assert found.fake.store == {}
            # The request that was on its way is the first: the status that precedes the finalizer.
            assert found.reason == "Applying"
            assert found.server.objects[KEY]["metadata"]["finalizers"] == []

    asyncio.run(act())


async def until_lost(found: ControllerHarness) -> None:
    """Wait until a reconcile was stopped by its lease."""
    registry = found.controller._deps.metrics.registry
    while registry.get_sample_value("dynconfig_reconcile_seconds_count", {"reason": "LeaseLost"}) is None:
        await asyncio.sleep(0.01)


def test_write_without_a_lease_is_refused() -> None:
    async def act() -> None:
        async with running_controller() as found:
            with pytest.raises(AssertionError, match="without a lease"):
                await found.kube.patch(KEY, {})
            ended = Fence(0, time.monotonic, 8.0, time.monotonic() + 7.0)
            with ended.within(), pytest.raises(LeaseLost):
                await found.kube.patch(KEY, {})

    asyncio.run(act())


def test_queue_stands_still_only_while_objects_are_due_and_nothing_moves() -> None:
    async def act() -> None:
        now = 1000.0
        quota = Quota(lambda: now, time.sleep)
        async with running_controller(clock=lambda: now, quota=quota) as found:
            assert found.controller.standstill() == 0.0
            blocked = asyncio.Event()

            async def block(request: Any) -> None:
                if request.method == "GET":
                    await blocked.wait()

            found.server.before = block
            for number in range(3):
                # Two workers wait for the API server; the third object is due.
                found.applied(named(Key(KEY.namespace, f"busy-{number}"), {f"v{number}": "1"}, finalizers=[]))
                found.controller.requeue(Key(KEY.namespace, f"busy-{number}"))
            async with asyncio.timeout(10.0):
                while len(found.controller.objects._shards.running) < 2:
                    await asyncio.sleep(0.01)
            now += 301.0
            memo = kopf.Memo(controller=found.controller)
            with pytest.raises(kopf.PermanentError, match="301 s"):
                await handlers.standstill(memo)
            # They read all tags of a large account, for example.
            quota.run(Caller(KEY), lambda: quota.acquire("eu-west-1", "ssm.GetParameters"))
            assert await handlers.standstill(memo) == 0.0
            now += 301.0
            with pytest.raises(kopf.PermanentError, match="301 s"):
                await handlers.standstill(memo)
            blocked.set()
            found.server.before = None
            async with asyncio.timeout(10.0):
                while found.controller.waiting():
                    await asyncio.sleep(0.01)
            assert await handlers.standstill(memo) == 0.0

    asyncio.run(act())
