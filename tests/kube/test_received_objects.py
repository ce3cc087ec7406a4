"""What the event loop does for each event of the watch: others wait for their objects meanwhile."""

import asyncio
import itertools
from typing import Any

import pytest
from aiohttp import web
from tests.kube.controller_harness import GOING, KEY, ControllerHarness, configured, running_controller
from tests.model.test_size import report
from tests.operations import calls_of

from dynconfig.api.names import FINALIZER
from dynconfig.kube.work_queue import MOST_WEIGHT
from dynconfig.model.size import LARGE, OMITTED_BYTES

VERSIONS = itertools.count(2)


def observed(parameters: int, **about: Any) -> dict[str, Any]:
    """An object in sync."""
    status = {**report(parameters), "lastObservedTime": "2027-01-15T08:00:00Z"}
    metadata = {"resourceVersion": str(next(VERSIONS)), **about}
    return configured({f"level/{number:04}": "1" for number in range(parameters)}, status=status, metadata=metadata)


@pytest.mark.parametrize("fences", [True, False], ids=["served here", "of another replica"])
def test_patch_of_labels_costs_the_same_for_an_object_of_a_thousand_parameters(fences: bool) -> None:
    def calls(found: ControllerHarness, parameters: int) -> int:
        objects = found.controller.objects
        objects.object_changed(observed(parameters), "MODIFIED")
        labelled = observed(parameters, labels={"a": "b"}, managedFields=[{"manager": "kubectl"}])
        return calls_of(lambda: objects.object_changed(labelled, "MODIFIED"))

    async def act() -> None:
        async with running_controller() as found:
            if not fences:
                found.controller.objects.ending(0)
            assert calls(found, 1000) < calls(found, 10) + 20

    asyncio.run(act())


@pytest.mark.parametrize("event", ["ADDED", "MODIFIED", None])
def test_status_is_validated_once_per_change_and_not_without_one(event: str | None) -> None:
    async def act() -> None:
        async with running_controller() as found:
            objects, changed = found.controller.objects, observed(10)
            assert calls_of(lambda: objects.object_changed(changed, event), "validate_python") == 1
            again = observed(10)
            assert calls_of(lambda: objects.object_changed(again, "MODIFIED"), "validate_python") == 0

    asyncio.run(act())


def test_version_and_weight_follow_each_patch_of_metadata() -> None:
    async def act() -> None:
        async with running_controller() as found:
            objects = found.controller.objects
            objects.object_changed(observed(10), "ADDED")
            assert found.controller._requeues.weight(KEY) == 0
            patched = {**observed(10), OMITTED_BYTES: LARGE}
            objects.object_changed(patched, "MODIFIED")
            assert LARGE < found.controller._requeues.weight(KEY) < MOST_WEIGHT
            assert found.controller._tracker.version(KEY) == patched["metadata"]["resourceVersion"]
            objects.object_changed(observed(10), "MODIFIED")
            assert found.controller._requeues.weight(KEY) == 0

    asyncio.run(act())


def test_change_that_could_not_be_handled_is_handled_at_the_next_event(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act() -> None:
        async with running_controller() as found:
            objects, index = found.controller.objects, found.controller._index
            with monkeypatch.context() as patch:
                patch.setattr(index, "_entry", None)
                objects.object_changed(observed(1), "ADDED")
            assert index.path(KEY) == ""
            objects.object_changed(observed(1), "MODIFIED")
            assert index.path(KEY) == "/app"

    asyncio.run(act())


def test_patches_of_an_object_that_another_finalizer_keeps_cost_nothing_once_it_is_finalized() -> None:
    async def act() -> None:
        async with running_controller() as found:
            found.applied(configured({"a": "1"}))
            await found.server.until(lambda: found.reason == "InSync")
            going = configured({"a": "1"}, finalizers=[FINALIZER, "example.org/keep"])
            going["metadata"]["deletionTimestamp"] = GOING
            found.server.objects[KEY] = {**going, "status": found.status}
            found.deliver("MODIFIED", found.server.objects[KEY])
            await found.server.until(
                lambda: found.server.objects[KEY]["metadata"]["finalizers"] == ["example.org/keep"]
            )
            left, requests = found.server.objects[KEY], list[str]()
            found.deliver("MODIFIED", left)
            while found.controller._shards.running or found.controller.waiting():
                await asyncio.sleep(0)

            async def count(request: web.Request) -> None:
                requests.append(request.path)

            found.server.before = count
            for number in range(9):
                left["metadata"].update(labels={"a": str(number)}, resourceVersion=f"9{number}")
                found.deliver("MODIFIED", left)
            assert not found.controller.waiting()
            found.deliver("DELETED", left)
            await found.server.until(lambda: bool(requests))

    asyncio.run(act())


@pytest.mark.parametrize("is_received", [True, False], ids=["deletion received", "deletion replaced"])
@pytest.mark.parametrize("fences", [True, False], ids=["served here", "of another replica"])
def test_object_that_replaced_another_one_leaves_the_same_state(fences: bool, is_received: bool) -> None:
    async def act() -> None:
        async with running_controller() as found:
            if not fences:
                found.controller.objects.ending(0)
            first, second = configured({"a": "1"}), configured({"b": "2"}, uid="uid-2", path="/other")
            found.applied(first)
            if fences:
                await found.server.until(lambda: found.reason == "InSync")
            found.server.put(second)
            if is_received:
                found.deliver("DELETED", first)
            found.deliver("ADDED", second)
            if fences:
                await found.server.until(lambda: found.reason == "InSync")
                assert "uid-2" in found.fake.store["/other/b"].owner
            tracker, index = found.controller._tracker, found.controller._index
            assert tracker.uids(KEY) == ("uid-2" if fences else None, "uid-2")
            assert index.path(KEY) == "/other"

    asyncio.run(act())


def test_deletion_of_an_object_that_was_never_received_leaves_nothing() -> None:
    async def act() -> None:
        async with running_controller() as found:
            found.deliver("DELETED", configured({"a": "1"}))
            while found.controller._shards.running or found.controller.waiting():
                await asyncio.sleep(0)
            assert found.controller._tracker.uids(KEY) == (None, None)
            assert found.fake.calls == []

    asyncio.run(act())
