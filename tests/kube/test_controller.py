"""The controller: finalizers, rejected Events, replaced objects, and AWS events."""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from tests.engine.fake_kind import FakeKind, Thing
from tests.kube.apiserver import status
from tests.kube.controller_harness import GOING, KEY, REGION, configured, running_controller

from dynconfig.api import names
from dynconfig.engine.reconcile import Engine
from dynconfig.events.signals import Signal
from dynconfig.kube.finalizer import has_finalizer
from dynconfig.model.declaration import Place
from dynconfig.model.errors import Unavailable
from dynconfig.model.fence import shard_of
from dynconfig.model.key import Key
from dynconfig.model.resource import Scope
from dynconfig.model.timestamps import timestamp
from dynconfig.model.writes import PUT
from dynconfig.validation.tenancy import Tenant


async def refuse_events(request: web.Request) -> web.Response | None:
    """Return the API server's response in a namespace that is being deleted."""
    if request.path.endswith("/events"):
        return status(403, "unable to create new content in namespace shop because it is being terminated")
    return None


def test_finalizer_is_removed_although_events_are_rejected() -> None:
    async def act() -> None:
        async with running_controller() as found:
            found.server.before = refuse_events
            metadata = {"deletionTimestamp": GOING}
            abandoned = configured({"a": "1"}, metadata=metadata, annotations={names.ABANDON: "true"})
            found.server.put(abandoned)
            found.deliver(None, abandoned)
            await found.server.until(lambda: not found.server.objects)

    asyncio.run(act())


def test_removed_finalizer_is_added_again_at_once() -> None:
    async def act() -> None:
        async with running_controller() as found:
            found.applied(configured({"a": "1"}, finalizers=[]))
            await found.server.until(lambda: found.reason == "InSync")
            replaced = found.server.objects[KEY]
            replaced["metadata"].update(finalizers=[], resourceVersion="2")
            found.deliver("MODIFIED", replaced)
            await found.server.until(lambda: has_finalizer(found.server.objects[KEY]))

    asyncio.run(act())


def test_removed_finalizer_is_added_again_despite_an_invalid_spec() -> None:
    async def act() -> None:
        async with running_controller() as found:
            found.applied(configured({"a": "1"}, finalizers=[]))
            await found.server.until(lambda: found.reason == "InSync")
            replaced = found.server.objects[KEY]
            replaced["metadata"].update(finalizers=[], generation=2)
            replaced["spec"]["path"] = "nowhere"
            found.deliver("MODIFIED", replaced)
            await found.server.until(lambda: found.reason == "InvalidSpec")
            assert has_finalizer(found.server.objects[KEY])

    asyncio.run(act())


def test_object_without_aws_resources_has_no_finalizer() -> None:
    async def act() -> None:
        async with running_controller() as found:
            invalid = configured({"a": "1"}, finalizers=[])
            invalid["spec"]["path"] = "nowhere"
            found.applied(invalid)
            await found.server.until(lambda: found.reason == "InvalidSpec")
            assert not has_finalizer(found.server.objects[KEY])

    asyncio.run(act())


def test_invalid_spec_is_logged_once_per_generation(caplog: pytest.LogCaptureFixture) -> None:
    def logged() -> list[str]:
        return [record.levelname for record in caplog.records if "InvalidSpec: " in record.getMessage()]

    async def until_logged(times: int) -> None:
        async with asyncio.timeout(10.0):
            while len(logged()) < times:
                await asyncio.sleep(0.01)

    async def act() -> None:
        async with running_controller() as found:
            invalid = configured({"a": "1"}, finalizers=[])
            invalid["spec"]["path"] = "nowhere"
            found.applied(invalid)
            await until_logged(1)
            found.controller.requeue(KEY)
            await until_logged(2)
            edited = found.server.objects[KEY]
            edited["metadata"]["generation"] = 2
            found.deliver("MODIFIED", edited)
            await until_logged(3)

    with caplog.at_level(logging.DEBUG):
        asyncio.run(act())
    assert logged() == ["INFO", "DEBUG", "INFO"]


def test_object_recreated_before_the_deletion_was_observed_is_reconciled() -> None:
    async def act() -> None:
        async with running_controller() as found:
            old = configured({"a": "1"}, metadata={"deletionTimestamp": GOING})
            new = configured({"b": "1"}, uid="uid-2", finalizers=[])

            async def come_between(_request: web.Request) -> None:
                # As with `kubectl replace --force`: these events arrive before the response to the finalizer patch.
                if not found.server.objects:
                    found.deliver("DELETED", old)
                    found.applied(new)

            found.server.after = come_between
            found.server.put(old)
            found.deliver(None, old)
            await found.server.until(lambda: "/app/b" in str(found.status.get("parameters")))
            assert found.reason == "InSync"
            assert list(found.fake.store) == ["/app/b"]

    asyncio.run(act())


def test_finalizer_is_removed_only_after_a_second_read_confirms_the_deletion() -> None:
    async def act() -> None:
        async with running_controller(deletion_check_seconds=0.2) as found:
            found.applied(configured({"a": "1"}))
            await found.server.until(lambda: found.reason == "InSync")
            deleted = configured({"a": "1"}, metadata={"deletionTimestamp": GOING}, status=found.status)
            found.server.put(deleted)
            found.deliver("MODIFIED", deleted)
            await found.server.until(lambda: found.reason == "Deleting")
            assert found.fake.store == {}
            # An earlier write becomes visible only now.
            found.fake.store["/app/late"] = Thing(name="/app/late", owner="cluster/shop/myapp/uid-1", version=1)
            await found.server.until(lambda: not found.server.objects)
            assert found.fake.store == {}

    asyncio.run(act())


class Forgetful(Engine):
    """An engine that records forgotten objects."""

    def __init__(self, kind: FakeKind) -> None:
        super().__init__(lambda _place: (kind,))
        self.forgotten = asyncio.Queue[str]()

    def forget(self, uid: str) -> None:
        """Record it as well."""
        super().forget(uid)
        self.forgotten.put_nowait(uid)


@pytest.mark.parametrize("is_followed", [False, True], ids=["deleted", "another came"])
def test_object_deleted_without_the_operator_is_forgotten(is_followed: bool) -> None:
    async def act() -> None:
        engine = Forgetful(FakeKind())
        async with running_controller(engine=engine) as found:
            old = configured({"a": "1"}, finalizers=[])
            found.applied(old)
            await found.server.until(lambda: found.reason == "InSync")
            del found.server.objects[KEY]
            found.deliver("DELETED", old)
            if is_followed:
                found.applied(configured({"a": "1"}, uid="uid-2", finalizers=[]))
            assert await asyncio.wait_for(engine.forgotten.get(), 5) == "uid-1"

    asyncio.run(act())


@pytest.mark.parametrize(
    ("spec", "reason"),
    [({"path": "/other"}, "PathNotAllowed"), ({"region": "zz-nowhere-1"}, "InvalidSpec")],
    ids=["path", "region"],
)
def test_listener_starts_only_for_an_accepted_object(spec: dict[str, Any], reason: str) -> None:
    async def act() -> None:
        async with running_controller(tenant_of=lambda namespace: Tenant(namespace, paths=("/app",))) as found:
            refused = configured({"a": "1"}, finalizers=[], **{"region": "us-east-1", **spec})
            found.applied(refused)
            await found.server.until(lambda: found.reason == reason)
            assert found.listened == []
            found.applied({**refused, "spec": {**refused["spec"], "path": "/app", "region": "us-east-1"}})
            found.controller.requeue(KEY)
            await found.server.until(lambda: found.reason == "InSync")
            assert found.listened == ["us-east-1"]

    asyncio.run(act())


def test_after_a_restart_events_are_received_before_the_next_resync() -> None:
    async def act() -> None:
        async with running_controller() as found:
            seen = {"lastObservedTime": timestamp(time.time()), "observedGeneration": 1}
            found.deliver(None, configured({"a": "1"}, status=seen))
            assert found.listened == [REGION]

    asyncio.run(act())


def test_age_of_an_object_counts_from_its_listing_while_aws_is_unavailable() -> None:
    async def act() -> None:
        seconds = iter(range(1_800_000_000, 1_900_000_000, 60))
        async with running_controller(now=lambda: float(next(seconds))) as found:
            found.fake.failures = {"/app/a": Unavailable("AWS is unavailable")}
            found.applied(configured({"a": "1"}, finalizers=[]))
            assert found.controller.oldest_observation() > 0

    asyncio.run(act())


def test_missing_event_of_an_own_write_is_reported_on_the_objects() -> None:
    async def act() -> None:
        async with running_controller() as found:
            found.applied(configured({"a": "1"}, finalizers=[]))
            await found.server.until(lambda: found.reason == "InSync")
            await found.controller.event_warnings.event_missing(Place(REGION), "/app/b")
            await found.controller.event_warnings.event_missing(Place(REGION), "/app/a")
            (event,) = (event for event in found.server.events if event["type"] == "Warning")
            assert (event["reason"], "/app/a" in event["message"]) == ("EventsMissing", True)

    asyncio.run(act())


def test_objects_of_a_place_and_shard_are_observed_again_when_their_events_begin_to_arrive() -> None:
    async def act() -> None:
        async with running_controller(shards=2) as found:
            names: dict[int, str] = {}
            for number in range(20):
                names.setdefault(shard_of(Key("shop", f"n{number}"), 2), f"n{number}")
            for shard, name in names.items():
                found.applied(configured({"a": "1"}, uid=name, metadata={"name": name}, path=f"/app/{shard}"))
            await found.server.until(lambda: all("InSync" in str(item) for item in found.server.objects.values()))
            before = {shard: replace(found.fake.store[f"/app/{shard}/a"], value="before the rule") for shard in names}
            found.fake.store.update({f"/app/{shard}/a": parameter for shard, parameter in before.items()})
            await found.controller.event_warnings.began(Place(REGION), 1)
            await found.controller.event_warnings.began(Place("us-east-1"), 0)
            await found.server.until(lambda: found.fake.store["/app/1/a"].value == "1")
            await found.server.until(lambda: found.controller.waiting() == 0)
            assert found.fake.store["/app/0/a"].value == "before the rule"
            assert not [event for event in found.server.events if event["reason"] == "EventsMissing"]

    asyncio.run(act())


class LimitedKind(FakeKind):
    """Records the names to which each observation is limited."""

    def __init__(self) -> None:
        super().__init__()
        self.limits: list[frozenset[str]] = []

    def observe(self, scope: Scope, desired: Sequence[Thing]) -> Iterable[Thing]:
        """Record it."""
        self.limits.append(scope.changed if scope.is_partial else frozenset())
        return super().observe(scope, desired)


def test_event_of_one_parameter_does_not_limit_what_is_observed_after_lost_events() -> None:
    async def act() -> None:
        kind = LimitedKind()
        async with running_controller(engine=kind.engine()) as found:
            found.applied(configured({"a": "1", "b": "1"}))
            await found.server.until(lambda: found.reason == "InSync")
            for is_lost, limit in ((False, frozenset({"/app/a"})), (True, frozenset[str]()), (False, {"/app/a"})):
                await found.controller.objects.ended(0)
                kind.limits.clear()
                found.controller.router.route([Signal(REGION, time.time(), PUT, parameters=("/app/a",))])
                if is_lost:
                    await found.controller.event_warnings.began(Place(REGION), 0)
                async with asyncio.timeout(10.0):
                    while not kind.limits:
                        await asyncio.sleep(0.01)
                assert kind.limits == [limit]

    asyncio.run(act())


def test_interrupted_events_are_reported_on_some_objects_of_the_region() -> None:
    async def act() -> None:
        async with running_controller() as found:
            for number in range(25):
                found.applied(
                    configured({"a": "1"}, uid=f"uid-{number}", metadata={"name": f"n{number}"}, path=f"/app/{number}")
                )
            found.applied(
                configured({"a": "1"}, uid="other", metadata={"name": "other"}, path="/other", region="us-east-1")
            )
            await found.server.until(lambda: all("InSync" in str(item) for item in found.server.objects.values()))
            found.fake.store["/app/7/a"] = replace(found.fake.store["/app/7/a"], value="changed unheard")
            await found.controller.event_warnings.interrupted(Place(REGION), 0, "rule events was disabled")
            await found.server.until(lambda: found.fake.store["/app/7/a"].value == "1")
            warned = [event for event in found.server.events if event["reason"] == "EventsMissing"]
            assert len({event["involvedObject"]["uid"] for event in warned} - {"other"}) == len(warned) == 20
            assert all("rule events was disabled" in event["message"] for event in warned)

    asyncio.run(act())


def test_object_with_a_revoked_grant_is_reconciled_after_a_restart() -> None:
    async def act() -> None:
        async with running_controller() as found:
            found.applied(configured({"a": "1"}))
            await found.server.until(lambda: found.reason == "InSync")
            stored = found.server.objects[KEY]
        async with running_controller(tenant_of=lambda namespace: Tenant(namespace, paths=("/other",))) as later:
            later.server.put(stored)
            later.deliver(None, stored)
            await later.server.until(lambda: later.reason == "PathNotAllowed")

    asyncio.run(act())
